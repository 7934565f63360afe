//! A call that runs, whose end is to be written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mcp_conductor_store::{Expected, Keep, StoreError, Version};
use rmcp::model::{CallToolResult, ErrorData};
use tokio_util::sync::CancellationToken;

use super::Room;
use super::note::Note;
use super::record::Record;

/// How often the end of a call is written that the store did not take at once, and how long
/// between: in all longer than a store needs that starts anew, and than others wait for a sign of
/// life of this replica.
const ATTEMPTS: usize = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// It was not handed to a handler, or that did not begin it: nothing has happened.
const NOT_BEGUN: u8 = 0;
/// It was begun. What became of it is not known unless it ends.
const BEGUN: u8 = 1;
/// Its end is written, or being written.
const ENDED: u8 = 2;

/// The end of a call, on its way to the store.
struct End {
    entry: Bytes,
    bytes: usize,
    /// The principal's room is taken once, however often it is written.
    is_counted: bool,
}

/// A call that is noted as running here. When it is dropped before it was begun, the note is
/// removed.
pub(in crate::server) struct Pending {
    /// Until it is dropped.
    note: Option<Note>,
    record: Record,
    version: Version,
    room: Room,
    /// Instead of the client's going away.
    stop: Option<CancellationToken>,
    /// Of the tenant, which is not closed before this is dropped.
    _in_use: Option<Arc<()>>,
    stage: AtomicU8,
}

impl Pending {
    pub(super) fn new(note: Note, record: Record, version: Version, room: Room) -> Self {
        let stage = AtomicU8::new(NOT_BEGUN);
        Self { note: Some(note), record, version, room, stop: None, _in_use: None, stage }
    }

    /// The only thing that cancels it.
    pub(super) fn stopped_by(mut self, stop: Option<CancellationToken>, in_use: Arc<()>) -> Self {
        (self.stop, self._in_use) = (stop, Some(in_use));
        self
    }

    /// What cancels it in the place of its client's going away. None where that is not taken
    /// for an end: in a session.
    pub(in crate::server) fn stop(&self) -> Option<&CancellationToken> {
        self.stop.as_ref()
    }

    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// The handler has it.
    pub(in crate::server) fn begins(&self) {
        self.stage.store(BEGUN, Ordering::Relaxed);
    }

    /// The handler had no room for it: a repetition may make it.
    pub(in crate::server) fn was_not_made(&self) {
        self.stage.store(NOT_BEGUN, Ordering::Relaxed);
    }

    /// Writes what it came to, before the client is answered. Where the store does not take it,
    /// that is tried for a while behind the answer; `held` is what the answer has of the memory.
    pub(in crate::server) async fn ends(
        self: &Arc<Self>,
        answer: Result<&CallToolResult, &ErrorData>,
        held: impl Send + Sync + 'static,
    ) {
        if self.stage.load(Ordering::Relaxed) == NOT_BEGUN {
            return;
        }
        self.stage.store(ENDED, Ordering::Relaxed);
        let (entry, bytes) = self.record.ended(answer);
        let mut end = End { entry, bytes, is_counted: false };
        if self.write(&mut end).await.is_ok() {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            let _held = held;
            for _ in 0..ATTEMPTS {
                tokio::time::sleep(PAUSE).await;
                if this.write(&mut end).await.is_ok() {
                    return;
                }
            }
            tracing::warn!(
                "the answer of a call with an idempotency key was not kept: the store did not take \
                 it for {} s",
                ATTEMPTS as u64 * PAUSE.as_secs()
            );
        });
    }

    async fn write(&self, end: &mut End) -> Result<(), StoreError> {
        let bytes = end.bytes;
        if !end.is_counted {
            let counted = i64::try_from(bytes).unwrap_or(i64::MAX / 2);
            if !self.room.takes(counted).await? {
                end.entry = self.record.too_large(bytes);
            }
            end.is_counted = true;
        }
        match self.set(end.entry.clone()).await {
            // It has expired, or an attempt before this one succeeded unheard.
            Err(StoreError::Conflict) => Ok(()),
            // An answer that the store has no room for is one that is not kept.
            Err(StoreError::Full { .. } | StoreError::TooLarge { .. }) => {
                self.set(self.record.too_large(bytes)).await
            }
            other => other,
        }
    }

    async fn set(&self, entry: Bytes) -> Result<(), StoreError> {
        let Some(Note { key, .. }) = &self.note else { return Ok(()) };
        let (store, keep) = (self.room.replica.store(), Keep::For(self.room.kept));
        store.set(key, Expected::Version(self.version), entry, keep).await.map(drop)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(note) = self.note.take()
            && *self.stage.get_mut() == NOT_BEGUN
        {
            note.remove(self.record.write());
        }
    }
}
