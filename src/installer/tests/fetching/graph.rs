//! Dependencies of all kinds.

use serde_json::json;

use crate::registry::{Options, Registry};
use crate::support::Store;

const FILES: [(&str, &str); 1] = [("index.js", "1")];

#[test]
fn cycles_are_fine() {
    let registry = Registry::start_blocking();
    registry.depending("a", "1.0.0", &[("b", "^1")]).depending("b", "1.0.0", &[("a", "^1")]);
    let done = Store::of(&registry).fetch(&["npm:a"]);
    assert_eq!(done.versions(), ["a@1.0.0", "b@1.0.0"]);
    assert!(done.has("node_modules/.store/b@1.0.0/node_modules/a/index.js"));
}

#[test]
fn dependencies_of_no_registry_are_an_error_that_names_both() {
    for source in [
        "git+https://example.com/x.git",
        "github:x/y",
        "x/y",
        "http://example.com/x.tgz",
        "https://example.com/x.tgz",
        "file:../x",
        "link:../x",
        "workspace:*",
        "npm:../x@1",
        "npm:axios@npm:evil@1",
        "npm:%61xios@1",
    ] {
        let registry = Registry::start_blocking();
        registry.depending("a", "1.0.0", &[("b", source)]).simple("b", "1.0.0");
        let done = Store::of(&registry).fetch(&["npm:a"]);
        done.fails_with(&["a@1.0.0 depends on \"b\"", source, "not a version of a registry"]);
    }
}

#[test]
fn names_of_dependencies_are_no_paths() {
    for name in ["../../out", "/tmp/out", "@a/../b", ".store", "node_modules"] {
        let registry = Registry::start_blocking();
        registry.depending("a", "1.0.0", &[(name, "^1")]);
        Store::of(&registry).fetch(&["npm:a"]).fails_with(&["a@1.0.0 depends on", name]);
    }
}

#[test]
fn bundled_peers_make_no_links_anywhere() {
    let home = tempfile::tempdir().expect("a directory");
    let absolute = home.path().join("made/out");
    let absolute = absolute.to_str().expect("it is text");
    for key in ["../../../../../../../out", "../../zod@1.0.0/node_modules/dep", absolute] {
        let registry = Registry::start_blocking();
        let fields =
            json!({ "peerDependencies": { key: "npm:zod@^1" }, "bundleDependencies": [key] });
        registry.package("a", "1.0.0", &FILES, Options::manifest(fields)).simple("zod", "1.0.0");
        let mut store = Store::of(&registry);
        let done = store.fetch(&["npm:a", "npm:zod"]);
        assert_eq!(done.versions(), ["a@1.0.0", "zod@1.0.0"], "{key}");
        let above = store.path().parent().expect("a home").to_owned();
        assert!(!crate::support::names(&above).contains(&"out".to_owned()), "{key}");
        assert!(!done.has("node_modules/.store/zod@1.0.0/node_modules/dep"), "{key}");
    }
    assert!(!home.path().join("made").exists());
}

#[test]
fn names_of_peers_are_no_paths() {
    for name in ["../../out", "/tmp/out", "@a/../b"] {
        let registry = Registry::start_blocking();
        let peers = json!({ "peerDependencies": { name: "npm:zod@^1" } });
        registry.package("a", "1.0.0", &FILES, Options::manifest(peers)).simple("zod", "1.0.0");
        Store::of(&registry).fetch(&["npm:a"]).fails_with(&["a@1.0.0 depends on", name]);
    }
}

#[test]
fn optional_dependencies_of_no_registry_are_left_out_with_a_note() {
    let registry = Registry::start_blocking();
    let optional = json!({ "optionalDependencies": { "b": "github:x/y", "c": "^1" } });
    registry.package("a", "1.0.0", &FILES, Options::manifest(optional)).simple("c", "1.0.0");
    let done = Store::of(&registry).fetch(&["npm:a"]);
    assert_eq!(done.versions(), ["a@1.0.0", "c@1.0.0"]);
    assert!(done.stderr.contains("Note: a@1.0.0 is installed without"), "{}", done.stderr);
}

