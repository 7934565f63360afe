//! Learning with a store in memory.

use std::time::Duration;

use bytes::Bytes;
use mcp_conductor_search::{Counts, Described, Ranking, Table, text_of};
use mcp_conductor_store::{Expected, Keep, Key, Limits, Namespace, Store, memory};

use super::*;
use crate::conversations::{Owner, Pair};
use crate::memory::SERVER_BYTES;

const QUERY: &str = "inform my colleagues of the outage";

fn store() -> Arc<dyn Store> {
    memory(Limits::DEFAULT)
}

fn of(store: &Arc<dyn Store>, principal: Option<&str>) -> Learning {
    let kept = Kept::new(store.clone(), None, principal);
    Learning::new(kept, Search::Table, Account::of_server(SERVER_BYTES))
}

fn tool(name: &str) -> (String, String) {
    ("up".to_owned(), name.to_owned())
}

fn pair(query: &str, name: &str) -> Usage {
    let pairs = vec![Pair { query: query.to_owned(), tool: tool(name) }];
    Usage { pairs, called: vec![tool(name)] }
}

/// Until nothing is read or written.
async fn settled(learning: &Learning) {
    while learning.0.state.lock().is_busy {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What is known after a look into the store.
async fn known(learning: &Learning) -> Option<Arc<Learned>> {
    learning.learned();
    settled(learning).await;
    learning.learned()
}

/// The score of the only tool for [`QUERY`], with which it has no word in common.
fn score(learned: Option<&Learned>) -> f32 {
    let description = "Posts a message to a channel of the team chat";
    let mut words = Counts::default();
    words.add(description, 1);
    let text = text_of("up", "post", description);
    let tool = Described { server: "up".into(), name: "post".into(), words, text };
    let found = Ranking::new(&[tool], &Table).search(QUERY, &Table, learned, &|| true);
    found.first().map_or(0.0, |(_, score)| *score)
}

#[tokio::test]
async fn what_is_learned_is_kept_and_is_its_principals_alone() {
    let store = store();
    let ada = of(&store, Some("ada"));
    ada.record(pair(QUERY, "post"));
    settled(&ada).await;
    let learned = ada.learned().expect("it is known at once");
    assert!(score(Some(&learned)) > score(None) + 0.05);
    // After a restart.
    let again = known(&of(&store, Some("ada"))).await.expect("it is kept");
    assert!(score(Some(&again)) > score(None) + 0.05);
    for other in [Some("bob"), None, Some("anonymous")] {
        assert_eq!(known(&of(&store, other)).await, None);
    }
}

#[tokio::test]
async fn two_replicas_that_learn_at_the_same_time_lose_nothing() {
    let store = store();
    let (one, other) = (of(&store, None), of(&store, None));
    // Both know a state that the other one changes.
    known(&one).await;
    known(&other).await;
    for at in 0..10 {
        one.record(pair(QUERY, &format!("one{at}")));
        other.record(pair(QUERY, &format!("other{at}")));
    }
    settled(&one).await;
    settled(&other).await;
    assert_eq!(known(&of(&store, None)).await.expect("it is kept").len(), 20);
}

#[tokio::test]
async fn what_another_replica_has_learned_is_known_after_a_while() {
    let store = store();
    let (one, other) = (of(&store, None), of(&store, None));
    assert_eq!(known(&one).await, None);
    other.record(pair(QUERY, "post"));
    settled(&other).await;
    assert_eq!(known(&one).await, None);
    one.0.state.lock().asked = None;
    assert!(known(&one).await.is_some());
}

#[tokio::test]
async fn more_runs_than_can_wait_are_not_learned_from_and_nothing_grows() {
    let learning = of(&store(), None);
    (0..1000).for_each(|at| learning.record(pair(QUERY, &at.to_string())));
    assert_eq!(learning.0.state.lock().waiting.len(), MAX_WAITING);
    settled(&learning).await;
    assert_eq!(learning.learned().expect("it is known").len(), MAX_WAITING);
}

#[tokio::test]
async fn tools_of_one_program_are_learned_together_and_one_alone_teaches_nothing() {
    let store = store();
    let learning = of(&store, None);
    learning.record(Usage { pairs: Vec::new(), called: vec![tool("a")] });
    assert!(!learning.0.state.lock().is_busy);
    learning.record(Usage { pairs: Vec::new(), called: vec![tool("a"), tool("b")] });
    settled(&learning).await;
    assert_eq!(learning.learned().expect("it is known").len(), 2);
}

async fn put(store: &Arc<dyn Store>, bytes: Vec<u8>) {
    let key = Key::new(Namespace::Learned, Owner::of(None).as_str());
    store.set(&key, Expected::Any, Bytes::from(bytes), Keep::Always).await.unwrap();
}

#[tokio::test]
async fn a_damaged_value_is_ignored_and_replaced() {
    for damaged in [vec![], vec![1], vec![1; 500_000], vec![1, 0xff, 0xff, 0xff, 0xff, 0x0f]] {
        let store = store();
        put(&store, damaged).await;
        let learning = of(&store, None);
        assert_eq!(known(&learning).await, None);
        learning.record(pair(QUERY, "post"));
        settled(&learning).await;
        assert_eq!(known(&of(&store, None)).await.expect("it is kept").len(), 1);
    }
}

#[tokio::test]
async fn what_a_newer_version_keeps_is_left_as_it_is() {
    let store = store();
    put(&store, vec![99, 1, 2, 3]).await;
    let learning = of(&store, None);
    learning.record(pair(QUERY, "post"));
    settled(&learning).await;
    let key = Key::new(Namespace::Learned, Owner::of(None).as_str());
    assert_eq!(&store.get(&key).await.unwrap().unwrap().value[..], [99, 1, 2, 3]);
    assert_eq!(learning.learned(), None);
}

#[tokio::test]
async fn the_administrator_forgets_one_principals_or_all() {
    let store = store();
    for who in [Some("ada"), Some("bob"), None] {
        let learning = of(&store, who);
        learning.record(pair(QUERY, "post"));
        settled(&learning).await;
    }
    let ada = Owner::of(Some("ada"));
    assert_eq!(forget(&*store, Some(&ada)).await, Ok(1));
    assert_eq!(forget(&*store, Some(&ada)).await, Ok(0));
    assert_eq!(known(&of(&store, Some("ada"))).await, None);
    assert!(known(&of(&store, Some("bob"))).await.is_some());
    assert_eq!(forget(&*store, None).await, Ok(2));
    assert_eq!(known(&of(&store, None)).await, None);
}

#[tokio::test]
async fn a_search_makes_no_store_where_there_is_none() {
    let directory = std::env::temp_dir().join(format!("learning-{}", std::process::id()));
    let kept = Kept::new(store(), Some(directory.clone()), None);
    put(&kept.store, vec![1]).await;
    assert!(matches!(kept.read().await, Ok((learned, Expected::Absent)) if learned.is_empty()));
    assert!(!directory.exists());
}

#[tokio::test]
async fn what_has_no_room_in_the_principals_memory_is_not_used() {
    let store = store();
    let learning = of(&store, None);
    learning.record(pair(QUERY, "post"));
    settled(&learning).await;
    let account = Account::of_server(1);
    let _all = account.try_charge(1);
    let small = Learning::new(Kept::new(store, None, None), Search::Table, account);
    assert_eq!(known(&small).await, None);
}
