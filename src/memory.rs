//! Memory that the server holds on behalf of somebody: what a run's operations have
//! read, what a principal's answers take until they are sent, what another MCP server
//! has said. One budget counts all of it, as a tree of accounts:
//!
//! ```text
//! server → principal → run
//!                    → upstream server
//!                    → session
//! ```
//!
//! What is charged to an account is charged to those above it too, so that nobody has
//! more than its share and all together not more than the server's. Who asks for more
//! than there is waits, and then fails; what is too little for one that waits is left to
//! others, so that nothing stops because somebody wants much.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

/// Bytes that the server may hold for everybody together: 32 runs that each keep what
/// one may (16 MiB on its way in and out), or two of the largest messages while rmcp
/// reads them (120 MB each), and as much again.
pub(crate) const SERVER_BYTES: usize = 512 << 20;

/// How long somebody waits for others to give memory back.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How often those who wait look for memory: a thousand of them cost some milliseconds of
/// a processor each second.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Bytes of a permit: accounts count in KiB, rounded up.
const UNIT: usize = 1 << 10;

/// There is no memory for it, and none came free while it was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("The server holds too much for others at the moment. Try again")]
pub(crate) struct NoMemory;

/// What somebody may have in the server's memory.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// From this account to the server's.
    line: Arc<[Arc<Semaphore>]>,
    bytes: usize,
}

/// A part of an [`Account`], given back when it is dropped.
#[derive(Debug, Default)]
#[must_use = "what is dropped at once is not counted"]
pub(crate) struct Charge(Vec<OwnedSemaphorePermit>);

impl Account {
    /// The server's own, of at most this many bytes.
    pub(crate) fn of_server(bytes: usize) -> Self {
        Self { line: Arc::new([semaphore(bytes)]), bytes }
    }

    /// An account below this one, of at most this many bytes.
    pub(crate) fn share(&self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        let line = std::iter::once(semaphore(bytes)).chain(self.line.iter().cloned());
        Self { line: line.collect(), bytes }
    }

    /// The most that it can hold, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is charged to it at the moment, in bytes.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        let free = self.line[0].available_permits() * UNIT;
        self.bytes.next_multiple_of(UNIT).saturating_sub(free)
    }

    /// Charges bytes that are there at once, or none.
    ///
    /// # Errors
    /// [`NoMemory`], here or in an account above.
    pub(crate) fn try_charge(&self, bytes: usize) -> Result<Charge, NoMemory> {
        let units = self.units(bytes)?;
        let take = |account: &Arc<Semaphore>| account.clone().try_acquire_many_owned(units);
        self.line.iter().map(take).collect::<Result<_, _>>().map(Charge).map_err(|_| NoMemory)
    }

    /// Charges bytes. Waits for at most [`PATIENCE`].
    ///
    /// # Errors
    /// [`NoMemory`]; more than the account can ever hold is refused at once.
    pub(crate) async fn charge(&self, bytes: usize) -> Result<Charge, NoMemory> {
        self.charge_within(bytes, PATIENCE).await
    }

    /// [`Account::charge`] with a time of its own.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub(crate) async fn charge_within(
        &self,
        bytes: usize,
        patience: Duration,
    ) -> Result<Charge, NoMemory> {
        self.units(bytes)?;
        // A semaphore's own line would give whoever stands first all that comes free until
        // it is enough: a run whose answers wait behind it could give nothing back.
        let end = Instant::now() + patience;
        loop {
            match self.try_charge(bytes) {
                Err(NoMemory) if Instant::now() < end => sleep(LOOK_EVERY).await,
                found => return found,
            }
        }
    }

    fn units(&self, bytes: usize) -> Result<u32, NoMemory> {
        let fits = bytes <= self.bytes;
        u32::try_from(bytes.div_ceil(UNIT)).ok().filter(|_| fits).ok_or(NoMemory)
    }
}

impl Charge {
    /// Nothing, of any account.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// What is charged, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.first().map_or(0, |permit| permit.num_permits() * UNIT)
    }

    /// Adds another charge of the same account.
    ///
    /// # Panics
    /// If both are of different accounts.
    pub(crate) fn merge(&mut self, other: Self) {
        if self.0.is_empty() {
            self.0 = other.0;
            return;
        }
        for (mine, more) in self.0.iter_mut().zip(other.0) {
            mine.merge(more);
        }
    }

    /// Gives back what is beyond this many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let keep = bytes.div_ceil(UNIT);
        for permit in &mut self.0 {
            let beyond = permit.num_permits().saturating_sub(keep);
            drop(permit.split(beyond));
        }
    }
}

fn semaphore(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(10);

    #[tokio::test]
    async fn what_is_charged_counts_in_every_account_above_until_it_is_dropped() {
        let server = Account::of_server(100 << 10);
        let principal = server.share(60 << 10);
        let run = principal.share(50 << 10);
        let charge = run.charge(40 << 10).await.unwrap();
        assert_eq!((run.used(), principal.used(), server.used()), (40 << 10, 40 << 10, 40 << 10));
        drop(charge);
        assert_eq!((run.used(), principal.used(), server.used()), (0, 0, 0));
    }

    #[tokio::test]
    async fn nobody_has_more_than_its_share_and_a_failure_takes_nothing() {
        let server = Account::of_server(100 << 10);
        let (alice, bob) = (server.share(60 << 10), server.share(60 << 10));
        let held = alice.try_charge(60 << 10).unwrap();
        assert_eq!(alice.try_charge(1).unwrap_err(), NoMemory);
        // The server has less left than Bob's share.
        assert_eq!(bob.charge_within(50 << 10, SHORT).await.unwrap_err(), NoMemory);
        assert_eq!((bob.used(), server.used()), (0, 60 << 10));
        let _own = bob.try_charge(40 << 10).unwrap();
        drop(held);
        assert!(alice.try_charge(60 << 10).is_ok());
    }

    #[tokio::test]
    async fn who_waits_gets_what_another_gives_back() {
        let server = Account::of_server(10 << 10);
        let held = server.try_charge(10 << 10).unwrap();
        let waits = tokio::spawn({
            let server = server.clone();
            async move { server.charge(4 << 10).await.map(|charge| charge.bytes()) }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert_eq!(waits.await.unwrap(), Ok(4 << 10));
    }

    #[tokio::test]
    async fn who_waits_for_much_leaves_others_what_is_too_little_for_it() {
        let server = Account::of_server(10 << 10);
        let held = server.try_charge(4 << 10).unwrap();
        let waits = tokio::spawn({
            let server = server.clone();
            async move { server.charge(8 << 10).await.map(|charge| charge.bytes()) }
        });
        tokio::task::yield_now().await;
        drop(server.charge(6 << 10).await.unwrap());
        drop(held);
        assert_eq!(waits.await.unwrap(), Ok(8 << 10));
    }

    #[tokio::test]
    async fn more_than_an_account_can_hold_is_refused_at_once() {
        let server = Account::of_server(10 << 10);
        assert_eq!(server.charge(11 << 10).await.unwrap_err(), NoMemory);
    }

    #[tokio::test]
    async fn a_charge_can_grow_and_shrink() {
        let server = Account::of_server(10 << 10);
        let mut charge = server.try_charge(2 << 10).unwrap();
        charge.merge(server.try_charge(6 << 10).unwrap());
        assert_eq!((charge.bytes(), server.used()), (8 << 10, 8 << 10));
        charge.shrink_to(3 << 10);
        assert_eq!((charge.bytes(), server.used()), (3 << 10, 3 << 10));
        charge.shrink_to(5 << 10);
        assert_eq!(charge.bytes(), 3 << 10);
    }
}
