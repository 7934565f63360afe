//! What each account may have and has.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{RESERVE, SMALL};

/// A number of units, and how many are taken. Changed while the
/// queue is locked ([`super::wait_queue`]).
#[derive(Debug)]
pub(super) struct Level {
    most: usize,
    used: AtomicUsize,
    /// Nobody waits for fewer. It may be too low, which costs a look.
    wanted: AtomicUsize,
}

/// What an account may have, with those above it.
pub(super) struct Limits {
    /// From the account to the server's: what is taken is taken of all of them.
    levels: Vec<Arc<Level>>,
    /// Of a principal's, and those below it: taken of one of them besides.
    either: Option<Either>,
    /// What all principals have together, but for the reserve.
    usual: Arc<Level>,
    most_waiting: usize,
    waiting: AtomicUsize,
}

#[derive(Debug, Clone)]
struct Either {
    /// The server's [`Limits::usual`].
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

impl Limits {
    pub(super) fn of_server(units: usize) -> Self {
        Self::new(vec![Level::new(units)], None, Level::new(units - units / RESERVE))
    }

    pub(super) fn share(&self, units: usize) -> Self {
        self.below(units, self.either.clone())
    }

    /// Below the server's.
    pub(super) fn of_principal(&self, units: usize) -> Self {
        let all = self.levels.last().map_or(0, |server| server.most);
        let (usual, reserved) = (self.usual.clone(), Level::new(all / SMALL));
        self.below(units, Some(Either { usual, reserved }))
    }

    /// The same, for which at most so many wait.
    pub(super) fn with_most_waiting(&self, most_waiting: usize) -> Self {
        let same = Self::new(self.levels.clone(), self.either.clone(), self.usual.clone());
        Self { most_waiting, ..same }
    }

    fn below(&self, units: usize, either: Option<Either>) -> Self {
        let levels = std::iter::once(Level::new(units)).chain(self.levels.iter().cloned());
        Self::new(levels.collect(), either, self.usual.clone())
    }

    fn new(levels: Vec<Arc<Level>>, either: Option<Either>, usual: Arc<Level>) -> Self {
        Self { levels, either, usual, most_waiting: usize::MAX, waiting: AtomicUsize::new(0) }
    }

    /// All that units are taken of.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Level>> {
        let either = self.either.iter().flat_map(|either| [&either.usual, &either.reserved]);
        self.levels.iter().chain(either)
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

    /// Gives units back, while the queue is locked.
    pub(super) fn give_back(&self, taken: Taken) {
        self.levels.iter().for_each(|level| level.give_back(taken.units()));
        if let Some(Either { usual, reserved }) = &self.either {
            usual.give_back(taken.usual);
            reserved.give_back(taken.reserved);
        }
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

    /// Whether as many wait for the account as may.
    pub(super) fn has_no_room_to_wait(&self) -> bool {
        self.waiting() >= self.most_waiting
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

impl fmt::Debug for Limits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Limits").field("levels", &self.levels).finish_non_exhaustive()
    }
}
