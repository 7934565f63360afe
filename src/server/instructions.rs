//! What clients are told about this server when they connect.

use crate::upstream::Upstreams;

const INSTRUCTIONS: &str = "\
run_deno_code runs a TypeScript program in a sandbox and returns its value: write one program \
instead of many steps, pass data in `globals`, return only what you need. Each run is a fresh \
process with what the administrator granted: files, hosts, variables, commands (see the tool).";

const PYTHON: &str = " execute_python runs Python in the same way, with numpy, pandas and \
matplotlib: use it for tables, statistics, plots and documents.";

/// Claude Code cuts instructions at 2 KB.
const MAX_INSTRUCTIONS: usize = 1900;

/// The text, with the servers that programs can call.
pub(super) fn text(upstreams: &Upstreams, has_python: bool) -> String {
    let instructions = format!("{INSTRUCTIONS}{}", if has_python { PYTHON } else { "" });
    let servers = upstreams.servers();
    let names: Vec<&str> =
        servers.iter().filter(|server| server.config.is_ok()).map(|server| &*server.name).collect();
    if names.is_empty() {
        return instructions;
    }
    let mut text = format!(
        "{instructions}\n\nPrograms can call the tools of other MCP servers: import * as s from \
         'mcp:NAME'; await s.TOOL({{...}}), in parallel too, and only the program's value comes \
         back. Find tools with search_tools, their parameters with get_tools. Servers: "
    );
    let end = names.len();
    for (index, name) in names.into_iter().enumerate() {
        let shown: String = crate::text::shown::line(name).chars().take(64).collect();
        if text.len() + shown.len() + 40 > MAX_INSTRUCTIONS {
            text.push_str(&format!("and {} more (list_mcp_servers)", end - index));
            return text;
        }
        text.push_str(&shown);
        text.push_str(if index + 1 == end { "." } else { ", " });
    }
    text
}
