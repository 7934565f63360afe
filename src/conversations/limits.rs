//! What the values of one conversation may take.

/// Bytes of a key.
pub(crate) const MAX_KEY: usize = 256;

/// Keys of one conversation.
pub(crate) const MAX_KEYS: usize = 256;

/// Bytes of one value as JSON text.
pub(crate) const MAX_VALUE: usize = 256 << 10;

/// Bytes of all keys and values: two of the largest. As it is written, keys escaped, it stays
/// below the 1 MiB that a store takes.
pub(crate) const MAX_VALUES: usize = 512 << 10;
