//! Whether the threads that serve still do: probes are answered by another one, which
//! would say that all is well for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often they say so.
const EVERY: Duration = Duration::from_millis(500);

/// How long they may be silent. Nothing that a client can send keeps a thread for more
/// than some seconds, and several of these at once on one processor not for 60.
const HUNG_AFTER: Duration = Duration::from_secs(60);

/// For a word from them when the whole process was stopped (`docker pause`).
const LAST_CHANCE: Duration = Duration::from_millis(800);

pub(super) struct Pulse {
    since: Instant,
    /// Milliseconds of that until they last said so.
    last: AtomicU64,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), last: AtomicU64::new(0) }
    }

    fn beats(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_old(&self, limit: Duration) -> bool {
        let silent = self.now().saturating_sub(self.last.load(Ordering::Relaxed));
        Duration::from_millis(silent) > limit
    }

    /// Whether the threads that serve do.
    pub(super) async fn is_felt(&self) -> bool {
        self.is_felt_within(HUNG_AFTER).await
    }

    async fn is_felt_within(&self, limit: Duration) -> bool {
        if self.is_old(limit) {
            tokio::time::sleep(LAST_CHANCE).await;
        }
        !self.is_old(limit)
    }
}

/// Runs among what serves, for ever.
pub(super) async fn beat(pulse: Arc<Pulse>) {
    loop {
        pulse.beats();
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn threads_that_do_nothing_any_more_are_noticed() {
        let pulse = Pulse::new();
        assert!(pulse.is_felt().await);
        std::thread::sleep(Duration::from_millis(20));
        assert!(!pulse.is_felt_within(Duration::from_millis(10)).await);
    }

    #[tokio::test]
    async fn a_process_that_was_stopped_gets_the_time_to_say_so() {
        let pulse = Arc::new(Pulse::new());
        std::thread::sleep(Duration::from_millis(20));
        let asked = tokio::spawn({
            let pulse = pulse.clone();
            async move { pulse.is_felt_within(LAST_CHANCE).await }
        });
        pulse.beats();
        assert!(asked.await.unwrap());
    }
}
