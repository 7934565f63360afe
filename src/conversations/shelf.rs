//! What the store has of one principal's conversations: records and values, each changed by
//! compare-and-set.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcp_conductor_store::{Expected, Keep, Key, Namespace, Store, StoreError, Version};
use tokio::sync::{Mutex, MutexGuard};

use super::error::ConversationError;
use super::handle::{Handle, Owner};
use super::record::{Record, millis, now};
use super::values::Values;

/// How often a change is tried anew that other replicas came before. Each time one of them has
/// succeeded; the calls of this server wait for each other.
const ATTEMPTS: u32 = 8;

/// Changes at the same time, each of another conversation but for those that have the same turn:
/// more than one principal has runs in a server of some processors.
const TURNS: usize = 16;

/// The administrator's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Since the last use.
    pub time_to_live: Duration,
    /// Of one principal; 0 for none at all.
    pub count: usize,
}

/// The entries of one principal's conversations.
#[derive(Debug)]
pub(super) struct Shelf {
    store: Arc<dyn Store>,
    principal: Option<Arc<str>>,
    owner: Owner,
    limits: Limits,
    /// One is begun at a time: each counts those before it.
    beginning: Mutex<()>,
    /// One change of a conversation at a time, so that a client's parallel calls do not contend.
    turns: [Mutex<()>; TURNS],
}

impl Shelf {
    pub(super) fn new(store: Arc<dyn Store>, principal: Option<Arc<str>>, limits: Limits) -> Self {
        let owner = Owner::of(principal.as_deref());
        let (beginning, turns) = (Mutex::default(), Default::default());
        Self { store, principal, owner, limits, beginning, turns }
    }

