//! The privileged operations that a program can ask for, by capability, and their
//! answers. A capability has a file here and a room of effects in `broker/effects`.
//!
//! The names of variants and fields are those that `js/` uses: the thin ops take an
//! operation from JavaScript as it stands here. These files are compiled for `build.rs`
//! too, with `snapshots/`.

mod answer;
mod command;
mod environment;
mod file;
mod handle;
mod module;
mod network;
mod permission;
mod session;
mod tool;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

pub(crate) use answer::*;
pub(crate) use command::*;
pub(crate) use environment::*;
pub(crate) use file::*;
pub(crate) use handle::*;
pub(crate) use module::*;
pub(crate) use network::*;
pub(crate) use permission::*;
pub(crate) use session::*;
pub(crate) use tool::*;

/// Longest list in an operation. Each entry of an empty text takes 24 bytes of memory
/// and one of a frame.
const MAX_PARTS: usize = 4096;

/// A request of a program to the broker. Every field is attacker-chosen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Operation {
    File(FileOperation),
    Handle(HandleOperation),
    Environment(EnvironmentOperation),
    Network(NetworkOperation),
    Command(CommandOperation),
    Tool(ToolOperation),
    Module(ModuleOperation),
    Permission(PermissionOperation),
    Session(SessionOperation),
}

/// A time since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Time {
    pub seconds: i64,
    pub nanos: u32,
}

impl Operation {
    /// At most `max` bytes of what is open.
    pub(crate) fn read(handle: u32, max: u32) -> Self {
        Self::in_turn(handle, HandleCall::Read { max })
    }

    /// Bytes into what is open.
    pub(crate) fn write(handle: u32, data: impl Into<ByteBuf>) -> Self {
        Self::in_turn(handle, HandleCall::Write { data: data.into() })
    }

    fn in_turn(handle: u32, call: HandleCall) -> Self {
        Self::Handle(HandleOperation::InTurn { handle, call })
    }

    /// Forgets a handle.
    pub(crate) fn close(handle: u32) -> Self {
        Self::Handle(HandleOperation::Close { handle })
    }

    /// All of a file.
    pub(crate) fn read_file(path: impl Into<String>) -> Self {
        Self::File(FileOperation::ReadFile { path: path.into() })
    }

    /// The handle that an operation works on.
    pub(crate) fn handle_mut(&mut self) -> Option<&mut u32> {
        match self {
            Self::Handle(operation) => Some(operation.handle_mut()),
            Self::Network(operation) => operation.handle_mut(),
            Self::Command(operation) => operation.handle_mut(),
            Self::File(_)
            | Self::Environment(_)
            | Self::Tool(_)
            | Self::Module(_)
            | Self::Permission(_)
            | Self::Session(_) => None,
        }
    }

    /// Whether its lists are longer than any that is accepted.
    pub(crate) fn has_too_many_parts(&self) -> bool {
        match self {
            Self::Network(operation) => operation.has_too_many_parts(),
            Self::Command(operation) => operation.has_too_many_parts(),
            Self::File(_)
            | Self::Handle(_)
            | Self::Environment(_)
            | Self::Tool(_)
            | Self::Module(_)
            | Self::Permission(_)
            | Self::Session(_) => false,
        }
    }

    /// Its name, for the audit log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::File(operation) => operation.name(),
            Self::Handle(operation) => operation.name(),
            Self::Environment(operation) => operation.name(),
            Self::Network(operation) => operation.name(),
            Self::Command(operation) => operation.name(),
            Self::Tool(operation) => operation.name(),
            Self::Module(operation) => operation.name(),
            Self::Permission(operation) => operation.name(),
            Self::Session(operation) => operation.name(),
        }
    }
}
