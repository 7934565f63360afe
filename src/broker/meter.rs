//! Processor time that the server uses for one run: what a worker that was taken over
//! can ask for in a frame of some bytes may cost the server many times what it costs the
//! worker, and is charged to the run.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// What was used so far. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// Does something on this thread, and counts its processor time.
    pub(crate) fn counts<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = now();
        let done = work();
        let spent = now().saturating_sub(before);
        self.0.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        done
    }

    /// Waits for something, and counts the processor time of it, on whichever threads it
    /// is polled.
    pub(crate) async fn of<T>(self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|context| self.counts(|| future.as_mut().poll(context))).await
    }
}

/// Of this thread. A clock that cannot be read counts nothing.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn works(time: Duration) {
        let start = now();
        while now().saturating_sub(start) < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn work_counts_and_waiting_does_not() {
        let (meter, time) = (Meter::default(), Duration::from_millis(5));
        meter.counts(|| works(time));
        let used = meter.used();
        assert!(used >= time, "{used:?}");
        meter.clone().counts(|| std::thread::sleep(100 * time));
        assert!(meter.used() < used + 50 * time, "{:?}", meter.used());
    }

    #[tokio::test]
    async fn a_future_counts_at_each_of_its_steps() {
        let (meter, time) = (Meter::default(), Duration::from_millis(2));
        let steps = meter.clone().of(async move {
            for _ in 0..3 {
                works(time);
                tokio::task::yield_now().await;
            }
        });
        steps.await;
        assert!(meter.used() >= 3 * time, "{:?}", meter.used());
    }
}
