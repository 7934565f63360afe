//! `mcp-conductor token`: bearer tokens for the server on HTTP.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use mcp_conductor::{Config, TokenFile, TokenFileError};

use super::unusable;

#[derive(Debug, Args)]
pub(super) struct TokenArguments {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Create a token and print it: it is shown only once.
    Add(Named),
    /// Show the names of all tokens, and when they were created.
    List(FileArgument),
    /// Remove a token.
    Remove(Named),
}

#[derive(Debug, Args)]
struct Named {
    /// Who it is for: up to 64 characters out of A-Z, a-z, 0-9 and ._@-
    name: String,
    #[command(flatten)]
    file_argument: FileArgument,
}

#[derive(Debug, Args)]
struct FileArgument {
    /// The file; instead of MCP_CONDUCTOR_TOKENS. Without either:
    /// ~/.mcp-conductor/tokens.json.
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
}

impl FileArgument {
    fn file(&self, config: &Config) -> Result<TokenFile, TokenFileError> {
        match &self.tokens {
            Some(path) => Ok(TokenFile::new(path)),
            None => TokenFile::of(config),
        }
    }
}

pub(super) fn token(config: &Config, arguments: &TokenArguments) -> ExitCode {
    let done = match &arguments.command {
        TokenCommand::Add(named) => add(config, named),
        TokenCommand::List(file_argument) => list(config, file_argument),
        TokenCommand::Remove(named) => remove(config, named),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => unusable(&problem),
    }
}

fn add(config: &Config, named: &Named) -> Result<(), String> {
    let file = named.file_argument.file(config).map_err(described)?;
    let token = file.add(&named.name).map_err(described)?;
    if let Err(error) = print(&format!("{token}\n")) {
        // Nobody has seen it.
        let _ = file.remove(&named.name);
        return Err(format!("the token cannot be printed: {error}"));
    }
    let path = file.path().display();
    eprintln!("Send it as \"Authorization: Bearer TOKEN\". Only its hash is kept, in {path}.");
    if config.http().tokens.as_deref() != Some(file.path()) {
        eprintln!("Start the server with MCP_CONDUCTOR_TOKENS={path}.");
    }
    eprintln!("A running server that uses this file accepts the token after SIGHUP.");
    Ok(())
}

fn list(config: &Config, file_argument: &FileArgument) -> Result<(), String> {
    let tokens = file_argument.file(config).and_then(|file| file.list()).map_err(described)?;
    let width = tokens.iter().map(|token| token.name.len()).max().unwrap_or_default();
    for token in tokens {
        let line = format!("{:width$}  {}", token.name, token.created);
        // To a reader that may have gone away, which is not ours to report.
        let _ = print(&format!("{}\n", line.trim_end()));
    }
    Ok(())
}

fn remove(config: &Config, named: &Named) -> Result<(), String> {
    let file = named.file_argument.file(config).map_err(described)?;
    file.remove(&named.name).map_err(described)?;
    eprintln!("Removed \"{}\". A running server accepts it until SIGHUP.", named.name);
    Ok(())
}

fn described(error: TokenFileError) -> String {
    error.to_string()
}

fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
