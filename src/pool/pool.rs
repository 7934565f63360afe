//! The pool: one zygote at a time, and workers that wait for a program.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::worker::Worker;
use super::zygote::Zygote;
use crate::protocol::ZygoteSetup;
use crate::sandbox::SandboxStatus;

/// How a pool starts its zygotes and how many workers it keeps ready.
#[derive(Debug, Clone)]
pub(crate) struct PoolConfig {
    pub executable: PathBuf,
    pub setup: ZygoteSetup,
    /// Workers kept ready. 0 forks each on demand.
    pub standby: usize,
    /// Largest frame accepted from a worker, in bytes.
    pub max_frame: usize,
}

/// Why there is no worker.
#[derive(Debug, Clone, Error)]
pub(crate) enum PoolError {
    /// The sandbox cannot be had on this machine.
    #[error("The sandbox is incomplete: {0}")]
    Sandbox(String),
    /// The zygote does not start.
    #[error("The zygote does not start: {0}")]
    Zygote(String),
    /// A worker could not be made, several times in a row.
    #[error("No worker can be started: {0}")]
    Worker(String),
}

/// A new zygote after this many forks, so that address layout and hash seed are
/// not shared for ever: at 500 runs a second about every 20 seconds.
const RENEW_AFTER_FORKS: u64 = 10_000;

/// A new zygote after this time, for servers that do little.
const RENEW_AFTER: Duration = Duration::from_secs(15 * 60);

/// Pause before a zygote that died is started again; doubled up to the maximum
/// while new ones die too.
const MIN_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// A zygote that lived this long did not die of its start.
const HEALTHY_AGE: Duration = Duration::from_secs(10);

/// Attempts to get a worker for one call: the first may meet a zygote that just
/// died, the second one that is being replaced.
const ACQUIRE_ATTEMPTS: usize = 3;

/// Hands out sealed workers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    config: PoolConfig,
    ready: Mutex<VecDeque<Worker>>,
    zygote: Mutex<Arc<Zygote>>,
    /// Locked while a zygote that died is started again.
    restart: tokio::sync::Mutex<Restart>,
    status: SandboxStatus,
    wanted: Notify,
}

struct Restart {
    backoff: Duration,
    retry_at: Instant,
}

impl Pool {
    /// Starts the zygote and one worker, which shows that all of it works.
    pub(crate) async fn start(config: PoolConfig) -> Result<Self, PoolError> {
        let zygote = Zygote::start(&config.executable, &config.setup)
            .await
            .map(Arc::new)
            .map_err(PoolError::Zygote)?;
        let status = zygote.hello.status.clone();
        if let Some(layer) = status.missing_required().next() {
            return Err(PoolError::Sandbox(format!("{} ({})", layer.name, layer.detail)));
        }
        let first =
            zygote.fork(config.max_frame, config.standby > 0).await.map_err(PoolError::Sandbox)?;
        let restart = Restart { backoff: MIN_BACKOFF, retry_at: Instant::now() };
        let mut status = status;
        status.record_worker_layers();
        let pool = Self(Arc::new(Inner {
            ready: Mutex::new(VecDeque::new()),
            zygote: Mutex::new(zygote),
            restart: tokio::sync::Mutex::new(restart),
            status,
            wanted: Notify::new(),
            config,
        }));
        pool.0.ready().push_back(first);
        tokio::spawn(refill(Arc::downgrade(&pool.0)));
        pool.0.wanted.notify_one();
        Ok(pool)
    }

    /// What is enforced for every worker.
    pub(crate) fn status(&self) -> &SandboxStatus {
        &self.0.status
    }

    /// A sealed worker: one that stands by, or a new one.
    pub(crate) async fn acquire(&self) -> Result<Worker, PoolError> {
        let ready = self.0.take_ready();
        self.0.wanted.notify_one();
        match ready {
            Some(worker) => Ok(worker),
            None => self.0.fork(false).await,
        }
    }

    /// Whether there is a zygote that can fork, or a worker of one.
    pub(crate) fn has_zygote(&self) -> bool {
        !self.0.current().is_dead() || self.standing_by() > 0
    }

