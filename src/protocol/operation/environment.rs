//! Operations on the variables of a run.

use serde::{Deserialize, Serialize};

/// `Deno.env`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum EnvironmentOperation {
    /// Answered by [`Answer::MaybeText`](super::Answer::MaybeText).
    Get {
        name: String,
    },
    Set {
        name: String,
        value: String,
    },
    Delete {
        name: String,
    },
    /// Answered by [`Answer::Variables`](super::Answer::Variables).
    All,
}

impl EnvironmentOperation {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "envGet",
            Self::Set { .. } => "envSet",
            Self::Delete { .. } => "envDelete",
            Self::All => "envAll",
        }
    }
}
