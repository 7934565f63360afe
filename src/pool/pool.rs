//! The pool: one lane for each kind of engine.

use std::sync::Arc;

use futures::future::join_all;

use super::error::PoolError;
use super::lane::{Availability, Lane, LaneConfig, Load};
use super::worker::Worker;
use crate::protocol::Kind;
use crate::sandbox::SandboxStatus;

/// Hands out sealed workers of every kind. Cheap to clone. With the last clone its lanes
/// end.
#[derive(Clone)]
pub(crate) struct Pool(Arc<[Lane]>);

impl Pool {
    /// Makes the lanes, one for each kind, and loads those that are to be loaded at start.
    ///
    /// # Errors
    /// Of the first that is required and cannot be loaded. Other kinds that cannot be loaded are
    /// not available, without an error.
    pub(crate) async fn start(configs: Vec<LaneConfig>) -> Result<Self, PoolError> {
        let lanes: Arc<[Lane]> = configs.into_iter().map(Lane::new).collect();
        let loaded = join_all(lanes.iter().map(load_at_start)).await;
        loaded.into_iter().collect::<Result<(), _>>()?;
        Ok(Self(lanes))
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

    /// A sealed worker of a kind: a standby worker, or a new one.
    ///
    /// # Errors
    /// The kind is not available, or no worker can be made.
    pub(crate) async fn acquire(&self, kind: Kind) -> Result<Worker, PoolError> {
        self.lane(kind)?.acquire().await
    }

    /// Whether each required lane has a zygote that can fork, or a worker of one.
    pub(crate) fn has_zygote(&self) -> bool {
        self.0.iter().filter(|lane| lane.config().is_required).all(Lane::has_zygote)
    }

    /// Standby workers of all kinds.
    pub(crate) fn standing_by(&self) -> usize {
        self.0.iter().map(Lane::standing_by).sum()
    }

    fn lane(&self, kind: Kind) -> Result<&Lane, PoolError> {
        self.0.iter().find(|lane| lane.kind() == kind).ok_or(PoolError::NoLane(kind))
    }
}

/// Loads a lane's engine if that is to be done now. Only one that is required can fail.
async fn load_at_start(lane: &Lane) -> Result<(), PoolError> {
    match lane.config() {
        LaneConfig { load: Load::WhenNeeded, .. } => Ok(()),
        LaneConfig { load: Load::AtStart, is_required: true, .. } => lane.load().await,
        LaneConfig { load: Load::AtStart, is_required: false, .. } => {
            if let Err(error) = lane.load().await {
                tracing::warn!("{} is not available: {error}", lane.kind().name());
            }
            Ok(())
        }
    }
}
