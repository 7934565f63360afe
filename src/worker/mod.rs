//! The child process around an engine: zygote, sealing, connection, allocator. What runs
//! programs is the engine's. Nothing in here runs in the server.

mod alloc;
mod child;
mod connection;
mod engine;
mod work;
mod zygote;

pub use alloc::WorkerAllocator;
pub(crate) use alloc::{
    EXIT_INTERPRETER, EXIT_LOST, EXIT_MEMORY, EXIT_PANIC, EXIT_STACK, EXIT_THROWN,
};
pub(crate) use connection::{Connection, Lost};
pub(crate) use engine::{Engine, LoadError, Profile, Shell};
pub(crate) use work::{ScriptPlace, Work};
pub(crate) use zygote::run_zygote;
