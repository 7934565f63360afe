//! What was learned in the store: one entry for each principal, changed by compare-and-set.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mcp_conductor_search::{HALF_LIFE, Learned, LearnedError};
use mcp_conductor_store::{Expected, Keep, Key, MAX_LIST, Namespace, Store, StoreError};

use super::error::LearningError;
use super::recorded::{Recorded, on_thread};
use crate::conversations::Owner;

/// How often a change is tried anew that another replica came before: each writes at most once
/// in a pause, so that this many are first only where there are more replicas.
const ATTEMPTS: u32 = 8;

/// How long it is kept without use: ten half-lives, after which the most pairs that a tool has
/// count no more.
const KEEP: Keep = Keep::For(Duration::from_secs(10 * HALF_LIFE));

/// One principal's entry.
pub(crate) struct Kept {
    pub(super) store: Arc<dyn Store>,
    key: Key,
    /// Where the store is on this machine. It is made by whoever writes first.
    directory: Option<PathBuf>,
    /// That the entry is damaged was said.
    is_said: AtomicBool,
}

impl Kept {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        directory: Option<PathBuf>,
        principal: Option<&str>,
    ) -> Self {
        let key = Key::new(Namespace::Learned, Owner::of(principal).as_str());
        Self { store, key, directory, is_said: AtomicBool::new(false) }
    }

    /// What is kept, and what has to be there for it to be replaced.
    ///
    /// # Errors
    /// The store, or a newer version wrote it.
    pub(super) async fn read(&self) -> Result<(Learned, Expected), LearningError> {
        // Who only searches makes no file.
        if let Some(directory) = &self.directory
            && !tokio::fs::try_exists(directory).await.unwrap_or(true)
        {
            return Ok((Learned::new(), Expected::Absent));
        }
        let Some(entry) = self.store.get(&self.key).await? else {
            return Ok((Learned::new(), Expected::Absent));
        };
        let (value, expected) = (entry.value, Expected::Version(entry.version));
        match on_thread(move || Learned::from_bytes(&value)).await? {
            Ok(learned) => Ok((learned, expected)),
            Err(LearnedError::Form { .. }) => Err(LearningError::Newer),
            Err(error @ LearnedError::Damaged(_)) => {
                if !self.is_said.swap(true, Ordering::Relaxed) {
                    tracing::warn!("{error}. It is ignored, and replaced by what is learned next");
                }
                Ok((Learned::new(), expected))
            }
        }
    }

    /// Adds to what is kept.
    ///
    /// # Errors
    /// As of [`Self::read`]; other replicas were always first.
    pub(super) async fn change(&self, recorded: Recorded) -> Result<Learned, LearningError> {
        for _ in 0..ATTEMPTS {
            let (mut learned, expected) = self.read().await?;
            let added = recorded.clone();
            let changed = move || {
                added.add_to(&mut learned);
                let bytes = Bytes::from(learned.to_bytes());
                (learned, bytes)
            };
            let (learned, bytes) = on_thread(changed).await?;
            match self.store.set(&self.key, expected, bytes, KEEP).await {
                Ok(_) => return Ok(learned),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LearningError::Contended)
    }
}

/// Forgets what a principal's use has taught, or everybody's, and says how many entries there
/// were.
///
/// # Errors
/// The store.
pub(crate) async fn forget(store: &dyn Store, whose: Option<&Owner>) -> Result<usize, StoreError> {
    let remove = async |name: String| store.remove(&Key::new(Namespace::Learned, name)).await;
    if let Some(owner) = whose {
        return Ok(usize::from(remove(owner.as_str().to_owned()).await?));
    }
    let (mut count, mut after) = (0, None::<String>);
    loop {
        let names = store.list(Namespace::Learned, "", after.as_deref(), MAX_LIST).await?;
        let Some(last) = names.last().cloned() else { return Ok(count) };
        after = Some(last);
        for name in names {
            count += usize::from(remove(name).await?);
        }
    }
}
