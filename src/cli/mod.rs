//! Commands and their arguments.

mod doctor;
mod login;
mod run;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use mcp_conductor::{Config, ReturnMode, Runtime};
use tracing_subscriber::EnvFilter;

/// Runs TypeScript programs for AI agents, each in a sandboxed process.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MCP on standard input and output.
    Stdio(ServeArguments),
    /// Run one program: its value on stdout, what it prints on stderr.
    Run(run::RunArguments),
    /// Show what of the sandbox is enforced here, and the configuration.
    Doctor,
    /// Log in to an MCP server of the configuration that wants OAuth.
    Login(login::LoginArguments),
}

#[derive(Debug, clap::Args)]
struct ServeArguments {
    /// The form of results as text.
    #[arg(long, value_enum, default_value = "json")]
    return_mode: ReturnForm,
    /// Wall time in ms of a run that asks for none; instead of MCP_CONDUCTOR_DEFAULT_TIMEOUT.
    #[arg(long, value_name = "MS")]
    timeout: Option<u64>,
    /// Most wall time in ms that a run may ask for; instead of MCP_CONDUCTOR_MAX_TIMEOUT.
    #[arg(long, value_name = "MS")]
    max_timeout: Option<u64>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ReturnForm {
    Json,
    Yaml,
}

impl ServeArguments {
    /// The configuration, with what the arguments say instead.
    fn apply(&self, mut config: Config) -> Config {
        if let Some(timeout) = self.max_timeout {
            let timeout = Duration::from_millis(timeout);
            // As with the variables, the one that was not set follows.
            let default = config.default_timeout().min(timeout);
            config = config.with_max_timeout(timeout).with_default_timeout(default);
        }
        if let Some(timeout) = self.timeout {
            config = config.with_default_timeout(Duration::from_millis(timeout));
        }
        config
    }

    fn return_mode(&self) -> ReturnMode {
        match self.return_mode {
            ReturnForm::Json => ReturnMode::Json,
            ReturnForm::Yaml => ReturnMode::Yaml,
        }
    }
}

/// Exit code for a configuration or a machine that the server cannot work with.
/// A failed program is 1, wrong arguments are 2 (clap's).
const EXIT_UNUSABLE: u8 = 3;

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging(&arguments.command);
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return unusable(&error.to_string()),
    };
    warn_of_ignored_settings();
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return unusable(&format!("No event loop: {error}")),
    };
    let code = runtime.block_on(dispatch(arguments.command, config));
    // A read of stdin that never returns must not keep the process.
    runtime.shutdown_background();
    code
}

async fn dispatch(command: Command, config: Config) -> ExitCode {
    match command {
        Command::Doctor => doctor::doctor(config).await,
        Command::Login(arguments) => login::login(config, arguments).await,
        Command::Run(arguments) => run::run(config, arguments).await,
        Command::Stdio(arguments) => {
            let runtime = match Runtime::new(arguments.apply(config)).await {
                Ok(runtime) => runtime,
                Err(error) => return unusable(&error.to_string()),
            };
            match mcp_conductor::serve_stdio(runtime, arguments.return_mode()).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => unusable(&error.to_string()),
            }
        }
    }
}

/// Logs go to stderr: stdout of `stdio` carries protocol only.
fn start_logging(command: &Command) {
    let default = match command {
        Command::Stdio(_) => "info,rmcp=off",
        // What was refused is in the result; settings that are ignored are not.
        Command::Run(_) | Command::Doctor | Command::Login(_) => "warn,audit=error",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

fn warn_of_ignored_settings() {
    for name in Config::unknown_variables() {
        tracing::warn!("{name} is set and means nothing to this version");
    }
}

/// Each run has descriptors here; 1024, the usual soft limit, is four runs' worth.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // As it was, if that is not allowed.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn unusable(message: &str) -> ExitCode {
    eprintln!("mcp-conductor: {message}");
    ExitCode::from(EXIT_UNUSABLE)
}
