//! A program that runs TypeScript through the library.
//!
//! ```text
//! cargo run --release --example embed
//! ```

use std::error::Error;
use std::time::Duration;

use mcp_conductor::{Config, ExecuteRequest, Execution, OutputStream, Runtime, WorkerAllocator};
use serde_json::json;

// Optional: a worker that runs out of memory in Rust code then reports its
// memory limit instead of a crash.
#[global_allocator]
static ALLOCATOR: WorkerAllocator = WorkerAllocator;

fn main() -> Result<(), Box<dyn Error>> {
    // First, before any thread exists: this executable is also the zygote, and
    // in a zygote the call does not return.
    mcp_conductor::zygote_hook();
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let config =
        Config::default().with_default_timeout(Duration::from_secs(5)).with_max_memory(128 << 20);
    let runtime = Runtime::new(config).await?;

    // Two programs at the same time, each in a process of its own.
    let sum = ExecuteRequest::new("numbers.reduce((a: number, b: number) => a + b, 0)")
        .with_global("numbers", json!([1, 2, 3, 4]));
    let forbidden = ExecuteRequest::new("Deno.readTextFileSync('/etc/hostname')");
    let (sum, forbidden) = tokio::join!(runtime.execute(sum), runtime.execute(forbidden));
    // An `Err` means that a program could not be run at all; a program that
    // fails is an `Execution` with an error in it.
    print("sum", &sum?);
    print("forbidden", &forbidden?);

    // A third, whose output is read while it runs.
    let countdown = ExecuteRequest::new(
        "for (let n = 3; n > 0; n--) {
           console.log(`${n}…`);
           await new Promise((resolve) => setTimeout(resolve, 100));
         }
         console.error('done');
         return { finished: true };",
    );
    let (execution, mut events) = runtime.stream(countdown);
    let printed = async {
        while let Some(event) = events.next().await {
            let stream = match event.stream {
                OutputStream::Stdout => "stdout",
                OutputStream::Stderr => "stderr",
                OutputStream::Progress => "progress",
                OutputStream::Waiting => "waiting",
            };
            println!("countdown {stream}: {}", event.line);
        }
    };
    let (execution, ()) = tokio::join!(execution, printed);
    print("countdown", &execution?);
    Ok(())
}

fn print(name: &str, execution: &Execution) {
    match &execution.error {
        None => println!("{name}: {}", execution.return_value),
        Some(error) => println!("{name}: {}, {}", error.kind.name(), error.message),
    }
}
