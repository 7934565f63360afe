//! What every store does, wherever it keeps its entries.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcp_conductor_store::{
    Claim, Expected, Held, Keep, Key, Limits, MAX_NAME, MAX_VALUE, Namespace, Refill, Store,
    StoreError,
};

mod support;

use support::Kept;

const SHORT: Keep = Keep::For(Duration::from_millis(20));
const LONG: Keep = Keep::For(Duration::from_secs(3600));

fn key(name: &str) -> Key {
    Key::new(Namespace::Conversations, name)
}

async fn set(store: &Arc<dyn Store>, name: &str, value: &'static str) {
    let value = Bytes::from_static(value.as_bytes());
    store.set(&key(name), Expected::Any, value, Keep::Always).await.unwrap();
}

async fn text(store: &Arc<dyn Store>, name: &str) -> Option<String> {
    let entry = store.get(&key(name)).await.unwrap()?;
    Some(String::from_utf8(entry.value.to_vec()).unwrap())
}

/// Waits until an entry is there no more.
async fn gone(store: &Arc<dyn Store>, name: &str) {
    while store.get(&key(name)).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
}

async fn an_entry_is_read_as_it_was_set(store: Arc<dyn Store>) {
    assert_eq!(text(&store, "a").await, None);
    let value = Bytes::from_static(b"\0\xff\r\n");
    let version = store.set(&key("a"), Expected::Any, value.clone(), Keep::Always).await.unwrap();
    let entry = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((entry.value, entry.version), (value, version));
    set(&store, "a", "").await;
    assert_eq!(text(&store, "a").await.as_deref(), Some(""));
}

async fn namespaces_are_apart(store: Arc<dyn Store>) {
    for namespace in Namespace::ALL {
        let value = Bytes::from(namespace.name());
        let key = Key::new(namespace, "same");
        store.set(&key, Expected::Absent, value, Keep::Always).await.unwrap();
    }
    for namespace in Namespace::ALL {
        let entry = store.get(&Key::new(namespace, "same")).await.unwrap().unwrap();
        assert_eq!(entry.value, namespace.name());
        assert_eq!(store.list(namespace, "", None, 9).await.unwrap(), ["same"]);
    }
}

async fn an_entry_is_changed_only_in_the_state_that_was_read(store: Arc<dyn Store>) {
    let try_set = async |expected, value: &'static str| {
        store.set(&key("a"), expected, Bytes::from(value), Keep::Always).await
    };
    let first = try_set(Expected::Absent, "1").await.unwrap();
    assert_eq!(try_set(Expected::Absent, "2").await, Err(StoreError::Conflict));
    let second = try_set(Expected::Version(first), "2").await.unwrap();
    assert_eq!(try_set(Expected::Version(first), "3").await, Err(StoreError::Conflict));
    assert_eq!(text(&store, "a").await.as_deref(), Some("2"));
    assert!(store.remove(&key("a")).await.unwrap());
    assert_eq!(try_set(Expected::Version(second), "3").await, Err(StoreError::Conflict));
    let third = try_set(Expected::Absent, "2").await.unwrap();
    assert_ne!(third, second);
    assert_eq!(try_set(Expected::Version(second), "3").await, Err(StoreError::Conflict));
}

async fn one_of_many_changes_of_one_state_is_made(store: Arc<dyn Store>) {
    let calls = (0..20).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let value = Bytes::from(number.to_string());
            store.set(&key("a"), Expected::Absent, value, Keep::Always).await
        })
    });
    let mut made = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert_eq!(error, StoreError::Conflict),
        }
    }
    assert_eq!(made, 1);
}

async fn what_is_removed_is_there_no_more(store: Arc<dyn Store>) {
    assert!(!store.remove(&key("a")).await.unwrap());
    set(&store, "a", "1").await;
    assert!(store.remove(&key("a")).await.unwrap());
    assert!(!store.remove(&key("a")).await.unwrap());
    assert_eq!(text(&store, "a").await, None);
}

async fn an_entry_expires(store: Arc<dyn Store>) {
    let set = async |name, keep| {
        store.set(&key(name), Expected::Absent, Bytes::from("1"), keep).await.unwrap();
    };
    set("short", SHORT).await;
    set("long", LONG).await;
    gone(&store, "short").await;
    assert_eq!(text(&store, "long").await.as_deref(), Some("1"));
    assert_eq!(store.list(Namespace::Conversations, "", None, 9).await.unwrap(), ["long"]);
    assert!(!store.remove(&key("short")).await.unwrap());
    set("short", Keep::Always).await;
}

