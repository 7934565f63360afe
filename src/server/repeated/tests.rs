//! Two replicas over one store.

use std::time::Duration;

use mcp_conductor_store::{Claim, Held, Limits, Refill, Store, Taken, memory};
use rmcp::model::{CallToolResult, ContentBlock};

use super::*;

const KEPT: Duration = Duration::from_secs(600);

fn replica(name: &str, store: &Arc<dyn Store>) -> Arc<Replica> {
    Replica::for_tests(name, store)
}

fn call(key: &str, fingerprint: &str) -> Asked {
    Asked { key: key.to_owned(), fingerprint: fingerprint.to_owned() }
}

async fn kept_for(
    kept: Duration,
    replica: &Arc<Replica>,
    principal: &str,
    asked: Asked,
) -> Result<Keyed, RepeatError> {
    let who =
        Who { principal: Some(principal), kept, longest: KEPT, stop: None, in_use: Arc::default() };
    begin(replica, who, asked).await
}

async fn ask(replica: &Arc<Replica>, principal: &str, asked: Asked) -> Result<Keyed, RepeatError> {
    kept_for(KEPT, replica, principal, asked).await
}

async fn of_alice(replica: &Arc<Replica>, key: &str) -> Result<Keyed, RepeatError> {
    ask(replica, "alice", call(key, "f")).await
}

