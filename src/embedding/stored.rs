//! Vectors in the store: a restart and other replicas do not make them again.
//!
//! They are kept in [`PACKS`] values by the hashes of their texts, so that a catalog of 1,000
//! tools is some 400 changes of the store, [`AT_ONCE`] at a time and made durable together, and
//! so that all of them have a bound: [`PACKS`] times the limit of a pack.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use mcp_conductor_store::{
    Entry, Expected, Keep, Key as StoreKey, MAX_VALUE, Namespace, Store, StoreError,
};
use parking_lot::Mutex;

use super::kept::{Key, Name, PACKS};
use super::pack::{KEPT_DAYS, Packed, packed, unpacked};
use crate::telemetry::SearchMetrics;

/// The part of the store that vectors may take: of its default size 32 MiB, 75,000 vectors of 384
/// numbers or 10,000 of 3072.
const SHARE: u64 = 8;

/// Calls of the store at a time: half of those that wait for the embedded one at the most, so
/// that others find room.
const AT_ONCE: usize = 32;

/// For all reads of a list: searches go by the table meanwhile.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// For all writes of a list: those of other lists wait meanwhile.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Changes of a pack that another replica may come before.
const TRIES: usize = 3;

/// Days after which the use of a vector is written down again.
pub(super) const RENEWED_DAYS: u32 = 7;

/// Until a store that failed is asked again.
const REST: Duration = Duration::from_secs(30);

/// What an administrator reads of vectors in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub vectors: usize,
    pub bytes: usize,
}

/// Vectors in a store.
#[derive(Debug)]
pub(super) struct Stored {
    store: Arc<dyn Store>,
    /// The most bytes of a pack.
    limit: usize,
    /// When the store failed last.
    failed: Mutex<Option<Instant>>,
    metrics: SearchMetrics,
}

impl Stored {
    /// In a store of so many bytes.
    pub(super) fn new(store: Arc<dyn Store>, size: u64, metrics: SearchMetrics) -> Self {
        let limit = usize::try_from(size / SHARE).unwrap_or(usize::MAX) / PACKS;
        Self { store, limit: limit.min(MAX_VALUE), failed: Mutex::default(), metrics }
    }

    /// The most bytes of all.
    pub(super) fn limit(&self) -> usize {
        self.limit * PACKS
    }

    /// Calls `found` with those of the vectors that are there, and the day of their last use.
    /// What the store does not answer in time is not there.
    pub(super) async fn take(
        &self,
        names: impl IntoIterator<Item = (Key, Name)>,
        mut found: impl FnMut(&Key, &Packed<'_>),
    ) {
        let mut packs: BTreeMap<usize, BTreeMap<Name, Key>> = BTreeMap::new();
        for (key, name) in names {
            packs.entry(key.pack()).or_default().insert(name, key);
        }
        let packs: Vec<_> = packs.into_iter().collect();
        let take = async {
            for some in packs.chunks(AT_ONCE) {
                let values = join_all(some.iter().map(|(pack, _)| self.get(*pack))).await;
                for ((_, wanted), entry) in some.iter().zip(values) {
                    let entry = entry?;
                    let value = entry.as_ref().map_or(&[][..], |entry| &entry.value);
                    for item in unpacked(value) {
                        if let Some(key) = wanted.get(&item.name) {
                            found(key, &item);
                        }
                    }
                }
            }
            Ok(())
        };
        self.within(READ_TIMEOUT, take).await;
    }

    /// Puts vectors there, as used today. Says whether all of them are.
    pub(super) async fn put(&self, vectors: Vec<(Key, Name, Box<[i8]>)>) -> bool {
        let mut packs: BTreeMap<usize, Vec<(Name, Box<[i8]>)>> = BTreeMap::new();
        for (key, name, numbers) in vectors {
            packs.entry(key.pack()).or_default().push((name, numbers));
        }
        let packs: Vec<_> = packs.into_iter().collect();
        let put = async {
            for some in packs.chunks(AT_ONCE) {
                let puts = some.iter().map(|(pack, new)| self.change(*pack, new));
                join_all(puts).await.into_iter().collect::<Result<(), _>>()?;
            }
            Ok(())
        };
        self.within(WRITE_TIMEOUT, put).await
    }

    /// How many there are.
    pub(super) async fn held(&self) -> Result<Held, StoreError> {
        let mut held = Held::default();
        for some in (0..PACKS).collect::<Vec<_>>().chunks(AT_ONCE) {
            for entry in join_all(some.iter().map(|pack| self.get(*pack))).await {
                let Some(entry) = entry? else { continue };
                held.vectors += unpacked(&entry.value).count();
                held.bytes += entry.value.len();
            }
        }
        Ok(held)
    }

    async fn get(&self, pack: usize) -> Result<Option<Entry>, StoreError> {
        self.store.get(&store_key(pack)).await
    }

    async fn change(&self, pack: usize, new: &[(Name, Box<[i8]>)]) -> Result<(), StoreError> {
        let keep = Keep::For(Duration::from_secs(u64::from(KEPT_DAYS) * 86400));
        let mut made = Err(StoreError::Conflict);
        for _ in 0..TRIES {
            let entry = self.get(pack).await?;
            let before = entry.as_ref().map_or(&[][..], |entry| &entry.value);
            let value = packed(new, before, (self.limit, today()));
            let expected =
                entry.as_ref().map_or(Expected::Absent, |it| Expected::Version(it.version));
            made = self.store.set(&store_key(pack), expected, value.into(), keep).await.map(drop);
            if !matches!(made, Err(StoreError::Conflict)) {
                break;
            }
        }
        made
    }

    /// Asks the store, unless it failed a moment ago. What is wrong is said once.
    async fn within(
        &self,
        time: Duration,
        calls: impl Future<Output = Result<(), StoreError>>,
    ) -> bool {
        if self.failed.lock().is_some_and(|when| when.elapsed() < REST) {
            return false;
        }
        let result = tokio::time::timeout(time, calls).await.unwrap_or(Err(StoreError::Timeout));
        let mut failed = self.failed.lock();
        if let Err(error) = &result {
            self.metrics.problem("store");
            if failed.is_none() {
                tracing::warn!("vectors of tools are not kept in the store: {error}");
            }
        }
        *failed = result.is_err().then(Instant::now);
        result.is_ok()
    }
}

fn store_key(pack: usize) -> StoreKey {
    StoreKey::new(Namespace::Vectors, format!("{pack:03x}"))
}

/// Days since 1970.
pub(super) fn today() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs() / 86400).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
