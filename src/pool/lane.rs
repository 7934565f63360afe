//! One lane: the zygote of one kind of engine, one at a time, and its workers that wait
//! for a program.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::PoolError;
use super::worker::Worker;
use super::zygote::{End, Zygote};
use crate::packages::python::PythonFiles;
use crate::protocol::{Generation, Kind, ZygoteSetup};
use crate::sandbox::SandboxStatus;

/// How a lane starts its zygotes and how many workers it keeps ready.
#[derive(Debug, Clone)]
pub(crate) struct LaneConfig {
    pub executable: PathBuf,
    /// Its `kind` is the lane's. Its `packages` are those of the first zygote.
    pub setup: ZygoteSetup,
    pub load: Load,
    /// Whether a pool without it does not start.
    pub is_required: bool,
    /// Workers kept ready. 0 forks each on demand.
    pub standby: usize,
    /// Largest frame accepted from a worker, in bytes.
    pub max_frame: usize,
}

/// When a lane's engine is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// When the pool starts.
    AtStart,
    /// When its first worker is asked for.
    WhenNeeded,
}

/// Whether there are workers of a kind.
#[derive(Debug, Clone)]
pub(crate) enum Availability {
    /// Nobody has needed one yet.
    NotLoaded,
    Available,
    /// The engine could not be loaded, and why. It is tried again when a worker is asked
    /// for.
    NotAvailable(PoolError),
}

/// A new zygote after this many forks, so that address layout and hash seed are
/// not shared for ever: at 500 runs a second about every 20 seconds.
const RENEW_AFTER_FORKS: u64 = 10_000;

/// A new zygote after this time, for servers that do little.
const RENEW_AFTER: Duration = Duration::from_secs(15 * 60);

/// Pause before a renewal that failed is tried again.
const RENEW_RETRY: Duration = Duration::from_millis(500);

/// Pause before a zygote that died is started again; doubled up to the maximum
/// while new ones die too.
const MIN_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// A zygote that lived this long did not die of its start.
const HEALTHY_AGE: Duration = Duration::from_secs(10);

/// Attempts to get a worker for one call: the first may meet a zygote that just
/// died, the second one that is being replaced.
const ACQUIRE_ATTEMPTS: usize = 3;

/// Why there is no worker where [`ACQUIRE_ATTEMPTS`] installations ended during one call.
const CHANGED: &str = "the installed packages change all the time";

/// From the use of a standby worker to the making of the next. A trivial run
/// takes about as long.
const REFILL_DELAY: Duration = Duration::from_millis(2);

/// From the end of a standby worker to the making of the next, if nobody takes one before:
/// what ended it, for want of memory, would end the next as well.
const LOST_DELAY: Duration = Duration::from_millis(250);

/// Hands out sealed workers of one kind. Dropping it ends its zygote; workers that run a
/// program keep theirs until they end.
pub(super) struct Lane {
    state: Arc<State>,
    _dropped: DropGuard,
}

struct State {
    config: LaneConfig,
    /// The generation of packages that new workers are to have.
    packages: Mutex<Option<Generation>>,
    ready: Mutex<VecDeque<Worker>>,
    /// `None` until the engine is loaded.
    zygote: Mutex<Option<Arc<Zygote>>>,
    /// Locked while an engine is loaded, or a zygote that died is started again.
    restart: tokio::sync::Mutex<Restart>,
    /// What is enforced for every worker, as the first zygote and worker have shown.
    status: OnceLock<SandboxStatus>,
    /// An attempt to start a zygote has ended, well or not.
    tried: Notify,
    /// Why the engine is not loaded or has no zygote any more, of the last attempt.
    failure: Mutex<Option<PoolError>>,
    /// A worker was taken, or the zygote has ended.
    wanted: Notify,
    /// A worker that stood by has ended.
    lost: Notify,
    dropped: CancellationToken,
}

struct Restart {
    backoff: Duration,
    retry_at: Instant,
}

