//! What one principal may have of the slots: on this replica, and of those of all replicas.

use std::sync::Arc;

use super::queue::Queue;
use crate::config::environment::{MAX_CONCURRENT, PRINCIPAL_CONCURRENT};
use crate::shared_limits::{Arriving, Demand, SharedSlots};

/// What one principal may have of the slots.
pub(super) struct Share {
    pub id: u64,
    pub max_concurrent: usize,
    pub max_waiting: usize,
    /// None where only this replica counts.
    pub shared: Option<SharedShare>,
}

/// A share of the slots of all replicas.
pub(super) struct SharedShare {
    pub slots: SharedSlots,
    demand: Arc<ShareDemand>,
}

/// A share's programs in the queue.
struct ShareDemand {
    queue: Queue,
    share: u64,
}

impl Share {
    /// This share, within a limit of all replicas.
    pub(super) fn within(self, queue: &Queue, slots: SharedSlots) -> Self {
        let demand = Arc::new(ShareDemand { queue: queue.clone(), share: self.id });
        Self { shared: Some(SharedShare { slots, demand }), ..self }
    }

    /// The most runs, as an error names them: of all replicas where the others have some of them.
    pub(super) fn most(&self) -> usize {
        self.elsewhere().unwrap_or(self.max_concurrent)
    }

    /// The limit of runs that is in force, and its variable, on a replica with so many slots.
    pub(super) fn limit(&self, slots: usize) -> (usize, &'static str) {
        match self.elsewhere() {
            Some(limit) => (limit, PRINCIPAL_CONCURRENT),
            None if self.max_concurrent < slots => (self.max_concurrent, PRINCIPAL_CONCURRENT),
            None => (slots, MAX_CONCURRENT),
        }
    }

    /// The limit of all replicas, if that is why this one may not have more runs.
    fn elsewhere(&self) -> Option<usize> {
        let slots = &self.shared.as_ref()?.slots;
        (slots.allowed() < self.max_concurrent).then(|| slots.limit())
    }
}

impl SharedShare {
    /// Gets a slot from the other replicas, if they leave one and this one has none.
    pub(super) async fn arrive(&self) -> Arriving<'_> {
        self.slots.arrive(&self.demand).await
    }
}

impl Demand for ShareDemand {
    fn running(&self) -> usize {
        self.queue.demand(self.share).0
    }

    fn wanted(&self) -> usize {
        let (running, waiting) = self.queue.demand(self.share);
        running + waiting
    }

    fn serve(&self) {
        self.queue.serve();
    }
}

#[cfg(test)]
mod tests {
    use mcp_conductor_store::{Limits, memory};

    use super::*;
    use crate::config::Config;
    use crate::shared_limits::SharedLimits;
    use crate::telemetry::Metrics;

    #[tokio::test]
    async fn a_run_waits_until_another_replica_leaves_a_slot() {
        let store = memory(Limits::DEFAULT);
        let [here, there] = [(); 2].map(|()| {
            let queue = Queue::new(&Config::default().with_max_concurrent(4));
            let limits = SharedLimits::new(store.clone(), Arc::new(Metrics::new())).unwrap();
            let share = queue.share(1, 4).within(&queue, limits.slots("ada", 1, 1));
            (queue, share)
        });
        let first = here.0.enter(&here.1).await.unwrap();
        let (second, ()) = tokio::join!(there.0.enter(&there.1), async {
            while there.0.waiting() == 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!((there.1.most(), there.1.limit(4)), (1, (1, PRINCIPAL_CONCURRENT)));
            drop(first);
        });
        let second = second.unwrap();
        assert_eq!((here.0.active(), there.0.active()), (0, 1));
        drop(second);
    }
}
