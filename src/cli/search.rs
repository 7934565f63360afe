//! `mcp-conductor search`: what use of tools has taught searches, for the administrator.

use std::process::ExitCode;

use clap::Subcommand;
use mcp_conductor::{Config, forget_use};

use super::{print, unusable};

#[derive(Debug, Subcommand)]
pub(super) enum SearchCommand {
    /// Forget what use has taught. Servers that run forget it within a minute.
    Forget {
        /// Whose; everybody's without it. - is callers that do not authenticate.
        #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
        principal: Option<String>,
    },
}

pub(super) async fn search(config: &Config, command: &SearchCommand) -> ExitCode {
    let SearchCommand::Forget { principal } = command;
    match forget_use(config, principal.as_deref()).await {
        Ok(count) => {
            print(&forgotten(count, principal.as_deref()));
            ExitCode::SUCCESS
        }
        Err(error) => unusable(&error.to_string()),
    }
}

fn forgotten(count: usize, principal: Option<&str>) -> String {
    match (count, principal) {
        (0, Some(name)) => format!("Nothing was learned from the use of {name}\n"),
        (0, None) => "Nothing was learned from use\n".to_owned(),
        (_, Some(name)) => format!("Forgot what was learned from the use of {name}\n"),
        (1, None) => "Forgot what was learned from the use of 1 principal\n".to_owned(),
        (count, None) => format!("Forgot what was learned from the use of {count} principals\n"),
    }
}
