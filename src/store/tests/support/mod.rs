//! Stores for tests, each empty and used once.
#![allow(dead_code, unused_imports, reason = "each binary of tests uses a part")]

use std::sync::Arc;

use mcp_conductor_store::{Limits, Store, embedded, memory};
use tempfile::TempDir;

mod server;

pub use server::{Server, no_tls, store_at};

/// Where a test's entries are kept.
pub enum Kept {
    Memory,
    Embedded(TempDir),
    Redis(Server),
}

impl Kept {
    pub fn memory() -> Option<Self> {
        Some(Self::Memory)
    }

    pub fn embedded() -> Option<Self> {
        Some(Self::Embedded(TempDir::new().unwrap()))
    }

    /// None where there is no server.
    pub fn redis() -> Option<Self> {
        Server::start(&[]).map(Self::Redis)
    }

    pub async fn store(&mut self) -> Arc<dyn Store> {
        self.limited(Limits::DEFAULT).await
    }

    /// A store that may hold so much; a server has its own limit.
    pub async fn limited(&mut self, limits: Limits) -> Arc<dyn Store> {
        match self {
            Self::Memory => memory(limits),
            Self::Embedded(directory) => {
                embedded(&directory.path().join("store"), limits).await.unwrap()
            }
            Self::Redis(server) => server.store("").await,
        }
    }
}
