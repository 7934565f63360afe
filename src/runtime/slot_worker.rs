//! A worker in the slot of a run.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::queue::Slot;
use crate::pool::Worker;
use crate::protocol::ExitReport;

/// A worker that has a program, and the slot that it takes until its process is
/// gone, whether its run came to an end or was dropped, and then a little longer: a
/// client that starts and drops runs gets no more than one that waits for them.
pub(super) struct SlotWorker(Option<(Worker, Slot)>);

/// How much longer a slot is taken by a run that was dropped. To make and unmake its
/// process costs 2 to 8 ms of processors, most of it not in the process itself. With the
/// default of 8 slots a processor for one principal that is at most a fifth of each,
/// for a client that only comes and goes.
const DROPPED: Duration = Duration::from_millis(300);

const HELD: &str = "both are held until they are taken together";

impl SlotWorker {
    pub(super) fn new(worker: Worker, slot: Slot) -> Self {
        Self(Some((worker, slot)))
    }

    /// The run has its result: the process only has to exit.
    pub(super) fn ends(&mut self) {
        if let Some((_, slot)) = &mut self.0 {
            slot.ends();
        }
    }

    /// Waits until the process is gone, killed after `grace`. Gives the slot back.
    pub(super) async fn ended(mut self, grace: Duration) -> (Option<ExitReport>, Slot) {
        let report = self.wait_for_end(grace).await;
        let (_, slot) = self.0.take().expect(HELD);
        (report, slot)
    }
}

impl Deref for SlotWorker {
    type Target = Worker;

    fn deref(&self) -> &Worker {
        &self.0.as_ref().expect(HELD).0
    }
}

impl DerefMut for SlotWorker {
    fn deref_mut(&mut self) -> &mut Worker {
        &mut self.0.as_mut().expect(HELD).0
    }
}

impl Drop for SlotWorker {
    fn drop(&mut self) {
        let Some((mut worker, mut slot)) = self.0.take() else { return };
        worker.kill();
        // Without an event loop there is no next run either.
        if let Ok(event_loop) = Handle::try_current() {
            event_loop.spawn(async move {
                worker.wait_for_end(Duration::ZERO).await;
                drop(worker);
                slot.ends();
                sleep(DROPPED).await;
                drop(slot);
            });
        }
    }
}
