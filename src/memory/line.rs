//! What the accounts of a server have, and the line of those who wait until something is
//! given back.
//!
//! When it is, all who wait are looked at in the order in which they came, and each who
//! fits has what it asked for, charged on its behalf. Who does not fit keeps its place and
//! leaves the rest to those behind it. So:
//!
//! - Of two who fit, the one who came first is served first.
//! - Nobody passes by asking anew: nobody in the line fits what is left of the memory.
//! - Who wants much may be passed by those who want little, for as long as it has
//!   patience. A line that kept what comes free for its first would stand still where the
//!   first wants much: a run whose small answers wait behind it could give nothing back.
//! - What one principal can take in this way ends with its share, and the reserve
//!   ([`super::RESERVE`]) is beyond who holds much.
//!
//! Each account knows how much of it must be free before one who waits may fit, so that
//! the line is looked through only where that is so.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{Charge, NoMemory, RESERVE, SMALL};

/// What one account may have and has, in units. Changed while its [`Line`] is locked.
#[derive(Debug)]
struct Level {
    most: usize,
    used: AtomicUsize,
    /// The least that must be free of it for one who waits. Too little costs a look.
    wanted: AtomicUsize,
    /// Of a principal's.
    reserve: Option<Reserve>,
}

#[derive(Debug, Clone, Copy)]
struct Reserve {
    /// Who has no more may take it.
    small: usize,
    /// What all others leave of the server's.
    left: usize,
}

/// What an account may have, with those above it.
pub(super) struct Books {
    /// From the account to the server's.
    levels: Vec<Arc<Level>>,
    line: Arc<Line>,
    /// How many may wait for it at the same time.
    most_waiting: usize,
}

/// Those who wait, of a whole server.
#[derive(Default)]
struct Line(Mutex<Waiters>);

#[derive(Default)]
struct Waiters {
    /// By their numbers.
    all: Vec<Waiter>,
    next: u64,
}

struct Waiter {
    number: u64,
    books: Arc<Books>,
    units: usize,
    answer: oneshot::Sender<Charge>,
}

/// A place in the line, until it is dropped.
pub(super) struct Waiting {
    number: u64,
    books: Arc<Books>,
    answer: oneshot::Receiver<Charge>,
}

impl Level {
    fn new(most: usize, reserve: Option<Reserve>) -> Arc<Self> {
        let (used, wanted) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        Arc::new(Self { most, used, wanted, reserve })
    }

    fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn free(&self) -> usize {
        self.most - self.used()
    }

    fn is_wanted(&self) -> bool {
        self.free() >= self.wanted.load(Ordering::Relaxed)
    }
}

impl Books {
    pub(super) fn of_server(units: usize) -> Self {
        let levels = vec![Level::new(units, None)];
        Self { levels, line: Arc::default(), most_waiting: usize::MAX }
    }

    pub(super) fn share(&self, units: usize) -> Self {
        self.below(Level::new(units, None))
    }

    /// Below the server's, with its reserve.
    pub(super) fn of_principal(&self, units: usize) -> Self {
        let all = self.server().most;
        let reserve = Reserve { small: all / SMALL, left: all / RESERVE };
        self.below(Level::new(units, Some(reserve)))
    }

    pub(super) fn with_line(&self, most_waiting: usize) -> Self {
        Self { levels: self.levels.clone(), line: self.line.clone(), most_waiting }
    }

    fn below(&self, level: Arc<Level>) -> Self {
        let levels = std::iter::once(level).chain(self.levels.iter().cloned());
        let (levels, line) = (levels.collect(), self.line.clone());
        Self { levels, line, most_waiting: usize::MAX }
    }

    fn server(&self) -> &Level {
        self.levels.last().expect("there is a level at least")
    }

    /// Takes units, if they are free.
    pub(super) fn try_take(&self, units: usize) -> bool {
        let _line = self.line.lock();
        self.take(units, false)
    }

