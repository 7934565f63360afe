use bytes::Bytes;
use mcp_conductor_store::{Limits, memory};

use super::*;

const SIZE: u64 = 256 << 20;

fn stored(store: &Arc<dyn Store>, size: u64) -> Stored {
    Stored::new(store.clone(), size, SearchMetrics::default())
}

/// Of a text, with its vector.
fn vector(text: &str) -> (Key, Name, Box<[i8]>) {
    let key = Key::of(text);
    (key, key.name("an encoder"), Box::from([127, 1, 2]))
}

async fn taken(stored: &Stored, texts: &[String]) -> usize {
    let mut count = 0;
    let names = texts.iter().map(|text| {
        let (key, name, _) = vector(text);
        (key, name)
    });
    stored.take(names, |_, item| count += usize::from(item.vector(3).is_some())).await;
    count
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("tool {at}")).collect()
}

#[tokio::test]
async fn another_replica_takes_what_one_has_put_there() {
    let store = memory(Limits::DEFAULT);
    let texts = texts(1000);
    assert!(stored(&store, SIZE).put(texts.iter().map(|text| vector(text)).collect()).await);
    let other = stored(&store, SIZE);
    assert_eq!(taken(&other, &texts).await, 1000);
    assert_eq!(taken(&other, &["another tool".to_owned()]).await, 0);
    assert_eq!(other.held().await.unwrap().vectors, 1000);
}

#[tokio::test]
async fn a_thousand_tools_are_not_a_thousand_changes() {
    let store = memory(Limits::DEFAULT);
    stored(&store, SIZE).put(texts(1000).iter().map(|text| vector(text)).collect()).await;
    let entries = store.check().await.unwrap().entries.unwrap();
    assert!(entries <= PACKS as u64, "{entries}");
}

#[tokio::test]
async fn vectors_of_two_encoders_of_one_text_are_told_apart() {
    let store = memory(Limits::DEFAULT);
    let stored = stored(&store, SIZE);
    let (key, name, numbers) = vector("a");
    stored.put(vec![(key, name, numbers)]).await;
    let mut found = 0;
    stored.take([(key, key.name("another encoder"))], |_, _| found += 1).await;
    assert_eq!(found, 0);
}

#[tokio::test]
async fn all_of_them_have_a_bound() {
    let store = memory(Limits::DEFAULT);
    // 80 bytes a pack: one vector with its head.
    let stored = stored(&store, 8 * 80 * PACKS as u64);
    stored.put(texts(5000).iter().map(|text| vector(text)).collect()).await;
    let held = stored.held().await.unwrap();
    assert!(held.bytes <= stored.limit() && held.vectors <= PACKS, "{held:?}");
    assert!(held.vectors > PACKS / 2, "{held:?}");
}

#[tokio::test]
async fn a_pack_that_somebody_else_has_written_is_made_anew() {
    let store = memory(Limits::DEFAULT);
    let stored = stored(&store, SIZE);
    let (key, name, numbers) = vector("a");
    let garbage = Bytes::from_static(b"\x01something else that is not a pack of vectors");
    store.set(&store_key(key.pack()), Expected::Any, garbage, Keep::Always).await.unwrap();
    assert_eq!(taken(&stored, &["a".to_owned()]).await, 0);
    assert!(stored.put(vec![(key, name, numbers)]).await);
    assert_eq!(taken(&stored, &["a".to_owned()]).await, 1);
}

#[tokio::test]
async fn a_store_that_fails_is_not_asked_again_at_once() {
    let store = memory(Limits { bytes: 10 });
    let stored = stored(&store, SIZE);
    assert!(!stored.put(vec![vector("a")]).await);
    assert_eq!(stored.metrics.problems_of("store"), 1);
    assert!(!stored.put(vec![vector("a")]).await);
    assert_eq!(stored.metrics.problems_of("store"), 1);
}
