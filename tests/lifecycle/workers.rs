//! A worker's process, seen from outside.

use std::fs::{read_dir, read_to_string};

use mcp_conductor::{ExecuteRequest, Runtime};

use crate::death::{begun, config};
use crate::processes::{alone, descendants, until, workers};

fn threads(pid: i32) -> usize {
    read_dir(format!("/proc/{pid}/task")).unwrap().count()
}

fn oom_score_adjustment(pid: i32) -> i32 {
    read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap().trim().parse().unwrap()
}

/// The main one, and two for crypto.subtle once it is used.
#[tokio::test]
async fn a_worker_has_one_thread_and_two_more_for_crypto() {
    let _turn = alone();
    let runtime = Runtime::new(config().with_standby(1)).await.unwrap();
    until("a worker stands by", || runtime.standing_by() == 1 && workers().len() == 1).await;
    assert_eq!(threads(workers()[0]), 1);
    let source = "
        const long = new Uint8Array(1e6);
        const digests = () => Array.from({ length: 40 }, () =>
          crypto.subtle.digest('SHA-512', long));
        await Promise.all(digests());
        const more = digests();
        console.log('before');
        await Promise.all(more);
        await new Promise(() => setTimeout(() => {}, 20000));";
    let run = begun(&runtime, ExecuteRequest::new(source)).await;
    until("the next one stands by", || runtime.standing_by() == 1 && workers().len() == 2).await;
    let mut counts: Vec<_> = workers().into_iter().map(threads).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 3]);
    run.abort();
}

/// Where memory is short the kernel ends them before the server.
#[tokio::test]
async fn a_worker_and_its_zygote_go_before_the_server_does() {
    let _turn = alone();
    let own = oom_score_adjustment(std::process::id().cast_signed());
    let runtime = Runtime::new(config().with_standby(1)).await.unwrap();
    until("a worker stands by", || runtime.standing_by() == 1 && workers().len() == 1).await;
    for process in descendants() {
        let adjustment = oom_score_adjustment(process);
        assert!(adjustment == 1000 && own <= adjustment, "{own} and {adjustment}");
    }
    assert_eq!(oom_score_adjustment(std::process::id().cast_signed()), own);
}