async fn a_later_set_decides_how_long_an_entry_is_kept(store: Arc<dyn Store>) {
    let set = async |name, keep| {
        store.set(&key(name), Expected::Any, Bytes::from("1"), keep).await.unwrap();
    };
    set("a", SHORT).await;
    set("a", Keep::Always).await;
    set("b", LONG).await;
    set("b", SHORT).await;
    set("last", SHORT).await;
    gone(&store, "last").await;
    assert_eq!(text(&store, "a").await.as_deref(), Some("1"));
    assert_eq!(text(&store, "b").await, None);
}

async fn a_counter_counts(store: Arc<dyn Store>) {
    assert_eq!(store.add(&key("a"), 5, Keep::Always).await, Ok(5));
    assert_eq!(store.add(&key("a"), -7, Keep::Always).await, Ok(-2));
    assert_eq!(text(&store, "a").await.as_deref(), Some("-2"));
    assert_eq!(store.list(Namespace::Conversations, "", None, 9).await.unwrap(), ["a"]);
    let large = 9_007_199_254_740_993;
    assert_eq!(store.add(&key("large"), large, Keep::Always).await, Ok(large));
    assert!(store.remove(&key("a")).await.unwrap());
    assert_eq!(store.add(&key("a"), 1, Keep::Always).await, Ok(1));
}

async fn a_counter_stops_at_its_ends(store: Arc<dyn Store>) {
    store.add(&key("a"), i64::MAX - 1, Keep::Always).await.unwrap();
    assert_eq!(store.add(&key("a"), 2, Keep::Always).await, Ok(i64::MAX));
    store.add(&key("b"), i64::MIN, Keep::Always).await.unwrap();
    assert_eq!(store.add(&key("b"), i64::MIN, Keep::Always).await, Ok(i64::MIN));
}

async fn a_counter_is_kept_from_when_it_was_made(store: Arc<dyn Store>) {
    // On a slow machine it may have expired before it is added to.
    while store.add(&key("a"), 1, SHORT).await != Ok(1)
        || store.add(&key("a"), 1, LONG).await != Ok(2)
    {
        store.remove(&key("a")).await.unwrap();
    }
    store.add(&key("b"), 1, Keep::Always).await.unwrap();
    store.add(&key("b"), 1, SHORT).await.unwrap();
    gone(&store, "a").await;
    assert_eq!(store.add(&key("a"), 1, Keep::Always).await, Ok(1));
    assert_eq!(text(&store, "b").await.as_deref(), Some("2"));
}

async fn every_addition_counts_once(store: Arc<dyn Store>) {
    let calls = (0..40).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.add(&key("a"), 1, LONG).await.unwrap() })
    });
    let mut counts = BTreeSet::new();
    for call in calls.collect::<Vec<_>>() {
        counts.insert(call.await.unwrap());
    }
    assert_eq!(counts, (1..=40).collect());
}

async fn an_entry_is_not_counted_and_a_counter_can_be_replaced(store: Arc<dyn Store>) {
    set(&store, "a", "1").await;
    assert_eq!(store.add(&key("a"), 1, Keep::Always).await, Err(StoreError::Conflict));
    store.add(&key("b"), 1, Keep::Always).await.unwrap();
    let version = store.get(&key("b")).await.unwrap().unwrap().version;
    store.add(&key("b"), 1, Keep::Always).await.unwrap();
    let replace =
        async |expected| store.set(&key("b"), expected, Bytes::from("2"), Keep::Always).await;
    assert_eq!(replace(Expected::Version(version)).await, Err(StoreError::Conflict));
    let version = store.get(&key("b")).await.unwrap().unwrap().version;
    let replaced = replace(Expected::Version(version)).await.unwrap();
    assert_ne!(replaced, version);
    assert_eq!(replace(Expected::Version(version)).await, Err(StoreError::Conflict));
}

/// A token in a minute: none comes back in a test.
const SLOW: Refill = Refill { per_minute: 1, burst: 5 };

/// A token in a millisecond.
const FAST: Refill = Refill { per_minute: 60_000, burst: 5 };

async fn a_bucket_gives_its_burst_and_says_when_there_is_more(store: Arc<dyn Store>) {
    let take = async |wanted| store.take(&key("a"), wanted, SLOW).await.unwrap();
    let first = take(3).await;
    assert_eq!((first.granted, first.wait), (3, Duration::ZERO));
    let second = take(3).await;
    assert_eq!(second.granted, 2);
    assert!(second.wait > Duration::from_secs(30) && second.wait <= Duration::from_secs(60));
    assert_eq!(take(1).await.granted, 0);
    assert_eq!(take(-2).await.granted, 0);
    assert_eq!(take(9).await.granted, 2);
    assert_eq!(store.take(&key("b"), 9, SLOW).await.unwrap().granted, 5);
}

