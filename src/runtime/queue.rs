//! Slots for runs, and a bounded queue before them. Each principal has a share of
//! both: the next slot goes to the one that has the fewest runs.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::ExecuteError;
use super::share::Share;
use crate::config::Config;
use crate::config::environment::{
    MAX_CONCURRENT, MAX_QUEUE, MAX_QUEUE_WAIT, PRINCIPAL_CONCURRENT, PRINCIPAL_QUEUE,
};
use crate::shared_limits::SharedSlots;

/// All slots and all who wait. Cheap to clone.
#[derive(Clone)]
pub(super) struct Queue(Arc<QueueState>);

struct QueueState {
    line: Mutex<Line>,
    tickets: AtomicU64,
    max_concurrent: usize,
    max_waiting: usize,
    max_wait: Duration,
}

#[derive(Default)]
struct Line {
    running: usize,
    waiting: usize,
    /// Those that have a run or wait for one.
    shares: HashMap<u64, State>,
    /// Grants so far: who was served last waits longest among equals.
    grants: u64,
}

#[derive(Default)]
struct State {
    running: usize,
    /// Of these the ones that have their result, and only have to exit.
    ending: usize,
    max_running: usize,
    shared: Option<SharedSlots>,
    served: u64,
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// Runs now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Executions {
    pub active: usize,
    pub waiting: usize,
    /// As many can be active.
    pub maximum: usize,
}

/// A slot among the runs, given back when dropped.
pub(super) struct Slot {
    queue: Queue,
    share: u64,
    ending: bool,
}

/// Priority of a principal's runs when CPUs are scarce.
pub(super) struct Way {
    queue: Queue,
    share: u64,
}

impl Queue {
    pub(super) fn new(config: &Config) -> Self {
        Self(Arc::new(QueueState {
            line: Mutex::default(),
            tickets: AtomicU64::new(0),
            max_concurrent: config.max_concurrent(),
            max_waiting: config.max_queue(),
            max_wait: config.max_queue_wait(),
        }))
    }

    /// A share of at most so many runs and so many that wait.
    pub(super) fn share(&self, max_concurrent: usize, max_waiting: usize) -> Share {
        Share { id: self.next_number(), max_concurrent, max_waiting, shared: None }
    }

    /// A share of everything.
    pub(super) fn whole(&self) -> Share {
        self.share(self.0.max_concurrent, self.0.max_waiting)
    }

    /// Programs that may run or wait.
    pub(super) fn places(&self) -> usize {
        let all = self.0.max_concurrent.saturating_add(self.0.max_waiting);
        all.min(Semaphore::MAX_PERMITS)
    }

    /// Waits for a slot.
    pub(super) async fn enter(&self, share: &Share) -> Result<Slot, ExecuteError> {
        let arriving = match &share.shared {
            Some(shared) => Some(shared.arrive().await),
            None => None,
        };
        let arrived = self.arrive(share);
        drop(arriving);
        let mut waiter = match arrived? {
            Arrived::Slot(slot) => return Ok(slot),
            Arrived::Waiter(waiter) => waiter,
        };
        match timeout(self.0.max_wait, &mut waiter.granted).await {
            Ok(_) => Ok(waiter.take()),
            Err(_) => {
                let (most, variable) = share.limit(self.0.max_concurrent);
                let waited = self.0.max_wait.as_millis();
                Err(ExecuteError::Busy(format!(
                    "Busy: no slot among {most} runs ({variable}) after {waited} ms \
                     ({MAX_QUEUE_WAIT}). Try again later"
                )))
            }
        }
    }

    /// What of a share is in use.
    pub(super) fn use_of(&self, share: &Share) -> Executions {
        let line = self.line();
        let state = line.shares.get(&share.id);
        Executions {
            active: state.map_or(0, |state| state.running),
            waiting: state.map_or(0, |state| state.waiting.len()),
            maximum: share.max_concurrent,
        }
    }

