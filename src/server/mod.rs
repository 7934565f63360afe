//! MCP in, MCP out: tools, prompts and resources, their arguments and results, the
//! stdio and the HTTP transport.
//!
//! Programs run through the runtime alone. Of what is behind it, the server looks at
//! three things: which tools there are (`upstream`), playbooks, and the audit log, which
//! requests go into that never become runs.

mod arguments;
mod auth;
mod caller;
mod coercion;
mod content;
mod discovery;
mod envelope;
mod handler;
mod held;
mod http;
mod instructions;
mod json;
mod packages;
mod playbooks;
mod progress;
mod prompts;
mod python;
mod python_packages;
mod repeated;
mod replica;
mod resources;
mod signals;
mod stdio;
mod timing;
mod tool;
mod tools;
mod yaml;

pub use self::http::{HttpError, Reload, serve_http, serve_http_with};
pub use auth::{TokenEntry, TokenFile, TokenFileError};
pub use json::ExecutionJson;
pub use stdio::{ServeError, serve_stdio};
pub use timing::{Timing, TimingError};

/// The format of results as text. As structure they are JSON in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReturnMode {
    /// JSON.
    #[default]
    Json,
    /// YAML, which some models read with fewer tokens.
    Yaml,
}
