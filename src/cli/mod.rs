//! Commands and their arguments.

mod config;
mod conversation;
mod doctor;
mod healthcheck;
mod install;
mod login;
mod run;
mod search;
mod token;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::{Parser, Subcommand};
use mcp_conductor::{
    Config, Log, ReturnMode, Runtime, Sources, Timing, TimingError, TraceExport, TraceExportError,
    visible_lines,
};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Runs programs in TypeScript and Python for AI agents, each in a sandboxed process.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    /// The configuration, TOML or JSON. Flags and environment variables take precedence over it.
    #[arg(long, value_name = "FILE", global = true, env = "MCP_CONDUCTOR_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MCP on standard input and output.
    Stdio(ServeArguments),
    /// Serve MCP over Streamable HTTP, for many clients.
    Http(HttpArguments),
    /// Run one program: its value on stdout, what it prints on stderr.
    Run(run::RunArguments),
    /// Show which layers of the sandbox are enforced here, and the configuration.
    Doctor,
    /// Install the packages that programs may import, or another component.
    Install(install::InstallArguments),
    /// Log in to an MCP server of the configuration that requires OAuth.
    Login(login::LoginArguments),
    /// Add, list or remove the bearer tokens of `http`.
    Token(token::TokenArguments),
    /// List, show or end the conversations of the store.
    Conversation(conversation::ConversationArguments),
    /// Forget what use of tools has taught searches.
    #[command(subcommand)]
    Search(search::SearchCommand),
    /// Check the configuration, or print its JSON Schema.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Ask the server on this machine's loopback whether it is alive.
    Healthcheck,
}

#[derive(Debug, clap::Args)]
struct ServeArguments {
    /// The format of results as text.
    #[arg(long, value_enum, default_value = "json")]
    return_mode: ReturnForm,
    /// Wall time in ms of a run that sets no timeout; instead of MCP_CONDUCTOR_DEFAULT_TIMEOUT.
    #[arg(long, value_name = "MS")]
    timeout: Option<u64>,
    /// Longest wall time in ms that a run may ask for; instead of MCP_CONDUCTOR_MAX_TIMEOUT.
    #[arg(long, value_name = "MS")]
    max_timeout: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct HttpArguments {
    #[command(flatten)]
    serve: ServeArguments,
    /// The port to listen on (3001); instead of MCP_CONDUCTOR_PORT.
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// The address to listen on (127.0.0.1); instead of MCP_CONDUCTOR_BIND.
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ReturnForm {
    Json,
    Yaml,
}

/// Flags that replace variables of the environment.
type Flags = Vec<(&'static str, String)>;

fn flag(name: &'static str, value: &Option<impl ToString>) -> Option<(&'static str, String)> {
    value.as_ref().map(|value| (name, value.to_string()))
}

impl ServeArguments {
    fn flags(&self) -> Flags {
        let flags = [
            flag("MCP_CONDUCTOR_DEFAULT_TIMEOUT", &self.timeout),
            flag("MCP_CONDUCTOR_MAX_TIMEOUT", &self.max_timeout),
        ];
        flags.into_iter().flatten().collect()
    }

    fn return_mode(&self) -> ReturnMode {
        match self.return_mode {
            ReturnForm::Json => ReturnMode::Json,
            ReturnForm::Yaml => ReturnMode::Yaml,
        }
    }
}

impl HttpArguments {
    fn flags(&self) -> Flags {
        let own = [flag("MCP_CONDUCTOR_PORT", &self.port), flag("MCP_CONDUCTOR_BIND", &self.bind)];
        self.serve.flags().into_iter().chain(own.into_iter().flatten()).collect()
    }
}

impl Command {
    fn flags(&self) -> Flags {
        match self {
            Self::Stdio(arguments) => arguments.flags(),
            Self::Http(arguments) => arguments.flags(),
            _ => Vec::new(),
        }
    }
}

/// Exit code for a configuration or a machine that the server cannot work with.
/// A failed program is 1, wrong arguments are 2 (clap's).
const EXIT_UNUSABLE: u8 = 3;

/// Standard error, once [`main`] has begun.
static LOG: OnceLock<Log> = OnceLock::new();

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The first thread beside this one: each keeps the capabilities that it began with.
    let log = match Log::to_stderr() {
        Ok(log) => LOG.get_or_init(|| log),
        Err(error) => return unusable(&format!("Cannot start the thread for the log: {error}")),
    };
    log.say_panics();
    let code = start(arguments, log);
    log.flush();
    code
}

fn start(arguments: Arguments, log: &Log) -> ExitCode {
    let traces = match start_logging(&arguments.command, log) {
        Ok(traces) => traces,
        Err(error) => return unusable(&error.to_string()),
    };
    let sources = Sources { file: arguments.config, flags: arguments.command.flags() };
    // It says itself what is wrong.
    if let Command::Config(command) = arguments.command {
        return config::config(command, &sources);
    }
    let config = match Config::load(&sources) {
        Ok(config) => config,
        Err(error) => return unusable(&error.to_string()),
    };
    warn_of_ignored_settings();
    if let Err(error) = shorten_times() {
        return unusable(&error.to_string());
    }
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return unusable(&format!("Cannot start the event loop: {error}")),
    };
    let code = runtime.block_on(dispatch(arguments.command, config, sources));
    // A read of stdin that never returns must not keep the process.
    runtime.shutdown_background();
    // A run that was dropped last may not have got to it.
    mcp_conductor::end_commands();
    // What ran last is sent too.
    drop(traces);
    code
}

async fn dispatch(command: Command, config: Config, sources: Sources) -> ExitCode {
    match command {
        Command::Config(_) => ExitCode::SUCCESS,
        Command::Conversation(arguments) => conversation::conversation(&config, &arguments).await,
        Command::Doctor => doctor::doctor(config).await,
        Command::Healthcheck => healthcheck::healthcheck(config.http().port),
        Command::Http(arguments) => http(config, arguments.serve.return_mode(), sources).await,
        Command::Install(arguments) => install::install(config, arguments).await,
        Command::Login(arguments) => login::login(config, arguments).await,
        Command::Run(arguments) => run::run(config, arguments).await,
        Command::Search(command) => search::search(&config, &command).await,
        Command::Stdio(arguments) => stdio(config, arguments.return_mode()).await,
        Command::Token(arguments) => token::token(&config, &arguments),
    }
}

async fn stdio(config: Config, return_mode: ReturnMode) -> ExitCode {
    let runtime = match Runtime::new(config).await {
        Ok(runtime) => runtime,
        Err(error) => return unusable(&error.to_string()),
    };
    match mcp_conductor::serve_stdio(runtime, return_mode).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => unusable(&error.to_string()),
    }
}

