//! Concurrent runs over all replicas: each replica holds a part of the limit in the store, and says
//! again every [`RENEW`] what it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mcp_conductor_store::{Claim, Held, Key};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::PATIENCE;
use super::standing::Standing;

/// How often a replica says what it holds, and gives back what it has not used.
pub(crate) const RENEW: Duration = Duration::from_secs(1);

/// When others have the slots of a replica that says nothing: it may miss two times.
const TIME: Duration = RENEW.saturating_mul(3);

/// How often a replica asks that has programs waiting for slots which others hold.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Slots are given back at once, and not at the next [`RENEW`], where more than so many tenths of
/// the limit are held.
const CROWDED_TENTHS: u64 = 8;

/// How often a replica leaves a slot to another that has fewer and needs one.
const LEAVE: Duration = RENEW;

/// How long it does not ask for that slot again: so long that the other has asked for it.
const LEFT: Duration = ASK_AGAIN.saturating_mul(2);

/// The runs of one principal on this replica.
pub(crate) trait Demand: Send + Sync {
    /// Runs now.
    fn running(&self) -> usize;
    /// Runs that could begin if there were slots for all, with those that run.
    fn wanted(&self) -> usize;
    /// There may be slots for more.
    fn serve(&self);
}

/// The concurrent runs of one principal over all replicas. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SharedSlots(Arc<Lease>);

struct Lease {
    standing: Arc<Standing>,
    key: Key,
    /// What names this lease in the store.
    holder: String,
    limit: u32,
    /// Those of the limit that this replica may have by its own settings.
    most: usize,
    /// What this replica holds.
    held: AtomicU32,
    /// Callers that are about to enter the queue.
    arriving: AtomicU32,
    rounds: Mutex<Rounds>,
    answered: watch::Sender<u64>,
    /// The demand has changed.
    changed: Notify,
}

#[derive(Default)]
struct Rounds {
    /// Questions so far.
    begun: u64,
    is_kept: bool,
    is_crowded: bool,
    /// The last answer was less than what was needed.
    is_short: bool,
    leaving: Option<Leaving>,
    /// When a slot was last left to another replica.
    left: Option<Instant>,
}

/// A slot that is left to another replica.
struct Leaving {
    /// The most that this one has meanwhile.
    most: u32,
    /// Since when the store has it. Until then a run still has it.
    since: Option<Instant>,
}

impl Rounds {
    /// The most that may be held now.
    fn most(&self) -> u32 {
        self.leaving.as_ref().map_or(u32::MAX, |leaving| leaving.most)
    }

    /// Decides whether a slot is left to the neediest of the others.
    fn share(&mut self, Held { held, neediest, .. }: Held) {
        let now = Instant::now();
        if let Some(leaving) = &mut self.leaving {
            if held > leaving.most {
                return;
            }
            let since = *leaving.since.get_or_insert(now);
            if now.saturating_duration_since(since) < LEFT {
                return;
            }
            (self.leaving, self.left) = (None, Some(now));
        }
        let has_more = neediest
            .is_some_and(|least| held > least.saturating_add(1) || (held == 1 && least == 0));
        if has_more && self.left.is_none_or(|left| left.elapsed() >= LEAVE) {
            self.leaving = Some(Leaving { most: held - 1, since: None });
        }
    }
}

/// Somebody who is about to enter the queue.
pub(crate) struct Arriving<'a>(&'a Lease);

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.0.arriving.fetch_sub(1, Ordering::SeqCst);
    }
}

impl SharedSlots {
    pub(super) fn new(
        standing: Arc<Standing>,
        key: Key,
        holder: String,
        (limit, most): (u32, usize),
    ) -> Self {
        Self(Arc::new(Lease {
            standing,
            key,
            holder,
            limit,
            most: most.min(limit as usize),
            held: AtomicU32::new(0),
            arriving: AtomicU32::new(0),
            rounds: Mutex::default(),
            answered: watch::Sender::new(0),
            changed: Notify::new(),
        }))
    }

    /// The limit of all replicas together.
    pub(crate) fn limit(&self) -> usize {
        self.0.limit as usize
    }

    /// Runs that this replica may have now, as far as the others are concerned.
    pub(crate) fn allowed(&self) -> usize {
        match self.0.standing.is_alone() {
            true => usize::MAX,
            false => self.0.held.load(Ordering::SeqCst) as usize,
        }
    }

