//! What a program has asked the server for, in words for its author.

use std::borrow::Cow;
use std::rc::Rc;

use crate::protocol::{
    CommandOperation, MAX_UNFINISHED_TEXT, ModuleOperation, NetworkOperation, Operation,
    ToolOperation,
};
use crate::text::clip::head;

/// Script, line and column of what runs, before its source map is applied.
pub(crate) type ScriptPlace = (String, u32, u32);

/// An operation that the server was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub what: Cow<'static, str>,
    pub place: Option<Rc<ScriptPlace>>,
}

impl Work {
    pub(super) fn of(operation: &Operation, place: Option<Rc<ScriptPlace>>) -> Self {
        Self { what: described(operation), place }
    }
}

fn described(operation: &Operation) -> Cow<'static, str> {
    match operation {
        Operation::Tool(ToolOperation::CallTool { server: Some(server), tool, .. }) => {
            format!("callTool {}/{}", cut(server), cut(tool)).into()
        }
        Operation::Tool(ToolOperation::CallTool { server: None, tool, .. }) => {
            format!("callMCPTool {}", cut(tool)).into()
        }
        Operation::Tool(ToolOperation::AskServer { server, .. }) => {
            format!("question to MCP server {}", cut(server)).into()
        }
        // What a query holds makes no difference, and may be long.
        Operation::Network(NetworkOperation::Fetch { url, .. }) => {
            let end = url.find(['?', '#']).unwrap_or(url.len());
            format!("fetch {}", cut(&url[..end])).into()
        }
        Operation::Network(NetworkOperation::FetchResponse { .. }) => "fetch".into(),
        Operation::Command(
            CommandOperation::Spawn(options) | CommandOperation::Output(options),
        ) => format!("command {}", cut(&options.command)).into(),
        Operation::Command(CommandOperation::Wait { .. }) => "command".into(),
        Operation::Module(
            ModuleOperation::Import { specifier } | ModuleOperation::Package { specifier },
        ) => format!("import {}", cut(specifier)).into(),
        other => other.name().into(),
    }
}

/// The program chooses it, and a call that is awaited is not to pay for its length.
fn cut(text: &str) -> &str {
    head(text, MAX_UNFINISHED_TEXT)
}
