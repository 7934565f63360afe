//! The ledger of one principal in the store, changed by compare-and-set.

use std::sync::Arc;
use std::time::Duration;

use mcp_conductor_store::{Expected, Keep, Key, Namespace, Store, StoreError};
use tokio::sync::Mutex;

use super::error::ConversationError;
use super::handle::{Handle, Owner};
use super::ledger::{Given, Ledger, Part};
use super::limits::{ATTEMPTS, Limits};
use super::record::{millis, now};

/// Conversations that one that begins removes at most: more than come behind it, so that they do
/// not add up, and few enough for the time of a call.
const REMOVED: usize = 16;

/// The longest that a conversation is kept: twice the longest run, of a day.
const LONGEST: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// What one principal's conversations take of the store, and may take.
#[derive(Debug)]
pub(super) struct Account {
    store: Arc<dyn Store>,
    owner: Owner,
    limits: Limits,
    /// One change at a time, so that the calls of this server do not contend.
    turn: Mutex<()>,
}

/// What was removed for a conversation that begins.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// One that could have been gone on with.
    pub ended_another: bool,
}

impl Account {
    pub(super) fn new(store: Arc<dyn Store>, owner: Owner, limits: Limits) -> Self {
        Self { store, owner, limits, turn: Mutex::default() }
    }

    /// For the administrator, who ends conversations of any limits.
    pub(super) fn of_anybody(store: Arc<dyn Store>, owner: Owner) -> Self {
        Self::new(store, owner, Limits { time_to_live: LONGEST, count: 0, share: 0 })
    }

    /// Enters a conversation that begins. Where there is no room, those that were used longest ago
    /// end.
    ///
    /// # Errors
    /// The share, or the store.
    pub(super) async fn enter(
        &self,
        handle: &Handle,
        bytes: usize,
    ) -> Result<(Given, Room), ConversationError> {
        let _turn = self.turn.lock().await;
        let keep = millis(self.limits.time_to_live);
        for _ in 0..ATTEMPTS {
            let (mut ledger, expected) = self.read().await?;
            let given = Given::of(bytes, keep, now()).longer(keep);
            let (gone, room) = self.make_room(&mut ledger, bytes);
            // First, so that nothing is there that is not counted.
            self.remove(&gone).await?;
            let part = (handle.as_str(), Part::Record);
            let entered = ledger.give(part, given, self.limits.share, now());
            // Also where there is no room: what was removed is not counted any more.
            if (entered.is_ok() || !gone.is_empty()) && !self.written(&ledger, expected).await? {
                continue;
            }
            return entered.map(|()| (given, room));
        }
        Err(ConversationError::Contended)
    }

    /// Strikes out what has to go for one more conversation.
    fn make_room(&self, ledger: &mut Ledger, bytes: usize) -> (Vec<String>, Room) {
        let (now, mut room) = (now(), Room::default());
        let mut gone = ledger.left_behind(now);
        gone.truncate(REMOVED);
        for handle in &gone {
            ledger.strike(handle);
        }
        let is_full = |ledger: &Ledger| {
            ledger.count(now) >= self.limits.count
                || ledger.bytes(now).saturating_add(bytes as u64) > self.limits.share
        };
        while is_full(ledger)
            && gone.len() < 2 * REMOVED
            && let Some(oldest) = ledger.oldest(now)
        {
            ledger.strike(&oldest);
            gone.push(oldest);
            room.ended_another = true;
        }
        (gone, room)
    }

    /// Removes conversations and their values, together.
    async fn remove(&self, handles: &[String]) -> Result<(), ConversationError> {
        let removing =
            handles.iter().filter_map(|handle| Handle::parse(handle)).map(|handle| async move {
                self.store.remove(&self.key(Namespace::Conversations, &handle)).await?;
                self.store.remove(&self.key(Namespace::Sessions, &handle)).await
            });
        futures::future::try_join_all(removing).await?;
        Ok(())
    }

    /// Sees to it that a part of a conversation has so many bytes for a time, before they are
    /// written.
    ///
    /// # Errors
    /// The share, or the store.
    pub(super) async fn reserve(
        &self,
        handle: &Handle,
        part: Part,
        size: (usize, Duration),
    ) -> Result<Given, ConversationError> {
        self.reserve_within(self.limits.share, handle, part, size).await
    }

    /// Counts values that are there, whatever the share.
    ///
    /// # Errors
    /// The store.
    pub(super) async fn count(
        &self,
        handle: &Handle,
        size: (usize, Duration),
    ) -> Result<(), ConversationError> {
        self.reserve_within(u64::MAX, handle, Part::Values, size).await.map(drop)
    }

    async fn reserve_within(
        &self,
        share: u64,
        handle: &Handle,
        part: Part,
        (bytes, keep): (usize, Duration),
    ) -> Result<Given, ConversationError> {
        let keep = millis(keep);
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS {
            let (mut ledger, expected) = self.read().await?;
            let before = ledger.given(handle.as_str(), part);
            let given = Given::of(bytes, keep, now());
            if given.is_within(before) {
                return Ok(before);
            }
            let given = given.at_least(before, now()).longer(keep);
            ledger.give((handle.as_str(), part), given, share, now())?;
            if self.written(&ledger, expected).await? {
                return Ok(given);
            }
        }
        Err(ConversationError::Contended)
    }

    /// Takes back what the values of a conversation do not need any more.
    ///
    /// # Errors
    /// The store.
    pub(super) async fn take_back(
        &self,
        handle: &Handle,
        (bytes, keep): (usize, Duration),
    ) -> Result<(), ConversationError> {
        let keep = millis(keep);
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS {
            let (mut ledger, expected) = self.read().await?;
            let given = Given::of(bytes, keep, now()).longer(keep);
            ledger.give((handle.as_str(), Part::Values), given, self.limits.share, now())?;
            if self.written(&ledger, expected).await? {
                return Ok(());
            }
        }
        Err(ConversationError::Contended)
    }

    /// Strikes a conversation out that has ended.
    ///
    /// # Errors
    /// The store.
    pub(super) async fn forget(&self, handle: &Handle) -> Result<(), ConversationError> {
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS {
            let (mut ledger, expected) = self.read().await?;
            if !ledger.strike(handle.as_str()) || self.written(&ledger, expected).await? {
                return Ok(());
            }
        }
        Err(ConversationError::Contended)
    }

    async fn read(&self) -> Result<(Ledger, Expected), ConversationError> {
        Ok(match self.store.get(&self.ledger()).await? {
            Some(entry) => (Ledger::read(&entry.value), Expected::Version(entry.version)),
            None => (Ledger::default(), Expected::Absent),
        })
    }

    /// Whether it was written, and nobody came before.
    async fn written(
        &self,
        ledger: &Ledger,
        expected: Expected,
    ) -> Result<bool, ConversationError> {
        // Longer than every row.
        let keep = Keep::For(self.limits.time_to_live.saturating_mul(3));
        match self.store.set(&self.ledger(), expected, ledger.write(), keep).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn ledger(&self) -> Key {
        Key::new(Namespace::Limits, self.owner.ledger())
    }

    fn key(&self, namespace: Namespace, handle: &Handle) -> Key {
        Key::new(namespace, self.owner.name_of(handle))
    }
}
