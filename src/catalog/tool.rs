//! One tool as it is kept: what its server says of it, read with nothing trusted, and
//! the check of its arguments.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::arguments::ArgumentCheck;
use super::declarations::sample;
use super::tool_info::{ToolInfo, show_text, show_texts};
use crate::memory::json;
use crate::text::clip::head;
use crate::text::shown;

/// Bytes of a tool's name; longer ones are left out. The specification
/// recommends at most 128.
pub(crate) const MAX_TOOL_NAME: usize = 256;

/// Bytes of a description that are kept.
const MAX_DESCRIPTION: usize = 16 << 10;

/// Memory of a tool beside its texts and values, in bytes: its names, the entry in the
/// table and what is known of its schema.
const TOOL_BYTES: usize = 1 << 10;

/// A tool as far as it is known, with the check of its arguments.
pub(crate) struct Tool {
    pub info: ToolInfo,
    pub check: ArgumentCheck,
    /// Its line in a list, for the first who asks.
    sample: OnceLock<String>,
}

impl Tool {
    pub(super) fn new(info: ToolInfo) -> Self {
        let check = ArgumentCheck::new(&info.input_schema);
        Self { info, check, sample: OnceLock::new() }
    }

    /// As a line of a list: `echo(text:string, n?:number) - Echo`.
    pub(crate) fn sample(&self) -> &str {
        self.sample.get_or_init(|| sample(&self.info))
    }
}

impl ToolInfo {
    /// A tool as its server lists it. Whatever is not as specified is left out of it, and
    /// one without a usable name altogether.
    pub(super) fn read(server: &str, tool: Value) -> Option<Self> {
        let Value::Object(mut tool) = tool else { return None };
        let mut text = |key: &str| match tool.get_mut(key).map(Value::take) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        // What looks like another name is none.
        let name = text("name").filter(|name| {
            !name.is_empty() && name.len() <= MAX_TOOL_NAME && shown::is_visible_name(name)
        })?;
        let shown = |text: String| {
            let mut text = head(&text, MAX_DESCRIPTION).to_owned();
            show_text(&mut text);
            text
        };
        let (title, description) = (text("title").map(shown), text("description").map(shown));
        let mut object = |key: &str| {
            let mut value = tool.get_mut(key).map(Value::take)?;
            show_texts(&mut value);
            match value {
                Value::Object(object) => Some(object),
                _ => None,
            }
        };
        Some(Self {
            server: server.to_owned(),
            name,
            title,
            description,
            input_schema: object("inputSchema").unwrap_or_else(Map::new),
            output_schema: object("outputSchema"),
        })
    }

    /// Memory of its texts and schemas with what is made of them, nearly.
    pub(super) fn bytes(&self) -> usize {
        let schemas = [Some(&self.input_schema), self.output_schema.as_ref()];
        let members = schemas.into_iter().flatten().flatten();
        let schemas: usize = members.map(|(key, value)| key.len() + json::bytes_of(value)).sum();
        let texts = [Some(&self.name), self.title.as_ref(), self.description.as_ref()];
        TOOL_BYTES + schemas + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }
}
