//! Why a conversation cannot be used.

use mcp_conductor_store::StoreError;
use thiserror::Error;

use super::limits::{MAX_KEY, MAX_KEYS, MAX_VALUE, MAX_VALUES};
use crate::config::environment::{MAX_CONVERSATIONS, STORE_SIZE};

/// Why a conversation cannot be used, as a sentence for a model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConversationError {
    /// It never was, has ended, or is another principal's: the answer is the same.
    #[error(
        "The conversation is not known: it has ended or expired, or is not yours. Pass \
         conversation: \"new\" to begin another one"
    )]
    Unknown,
    /// The principal's conversations take as much of the store as they may take.
    #[error(
        "Your conversations would take more than {0} bytes of the store, which is the share of one \
         principal (an eighth of {STORE_SIZE}). Delete what is not needed any more: \
         session.delete(key); conversations that are not used expire"
    )]
    Share(u64),
    /// The administrator wants none.
    #[error("Conversations are off here ({MAX_CONVERSATIONS}=0). Call without `conversation`")]
    Off,
    /// The program runs in none.
    #[error(
        "This run is not in a conversation: pass conversation: \"new\" to the tool, and then the \
         handle that comes back in its result"
    )]
    None,
    /// The store does not answer, or not in time.
    #[error("The conversation is not available: {0}")]
    Unavailable(String),
    /// A key that is empty or too long.
    #[error("A key of session must have 1 to {MAX_KEY} bytes, not {0}")]
    Key(usize),
    /// A value that is not JSON.
    #[error("The value of session cannot be kept: {0}. Give it as JSON")]
    NoJson(String),
    /// One value is too large.
    #[error(
        "The value has {0} bytes of JSON; session keeps at most {MAX_VALUE} a key. Keep a \
         summary, or write a file"
    )]
    TooLarge(usize),
    /// All values together are too large.
    #[error(
        "session would hold {0} bytes; a conversation keeps at most {MAX_VALUES}. Delete what is \
         not needed any more: session.delete(key)"
    )]
    Full(usize),
    /// There are too many keys.
    #[error("session has {MAX_KEYS} keys, which is the limit. Delete one: session.delete(key)")]
    TooManyKeys,
    /// The run has called `session` too often.
    #[error("The run has called session {0} times, which is the limit. Keep values in variables")]
    TooManyCalls(u32),
    /// A tool cannot be looked up.
    #[error("{0}")]
    Tool(String),
    /// Other calls in the conversation change it all the time.
    #[error("Other calls change this conversation at the same time. Try again")]
    Contended,
}

impl ConversationError {
    /// Whether it is still there, and only does not take what a call adds.
    pub(crate) fn leaves_it(&self) -> bool {
        self.is_of_the_store() || matches!(self, Self::Share(_))
    }

    /// Whether a run can do without, because the fault is not the caller's.
    pub(crate) fn is_of_the_store(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Contended => true,
            Self::Unknown
            | Self::Share(_)
            | Self::Off
            | Self::None
            | Self::Key(_)
            | Self::NoJson(_)
            | Self::TooLarge(_)
            | Self::Full(_)
            | Self::TooManyKeys
            | Self::TooManyCalls(_)
            | Self::Tool(_) => false,
        }
    }
}

/// As a caller may know it. Where the store is and what a server says is in the log, and for the
/// administrator.
impl From<StoreError> for ConversationError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Contended,
            StoreError::Unavailable { .. } | StoreError::Format { .. } => Self::Unavailable(
                "the store cannot be used (MCP_CONDUCTOR_STORE); the server's log says why. \
                 Programs run without it"
                    .to_owned(),
            ),
            error @ (StoreError::Full { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Timeout) => Self::Unavailable(error.to_string()),
        }
    }
}

/// As an administrator may know it.
pub(super) fn whole(error: StoreError) -> ConversationError {
    ConversationError::Unavailable(error.to_string())
}
