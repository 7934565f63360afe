//! What all principals of a server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::queue::Queue;
use crate::audit::Audit;
use crate::pool::Pool;
use crate::telemetry::Metrics;

pub(super) struct Shared {
    pub pool: Pool,
    pub queue: Queue,
    pub audit: Audit,
    pub metrics: Arc<Metrics>,
    executions: AtomicU64,
}

impl Shared {
    pub(super) fn new(pool: Pool, queue: Queue, audit: Audit, metrics: Arc<Metrics>) -> Self {
        Self { pool, queue, audit, metrics, executions: AtomicU64::new(1) }
    }

    /// The number of a run, for the logs.
    pub(super) fn next_execution(&self) -> u64 {
        self.executions.fetch_add(1, Ordering::Relaxed)
    }
}
