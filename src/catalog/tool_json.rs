//! A tool as programs and models are shown it.

use serde_json::{Value, json};

use super::index::Found;
use super::tool_info::ToolInfo;
use crate::text::clip::head;

/// The name of a server's tool that is unique among all servers.
pub(crate) fn qualified_name(server: &str, tool: &str) -> String {
    format!("mcp__{server}__{tool}")
}

/// Tools as `findTools` shows them: in their order those that are new, then those that are
/// among `loaded`, which say so.
pub(crate) fn to_found<'a>(
    tools: impl Iterator<Item = &'a ToolInfo>,
    loaded: &[String],
) -> Vec<Value> {
    let (mut known, mut new) = (Vec::new(), Vec::new());
    for info in tools {
        let name = info.qualified_name();
        let is_loaded = loaded.contains(&name);
        let tool = json!({
            "name": name,
            "server": info.server,
            "tool": info.name,
            "description": info.brief(),
            "loaded": is_loaded,
        });
        if is_loaded { known.push(tool) } else { new.push(tool) }
    }
    new.append(&mut known);
    new
}

impl Found {
    /// As `loadToolSpec` shows it: all that a call needs.
    pub(crate) fn to_spec(&self) -> Value {
        let info = self.info();
        let mut spec = info.to_discovered();
        spec["server"] = info.server.as_str().into();
        spec["tool"] = info.name.as_str().into();
        spec["signature"] = self.tool().sample().into();
        if let Some(schema) = &info.output_schema {
            spec["returns"] = schema.clone().into();
        }
        spec
    }
}

impl ToolInfo {
    /// As in MCP's `tools/list`.
    pub(crate) fn to_json(&self) -> Value {
        let mut tool = json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": self.input_schema,
        });
        if let Some(title) = &self.title {
            tool["title"] = title.as_str().into();
        }
        if let Some(schema) = &self.output_schema {
            tool["outputSchema"] = schema.clone().into();
        }
        tool
    }

    /// The name that is unique among all servers.
    pub(crate) fn qualified_name(&self) -> String {
        qualified_name(&self.server, &self.name)
    }

    /// As `getToolSchema` and `discoverMCPTools` show it.
    pub(crate) fn to_discovered(&self) -> Value {
        json!({
            "name": self.qualified_name(),
            "description": self.description.as_deref().unwrap_or_default(),
            "parameters": self.input_schema,
        })
    }

    /// The first line of the description, at most 200 bytes.
    pub(crate) fn brief(&self) -> String {
        const MAX_BRIEF: usize = 200;
        let text = self.description.as_deref().or(self.title.as_deref()).unwrap_or_default();
        let line = text.trim().lines().next().unwrap_or_default();
        head(line, MAX_BRIEF).to_owned()
    }
}
