//! Errors of requests to upstream servers.

use thiserror::Error;

use crate::config::environment::MAX_TOOL_RESULT;
use crate::memory::NoMemory;
use crate::text::clip;

/// Longest text of an upstream server in an error, in bytes.
const MAX_TEXT: usize = 4096;

#[derive(Debug, Clone, Error)]
pub(crate) enum UpstreamError {
    #[error("MCP server \"{name}\" not found{hint}")]
    NoServer { name: String, hint: String },
    #[error("Tool \"{tool}\" not found on MCP server \"{server}\"{hint}")]
    NoTool { server: String, tool: String, hint: String },
    /// The entry in the configuration cannot be used, or the server not be reached.
    #[error("MCP server \"{name}\" failed to connect: {reason}")]
    Unavailable { name: String, reason: String },
    #[error("MCP server \"{name}\" did not answer within {ms} ms")]
    Timeout { name: String, ms: u128 },
    #[error("MCP server \"{name}\" ended or closed the connection before it answered")]
    Closed { name: String },
    #[error("MCP server \"{name}\" answered with an error: {message} ({code})")]
    Answered { name: String, code: i32, message: String },
    #[error(
        "MCP server \"{name}\" sent a result of more than {limit} bytes ({MAX_TOOL_RESULT}). Ask \
         for less, or in pages"
    )]
    TooLarge { name: String, limit: usize },
    #[error(
        "MCP server \"{name}\" sent a result that there is no memory for. {reason}, or ask for less"
    )]
    NoMemory { name: String, reason: NoMemory },
    #[error("MCP server \"{name}\" sent an answer that cannot be read: {why}")]
    Unreadable { name: String, why: String },
    #[error("MCP server \"{name}\" answered with something other than what was asked for: {what}")]
    Unexpected { name: String, what: String },
    #[error("{0}")]
    Invalid(String),
}

/// A text that somebody else chose, as far as it is visible and not too long.
pub(super) fn shown(text: &str) -> String {
    clip::visible(text, MAX_TEXT)
}
