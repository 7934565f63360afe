//! Several replicas over one store in memory.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use mcp_conductor_store::{
    Claim, Entry, Expected, Held, Keep, Limits, Refill, StoreError, StoreStatus, Taken, Version,
    memory,
};
use tokio::time::sleep;

use super::*;

fn store() -> Arc<dyn Store> {
    memory(Limits::DEFAULT)
}

fn replica(store: &Arc<dyn Store>) -> SharedLimits {
    SharedLimits::new(store.clone(), Arc::new(Metrics::new())).unwrap()
}

/// One that is not reached while it is cut off: its calls never end.
#[derive(Debug)]
struct Cut {
    store: Arc<dyn Store>,
    is_cut: AtomicBool,
    /// Calls so far.
    asked: AtomicUsize,
}

impl Cut {
    fn off(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, is_cut: AtomicBool::new(false), asked: AtomicUsize::new(0) })
    }

    fn set(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn reached(&self) -> &dyn Store {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_cut.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        &*self.store
    }
}

#[async_trait]
impl Store for Cut {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.reached().await.get(key).await
    }

    async fn set(
        &self,
        key: &Key,
        expected: Expected,
        value: Bytes,
        keep: Keep,
    ) -> Result<Version, StoreError> {
        self.reached().await.set(key, expected, value, keep).await
    }

    async fn remove(&self, key: &Key) -> Result<bool, StoreError> {
        self.reached().await.remove(key).await
    }

    async fn add(&self, key: &Key, delta: i64, keep: Keep) -> Result<i64, StoreError> {
        self.reached().await.add(key, delta, keep).await
    }

    async fn take(&self, key: &Key, wanted: i32, refill: Refill) -> Result<Taken, StoreError> {
        self.reached().await.take(key, wanted, refill).await
    }

    async fn hold(&self, key: &Key, claim: Claim<'_>) -> Result<Held, StoreError> {
        self.reached().await.hold(key, claim).await
    }

    async fn list(
        &self,
        namespace: Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.reached().await.list(namespace, prefix, after, limit).await
    }

    async fn check(&self) -> Result<StoreStatus, StoreError> {
        self.reached().await.check().await
    }
}

/// Calls without a pause until `end`, and counts those that are granted.
async fn load(rate: SharedRate, end: Instant) -> u32 {
    let mut granted = 0;
    while Instant::now() < end {
        match rate.take().await {
            RateAnswer::Granted => granted += 1,
            RateAnswer::Refused(wait) => sleep(wait.min(Duration::from_millis(20))).await,
            RateAnswer::Alone => panic!("the store answers"),
        }
    }
    granted
}

#[tokio::test]
async fn three_replicas_together_keep_the_rate() {
    let store = store();
    let start = Instant::now();
    let end = start + Duration::from_secs(2);
    let loads = (0..3).map(|_| {
        let rate = replica(&store).rate(Some("ada"), 12_000, 20).unwrap();
        tokio::spawn(load(rate, end))
    });
    let mut granted = 0;
    for load in loads.collect::<Vec<_>>() {
        granted += load.await.unwrap();
    }
    let allowed = 20.0 + 200.0 * start.elapsed().as_secs_f64();
    assert!(f64::from(granted) <= 1.1 * allowed, "{granted} of {allowed}");
}

#[tokio::test]
async fn replicas_that_come_and_are_killed_change_nothing() {
    let store = store();
    let (start, mut granted) = (Instant::now(), 0);
    for _ in 0..5 {
        let cut = Cut::off(store.clone());
        let end = Instant::now() + Duration::from_millis(400);
        let loads = (0..2).map(|_| {
            let rate = replica(&(cut.clone() as Arc<dyn Store>)).rate(Some("ada"), 12_000, 20);
            tokio::spawn(load(rate.unwrap(), end))
        });
        for load in loads.collect::<Vec<_>>() {
            granted += load.await.unwrap();
        }
        // Nothing is given back.
        cut.set(true);
    }
    let allowed = 20.0 + 200.0 * start.elapsed().as_secs_f64();
    assert!(f64::from(granted) <= 1.1 * allowed, "{granted} of {allowed}");
}

