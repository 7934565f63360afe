//! Messages between a worker and the server, and between the zygote and the
//! server, with their framing. Pure: no V8, no MCP, no file, and no socket but in
//! [`control`].
//!
//! Everything that a worker sends is attacker-chosen. Frames are bounded before
//! they are read, decoding allocates no more than a frame holds, and a message
//! carries plain data only: what it means is decided by `runtime` and `broker`.

pub(crate) mod control;
mod frame;
#[cfg(test)]
mod fuzz_tests;
mod messages;
mod operation;
mod specifier;
mod zygote;

pub(crate) use frame::{FrameError, FrameReader, decode, encode, frame_body};
pub(crate) use messages::{
    Limit, MAX_IMAGE, MAX_IMAGES, MAX_IMAGES_BYTES, MAX_IN_FLIGHT, MAX_RELATED, MAX_RELATED_DEPTH,
    MAX_REQUEST, MAX_RESULT_NOTE, MAX_RESULT_NOTES, MAX_UNFINISHED, MAX_UNFINISHED_TEXT, Outcome,
    Program, ProgramError, ProgramErrorKind, RelatedError, ServerMessage, Stream, Unfinished,
    WorkerMessage,
};
pub(crate) use operation::*;
pub(crate) use specifier::{MAX_SPECIFIER_BYTES, ModuleScheme};
pub use zygote::Isolate;
pub(crate) use zygote::{
    ExitReport, Generation, Hello, Kind, MAX_NOTE, MAX_NOTES, ZygoteMessage, ZygoteRequest,
    ZygoteSetup,
};
