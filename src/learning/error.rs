//! Why nothing is learned.

use mcp_conductor_store::StoreError;
use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum LearningError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It stays as it is.
    #[error("a newer version keeps it")]
    Newer,
    #[error("other replicas were always first")]
    Contended,
    #[error("the work was interrupted")]
    Interrupted,
}
