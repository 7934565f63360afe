//! `deno.lock`, `--frozen` and `--offline`.

use serde_json::json;

use crate::registry::{Fault, Options, Registry};
use crate::support::Store;

#[test]
fn versions_stay_those_of_the_lock_file() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0");
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a@^1"]).packages();
    let lock = store.lock();
    registry.simple("a", "1.1.0");
    assert_eq!(store.fetch(&["npm:a@^1"]).versions(), ["a@1.0.0"]);
    assert_eq!(store.lock(), lock);
}

#[test]
fn a_lock_file_that_stays_the_same_is_not_written() {
    let registry = Registry::start_blocking();
    registry.depending("a", "1.0.0", &[("b", "^1")]).simple("b", "1.0.0");
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a@^1"]).packages();
    let written = |store: &Store| {
        let metadata = std::fs::metadata(store.path().join("deno.lock"));
        metadata.and_then(|metadata| metadata.modified()).expect("it is there")
    };
    let before = written(&store);
    std::thread::sleep(std::time::Duration::from_millis(20));
    store.fetch(&["npm:a@^1"]).packages();
    assert_eq!(written(&store), before);
}

#[test]
fn what_is_not_allowed_any_more_leaves_the_lock_file() {
    let registry = Registry::start_blocking();
    registry.depending("a", "1.0.0", &[("b", "^1")]).simple("b", "1.0.0").simple("c", "1.0.0");
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a", "npm:c"]).packages();
    assert_eq!(store.fetch(&["npm:c"]).versions(), ["c@1.0.0"]);
    assert!(!store.lock().contains("b@1.0.0"), "{}", store.lock());
}

#[test]
fn the_lock_file_has_the_hashes() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0");
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a@^1"]).packages();
    let lock: serde_json::Value = serde_json::from_str(&store.lock()).expect("JSON");
    assert_eq!(lock["version"], "5");
    assert_eq!(lock["specifiers"], json!({ "npm:a@1": "1.0.0" }));
    let integrity = lock["npm"]["a@1.0.0"]["integrity"].as_str().unwrap_or_default();
    assert!(integrity.starts_with("sha512-"), "{lock}");
}

#[test]
fn a_version_that_was_changed_in_the_registry_is_an_error() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0");
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a"]).packages();
    registry.package("a", "1.0.0", &[("index.js", "evil")], Options::default());
    store.fetch(&["npm:a"]).fails_with(&["a@1.0.0 was changed under the same version"]);
}

#[test]
fn a_version_that_was_taken_back_is_an_error() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0").simple("a", "1.0.1");
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a"]).packages();
    registry.unpublish("a", "1.0.1");
    store.fetch(&["npm:a"]).fails_with(&["a@1.0.1", "not in its registry any more"]);
}

#[test]
fn frozen_installs_what_the_lock_file_has() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0");
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a"]).packages();
    let done = store.fetch_with(&["npm:a"], json!({ "frozen": true }));
    assert_eq!(done.versions(), ["a@1.0.0"]);
}

#[test]
fn frozen_fails_with_what_would_change() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0").simple("b", "2.0.0");
    let mut store = Store::of(&registry);
    store.fetch_with(&["npm:a"], json!({ "frozen": true })).fails_with(&[
        "deno.lock would change",
        "--frozen",
        "adds a@1.0.0",
    ]);
    store.fetch(&["npm:a"]).packages();
    let lock = store.lock();
    registry.asked();
    let done = store.fetch_with(&["npm:b"], json!({ "frozen": true }));
    done.fails_with(&["adds b@2.0.0", "removes a@1.0.0"]);
    assert_eq!((store.lock(), registry.downloads()), (lock, Vec::new()));
}

#[test]
fn offline_asks_no_registry() {
    let registry = Registry::start_blocking();
    registry.depending("a", "1.0.0", &[("b", "^1")]).simple("b", "1.0.0");
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a"]).packages();
    registry.asked();
    let done = store.fetch_with(&["npm:a"], json!({ "offline": true }));
    assert_eq!(done.versions(), ["a@1.0.0", "b@1.0.0"]);
    assert_eq!(registry.asked(), []);
}

#[test]
fn offline_names_what_is_missing() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0");
    let mut store = Store::of(&registry);
    let offline = json!({ "offline": true });
    store
        .fetch_with(&["npm:a"], offline.clone())
        .fails_with(&["a is not in the cache", "--offline"]);
    store.fetch(&["npm:a"]).packages();
    let tarballs = store.path().join("cache/tarballs");
    std::fs::remove_dir_all(tarballs).expect("it is there");
    store.fetch_with(&["npm:a"], offline).fails_with(&["a@1.0.0", "not in the cache", "--offline"]);
}

#[test]
fn a_lock_file_that_is_none_is_an_error_that_names_it() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0");
    let mut store = Store::of(&registry);
    for text in ["", "{", r#"{"version":"9"}"#] {
        std::fs::create_dir_all(store.path()).expect("a directory");
        std::fs::write(store.path().join("deno.lock"), text).expect("it can be written");
        store.fetch(&["npm:a"]).fails_with(&["deno.lock is not a lock file of this program"]);
    }
}

#[test]
fn an_installation_that_was_killed_leaves_nothing_behind() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0");
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a"]).packages();
    let lock = store.lock();
    registry.package("b", "1.0.0", &[("index.js", "1")], Options::fault(Fault::Silent));
    registry.asked();
    let mut killed = store.begin(&["npm:a", "npm:b"]);
    while registry.downloads().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    assert_eq!(store.lock(), lock);
    let unfinished = store.path().join("cache/unfinished");
    std::fs::write(unfinished.join("7"), "half").expect("it can be written");
    registry.simple("b", "1.0.0");
    assert_eq!(store.fetch(&["npm:a", "npm:b"]).versions(), ["a@1.0.0", "b@1.0.0"]);
    assert_eq!(crate::support::names(&unfinished), Vec::<String>::new());
}
