//! Entries, and what is said of them when they are set.

use std::time::Duration;

use bytes::Bytes;

use crate::StoreError;

/// The most bytes of one value, 1 MiB: four values of `session.set`, or the vectors of 600 tools.
/// Larger things are divided over several keys.
pub const MAX_VALUE: usize = 1 << 20;

/// Names one state of one entry. A later state, also of an entry that was removed and made
/// again, has another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version(pub(crate) State);

/// What a version consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// The number of a value.
    Value(u64),
    /// What a counter shows: two states that show the same are the same.
    Counter(i64),
}

/// What is stored below a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// At most [`MAX_VALUE`] bytes.
    pub value: Bytes,
    /// For [`Expected::Version`].
    pub version: Version,
}

/// What has to be below a key for it to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Anything or nothing.
    Any,
    /// Nothing, or what has expired.
    Absent,
    /// The entry in this state.
    Version(Version),
}

/// How long an entry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Until it is removed.
    Always,
    /// For this long from now, in steps of a millisecond.
    For(Duration),
}

impl Keep {
    /// The whole milliseconds, at least one.
    pub(crate) fn millis(self) -> Option<u64> {
        match self {
            Self::Always => None,
            Self::For(time) => {
                Some(u64::try_from(time.as_millis()).unwrap_or(MAX_KEEP).clamp(1, MAX_KEEP))
            }
        }
    }
}

/// A hundred years in milliseconds, which every implementation can add to its clock.
const MAX_KEEP: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

/// Refuses a value that is longer than [`MAX_VALUE`].
pub(crate) fn check_value(value: &Bytes) -> Result<(), StoreError> {
    if value.len() > MAX_VALUE {
        return Err(StoreError::TooLarge { limit: MAX_VALUE });
    }
    Ok(())
}
