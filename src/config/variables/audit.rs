//! What is written down of runs.

use std::path::{Path, PathBuf};

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, at};

group! {
    /// What is written down of runs.
    Audit as audit {} and {
        audit_log: Option<PathBuf>;
    }
}

impl Config {
    /// The file of the audit log, one JSON object a line. None by default.
    pub fn audit_log(&self) -> Option<&Path> {
        self.audit.audit_log.as_deref()
    }

    /// Sets [`Self::audit_log`].
    #[must_use]
    pub fn with_audit_log(mut self, path: impl Into<PathBuf>) -> Self {
        self.audit.audit_log = Some(path.into());
        self
    }
}

entries! {
    AUDIT_LOG = "MCP_CONDUCTOR_AUDIT_LOG" {
        meaning: "File that gets a line of JSON for each run, each refusal and each HTTP request \
                  that is not accepted",
        example: "/var/log/mcp-conductor.jsonl",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Unset,
        form: Form::Path(at!(audit.audit_log)),
    }
}
