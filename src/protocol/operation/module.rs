//! Modules of ours.

use serde::{Deserialize, Serialize};

/// `import` of what the server has.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ModuleOperation {
    /// The source of `mcp:name` or `playbook:name`; answered by
    /// [`Answer::Text`](super::Answer::Text).
    Import { specifier: String },
}

impl ModuleOperation {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Import { .. } => "import",
        }
    }
}