async fn http(config: Config, return_mode: ReturnMode, sources: Sources) -> ExitCode {
    let runtime = match Runtime::new(config).await {
        Ok(runtime) => runtime,
        Err(error) => return unusable(&error.to_string()),
    };
    let reload = Box::new(move || Config::load(&sources));
    match mcp_conductor::serve_http(runtime, return_mode, reload).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => unusable(&error.to_string()),
    }
}

/// Logs go to stderr: stdout of `stdio` carries protocol only. Traces go where the
/// environment says.
fn start_logging(command: &Command, log: &Log) -> Result<Option<TraceExport>, TraceExportError> {
    let traces = match command {
        Command::Stdio(_) | Command::Http(_) | Command::Run(_) => TraceExport::from_env()?,
        _ => None,
    };
    let default = match command {
        Command::Stdio(_) | Command::Http(_) => "info,rmcp=off",
        // Denials are in the result; settings that are ignored are not.
        _ => "warn,audit=error",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let logs = tracing_subscriber::fmt::layer()
        .with_writer(log.clone())
        .with_ansi(false)
        .with_filter(filter);
    tracing_subscriber::registry()
        .with(logs)
        .with(traces.as_ref().map(|traces| traces.layer()))
        .init();
    Ok(traces)
}

fn warn_of_ignored_settings() {
    for name in Config::unknown_variables().into_iter().filter(|name| name != Timing::VARIABLE) {
        tracing::warn!("{name} is set but unknown to this version");
    }
}

/// The waiting times of a test, if it says so.
fn shorten_times() -> Result<(), TimingError> {
    let Some(text) = std::env::var_os(Timing::VARIABLE) else { return Ok(()) };
    tracing::warn!("{} is set: waiting times are those of a test", Timing::VARIABLE);
    Timing::install(&text)
}

/// Each run has descriptors here; 1024, the usual soft limit, is four runs' worth.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // As it was, if that is not allowed.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// To a reader that may have gone away, which is not ours to report.
fn print(text: &str) {
    let mut stdout = std::io::stdout();
    let _ = stdout.write_all(visible_lines(text).as_bytes()).and_then(|()| stdout.flush());
}

pub(crate) fn unusable(message: &str) -> ExitCode {
    let message = format!("mcp-conductor: {message}");
    match LOG.get() {
        Some(log) => log.say(&message),
        None => eprintln!("{}", visible_lines(&message)),
    }
    ExitCode::from(EXIT_UNUSABLE)
}

/// Flushes the log, so that its lines precede what is printed next.
fn flush_log() {
    if let Some(log) = LOG.get() {
        log.flush();
    }
}
