//! Memory that the server holds on behalf of others: what a run's operations have
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
//! more than its share and all together not more than the server's. A part of that is a
//! reserve, of which no principal has much. Who asks for more than there is waits, and
//! then fails; what is too little for one that waits is left to others, so that nothing
//! stops because somebody wants much ([`wait_queue`]).

pub(crate) mod json;
mod limits;
mod sys;
mod wait_queue;

use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::time::timeout;

use limits::{Limits, Taken};
pub(crate) use sys::give_back_free_pages;
use wait_queue::WaitQueue;

/// Bytes that the server may hold for all others together: 32 runs that each keep what
/// one may (16 MiB on its way in and out), or two of the largest messages while rmcp
/// reads them (120 MB each), and as much again.
pub(crate) const SERVER_BYTES: usize = 512 << 20;

/// The reserve is this part of the server's: 128 MiB. The half that one principal may have
/// is beside it, and a quarter for others.
const RESERVE: usize = 4;

/// What one principal may have of the reserve, where the rest is taken, is this part of the
/// server's: 8 MiB. However much some hold, 16 principals find that, and more who need less:
/// a run that prints and returns some 100 KiB takes 1 MiB with its answer, an open response
/// 384 KiB, another MCP server 1 MiB besides its list.
const SMALL: usize = 64;

/// How long a charge waits for others to free memory.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a unit: accounts count in KiB, rounded up.
const UNIT: usize = 1 << 10;

/// There is no memory for it, and none was freed while it waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("The server holds too much for others at the moment. Try again")]
pub(crate) struct NoMemory;

/// A share of the server's memory.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    limits: Arc<Limits>,
    queue: Arc<WaitQueue>,
    bytes: usize,
}

/// A part of an [`Account`], given back when it is dropped.
#[derive(Debug, Default)]
#[must_use = "what is dropped at once is not counted"]
pub(crate) struct Charge {
    of: Option<(Arc<Limits>, Arc<WaitQueue>)>,
    taken: Taken,
}

impl Account {
    /// The server's own, of at most this many bytes.
    pub(crate) fn of_server(bytes: usize) -> Self {
        let limits = Arc::new(Limits::of_server(bytes.div_ceil(UNIT)));
        Self { limits, queue: Arc::default(), bytes }
    }

    /// An account below this one, of at most this many bytes.
    pub(crate) fn share(&self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.below(self.limits.share(bytes.div_ceil(UNIT)), bytes)
    }

    /// One principal's, below the server's: half of it, so that it leaves another half, and
    /// of the reserve at most its part.
    pub(crate) fn of_principal(&self) -> Self {
        let bytes = self.bytes / 2;
        self.below(self.limits.of_principal(bytes.div_ceil(UNIT)), bytes)
    }

    /// The same account, for which at most so many wait at the same time. Those beyond
    /// them have [`NoMemory`] at once.
    pub(crate) fn with_queue(&self, most: usize) -> Self {
        self.below(self.limits.with_most_waiting(most), self.bytes)
    }

    fn below(&self, limits: Limits, bytes: usize) -> Self {
        Self { limits: Arc::new(limits), queue: self.queue.clone(), bytes }
    }

    /// The most that it can hold, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is charged to it at the moment, in bytes.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.limits.used() * UNIT
    }

    /// How many wait for it.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.limits.waiting()
    }

    /// Charges bytes that are there at once, or none.
    ///
    /// # Errors
    /// [`NoMemory`], here or in an account above.
    pub(crate) fn try_charge(&self, bytes: usize) -> Result<Charge, NoMemory> {
        let units = self.units(bytes)?;
        let taken = self.queue.try_take(&self.limits, units).ok_or(NoMemory)?;
        Ok(Charge::of(self.limits.clone(), self.queue.clone(), taken))
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
        match self.queue.take_or_wait(&self.limits, self.units(bytes)?)? {
            Ok(charge) => Ok(charge),
            Err(waiting) => timeout(patience, waiting.served()).await.map_err(|_| NoMemory),
        }
    }

    fn units(&self, bytes: usize) -> Result<usize, NoMemory> {
        (bytes <= self.bytes).then(|| bytes.div_ceil(UNIT)).ok_or(NoMemory)
    }
}

