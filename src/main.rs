//! The command line. No logic: it reads arguments, calls the library, prints.

mod cli;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mcp_conductor::WorkerAllocator = mcp_conductor::WorkerAllocator;

fn main() -> ExitCode {
    // Before any thread exists: does not return in a zygote.
    mcp_conductor::zygote_hook();
    cli::main()
}