#[tokio::test]
async fn a_small_limit_is_exact() {
    let store = store();
    let rates: Vec<_> = (0..3).map(|_| replica(&store).rate(None, 6, 5).unwrap()).collect();
    let mut granted = 0;
    for rate in rates.iter().cycle().take(30) {
        match rate.take().await {
            RateAnswer::Granted => granted += 1,
            RateAnswer::Refused(wait) => {
                assert!(wait > Duration::from_secs(5) && wait <= Duration::from_secs(10));
            }
            RateAnswer::Alone => panic!("the store answers"),
        }
    }
    assert_eq!(granted, 5);
}

#[tokio::test]
async fn principals_have_limits_of_their_own() {
    let store = store();
    for name in [Some("ada"), Some("eve"), Some(""), None] {
        let rate = replica(&store).rate(name, 1, 1).unwrap();
        assert_eq!(rate.take().await, RateAnswer::Granted);
        assert!(matches!(rate.take().await, RateAnswer::Refused(_)));
    }
    assert!(replica(&store).rate(None, 0, 5).is_none());
}

#[tokio::test]
async fn what_was_taken_beforehand_and_is_not_used_is_given_back() {
    let store = store();
    let [ada, other] = [(); 2].map(|()| replica(&store).rate(None, 600, 20).unwrap());
    // A demand, for which it takes one more.
    assert_eq!(ada.take().await, RateAnswer::Granted);
    let mut granted = 1;
    let start = Instant::now();
    // All that are there, which is what was not given back, too.
    while granted < 20 && start.elapsed() < Duration::from_secs(20) {
        match other.take().await {
            RateAnswer::Granted => granted += 1,
            RateAnswer::Refused(wait) => sleep(wait).await,
            RateAnswer::Alone => panic!("the store answers"),
        }
    }
    assert_eq!(granted, 20);
}