impl Charge {
    fn of(limits: Arc<Limits>, queue: Arc<WaitQueue>, taken: Taken) -> Self {
        Self { of: Some((limits, queue)), taken }
    }

    /// Nothing, of any account.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// What is charged, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.taken.units() * UNIT
    }

    /// Adds another charge of the same account.
    ///
    /// # Panics
    /// If both are of different accounts.
    pub(crate) fn merge(&mut self, mut other: Self) {
        let Some(theirs) = &other.of else { return };
        match &self.of {
            Some((mine, _)) => assert!(Arc::ptr_eq(mine, &theirs.0), "of different accounts"),
            None => self.of = Some(theirs.clone()),
        }
        self.taken.add(take(&mut other.taken));
    }

    /// Gives back what is beyond this many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let beyond = self.taken.split_off(bytes.div_ceil(UNIT));
        if let Some((limits, queue)) = self.of.as_ref().filter(|_| beyond.units() > 0) {
            queue.give_back(limits, beyond);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;

    use super::*;

    const SHORT: Duration = Duration::from_millis(10);

    /// All that a server has, as two principals that hold as much as they can have it.
    fn two_that_hold_all(server: &Account) -> Vec<Charge> {
        let greedy = [server.of_principal(), server.of_principal()];
        let charges =
            greedy.iter().flat_map(|one| std::iter::from_fn(|| one.try_charge(1 << 20).ok()));
        charges.collect()
    }

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
    async fn who_came_first_is_served_first_and_nobody_passes_by_asking_anew() {
        let server = Account::of_server(10 << 10);
        let mut held = server.try_charge(10 << 10).unwrap();
        let (mut first, mut second) = (pin!(server.charge(4 << 10)), pin!(server.charge(4 << 10)));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        held.shrink_to(6 << 10);
        assert_eq!(server.try_charge(4 << 10).unwrap_err(), NoMemory);
        assert!(poll!(&mut second).is_pending());
        let first = first.await.unwrap();
        drop(held);
        let second = second.await.unwrap();
        assert_eq!((first.bytes(), second.bytes(), server.used()), (4 << 10, 4 << 10, 8 << 10));
    }

    #[tokio::test]
    async fn who_does_not_fit_yet_keeps_its_place() {
        let server = Account::of_server(10 << 10);
        let held = server.try_charge(10 << 10).unwrap();
        let (mut much, mut little) = (pin!(server.charge(8 << 10)), pin!(server.charge(4 << 10)));
        assert!(poll!(&mut much).is_pending() && poll!(&mut little).is_pending());
        drop(held);
        assert!(poll!(&mut little).is_pending());
        drop(much.await.unwrap());
        assert_eq!(little.await.unwrap().bytes(), 4 << 10);
    }

    #[tokio::test]
    async fn who_waits_for_its_own_account_keeps_nothing_from_others() {
        let server = Account::of_server(10 << 10);
        let (run, other) = (server.share(2 << 10), server.share(8 << 10));
        let held = run.try_charge(2 << 10).unwrap();
        let mut waits = pin!(run.charge(2 << 10));
        assert!(poll!(&mut waits).is_pending());
        let others = other.try_charge(8 << 10).unwrap();
        drop(held);
        drop(others);
        assert_eq!(waits.await.unwrap().bytes(), 2 << 10);
    }

    #[tokio::test]
    async fn who_leaves_the_line_has_nothing_of_what_comes_free() {
        let server = Account::of_server(10 << 10);
        let held = server.try_charge(10 << 10).unwrap();
        let mut early = Box::pin(server.charge(10 << 10));
        let mut late = Box::pin(server.charge(10 << 10));
        let mut last = pin!(server.charge(10 << 10));
        assert!(poll!(&mut early).is_pending() && poll!(&mut late).is_pending());
        assert!(poll!(&mut last).is_pending());
        drop(early);
        assert_eq!(server.waiting(), 2);
        // It is served, and goes without a look at that.
        drop(held);
        drop(late);
        assert_eq!(last.await.unwrap().bytes(), 10 << 10);
        assert_eq!((server.used(), server.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn who_loses_patience_leaves_the_line() {
        let server = Account::of_server(10 << 10);
        let _held = server.try_charge(10 << 10).unwrap();
        assert_eq!(server.charge_within(1, SHORT).await.unwrap_err(), NoMemory);
        assert_eq!(server.waiting(), 0);
    }

    #[tokio::test]
    async fn who_finds_as_many_in_line_as_may_wait_is_told_at_once() {
        let server = Account::of_server(10 << 10);
        let (few, many) = (server.share(10 << 10).with_queue(1), server.share(10 << 10));
        let held = server.try_charge(10 << 10).unwrap();
        let (mut waits, mut other) = (pin!(few.charge(1)), pin!(many.charge(1)));
        assert!(poll!(&mut waits).is_pending() && poll!(&mut other).is_pending());
        assert_eq!(few.charge(1).await.unwrap_err(), NoMemory);
        drop(held);
        assert!(waits.await.is_ok() && other.await.is_ok());
        assert!(few.charge(1).await.is_ok());
    }

    #[tokio::test]
    async fn whoever_needs_little_finds_room_however_much_two_hold() {
        let server = Account::of_server(SERVER_BYTES);
        let _held = two_that_hold_all(&server);
        let (little, reserve) = (SERVER_BYTES / SMALL, SERVER_BYTES / RESERVE);
        assert_eq!(server.used(), SERVER_BYTES - reserve + little);
        let others: Vec<_> = (1..reserve / little).map(|_| server.of_principal()).collect();
        let theirs: Vec<_> =
            others.iter().map(|one| one.share(little).try_charge(little).unwrap()).collect();
        assert_eq!(server.used(), SERVER_BYTES);
        drop(theirs);
        // And nobody more than that, but for nothing.
        let _little = others[0].try_charge(little).unwrap();
        assert_eq!(others[0].try_charge(1).unwrap_err(), NoMemory);
        assert!(others[0].try_charge(0).is_ok());
        assert_eq!(others[1].try_charge(little + 1).unwrap_err(), NoMemory);
    }

    #[test]
    fn one_principal_has_half_as_before_and_who_has_no_name_all() {
        let server = Account::of_server(SERVER_BYTES);
        drop(server.of_principal().try_charge(SERVER_BYTES / 2).unwrap());
        assert!(server.share(SERVER_BYTES).try_charge(SERVER_BYTES).is_ok());
    }

    #[tokio::test]
    async fn who_waits_is_served_by_what_others_give_back_and_by_its_own() {
        let server = Account::of_server(SERVER_BYTES);
        let mut others = two_that_hold_all(&server);
        let principal = server.of_principal();
        let own = principal.try_charge(SERVER_BYTES / SMALL).unwrap();
        let (mut little, mut much) = (pin!(principal.charge(1)), pin!(principal.charge(16 << 20)));
        assert!(poll!(&mut little).is_pending() && poll!(&mut much).is_pending());
        // Its own is of the reserve, which has no room for as much as it waits for.
        drop(own);
        let little = little.await.unwrap();
        assert!(poll!(&mut much).is_pending());
        others.drain(..16);
        let much = much.await.unwrap();
        drop((little, much, others));
        assert_eq!((principal.used(), server.used(), server.waiting()), (0, 0, 0));
    }

    #[tokio::test]
    async fn who_waits_for_one_thing_and_then_for_another_keeps_its_place() {
        let server = Account::of_server(10 << 10);
        let run = server.share(4 << 10);
        let of_run = run.try_charge(4 << 10).unwrap();
        let mut rest = server.try_charge(6 << 10).unwrap();
        let (mut early, mut waits) = (pin!(server.charge(4 << 10)), pin!(run.charge(3 << 10)));
        assert!(poll!(&mut early).is_pending() && poll!(&mut waits).is_pending());
        // The run has room then, and the server none that is left.
        drop(of_run);
        let early = early.await.unwrap();
        assert!(poll!(&mut waits).is_pending());
        let mut late = pin!(server.charge(3 << 10));
        assert!(poll!(&mut late).is_pending());
        rest.shrink_to(3 << 10);
        assert!(poll!(&mut late).is_pending());
        drop((waits.await.unwrap(), early));
        drop((late.await.unwrap(), rest));
        assert_eq!((run.used(), server.used(), server.waiting()), (0, 0, 0));
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
