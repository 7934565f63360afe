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
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::limits::{Full, Level, Limits, Taken};
use super::{Charge, NoMemory};

/// Those who wait, of a whole server.
#[derive(Default)]
pub(super) struct WaitQueue(Mutex<Waiters>);

#[derive(Default)]
struct Waiters {
    /// By their numbers, which are in the order in which they came.
    all: BTreeMap<u64, Waiter>,
    /// By what is too full for them and their numbers: the units that they want.
    at: BTreeMap<(usize, u64), usize>,
    next: u64,
}

struct Waiter {
    limits: Arc<Limits>,
    units: usize,
    /// Where it stands in [`Waiters::at`].
    at: [Option<usize>; 2],
    answer: oneshot::Sender<Charge>,
}

/// A place in the queue, until it is dropped.
pub(super) struct Waiting {
    number: u64,
    queue: Arc<WaitQueue>,
    answer: oneshot::Receiver<Charge>,
}

/// Who has left the queue, and what it waited for.
struct Served {
    waiter: Waiter,
    taken: Taken,
}

impl WaitQueue {
    /// Takes units, if they are free.
    pub(super) fn try_take(&self, limits: &Limits, units: usize) -> Option<Taken> {
        let _locked = self.0.lock();
        limits.take(units).ok()
    }

    /// Takes units, or queues for them.
    pub(super) fn take_or_wait(
        self: &Arc<Self>,
        limits: &Arc<Limits>,
        units: usize,
    ) -> Result<Result<Charge, Waiting>, NoMemory> {
        let mut waiters = self.0.lock();
        match limits.take(units) {
            Ok(taken) => Ok(Ok(Charge::of(limits.clone(), self.clone(), taken))),
            Err(_) if limits.has_no_room_to_wait() => Err(NoMemory),
            Err(full) => {
                let (answer, receiver) = oneshot::channel();
                let number = waiters.push(limits, units, full, answer);
                Ok(Err(Waiting { number, queue: self.clone(), answer: receiver }))
            }
        }
    }

    /// Gives units back. Whoever they are enough for has them.
    pub(super) fn give_back(self: &Arc<Self>, limits: &Limits, taken: Taken) {
        let mut waiters = self.0.lock();
        limits.give_back(taken);
        let served = waiters.served(limits.all());
        drop(waiters);
        for Served { waiter, taken } in served {
            let charge = Charge::of(waiter.limits, self.clone(), taken);
            // Where nobody takes it any more it is given back here.
            let _ = waiter.answer.send(charge);
        }
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WaitQueue").finish_non_exhaustive()
    }
}

impl Waiters {
    /// One more, at the end.
    fn push(
        &mut self,
        limits: &Arc<Limits>,
        units: usize,
        full: Full<'_>,
        answer: oneshot::Sender<Charge>,
    ) -> u64 {
        let number = self.next;
        self.next += 1;
        let at = self.stand(number, units, full);
        self.all.insert(number, Waiter { limits: limits.clone(), units, at, answer });
        limits.waits();
        number
    }

    /// Those for whom there is enough now that something was given back to these.
    fn served<'a>(&mut self, levels: impl Iterator<Item = &'a Arc<Level>>) -> Vec<Served> {
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
        let (limits, units) = (waiter.limits.clone(), waiter.units);
        match limits.take(units) {
            Ok(taken) => Some(Served { waiter: self.remove(number)?, taken }),
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
        waiter.limits.waits_no_more();
        Some(waiter)
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
        let left = self.queue.0.lock().remove(self.number);
        // Not while the queue is locked.
        drop(left);
    }
}
