//! A conversation as one call has it. What the call finds and loads is noted here, and added to
//! the record when it ends.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::account::Room;
use super::error::ConversationError;
use super::handle::Handle;
use super::patience::in_time;
use super::record::{Known, RunNote, now};
use super::shelf::Shelf;
use super::usage::{ToolName, Usage};
use super::values::{check_key, checked};
use crate::config::environment::{MAX_CONVERSATIONS, STORE_SIZE};

/// Calls of `session` that one run may make: each reads up to half a MiB from the store, and
/// may write it.
const MAX_CALLS: u32 = 1000;

/// A conversation that a call goes on with.
pub(crate) struct Conversation {
    shelf: Arc<Shelf>,
    handle: Handle,
    /// What was known when the call began.
    before: Known,
    /// What the call adds.
    added: parking_lot::Mutex<Known>,
    /// What the call has used, for who learns from it.
    used: parking_lot::Mutex<Usage>,
    calls: AtomicU32,
    /// The record says that there are values.
    has_values: AtomicBool,
    /// What was made room for it.
    room: Room,
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").finish_non_exhaustive()
    }
}

impl Conversation {
    pub(super) fn new(shelf: Arc<Shelf>, handle: Handle, before: Known, room: Room) -> Self {
        Self {
            shelf,
            handle,
            before,
            added: parking_lot::Mutex::default(),
            used: parking_lot::Mutex::default(),
            calls: AtomicU32::new(0),
            has_values: AtomicBool::new(false),
            room,
        }
    }

    /// Its name for the caller.
    pub(crate) fn handle(&self) -> &str {
        self.handle.as_str()
    }

    /// That another one had to end for it, if one had to.
    pub(crate) fn notice(&self) -> Option<String> {
        self.room.ended_another.then(|| {
            format!(
                "Your conversation that was used longest ago has ended to make room for this one: \
                 a limit is reached ({MAX_CONVERSATIONS}, or an eighth of {STORE_SIZE}). Go on with \
                 this one instead of beginning others"
            )
        })
    }

    /// What is known now, with what this call adds.
    pub(crate) fn known(&self) -> Known {
        let mut known = self.before.clone();
        known.merge(&self.added.lock());
        known
    }

    /// Notes what a search found, by qualified names, best first. A tool that is loaded needs
    /// no search: a call of it does not follow from this one.
    pub(crate) fn found(&self, query: &str, tools: &[String]) {
        let mut added = self.added.lock();
        let is_new =
            |tool: &&String| !self.before.loaded.contains(tool) && !added.loaded.contains(tool);
        let new: Vec<_> = tools.iter().filter(is_new).cloned().collect();
        added.search(query, &new);
    }

    /// Notes that a tool's parameters were shown, or that it was called.
    pub(crate) fn loaded(&self, tool: &str) {
        self.added.lock().load(tool);
    }

    /// Notes that a tool was called and has answered: the last search that found it led to this.
    pub(crate) fn called(&self, qualified: &str, tool: ToolName) {
        let (mut added, mut used) = (self.added.lock(), self.used.lock());
        used.call(&tool);
        let is_taken = added.taken.iter().any(|taken| taken == qualified);
        let before = if is_taken { None } else { self.before.query_of(qualified) };
        if let Some(query) = added.query_of(qualified).or(before).map(str::to_owned) {
            added.take(qualified);
            used.pair(query, tool);
        }
        added.load(qualified);
    }

    /// What the call has used until now. It is given out once.
    pub(crate) fn take_usage(&self) -> Usage {
        std::mem::take(&mut *self.used.lock())
    }

    /// The value of a key as JSON.
    ///
    /// # Errors
    /// The key, the store, or the conversation has ended.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<String>, ConversationError> {
        self.count()?;
        check_key(key)?;
        Ok(self.shelf.values(&self.handle).await?.get(key))
    }

    /// All keys, in their order.
    ///
    /// # Errors
    /// As of [`Self::get`].
    pub(crate) async fn keys(&self) -> Result<Vec<String>, ConversationError> {
        self.count()?;
        Ok(self.shelf.values(&self.handle).await?.keys())
    }

    /// Sets a key to a value, which is JSON.
    ///
    /// # Errors
    /// A limit, the store, or the conversation has ended.
    pub(crate) async fn set(&self, key: &str, value: String) -> Result<(), ConversationError> {
        self.count()?;
        check_key(key)?;
        let value = checked(value)?;
        // First, so that no value is there that is not kept as long as the conversation.
        if !self.has_values.load(Ordering::Relaxed) {
            self.shelf.update(&self.handle, |record| record.values_at = now()).await?;
            self.has_values.store(true, Ordering::Relaxed);
        }
        self.shelf.change_values(&self.handle, |values| values.set(key, value.clone())).await
    }

    /// Deletes a key, and says whether it was there.
    ///
    /// # Errors
    /// As of [`Self::get`].
    pub(crate) async fn delete(&self, key: &str) -> Result<bool, ConversationError> {
        self.count()?;
        check_key(key)?;
        self.shelf.change_values(&self.handle, |values| Ok(values.remove(key))).await
    }

    /// Adds what the call found, and its run if it was one, to what is kept.
    ///
    /// # Errors
    /// The store, or the conversation has ended.
    pub(crate) async fn finish(&self, run: Option<RunNote>) -> Result<(), ConversationError> {
        let added = std::mem::take(&mut *self.added.lock());
        if added.is_empty() && run.is_none() {
            return Ok(());
        }
        let change = |record: &mut super::record::Record| {
            record.used = now();
            record.known.merge(&added);
            run.iter().for_each(|run| record.add(run.clone()));
        };
        in_time(self.shelf.update(&self.handle, change)).await.map(drop)
    }

    fn count(&self) -> Result<(), ConversationError> {
        if self.calls.fetch_add(1, Ordering::Relaxed) < MAX_CALLS {
            return Ok(());
        }
        self.calls.fetch_sub(1, Ordering::Relaxed);
        Err(ConversationError::TooManyCalls(MAX_CALLS))
    }
}
