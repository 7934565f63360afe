//! Whether the store answers in time.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use mcp_conductor_store::{Key, Namespace, Refill, Store, StoreError};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::PATIENCE;
use crate::telemetry::Metrics;

/// The first pause before a store that failed is tried; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How late a store that is there again may be noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// A store that failed again so soon is not trusted as quickly.
const SOON: Duration = Duration::from_secs(60);

/// What a trial writes: a token comes back in a millisecond, and then nothing is kept.
const TRIAL: Refill = Refill { per_minute: 60_000, burst: 1 };

/// The store, while it answers.
pub(super) struct Standing {
    pub(super) store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    alone: AtomicBool,
    trials: Mutex<Trials>,
}

/// How long a store that failed is left alone.
struct Trials {
    pause: Duration,
    /// When it was there again.
    back: Option<Instant>,
}

impl Standing {
    pub(super) fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Self {
        let trials = Mutex::new(Trials { pause: FIRST_PAUSE, back: None });
        Self { store, metrics, alone: AtomicBool::new(false), trials }
    }

    /// Whether limits hold on this replica alone.
    pub(super) fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Relaxed)
    }

    /// What the store answers in time. None if it does not, and then it is not asked for a while.
    pub(super) async fn ask<T>(
        self: &Arc<Self>,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Option<T> {
        if self.is_alone() {
            return None;
        }
        match timeout(PATIENCE, call).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => self.failed(&error),
            Err(_) => self.failed(&format!("no answer within {} ms", PATIENCE.as_millis())),
        }
        None
    }

    fn failed(self: &Arc<Self>, reason: &dyn Display) {
        if self.alone.swap(true, Ordering::Relaxed) {
            return;
        }
        self.metrics.limits_alone(true);
        tracing::warn!("limits of principals hold on this replica alone: {reason}");
        let mut trials = self.trials.lock();
        if trials.back.is_none_or(|back| back.elapsed() > SOON) {
            trials.pause = FIRST_PAUSE;
        }
        tokio::spawn(try_again(Arc::downgrade(self), trials.pause));
    }

    /// Whether the store takes a change, and in time. A connection may take longer to be made:
    /// then the next trial finds it.
    async fn answers(&self) -> bool {
        let start = Instant::now();
        let key = Key::new(Namespace::Limits, "trial");
        self.store.take(&key, 1, TRIAL).await.is_ok() && start.elapsed() <= PATIENCE
    }

    fn is_back(&self) {
        let mut trials = self.trials.lock();
        *trials = Trials {
            pause: trials.pause.saturating_mul(2).min(LONGEST_PAUSE),
            back: Some(Instant::now()),
        };
        self.alone.store(false, Ordering::Relaxed);
        self.metrics.limits_alone(false);
        tracing::info!("limits of principals hold over all replicas again");
    }
}

/// Tries until the store answers, or nobody has a limit any more.
async fn try_again(standing: Weak<Standing>, mut pause: Duration) {
    loop {
        sleep(pause).await;
        let Some(standing) = standing.upgrade() else { return };
        if standing.answers().await {
            return standing.is_back();
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}
