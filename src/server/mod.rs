//! MCP in, MCP out: the tool, its arguments and results, the stdio transport.
//! Knows the runtime and nothing behind it.

mod arguments;
mod handler;
mod json;
mod progress;
mod stdio;
mod tool;

pub use json::ExecutionJson;
pub use stdio::{ServeError, serve_stdio};
