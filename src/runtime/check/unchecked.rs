//! Why a program is not checked, and the limits that are behind it.

use std::time::Duration;

use thiserror::Error;

use crate::packages::checker::CHECK_MEMORY;

/// Bytes of a program that is checked: 3,000 lines, which take about 1 s.
pub(super) const MAX_TEXT: usize = 128 << 10;

/// CPU time of a check: a hundred times what a program of ten lines takes. A recursive type of one
/// line would take 59 s.
pub(super) const MAX_CPU: Duration = Duration::from_secs(1);

/// Wall time of it, on a machine that gives it a fifth of a processor.
pub(super) const MAX_TIME: Duration = Duration::from_secs(5);

/// Why a program is not checked.
#[derive(Debug, Error)]
pub(super) enum Unchecked {
    #[error("The type checker is still being loaded")]
    Loading,
    #[error("The type checker is not available: {0}")]
    NotAvailable(String),
    #[error("The check took more than {} s of CPU time", MAX_CPU.as_secs())]
    CpuTime,
    #[error("The check took more than {} s", MAX_TIME.as_secs())]
    Time,
    #[error("The check needs more than {} MiB of memory", CHECK_MEMORY >> 20)]
    Memory,
    #[error("The check failed: {0}")]
    Failed(String),
    #[error("The check ended without a verdict")]
    Ended,
    #[error("{0}")]
    NoRoom(String),
    #[error("The program has {0} bytes: at most {max} are checked", max = MAX_TEXT)]
    TooLong(usize),
}