/// A call that is to be made.
#[track_caller]
fn new(keyed: Result<Keyed, RepeatError>) -> Arc<Pending> {
    match keyed {
        Ok(Keyed::New(pending)) => pending,
        Ok(Keyed::Made(answer)) => panic!("made: {answer:?}"),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn refused(keyed: Result<Keyed, RepeatError>) -> RepeatError {
    keyed.err().expect("it is refused")
}

fn said(text: &str) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

async fn ends(pending: &Arc<Pending>, text: &str) {
    pending.begins();
    pending.ends(Ok(&said(text)), ()).await;
}

/// What a call that was made came to.
#[track_caller]
fn text_of(keyed: Result<Keyed, RepeatError>) -> String {
    match keyed {
        Ok(Keyed::Made(answer)) => {
            let result = answer.as_ref().clone().into_result().unwrap();
            result.content[0].as_text().unwrap().text.clone()
        }
        Ok(Keyed::New(_)) => panic!("it is made again"),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_repetition_gets_the_kept_answer_at_every_replica() {
    let store = memory(Limits::DEFAULT);
    let (one, other) = (replica("one", &store), replica("other", &store));
    ends(&new(of_alice(&one, "k").await), "42").await;
    for replica in [&one, &other] {
        assert_eq!(text_of(of_alice(replica, "k").await), "42");
    }
}

#[tokio::test]
async fn a_call_that_runs_is_not_made_a_second_time() {
    let store = memory(Limits::DEFAULT);
    let (one, other) = (replica("one", &store), replica("other", &store));
    let pending = new(of_alice(&one, "k").await);
    pending.begins();
    for replica in [&one, &other, &one] {
        assert_eq!(refused(of_alice(replica, "k").await), RepeatError::Running);
    }
}

#[tokio::test]
async fn a_key_of_another_call_is_refused_while_it_runs_and_afterwards() {
    let store = memory(Limits::DEFAULT);
    let one = replica("one", &store);
    let pending = new(of_alice(&one, "k").await);
    let other = || ask(&one, "alice", call("k", "other"));
    assert_eq!(refused(other().await), RepeatError::Other);
    ends(&pending, "42").await;
    assert_eq!(refused(other().await), RepeatError::Other);
}

#[tokio::test]
async fn principals_have_keys_of_their_own() {
    let store = memory(Limits::DEFAULT);
    let one = replica("one", &store);
    ends(&new(of_alice(&one, "k").await), "hers").await;
    ends(&new(ask(&one, "bob", call("k", "g")).await), "his").await;
    assert_eq!(text_of(of_alice(&one, "k").await), "hers");
}

#[tokio::test]
async fn whether_a_call_of_a_replica_that_is_gone_was_made_is_not_known() {
    let store = memory(Limits::DEFAULT);
    let (one, other) = (replica("one", &store), replica("other", &store));
    let pending = new(of_alice(&one, "k").await);
    pending.begins();
    // As when its sign has expired.
    one.ends_here().await;
    let unknown = RepeatError::Unknown { replica: "one".to_owned() };
    assert_eq!(refused(of_alice(&other, "k").await), unknown);
    // It lives after all, and was only not heard of.
    pending.ends(Ok(&said("late")), ()).await;
    assert_eq!(text_of(of_alice(&other, "k").await), "late");
}

#[tokio::test]
async fn a_call_whose_handler_is_lost_is_not_said_to_run() {
    let store = memory(Limits::DEFAULT);
    let one = replica("one", &store);
    let pending = new(of_alice(&one, "k").await);
    pending.begins();
    drop(pending);
    assert!(matches!(refused(of_alice(&one, "k").await), RepeatError::Unknown { .. }));
}

/// Waits until a call can be made.
async fn made_at_last(replica: &Arc<Replica>, key: &str) -> Arc<Pending> {
    loop {
        match of_alice(replica, key).await {
            Ok(Keyed::New(pending)) => return pending,
            Ok(Keyed::Made(_)) => {}
            Err(error) => assert_eq!(error, RepeatError::Running),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_call_that_was_refused_before_it_began_can_be_repeated() {
    let store = memory(Limits::DEFAULT);
    let one = replica("one", &store);
    drop(new(of_alice(&one, "k").await));
    let pending = made_at_last(&one, "k").await;
    // Such as one for which there is no slot.
    pending.begins();
    pending.was_not_made();
    pending.ends(Ok(&said("Busy")), ()).await;
    drop(pending);
    ends(&made_at_last(&one, "k").await, "42").await;
    assert_eq!(text_of(of_alice(&one, "k").await), "42");
}

#[tokio::test]
async fn of_an_answer_that_is_too_large_it_is_kept_that_the_call_was_made() {
    let store = memory(Limits::DEFAULT);
    let one = replica("one", &store);
    ends(&new(of_alice(&one, "k").await), &"x".repeat(1 << 20)).await;
    let error = refused(of_alice(&one, "k").await);
    assert!(matches!(error, RepeatError::TooLarge { bytes } if bytes > 1 << 20), "{error}");
}

#[tokio::test]
async fn a_principal_has_so_much_room_and_another_has_its_own() {
    let store = memory(Limits::DEFAULT);
    let one = replica("one", &store);
    let large = "x".repeat(700 << 10);
    // 23 of these are 16 MiB; of those behind them only that they were made is kept.
    for number in 0..24 {
        ends(&new(of_alice(&one, &number.to_string()).await), &large).await;
    }
    assert_eq!(text_of(of_alice(&one, "0").await), large);
    assert!(matches!(refused(of_alice(&one, "23").await), RepeatError::TooLarge { .. }));
    let rest = MOST_BYTES / CALL_BYTES;
    let mut full = None;
    for number in 0..rest {
        match of_alice(&one, &format!("small{number}")).await {
            Ok(Keyed::New(pending)) => ends(&pending, "").await,
            other => {
                full = other.err();
                break;
            }
        }
    }
    assert_eq!(full, Some(RepeatError::TooMany { kept: KEPT }));
    ends(&new(ask(&one, "bob", call("k", "f")).await), "42").await;
}

#[tokio::test]
async fn what_another_version_wrote_is_not_taken_for_no_call() {
    let store = memory(Limits::DEFAULT);
    let one = replica("one", &store);
    let key = Key::new(Namespace::Calls, format!("{}/k", owner_of(Some("alice"))));
    store.set(&key, Expected::Any, "{}".into(), Keep::Always).await.unwrap();
    assert_eq!(refused(of_alice(&one, "k").await), RepeatError::Unreadable);
}

#[tokio::test]
async fn of_many_that_ask_at_once_one_makes_the_call() {
    let store = memory(Limits::DEFAULT);
    let replicas = ["one", "two", "three"].map(|name| replica(name, &store));
    let asked = (0..30).map(|number| of_alice(&replicas[number % 3], "k"));
    let all = futures::future::join_all(asked).await;
    let made = all.iter().filter(|keyed| matches!(keyed, Ok(Keyed::New(_)))).count();
    assert_eq!(made, 1);
    for keyed in all {
        assert!(matches!(keyed, Ok(Keyed::New(_)) | Err(RepeatError::Running)));
    }
}

#[tokio::test]
async fn a_call_that_runs_is_not_forgotten_when_an_answer_would_be() {
    let store = memory(Limits::DEFAULT);
    let one = replica("one", &store);
    let short = || kept_for(Duration::from_millis(1), &one, "alice", call("k", "f"));
    let pending = new(short().await);
    pending.begins();
    // As long as an answer would be kept.
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(refused(short().await), RepeatError::Running);
    pending.ends(Ok(&said("42")), ()).await;
    drop(pending);
    // An answer expires, and the key is free.
    drop(made_at_last(&one, "k").await);
}

/// A store that can be made to fail: before it does what it is asked, or behind it.
#[derive(Debug)]
struct Failing {
    inner: Arc<dyn Store>,
    how: parking_lot::Mutex<Option<Failure>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// Nothing is done.
    Away,
    /// What is set is set, and nobody hears of it.
    Unheard,
}

impl Failing {
    fn new() -> Arc<Self> {
        Arc::new(Self { inner: memory(Limits::DEFAULT), how: parking_lot::Mutex::default() })
    }

    fn fails(&self, how: Option<Failure>) {
        *self.how.lock() = how;
    }

    fn is(&self, how: Failure) -> Result<(), StoreError> {
        if *self.how.lock() == Some(how) { Err(StoreError::Timeout) } else { Ok(()) }
    }
}

#[async_trait::async_trait]
impl Store for Failing {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.is(Failure::Away)?;
        self.inner.get(key).await
    }

    async fn set(
        &self,
        key: &Key,
        expected: Expected,
        value: bytes::Bytes,
        keep: Keep,
    ) -> Result<mcp_conductor_store::Version, StoreError> {
        self.is(Failure::Away)?;
        let version = self.inner.set(key, expected, value, keep).await;
        if key.namespace == Namespace::Calls {
            self.is(Failure::Unheard)?;
        }
        version
    }

    async fn remove(&self, key: &Key) -> Result<bool, StoreError> {
        self.is(Failure::Away)?;
        self.inner.remove(key).await
    }

    async fn add(&self, key: &Key, delta: i64, keep: Keep) -> Result<i64, StoreError> {
        self.is(Failure::Away)?;
        self.inner.add(key, delta, keep).await
    }

    async fn take(&self, key: &Key, wanted: i32, refill: Refill) -> Result<Taken, StoreError> {
        self.is(Failure::Away)?;
        self.inner.take(key, wanted, refill).await
    }

    async fn hold(&self, key: &Key, claim: Claim<'_>) -> Result<Held, StoreError> {
        self.is(Failure::Away)?;
        self.inner.hold(key, claim).await
    }

    async fn list(
        &self,
        namespace: Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.inner.list(namespace, prefix, after, limit).await
    }

    async fn check(&self) -> Result<mcp_conductor_store::StoreStatus, StoreError> {
        self.inner.check().await
    }
}

#[tokio::test]
async fn without_a_store_no_call_is_made() {
    let store = Failing::new();
    let one = Replica::for_tests("one", &(store.clone() as Arc<dyn Store>));
    store.fails(Some(Failure::Away));
    assert_eq!(refused(of_alice(&one, "k").await), RepeatError::Store(StoreError::Timeout));
    store.fails(None);
    ends(&made_at_last(&one, "k").await, "42").await;
}

#[tokio::test]
async fn a_note_that_was_made_unheard_is_removed_and_the_call_can_be_made() {
    let store = Failing::new();
    let one = Replica::for_tests("one", &(store.clone() as Arc<dyn Store>));
    store.fails(Some(Failure::Unheard));
    assert_eq!(refused(of_alice(&one, "k").await), RepeatError::Store(StoreError::Timeout));
    store.fails(None);
    ends(&made_at_last(&one, "k").await, "42").await;
    assert_eq!(text_of(of_alice(&one, "k").await), "42");
}

#[tokio::test]
async fn a_repetition_whose_store_fails_leaves_the_entry_of_the_call_that_runs() {
    let store = Failing::new();
    let one = Replica::for_tests("one", &(store.clone() as Arc<dyn Store>));
    let pending = new(of_alice(&one, "k").await);
    pending.begins();
    store.fails(Some(Failure::Unheard));
    assert_eq!(refused(of_alice(&one, "k").await), RepeatError::Store(StoreError::Timeout));
    store.fails(None);
    let name = format!("{}/k", owner_of(Some("alice")));
    while one.notes(&name) > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(refused(of_alice(&one, "k").await), RepeatError::Running);
}

#[tokio::test]
async fn an_answer_that_the_store_did_not_take_is_kept_when_it_is_back() {
    let store = Failing::new();
    let one = Replica::for_tests("one", &(store.clone() as Arc<dyn Store>));
    let pending = new(of_alice(&one, "k").await);
    store.fails(Some(Failure::Away));
    ends(&pending, "42").await;
    drop(pending);
    store.fails(None);
    let mut answer = of_alice(&one, "k").await;
    while matches!(answer, Err(RepeatError::Running)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        answer = of_alice(&one, "k").await;
    }
    assert_eq!(text_of(answer), "42");
}