impl Restart {
    /// The pause before the next attempt, which is doubled for the one after it.
    fn back_off(&mut self) {
        self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
        self.retry_at = Instant::now() + self.backoff;
    }
}

impl Lane {
    /// A lane whose engine is not loaded.
    pub(super) fn new(config: LaneConfig) -> Self {
        let dropped = CancellationToken::new();
        let guard = dropped.clone().drop_guard();
        let state = State {
            packages: Mutex::new(config.setup.packages.clone()),
            config,
            ready: Mutex::default(),
            zygote: Mutex::default(),
            restart: tokio::sync::Mutex::new(Restart {
                backoff: MIN_BACKOFF,
                retry_at: Instant::now(),
            }),
            status: OnceLock::new(),
            tried: Notify::new(),
            failure: Mutex::default(),
            wanted: Notify::new(),
            lost: Notify::new(),
            dropped,
        };
        Self { state: Arc::new(state), _dropped: guard }
    }

    pub(super) fn config(&self) -> &LaneConfig {
        &self.state.config
    }

    pub(super) fn kind(&self) -> Kind {
        self.config().setup.kind
    }

    /// Loads the engine, if it is not loaded: starts the zygote and one worker, which
    /// shows that all of it works. Whoever gives up waiting for it does not end it.
    pub(super) async fn load(&self) -> Result<(), PoolError> {
        if self.state.is_loaded() {
            return Ok(());
        }
        let ended = || PoolError::Zygote("the server ends".to_owned());
        self.load_meanwhile().await.ok().flatten().unwrap_or_else(|| Err(ended()))
    }

    /// Loads the engine in a task of its own, which ends with the lane.
    pub(super) fn load_meanwhile(&self) -> JoinHandle<Option<Result<(), PoolError>>> {
        let state = self.state.clone();
        tokio::spawn(async move {
            let dropped = state.dropped.clone();
            let loaded = dropped.run_until_cancelled(state.load()).await;
            // The start fails with the reason of one that is required.
            if let Some(Err(error)) = &loaded
                && !state.config.is_required
            {
                tracing::warn!("{} is not available: {error}", state.config.setup.kind.name());
            }
            loaded
        })
    }

    /// Sets the generation of packages that workers have from now on: those that stand by
    /// with another end, and the next one comes from another zygote.
    pub(super) fn set_packages(&self, packages: Option<Generation>) {
        let state = &self.state;
        let has_some = packages.is_some();
        {
            let mut current = state.packages.lock();
            if *current == packages {
                return;
            }
            *current = packages;
        }
        state.ready().clear();
        state.wanted.notify_one();
        // What was installed while the server runs is compiled before it is asked for,
        // also where there was nothing to load at the start.
        let is_wanted = match self.kind() {
            Kind::TypeScript | Kind::Packages => has_some,
            // It is loaded for its own sake, or not yet.
            Kind::Python | Kind::Checker => false,
        };
        if is_wanted && state.config.standby > 0 {
            drop(self.load_meanwhile());
        }
    }

    /// What the engine does without, as its zygote has said.
    pub(super) fn notes(&self) -> Vec<String> {
        self.state.current().map(|zygote| zygote.hello.notes.clone()).unwrap_or_default()
    }

    /// What is enforced for every worker, once the engine is loaded.
    pub(super) fn status(&self) -> Option<&SandboxStatus> {
        self.state.status.get()
    }

    pub(super) fn availability(&self) -> Availability {
        if self.has_usable_zygote() {
            return Availability::Available;
        }
        let is_loaded = self.state.is_loaded();
        // Of a zygote that has died and is being started again nothing bad is known yet.
        let otherwise = if is_loaded { Availability::Available } else { Availability::NotLoaded };
        let failure = self.state.failure.lock().clone();
        failure.map_or(otherwise, Availability::NotAvailable)
    }

