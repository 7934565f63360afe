//! An entry as the implementations in this process keep it, and the rules of changing one.

use bytes::Bytes;

use crate::entry::State;
use crate::{Entry, Expected, Keep, StoreError, Version};

/// What an entry costs beside its name and its value, in bytes: its version, its expiry, and the
/// nodes of two trees.
const OVERHEAD: u64 = 128;

/// What is below a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Value { version: u64, value: Bytes },
    Counter(i64),
}

/// An entry with its expiry, in milliseconds of the implementation's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) expires: Option<u64>,
    pub(crate) content: Content,
}

impl Record {
    /// A record that `set` makes.
    pub(crate) fn of_value(version: u64, value: Bytes, keep: Keep, now: u64) -> Self {
        Self { expires: expiry(keep, now), content: Content::Value { version, value } }
    }

    /// The record that `add` makes of the one that is there.
    pub(crate) fn counted(
        there: Option<&Self>,
        delta: i64,
        keep: Keep,
        now: u64,
    ) -> Result<(Self, i64), StoreError> {
        let (expires, count) = match there.map(|record| (record.expires, &record.content)) {
            None => (expiry(keep, now), 0),
            Some((expires, Content::Counter(count))) => (expires, *count),
            Some((_, Content::Value { .. })) => return Err(StoreError::Conflict),
        };
        let count = count.saturating_add(delta);
        Ok((Self { expires, content: Content::Counter(count) }, count))
    }

    /// Whether it is there no more.
    pub(crate) fn has_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// What a reader gets of it.
    pub(crate) fn entry(&self) -> Entry {
        let value = match &self.content {
            Content::Value { value, .. } => value.clone(),
            Content::Counter(count) => Bytes::from(count.to_string()),
        };
        Entry { value, version: self.version() }
    }

    /// Its state.
    pub(crate) fn version(&self) -> Version {
        Version(match self.content {
            Content::Value { version, .. } => State::Value(version),
            Content::Counter(count) => State::Counter(count),
        })
    }

    /// What it is charged with below a key of `name` bytes.
    pub(crate) fn size(&self, name: usize) -> u64 {
        let content = match &self.content {
            Content::Value { value, .. } => value.len(),
            Content::Counter(_) => size_of::<i64>(),
        };
        (name + content) as u64 + OVERHEAD
    }
}

/// Refuses a change of what is not as expected. `there` has not expired.
pub(crate) fn check_expected(there: Option<&Record>, expected: Expected) -> Result<(), StoreError> {
    let is_expected = match expected {
        Expected::Any => true,
        Expected::Absent => there.is_none(),
        Expected::Version(version) => there.is_some_and(|record| record.version() == version),
    };
    if is_expected { Ok(()) } else { Err(StoreError::Conflict) }
}

/// When that ends, by a clock that shows `now`.
fn expiry(keep: Keep, now: u64) -> Option<u64> {
    keep.millis().map(|millis| now.saturating_add(millis))
}