    /// Gets a slot for one more run if others leave one, and waits for the store where this replica
    /// holds none that is free: for two calls of it, and each no longer than [`PATIENCE`]. Who gets
    /// none waits in the queue. What this returns is kept until the caller is in there.
    pub(crate) async fn arrive(&self, demand: Arc<dyn Demand>) -> Arriving<'_> {
        let lease = &self.0;
        lease.arriving.fetch_add(1, Ordering::SeqCst);
        let arriving = Arriving(lease);
        if lease.wanted(&*demand) <= self.allowed() {
            return arriving;
        }
        let round = {
            let mut rounds = lease.rounds.lock();
            if !std::mem::replace(&mut rounds.is_kept, true) {
                tokio::spawn(keep(lease.clone(), demand));
            } else if rounds.is_short {
                // It is asked again every ASK_AGAIN.
                return arriving;
            }
            rounds.begun + 1
        };
        lease.changed.notify_one();
        let mut answered = lease.answered.subscribe();
        let answer = answered.wait_for(|answered| *answered >= round);
        drop(timeout(PATIENCE * 2, answer).await);
        arriving
    }

    /// A run has ended: its slot may be another replica's.
    pub(crate) fn has_left(&self) {
        if self.0.rounds.lock().is_crowded {
            self.0.changed.notify_one();
        }
    }
}

impl Lease {
    /// Slots that runs and callers of this replica could use.
    fn wanted(&self, demand: &dyn Demand) -> usize {
        let arriving = self.arriving.load(Ordering::SeqCst) as usize;
        demand.wanted().saturating_add(arriving).min(self.most)
    }

    /// Says what is needed, and takes down what was given. How long until the next question, or
    /// None if nothing is held.
    async fn renew(&self, demand: &dyn Demand, gives_back: bool) -> Option<Duration> {
        let (round, is_crowded, most) = {
            let mut rounds = self.rounds.lock();
            rounds.begun += 1;
            (rounds.begun, rounds.is_crowded, rounds.most())
        };
        let held = self.held.load(Ordering::SeqCst);
        let needed = whole(self.wanted(demand));
        let wanted = if gives_back || is_crowded { needed } else { needed.max(held) }.min(most);
        // No run begins with a slot that is given back; one that has begun is counted after that.
        self.held.fetch_min(wanted, Ordering::SeqCst);
        let used = whole(demand.running());
        let (limit, time) = (self.limit, TIME);
        let claim = Claim { holder: &self.holder, used, wanted: wanted.max(used), limit, time };
        let answer = self.standing.ask(self.standing.store.hold(&self.key, claim)).await;
        let next = self.answered(demand, answer, needed);
        self.answered.send_replace(round);
        demand.serve();
        next
    }

    fn answered(&self, demand: &dyn Demand, answer: Option<Held>, needed: u32) -> Option<Duration> {
        let mut rounds = self.rounds.lock();
        let Some(given @ Held { held, others, .. }) = answer else {
            // What others have is not known when the store is there again.
            self.held.store(0, Ordering::SeqCst);
            (rounds.is_short, rounds.is_crowded, rounds.leaving) = (false, false, None);
            return self.goes_on(demand, &mut rounds).then_some(RENEW);
        };
        rounds.is_short = held < needed;
        let all = 10 * (u64::from(held) + u64::from(others));
        rounds.is_crowded = rounds.is_short || all > CROWDED_TENTHS * u64::from(self.limit);
        rounds.share(given);
        self.held.store(held.min(rounds.most()), Ordering::SeqCst);
        if held > 0 || needed > 0 || self.goes_on(demand, &mut rounds) {
            return Some(if rounds.is_short { ASK_AGAIN } else { RENEW });
        }
        rounds.is_kept = false;
        None
    }

    /// Whether there are runs, or callers that want one.
    fn goes_on(&self, demand: &dyn Demand, rounds: &mut Rounds) -> bool {
        rounds.is_kept = self.wanted(demand) > 0;
        rounds.is_kept
    }
}

/// Renews what a replica holds, until that is nothing.
async fn keep(lease: Arc<Lease>, demand: Arc<dyn Demand>) {
    let mut gives_back = false;
    while let Some(next) = lease.renew(&*demand, gives_back).await {
        gives_back = timeout(next, lease.changed.notified()).await.is_err();
    }
}

fn whole(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