    /// Waits until there is a zygote that can fork. The keeper starts it: whoever gives up
    /// waiting does not end that.
    pub(super) async fn ready(&self) -> Result<(), PoolError> {
        self.load().await?;
        let dropped = &self.state.dropped;
        let ended = || PoolError::Zygote("the server ends".to_owned());
        dropped.run_until_cancelled(self.state.has_usable()).await.unwrap_or_else(|| Err(ended()))
    }

    /// A sealed worker: one that stands by, or a new one.
    pub(super) async fn acquire(&self) -> Result<Worker, PoolError> {
        self.load().await?;
        let ready = self.state.take_ready();
        self.state.wanted.notify_one();
        if let Some(worker) = ready {
            return Ok(worker);
        }
        match self.kind() {
            // Nobody waits for a check who could run the program unchecked.
            Kind::TypeScript | Kind::Packages | Kind::Checker => {}
            // To start its zygote takes seconds, which are lost with a caller who gives up.
            Kind::Python => self.ready().await?,
        }
        self.state.fork(false).await
    }

    /// Whether there is a zygote that can fork what is wanted now.
    pub(super) fn has_usable_zygote(&self) -> bool {
        self.state.is_loaded() && self.state.usable_zygote().is_some()
    }

    /// Whether there is a zygote that can fork, or a worker of one.
    pub(super) fn has_zygote(&self) -> bool {
        self.state.living_zygote().is_some() || self.standing_by() > 0
    }

    /// Standby workers.
    pub(super) fn standing_by(&self) -> usize {
        self.state.ready().len()
    }
}