    /// Takes units, or gets in line for them.
    pub(super) fn take_or_wait(
        self: &Arc<Self>,
        units: usize,
    ) -> Result<Result<Charge, Waiting>, NoMemory> {
        let mut line = self.line.lock();
        if self.take(units, false) {
            return Ok(Ok(Charge::of(self.clone(), units)));
        }
        if self.most_waiting < usize::MAX && line.of(self).count() >= self.most_waiting {
            return Err(NoMemory);
        }
        self.take(units, true);
        Ok(Err(line.push(self, units)))
    }

    /// Gives units back, and serves those who fit then.
    pub(super) fn give_back(&self, units: usize) {
        let mut line = self.line.lock();
        for level in &self.levels {
            level.used.fetch_sub(units, Ordering::Relaxed);
        }
        if line.all.is_empty() || !self.levels.iter().any(|level| level.is_wanted()) {
            return;
        }
        self.nobody_wants();
        let served = line.served();
        // Who takes no answer any more gives its units back here.
        drop(line);
        for Waiter { books, units, answer, .. } in served {
            let _ = answer.send(Charge::of(books, units));
        }
    }

    /// Takes units, if they are free. Else, for one who waits, each level is told that
    /// keeps it from that.
    fn take(&self, units: usize, waits: bool) -> bool {
        let lacking = self.lacking(units);
        if lacking[0].is_none() {
            for level in &self.levels {
                level.used.fetch_add(units, Ordering::Relaxed);
            }
            return true;
        }
        for (level, free) in lacking.into_iter().flatten().filter(|_| waits) {
            level.wanted.fetch_min(free, Ordering::Relaxed);
        }
        false
    }

    /// What must be free of a level for so many units. Where there are two, one will do.
    fn lacking(&self, units: usize) -> [Option<(&Level, usize)>; 2] {
        if let Some(full) = self.levels.iter().find(|level| level.free() < units) {
            return [Some((&**full, units)), None];
        }
        match self.levels.iter().find_map(|level| Some((level, level.reserve?))) {
            Some((principal, reserve)) => self.lacking_beside(reserve, principal, units),
            None => [None, None],
        }
    }

    /// Who has little, with this, may have the last of it; others leave the reserve.
    fn lacking_beside<'a>(
        &'a self,
        Reserve { small, left }: Reserve,
        principal: &'a Level,
        units: usize,
    ) -> [Option<(&'a Level, usize)>; 2] {
        let server = self.server();
        let has_little = principal.used() + units <= small;
        if units == 0 || has_little || server.free() >= units + left {
            return [None, None];
        }
        // It may give back so much itself that it has little.
        let own = (units <= small).then(|| (principal, principal.most - small + units));
        [Some((server, units + left)), own]
    }

    fn nobody_wants(&self) {
        for level in &self.levels {
            level.wanted.store(usize::MAX, Ordering::Relaxed);
        }
    }

    /// Units of the account.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.levels[0].used()
    }

    /// How many wait for the account.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.line.lock().of(self).count()
    }
}

impl fmt::Debug for Books {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Books").field("levels", &self.levels).finish_non_exhaustive()
    }
}

impl Line {
    /// A panic between two changes leaves numbers that are still right.
    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiters {
    /// Those of one account.
    fn of(&self, books: &Books) -> impl Iterator<Item = &Waiter> {
        self.all.iter().filter(move |waiter| std::ptr::eq(&*waiter.books, books))
    }

    fn push(&mut self, books: &Arc<Books>, units: usize) -> Waiting {
        let (sender, receiver) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        self.all.push(Waiter { number, books: books.clone(), units, answer: sender });
        Waiting { number, books: books.clone(), answer: receiver }
    }

    /// Takes those out who fit, the first of them first, with what they asked for.
    fn served(&mut self) -> Vec<Waiter> {
        for waiter in &self.all {
            waiter.books.nobody_wants();
        }
        self.all.extract_if(.., |waiter| waiter.books.take(waiter.units, true)).collect()
    }

    fn remove(&mut self, number: u64) {
        if let Ok(at) = self.all.binary_search_by_key(&number, |waiter| waiter.number) {
            self.all.remove(at);
        }
    }
}

impl Waiting {
    /// What was asked for, once it is there.
    pub(super) async fn served(mut self) -> Charge {
        (&mut self.answer).await.expect("who is in line is served or leaves it")
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.books.line.lock().remove(self.number);
    }
}
