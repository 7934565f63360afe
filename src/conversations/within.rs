//! Whether a run is in a conversation.

use std::sync::Arc;

use super::conversation::Conversation;
use super::error::ConversationError;

/// The conversation of a run, or why there is none.
#[derive(Debug, Clone, Default)]
pub(crate) enum Within {
    /// The call names none.
    #[default]
    Nothing,
    /// The store does not answer: the run goes on without.
    Unavailable(ConversationError),
    /// This one.
    One(Arc<Conversation>),
}

impl Within {
    /// # Errors
    /// There is none, with what to do.
    pub(crate) fn one(&self) -> Result<&Arc<Conversation>, ConversationError> {
        match self {
            Self::Nothing => Err(ConversationError::None),
            Self::Unavailable(error) => Err(error.clone()),
            Self::One(one) => Ok(one),
        }
    }
}
