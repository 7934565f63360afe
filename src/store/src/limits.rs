//! What a store may hold.

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
