//! Runtimes that tests share, and the short way to a program's value or error.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use futures::StreamExt as _;
use mcp_conductor::{Config, ExecuteRequest, Execution, ExecutionError, OutputEvent, Runtime};
use serde_json::Value;

/// A [`Runtime`] lives in the event loop that it was made in, so all tests of
/// this binary share one.
static EVENT_LOOP: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().expect("an event loop"));

static STANDARD: LazyLock<Runtime> = LazyLock::new(|| start(config()));

/// The default settings, the built binary as the zygote, and a workspace that is
/// not the user's.
pub fn config() -> Config {
    Config::default()
        .with_executable(Path::new(env!("CARGO_BIN_EXE_mcp-conductor")))
        .with_workspace(std::env::temp_dir().join("mcp-conductor-tests/workspace"))
}

/// That workspace.
pub fn workspace() -> PathBuf {
    config().workspace().to_owned()
}

pub fn start(config: Config) -> Runtime {
    EVENT_LOOP.block_on(Runtime::new(config)).expect("the sandbox works on this machine")
}

/// Waits in the event loop of the runtimes.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    EVENT_LOOP.block_on(future)
}

/// Runs a request on a runtime that is shared between tests.
pub fn run_on(runtime: &Runtime, request: ExecuteRequest) -> Execution {
    EVENT_LOOP.block_on(runtime.execute(request)).expect("the request is valid")
}

/// Runs a request on a runtime of its own.
pub fn run_with(config: Config, request: ExecuteRequest) -> Execution {
    // The runtime is dropped in the event loop that it was made in.
    let _guard = EVENT_LOOP.enter();
    run_on(&start(config), request)
}

pub fn run_request(request: ExecuteRequest) -> Execution {
    run_on(&STANDARD, request)
}

/// Runs a program with the default settings.
pub fn run(source: impl Into<String>) -> Execution {
    run_request(ExecuteRequest::new(source))
}

/// The value of a program that must succeed.
#[track_caller]
pub fn value(source: impl Into<String>) -> Value {
    value_of(run(source))
}

#[track_caller]
pub fn value_of(execution: Execution) -> Value {
    assert!(execution.error.is_none(), "the program failed: {execution:#?}");
    execution.return_value
}

/// The error of a program that must fail.
#[track_caller]
pub fn error(source: impl Into<String>) -> ExecutionError {
    error_of(run(source))
}

#[track_caller]
pub fn error_of(execution: Execution) -> ExecutionError {
    match execution.error {
        Some(error) => error,
        None => panic!("the program succeeded: {execution:#?}"),
    }
}

/// What a program that must succeed printed.
#[track_caller]
pub fn output(source: impl Into<String>) -> Vec<String> {
    let execution = run(source);
    assert!(execution.error.is_none(), "the program failed: {execution:#?}");
    execution.output
}

/// Runs a program, and hands out what it printed as it came.
pub fn stream(source: &str) -> (Execution, Vec<OutputEvent>) {
    EVENT_LOOP.block_on(async {
        let (execution, events) = STANDARD.stream(ExecuteRequest::new(source));
        let (execution, events) = tokio::join!(execution, events.collect());
        (execution.expect("the request is valid"), events)
    })
}
