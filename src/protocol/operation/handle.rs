//! Operations on what is open.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Time;

/// Files, bodies, pipes and processes by their handles.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum HandleOperation {
    /// One call on it, when those that came before it are done.
    InTurn { handle: u32, call: HandleCall },
    /// Forgets the handle, at once. What works on it still comes to its end.
    Close { handle: u32 },
}

/// What is done with something open.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum HandleCall {
    /// At most `max` bytes; none is the end. For files, bodies and pipes.
    Read {
        max: u32,
    },
    /// For files, request bodies and pipes.
    Write {
        data: ByteBuf,
    },
    Seek {
        offset: i64,
        whence: Whence,
    },
    Stat,
    Truncate {
        length: u64,
    },
    Utime {
        accessed: Time,
        modified: Time,
    },
    Sync {
        data_only: bool,
    },
    /// For databases of SQLite and empty files, others are `NotSupported`: nobody else has the lock
    /// until the handle is closed, or nobody who writes if it is shared. It fails at once with
    /// `Busy` if somebody has it. One that is not shared needs a file that may be written.
    Lock {
        shared: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Whence {
    Start,
    Current,
    End,
}

impl HandleOperation {
    pub(super) fn handle_mut(&mut self) -> &mut u32 {
        match self {
            Self::InTurn { handle, .. } | Self::Close { handle } => handle,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::InTurn { call, .. } => call.name(),
            Self::Close { .. } => "close",
        }
    }
}

impl HandleCall {
    fn name(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Seek { .. } => "seek",
            Self::Stat => "fileStat",
            Self::Truncate { .. } => "fileTruncate",
            Self::Utime { .. } => "fileUtime",
            Self::Sync { .. } => "fileSync",
            Self::Lock { .. } => "fileLock",
        }
    }
}
