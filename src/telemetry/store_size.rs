//! How much there is in the store: looked at a while after it was changed, and not by a scrape,
//! which would open a store that nobody uses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use mcp_conductor_store::{Store, StoreStatus};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// From a change to the look: as often as scrapes usually come, and then once for all changes.
const LOOK: Duration = Duration::from_secs(15);

type Gauges = Family<[(&'static str, &'static str); 1], Gauge>;

/// The store's size, as it was looked at last. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct StoreSize {
    entries: Gauges,
    bytes: Gauges,
    limit: Gauges,
    /// Somebody will look.
    looks: Arc<AtomicBool>,
}

impl StoreSize {
    pub(super) fn register(&self, own: &mut Registry) {
        own.register("store_entries", "Entries in the store", self.entries.clone());
        let unit = || Unit::Bytes;
        own.register_with_unit("store_size", "Size of the store", unit(), self.bytes.clone());
        own.register_with_unit(
            "store_limit",
            "Largest size of the store",
            unit(),
            self.limit.clone(),
        );
    }

    /// The store was changed.
    pub(super) fn changed(&self, store: &Arc<dyn Store>) {
        if self.looks.swap(true, Ordering::Relaxed) {
            return;
        }
        let (size, store) = (self.clone(), Arc::downgrade(store));
        tokio::spawn(async move {
            tokio::time::sleep(LOOK).await;
            size.look(&store).await;
        });
    }

    async fn look(&self, store: &Weak<dyn Store>) {
        // A change from here on is seen by the next look.
        self.looks.store(false, Ordering::Relaxed);
        let Some(store) = store.upgrade() else { return };
        if let Ok(status) = store.check().await {
            self.is(&status);
        }
    }

    /// What a store says of itself. Redis counts its entries together with those of others, and
    /// they are left out.
    pub(super) fn is(&self, status: &StoreStatus) {
        let set = |gauges: &Gauges, value: Option<u64>| {
            if let Some(value) = value {
                let gauge = gauges.get_or_create(&[("store", status.kind.name())]);
                gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            }
        };
        set(&self.entries, status.entries);
        set(&self.bytes, status.bytes);
        set(&self.limit, status.limit);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mcp_conductor_store::{Expected, Keep, Key, Limits, Namespace, memory};

    use super::super::{Gauges, Metrics};
    use super::*;

    #[tokio::test]
    async fn a_look_sees_how_much_there_is() {
        let metrics = Metrics::new();
        let store = memory(Limits::DEFAULT);
        let key = Key::new(Namespace::Vectors, "a");
        store.set(&key, Expected::Any, Bytes::from_static(b"x"), Keep::Always).await.unwrap();
        metrics.store_size().look(&Arc::downgrade(&store)).await;
        let text = metrics.encode(&Gauges::default());
        for line in [r#"entries{store="memory"} 1"#, r#"limit_bytes{store="memory"} 268435456"#] {
            let line = format!("mcp_conductor_store_{line}");
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.contains(r#"mcp_conductor_store_size_bytes{store="memory"} "#), "{text}");
    }

    #[tokio::test]
    async fn changes_are_looked_at_together() {
        let (size, store) = (StoreSize::default(), memory(Limits::DEFAULT));
        for _ in 0..1000 {
            size.changed(&store);
        }
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 1);
    }
}
