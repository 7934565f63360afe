//! Upstream servers and their tools.

use serde::{Deserialize, Serialize};

/// Requests of a program to upstream servers, and questions about them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ToolOperation {
    /// Calls a tool of an upstream server; without one, `tool` is a qualified name
    /// such as `mcp__server__tool`. Answered by [`Answer::Text`](super::Answer::Text), the
    /// result as JSON.
    CallTool {
        server: Option<String>,
        tool: String,
        /// A JSON object.
        arguments: String,
    },
    /// Asks an upstream server for something else; answered by
    /// [`Answer::Text`](super::Answer::Text), JSON.
    AskServer { server: String, question: Question },
    /// Names of the upstream servers; answered by [`Answer::Text`](super::Answer::Text),
    /// JSON.
    Servers,
    /// The upstream servers that the run may use, with what each has; answered by
    /// [`Answer::Text`](super::Answer::Text), JSON.
    DescribeServers,
    /// Tools for a query, best match first; answered by
    /// [`Answer::Text`](super::Answer::Text), JSON.
    SearchTools { query: String, limit: u32 },
    /// One tool by its qualified name; answered by
    /// [`Answer::MaybeText`](super::Answer::MaybeText), JSON.
    ToolSchema { name: String },
    /// The same search within a conversation, with those that it has loaded apart; answered by
    /// [`Answer::Text`](super::Answer::Text), JSON.
    FindTools { query: String, limit: u32 },
    /// One tool by its name, which the conversation has loaded then; answered by
    /// [`Answer::Text`](super::Answer::Text), JSON.
    LoadToolSpec { name: String },
}

/// What a program can ask an upstream server beside calls of tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Question {
    ListTools,
    ListResources,
    ReadResource {
        uri: String,
    },
    ListPrompts,
    GetPrompt {
        name: String,
        /// A JSON object.
        arguments: String,
    },
}

impl ToolOperation {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::CallTool { .. } => "callTool",
            Self::AskServer { .. } => "askServer",
            Self::Servers => "serverNames",
            Self::DescribeServers => "listServers",
            Self::SearchTools { .. } => "searchTools",
            Self::ToolSchema { .. } => "getToolSchema",
            Self::FindTools { .. } => "findTools",
            Self::LoadToolSpec { .. } => "loadToolSpec",
        }
    }
}
