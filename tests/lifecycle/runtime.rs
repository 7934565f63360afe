//! The library's call from many tasks: events, places, the queue.

use std::time::{Duration, Instant};

use mcp_conductor::{ExecuteError, ExecuteRequest, OutputStream, Runtime};

use crate::death::config;
use crate::processes::alone;

const SLEEP: &str = "await new Promise(r => setTimeout(r, 400)); 1";

#[tokio::test]
async fn output_events_arrive_while_the_program_runs() {
    let _turn = alone();
    let runtime = Runtime::new(config()).await.unwrap();
    let name = format!("go-on-{}", std::process::id());
    let file = config().workspace().join(&name);
    // Of a test that failed.
    let _ = std::fs::remove_file(&file);
    let source = "console.log('one'); console.error('two');
        for (;;) {
          try { Deno.statSync(file); break } catch { await new Promise(r => setTimeout(r, 10)) }
        }
        console.log('three')";
    let request = ExecuteRequest::new(source).with_global("file", name.into());
    let (execution, mut events) = runtime.stream(request);
    let execution = tokio::spawn(execution);
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        // The program goes on when its first two lines have been seen.
        if event.line == "two" {
            std::fs::write(&file, "").unwrap();
        }
        seen.push((event.stream, event.line));
    }
    let _ = std::fs::remove_file(&file);
    assert_eq!(
        seen,
        [
            (OutputStream::Stdout, "one".to_owned()),
            (OutputStream::Stderr, "two".to_owned()),
            (OutputStream::Stdout, "three".to_owned()),
        ]
    );
    assert_eq!(execution.await.unwrap().unwrap().output, ["one", "two", "three"]);
}

#[tokio::test]
async fn runs_from_many_tasks_do_not_wait_for_each_other() {
    let _turn = alone();
    let runtime = Runtime::new(config()).await.unwrap();
    let sleep = "await new Promise(r => setTimeout(r, 1500)); 1";
    let start = Instant::now();
    let runs = (0..8).map(|_| runtime.execute(ExecuteRequest::new(sleep)));
    for execution in futures::future::join_all(runs).await {
        assert_eq!(execution.unwrap().return_value, 1);
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_run_past_the_queues_end_is_refused_and_the_others_run() {
    let _turn = alone();
    let runtime = Runtime::new(config().with_max_concurrent(1).with_max_queue(1)).await.unwrap();
    let run = || runtime.execute(ExecuteRequest::new(SLEEP));
    let (first, second, third) = tokio::join!(run(), run(), run());
    assert_eq!(first.unwrap().return_value, 1);
    assert_eq!(second.unwrap().return_value, 1);
    match third {
        Err(ExecuteError::Busy(message)) => assert_eq!(
            message,
            "Busy: 1 programs are running (MCP_CONDUCTOR_MAX_CONCURRENT) and 1 are waiting \
             (MCP_CONDUCTOR_MAX_QUEUE). Try again later"
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_cpu_limit_counts_computing_and_not_waiting() {
    let _turn = alone();
    let limited = config().with_max_cpu_time(Duration::from_millis(300));
    let runtime = Runtime::new(limited).await.unwrap();
    let waits = "await new Promise(r => setTimeout(r, 700)); 'waited'";
    let waited = runtime.execute(ExecuteRequest::new(waits)).await.unwrap();
    assert_eq!(waited.return_value, "waited");
    let computes = "console.log('before');\nfunction spin() { for (;;) {} }\nspin()";
    let stopped = runtime.execute(ExecuteRequest::new(computes)).await.unwrap();
    let error = stopped.error.unwrap();
    assert_eq!(
        error.message,
        "CPU time limit exceeded: 300 ms (MCP_CONDUCTOR_MAX_CPU_TIME). Look for an endless loop, \
         or split the work over several runs"
    );
    assert_eq!(
        error.detail.stack.as_deref(),
        Some("    at spin (file:///main.ts:2:19)\n    at file:///main.ts:3:1")
    );
    assert_eq!(stopped.output, ["before"]);
}
