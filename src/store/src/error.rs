//! What can go wrong in a store.

use crate::CALL_TIMEOUT;

/// Why a call of the store did not succeed. The texts hold no key, value or password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// What is below the key is not what was expected.
    #[error("The stored entry was changed meanwhile. Read it again, then repeat the change")]
    Conflict,
    /// The store has reached its size.
    #[error(
        "The store is full: {limit} bytes are the limit (MCP_CONDUCTOR_STORE_SIZE, or Redis's \
         maxmemory). Entries that expire make room"
    )]
    Full {
        /// In bytes.
        limit: u64,
    },
    /// A name or a value is too long.
    #[error("Too long for the store: {limit} bytes are the limit. Store it in several pieces")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// The store cannot be opened or reached, or is broken.
    #[error(
        "The store is unavailable (MCP_CONDUCTOR_STORE): {reason}. Programs run without it; \
         `mcp-conductor doctor` says more"
    )]
    Unavailable {
        /// What was tried, and why it failed.
        reason: String,
    },
    /// What is stored was written by another version of the server.
    #[error(
        "The store has format {found}, and this version knows {known} only. Use the version that \
         wrote it, or name another store (MCP_CONDUCTOR_STORE)"
    )]
    Format {
        /// The number that is stored.
        found: u32,
        /// The number that this version reads and writes.
        known: u32,
    },
    /// The store did not answer in time. A change may have been made or not.
    #[error("The store did not answer within {} ms (MCP_CONDUCTOR_STORE)", CALL_TIMEOUT.as_millis())]
    Timeout,
}

impl StoreError {
    /// Its name in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Full { .. } => "full",
            Self::TooLarge { .. } => "too_large",
            Self::Unavailable { .. } => "unavailable",
            Self::Format { .. } => "format",
            Self::Timeout => "timeout",
        }
    }

    /// Whether the store itself failed, and not one call of it.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Conflict
            | Self::Full { .. }
            | Self::TooLarge { .. }
            | Self::Format { .. }
            | Self::Timeout => false,
        }
    }
}
