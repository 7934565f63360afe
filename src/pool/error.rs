//! Why there is no worker.

use thiserror::Error;

use crate::protocol::Kind;

/// Why there is no worker.
#[derive(Debug, Clone, Error)]
pub(crate) enum PoolError {
    /// This machine cannot enforce the sandbox.
    #[error("The sandbox is incomplete: {0}")]
    Sandbox(String),
    /// The zygote failed to start.
    #[error("The zygote failed to start: {0}")]
    Zygote(String),
    /// A worker could not be made, several times in a row.
    #[error("No worker can be started: {0}")]
    Worker(String),
    /// The pool was started without such workers.
    #[error("There is no engine for {}", .0.name())]
    NoLane(Kind),
}
