//! kill -9 of workers and zygotes, and what is left of the calls.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use mcp_conductor::{Config, ErrorKind, ExecuteRequest, Execution, Runtime};
use nix::sys::signal::Signal;

use crate::processes::{alone, descendants, kill_9, signal, until, workers, zygotes};

pub const SLEEP: &str = "console.log('before'); await new Promise(r => setTimeout(r, 20000)); 1";

pub fn config() -> Config {
    Config::default()
        .with_executable(env!("CARGO_BIN_EXE_mcp-conductor"))
        .with_workspace(concat!(env!("CARGO_TARGET_TMPDIR"), "/workspace"))
        .with_standby(0)
}

/// A runtime whose first, verified worker has been used.
async fn runtime() -> Runtime {
    let runtime = Runtime::new(config()).await.unwrap();
    trivial(&runtime).await;
    until("the first worker ends", || workers().is_empty()).await;
    runtime
}

async fn trivial(runtime: &Runtime) {
    let execution = runtime.execute(ExecuteRequest::new("1 + 1")).await.unwrap();
    assert_eq!(execution.return_value, 2, "{execution:?}");
}

fn sleeping(runtime: &Runtime) -> tokio::task::JoinHandle<Execution> {
    let runtime = runtime.clone();
    tokio::spawn(async move { runtime.execute(ExecuteRequest::new(SLEEP)).await.unwrap() })
}

/// A run that has printed its line and sleeps.
async fn asleep(runtime: &Runtime) -> tokio::task::JoinHandle<Execution> {
    begun(runtime, ExecuteRequest::new(SLEEP)).await
}

/// A run that has printed `before`.
pub async fn begun(
    runtime: &Runtime,
    request: ExecuteRequest,
) -> tokio::task::JoinHandle<Execution> {
    let (execution, mut events) = runtime.stream(request);
    let run = tokio::spawn(async move { execution.await.unwrap() });
    let printed = tokio::time::timeout(Duration::from_secs(30), events.next()).await;
    assert_eq!(printed.expect("in time").expect("a line").line, "before");
    run
}

fn assert_crashed(execution: &Execution, message: &str) {
    let error = execution.error.as_ref().unwrap();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Crash, message));
    assert_eq!(execution.output, ["before"]);
}

#[tokio::test]
async fn a_killed_worker_costs_its_own_call_only() {
    let _turn = alone();
    let runtime = runtime().await;
    let run = asleep(&runtime).await;
    kill_9(&workers());
    assert_crashed(&run.await.unwrap(), "The worker was ended by SIGKILL");
    trivial(&runtime).await;
}

#[tokio::test]
async fn ten_workers_killed_at_once_cost_their_ten_calls_only() {
    let _turn = alone();
    let runtime = runtime().await;
    let runs = futures::future::join_all((0..10).map(|_| asleep(&runtime))).await;
    kill_9(&workers());
    for run in runs {
        assert_crashed(&run.await.unwrap(), "The worker was ended by SIGKILL");
    }
    trivial(&runtime).await;
}

#[tokio::test]
async fn a_killed_zygote_takes_its_workers_along_and_is_replaced() {
    let _turn = alone();
    let runtime = runtime().await;
    for _ in 0..3 {
        let run = asleep(&runtime).await;
        kill_9(&zygotes());
        assert_crashed(
            &run.await.unwrap(),
            "The worker ended for an unknown reason: the zygote died",
        );
        trivial(&runtime).await;
    }
}

#[tokio::test]
async fn a_standby_worker_that_was_killed_costs_no_call() {
    let _turn = alone();
    let runtime = Runtime::new(config().with_standby(3)).await.unwrap();
    until("three workers stand by", || runtime.standing_by() == 3 && workers().len() == 3).await;
    kill_9(&workers());
    trivial(&runtime).await;
}

#[tokio::test]
async fn a_dropped_call_kills_its_program() {
    let _turn = alone();
    let runtime = runtime().await;
    let source = "for (;;) {}";
    let run = runtime.execute(ExecuteRequest::new(source));
    assert!(tokio::time::timeout(Duration::from_millis(300), run).await.is_err());
    until("the worker is killed", || workers().is_empty()).await;
    until("its place is free", || runtime.active() == 0).await;
    trivial(&runtime).await;
}

/// A place is taken by a dropped run for 300 ms after its process is gone.
#[tokio::test]
async fn calls_that_are_dropped_get_no_more_than_calls_that_are_waited_for() {
    let _turn = alone();
    let runtime = Runtime::new(config().with_max_concurrent(2)).await.unwrap();
    let (start, mut seen) = (Instant::now(), HashSet::new());
    while start.elapsed() < Duration::from_millis(900) {
        let run = sleeping(&runtime);
        tokio::time::sleep(Duration::from_millis(2)).await;
        let processes = workers();
        assert!(processes.len() <= 2, "{} processes in two places", processes.len());
        seen.extend(processes);
        run.abort();
    }
    let turns = start.elapsed().as_millis().div_ceil(300) as usize;
    assert!((1..=2 * turns).contains(&seen.len()), "{} processes in {turns} turns", seen.len());
    until("the places are free", || runtime.active() == 0).await;
    trivial(&runtime).await;
}

#[tokio::test]
async fn a_dropped_runtime_leaves_no_process() {
    let _turn = alone();
    let runtime = Runtime::new(config().with_standby(4)).await.unwrap();
    let run = sleeping(&runtime);
    until("workers are there", || workers().len() >= 4).await;
    run.abort();
    drop(runtime);
    until("nothing is left", || descendants().is_empty()).await;
}

/// A machine that has no time for the worker when it is to stop: it is waited for, and
/// says where the program was.
#[tokio::test]
async fn a_program_that_had_no_time_to_stop_is_waited_for() {
    let _turn = alone();
    let runtime = runtime().await;
    let source = "console.log('before'); function spin() { for (;;) {} }\nspin()";
    let request = ExecuteRequest::new(source).with_timeout(Duration::from_secs(2));
    let run = begun(&runtime, request).await;
    signal(&workers(), Signal::SIGSTOP);
    tokio::time::sleep(Duration::from_secs(3)).await;
    signal(&workers(), Signal::SIGCONT);
    let error = run.await.unwrap().error.expect("it has no end");
    let stack = error.detail.stack.expect("a stack");
    assert!(error.kind == ErrorKind::Timeout && stack.contains("spin"), "{stack}");
}

#[tokio::test]
async fn a_program_that_ignores_the_request_to_stop_is_killed_after_a_grace() {
    let _turn = alone();
    let runtime = runtime().await;
    // One native call, of years, which V8 cannot interrupt.
    let source = "console.log('before'); [].indexOf.call({ length: 2 ** 53 - 1 }, 1)";
    let request = ExecuteRequest::new(source).with_timeout(Duration::from_secs(2));
    let start = Instant::now();
    let execution = runtime.execute(request).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(execution.error.map(|error| error.kind), Some(ErrorKind::Timeout));
    assert_eq!(execution.output, ["before"]);
    until("the worker is gone", || workers().is_empty()).await;
}
