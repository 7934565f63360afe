//! What conversations may take.

use std::time::Duration;

/// Bytes of a key.
pub(crate) const MAX_KEY: usize = 256;

/// Keys of one conversation.
pub(crate) const MAX_KEYS: usize = 256;

/// Bytes of one value as JSON text.
pub(crate) const MAX_VALUE: usize = 256 << 10;

/// Bytes of all keys and values: two of the largest. As it is written, keys escaped, it stays
/// below the 1 MiB that a store takes.
pub(crate) const MAX_VALUES: usize = 512 << 10;

/// How often a change is tried anew that other replicas came before. Each time one of them has
/// succeeded; the calls of this server wait for each other.
pub(super) const ATTEMPTS: u32 = 8;

/// The administrator's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Since the last use.
    pub time_to_live: Duration,
    /// Of one principal; 0 for none at all.
    pub count: usize,
    /// Bytes that those of one principal may take of the store.
    pub share: u64,
}
