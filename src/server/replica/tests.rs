//! Two replicas over one store.

use mcp_conductor_store::{Limits, memory};

use super::*;

fn replica(name: &str, store: &Arc<dyn Store>) -> Arc<Replica> {
    Replica::new(name.to_owned(), store.clone(), true)
}

/// Waits until what is noted behind the requests is written.
async fn until<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    while !holds().await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_replica_lives_for_others_once_it_has_shown_it_and_until_it_ends() {
    let store = memory(Limits::DEFAULT);
    let (one, other) = (replica("one", &store), replica("other", &store));
    assert_eq!(other.lives(one.incarnation()).await, Ok(false));
    one.shows_life().await.unwrap();
    assert_eq!(other.lives(one.incarnation()).await, Ok(true));
    one.ends_here().await;
    assert_eq!(other.lives(one.incarnation()).await, Ok(false));
}

#[tokio::test]
async fn another_replica_names_the_owner_of_a_session_until_it_ends() {
    let store = memory(Limits::DEFAULT);
    let (one, other) = (replica("one", &store), replica("other", &store));
    let here = SessionNotes::of(&one, Some("alice")).unwrap();
    let there = SessionNotes::of(&other, Some("alice")).unwrap();
    assert_eq!(there.owner_of("s").await, None);
    here.begins("s");
    until(|| async { there.owner_of("s").await.is_some() }).await;
    assert_eq!(there.owner_of("s").await.as_deref(), Some("one"));
    // The owner itself would have answered.
    assert_eq!(here.owner_of("s").await, None);
    here.ends("s");
    until(|| async { there.owner_of("s").await.is_none() }).await;
}

#[tokio::test]
async fn a_session_of_another_principal_is_not_revealed() {
    let store = memory(Limits::DEFAULT);
    let (one, other) = (replica("one", &store), replica("other", &store));
    SessionNotes::of(&one, Some("alice")).unwrap().begins("s");
    let hers = SessionNotes::of(&other, Some("alice")).unwrap();
    until(|| async { hers.owner_of("s").await.is_some() }).await;
    for principal in [Some("mallory"), Some(""), None] {
        assert_eq!(SessionNotes::of(&other, principal).unwrap().owner_of("s").await, None);
    }
}

#[tokio::test]
async fn a_session_of_a_replica_that_is_gone_has_no_owner() {
    let store = memory(Limits::DEFAULT);
    let (one, other) = (replica("one", &store), replica("other", &store));
    SessionNotes::of(&one, None).unwrap().begins("s");
    let there = SessionNotes::of(&other, None).unwrap();
    until(|| async { there.owner_of("s").await.is_some() }).await;
    // As when its sign has expired.
    store.remove(&sign_of(one.incarnation())).await.unwrap();
    assert_eq!(there.owner_of("s").await, None);
}

#[tokio::test]
async fn a_name_that_somebody_else_wrote_into_the_store_is_not_passed_on() {
    let store = memory(Limits::DEFAULT);
    let (one, other) = (replica("evil\r\nSet-Cookie: a", &store), replica("other", &store));
    SessionNotes::of(&one, None).unwrap().begins("s");
    until(|| async { one.state.lock().sessions.due().is_empty() }).await;
    assert_eq!(SessionNotes::of(&other, None).unwrap().owner_of("s").await, None);
}

#[test]
fn a_store_of_one_server_gets_no_notes() {
    let store = memory(Limits::DEFAULT);
    let alone = Replica::new("alone".to_owned(), store, false);
    assert!(SessionNotes::of(&alone, Some("alice")).is_none());
}

#[tokio::test]
async fn who_has_nothing_to_renew_stops_renewing() {
    let store = memory(Limits::DEFAULT);
    let one = replica("one", &store);
    one.begins("a");
    one.shows_life().await.unwrap();
    assert!(one.state.lock().is_beating);
    one.ends("a");
    one.wake.notify_one();
    until(|| async { !one.state.lock().is_beating }).await;
}
