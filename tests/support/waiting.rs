//! Waiting for a condition, with a bound that a loaded machine does not reach.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longest wait for a message, an answer or an end.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// For what takes a moment on a machine that has time.
const EVENTUALLY: Duration = Duration::from_secs(60);

/// How often something is looked at that does not say when it changes.
const TURN: Duration = Duration::from_millis(10);

/// Waits until a condition holds, and says whether it ever did.
pub fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        // A thread that was stopped until the end still looks once.
        let is_last = Instant::now() > end;
        if condition() {
            return true;
        }
        if is_last {
            return false;
        }
        sleep(TURN);
    }
}

/// As [`within`], for as long as any machine needs.
pub fn eventually(condition: impl FnMut() -> bool) -> bool {
    within(EVENTUALLY, condition)
}

/// As [`within`]; the test fails if the condition never holds.
#[track_caller]
pub fn until(limit: Duration, what: &str, condition: impl FnMut() -> bool) {
    assert!(within(limit, condition), "not within {limit:?}: {what}");
}

/// The output of a future that takes at most [`PATIENCE`].
pub async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}
