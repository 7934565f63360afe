//! This server among those that share a store: its name, and the sign that it lives.
//!
//! Each process has an entry of its own, which expires unless it is renewed: what it has noted as
//! its own (a session, a call that runs) is as alive as that entry. Nothing is noted, and nothing
//! is asked, before there is something to own.

mod name;
mod sessions;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mcp_conductor_store::{Expected, Keep, Key, Namespace, Store, StoreError};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::runtime::Runtime;
pub(super) use name::checked as checked_name;
use sessions::Noted;
pub(super) use sessions::SessionNotes;

/// How often the sign of life is renewed.
const BEAT: Duration = Duration::from_secs(5);

/// How long it is believed: two renewals may fail, and each call of the store take its 2 s.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// Bytes of a hash in the name of an entry: as many as cannot be met by chance.
const HASH_BYTES: usize = 16;

/// This server, as others that share its store know it.
#[derive(Debug)]
pub(super) struct Replica {
    name: String,
    /// Of this process: one that is started again has the same name.
    incarnation: String,
    store: Arc<dyn Store>,
    is_shared: bool,
    state: Mutex<State>,
    /// There is something to do for the task.
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// When the sign of life was last written.
    noted: Option<Instant>,
    /// Whether the task runs that renews it.
    is_beating: bool,
    /// Calls that run here, by the names of their entries: how often each is looked after.
    calls: HashMap<String, usize>,
    sessions: Noted,
}

impl Replica {
    /// The replica that a runtime's process is.
    pub(super) fn of(runtime: &Runtime) -> Arc<Self> {
        let config = runtime.config();
        Self::new(config.replica(), runtime.store().clone(), config.store_is_shared())
    }

    fn new(name: String, store: Arc<dyn Store>, is_shared: bool) -> Arc<Self> {
        let incarnation = random();
        let (state, wake) = (Mutex::default(), Notify::new());
        Arc::new(Self { name, incarnation, store, is_shared, state, wake })
    }

    #[cfg(test)]
    pub(super) fn for_tests(name: &str, store: &Arc<dyn Store>) -> Arc<Self> {
        Self::new(name.to_owned(), store.clone(), true)
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn incarnation(&self) -> &str {
        &self.incarnation
    }

    /// Whether a process lives that has noted something.
    ///
    /// # Errors
    /// The store.
    pub(super) async fn lives(&self, incarnation: &str) -> Result<bool, StoreError> {
        Ok(self.store.get(&sign_of(incarnation)).await?.is_some())
    }

    /// Sees to it that others find this process alive, from now on for as long as it has
    /// something.
    ///
    /// # Errors
    /// The store.
    pub(super) async fn shows_life(self: &Arc<Self>) -> Result<(), StoreError> {
        let is_fresh = |noted: Option<Instant>| noted.is_some_and(|noted| noted.elapsed() < BEAT);
        if !is_fresh(self.state.lock().noted) {
            self.note_life().await?;
        }
        self.beat();
        Ok(())
    }

    async fn note_life(&self) -> Result<(), StoreError> {
        let noted = Instant::now();
        let (key, name) = (sign_of(&self.incarnation), Bytes::from(self.name.clone()));
        self.store.set(&key, Expected::Any, name, Keep::For(LEASE)).await?;
        self.state.lock().noted = Some(noted);
        Ok(())
    }

    /// A call runs here from now on.
    pub(super) fn begins(&self, call: &str) {
        *self.state.lock().calls.entry(call.to_owned()).or_default() += 1;
    }

    /// A call has ended, and so has what is written of it.
    pub(super) fn ends(&self, call: &str) {
        let mut state = self.state.lock();
        let Some(count) = state.calls.get_mut(call) else { return };
        *count -= 1;
        if *count == 0 {
            state.calls.remove(call);
        }
    }

    pub(super) fn runs(&self, call: &str) -> bool {
        self.state.lock().calls.contains_key(call)
    }

    /// How often the entry of a call is looked after here.
    #[cfg(test)]
    pub(super) fn notes(&self, call: &str) -> usize {
        self.state.lock().calls.get(call).copied().unwrap_or(0)
    }

    /// Calls whose end has not been written yet.
    pub(super) fn calls(&self) -> usize {
        self.state.lock().calls.len()
    }

    /// Starts the task that renews what is noted, unless it runs.
    fn beat(self: &Arc<Self>) {
        if !std::mem::replace(&mut self.state.lock().is_beating, true) {
            tokio::spawn(self.clone().keep());
        }
    }

    /// Renews for as long as there is something to renew.
    async fn keep(self: Arc<Self>) {
        loop {
            let _ = tokio::time::timeout(BEAT, self.wake.notified()).await;
            if self.has_nothing() {
                return;
            }
            self.renew_life().await;
            if let Err(error) = self.renew_sessions().await {
                tracing::debug!("owners of sessions were not noted: {error}");
            }
        }
    }

    /// Also between the notes of sessions, of which clients make as many as they like.
    async fn renew_life(&self) {
        if self.is_due()
            && let Err(error) = self.note_life().await
        {
            tracing::debug!("the sign of life was not renewed: {error}");
        }
    }

    fn is_due(&self) -> bool {
        self.state.lock().noted.is_none_or(|noted| noted.elapsed() + BEAT / 2 >= BEAT)
    }

    /// Whether nothing is left to renew; then the task has ended.
    fn has_nothing(&self) -> bool {
        let mut state = self.state.lock();
        let has_nothing = state.calls.is_empty() && state.sessions.is_empty();
        if has_nothing {
            state.is_beating = false;
        }
        has_nothing
    }

    /// Takes the sign of life away: what this process had has ended with it.
    pub(super) async fn ends_here(&self) {
        if self.state.lock().noted.take().is_some() {
            let _ = self.store.remove(&sign_of(&self.incarnation)).await;
        }
    }
}

fn sign_of(incarnation: &str) -> Key {
    Key::new(Namespace::Owners, format!("alive/{incarnation}"))
}

/// What an entry of a principal's is named by: names have any characters and lengths.
pub(super) fn owner_of(principal: Option<&str>) -> String {
    principal.map_or_else(|| "anonymous".to_owned(), |name| hash(name.as_bytes()))
}

/// A hash as part of a name.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..HASH_BYTES])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A number that no other process has. Where the kernel gives no random bytes, nothing of this
/// server works.
pub(super) fn random() -> String {
    let mut bytes = [0; HASH_BYTES];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    hex(&bytes)
}
