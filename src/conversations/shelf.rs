//! What the store has of one principal's conversations: records and values, each changed by
//! compare-and-set.

use std::sync::Arc;

use bytes::Bytes;
use mcp_conductor_store::{Expected, Keep, Key, Namespace, Store, StoreError, Version};
use tokio::sync::{Mutex, MutexGuard};

use super::account::{Account, Room};
use super::error::ConversationError;
use super::handle::{Handle, Owner};
use super::ledger::{Given, Part};
use super::limits::{ATTEMPTS, Limits};
use super::record::{Record, millis, now};
use super::values::Values;

/// Changes at the same time, each of another conversation but for those that have the same turn:
/// more than one principal has runs in a server of some processors.
const TURNS: usize = 16;

/// Values as they are in the store.
struct Kept {
    values: Values,
    /// As they were written.
    bytes: usize,
    expected: Expected,
}

/// The entries of one principal's conversations.
#[derive(Debug)]
pub(super) struct Shelf {
    store: Arc<dyn Store>,
    principal: Option<Arc<str>>,
    owner: Owner,
    limits: Limits,
    account: Account,
    /// One change of a conversation at a time, so that a client's parallel calls do not contend.
    turns: [Mutex<()>; TURNS],
}

impl Shelf {
    pub(super) fn new(store: Arc<dyn Store>, principal: Option<Arc<str>>, limits: Limits) -> Self {
        let owner = Owner::of(principal.as_deref());
        let account = Account::new(store.clone(), owner.clone(), limits);
        Self { store, principal, owner, limits, account, turns: Default::default() }
    }

    async fn turn(&self, handle: &Handle) -> MutexGuard<'_, ()> {
        let sum: usize = handle.as_str().bytes().map(usize::from).sum();
        self.turns[sum % TURNS].lock().await
    }

    /// A new conversation. Where there are as many as there may be, the one that was used longest
    /// ago ends for it: a model that has forgotten its handles has no other way.
    ///
    /// # Errors
    /// There are to be none, the share, or the store.
    pub(super) async fn begin(&self) -> Result<(Handle, Record, Room), ConversationError> {
        if self.limits.count == 0 {
            return Err(ConversationError::Off);
        }
        let (handle, mut record) = (Handle::random()?, Record::new(self.principal.as_deref()));
        let (given, room) = self.account.enter(&handle, record.write().len()).await?;
        record.counted = given;
        let (key, keep) = (self.key(Namespace::Conversations, &handle), self.keep());
        self.store.set(&key, Expected::Absent, record.write(), keep).await?;
        Ok((handle, record, room))
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
            let written = self.counted(handle, &mut record).await?;
            let key = self.key(Namespace::Conversations, handle);
            match self.store.set(&key, Expected::Version(version), written, self.keep()).await {
                Ok(_) => return Ok(record),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ConversationError::Contended)
    }

    /// A record as it is written, of which the ledger knows.
    async fn counted(
        &self,
        handle: &Handle,
        record: &mut Record,
    ) -> Result<Bytes, ConversationError> {
        let (written, keep) = (record.write(), self.limits.time_to_live);
        if Given::of(written.len(), millis(keep), now()).is_within(record.counted) {
            return Ok(written);
        }
        record.counted = self.account.reserve(handle, Part::Record, (written.len(), keep)).await?;
        Ok(record.write())
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
        Ok(self.kept_values(handle).await?.values)
    }

    async fn kept_values(&self, handle: &Handle) -> Result<Kept, ConversationError> {
        let key = self.key(Namespace::Sessions, handle);
        Ok(match self.store.get(&key).await? {
            Some(entry) => Kept {
                values: Values::read(&entry.value)?,
                bytes: entry.value.len(),
                expected: Expected::Version(entry.version),
            },
            None => Kept { values: Values::default(), bytes: 0, expected: Expected::Absent },
        })
    }

    /// Changes the values of a conversation that is still there.
    pub(super) async fn change_values<T>(
        &self,
        handle: &Handle,
        change: impl Fn(&mut Values) -> Result<T, ConversationError>,
    ) -> Result<T, ConversationError> {
        let _turn = self.turn(handle).await;
        for _ in 0..ATTEMPTS {
            self.record(handle).await?;
            let mut kept = self.kept_values(handle).await?;
            let changed = change(&mut kept.values)?;
            match self.put_values(handle, &kept).await {
                Ok(()) => return Ok(changed),
                Err(ConversationError::Contended) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ConversationError::Contended)
    }

    async fn put_values(&self, handle: &Handle, kept: &Kept) -> Result<(), ConversationError> {
        if kept.values.is_empty() && kept.expected == Expected::Absent {
            return Ok(());
        }
        let keep = self.limits.time_to_live.saturating_mul(2);
        let (key, written) = (self.key(Namespace::Sessions, handle), kept.values.write()?);
        let bytes = written.len();
        self.account.reserve(handle, Part::Values, (bytes, keep)).await?;
        let version = self.store.set(&key, kept.expected, written, Keep::For(keep)).await?;
        if bytes < kept.bytes {
            self.account.take_back(handle, (bytes, keep)).await?;
            self.recount(&key, handle, version).await?;
        }
        self.only_of_one_that_is_there(handle).await
    }

    /// Another replica may have written more, within what was counted before it was taken back.
    async fn recount(
        &self,
        key: &Key,
        handle: &Handle,
        written: Version,
    ) -> Result<(), ConversationError> {
        let keep = self.limits.time_to_live.saturating_mul(2);
        match self.store.get(key).await? {
            Some(entry) if entry.version != written => {
                self.account.count(handle, (entry.value.len(), keep)).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Removes values that were written while their conversation ended.
    async fn only_of_one_that_is_there(&self, handle: &Handle) -> Result<(), ConversationError> {
        match self.record(handle).await {
            Err(ConversationError::Unknown) => {
                self.store.remove(&self.key(Namespace::Sessions, handle)).await?;
                self.account.forget(handle).await?;
                Err(ConversationError::Unknown)
            }
            // They are kept; that the store has failed since is the next call's.
            Ok(_) | Err(_) => Ok(()),
        }
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
        self.account.forget(&handle).await?;
        if was_there { Ok(()) } else { Err(ConversationError::Unknown) }
    }

    fn key(&self, namespace: Namespace, handle: &Handle) -> Key {
        Key::new(namespace, self.owner.name_of(handle))
    }

    fn keep(&self) -> Keep {
        Keep::For(self.limits.time_to_live)
    }
}
