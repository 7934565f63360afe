//! What happened, for the administrator: one event for each execution and each
//! refusal, through tracing under the target `audit`. Code appears as its
//! length only, and nothing that a program printed or returned appears at all.

use std::time::{Duration, Instant};

use crate::policy::Denied;

const TARGET: &str = "audit";

/// An access was refused. Texts of the program are logged in escaped form.
pub(crate) fn refused(execution: u64, denied: &Denied) {
    tracing::warn!(
        target: TARGET,
        execution,
        permission = denied.permission(),
        what = ?denied.target,
        api = ?denied.api,
        "refused"
    );
}

/// Says that a run was cancelled, unless told that it was not.
pub(crate) struct Cancelled {
    execution: u64,
    code_bytes: usize,
    start: Instant,
}

impl Cancelled {
    pub(crate) fn new(execution: u64, code_bytes: usize) -> Self {
        Self { execution, code_bytes, start: Instant::now() }
    }

    /// The run came to its end.
    pub(crate) fn no(self) {
        std::mem::forget(self);
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        let duration = self.start.elapsed();
        executed(self.execution, "cancelled", self.code_bytes, duration, Duration::ZERO);
    }
}

/// A program has ended.
pub(crate) fn executed(
    execution: u64,
    outcome: &str,
    code_bytes: usize,
    duration: Duration,
    cpu: Duration,
) {
    tracing::info!(
        target: TARGET,
        execution,
        outcome,
        code_bytes,
        duration_ms = duration.as_secs_f64() * 1e3,
        cpu_ms = cpu.as_secs_f64() * 1e3,
        "executed"
    );
}