async fn tokens_come_back(store: Arc<dyn Store>) {
    let take = async |wanted| store.take(&key("a"), wanted, FAST).await.unwrap().granted;
    let start = std::time::Instant::now();
    let mut taken = 0;
    while taken < 100 {
        taken += take(9).await;
    }
    assert!(start.elapsed() >= Duration::from_millis(90), "{:?}", start.elapsed());
    gone(&store, "a").await;
    assert_eq!(take(9).await, 5);
}

async fn every_token_is_given_once(store: Arc<dyn Store>) {
    let refill = Refill { burst: 30, ..SLOW };
    let calls = (0..40).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.take(&key("a"), 1, refill).await.unwrap().granted })
    });
    let mut taken = 0;
    for call in calls.collect::<Vec<_>>() {
        taken += call.await.unwrap();
    }
    assert_eq!(taken, 30);
}

async fn a_limit_is_held_by_all_together_and_no_longer_than_was_said(store: Arc<dyn Store>) {
    let hold = async |holder, used, wanted, time| {
        let claim = Claim { holder, used, wanted, limit: 4, time };
        store.hold(&key("a"), claim).await.unwrap()
    };
    let (short, long) = (Duration::from_millis(20), Duration::from_secs(3600));
    let held = |held, others, neediest| Held { held, others, neediest };
    assert_eq!(hold("a1", 0, 3, long).await, held(3, 0, None));
    assert_eq!(hold("b2", 1, 3, long).await, held(1, 3, None));
    assert_eq!(hold("a1", 0, 1, long).await, held(1, 1, Some(1)));
    assert_eq!(hold("b2", 0, 9, long).await, held(3, 1, None));
    // What is used is held.
    assert_eq!(hold("c3", 2, 2, long).await, held(2, 4, Some(3)));
    assert_eq!(hold("c3", 0, 1, long).await, held(0, 4, Some(3)));
    assert_eq!(hold("a1", 0, 1, long).await, held(1, 3, Some(0)));
    assert_eq!(hold("c3", 0, 0, long).await, held(0, 4, Some(3)));
    assert_eq!(hold("b2", 0, 3, short).await, held(3, 1, None));
    while hold("c3", 0, 9, long).await.held != 3 {}
    assert_eq!(hold("a1", 0, 0, long).await, held(0, 3, Some(3)));
    assert_eq!(hold("c3", 0, 0, long).await, held(0, 0, None));
    assert_eq!(text(&store, "a").await, None);
    let nobody = Claim { holder: "a b", used: 0, wanted: 1, limit: 1, time: long };
    assert!(store.hold(&key("a"), nobody).await.is_err());
}

async fn what_is_held_expires(store: Arc<dyn Store>) {
    let time = Duration::from_millis(20);
    let claim = Claim { holder: "a", used: 1, wanted: 1, limit: 1, time };
    store.hold(&key("a"), claim).await.unwrap();
    gone(&store, "a").await;
}

async fn what_is_something_else_is_neither_a_bucket_nor_a_limit(store: Arc<dyn Store>) {
    set(&store, "a", "1").await;
    assert_eq!(store.take(&key("a"), 1, SLOW).await, Err(StoreError::Conflict));
    store.add(&key("b"), 1, Keep::Always).await.unwrap();
    let time = Duration::from_secs(1);
    let claim = Claim { holder: "a", used: 0, wanted: 1, limit: 1, time };
    assert_eq!(store.hold(&key("b"), claim).await, Err(StoreError::Conflict));
}

async fn names_are_listed_in_order_and_in_pieces(store: Arc<dyn Store>) {
    for name in ["b/2", "a", "b/1", "b/3", "c", "b", "b*", "b/[", "ü"] {
        set(&store, name, "").await;
    }
    let other = Key::new(Namespace::Sessions, "b/4");
    store.set(&other, Expected::Any, Bytes::new(), Keep::Always).await.unwrap();
    let list = async |prefix, after, limit| {
        store.list(Namespace::Conversations, prefix, after, limit).await.unwrap()
    };
    assert_eq!(list("b/", None, 2).await, ["b/1", "b/2"]);
    assert_eq!(list("b/", Some("b/2"), 2).await, ["b/3", "b/["]);
    assert_eq!(list("b/", Some("b/["), 2).await, Vec::<String>::new());
    assert_eq!(list("b/", Some("a"), 1).await, ["b/1"]);
    assert_eq!(list("b/", Some("c"), 1).await, Vec::<String>::new());
    assert_eq!(list("b*", None, 9).await, ["b*"]);
    assert_eq!(list("b/[", None, 9).await, ["b/["]);
    assert_eq!(list("", Some("b/["), 9).await, ["c", "ü"]);
    assert_eq!(list("", None, 0).await, Vec::<String>::new());
}