    /// What of all slots is in use.
    pub(super) fn use_of_all(&self) -> Executions {
        let line = self.line();
        let (active, waiting) = (line.running, line.waiting);
        Executions { active, waiting, maximum: self.0.max_concurrent }
    }

    pub(super) fn active(&self) -> usize {
        self.line().running
    }

    pub(super) fn waiting(&self) -> usize {
        self.line().waiting
    }

    /// Whether one more run would be refused.
    pub(super) fn is_full(&self) -> bool {
        let line = self.line();
        line.running >= self.0.max_concurrent && line.waiting >= self.0.max_waiting
    }

    /// Runs of a share, and those that wait.
    pub(super) fn demand(&self, share: u64) -> (usize, usize) {
        let line = self.line();
        line.shares.get(&share).map_or((0, 0), |state| (state.running, state.waiting.len()))
    }

    /// Gives slots to those that may have one now.
    pub(super) fn serve(&self) {
        let mut line = self.line();
        while line.running < self.0.max_concurrent && line.serve_next() {}
    }

    fn arrive(&self, share: &Share) -> Result<Arrived, ExecuteError> {
        let mut line = self.line();
        let (running, waiting) = (line.running, line.waiting);
        let state = line.shares.entry(share.id).or_default();
        state.max_running = share.max_concurrent;
        state.shared = share.shared.as_ref().map(|shared| shared.slots.clone());
        let own = state.waiting.len();
        if own == 0 && state.may_run_another() && running < self.0.max_concurrent {
            line.grant(share.id);
            drop(line);
            return Ok(Arrived::Slot(Slot { queue: self.clone(), share: share.id, ending: false }));
        }
        let refused = if waiting >= self.0.max_waiting {
            let (most, line) = (self.0.max_concurrent, self.0.max_waiting);
            format!(
                "{most} programs are running ({MAX_CONCURRENT}) and {line} are waiting \
                 ({MAX_QUEUE})"
            )
        } else if own >= share.max_waiting {
            let (most, line) = (share.most(), share.max_waiting);
            format!(
                "{most} of your programs are running ({PRINCIPAL_CONCURRENT}) and {line} are \
                 waiting ({PRINCIPAL_QUEUE})"
            )
        } else {
            let ticket = self.next_number();
            let (sender, granted) = oneshot::channel();
            state.waiting.push_back((ticket, sender));
            line.waiting += 1;
            let waiter =
                Waiter { queue: self.clone(), share: share.id, ticket, granted, done: false };
            return Ok(Arrived::Waiter(waiter));
        };
        line.forget(share.id);
        Err(ExecuteError::Busy(format!("Busy: {refused}. Try again later")))
    }

    /// A run ended: its slot goes to the next.
    fn leave(&self, share: u64, was_ending: bool) {
        let mut line = self.line();
        line.running -= 1;
        let mut shared = None;
        if let Some(state) = line.shares.get_mut(&share) {
            state.running -= 1;
            state.ending -= usize::from(was_ending);
            shared = state.shared.clone();
        }
        line.forget(share);
        while line.running < self.0.max_concurrent && line.serve_next() {}
        drop(line);
        if let Some(slots) = shared {
            slots.has_left();
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.line.lock()
    }

    fn next_number(&self) -> u64 {
        self.0.tickets.fetch_add(1, Ordering::Relaxed)
    }
}

impl State {
    /// Whether one more run is within the share, here and over all replicas.
    fn may_run_another(&self) -> bool {
        self.running < self.max_running
            && self.shared.as_ref().is_none_or(|slots| self.running < slots.allowed())
    }
}

impl Line {
    fn grant(&mut self, share: u64) {
        self.running += 1;
        self.grants += 1;
        let grants = self.grants;
        let state = self.shares.entry(share).or_default();
        state.running += 1;
        state.served = grants;
    }

