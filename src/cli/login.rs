//! `mcp-conductor login`: tokens of a server that wants OAuth.

use std::process::ExitCode;

use clap::Args;
use mcp_conductor::Config;

use super::{print, unusable};

#[derive(Debug, Args)]
pub(super) struct LoginArguments {
    /// The server's name in the configuration of MCP servers.
    name: String,
}

pub(super) async fn login(config: Config, arguments: LoginArguments) -> ExitCode {
    let name = &arguments.name;
    let mut show = |address: &str| {
        print(&format!("Open this in a browser on this machine to log in to {name}:\n\n"));
        print(&format!("  {address}\n\n"));
    };
    match mcp_conductor::login(&config, name, &mut show).await {
        Ok(()) => {
            print(&format!("Logged in to {name}. Servers use it when they connect next.\n"));
            ExitCode::SUCCESS
        }
        Err(error) => unusable(&error.to_string()),
    }
}
