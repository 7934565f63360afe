//! The child process around an engine: zygote, sealing, connection, allocator.
//! Nothing in here runs in the server.

mod alloc;
mod connection;
mod zygote;

pub(crate) use crate::engines::v8::stop::STOP_SIGNAL;
pub use alloc::WorkerAllocator;
pub(crate) use alloc::{EXIT_LOST, EXIT_MEMORY, EXIT_PANIC, EXIT_THROWN};
pub(crate) use connection::{Connection, Lost};
pub use zygote::zygote_hook;
pub(crate) use zygote::{CONTROL_FD, ZYGOTE_ARGUMENT, hook_was_called};
