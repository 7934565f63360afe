//! The command line. No logic: it reads arguments, calls the library, prints.

mod cli;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mcp_conductor::WorkerAllocator = mcp_conductor::WorkerAllocator;

fn main() -> ExitCode {
    // Before any thread exists: does not return in a zygote.
    mcp_conductor::zygote_hook();
    // For all threads, and so before there are others.
    if let Err(error) = mcp_conductor::drop_unneeded_capabilities() {
        return cli::unusable(&format!("Cannot drop capabilities: {error}"));
    }
    cli::main()
}
