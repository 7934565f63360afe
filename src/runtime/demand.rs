//! What a share's programs in the queue want of the slots of all replicas.

use std::sync::Arc;

use super::queue::Queue;
use super::share::Share;
use crate::shared_limits::{Demand, SharedSlots};

/// A share's programs in the queue.
struct ShareDemand {
    queue: Queue,
    share: u64,
}

/// This share of the queue, within a limit of all replicas.
pub(super) fn within_all(share: Share, queue: &Queue, slots: SharedSlots) -> Share {
    let demand = Arc::new(ShareDemand { queue: queue.clone(), share: share.id });
    share.within(slots, demand)
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
    use crate::config::{Config, environment};
    use crate::shared_limits::SharedLimits;
    use crate::telemetry::Metrics;

    #[tokio::test]
    async fn a_run_waits_until_another_replica_leaves_a_slot() {
        let store = memory(Limits::DEFAULT);
        let [here, there] = [(); 2].map(|()| {
            let queue = Queue::new(&Config::default().with_max_concurrent(4));
            let limits = SharedLimits::new(store.clone(), Arc::new(Metrics::new())).unwrap();
            let share = within_all(queue.share(1, 4), &queue, limits.slots("ada", 1, 1));
            (queue, share)
        });
        let first = here.0.enter(&here.1).await.unwrap();
        let (second, ()) = tokio::join!(there.0.enter(&there.1), async {
            while there.0.waiting() == 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(
                (there.1.most(), there.1.limit(4)),
                (1, (1, environment::PRINCIPAL_CONCURRENT))
            );
            drop(first);
        });
        let second = second.unwrap();
        assert_eq!((here.0.active(), there.0.active()), (0, 1));
        drop(second);
    }
}
