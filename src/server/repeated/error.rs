//! Why a call with a key is not made.

use std::time::Duration;

use http::StatusCode;
use mcp_conductor_store::StoreError;
use thiserror::Error;

/// The key's name in `_meta`, for clients whose library sets no headers of single requests.
pub(super) const META: &str = "mcp-conductor/idempotencyKey";

/// Bytes of a key. Clients use UUIDs of 36.
pub(super) const MAX_KEY: usize = 256;

/// When to ask again for a call that runs. Most programs have ended by then.
const SOON: Duration = Duration::from_secs(1);

/// When to ask a store again that did not answer: longer than its first pauses.
const LATER: Duration = Duration::from_secs(5);

/// Why a call with a key is not made, or not answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(in crate::server) enum RepeatError {
    #[error(
        "Idempotency-Key: a string of 1 to {MAX_KEY} visible ASCII characters is needed, once, \
         for example \"8e03978e-40d5-43dd-bc93-6894a57f9324\"; the same as {META} in _meta, if \
         both are given"
    )]
    Key,
    #[error(
        "The call cannot be read for its idempotency key: params, and _meta in it, must be objects \
         that are given once, with each name once"
    )]
    Unread,
    #[error(
        "Idempotency-Key: this key was used for a call with another tool or other arguments. Use \
         a new key for each call, and repeat a call with the same text"
    )]
    Other,
    #[error("The call with this Idempotency-Key still runs. Try again later, with the same key")]
    Running,
    #[error(
        "Whether the call with this Idempotency-Key was made, or how far, is not known: {replica}, \
         which began it, has lost it or has not been heard of for {} s. It is not made again by itself. Look at \
         what it would have changed, then make it with a new key if that is right",
        crate::server::replica::LEASE.as_secs()
    )]
    Unknown { replica: String },
    #[error(
        "The call with this Idempotency-Key was made, and its answer of {bytes} bytes was too large \
         to keep. It is not made again. Let the program write large results to a file, and read \
         them with another call"
    )]
    TooLarge { bytes: usize },
    #[error(
        "The calls with an Idempotency-Key that are kept for you use all of the room that they may \
         have. Try again in {} s, or call without a key",
        .kept.as_secs()
    )]
    TooMany { kept: Duration },
    #[error(
        "What is kept of the call with this Idempotency-Key was written by another version of the \
         server. Whether it was made is not known. Use a new key if it is right to make it again"
    )]
    Unreadable,
    #[error("The call was not made, because it has an Idempotency-Key. {0}")]
    Store(#[from] StoreError),
}

impl RepeatError {
    pub(in crate::server) fn status(&self) -> StatusCode {
        match self {
            Self::Key | Self::Unread => StatusCode::BAD_REQUEST,
            Self::Other => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Running => StatusCode::CONFLICT,
            Self::Unknown { .. } | Self::TooLarge { .. } | Self::Unreadable => StatusCode::GONE,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A word for the audit log, the metrics and the client.
    pub(in crate::server) fn reason(&self) -> &'static str {
        match self {
            Self::Key | Self::Unread => "idempotency_key",
            Self::Other => "idempotency_other_call",
            Self::Running => "idempotency_running",
            Self::Unknown { .. } | Self::Unreadable => "idempotency_unknown",
            Self::TooLarge { .. } => "idempotency_too_large",
            Self::TooMany { .. } => "idempotency_room",
            Self::Store(_) => "idempotency_store",
        }
    }

    /// When it is worth another attempt.
    pub(in crate::server) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Running => Some(SOON),
            Self::Store(_) => Some(LATER),
            Self::TooMany { kept } => Some(*kept),
            Self::Key
            | Self::Unread
            | Self::Other
            | Self::Unknown { .. }
            | Self::TooLarge { .. }
            | Self::Unreadable => None,
        }
    }
}
