//! The pool: one lane for each kind of engine.

use std::sync::{Arc, OnceLock};

use futures::future::join_all;

use super::error::PoolError;
use super::lane::{Availability, Lane, LaneConfig, Load};
use super::worker::Worker;
use crate::protocol::{Generation, Kind};
use crate::sandbox::SandboxStatus;

/// Hands out sealed workers of every kind. Cheap to clone. With the last clone its lanes
/// end.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Lanes>);

struct Lanes {
    first: Vec<Lane>,
    /// One whose engine was installed while the pool ran.
    added: OnceLock<Lane>,
}

impl Lanes {
    fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.first.iter().chain(self.added.get())
    }
}

impl Pool {
    /// Makes the lanes, one for each kind, and loads those that are to be loaded at start: the
    /// required ones before it returns, the others meanwhile, so that nobody waits for them
    /// who does not need them.
    ///
    /// # Errors
    /// Of the first that is required and cannot be loaded. Other kinds that cannot be loaded are
    /// not available, without an error.
    pub(crate) async fn start(configs: Vec<LaneConfig>) -> Result<Self, PoolError> {
        let lanes: Vec<Lane> = configs.into_iter().map(Lane::new).collect();
        let at_start = |lane: &&Lane| lane.config().load == Load::AtStart;
        let (required, others): (Vec<_>, Vec<_>) =
            lanes.iter().filter(at_start).partition(|lane| lane.config().is_required);
        let loaded = join_all(required.into_iter().map(Lane::load)).await;
        loaded.into_iter().collect::<Result<(), _>>()?;
        for lane in others {
            drop(lane.load_meanwhile());
        }
        Ok(Self(Arc::new(Lanes { first: lanes, added: OnceLock::new() })))
    }

    /// Adds a lane of a kind that has none, and loads it if it is to be loaded at start. Whether it
    /// was added: a pool takes one.
    pub(crate) fn add(&self, config: LaneConfig) -> bool {
        let (kind, load) = (config.setup.kind, config.load);
        if self.lane(kind).is_ok() || self.0.added.set(Lane::new(config)).is_err() {
            return false;
        }
        match load {
            Load::AtStart => drop(self.lane(kind).map(Lane::load_meanwhile)),
            Load::WhenNeeded => {}
        }
        true
    }

    /// What is enforced for every worker of a kind, once its engine is loaded.
    pub(crate) fn status(&self, kind: Kind) -> Option<&SandboxStatus> {
        self.lane(kind).ok()?.status()
    }

    /// Whether there are workers of a kind.
    pub(crate) fn availability(&self, kind: Kind) -> Availability {
        match self.lane(kind) {
            Ok(lane) => lane.availability(),
            Err(error) => Availability::NotAvailable(error),
        }
    }

    /// Loads the engine of a kind, if it is not loaded. Answers what came of it.
    pub(crate) async fn load(&self, kind: Kind) -> Availability {
        if let Ok(lane) = self.lane(kind) {
            // Why it failed is in its availability.
            let _ = lane.load().await;
        }
        self.availability(kind)
    }

    /// Sets the generation of installed packages that workers of a kind have from now on.
    pub(crate) fn set_packages(&self, kind: Kind, generation: Option<Generation>) {
        if let Ok(lane) = self.lane(kind) {
            lane.set_packages(generation);
        }
    }

    /// What the engine of a kind does without, if it is loaded.
    pub(crate) fn notes(&self, kind: Kind) -> Vec<String> {
        self.lane(kind).map(Lane::notes).unwrap_or_default()
    }

    /// A sealed worker of a kind: a standby worker, or a new one.
    ///
    /// # Errors
    /// The kind is not available, or no worker can be made.
    pub(crate) async fn acquire(&self, kind: Kind) -> Result<Worker, PoolError> {
        self.lane(kind)?.acquire().await
    }

    /// Waits until there is a zygote of a kind that can fork. Giving up does not end its start.
    ///
    /// # Errors
    /// The kind is not available, or its zygote could not be started.
    pub(crate) async fn ready(&self, kind: Kind) -> Result<(), PoolError> {
        self.lane(kind)?.ready().await
    }

    /// Whether there is a zygote of a kind that can fork.
    pub(crate) fn has_usable_zygote(&self, kind: Kind) -> bool {
        self.lane(kind).is_ok_and(Lane::has_usable_zygote)
    }

    /// Whether each required lane has a zygote that can fork, or a worker of one.
    pub(crate) fn has_zygote(&self) -> bool {
        self.0.iter().filter(|lane| lane.config().is_required).all(Lane::has_zygote)
    }

    /// The kinds that have a lane.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.0.iter().map(Lane::kind)
    }

    /// Standby workers of all kinds.
    pub(crate) fn standing_by(&self) -> usize {
        self.0.iter().map(Lane::standing_by).sum()
    }

    fn lane(&self, kind: Kind) -> Result<&Lane, PoolError> {
        self.0.iter().find(|lane| lane.kind() == kind).ok_or(PoolError::NoLane(kind))
    }
}
