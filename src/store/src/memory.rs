//! A store in memory, for one process and its time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::entry::check_value;
use crate::key::{check_name, stored};
use crate::record::{Record, check_expected};
use crate::{
    Entry, Expected, Keep, Key, Kind, MAX_LIST, Namespace, Store, StoreError, StoreStatus, Version,
};

/// Expired entries that a change removes: more than it can add, so that they never pile up.
const SWEPT_BY_A_CHANGE: usize = 16;

/// What a store in this process may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of names and values, with 128 for each entry.
    pub bytes: u64,
}

impl Limits {
    /// 256 MiB: 10,000 conversations of 16 KiB, and the vectors of 10,000 tools.
    pub const DEFAULT: Self = Self { bytes: 256 << 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A store that ends with the process.
pub fn memory(limits: Limits) -> Arc<dyn Store> {
    Arc::new(Memory { limits, clock: Clock::since_start(), shelf: Mutex::default() })
}

#[derive(Debug)]
struct Memory {
    limits: Limits,
    clock: Clock,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    records: BTreeMap<String, Record>,
    /// Those that expire, the first one first.
    expiries: BTreeSet<(u64, String)>,
    bytes: u64,
    versions: u64,
}

/// Says how much there is, and not what.
impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("records", &self.records.len()).finish_non_exhaustive()
    }
}

impl Shelf {
    fn get(&self, name: &str, now: u64) -> Option<&Record> {
        self.records.get(name).filter(|record| !record.has_expired(now))
    }

    fn take(&mut self, name: &str) -> Option<Record> {
        let record = self.records.remove(name)?;
        self.bytes -= record.size(name.len());
        if let Some(expires) = record.expires {
            self.expiries.remove(&(expires, name.to_owned()));
        }
        Some(record)
    }

    fn put(&mut self, name: String, record: Record, limits: Limits) -> Result<(), StoreError> {
        let freed = self.records.get(&name).map_or(0, |there| there.size(name.len()));
        let bytes = self.bytes - freed + record.size(name.len());
        if bytes > limits.bytes {
            return Err(StoreError::Full { limit: limits.bytes });
        }
        self.take(&name);
        self.bytes = bytes;
        if let Some(expires) = record.expires {
            self.expiries.insert((expires, name.clone()));
        }
        self.records.insert(name, record);
        Ok(())
    }

    fn sweep(&mut self, now: u64) {
        for _ in 0..SWEPT_BY_A_CHANGE {
            let Some((_, name)) = self.expiries.first().filter(|(expires, _)| *expires <= now)
            else {
                return;
            };
            let name = name.clone();
            self.take(&name);
        }
    }

    fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        key.check()?;
        Ok(self.shelf.lock().get(&key.stored(), self.clock.now()).map(Record::entry))
    }

    async fn set(
        &self,
        key: &Key,
        expected: Expected,
        value: Bytes,
        keep: Keep,
    ) -> Result<Version, StoreError> {
        key.check()?;
        check_value(&value)?;
        let (name, now) = (key.stored(), self.clock.now());
        let mut shelf = self.shelf.lock();
        shelf.sweep(now);
        check_expected(shelf.get(&name, now), expected)?;
        let version = shelf.next_version();
        shelf.put(name, Record::of_value(version, value, keep, now), self.limits)?;
        Ok(Version(version))
    }

    async fn remove(&self, key: &Key) -> Result<bool, StoreError> {
        key.check()?;
        let now = self.clock.now();
        let removed = self.shelf.lock().take(&key.stored());
        Ok(removed.is_some_and(|record| !record.has_expired(now)))
    }

    async fn add(&self, key: &Key, delta: i64, keep: Keep) -> Result<i64, StoreError> {
        key.check()?;
        let (name, now) = (key.stored(), self.clock.now());
        let mut shelf = self.shelf.lock();
        shelf.sweep(now);
        let (record, count) = Record::counted(shelf.get(&name, now), delta, keep, now)?;
        shelf.put(name, record, self.limits)?;
        Ok(count)
    }

    async fn list(
        &self,
        namespace: Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        check_name(prefix)?;
        let (whole, now) = (stored(namespace, prefix), self.clock.now());
        let first = match after.filter(|after| *after >= prefix) {
            Some(after) => Bound::Excluded(stored(namespace, after)),
            None => Bound::Included(whole.clone()),
        };
        let shelf = self.shelf.lock();
        let names = shelf
            .records
            .range((first, Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(&whole))
            .filter(|(_, record)| !record.has_expired(now))
            .map(|(name, _)| name[namespace.name().len() + 1..].to_owned());
        Ok(names.take(limit.min(MAX_LIST)).collect())
    }

    async fn check(&self) -> Result<StoreStatus, StoreError> {
        let start = Instant::now();
        let shelf = self.shelf.lock();
        Ok(StoreStatus {
            kind: Kind::Memory,
            place: "this process".to_owned(),
            version: None,
            entries: Some(shelf.records.len() as u64),
            bytes: Some(shelf.bytes),
            limit: Some(self.limits.bytes),
            took: start.elapsed(),
        })
    }
}