async fn what_is_too_long_is_refused(store: Arc<dyn Store>) {
    let most = key(&"n".repeat(MAX_NAME));
    let value = Bytes::from(vec![7; MAX_VALUE]);
    store.set(&most, Expected::Any, value.clone(), Keep::Always).await.unwrap();
    assert_eq!(store.get(&most).await.unwrap().unwrap().value, value);
    let long = key(&"n".repeat(MAX_NAME + 1));
    let refused = StoreError::TooLarge { limit: MAX_NAME };
    assert_eq!(store.get(&long).await, Err(refused.clone()));
    assert_eq!(store.remove(&long).await, Err(refused.clone()));
    assert_eq!(store.add(&long, 1, Keep::Always).await, Err(refused.clone()));
    let set = async |key, value| store.set(key, Expected::Any, value, Keep::Always).await;
    assert_eq!(set(&long, Bytes::new()).await, Err(refused));
    let refused = StoreError::TooLarge { limit: MAX_VALUE };
    assert_eq!(set(&most, Bytes::from(vec![7; MAX_VALUE + 1])).await, Err(refused));
}

async fn it_says_what_it_is(store: Arc<dyn Store>) {
    set(&store, "a", "1").await;
    let status = store.check().await.unwrap();
    assert!(!status.place.is_empty());
    assert!(status.bytes.unwrap() > 0);
}

/// What a store that can be filled does.
async fn a_full_store_keeps_what_it_has(kept: &mut Kept) {
    let limits = Limits { bytes: 10_000 };
    let store = kept.limited(limits).await;
    let set = async |name: &str, bytes, keep| {
        store.set(&key(name), Expected::Any, Bytes::from(vec![7; bytes]), keep).await
    };
    set("a", 4000, Keep::Always).await.unwrap();
    set("short", 4000, Keep::For(Duration::from_secs(3))).await.unwrap();
    let full = StoreError::Full { limit: limits.bytes };
    assert_eq!(set("b", 4000, Keep::Always).await, Err(full.clone()));
    assert_eq!(set("a", 9000, Keep::Always).await, Err(full));
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().value.len(), 4000);
    set("a", 3000, Keep::Always).await.unwrap();
    gone(&store, "short").await;
    set("b", 4000, Keep::Always).await.unwrap();
    let status = store.check().await.unwrap();
    assert_eq!(status.entries, Some(2));
    assert!(status.bytes.unwrap() <= limits.bytes);
}

/// The suite, over one way of keeping entries.
macro_rules! conforms {
    ($($kept:ident),*; $($name:ident),*) => {
        conforms!(@ $($kept)*; ($($name)*));
    };
    (@ $($kept:ident)*; $names:tt) => {
        $(conforms!(= $kept; $names);)*
    };
    (= $kept:ident; ($($name:ident)*)) => {
        mod $kept {
            use super::Kept;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some(mut kept) = Kept::$kept() else { return };
                super::$name(kept.store().await).await;
            })*
        }
    };
}

conforms! {
    memory, embedded, redis;
    an_entry_is_read_as_it_was_set,
    namespaces_are_apart,
    an_entry_is_changed_only_in_the_state_that_was_read,
    one_of_many_changes_of_one_state_is_made,
    what_is_removed_is_there_no_more,
    an_entry_expires,
    a_later_set_decides_how_long_an_entry_is_kept,
    a_counter_counts,
    a_counter_stops_at_its_ends,
    a_counter_is_kept_from_when_it_was_made,
    every_addition_counts_once,
    an_entry_is_not_counted_and_a_counter_can_be_replaced,
    a_bucket_gives_its_burst_and_says_when_there_is_more,
    tokens_come_back,
    every_token_is_given_once,
    a_limit_is_held_by_all_together_and_no_longer_than_was_said,
    what_is_held_expires,
    what_is_something_else_is_neither_a_bucket_nor_a_limit,
    names_are_listed_in_order_and_in_pieces,
    what_is_too_long_is_refused,
    it_says_what_it_is
}

#[tokio::test]
async fn a_full_store_in_memory_keeps_what_it_has() {
    a_full_store_keeps_what_it_has(&mut Kept::memory().unwrap()).await;
}

#[tokio::test]
async fn a_full_file_keeps_what_it_has() {
    a_full_store_keeps_what_it_has(&mut Kept::embedded().unwrap()).await;
}
