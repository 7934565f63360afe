//! Where programs work, and what they may write and have open.

use std::path::{Path, PathBuf};

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, Integer, Unit, at};

group! {
    /// Where programs work, and what they may write and have open.
    Files as files {
        /// Bytes that a run may write, all files together. 512 MiB.
        max_write_size, with_max_write_size: u64;
        /// Files, directories and links that a run may make. 10,000.
        max_new_files, with_max_new_files: u64;
        /// Files, response bodies and pipes that a run has open. 256.
        max_open_files, with_max_open_files: usize;
    } and {
        workspace: PathBuf;
    }
}

impl Config {
    /// The directory that programs work in: `~/.mcp-conductor/workspace`. It is
    /// created if it does not exist.
    pub fn workspace(&self) -> &Path {
        &self.files.workspace
    }

    /// Sets [`Self::workspace`].
    #[must_use]
    pub fn with_workspace(mut self, workspace: impl Into<PathBuf>) -> Self {
        self.files.workspace = workspace.into();
        self
    }

    /// The directory that holds the workspace, if that has the usual name, and
    /// playbooks; else the workspace.
    pub(crate) fn root_directory(&self) -> &Path {
        let workspace = self.workspace();
        let parent = workspace.parent().filter(|_| workspace.ends_with("workspace"));
        parent.unwrap_or(workspace)
    }
}

entries! {
    WORKSPACE = "MCP_CONDUCTOR_WORKSPACE" {
        meaning: "The directory that programs work in; created if it does not exist",
        example: "/srv/workspace",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::InHome(".mcp-conductor/workspace"),
        form: Form::Directory(at!(files.workspace)),
    }
    MAX_WRITE_SIZE = "MCP_CONDUCTOR_MAX_WRITE_SIZE" {
        meaning: "Bytes that a run may write to files",
        example: "536870912",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(512 << 20),
        form: Form::Number {
            min: 0,
            max: 1 << 50,
            unit: Unit::Bytes,
            at: Integer::U64(at!(files.max_write_size)),
        },
    }
    MAX_NEW_FILES = "MCP_CONDUCTOR_MAX_NEW_FILES" {
        meaning: "Files and directories that a run may create",
        example: "10000",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(10_000),
        form: Form::Number {
            min: 0,
            max: 1 << 32,
            unit: Unit::One,
            at: Integer::U64(at!(files.max_new_files)),
        },
    }
    MAX_OPEN_FILES = "MCP_CONDUCTOR_MAX_OPEN_FILES" {
        meaning: "Files, response bodies, pipes and commands that a run may have open",
        example: "256",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(256),
        form: Form::Number {
            min: 1,
            max: 100_000,
            unit: Unit::One,
            at: Integer::Usize(at!(files.max_open_files)),
        },
    }
}
