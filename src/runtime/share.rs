//! What one principal may have of the slots: on this replica, and of those of all replicas.

use std::sync::Arc;

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
    /// Its programs in the queue.
    demand: Arc<dyn Demand>,
}

impl Share {
    /// This share, within a limit of all replicas.
    pub(super) fn within(self, slots: SharedSlots, demand: Arc<dyn Demand>) -> Self {
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
        self.slots.arrive(self.demand.clone()).await
    }
}
