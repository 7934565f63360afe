//! MCP in, MCP out: tools, prompts and resources, their arguments and results, the
//! stdio transport.
//! Knows the runtime and nothing behind it.

mod arguments;
mod caller;
mod content;
mod discovery;
mod handler;
mod instructions;
mod json;
mod playbooks;
mod progress;
mod prompts;
mod resources;
mod stdio;
mod tool;
mod tools;
mod yaml;

pub use json::ExecutionJson;
pub use stdio::{ServeError, serve_stdio};

/// The form of results as text. As structure they are JSON in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReturnMode {
    /// JSON.
    #[default]
    Json,
    /// YAML, which some models read with fewer tokens.
    Yaml,
}
