//! What a store says of itself.

use std::time::Duration;

/// How entries are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In memory, until the process ends.
    Memory,
    /// In a file of this server.
    Embedded,
    /// By a Redis or Valkey server.
    Redis,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Embedded, Self::Redis];

    /// Its name in messages and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Embedded => "embedded",
            Self::Redis => "redis",
        }
    }
}

/// The state of a store that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStatus {
    /// How entries are kept.
    pub kind: Kind,
    /// The file, or the server without its password.
    pub place: String,
    /// The version of the format, or of the server.
    pub version: Option<String>,
    /// Entries, those included that have expired and are not yet swept.
    pub entries: Option<u64>,
    /// Bytes of names and values.
    pub bytes: Option<u64>,
    /// The most bytes of names and values.
    pub limit: Option<u64>,
    /// How long the answer took.
    pub took: Duration,
}
