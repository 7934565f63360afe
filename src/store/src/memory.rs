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
use crate::key::{Range, check_name};
use crate::record::Record;
use crate::rules::{self, Table};
use crate::{
    Claim, Entry, Expected, Held, Keep, Key, Kind, Limits, Namespace, Refill, Store, StoreError,
    StoreStatus, Taken, Version,
};

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

impl Table for Shelf {
    fn record(&self, name: &str) -> Result<Option<Record>, StoreError> {
        Ok(self.records.get(name).cloned())
    }

    fn insert(&mut self, name: &str, record: &Record) -> Result<(), StoreError> {
        if let Some(expires) = record.expires {
            self.expiries.insert((expires, name.to_owned()));
        }
        self.records.insert(name.to_owned(), record.clone());
        Ok(())
    }

    fn delete(&mut self, name: &str, record: &Record) -> Result<(), StoreError> {
        self.records.remove(name);
        if let Some(expires) = record.expires {
            self.expiries.remove(&(expires, name.to_owned()));
        }
        Ok(())
    }

    fn first_expiry(&self) -> Result<Option<(u64, String)>, StoreError> {
        Ok(self.expiries.first().cloned())
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn set_bytes(&mut self, bytes: u64) {
        self.bytes = bytes;
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
        let record = rules::get(&*self.shelf.lock(), &key.stored(), self.clock.now())?;
        Ok(record.as_ref().map(Record::entry))
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
        // A part of a large buffer would keep all of it.
        let change = (expected, Bytes::copy_from_slice(&value), keep);
        let bounds = (self.limits, self.clock.now());
        rules::set(&mut *self.shelf.lock(), &key.stored(), change, bounds)
    }

    async fn remove(&self, key: &Key) -> Result<bool, StoreError> {
        key.check()?;
        rules::remove(&mut *self.shelf.lock(), &key.stored(), self.clock.now())
    }

    async fn add(&self, key: &Key, delta: i64, keep: Keep) -> Result<i64, StoreError> {
        key.check()?;
        let bounds = (self.limits, self.clock.now());
        rules::add(&mut *self.shelf.lock(), &key.stored(), (delta, keep), bounds)
    }

    async fn take(&self, key: &Key, wanted: i32, refill: Refill) -> Result<Taken, StoreError> {
        key.check()?;
        let bounds = (self.limits, self.clock.micros());
        rules::take_tokens(&mut *self.shelf.lock(), &key.stored(), (wanted, refill), bounds)
    }

    async fn hold(&self, key: &Key, claim: Claim<'_>) -> Result<Held, StoreError> {
        key.check()?;
        claim.check()?;
        let bounds = (self.limits, self.clock.now());
        rules::hold(&mut *self.shelf.lock(), &key.stored(), claim, bounds)
    }

    async fn list(
        &self,
        namespace: Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        check_name(prefix)?;
        let range = Range::new(namespace, prefix, after, limit);
        let now = self.clock.now();
        let shelf = self.shelf.lock();
        let names = shelf
            .records
            .range::<str, _>((range.first(), Bound::Unbounded))
            .take_while(|(name, _)| range.has(name))
            .filter(|(_, record)| !record.has_expired(now))
            .map(|(name, _)| range.name(name));
        Ok(names.take(range.limit).collect())
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
