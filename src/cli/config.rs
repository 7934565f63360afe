//! `mcp-conductor config`: the configuration as it is understood, and its schema.

use std::process::ExitCode;

use clap::Subcommand;
use mcp_conductor::{Config, Sources};

use super::{print, unusable, warn_of_ignored_settings};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the configuration, with where each setting comes from and without secrets.
    Check,
    /// Print the JSON Schema of the config file.
    Schema,
}

pub(crate) fn config(command: ConfigCommand, sources: &Sources) -> ExitCode {
    match command {
        ConfigCommand::Check => match Config::check(sources) {
            Ok(text) => {
                warn_of_ignored_settings();
                print(&text);
            }
            Err(error) => return unusable(&error.to_string()),
        },
        ConfigCommand::Schema => {
            let text = serde_json::to_string_pretty(&Config::schema());
            print(&format!("{}\n", text.expect("JSON values serialize")));
        }
    }
    ExitCode::SUCCESS
}
