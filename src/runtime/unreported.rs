//! What runs have used, as the kernel counts it. That is known when a process has been
//! reaped, and nobody waits for that: the log, the metrics and the trace get it later.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::slot_worker::SlotWorker;
use crate::audit::ExecutionRecord;
use crate::pool::Usage;
use crate::telemetry::ObservedUsage;

/// How long the end of a killed worker's story is waited for.
pub(super) const REPORT_GRACE: Duration = Duration::from_millis(500);

/// Runs that have their result and whose processes have not been reaped, by their
/// numbers. What is in it when it is dropped is told as far as it is known.
#[derive(Default)]
pub(super) struct Unreported(Mutex<HashMap<u64, Used>>);

/// What a run has used. It is told when this is dropped.
pub(super) struct Used {
    pub record: ExecutionRecord,
    pub observed: ObservedUsage,
    pub usage: Usage,
}

impl Unreported {
    /// Tells what a run has used once its process is gone, and gives its slot back.
    pub(super) fn until_reaped(self: &Arc<Self>, number: u64, used: Used, process: SlotWorker) {
        self.lock().insert(number, used);
        let unreported = Arc::downgrade(self);
        let base = process.base_rss();
        tokio::spawn(async move {
            let (report, slot) = process.ended(REPORT_GRACE).await;
            // A server that ends has told it already.
            let used =
                unreported.upgrade().and_then(|unreported| unreported.lock().remove(&number));
            if let (Some(mut used), Some(report)) = (used, report) {
                used.usage = used.usage.most(Usage::reported(&report, base));
            }
            // Who waits until nothing runs has the line too.
            drop(slot);
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Used>> {
        self.0.lock()
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        let Usage { cpu, memory } = self.usage;
        self.record.used(cpu, memory);
        self.observed.is(cpu, memory);
    }
}
