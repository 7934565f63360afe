//! The entry of a call that this process looks after.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcp_conductor_store::{Key, StoreError};

use crate::server::replica::Replica;

/// How often an entry is removed that must not stay, and how long between: a store that did not
/// answer when it was made needs a moment.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// While it is there, repetitions at this replica hear that the call runs.
pub(super) struct Note {
    replica: Arc<Replica>,
    pub(super) key: Key,
}

impl Note {
    pub(super) fn new(replica: &Arc<Replica>, key: &Key) -> Self {
        replica.begins(&key.name);
        Self { replica: replica.clone(), key: key.clone() }
    }

    /// Removes the entry of a call that was not made, behind the request.
    pub(super) fn remove(self, written: Bytes) {
        // At the end of a process nobody is left who would do it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            for _ in 0..ATTEMPTS {
                match self.remove_own(&written).await {
                    Ok(()) => return,
                    Err(error) => tracing::debug!("an entry is not removed: {error}"),
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Only what this attempt wrote, whose number no other has: there may be the entry of a call
    /// that runs here, or of another replica's.
    async fn remove_own(&self, written: &Bytes) -> Result<(), StoreError> {
        let store = self.replica.store();
        match store.get(&self.key).await? {
            Some(entry) if entry.value == *written => store.remove(&self.key).await.map(drop),
            Some(_) | None => Ok(()),
        }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.replica.ends(&self.key.name);
    }
}