    async fn turn(&self, handle: &Handle) -> MutexGuard<'_, ()> {
        let sum: usize = handle.as_str().bytes().map(usize::from).sum();
        self.turns[sum % TURNS].lock().await
    }

    /// A new conversation.
    ///
    /// # Errors
    /// The limit, or the store.
    pub(super) async fn begin(&self) -> Result<(Handle, Record), ConversationError> {
        let limit = self.limits.count;
        if limit == 0 {
            return Err(ConversationError::Off);
        }
        let _turn = self.beginning.lock().await;
        if self.count(limit).await? >= limit {
            return Err(ConversationError::TooMany(limit));
        }
        let handle = Handle::random()?;
        let record = Record::new(self.principal.as_deref());
        let (key, keep) = (self.key(Namespace::Conversations, &handle), self.keep());
        self.store.set(&key, Expected::Absent, record.write(), keep).await?;
        Ok((handle, record))
    }

    /// How many there are, counted up to a number.
    async fn count(&self, most: usize) -> Result<usize, StoreError> {
        let (prefix, mut after, mut count) = (self.owner.prefix(), None::<String>, 0);
        while count < most {
            let left = most - count;
            let after_this = after.as_deref();
            let namespace = Namespace::Conversations;
            let names = self.store.list(namespace, &prefix, after_this, left).await?;
            count += names.len();
            match names.into_iter().next_back() {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        Ok(count)
    }

    /// A conversation that a call goes on with.
    ///
    /// # Errors
    /// It is not there for this principal, or the store.
    pub(super) async fn open(&self, given: &str) -> Result<(Handle, Record), ConversationError> {
        let handle = Handle::parse(given).ok_or(ConversationError::Unknown)?;
        let record = self.update(&handle, |record| record.used = now()).await?;
        let record = self.with_fresh_values(&handle, record).await?;
        Ok((handle, record))
    }

    /// Values are kept for two times to live, and written anew after half of one: they
    /// outlast the record by one at least.
    async fn with_fresh_values(
        &self,
        handle: &Handle,
        record: Record,
    ) -> Result<Record, ConversationError> {
        let half = millis(self.limits.time_to_live / 2);
        if record.values_at == 0 || now() < record.values_at.saturating_add(half) {
            return Ok(record);
        }
        self.change_values(handle, |_| Ok(())).await?;
        self.update(handle, |record| record.values_at = now()).await
    }

    /// Changes a record, and keeps it for another time to live.
    pub(super) async fn update(
        &self,
        handle: &Handle,
        change: impl Fn(&mut Record),
    ) -> Result<Record, ConversationError> {
        let _turn = self.turn(handle).await;
        for _ in 0..ATTEMPTS {
            let (mut record, version) = self.record(handle).await?;
            change(&mut record);
            let key = self.key(Namespace::Conversations, handle);
            let expected = Expected::Version(version);
            match self.store.set(&key, expected, record.write(), self.keep()).await {
                Ok(_) => return Ok(record),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ConversationError::Contended)
    }

    /// # Errors
    /// There is none, none any more, or none of this principal's.
    pub(super) async fn record(
        &self,
        handle: &Handle,
    ) -> Result<(Record, Version), ConversationError> {
        let key = self.key(Namespace::Conversations, handle);
        let entry = self.store.get(&key).await?.ok_or(ConversationError::Unknown)?;
        let record = Record::read(&entry.value)?;
        match record.is_expired(self.limits.time_to_live, now()) {
            true => Err(ConversationError::Unknown),
            false => Ok((record, entry.version)),
        }
    }

    /// The values of a conversation that is still there.
    pub(super) async fn values(&self, handle: &Handle) -> Result<Values, ConversationError> {
        self.record(handle).await?;
        Ok(self.kept_values(handle).await?.0)
    }

    async fn kept_values(&self, handle: &Handle) -> Result<(Values, Expected), ConversationError> {
        let key = self.key(Namespace::Sessions, handle);
        Ok(match self.store.get(&key).await? {
            Some(entry) => (Values::read(&entry.value)?, Expected::Version(entry.version)),
            None => (Values::default(), Expected::Absent),
        })
    }

    /// Changes the values of a conversation that is still there.
    pub(super) async fn change_values<T>(
        &self,
        handle: &Handle,
        change: impl Fn(&mut Values) -> Result<T, ConversationError>,
    ) -> Result<T, ConversationError> {
        let keep = Keep::For(self.limits.time_to_live.saturating_mul(2));
        let _turn = self.turn(handle).await;
        for _ in 0..ATTEMPTS {
            self.record(handle).await?;
            let (mut values, expected) = self.kept_values(handle).await?;
            let changed = change(&mut values)?;
            match self.put_values(handle, &values, expected, keep).await {
                Ok(()) => return Ok(changed),
                Err(ConversationError::Contended) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ConversationError::Contended)
    }

    async fn put_values(
        &self,
        handle: &Handle,
        values: &Values,
        expected: Expected,
        keep: Keep,
    ) -> Result<(), ConversationError> {
        if values.is_empty() && expected == Expected::Absent {
            return Ok(());
        }
        let (key, bytes): (Key, Bytes) = (self.key(Namespace::Sessions, handle), values.write()?);
        self.store.set(&key, expected, bytes, keep).await?;
        Ok(())
    }

    /// Ends a conversation: nothing of it is kept.
    ///
    /// # Errors
    /// It is not there for this principal, or the store.
    pub(super) async fn end(&self, given: &str) -> Result<(), ConversationError> {
        let handle = Handle::parse(given).ok_or(ConversationError::Unknown)?;
        // First what makes the values reachable.
        let was_there = self.store.remove(&self.key(Namespace::Conversations, &handle)).await?;
        self.store.remove(&self.key(Namespace::Sessions, &handle)).await?;
        if was_there { Ok(()) } else { Err(ConversationError::Unknown) }
    }

    fn key(&self, namespace: Namespace, handle: &Handle) -> Key {
        Key::new(namespace, self.owner.name_of(handle))
    }

    fn keep(&self) -> Keep {
        Keep::For(self.limits.time_to_live)
    }
}
