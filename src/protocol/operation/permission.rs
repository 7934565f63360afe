//! Questions about what is granted.

use serde::{Deserialize, Serialize};

/// `Deno.permissions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PermissionOperation {
    /// Answered by [`Answer::Permission`](super::Answer::Permission).
    Query { name: String, target: Option<String> },
}

impl PermissionOperation {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Query { .. } => "query",
        }
    }
}
