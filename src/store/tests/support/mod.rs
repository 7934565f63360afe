//! Stores for tests, each empty and used once.

use std::sync::Arc;

use mcp_conductor_store::{Limits, Store, embedded, memory};
use tempfile::TempDir;

/// Where a test's entries are kept.
pub enum Kept {
    Memory,
    Embedded(TempDir),
}

impl Kept {
    pub fn memory() -> Option<Self> {
        Some(Self::Memory)
    }

    pub fn embedded() -> Option<Self> {
        Some(Self::Embedded(TempDir::new().unwrap()))
    }

    pub async fn store(&mut self) -> Arc<dyn Store> {
        self.limited(Limits::DEFAULT).await
    }

    /// A store that may hold so much.
    pub async fn limited(&mut self, limits: Limits) -> Arc<dyn Store> {
        match self {
            Self::Memory => memory(limits),
            Self::Embedded(directory) => {
                embedded(&directory.path().join("store"), limits).await.unwrap()
            }
        }
    }
}
