//! What a worker does when there is no memory: say so, by its exit code.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sandbox::sys;

/// A worker's exit code when an allocation failed at its memory limit.
pub(crate) const EXIT_MEMORY: i32 = 71;

/// A worker's exit code when the server is gone or speaks nonsense.
pub(crate) const EXIT_LOST: i32 = 72;

/// A worker's exit code when our own code panicked; Rust's own convention.
pub(crate) const EXIT_PANIC: i32 = 101;

/// A worker's exit code when deno_core panicked over what an imported module threw.
pub(crate) const EXIT_THROWN: i32 = 74;

/// A worker's exit code when it could not seal itself.
pub(crate) const EXIT_UNSEALED: i32 = 73;

/// A worker's exit code when its interpreter cannot go on: a trap of WebAssembly.
pub(crate) const EXIT_INTERPRETER: i32 = 75;

/// A worker's exit code when its interpreter is at the end of its stack.
pub(crate) const EXIT_STACK: i32 = 76;

static IN_WORKER: AtomicBool = AtomicBool::new(false);

/// From now on this process is a worker.
pub(super) fn enter_worker() {
    IN_WORKER.store(true, Ordering::Relaxed);
}

/// The system's allocator, which in a worker turns a failed allocation into
/// "memory limit exceeded" instead of an abort that looks like a crash.
///
/// The `mcp-conductor` binary uses it. A program that embeds the library and
/// starts the zygote through its own executable may:
///
/// ```no_run
/// #[global_allocator]
/// static ALLOCATOR: mcp_conductor::WorkerAllocator = mcp_conductor::WorkerAllocator;
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Copy)]
pub struct WorkerAllocator;

// SAFETY: every call goes to `System` unchanged, and its answer comes back
// unchanged; the only addition ends the process.
unsafe impl GlobalAlloc for WorkerAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is passed on.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promises about `block` and `layout` are passed on.
        checked(unsafe { System.realloc(block, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

fn checked(block: *mut u8) -> *mut u8 {
    if block.is_null() && IN_WORKER.load(Ordering::Relaxed) {
        sys::exit_now(EXIT_MEMORY);
    }
    block
}