    /// Gives a slot to who has the fewest runs. Whether somebody could take it.
    fn serve_next(&mut self) -> bool {
        let may_run = |state: &State| !state.waiting.is_empty() && state.may_run_another();
        let next = self
            .shares
            .iter()
            .filter(|(_, state)| may_run(state))
            .min_by_key(|(_, state)| (state.running, state.served))
            .map(|(share, _)| *share);
        let Some(share) = next else { return false };
        let first = self.shares.get_mut(&share).and_then(|state| state.waiting.pop_front());
        let Some((_, sender)) = first else { return false };
        self.waiting -= 1;
        self.grant(share);
        // A waiter that is gone gives the slot back when it is dropped.
        let _ = sender.send(());
        true
    }

    /// Keeps no state of a principal that has nothing here.
    fn forget(&mut self, share: u64) {
        let is_idle = |state: &State| state.running == 0 && state.waiting.is_empty();
        if self.shares.get(&share).is_some_and(is_idle) {
            self.shares.remove(&share);
        }
    }
}

enum Arrived {
    Slot(Slot),
    Waiter(Waiter),
}

/// Somebody in the line. Dropping it leaves the line, or the slot that it was given.
struct Waiter {
    queue: Queue,
    share: u64,
    ticket: u64,
    granted: oneshot::Receiver<()>,
    done: bool,
}

impl Waiter {
    fn take(mut self) -> Slot {
        self.done = true;
        Slot { queue: self.queue.clone(), share: self.share, ending: false }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let mut line = self.queue.line();
        let state = line.shares.get_mut(&self.share);
        let place = state
            .as_ref()
            .and_then(|state| state.waiting.iter().position(|(ticket, _)| *ticket == self.ticket));
        match (state, place) {
            (Some(state), Some(place)) => {
                state.waiting.remove(place);
                line.waiting -= 1;
                line.forget(self.share);
            }
            _ => {
                drop(line);
                self.queue.leave(self.share, false);
            }
        }
    }
}

impl Slot {
    pub(super) fn way(&self) -> Way {
        Way { queue: self.queue.clone(), share: self.share }
    }

    /// The run has its result: its process only has to exit.
    pub(super) fn ends(&mut self) {
        if !std::mem::replace(&mut self.ending, true)
            && let Some(state) = self.queue.line().shares.get_mut(&self.share)
        {
            state.ending += 1;
        }
    }
}

impl Way {
    /// Whether the principal has more than one run here: then others' come first.
    pub(super) fn is_given(&self) -> bool {
        let line = self.queue.line();
        let runs = |state: &State| state.running - state.ending + state.waiting.len();
        line.shares.get(&self.share).is_some_and(|state| runs(state) > 1)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.queue.leave(self.share, self.ending);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(concurrent: usize, waiting: usize, wait_ms: u64) -> Queue {
        Queue::new(
            &Config::default()
                .with_max_concurrent(concurrent)
                .with_max_queue(waiting)
                .with_max_queue_wait(Duration::from_millis(wait_ms)),
        )
    }

    /// Lets a waiter take its place in the line.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_run_past_the_queues_end_is_refused_at_once() {
        let queue = queue(1, 0, 1000);
        let share = queue.whole();
        let _first = queue.enter(&share).await.unwrap();
        assert_eq!(
            queue.enter(&share).await.err().unwrap().to_string(),
            "Busy: 1 programs are running (MCP_CONDUCTOR_MAX_CONCURRENT) and 0 are waiting \
             (MCP_CONDUCTOR_MAX_QUEUE). Try again later"
        );
    }

    #[tokio::test]
    async fn a_waiting_run_gets_the_place_that_is_given_back() {
        let queue = queue(1, 1, 5000);
        let share = queue.whole();
        let first = queue.enter(&share).await.unwrap();
        let (second, ()) = tokio::join!(queue.enter(&share), async { drop(first) });
        assert!(second.is_ok());
        assert_eq!(queue.active(), 1);
    }

