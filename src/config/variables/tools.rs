//! Tools of other MCP servers, which programs may call.

use std::path::{Path, PathBuf};

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, Integer, Unit, at};

group! {
    /// Tools of other MCP servers, which programs may call.
    Tools as tools {
        /// Tool calls to other servers that a run may make. 1000.
        max_tool_calls, with_max_tool_calls: u32;
        /// Bytes of one tool result of another server. 8 MiB.
        max_tool_result, with_max_tool_result: u64;
    } and {
        mcp_config: Option<PathBuf>;
    }
}

impl Config {
    /// The file that lists the MCP servers that programs may call. Without it there
    /// are none; the command line looks for `~/.mcp-conductor/mcp.json`.
    pub fn mcp_config(&self) -> Option<&Path> {
        self.tools.mcp_config.as_deref()
    }

    /// Sets [`Self::mcp_config`].
    #[must_use]
    pub fn with_mcp_config(mut self, path: impl Into<PathBuf>) -> Self {
        self.tools.mcp_config = Some(path.into());
        self
    }
}

entries! {
    /// The older name of [`MCP_CONFIG`], in the environment only. It stands before it, so
    /// that the newer name wins.
    PROXY_CONFIG = "MCP_CONDUCTOR_PROXY_CONFIG" {
        meaning: "Same as MCP_CONDUCTOR_MCP_CONFIG, which takes precedence",
        example: "/etc/mcp-conductor/mcp.json",
        scope: Scope::Alias(names::MCP_CONFIG),
        applies: Applies::AtReload,
        default: Standard::Unset,
        form: Form::Path(at!(tools.mcp_config)),
    }
    MCP_CONFIG = "MCP_CONDUCTOR_MCP_CONFIG" {
        meaning: "The file that lists the MCP servers that programs may call. Unset: \
                  `~/.mcp-conductor/mcp.json`, if there is one",
        example: "/etc/mcp-conductor/mcp.json",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Means("`~/.mcp-conductor/mcp.json`, if there is one"),
        form: Form::Path(at!(tools.mcp_config)),
    }
    MAX_TOOL_CALLS = "MCP_CONDUCTOR_MAX_TOOL_CALLS" {
        meaning: "Tool calls to other servers that a run may make",
        example: "1000",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(1000),
        form: Form::Number {
            min: 0,
            max: 1_000_000,
            unit: Unit::One,
            at: Integer::U32(at!(tools.max_tool_calls)),
        },
    }
    MAX_TOOL_RESULT = "MCP_CONDUCTOR_MAX_TOOL_RESULT" {
        meaning: "Bytes of one tool result of another server",
        example: "8388608",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(8 << 20),
        form: Form::Number {
            min: 1 << 10,
            // A worker takes it in one frame of 64 MiB.
            max: 32 << 20,
            unit: Unit::Bytes,
            at: Integer::U64(at!(tools.max_tool_result)),
        },
    }
}