    /// Workers that stand by.
    pub(crate) fn standing_by(&self) -> usize {
        self.0.ready().len()
    }
}

impl Inner {
    fn ready(&self) -> std::sync::MutexGuard<'_, VecDeque<Worker>> {
        // A panic between two queue operations leaves a queue that is still right.
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_ready(&self) -> Option<Worker> {
        loop {
            let worker = self.ready().pop_front()?;
            if worker.is_alive() {
                return Some(worker);
            }
        }
    }

    async fn fork(&self, standby: bool) -> Result<Worker, PoolError> {
        let mut failure = String::new();
        for _ in 0..ACQUIRE_ATTEMPTS {
            let zygote = self.zygote().await?;
            match zygote.fork(self.config.max_frame, standby).await {
                Ok(worker) => return Ok(worker),
                Err(error) => failure = error,
            }
        }
        Err(PoolError::Worker(failure))
    }

    /// The zygote, started anew if it died.
    async fn zygote(&self) -> Result<Arc<Zygote>, PoolError> {
        let living = || Some(self.current()).filter(|zygote| !zygote.is_dead());
        if let Some(zygote) = living() {
            return Ok(zygote);
        }
        let mut restart = self.restart.lock().await;
        // Another caller may have started it while this one waited.
        if let Some(zygote) = living() {
            return Ok(zygote);
        }
        tracing::warn!("the zygote died and is started again");
        if self.current().age() > HEALTHY_AGE {
            restart.backoff = MIN_BACKOFF;
        }
        sleep_until(restart.retry_at).await;
        restart.backoff = (restart.backoff * 2).min(MAX_BACKOFF);
        restart.retry_at = Instant::now() + restart.backoff;
        let zygote = Zygote::start(&self.config.executable, &self.config.setup)
            .await
            .map(Arc::new)
            .map_err(PoolError::Zygote)?;
        self.replace(zygote.clone());
        Ok(zygote)
    }

    fn current(&self) -> Arc<Zygote> {
        self.zygote.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, zygote: Arc<Zygote>) {
        *self.zygote.lock().unwrap_or_else(PoisonError::into_inner) = zygote;
    }

    /// Replaces a zygote that has served long enough. Its workers finish.
    async fn renew(&self) -> Result<(), String> {
        let old = self.current();
        if old.is_dead() {
            // Also while nobody asks for a worker: without it the server is not ready.
            return self.zygote().await.map(drop).map_err(|error| error.to_string());
        }
        if old.forks() < RENEW_AFTER_FORKS && old.age() < RENEW_AFTER {
            return Ok(());
        }
        tracing::debug!(forks = old.forks(), "the zygote is renewed");
        let zygote = Arc::new(Zygote::start(&self.config.executable, &self.config.setup).await?);
        self.replace(zygote);
        self.ready().clear();
        Ok(())
    }
}

/// Keeps workers ready until the pool is gone.
async fn refill(pool: Weak<Inner>) {
    loop {
        let Some(pool) = pool.upgrade() else { return };
        // The run that took a worker goes first.
        sleep(REFILL_DELAY).await;
        if let Err(error) = pool.renew().await {
            tracing::warn!("the zygote could not be renewed: {error}");
        }
        // Workers go with their zygote, also while nobody asks for one.
        pool.ready().retain(Worker::is_alive);
        while pool.ready().len() < pool.config.standby {
            match pool.fork(true).await {
                Ok(worker) => pool.ready().push_back(worker),
                Err(error) => {
                    tracing::warn!("{error}");
                    sleep(MAX_BACKOFF).await;
                }
            }
        }
        // Not to keep the pool alive while there is nothing to do.
        let weak = Arc::downgrade(&pool);
        let wanted = tokio::time::timeout(IDLE_TURN, pool.wanted.notified());
        let _ = wanted.await;
        drop(pool);
        if weak.strong_count() == 0 {
            return;
        }
    }
}

/// From the use of a standby worker to the making of the next. A trivial run
/// takes about as long.
const REFILL_DELAY: Duration = Duration::from_millis(2);

/// How often an idle pool looks at the age of its zygote.
const IDLE_TURN: Duration = Duration::from_millis(500);
