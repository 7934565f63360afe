//! What each account may have and has.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::wait_queue::{WaitQueue, Waiting};
use super::{Charge, NoMemory, RESERVE, SMALL};

/// A number of units, and how many are taken. Changed while the [`WaitQueue`] is locked.
#[derive(Debug)]
pub(super) struct Level {
    most: usize,
    used: AtomicUsize,
    /// Nobody waits for fewer. It may be too low, which costs a look.
    wanted: AtomicUsize,
}

/// What an account may have, with those above it.
pub(super) struct Ledger {
    /// From the account to the server's: what is taken is taken of all of them.
    levels: Vec<Arc<Level>>,
    /// Of a principal's, and those below it: taken of one of them besides.
    either: Option<Either>,
    queue: Arc<WaitQueue>,
    most_waiting: usize,
    waiting: AtomicUsize,
}

#[derive(Debug, Clone)]
struct Either {
    /// What all principals have together, but for the reserve.
    usual: Arc<Level>,
    /// What the principal has of the reserve.
    reserved: Arc<Level>,
}

/// Units that are taken of an account.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Taken {
    pub usual: usize,
    pub reserved: usize,
}

/// What is too full. If it is two, the units will be had when one of them is not.
pub(super) type Full<'a> = [Option<&'a Level>; 2];

impl Level {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let (used, wanted) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        Arc::new(Self { most, used, wanted })
    }

    /// No other has it while this one is there.
    pub(super) fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(super) fn free(&self) -> usize {
        self.most - self.used.load(Ordering::Relaxed)
    }

    /// Whether somebody may wait for what is free.
    pub(super) fn is_wanted(&self) -> bool {
        self.free() >= self.wanted.load(Ordering::Relaxed)
    }

    pub(super) fn want(&self, units: usize) {
        self.wanted.fetch_min(units, Ordering::Relaxed);
    }

    pub(super) fn set_wanted(&self, units: usize) {
        self.wanted.store(units, Ordering::Relaxed);
    }

    fn take(&self, units: usize) {
        self.used.fetch_add(units, Ordering::Relaxed);
    }

    fn give_back(&self, units: usize) {
        self.used.fetch_sub(units, Ordering::Relaxed);
    }
}

impl Taken {
    pub(super) fn units(self) -> usize {
        self.usual + self.reserved
    }

    pub(super) fn add(&mut self, other: Self) {
        self.usual += other.usual;
        self.reserved += other.reserved;
    }

    /// What is beyond so many units: of the reserve first, of which there is less.
    pub(super) fn split_off(&mut self, units: usize) -> Self {
        let beyond = self.units().saturating_sub(units);
        let reserved = beyond.min(self.reserved);
        let split = Self { usual: beyond - reserved, reserved };
        self.usual -= split.usual;
        self.reserved -= split.reserved;
        split
    }
}

impl Ledger {
    pub(super) fn of_server(units: usize) -> Self {
        let queue = Arc::new(WaitQueue::new(units - units / RESERVE));
        Self::new(vec![Level::new(units)], None, queue)
    }

    pub(super) fn share(&self, units: usize) -> Self {
        self.below(units, self.either.clone())
    }

    /// Below the server's.
    pub(super) fn of_principal(&self, units: usize) -> Self {
        let all = self.levels.last().map_or(0, |server| server.most);
        let (usual, reserved) = (self.queue.usual().clone(), Level::new(all / SMALL));
        self.below(units, Some(Either { usual, reserved }))
    }

    pub(super) fn with_queue(&self, most_waiting: usize) -> Self {
        let ledger = Self::new(self.levels.clone(), self.either.clone(), self.queue.clone());
        Self { most_waiting, ..ledger }
    }

    fn below(&self, units: usize, either: Option<Either>) -> Self {
        let levels = std::iter::once(Level::new(units)).chain(self.levels.iter().cloned());
        Self::new(levels.collect(), either, self.queue.clone())
    }

    fn new(levels: Vec<Arc<Level>>, either: Option<Either>, queue: Arc<WaitQueue>) -> Self {
        Self { levels, either, queue, most_waiting: usize::MAX, waiting: AtomicUsize::new(0) }
    }

    pub(super) fn queue(&self) -> &WaitQueue {
        &self.queue
    }

    /// Takes units, if they are free.
    pub(super) fn try_take(&self, units: usize) -> Option<Taken> {
        let _locked = self.queue.lock();
        self.take(units).ok()
    }

    /// Takes units, or queues for them.
    pub(super) fn take_or_wait(
        self: &Arc<Self>,
        units: usize,
    ) -> Result<Result<Charge, Waiting>, NoMemory> {
        let mut queue = self.queue.lock();
        match self.take(units) {
            Ok(taken) => Ok(Ok(Charge::of(self.clone(), taken))),
            Err(_) if self.waiting() >= self.most_waiting => Err(NoMemory),
            Err(full) => Ok(Err(queue.push(self, units, full))),
        }
    }

    /// Gives units back. Whoever they are enough for has them.
    pub(super) fn give_back(&self, taken: Taken) {
        let mut queue = self.queue.lock();
        self.levels.iter().for_each(|level| level.give_back(taken.units()));
        if let Some(Either { usual, reserved }) = &self.either {
            usual.give_back(taken.usual);
            reserved.give_back(taken.reserved);
        }
        let either = self.either.iter().flat_map(|either| [&either.usual, &either.reserved]);
        let served = queue.served(self.levels.iter().chain(either));
        drop(queue);
        // Where nobody takes it any more it is given back here.
        served.into_iter().for_each(|served| served.tell());
    }

    /// Takes units, while the queue is locked.
    pub(super) fn take(&self, units: usize) -> Result<Taken, Full<'_>> {
        let taken = self.fitting(units)?;
        self.levels.iter().for_each(|level| level.take(units));
        if let Some(Either { usual, reserved }) = &self.either {
            usual.take(taken.usual);
            reserved.take(taken.reserved);
        }
        Ok(taken)
    }

    fn fitting(&self, units: usize) -> Result<Taken, Full<'_>> {
        if let Some(full) = self.levels.iter().find(|level| level.free() < units) {
            return Err([Some(&**full), None]);
        }
        match &self.either {
            Some(Either { usual, reserved }) if usual.free() < units => match reserved.free() {
                free if free < units => Err([Some(&**usual), Some(&**reserved)]),
                _ => Ok(Taken { usual: 0, reserved: units }),
            },
            _ => Ok(Taken { usual: units, reserved: 0 }),
        }
    }

    /// One more waits for the account.
    pub(super) fn waits(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn waits_no_more(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many wait for the account.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Units of the account.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.levels[0].used.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ledger").field("levels", &self.levels).finish_non_exhaustive()
    }
}
