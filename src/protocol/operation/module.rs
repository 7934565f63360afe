//! Modules of ours.

use serde::{Deserialize, Serialize};

/// `import` of what the server has.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ModuleOperation {
    /// Such as `mcp:name` or `playbook:name`; answered by
    /// [`Answer::Module`](super::Answer::Module).
    Import { specifier: String },
}

impl ModuleOperation {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Import { .. } => "import",
        }
    }
}

/// A module that was loaded for a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ModuleSource {
    pub media_type: MediaType,
    pub source: String,
    /// The specifier that names it.
    pub name: String,
}

/// In what a module is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum MediaType {
    JavaScript,
    TypeScript,
    Json,
}
