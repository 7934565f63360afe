//! Calls that a client may repeat without having them made twice: those with an idempotency key
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! What is kept of a call is one entry of the store: before it begins, that it runs and where;
//! when it has ended, its answer. An entry is made only where there is none, so that of two
//! replicas one makes the call; it is changed only by who made it. The end of a replica leaves an
//! entry that says "runs" beside an owner that does not live: whether the call was made then is
//! not known, which is what a repetition is told.

mod asked;
mod error;
mod note;
mod pending;
mod record;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use mcp_conductor_store::{Entry, Expected, Keep, Key, Namespace, StoreError};
use rmcp::model::Extensions;
use tokio_util::sync::CancellationToken;

use super::replica::{Replica, owner_of};
pub(super) use asked::{Asked, asked, may_ask};
pub(super) use error::RepeatError;
use note::Note;
pub(super) use pending::Pending;
use record::{Answer, Record, State};

/// Bytes of the store for one principal's calls in the time that one is kept: a sixteenth of
/// what a store on this machine holds by default. Counted in steps of that time, so there can be
/// twice as many.
const MOST_BYTES: i64 = 16 << 20;

/// What a call counts for before it has an answer: its entry and room in the store's tables. That
/// bounds the calls of one principal at 16,384 in that time.
const CALL_BYTES: i64 = 1 << 10;

/// How often an entry is looked for that others make and that expires meanwhile.
const ATTEMPTS: usize = 3;

/// A call with a key, on its way to the handler.
#[derive(Clone)]
pub(super) enum Keyed {
    /// It is to be made, and its answer kept.
    New(Arc<Pending>),
    /// It was made.
    Made(Arc<Answer>),
}

impl Keyed {
    /// That of the request that a handler answers.
    pub(super) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get::<Parts>()?.extensions.get::<Self>().cloned()
    }
}

/// Who makes a call with a key.
pub(super) struct Who<'a> {
    pub principal: Option<&'a str>,
    /// How long the answer is kept.
    pub kept: Duration,
    /// The longest that a call can take: until then it must not be forgotten that it runs.
    pub longest: Duration,
    /// See [`Pending::stop`].
    pub stop: Option<CancellationToken>,
    /// While the call has it, its tenant is in use.
    pub in_use: Arc<()>,
}

/// Looks for a call with this key of a principal, or notes that it runs here.
///
/// # Errors
/// It must not be made, or the store cannot say whether it was.
pub(super) async fn begin(
    replica: &Arc<Replica>,
    Who { principal, kept, longest, stop, in_use }: Who<'_>,
    asked: Asked,
) -> Result<Keyed, RepeatError> {
    let owner = owner_of(principal);
    let key = Key::new(Namespace::Calls, format!("{owner}/{}", asked.key));
    replica.shows_life().await?;
    let record = Record::running(replica, &asked);
    let running = Keep::For(kept.max(longest));
    for _ in 0..ATTEMPTS {
        let noted = Note::new(replica, &key);
        let made = replica.store().set(&key, Expected::Absent, record.write(), running);
        match made.await {
            Ok(version) => {
                let room = Room { replica: replica.clone(), owner, kept };
                let pending =
                    Pending::new(noted, record, version, room).stopped_by(stop, in_use.clone());
                if !pending.room().takes(CALL_BYTES).await? {
                    return Err(RepeatError::TooMany { kept });
                }
                return Ok(Keyed::New(Arc::new(pending)));
            }
            Err(StoreError::Conflict) => drop(noted),
            Err(error) => {
                // It may be there all the same.
                noted.remove(record.write());
                return Err(error.into());
            }
        }
        if let Some(entry) = replica.store().get(&key).await? {
            return match known(replica, &key, &entry, &asked).await {
                Err(error @ RepeatError::Unknown { .. }) => {
                    unless_ended(replica, &key, &entry, &asked, error).await
                }
                other => other,
            };
        }
    }
    Err(RepeatError::Running)
}

/// What a repetition gets of an entry that is there.
async fn known(
    replica: &Replica,
    key: &Key,
    entry: &Entry,
    asked: &Asked,
) -> Result<Keyed, RepeatError> {
    let record = Record::read(&entry.value).ok_or(RepeatError::Unreadable)?;
    if record.fingerprint != asked.fingerprint {
        return Err(RepeatError::Other);
    }
    let is_here = record.incarnation == replica.incarnation();
    match record.state {
        State::Made(answer) => Ok(Keyed::Made(Arc::new(answer))),
        State::TooLarge { bytes } => Err(RepeatError::TooLarge { bytes }),
        State::Running if is_here && replica.runs(&key.name) => Err(RepeatError::Running),
        State::Running if !is_here && replica.lives(&record.incarnation).await? => {
            Err(RepeatError::Running)
        }
        State::Running => Err(RepeatError::Unknown { replica: record.replica }),
    }
}

/// A call may end between the reads of its entry and of who runs it: it is unknown only if the
/// entry is still the same.
async fn unless_ended(
    replica: &Replica,
    key: &Key,
    before: &Entry,
    asked: &Asked,
    unknown: RepeatError,
) -> Result<Keyed, RepeatError> {
    match replica.store().get(key).await? {
        Some(entry) if entry.version != before.version => known(replica, key, &entry, asked).await,
        Some(_) | None => Err(unknown),
    }
}

/// What of the store one principal's calls may have.
#[derive(Debug)]
struct Room {
    replica: Arc<Replica>,
    owner: String,
    kept: Duration,
}

impl Room {
    /// Whether there is room for so many bytes more, which are counted then.
    async fn takes(&self, bytes: i64) -> Result<bool, StoreError> {
        let key = Key::new(Namespace::Calls, format!("{}/bytes", self.owner));
        let (store, keep) = (self.replica.store(), Keep::For(self.kept));
        if store.add(&key, bytes, keep).await? <= MOST_BYTES {
            return Ok(true);
        }
        store.add(&key, -bytes, keep).await?;
        Ok(false)
    }
}
