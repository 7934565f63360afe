//! A store in one file of this machine, which several processes of one user share.
//!
//! A change is durable when its caller gets its result, and is there whole or not at all after
//! the process or the machine was stopped at any moment. The file is opened as it is: nothing has
//! to be repaired by hand.

mod file;
mod format;
mod table;
mod threads;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;

use self::table::Changed;
use self::threads::Threads;
use crate::clock::Clock;
use crate::entry::check_value;
use crate::key::{Range, check_name};
use crate::record::Record;
use crate::{
    Claim, Entry, Expected, Held, Keep, Key, Kind, Limits, Namespace, Refill, Store, StoreError,
    StoreStatus, Taken, Version, rules,
};

/// A store in a file below `directory`, which is made for its owner alone where it is not there.
/// While another process is in a write it waits for that, on a thread of its own, without an end:
/// [`lazy`](crate::lazy) opens a store within the time of a call, and once.
///
/// # Errors
/// [`StoreError::Unavailable`] if it cannot be opened, [`StoreError::Format`] for one of another
/// version.
pub async fn embedded(directory: &Path, limits: Limits) -> Result<Arc<dyn Store>, StoreError> {
    let threads = Threads::start(directory).await?;
    Ok(Arc::new(Embedded { threads, file: file::path(directory), limits }))
}

#[derive(Debug)]
struct Embedded {
    threads: Threads,
    file: PathBuf,
    limits: Limits,
}

impl Embedded {
    /// What a change is bounded by, at the moment at which it is made.
    fn bounds(limits: Limits) -> (Limits, u64) {
        (limits, Clock::Wall.now())
    }
}

/// The file, or what is around it, failed.
fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable { reason: format!("its file cannot be used: {error}") }
}

#[async_trait]
impl Store for Embedded {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        key.check()?;
        let name = key.stored();
        let record = self.threads.read(move |from| table::read(from, &name, Clock::Wall.now()));
        Ok(record.await?.as_ref().map(Record::entry))
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
        let (name, limits) = (key.stored(), self.limits);
        let set = move |tables: &mut Changed<'_>| {
            rules::set(tables, &name, (expected, value, keep), Self::bounds(limits))
        };
        self.threads.change(set).await
    }

    async fn remove(&self, key: &Key) -> Result<bool, StoreError> {
        key.check()?;
        let name = key.stored();
        self.threads.change(move |tables| rules::remove(tables, &name, Clock::Wall.now())).await
    }

    async fn add(&self, key: &Key, delta: i64, keep: Keep) -> Result<i64, StoreError> {
        key.check()?;
        let (name, limits) = (key.stored(), self.limits);
        let add = move |tables: &mut Changed<'_>| {
            rules::add(tables, &name, (delta, keep), Self::bounds(limits))
        };
        self.threads.change(add).await
    }

    async fn take(&self, key: &Key, wanted: i32, refill: Refill) -> Result<Taken, StoreError> {
        key.check()?;
        let (name, limits) = (key.stored(), self.limits);
        let take = move |tables: &mut Changed<'_>| {
            let bounds = (limits, Clock::Wall.micros());
            rules::take_tokens(tables, &name, (wanted, refill), bounds)
        };
        self.threads.change(take).await
    }

    async fn hold(&self, key: &Key, claim: Claim<'_>) -> Result<Held, StoreError> {
        key.check()?;
        claim.check()?;
        let (name, limits) = (key.stored(), self.limits);
        let Claim { used, wanted, limit, time, .. } = claim;
        let holder = claim.holder.to_owned();
        let hold = move |tables: &mut Changed<'_>| {
            let claim = Claim { holder: &holder, used, wanted, limit, time };
            rules::hold(tables, &name, claim, Self::bounds(limits))
        };
        self.threads.change(hold).await
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
        self.threads.read(move |from| table::names(from, &range, Clock::Wall.now())).await
    }

    async fn check(&self) -> Result<StoreStatus, StoreError> {
        let start = Instant::now();
        let (entries, bytes) = self.threads.read(table::totals).await?;
        Ok(StoreStatus {
            kind: Kind::Embedded,
            place: self.file.display().to_string(),
            version: Some(format!("format {}", format::FORMAT)),
            entries: Some(entries),
            bytes: Some(bytes),
            limit: Some(self.limits.bytes),
            took: start.elapsed(),
        })
    }
}
