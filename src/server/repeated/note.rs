//! The entry of a call that this process looks after.

use std::sync::Arc;
use std::time::Duration;

use mcp_conductor_store::{Key, StoreError};

use super::record::{Record, State};
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
    pub(super) fn remove(self) {
        // At the end of a process nobody is left who would do it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            for _ in 0..ATTEMPTS {
                match self.remove_own().await {
                    Ok(()) => return,
                    Err(error) => tracing::debug!("an entry is not removed: {error}"),
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Only if it is this process's: it may have expired, and be another's by now.
    async fn remove_own(&self) -> Result<(), StoreError> {
        let store = self.replica.store();
        let Some(entry) = store.get(&self.key).await? else { return Ok(()) };
        let is_own = Record::read(&entry.value).is_some_and(|record| {
            let is_here = record.incarnation == self.replica.incarnation();
            is_here && matches!(record.state, State::Running)
        });
        if is_own {
            store.remove(&self.key).await?;
        }
        Ok(())
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.replica.ends(&self.key.name);
    }
}