    #[tokio::test]
    async fn a_wait_ends() {
        let queue = queue(1, 1, 10);
        let share = queue.whole();
        let _first = queue.enter(&share).await.unwrap();
        let message = queue.enter(&share).await.err().unwrap().to_string();
        assert!(message.contains("after 10 ms (MCP_CONDUCTOR_MAX_QUEUE_WAIT)"), "{message}");
        assert_eq!(queue.waiting(), 0);
    }

    #[tokio::test]
    async fn a_principal_at_its_share_waits_while_another_runs_at_once() {
        let queue = queue(4, 8, 5000);
        let (alice, bob) = (queue.share(1, 1), queue.share(1, 1));
        let first = queue.enter(&alice).await.unwrap();
        let (second, ()) = tokio::join!(queue.enter(&alice), async {
            settle().await;
            assert_eq!((queue.active(), queue.waiting()), (1, 1));
            let third = queue.enter(&alice).await.err().unwrap().to_string();
            assert_eq!(
                third,
                "Busy: 1 of your programs are running (MCP_CONDUCTOR_PRINCIPAL_CONCURRENT) and 1 \
                 are waiting (MCP_CONDUCTOR_PRINCIPAL_QUEUE). Try again later"
            );
            drop(queue.enter(&bob).await.unwrap());
            drop(first);
        });
        drop(second.unwrap());
        assert_eq!((queue.active(), queue.waiting()), (0, 0));
        assert!(queue.line().shares.is_empty());
    }

    #[tokio::test]
    async fn a_principal_with_several_runs_gives_way_and_one_with_a_single_run_does_not() {
        let queue = queue(8, 8, 5000);
        let (alice, bob) = (queue.share(4, 4), queue.share(4, 4));
        let first = queue.enter(&alice).await.unwrap();
        let other = queue.enter(&bob).await.unwrap();
        assert!(!first.way().is_given() && !other.way().is_given());
        let second = queue.enter(&alice).await.unwrap();
        assert!(first.way().is_given() && second.way().is_given() && !other.way().is_given());
        drop(second);
        assert!(!first.way().is_given());
    }

    #[tokio::test]
    async fn a_run_that_has_its_result_is_not_counted_against_the_next() {
        let queue = queue(8, 8, 5000);
        let alice = queue.share(4, 4);
        let mut first = queue.enter(&alice).await.unwrap();
        first.ends();
        let second = queue.enter(&alice).await.unwrap();
        assert!(!second.way().is_given());
        drop((first, second));
        assert!(queue.line().shares.is_empty());
    }

    #[tokio::test]
    async fn the_next_place_goes_to_who_has_the_fewest_runs() {
        let queue = queue(2, 8, 5000);
        let (alice, bob) = (Arc::new(queue.share(2, 8)), Arc::new(queue.share(2, 8)));
        let slots = [queue.enter(&alice).await.unwrap(), queue.enter(&alice).await.unwrap()];
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (name, share) in [("alice", &alice), ("alice", &alice), ("bob", &bob)] {
            let (queue, share, order) = (queue.clone(), share.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let slot = queue.enter(&share).await.unwrap();
                order.lock().push(name);
                slot
            }));
            settle().await;
        }
        for slot in slots {
            drop(slot);
            settle().await;
        }
        assert_eq!(*order.lock(), ["bob", "alice"]);
        for task in tasks {
            drop(tokio::time::timeout(Duration::from_secs(5), task).await.unwrap().unwrap());
        }
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_leaves_the_line_and_a_place_that_it_was_just_given() {
        let queue = queue(1, 8, 5000);
        let share = queue.whole();
        let first = queue.enter(&share).await.unwrap();
        let mut waiting = Box::pin(queue.enter(&share));
        assert!(futures::poll!(&mut waiting).is_pending());
        let mut granted = Box::pin(queue.enter(&share));
        assert!(futures::poll!(&mut granted).is_pending());
        drop(waiting);
        assert_eq!(queue.waiting(), 1);
        drop(first);
        assert_eq!((queue.active(), queue.waiting()), (1, 0));
        drop(granted);
        assert_eq!((queue.active(), queue.waiting()), (0, 0));
    }
}
