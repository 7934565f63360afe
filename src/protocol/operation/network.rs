//! Requests over HTTP.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::MAX_PARTS;

/// `fetch`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum NetworkOperation {
    /// Answered by [`Answer::Response`](super::Answer::Response).
    Fetch { method: String, url: String, headers: Vec<(ByteBuf, ByteBuf)>, body: RequestBody },
    /// Waits for the response of a request whose body is streamed.
    FetchResponse { handle: u32 },
}

/// A request's body.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RequestBody {
    None,
    /// All of it.
    Bytes(ByteBuf),
    /// It follows in [`HandleCall::Write`](super::HandleCall::Write) on the handle that
    /// answers the request, and ends with one of nothing.
    Stream,
}

impl NetworkOperation {
    pub(super) fn handle_mut(&mut self) -> Option<&mut u32> {
        match self {
            Self::FetchResponse { handle } => Some(handle),
            Self::Fetch { .. } => None,
        }
    }

    pub(super) fn has_too_many_parts(&self) -> bool {
        match self {
            Self::Fetch { headers, .. } => headers.len() > MAX_PARTS,
            Self::FetchResponse { .. } => false,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Fetch { .. } => "fetch",
            Self::FetchResponse { .. } => "fetchResponse",
        }
    }
}
