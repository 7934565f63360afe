//! The conversations of one principal: begun, found again, ended.

use std::sync::Arc;

use mcp_conductor_store::Store;

use super::account::Room;
use super::conversation::Conversation;
use super::error::ConversationError;
use super::handle::NEW;
use super::limits::Limits;
use super::patience::in_time;
use super::shelf::Shelf;

/// The conversations of one principal. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Conversations(Arc<Shelf>);

impl Conversations {
    pub(crate) fn new(store: Arc<dyn Store>, principal: Option<Arc<str>>, limits: Limits) -> Self {
        Self(Arc::new(Shelf::new(store, principal, limits)))
    }

    /// The conversation that a call names, or a new one.
    ///
    /// # Errors
    /// It is not there for this principal, the limit, or the store.
    pub(crate) async fn of(&self, given: &str) -> Result<Arc<Conversation>, ConversationError> {
        let (handle, record, room) = match given {
            NEW => in_time(self.0.begin()).await?,
            _ => {
                let (handle, record) = in_time(self.0.open(given)).await?;
                (handle, record, Room::default())
            }
        };
        Ok(Arc::new(Conversation::new(self.0.clone(), handle, record.known, room)))
    }

    /// Ends a conversation: nothing of it is kept.
    ///
    /// # Errors
    /// It is not there for this principal, or the store.
    pub(crate) async fn end(&self, given: &str) -> Result<(), ConversationError> {
        in_time(self.0.end(given)).await
    }
}
