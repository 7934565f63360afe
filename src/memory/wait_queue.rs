//! The queue of those who wait until something is given back.
//!
//! When it is, those are looked at who wait for what it was given back to, in the order in
//! which they came. Each who fits has what it asked for, charged on its behalf; who does
//! not fit keeps its place and leaves the rest to those behind it. So:
//!
//! - Of two who fit, the one who came first is served first.
//! - Nobody passes by asking anew: what is left is too little for all who wait.
//! - Who wants much may be passed by those who want little, for as long as it has
//!   patience. A queue that kept what comes free for its first would stand still where the
//!   first wants much: a run whose small answers wait behind it could give nothing back.
//! - What one principal can take in this way ends with its share, and a part of the
//!   reserve ([`super::RESERVE`]) waits for each of the others.
//!
//! A look costs nothing where what is free is less than what anybody waits for. Those who
//! wait for something else, as the memory of another run, are not looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use super::Charge;
use super::ledger::{Full, Ledger, Level, Taken};

/// Those who wait, of a whole server.
pub(super) struct WaitQueue {
    waiters: Mutex<Waiters>,
    /// See [`super::ledger`].
    usual: Arc<Level>,
}

#[derive(Default)]
pub(super) struct Waiters {
    /// By their numbers, which are in the order in which they came.
    all: BTreeMap<u64, Waiter>,
    /// By what is too full for them and their numbers: the units that they want.
    at: BTreeMap<(usize, u64), usize>,
    next: u64,
}

struct Waiter {
    ledger: Arc<Ledger>,
    units: usize,
    /// Where it stands in [`Waiters::at`].
    at: [Option<usize>; 2],
    answer: oneshot::Sender<Charge>,
}

/// A place in the queue, until it is dropped.
pub(super) struct Waiting {
    number: u64,
    ledger: Arc<Ledger>,
    answer: oneshot::Receiver<Charge>,
}

/// Who has left the queue with what it waited for.
pub(super) struct Served {
    charge: Charge,
    answer: oneshot::Sender<Charge>,
}

impl WaitQueue {
    pub(super) fn new(usual: usize) -> Self {
        Self { waiters: Mutex::default(), usual: Level::new(usual) }
    }

    pub(super) fn usual(&self) -> &Arc<Level> {
        &self.usual
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Waiters> {
        // Nothing panics between two changes that belong together.
        self.waiters.lock()
    }
}

impl Waiters {
    /// One more, at the end.
    pub(super) fn push(&mut self, ledger: &Arc<Ledger>, units: usize, full: Full<'_>) -> Waiting {
        let (answer, receiver) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        let at = self.stand(number, units, full);
        self.all.insert(number, Waiter { ledger: ledger.clone(), units, at, answer });
        ledger.waits();
        Waiting { number, ledger: ledger.clone(), answer: receiver }
    }

    /// Those for whom there is enough now that something was given back to these.
    pub(super) fn served<'a>(
        &mut self,
        levels: impl Iterator<Item = &'a Arc<Level>>,
    ) -> Vec<Served> {
        let levels: Vec<_> = levels.filter(|level| level.is_wanted()).collect();
        let (mut served, mut from) = (Vec::new(), 0);
        while let Some(number) = self.first(&levels, from) {
            served.extend(self.serve(number));
            from = number + 1;
        }
        for level in levels.iter().filter(|level| level.is_wanted()) {
            let least = self.at(level, 0).map(|(_, units)| units).min();
            level.set_wanted(least.unwrap_or(usize::MAX));
        }
        served
    }

    /// The first from this number on for whom there may be enough.
    fn first(&self, levels: &[&Arc<Level>], from: u64) -> Option<u64> {
        let wanted = levels.iter().filter(|level| level.is_wanted());
        let first = wanted.filter_map(|level| {
            self.at(level, from).find(|(_, units)| *units <= level.free()).map(|(number, _)| number)
        });
        first.min()
    }

    /// Those who wait for this, from a number on, with the units that they want.
    fn at(&self, level: &Level, from: u64) -> impl Iterator<Item = (u64, usize)> {
        let all = (level.id(), from)..=(level.id(), u64::MAX);
        self.at.range(all).map(|(&(_, number), &units)| (number, units))
    }

    /// Takes one out with what it waits for, or lets it stand where that is missing.
    fn serve(&mut self, number: u64) -> Option<Served> {
        let waiter = self.all.get(&number)?;
        let (ledger, units) = (waiter.ledger.clone(), waiter.units);
        match ledger.take(units) {
            Ok(taken) => Some(self.remove(number)?.with(taken)),
            Err(full) => {
                self.leave(number);
                let at = self.stand(number, units, full);
                self.all.get_mut(&number)?.at = at;
                None
            }
        }
    }

    fn stand(&mut self, number: u64, units: usize, full: Full<'_>) -> [Option<usize>; 2] {
        full.map(|level| {
            let level = level?;
            level.want(units);
            self.at.insert((level.id(), number), units);
            Some(level.id())
        })
    }

    fn leave(&mut self, number: u64) {
        let at = self.all.get(&number).map(|waiter| waiter.at).unwrap_or_default();
        for level in at.into_iter().flatten() {
            self.at.remove(&(level, number));
        }
    }

    fn remove(&mut self, number: u64) -> Option<Waiter> {
        self.leave(number);
        let waiter = self.all.remove(&number)?;
        waiter.ledger.waits_no_more();
        Some(waiter)
    }
}

impl Waiter {
    fn with(self, taken: Taken) -> Served {
        Served { charge: Charge::of(self.ledger, taken), answer: self.answer }
    }
}

impl Served {
    pub(super) fn tell(self) {
        let _ = self.answer.send(self.charge);
    }
}

impl Waiting {
    /// What was asked for, once it is there.
    pub(super) async fn served(mut self) -> Charge {
        (&mut self.answer).await.expect("who is in the queue is served or leaves it")
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let left = self.ledger.queue().lock().remove(self.number);
        // Not while the queue is locked.
        drop(left);
    }
}
