//! The time that expiry counts by.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that is read in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// Of this process: it does not jump.
    SinceStart(Instant),
    /// Of the machine, for what outlives a process.
    Wall,
}

impl Clock {
    /// A clock for what ends with the process.
    pub(crate) fn since_start() -> Self {
        Self::SinceStart(Instant::now())
    }

    /// Milliseconds since the clock's beginning.
    pub(crate) fn now(self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Microseconds since the clock's beginning.
    pub(crate) fn micros(self) -> i64 {
        i64::try_from(self.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    fn elapsed(self) -> Duration {
        match self {
            Self::SinceStart(start) => start.elapsed(),
            Self::Wall => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }
}
