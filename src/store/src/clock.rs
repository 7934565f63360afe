//! The time that expiry counts by.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

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
        let elapsed = match self {
            Self::SinceStart(start) => start.elapsed(),
            Self::Wall => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        };
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}
