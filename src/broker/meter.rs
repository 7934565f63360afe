//! Processor time that the server uses for one run: what a worker that was taken over
//! can ask for in a frame of some bytes may cost the server many times what it costs the
//! worker, and is charged to the run.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
        let step = Step::begins();
        let done = work();
        let spent = u64::try_from(step.ends().as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(spent, Ordering::Relaxed);
        done
    }

    /// Waits for something, and counts the processor time of it, on whichever threads it
    /// is polled.
    pub(crate) async fn of<T>(self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|context| self.counts(|| future.as_mut().poll(context))).await
    }
}

/// A step as short as this counts with its wall time, which is no less than its processor
/// time: an operation has some steps of 1 to 20 us, and reading the clock of a thread is
/// a system call of half a microsecond, at both ends of each.
const SHORT: Duration = Duration::from_micros(100);

/// How old the last reading of a thread's clock may be when a step begins. So much of the
/// thread's other work may count as a long step's.
const FRESH: Duration = Duration::from_millis(1);

/// Both clocks at one moment.
#[derive(Clone, Copy)]
struct Reading {
    wall: Instant,
    processor: Duration,
}

impl Reading {
    fn take() -> Self {
        Self { wall: Instant::now(), processor: now() }
    }
}

thread_local! {
    static LAST: Cell<Option<Reading>> = const { Cell::new(None) };
}

/// A piece of work on this thread.
struct Step {
    began: Instant,
    last: Reading,
}

impl Step {
    fn begins() -> Self {
        let began = Instant::now();
        let fresh = LAST.get().filter(|last| began.duration_since(last.wall) < FRESH);
        let last = fresh.unwrap_or_else(Reading::take);
        LAST.set(Some(last));
        Self { began, last }
    }

    /// Processor time that it took: at most its wall time.
    fn ends(self) -> Duration {
        let wall = self.began.elapsed();
        if wall <= SHORT {
            return wall;
        }
        let end = Reading::take();
        LAST.set(Some(end));
        end.processor.saturating_sub(self.last.processor).min(wall)
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
        assert!(used >= time * 9 / 10, "{used:?}");
        meter.clone().counts(|| std::thread::sleep(100 * time));
        assert!(meter.used() < used + 50 * time, "{:?}", meter.used());
    }

    #[test]
    fn short_steps_count_too() {
        let meter = Meter::default();
        let start = now();
        while now().saturating_sub(start) < Duration::from_millis(5) {
            meter.counts(|| works(Duration::from_micros(10)));
        }
        assert!(meter.used() >= Duration::from_millis(2), "{:?}", meter.used());
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
        assert!(meter.used() >= 3 * time * 9 / 10, "{:?}", meter.used());
    }
}
