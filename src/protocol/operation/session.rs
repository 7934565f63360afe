//! What the runs of a conversation have in common.

use serde::{Deserialize, Serialize};

/// Values of `session`, by keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SessionOperation {
    /// Answered by [`Answer::MaybeText`](super::Answer::MaybeText), JSON.
    Get { key: String },
    /// `value` is JSON.
    Set { key: String, value: String },
    /// Answered by [`Answer::Count`](super::Answer::Count), 1 if there was a value.
    Delete { key: String },
    /// Answered by [`Answer::Text`](super::Answer::Text), a JSON list.
    Keys,
}

impl SessionOperation {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "session.get",
            Self::Set { .. } => "session.set",
            Self::Delete { .. } => "session.delete",
            Self::Keys => "session.keys",
        }
    }
}
