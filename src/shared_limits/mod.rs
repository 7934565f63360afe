//! Limits of principals that hold over all replicas with one store: calls per minute, and
//! concurrent runs.
//!
//! A replica leases what it is about to use: tokens for a tenth of a second of the demand that it
//! sees, slots for as long as they are used and up to [`slots::RENEW`] longer. A call waits for the
//! store only where its replica has nothing left. Leases expire by the store's own clock, so that
//! no clocks are compared, and a replica that was killed gives its part back.
//!
//! A store that does not answer within [`PATIENCE`] is not asked until it answers again: meanwhile
//! each replica's own limit holds on that replica alone.

mod rate;
mod slots;
mod standing;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mcp_conductor_store::{Key, Namespace, Store};
use sha2::{Digest, Sha256};

pub(crate) use rate::{RateAnswer, SharedRate};
pub(crate) use slots::{Arriving, Demand, SharedSlots};
use standing::Standing;

use crate::telemetry::Metrics;

/// How long a call of the store may keep a request waiting.
pub(crate) const PATIENCE: Duration = Duration::from_millis(250);

/// Bytes of a hash that name a principal: as many as cannot be met by chance.
const NAME_BYTES: usize = 16;

/// Random bytes that name a replica.
const REPLICA_BYTES: usize = 8;

/// What the limits of all principals have in common. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SharedLimits {
    standing: Arc<Standing>,
    replica: Arc<str>,
    /// Leases so far: those before and after a change of settings are two.
    leases: Arc<AtomicU64>,
}

impl SharedLimits {
    /// Limits of this replica among those that have the store. None where the system has no
    /// random numbers for a name.
    pub(crate) fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Option<Self> {
        let mut bytes = [0; REPLICA_BYTES];
        getrandom::fill(&mut bytes).ok()?;
        let standing = Arc::new(Standing::new(store, metrics));
        Some(Self { standing, replica: hex(&bytes).into(), leases: Arc::default() })
    }

    /// The calls of a principal: so many in a minute, and so many at once.
    pub(crate) fn rate(
        &self,
        principal: Option<&str>,
        per_minute: u32,
        burst: u32,
    ) -> Option<SharedRate> {
        (per_minute > 0).then(|| {
            let key = key("rate", principal);
            SharedRate::new(self.standing.clone(), key, per_minute, burst.max(1))
        })
    }

    /// The concurrent runs of a principal, of which this replica itself allows at most `most`.
    pub(crate) fn slots(&self, principal: &str, limit: usize, most: usize) -> SharedSlots {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let key = key("slots", Some(principal));
        let lease = self.leases.fetch_add(1, Ordering::Relaxed);
        let holder = format!("{}x{lease}", self.replica);
        SharedSlots::new(self.standing.clone(), key, holder, (limit, most))
    }
}

/// Names of principals have any characters and lengths, and are nobody else's business.
fn key(kind: &str, principal: Option<&str>) -> Key {
    let digest = match principal {
        Some(name) => Sha256::new().chain_update([1]).chain_update(name).finalize(),
        None => Sha256::new().finalize(),
    };
    Key::new(Namespace::Limits, format!("{kind}/{}", hex(&digest[..NAME_BYTES])))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