impl State {
    /// As of [`Lane::load`].
    async fn load(self: &Arc<Self>) -> Result<(), PoolError> {
        if self.is_loaded() {
            return Ok(());
        }
        let mut restart = self.restart.lock().await;
        // Another caller may have loaded it, or failed to, while this one waited.
        if self.is_loaded() {
            return Ok(());
        }
        let failure = self.failure.lock().clone();
        if let Some(failure) = failure.filter(|_| Instant::now() < restart.retry_at) {
            return Err(failure);
        }
        match self.first_zygote().await {
            Ok(status) => {
                *self.failure.lock() = None;
                let _ = self.status.set(status);
                self.clone().spawn_keeper();
                Ok(())
            }
            Err(error) => {
                restart.back_off();
                *self.failure.lock() = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Keeps workers ready until the lane is dropped.
    fn spawn_keeper(self: Arc<Self>) {
        tokio::spawn(async move {
            let dropped = self.dropped.clone();
            dropped.run_until_cancelled(keep_ready(self)).await;
        });
    }

    fn is_loaded(&self) -> bool {
        self.status.get().is_some()
    }

    fn ready(&self) -> MutexGuard<'_, VecDeque<Worker>> {
        self.ready.lock()
    }

    fn take_ready(&self) -> Option<Worker> {
        loop {
            let worker = self.ready().pop_front()?;
            if worker.is_alive() && self.has_packages(worker.packages()) {
                return Some(worker);
            }
        }
    }

    async fn fork(self: &Arc<Self>, standby: bool) -> Result<Worker, PoolError> {
        let mut failure = String::new();
        for _ in 0..ACQUIRE_ATTEMPTS {
            let zygote = self.zygote().await?;
            match Worker::fork(&zygote, self.config.max_frame, standby).await {
                Ok(worker) if self.has_packages(worker.packages()) => return Ok(worker),
                // They have changed meanwhile: the next attempt has another zygote.
                Ok(_) => CHANGED.clone_into(&mut failure),
                Err(error) => failure = error,
            }
            if zygote.is_dead() {
                // It may be given up although it runs, and nobody then tells of its end.
                self.wanted.notify_one();
            }
        }
        Err(PoolError::Worker(failure))
    }

    async fn start(self: &Arc<Self>) -> Result<Arc<Zygote>, String> {
        let packages = self.packages.lock().clone();
        let python = self.config.setup.python.as_ref().map(|files| PythonFiles {
            packages: packages.as_ref().map(|generation| generation.directory.clone()),
            ..files.clone()
        });
        let setup = ZygoteSetup { packages, python, ..self.config.setup.clone() };
        let state = Arc::downgrade(self);
        let ended = move |end: End| {
            if let Some(state) = state.upgrade() {
                state.has_ended(end);
            }
        };
        let started = Zygote::start(&self.config.executable, setup, ended).await.map(Arc::new);
        // What fails in it names files without their place.
        let component = self.config.setup.python.as_ref().map(|files| files.component.display());
        let zygote = started.inspect_err(|_| {
            if let Some(place) = component {
                tracing::warn!("python cannot be loaded from {place}");
            }
        })?;
        for note in &zygote.hello.notes {
            tracing::warn!("{}: {note}", self.config.setup.kind.name());
        }
        Ok(zygote)
    }

    /// Whether these are the packages that workers are to have.
    fn has_packages(&self, packages: Option<&Generation>) -> bool {
        self.packages.lock().as_ref() == packages
    }

    /// The first zygote and the first worker, and what they show to be enforced.
    async fn first_zygote(self: &Arc<Self>) -> Result<SandboxStatus, PoolError> {
        let zygote = self.start().await.map_err(PoolError::Zygote)?;
        let mut status = zygote.hello.status.clone();
        if let Some(layer) = status.missing_required().next() {
            return Err(PoolError::Sandbox(format!("{} ({})", layer.name, layer.detail)));
        }
        let LaneConfig { max_frame, standby, .. } = self.config;
        let first = Worker::fork(&zygote, max_frame, standby > 0);
        let first = first.await.map_err(PoolError::Sandbox)?;
        status.record_worker_layers();
        self.replace(zygote);
        self.stand_by(first);
        Ok(status)
    }

    /// The zygote, started anew if it died.
    async fn zygote(self: &Arc<Self>) -> Result<Arc<Zygote>, PoolError> {
        if let Some(zygote) = self.usable_zygote() {
            return Ok(zygote);
        }
        let mut restart = self.restart.lock().await;
        // Another caller may have started it while this one waited.
        if let Some(zygote) = self.usable_zygote() {
            return Ok(zygote);
        }
        if self.living_zygote().is_some() {
            tracing::debug!("the installed packages have changed: the zygote is replaced");
        } else {
            tracing::warn!("the zygote died and is being restarted");
        }
        if self.current().is_some_and(|zygote| zygote.age() > HEALTHY_AGE) {
            restart.backoff = MIN_BACKOFF;
        }
        sleep_until(restart.retry_at).await;
        restart.back_off();
        let started = self.start().await.map_err(PoolError::Zygote);
        *self.failure.lock() = started.as_ref().err().cloned();
        let zygote = started.inspect_err(|_| self.tried.notify_waiters())?;
        self.replace(zygote.clone());
        // Workers go with their zygote, and may take longer than the new one to start.
        self.ready().clear();
        Ok(zygote)
    }

    /// As of [`Lane::ready`].
    async fn has_usable(&self) -> Result<(), PoolError> {
        loop {
            // Made before the look, so that no attempt ends between the two.
            let tried = self.tried.notified();
            if self.usable_zygote().is_some() {
                return Ok(());
            }
            self.wanted.notify_one();
            tried.await;
            let failure = self.failure.lock().clone();
            if let Some(failure) = failure.filter(|_| self.usable_zygote().is_none()) {
                return Err(failure);
            }
        }
    }

    fn current(&self) -> Option<Arc<Zygote>> {
        self.zygote.lock().clone()
    }

    fn living_zygote(&self) -> Option<Arc<Zygote>> {
        self.current().filter(|zygote| !zygote.is_dead())
    }

    /// One that can fork what is wanted now.
    fn usable_zygote(&self) -> Option<Arc<Zygote>> {
        self.living_zygote().filter(|zygote| self.has_packages(zygote.packages()))
    }

    fn replace(&self, zygote: Arc<Zygote>) {
        // The old one may end with this, which is not for the lock to wait for.
        let old = self.zygote.lock().replace(zygote);
        drop(old);
        self.tried.notify_waiters();
    }

    /// A worker that stood by and has ended is replaced, as is a zygote: also while nobody
    /// asks for a worker, since without it the server is not ready.
    fn has_ended(&self, end: End) {
        match end {
            End::Zygote => self.wanted.notify_one(),
            End::Worker(token) if self.ready().iter().any(|worker| worker.token() == token) => {
                self.lost.notify_one();
            }
            // For one that ran a program there is nothing to do.
            End::Worker(_) => {}
        }
    }

    /// Replaces a zygote that has died, or has served long enough. Its workers finish.
    async fn renew(self: &Arc<Self>) -> Result<(), String> {
        let Some(old) = self.usable_zygote() else {
            return self.zygote().await.map(drop).map_err(|error| error.to_string());
        };
        let is_old = old.forks() >= RENEW_AFTER_FORKS || old.age() >= RENEW_AFTER;
        if !is_old || self.is_spared(&old) {
            return Ok(());
        }
        tracing::debug!(forks = old.forks(), "the zygote is renewed");
        self.replace(self.start().await?);
        self.ready().clear();
        Ok(())
    }

    /// Whether a zygote needs no renewal for its age: no program has run in a worker of it, so
    /// that none has learned its hash seed, and to start another takes seconds.
    fn is_spared(&self, zygote: &Zygote) -> bool {
        match self.config.setup.kind {
            Kind::TypeScript | Kind::Packages => false,
            Kind::Python | Kind::Checker => zygote.forks() <= self.config.standby as u64,
        }
    }

    /// When the zygote is due for renewal, if nothing happens before.
    fn renewal_due(&self) -> Instant {
        let aged = self.current().filter(|zygote| !self.is_spared(zygote));
        let age = aged.map_or(Duration::ZERO, |zygote| zygote.age());
        Instant::now() + RENEW_AFTER.saturating_sub(age)
    }

    /// Makes workers until as many stand by as are to.
    async fn fill(self: &Arc<Self>) {
        // Workers go with their zygote, also while nobody asks for one.
        self.ready().retain(|worker| worker.is_alive() && self.has_packages(worker.packages()));
        while self.ready().len() < self.standby() {
            match self.fork(true).await {
                Ok(worker) => self.stand_by(worker),
                Err(error) => {
                    tracing::warn!("{error}");
                    sleep(MAX_BACKOFF).await;
                }
            }
        }
    }

    /// How many workers stand by: few programs need the built-ins where there are no
    /// packages.
    fn standby(&self) -> usize {
        let all = self.config.standby;
        match self.config.setup.kind {
            Kind::Packages if self.has_packages(None) => all.min(1),
            // A check takes a tenth of what a run takes, and is asked for less often.
            Kind::Checker => all.min(1),
            Kind::TypeScript | Kind::Packages | Kind::Python => all,
        }
    }

    fn stand_by(&self, worker: Worker) {
        let mut ready = self.ready();
        ready.push_back(worker);
        // Its end may have been told of while it was in no list.
        if ready.back().is_some_and(Worker::is_reaped) {
            self.lost.notify_one();
        }
    }
}

/// Renews the zygote and keeps workers ready, whenever there is a reason to look.
async fn keep_ready(state: Arc<State>) {
    loop {
        // The run that took a worker goes first.
        sleep(REFILL_DELAY).await;
        let next_look = match state.renew().await {
            Ok(()) => state.renewal_due(),
            Err(error) => {
                tracing::warn!("the zygote could not be renewed: {error}");
                Instant::now() + RENEW_RETRY
            }
        };
        state.fill().await;
        tokio::select! {
            () = state.wanted.notified() => {}
            () = state.lost.notified() => {
                let _ = timeout(LOST_DELAY, state.wanted.notified()).await;
            }
            () = sleep_until(next_look) => {}
        }
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
