//! What the server remembers between runs: conversations, learned use, vectors, counters of
//! limits, owners of sessions.
//!
//! One trait, [`Store`], with three implementations: in memory, in one file of one server, and
//! by a Redis server that several replicas share. An entry is bytes below a [`Key`]; it is
//! replaced by compare-and-set, and may expire. A counter is an entry that only [`Store::add`]
//! changes; read by [`Store::get`] it is its decimal digits.
//!
//! Every call ends within [`CALL_TIMEOUT`]. What is stored was written by a server, but its
//! content may come from programs: an implementation never interprets a value.

mod bucket;
mod clock;
mod embedded;
mod entry;
mod error;
mod holders;
mod key;
mod lazy;
mod limits;
mod memory;
mod place;
mod record;
mod redis;
mod rules;
mod status;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use bucket::{Refill, Taken};
pub use embedded::embedded;
pub use entry::{Entry, Expected, Keep, MAX_VALUE, Version};
pub use error::StoreError;
pub use holders::{Claim, Held};
pub use key::{Key, MAX_NAME, Namespace};
pub use lazy::{Settings, lazy};
pub use limits::Limits;
pub use memory::memory;
pub use place::{Place, RedisAddress};
pub use redis::{RedisSettings, Tls, redis};
pub use status::{Kind, StoreStatus};

/// The longest that a call may take before it ends with [`StoreError::Timeout`]: a request to a
/// client that waits has tens of seconds, and asks the store a few times.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// The most names that one [`Store::list`] returns: at most half a MiB.
pub const MAX_LIST: usize = 1000;

/// Where entries are kept.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// The entry below `key`, unless there is none or it has expired.
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError>;

    /// Replaces or makes the entry below `key` if what is there is as `expected`, and returns
    /// its new version. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if what is there is not as expected.
    async fn set(
        &self,
        key: &Key,
        expected: Expected,
        value: Bytes,
        keep: Keep,
    ) -> Result<Version, StoreError>;

    /// Removes the entry below `key`, and returns whether there was one.
    async fn remove(&self, key: &Key) -> Result<bool, StoreError>;

    /// Adds `delta` to the counter below `key`, which begins at 0, and returns its new value,
    /// which stops at the ends of `i64`. `keep` counts from when the counter was made.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if an entry is there that [`Store::set`] made.
    async fn add(&self, key: &Key, delta: i64, keep: Keep) -> Result<i64, StoreError>;

    /// Takes up to `wanted` tokens out of the bucket below `key`, which is full where there is
    /// none; fewer than none gives tokens back. By the store's own clock. What it shows as an
    /// entry is when it is full.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if an entry is there that [`Store::set`] made.
    async fn take(&self, key: &Key, wanted: i32, refill: Refill) -> Result<Taken, StoreError>;

    /// Holds a part of a limit below `key`, in place of what the holder held before. What a holder
    /// does not claim again in time is free, by the store's own clock.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a counter is there.
    async fn hold(&self, key: &Key, claim: Claim<'_>) -> Result<Held, StoreError>;

    /// Names in `namespace` that begin with `prefix`, in order of their bytes and behind `after`;
    /// at most `limit` and at most [`MAX_LIST`].
    async fn list(
        &self,
        namespace: Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError>;

    /// What the store is, and whether it answers.
    async fn check(&self) -> Result<StoreStatus, StoreError>;
}
