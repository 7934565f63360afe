//! A store that is opened by its first call: who does not use it has no file and no connection.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::{
    CALL_TIMEOUT, Claim, Entry, Expected, Held, Keep, Key, Limits, Namespace, RedisSettings,
    Refill, Store, StoreError, StoreStatus, Taken, Version, embedded, memory, redis,
};

/// After a failure to open, how long calls fail at once: a directory that cannot be made is not
/// tried by every request.
const PAUSE: Duration = Duration::from_secs(1);

/// What a store is made of.
#[derive(Debug, Clone)]
pub enum Settings {
    /// In a file below this directory.
    Directory(PathBuf, Limits),
    /// In memory.
    Memory(Limits),
    /// By a Redis or Valkey server.
    Redis(RedisSettings),
}

impl Settings {
    /// How entries are kept.
    pub fn kind(&self) -> crate::Kind {
        match self {
            Self::Directory(..) => crate::Kind::Embedded,
            Self::Memory(_) => crate::Kind::Memory,
            Self::Redis(_) => crate::Kind::Redis,
        }
    }

    async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            Self::Directory(directory, limits) => embedded(directory, *limits).await,
            Self::Memory(limits) => Ok(memory(*limits)),
            Self::Redis(settings) => redis(settings.clone()).await,
        }
    }
}

/// A store that is opened by its first call, and opened again after its file failed.
pub fn lazy(settings: Settings) -> Arc<dyn Store> {
    Arc::new(Lazy { settings, state: Arc::default() })
}

#[derive(Debug)]
struct Lazy {
    settings: Settings,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Closed,
    Open(Arc<dyn Store>),
    Failed(Instant, StoreError),
}

impl Lazy {
    /// The open store. It is opened by one task, whoever goes away meanwhile: opening waits for
    /// other processes, on a thread.
    async fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        let mut state = Arc::clone(&self.state).lock_owned().await;
        match &*state {
            State::Open(store) => return Ok(Arc::clone(store)),
            State::Failed(since, error) if since.elapsed() < PAUSE => return Err(error.clone()),
            State::Failed(..) | State::Closed => {}
        }
        let settings = self.settings.clone();
        let opening = tokio::spawn(async move {
            let opened = settings.open().await;
            *state = match &opened {
                Ok(store) => State::Open(Arc::clone(store)),
                Err(error) => State::Failed(Instant::now(), error.clone()),
            };
            opened
        });
        let lost =
            |_| StoreError::Unavailable { reason: "it was not opened to the end".to_owned() };
        opening.await.map_err(lost)?
    }

    /// Makes a call, within the time of one.
    async fn call<T, Made>(
        &self,
        make: impl FnOnce(Arc<dyn Store>) -> Made,
    ) -> Result<T, StoreError>
    where
        Made: Future<Output = Result<T, StoreError>>,
    {
        let call = async {
            let store = self.store().await?;
            let made = make(Arc::clone(&store)).await;
            if let Err(error) = &made
                && error.is_unavailable()
            {
                self.failed(&store, error).await;
            }
            made
        };
        timeout(CALL_TIMEOUT, call).await.unwrap_or(Err(StoreError::Timeout))
    }

    /// Closes a file that failed, so that the next call opens it again. A connection is made
    /// again by its own.
    async fn failed(&self, store: &Arc<dyn Store>, error: &StoreError) {
        match self.settings {
            Settings::Directory(..) => {}
            Settings::Memory(_) | Settings::Redis(_) => return,
        }
        let mut state = self.state.lock().await;
        if matches!(&*state, State::Open(open) if Arc::ptr_eq(open, store)) {
            *state = State::Failed(Instant::now(), error.clone());
        }
    }
}

#[async_trait]
impl Store for Lazy {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.call(|store| async move { store.get(key).await }).await
    }

    async fn set(
        &self,
        key: &Key,
        expected: Expected,
        value: Bytes,
        keep: Keep,
    ) -> Result<Version, StoreError> {
        self.call(|store| async move { store.set(key, expected, value, keep).await }).await
    }

    async fn remove(&self, key: &Key) -> Result<bool, StoreError> {
        self.call(|store| async move { store.remove(key).await }).await
    }

    async fn add(&self, key: &Key, delta: i64, keep: Keep) -> Result<i64, StoreError> {
        self.call(|store| async move { store.add(key, delta, keep).await }).await
    }

    async fn take(&self, key: &Key, wanted: i32, refill: Refill) -> Result<Taken, StoreError> {
        self.call(|store| async move { store.take(key, wanted, refill).await }).await
    }

    async fn hold(&self, key: &Key, claim: Claim<'_>) -> Result<Held, StoreError> {
        self.call(|store| async move { store.hold(key, claim).await }).await
    }

    async fn list(
        &self,
        namespace: Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.call(|store| async move { store.list(namespace, prefix, after, limit).await }).await
    }

    async fn check(&self) -> Result<StoreStatus, StoreError> {
        self.call(|store| async move { store.check().await }).await
    }
}
