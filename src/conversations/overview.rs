//! Conversations of everybody, for the administrator.

use std::sync::Arc;

use mcp_conductor_store::{Key, Namespace, Store};

use super::account::Account;
use super::error::{ConversationError, whole};
use super::handle::{Handle, Owner};
use super::record::Record;

/// Names that are asked for at a time.
const PAGE: usize = 500;

/// A conversation and what is kept of it.
#[derive(Debug, Clone)]
pub(crate) struct Overview {
    pub handle: String,
    pub record: Record,
    name: String,
}

/// All conversations, at most `most`.
///
/// # Errors
/// The store.
pub(crate) async fn all(
    store: &dyn Store,
    most: usize,
) -> Result<Vec<Overview>, ConversationError> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let names = store.list(Namespace::Conversations, "", after.as_deref(), PAGE).await;
        let names = names.map_err(whole)?;
        let Some(last) = names.last().cloned() else { return Ok(found) };
        after = Some(last);
        for name in names {
            if found.len() == most {
                return Ok(found);
            }
            // One that has ended meanwhile is no conversation any more.
            found.extend(read(store, name).await?);
        }
    }
}

/// The conversation of a handle, whoever has it.
///
/// # Errors
/// There is none, or the store.
pub(crate) async fn find(store: &dyn Store, given: &str) -> Result<Overview, ConversationError> {
    let handle = Handle::parse(given).ok_or(ConversationError::Unknown)?;
    let end = format!("/{handle}");
    let mut after = None::<String>;
    loop {
        let names = store.list(Namespace::Conversations, "", after.as_deref(), PAGE).await;
        let names = names.map_err(whole)?;
        let Some(last) = names.last().cloned() else { return Err(ConversationError::Unknown) };
        after = Some(last);
        if let Some(name) = names.into_iter().find(|name| name.ends_with(&end)) {
            return read(store, name).await?.ok_or(ConversationError::Unknown);
        }
    }
}

/// Ends a conversation, whoever has it.
///
/// # Errors
/// There is none, or the store.
pub(crate) async fn end(store: &Arc<dyn Store>, given: &str) -> Result<(), ConversationError> {
    let Overview { name, handle, .. } = find(&**store, given).await?;
    store.remove(&Key::new(Namespace::Conversations, name.clone())).await.map_err(whole)?;
    store.remove(&Key::new(Namespace::Sessions, name.clone())).await.map_err(whole)?;
    match (Owner::in_name(&name), Handle::parse(&handle)) {
        (Some(owner), Some(handle)) => {
            Account::of_anybody(store.clone(), owner).forget(&handle).await
        }
        (None, _) | (_, None) => Ok(()),
    }
}

async fn read(store: &dyn Store, name: String) -> Result<Option<Overview>, ConversationError> {
    let Some(handle) = name.rsplit('/').next().map(str::to_owned) else { return Ok(None) };
    let entry = store.get(&Key::new(Namespace::Conversations, name.clone())).await;
    let entry = entry.map_err(whole)?;
    entry
        .map(|entry| Ok(Overview { handle, record: Record::read(&entry.value)?, name }))
        .transpose()
}
