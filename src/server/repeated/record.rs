//! What is kept of a call.

use bytes::Bytes;
use rmcp::model::{CallToolResult, ErrorData};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::asked::Asked;
use crate::server::replica::{Replica, random};

/// Bytes of an answer that is kept: what a program returns (256 KiB) as structure and as text.
/// With its entry it is below what a store takes (1 MiB).
const MAX_KEPT: usize = 768 << 10;

/// What a call came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::server) enum Answer {
    Result(CallToolResult),
    Error(ErrorData),
}

impl Answer {
    /// As the handler's own.
    pub(in crate::server) fn into_result(self) -> Result<CallToolResult, ErrorData> {
        match self {
            Self::Result(result) => Ok(result),
            Self::Error(error) => Err(error),
        }
    }
}

/// An answer as it is kept.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Shown<'a> {
    Result(&'a CallToolResult),
    Error(&'a ErrorData),
}

/// How far a call has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Running,
    Made(Answer),
    TooLarge { bytes: usize },
}

/// An entry. Fields that a later version adds are ignored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub fingerprint: String,
    pub replica: String,
    pub incarnation: String,
    /// Of whoever made this entry: no other has its number.
    #[serde(default)]
    pub attempt: String,
    pub state: State,
}

impl Record {
    /// A call that runs here.
    pub(super) fn running(replica: &Replica, asked: &Asked) -> Self {
        Self {
            fingerprint: asked.fingerprint.clone(),
            replica: replica.name().to_owned(),
            incarnation: replica.incarnation().to_owned(),
            attempt: random(),
            state: State::Running,
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(super) fn write(&self) -> Bytes {
        serde_json::to_vec(self).expect("strings and numbers are JSON").into()
    }

    /// The same with the call's end: its entry, or what stands for one that is too large.
    pub(super) fn ended(&self, answer: Result<&CallToolResult, &ErrorData>) -> (Bytes, usize) {
        let answer = match answer {
            Ok(result) => Shown::Result(result),
            Err(error) => Shown::Error(error),
        };
        // A result of a tool is JSON: it came from there.
        let text = serde_json::to_string(&answer).unwrap_or_default();
        let bytes = text.len();
        match RawValue::from_string(text) {
            Ok(text) if bytes <= MAX_KEPT => (self.made(&text), bytes),
            _ => (self.too_large(bytes), 0),
        }
    }

    /// Instead of an answer that is not kept.
    pub(super) fn too_large(&self, bytes: usize) -> Bytes {
        Self { state: State::TooLarge { bytes }, ..self.clone() }.write()
    }

    fn made(&self, answer: &RawValue) -> Bytes {
        let Self { fingerprint, replica, incarnation, attempt, state: _ } = self;
        let record = serde_json::json!({
            "fingerprint": fingerprint,
            "replica": replica,
            "incarnation": incarnation,
            "attempt": attempt,
        });
        let head = record.to_string();
        let head = head.strip_suffix('}').unwrap_or(&head);
        format!("{head},\"state\":{{\"made\":{}}}}}", answer.get()).into()
    }
}