#[tokio::test]
async fn many_calls_at_once_are_each_answered() {
    let rate = Arc::new(replica(&store()).rate(None, 60, 100).unwrap());
    let calls = (0..150).map(|_| {
        let rate = rate.clone();
        tokio::spawn(async move { rate.take().await })
    });
    let mut granted = 0;
    for call in calls.collect::<Vec<_>>() {
        granted += usize::from(call.await.unwrap() == RateAnswer::Granted);
    }
    assert!((100..=101).contains(&granted), "{granted}");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_waited_for_once_and_found_again() {
    let cut = Cut::off(store());
    let limits = replica(&(cut.clone() as Arc<dyn Store>));
    let rate = limits.rate(None, 60, 100).unwrap();
    assert_eq!(rate.take().await, RateAnswer::Granted);
    cut.set(true);
    // Some may be held.
    while rate.take().await == RateAnswer::Granted {}
    let before = cut.asked();
    for _ in 0..1000 {
        assert_eq!(rate.take().await, RateAnswer::Alone);
    }
    // Trials, at most.
    let asked = cut.asked() - before;
    assert!(asked < 100, "{asked}");
    assert_eq!(limits.slots("ada", 2, 2).allowed(), usize::MAX);
    cut.set(false);
    while rate.take().await == RateAnswer::Alone {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(matches!(rate.take().await, RateAnswer::Granted));
}

/// The programs of a replica.
#[derive(Default)]
struct Programs {
    running: AtomicUsize,
    waiting: AtomicUsize,
}

impl Demand for Programs {
    fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    fn wanted(&self) -> usize {
        self.running() + self.waiting.load(Ordering::SeqCst)
    }

    fn serve(&self) {}
}

/// The slots of a replica, and its programs.
struct Runs {
    slots: SharedSlots,
    programs: Arc<Programs>,
}

impl Runs {
    fn of(limits: &SharedLimits, limit: usize) -> Self {
        Self { slots: limits.slots("ada", limit, 100), programs: Arc::default() }
    }

    /// Begins a run if there is a slot.
    async fn begins(&self) -> bool {
        let arriving = self.slots.arrive(self.programs.clone()).await;
        let begins = self.programs.running() < self.slots.allowed();
        self.programs.running.fetch_add(usize::from(begins), Ordering::SeqCst);
        drop(arriving);
        begins
    }

    fn ends(&self) {
        self.programs.running.fetch_sub(1, Ordering::SeqCst);
        self.slots.has_left();
    }

    /// Waits until there are slots for so many.
    async fn allows(&self, runs: usize) {
        self.programs.waiting.store(runs, Ordering::SeqCst);
        while self.slots.allowed() < runs {
            drop(self.slots.arrive(self.programs.clone()).await);
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn replicas_together_have_the_slots_of_one_limit() {
    let store = store();
    let replicas: Vec<_> = (0..3).map(|_| Runs::of(&replica(&store), 4)).collect();
    let mut running = 0;
    for runs in replicas.iter().cycle().take(12) {
        running += usize::from(runs.begins().await);
    }
    assert_eq!(running, 4);
    // Who ends one leaves its slot to another.
    replicas[0].ends();
    replicas[2].allows(2).await;
    assert!(replicas[2].begins().await);
    assert!(!replicas[0].begins().await);
}

#[tokio::test]
async fn runs_from_before_a_change_of_settings_count_beside_those_after_it() {
    let limits = replica(&store());
    let [before, after] = [(); 2].map(|()| Runs::of(&limits, 2));
    assert!(before.begins().await && after.begins().await);
    assert!(!before.begins().await && !after.begins().await);
}

#[tokio::test]
async fn a_replica_with_a_queue_leaves_a_slot_to_one_that_has_none() {
    let store = store();
    let here = Arc::new(Runs::of(&replica(&store), 1));
    let there = Runs::of(&replica(&store), 1);
    assert!(here.begins().await);
    here.programs.waiting.store(5, Ordering::SeqCst);
    let busy = here.clone();
    let load = tokio::spawn(async move {
        loop {
            sleep(Duration::from_millis(5)).await;
            busy.ends();
            while !busy.begins().await {
                sleep(Duration::from_millis(5)).await;
            }
        }
    });
    there.allows(1).await;
    assert!(there.begins().await);
    there.programs.waiting.store(0, Ordering::SeqCst);
    // And gets it back.
    there.ends();
    here.allows(1).await;
    load.abort();
}

#[tokio::test]
async fn slots_that_are_not_used_are_given_back() {
    let store = store();
    let [ada, other] = [(); 2].map(|()| Runs::of(&replica(&store), 20));
    for _ in 0..10 {
        assert!(ada.begins().await);
    }
    for _ in 0..10 {
        ada.ends();
    }
    other.allows(20).await;
}

#[tokio::test]
async fn a_run_after_another_needs_no_call_of_the_store() {
    let cut = Cut::off(store());
    let runs = Runs::of(&replica(&(cut.clone() as Arc<dyn Store>)), 20);
    assert!(runs.begins().await);
    let before = cut.asked();
    for _ in 0..100 {
        runs.ends();
        assert!(runs.begins().await);
    }
    // Renewals, at most.
    let asked = cut.asked() - before;
    assert!(asked < 50, "{asked}");
}

#[tokio::test]
async fn the_slots_of_a_replica_that_is_gone_are_given_to_others() {
    let store = store();
    let cut = Cut::off(store.clone());
    let gone = Runs::of(&replica(&(cut.clone() as Arc<dyn Store>)), 2);
    let other = Runs::of(&replica(&store), 2);
    assert!(gone.begins().await && gone.begins().await);
    assert!(!other.begins().await);
    cut.set(true);
    let start = Instant::now();
    other.allows(2).await;
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn without_the_store_a_replica_has_its_own_limit_and_then_the_one_of_all_again() {
    let store = store();
    let cut = Cut::off(store.clone());
    let here = Runs::of(&replica(&(cut.clone() as Arc<dyn Store>)), 2);
    let there = Runs::of(&replica(&store), 2);
    cut.set(true);
    assert!(here.begins().await && here.begins().await && here.begins().await);
    assert_eq!(here.slots.allowed(), usize::MAX);
    cut.set(false);
    while here.slots.allowed() == usize::MAX {
        sleep(Duration::from_millis(10)).await;
    }
    // What it runs counts.
    here.allows(3).await;
    assert!(!there.begins().await);
    for _ in 0..3 {
        here.ends();
    }
    here.programs.waiting.store(0, Ordering::SeqCst);
    there.allows(2).await;
}
