//! Commands and their arguments.

mod doctor;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mcp_conductor::{Config, Runtime};
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
    Stdio,
    /// Run one program: its value on stdout, what it prints on stderr.
    Run(run::RunArguments),
    /// Show what of the sandbox is enforced here, and the configuration.
    Doctor,
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
        Command::Run(arguments) => run::run(config, arguments).await,
        Command::Stdio => {
            let runtime = match Runtime::new(config).await {
                Ok(runtime) => runtime,
                Err(error) => return unusable(&error.to_string()),
            };
            match mcp_conductor::serve_stdio(runtime).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => unusable(&error.to_string()),
            }
        }
    }
}

/// Logs go to stderr: stdout of `stdio` carries protocol only.
fn start_logging(command: &Command) {
    let default = match command {
        Command::Stdio => "info,rmcp=warn",
        // What was refused is in the result; settings that are ignored are not.
        Command::Run(_) | Command::Doctor => "warn,audit=error",
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
