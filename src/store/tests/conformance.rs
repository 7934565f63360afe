//! What every store does, whatever it is kept in.

use bytes::Bytes;
use mcp_conductor_store::{Expected, Keep, Key, Limits, Namespace, StoreError, memory};
use std::time::Duration;

#[tokio::test]
async fn memory_conforms() {
    let store = memory(Limits::DEFAULT);
    let key = Key::new(Namespace::Conversations, "a");
    let version = store.set(&key, Expected::Absent, Bytes::from("1"), Keep::Always).await.unwrap();
    assert_eq!(
        store.set(&key, Expected::Absent, Bytes::from("1"), Keep::Always).await,
        Err(StoreError::Conflict)
    );
    let entry = store.get(&key).await.unwrap().unwrap();
    assert_eq!((entry.value, entry.version), (Bytes::from("1"), version));
    store
        .set(
            &key,
            Expected::Version(version),
            Bytes::from("2"),
            Keep::For(Duration::from_millis(1)),
        )
        .await
        .unwrap();
    while store.get(&key).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
}
