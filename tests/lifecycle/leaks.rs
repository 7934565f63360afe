//! Many runs, and nothing left of them: no process, no descriptor, no memory.

use mcp_conductor::{ExecuteRequest, Runtime};

use crate::death::config;
use crate::processes::{alone, descendants, resident_anonymous, until};
use crate::support::processes::own_descriptors;

/// What the allocator may keep for later; a leak of 1 KiB a run is above it.
const MEMORY_SLACK: u64 = 2 << 20;

async fn run(runtime: &Runtime, n: usize) {
    let source = format!("console.log('run {n}'); const n: number = {n}; n * 2");
    let execution = runtime.execute(ExecuteRequest::new(source)).await.unwrap();
    assert_eq!(execution.return_value, n * 2, "{execution:?}");
    assert_eq!(execution.output, [format!("run {n}")]);
}

/// Two zygote processes, and two workers that stand by and are complete here.
async fn at_rest(runtime: &Runtime) {
    until("the pool is at rest", || runtime.standing_by() == 2 && descendants().len() == 4).await;
    until("no run is active", || runtime.active() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_runs_in_a_row_leave_nothing_behind() {
    let _turn = alone();
    let runtime = Runtime::new(config().with_standby(2)).await.unwrap();
    for n in 0..200 {
        run(&runtime, n).await;
    }
    at_rest(&runtime).await;
    let (files, memory) = (own_descriptors(), resident_anonymous());
    for n in 0..2000 {
        run(&runtime, n).await;
    }
    at_rest(&runtime).await;
    until("descriptors are back", || own_descriptors() <= files).await;
    let grown = resident_anonymous().saturating_sub(memory);
    assert!(grown < MEMORY_SLACK, "{grown} bytes more than before");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_runs_at_once_get_their_own_values_and_leave_nothing_behind() {
    let _turn = alone();
    let config = config().with_standby(2).with_max_concurrent(64);
    let runtime = Runtime::new(config).await.unwrap();
    let burst = |from: usize| {
        let runs = (from..from + 64).map(|n| {
            let runtime = runtime.clone();
            tokio::spawn(async move { run(&runtime, n).await })
        });
        futures::future::try_join_all(runs.collect::<Vec<_>>())
    };
    burst(0).await.unwrap();
    at_rest(&runtime).await;
    let files = own_descriptors();
    for round in 1..4 {
        burst(round * 64).await.unwrap();
    }
    at_rest(&runtime).await;
    until("descriptors are back", || own_descriptors() <= files).await;
    assert_eq!(runtime.active(), 0);
}
