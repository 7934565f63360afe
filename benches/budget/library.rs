//! A process that has nothing but a `Runtime`: a program on each line of its stdin, its
//! value on a line of its stdout.

use std::io::{BufRead, Write, stdin, stdout};

use mcp_conductor::{Config, ExecuteRequest, Runtime};

/// As the server's own variables are called, so that both are started alike.
pub const STANDBY: &str = "MCP_CONDUCTOR_STANDBY";
pub const WORKSPACE: &str = "MCP_CONDUCTOR_WORKSPACE";
pub const MCP_CONFIG: &str = "MCP_CONDUCTOR_MCP_CONFIG";

/// What a line with a value begins with.
pub const VALUE: &str = "value ";

/// Answers until stdin ends.
pub fn main() {
    let variable = |name| std::env::var(name).expect("set by the one that measures");
    let config = Config::default()
        .with_executable(env!("CARGO_BIN_EXE_mcp-conductor"))
        .with_workspace(variable(WORKSPACE))
        .with_mcp_config(variable(MCP_CONFIG))
        .with_standby(variable(STANDBY).parse().expect("a number"));
    let tokio = tokio::runtime::Runtime::new().expect("threads");
    let runtime = tokio.block_on(Runtime::new(config)).expect("the runtime starts");
    // A test harness has begun a line.
    println!();
    for line in stdin().lock().lines() {
        let request = ExecuteRequest::new(line.expect("text"));
        let execution = tokio.block_on(runtime.execute(request)).expect("a run");
        let mut stdout = stdout().lock();
        // A writer of lines calls write once for each.
        let answer = format!("{VALUE}{}\n", execution.return_value);
        stdout.write_all(answer.as_bytes()).expect("somebody reads");
    }
}
