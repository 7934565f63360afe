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

impl PoolError {
    /// As a client is told, who needs no traceback: the log has all of it.
    pub(crate) fn in_short(&self) -> String {
        let text = self.to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        lines.next_back().map_or_else(|| first.to_owned(), |last| format!("{first} … {last}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_the_end_of_a_traceback() {
        let traceback = "Traceback (most recent call last):\n  File \"a.py\"\nKeyError: 'a'\n";
        assert_eq!(
            PoolError::Zygote(traceback.to_owned()).in_short(),
            "The zygote failed to start: Traceback (most recent call last): … KeyError: 'a'"
        );
        assert_eq!(
            PoolError::Worker("gone".to_owned()).in_short(),
            "No worker can be started: gone"
        );
    }
}
