//! The time that expiry counts by.

use std::time::Instant;

/// A clock that is read in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// Of this process: it does not jump.
    SinceStart(Instant),
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
        };
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}
