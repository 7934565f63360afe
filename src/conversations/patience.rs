//! How long a call may wait for its conversation, before and after what it does.

use std::time::Duration;

use mcp_conductor_store::{CALL_TIMEOUT, StoreError};
use tokio::time::timeout;

use super::error::ConversationError;

/// Three calls of a store that takes all of its time for each: to read a record, to write it, and
/// once more where another call came before. With it ends the wait for other calls of the same
/// principal, too.
const PATIENCE: Duration = CALL_TIMEOUT.saturating_mul(3);

/// What the work gives, or that the store has not answered.
pub(super) async fn in_time<T>(
    work: impl Future<Output = Result<T, ConversationError>>,
) -> Result<T, ConversationError> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(StoreError::Timeout.into()))
}
