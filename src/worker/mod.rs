//! The child process: isolate, transpiler, value capture, thin ops, console.
//! Nothing in here runs in the server.

mod alloc;
mod capture;
mod code_frame;
mod connection;
mod entry;
mod errors;
mod fence;
mod host;
mod icu;
mod isolate;
mod loader;
mod meta;
mod missing;
mod related;
mod run;
mod stop;
mod transpile;
mod unfinished;
mod zygote;

pub use alloc::WorkerAllocator;
pub(crate) use alloc::{EXIT_LOST, EXIT_MEMORY, EXIT_PANIC, EXIT_THROWN};
pub(crate) use zygote::hook_was_called;
pub use zygote::zygote_hook;
