//! A tool as programs and models are shown it.

use serde_json::{Value, json};

use super::tool_info::ToolInfo;
use crate::text::clip::head;

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
        format!("mcp__{}__{}", self.server, self.name)
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
