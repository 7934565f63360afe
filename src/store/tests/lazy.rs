//! A store that is opened when it is used.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcp_conductor_store::{
    Expected, Keep, Key, Limits, Namespace, Settings, Store, StoreError, lazy,
};
use tempfile::TempDir;
use tokio::time::timeout;

fn key() -> Key {
    Key::new(Namespace::Owners, "a")
}

fn below(directory: &Path) -> Arc<dyn Store> {
    lazy(Settings::Directory(directory.to_owned(), Limits::DEFAULT))
}

#[tokio::test]
async fn nothing_is_made_before_the_first_call() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("store");
    let store = below(&directory);
    assert!(!directory.exists());
    assert_eq!(store.get(&key()).await, Ok(None));
    assert!(directory.join("store.redb").exists());
}

#[tokio::test]
async fn the_first_calls_of_many_open_it_once() {
    let parent = TempDir::new().unwrap();
    let store = below(parent.path());
    let calls = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.add(&key(), 1, Keep::Always).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_eq!(store.add(&key(), 0, Keep::Always).await, Ok(8));
}

#[tokio::test]
async fn a_directory_that_can_be_made_later_is_found() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("store");
    std::fs::write(&directory, "a file").unwrap();
    let store = below(&directory);
    let set = async || store.set(&key(), Expected::Any, Bytes::new(), Keep::Always).await;
    let error = set().await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert_eq!(set().await, Err(error));
    std::fs::remove_file(&directory).unwrap();
    while let Err(error) = set().await {
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// How often this process has the file open.
fn open_files(file: &Path) -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    descriptors
        .filter(|it| std::fs::read_link(it.as_ref().unwrap().path()).is_ok_and(|it| it == file))
        .count()
}

#[tokio::test]
async fn calls_that_do_not_wait_for_a_file_that_another_writes_open_it_once() {
    let parent = TempDir::new().unwrap();
    let file = parent.path().canonicalize().unwrap().join("store.redb");
    let mut builder = redb::Database::builder();
    builder.set_concurrency_mode(redb::ConcurrencyMode::MultiWriter);
    let writer = builder.create(&file).unwrap();
    let written = writer.begin_write().unwrap();
    let before = open_files(&file);
    let store = below(parent.path());
    while open_files(&file) == before {
        let _ = timeout(Duration::from_millis(1), store.get(&key())).await;
    }
    for _ in 0..3 {
        assert!(timeout(Duration::from_millis(50), store.get(&key())).await.is_err());
    }
    assert_eq!(open_files(&file), before + 1);
    written.abort().unwrap();
    drop(writer);
    while store.get(&key()).await == Err(StoreError::Timeout) {}
    assert_eq!(store.get(&key()).await, Ok(None));
}
