//! Which replica has a session. Noted behind the requests: no request of a session that is here
//! waits for the store.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mcp_conductor_store::{Expected, Keep, Key, Namespace, StoreError};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{Replica, checked_name, hash, owner_of};

/// How long a note lasts that is not renewed. Whether its owner lives is said elsewhere: this is
/// how long notes are left of an owner that does not.
const KEPT: Duration = Duration::from_secs(600);

/// Age at which a note is written again.
const RENEWED: Duration = Duration::from_secs(300);

/// Notes that are written in one go, one after the other: of 5 s they take one at 2 ms each. In
/// 5 minutes that renews 15,000 sessions; where there are more, some are not found by others, and
/// their clients start anew.
const AT_ONCE: usize = 256;

/// Notes of ended sessions that wait to be removed. More are left to expire.
const MAX_ENDED: usize = 1024;

/// How long a request waits for the owner of its session: its answer is 404 in any case.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is noted, and when it was.
#[derive(Debug, Default)]
pub(super) struct Noted {
    open: HashMap<String, Option<Instant>>,
    ended: VecDeque<String>,
}

impl Noted {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.ended.is_empty()
    }

    pub(super) fn due(&self) -> Vec<String> {
        let is_due = |noted: &Option<Instant>| noted.is_none_or(|noted| noted.elapsed() > RENEWED);
        let due = self.open.iter().filter(|(_, noted)| is_due(noted));
        due.map(|(name, _)| name.clone()).take(AT_ONCE).collect()
    }
}

/// Who has a session.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    replica: String,
    incarnation: String,
}

/// Notes the sessions of one principal.
#[derive(Debug, Clone)]
pub(in crate::server) struct SessionNotes {
    replica: Arc<Replica>,
    owner: String,
}

impl SessionNotes {
    /// None where no other server shares the store.
    pub(in crate::server) fn of(replica: &Arc<Replica>, principal: Option<&str>) -> Option<Self> {
        let owner = || owner_of(principal);
        replica.is_shared.then(|| Self { replica: replica.clone(), owner: owner() })
    }

    fn name_of(&self, session: &str) -> String {
        format!("session/{}/{}", self.owner, hash(session.as_bytes()))
    }

    /// There is a session.
    pub(in crate::server) fn begins(&self, session: &str) {
        self.replica.state.lock().sessions.open.insert(self.name_of(session), None);
        self.replica.beat();
        self.replica.wake.notify_one();
    }

    /// There is none any more.
    pub(in crate::server) fn ends(&self, session: &str) {
        let name = self.name_of(session);
        let mut state = self.replica.state.lock();
        if state.sessions.open.remove(&name).is_some() && state.sessions.ended.len() < MAX_ENDED {
            state.sessions.ended.push_back(name);
            drop(state);
            self.replica.wake.notify_one();
        }
    }

    /// The name of the replica that has a session of this principal, if it lives.
    pub(in crate::server) async fn owner_of(&self, session: &str) -> Option<String> {
        let key = Key::new(Namespace::Owners, self.name_of(session));
        let found = async {
            let entry = self.replica.store.get(&key).await.ok()??;
            let note: Note = serde_json::from_slice(&entry.value).ok()?;
            if note.incarnation == self.replica.incarnation {
                return None;
            }
            let lives = self.replica.lives(&note.incarnation).await.unwrap_or(false);
            lives.then_some(note.replica).filter(|name| checked_name(name).is_some())
        };
        timeout(PATIENCE, found).await.ok()?
    }
}

impl Replica {
    /// Writes what is due. What fails is due again.
    pub(super) async fn renew_sessions(&self) -> Result<(), StoreError> {
        for _ in 0..AT_ONCE {
            let Some(name) = self.next_ended() else { break };
            self.renew_life().await;
            self.store.remove(&Key::new(Namespace::Owners, name)).await?;
        }
        let due = self.state.lock().sessions.due();
        for name in due {
            self.renew_life().await;
            let (replica, incarnation) = (self.name.clone(), self.incarnation.clone());
            let note = serde_json::to_vec(&Note { replica, incarnation });
            let note = Bytes::from(note.expect("two strings are JSON"));
            let key = Key::new(Namespace::Owners, name.clone());
            self.store.set(&key, Expected::Any, note, Keep::For(KEPT)).await?;
            if let Some(noted) = self.state.lock().sessions.open.get_mut(&name) {
                *noted = Some(Instant::now());
            }
        }
        Ok(())
    }

    fn next_ended(&self) -> Option<String> {
        self.state.lock().sessions.ended.pop_front()
    }
}