#[test]
fn optional_dependencies_for_other_systems_are_left_out() {
    let registry = Registry::start_blocking();
    let optional = json!({ "optionalDependencies": { "win": "1", "lin": "1", "arm": "1" } });
    registry.package("a", "1.0.0", &FILES, Options::manifest(optional));
    for (name, system) in [
        ("win", json!({ "os": ["win32"] })),
        ("lin", json!({ "os": ["linux"] })),
        ("arm", json!({ "cpu": ["riscv64"] })),
    ] {
        registry.package(name, "1.0.0", &FILES, Options::manifest(system));
    }
    let mut store = Store::of(&registry);
    let done = store.fetch(&["npm:a"]);
    assert_eq!(done.versions(), ["a@1.0.0", "lin@1.0.0"]);
    assert!(store.lock().contains("win@1.0.0"), "the lock file is the same on all systems");
}

#[test]
fn peers_are_installed_beside_their_package() {
    let registry = Registry::start_blocking();
    let peers = json!({ "peerDependencies": { "react": "^18" } });
    registry.package("hooks", "1.0.0", &FILES, Options::manifest(peers));
    registry.simple("react", "18.2.0");
    let done = Store::of(&registry).fetch(&["npm:hooks"]);
    assert_eq!(done.versions(), ["hooks@1.0.0", "react@18.2.0"]);
    assert!(done.has("node_modules/.store/hooks@1.0.0_react@18.2.0/node_modules/react/index.js"));
}

#[test]
fn a_peer_of_another_version_is_a_warning() {
    let registry = Registry::start_blocking();
    let peers = json!({ "peerDependencies": { "react": "^17" } });
    registry.package("hooks", "1.0.0", &FILES, Options::manifest(peers));
    registry.simple("react", "17.0.0").simple("react", "18.2.0");
    let done = Store::of(&registry).fetch(&["npm:react@^18", "npm:hooks"]);
    assert!(done.stderr.contains("Warning: hooks@1.0.0 asks for react@^17"), "{}", done.stderr);
    assert_eq!(done.packages().len(), 2);
}

#[test]
fn bundled_dependencies_are_those_of_the_archive() {
    let registry = Registry::start_blocking();
    let bundled = json!({ "dependencies": { "b": "^1" }, "bundleDependencies": ["b"] });
    let files = [("index.js", "1"), ("node_modules/b/index.js", "bundled")];
    registry.package("a", "1.0.0", &files, Options::manifest(bundled));
    let done = Store::of(&registry).fetch(&["npm:a"]);
    assert_eq!(done.versions(), ["a@1.0.0"]);
    assert_eq!(done.file("node_modules/a/node_modules/b/index.js"), "bundled");
}

#[test]
fn two_versions_of_a_dependency_live_side_by_side() {
    let registry = Registry::start_blocking();
    registry.simple("c", "1.0.0").simple("c", "2.0.0");
    registry.depending("a", "1.0.0", &[("c", "^1")]).depending("b", "1.0.0", &[("c", "^2")]);
    let done = Store::of(&registry).fetch(&["npm:a", "npm:b"]);
    assert_eq!(done.versions(), ["a@1.0.0", "b@1.0.0", "c@1.0.0", "c@2.0.0"]);
}

#[test]
fn a_dependency_that_is_not_there_is_named() {
    let registry = Registry::start_blocking();
    registry.depending("a", "1.0.0", &[("absent", "^1")]);
    Store::of(&registry).fetch(&["npm:a"]).fails_with(&["absent is not in its registry"]);
}

#[test]
fn all_that_is_wrong_with_the_list_is_named_at_once() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0").simple("b", "1.0.0");
    Store::of(&registry).fetch(&["npm:a", "npm:absent", "npm:b@^2", "npm:missing"]).fails_with(&[
        "absent is not in its registry",
        "missing is not in its registry",
        "b@^2: no version matches",
    ]);
}

#[test]
fn a_version_that_is_not_there_is_an_error_that_names_the_newest() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.4.0");
    Store::of(&registry)
        .fetch(&["npm:a@^7"])
        .fails_with(&["a@^7: no version matches", "the newest is 1.4.0"]);
}

#[test]
fn requests_that_are_no_packages_are_refused() {
    let registry = Registry::start_blocking();
    for text in ["npm:../x", "npm:axios@npm:evil@1", "npm:%61xios", "axios", "jsr:path"] {
        Store::of(&registry).fetch(&[text]).fails_with(&[text, "is not a package"]);
    }
    assert_eq!(registry.asked(), []);
}
