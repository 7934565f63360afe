//! Where things are after an installation.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use serde_json::json;

use crate::registry::{Entry, Options, Registry};
use crate::support::{Store, names};

#[test]
fn a_package_is_unpacked_and_described() {
    let registry = Registry::start_blocking();
    registry.package(
        "zod",
        "3.1.0",
        &[("index.js", "1"), ("lib/a.js", "22")],
        Options::manifest(json!({ "license": "ISC" })),
    );
    let done = Store::of(&registry).fetch(&["npm:zod@^3"]);
    assert_eq!(done.file("node_modules/zod/lib/a.js"), "22");
    let mut package = done.packages()[0].clone();
    for (key, at_least) in [("packedBytes", 100), ("unpackedBytes", 40)] {
        assert!(package[key].take().as_u64() > Some(at_least), "{key}: {package}");
    }
    assert_eq!(
        package,
        json!({
            "requested": "npm:zod@^3",
            "name": "zod",
            "version": "3.1.0",
            "directory": "node_modules/.store/zod@3.1.0/node_modules/zod",
            "license": "ISC",
            "packedBytes": null,
            "unpackedBytes": null,
            "files": 3,
            "cached": false,
            "hasScripts": false,
        })
    );
}

#[test]
fn dependencies_lie_beside_their_package_as_relative_links() {
    let registry = Registry::start_blocking();
    registry.depending("a", "1.0.0", &[("@s/b", "^1"), ("alias", "npm:c@^2")]);
    registry.simple("@s/b", "1.2.0").simple("c", "2.0.0");
    let done = Store::of(&registry).fetch(&["npm:a@^1"]);
    let beside = done.generation.join("node_modules/.store/a@1.0.0/node_modules");
    assert_eq!(names(&beside), ["@s", "a", "alias"]);
    let link = |path: &str| std::fs::read_link(beside.join(path)).expect("a link");
    assert_eq!(link("@s/b").to_str(), Some("../../../@s+b@1.2.0/node_modules/@s/b"));
    assert_eq!(link("alias").to_str(), Some("../../c@2.0.0/node_modules/c"));
    assert!(done.has("node_modules/.store/a@1.0.0/node_modules/@s/b/index.js"));
    assert!(!done.has("node_modules/c"), "only allowed packages are at the top");
}

#[test]
fn packages_of_jsr_come_from_its_npm_layer() {
    let registry = Registry::start_blocking();
    registry.depending("@jsr/std__path", "1.0.8", &[("@jsr/std__internal", "^1.0.5")]);
    registry.simple("@jsr/std__internal", "1.0.9");
    let done = Store::of(&registry).fetch(&["jsr:@std/path@^1"]);
    assert_eq!(done.versions(), ["@std/internal@1.0.9", "@std/path@1.0.8"]);
    assert_eq!(done.packages()[0]["requested"], "jsr:@std/path@^1");
    assert!(done.has("node_modules/@jsr/std__path/index.js"));
}

#[test]
fn files_have_two_modes_whatever_the_archive_says() {
    let registry = Registry::start_blocking();
    let executable = Entry { mode: 0o4777, ..Entry::file("package/cli", "#!") };
    registry.package("a", "1.0.0", &[("index.js", "1")], Options::entries(vec![executable]));
    let done = Store::of(&registry).fetch(&["npm:a"]);
    let mode = |file: &str| {
        let metadata = std::fs::metadata(done.directory(0).join(file)).expect("a file");
        metadata.permissions().mode() & 0o7777
    };
    assert_eq!((mode("index.js"), mode("cli")), (0o644, 0o755));
}

#[test]
fn nothing_of_a_package_runs_and_its_scripts_are_reported() {
    let registry = Registry::start_blocking();
    let scripts = json!({ "scripts": { "postinstall": "touch \"$HOME/ran\"" } });
    registry.package("a", "1.0.0", &[("index.js", "1")], Options::manifest(scripts));
    registry.package("b", "1.0.0", &[("binding.gyp", "{}")], Options::default());
    registry.simple("c", "1.0.0");
    let mut store = Store::of(&registry);
    let done = store.fetch(&["npm:a", "npm:b", "npm:c"]);
    let has_scripts: Vec<bool> =
        done.packages().iter().map(|package| package["hasScripts"] == true).collect();
    assert_eq!(has_scripts, [true, true, false]);
    assert!(!store.path().with_file_name("ran").exists());
}

#[test]
fn what_did_not_change_is_neither_downloaded_nor_copied() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0").simple("b", "1.0.0");
    let mut store = Store::of(&registry);
    let first = store.fetch(&["npm:a"]);
    store.activate(&first);
    registry.asked();
    let second = store.fetch(&["npm:a", "npm:b"]);
    assert_eq!(registry.downloads(), ["/b/-/b-1.0.0.tgz"]);
    let cached: Vec<bool> = second.packages().iter().map(|one| one["cached"] == true).collect();
    assert_eq!(cached, [true, false]);
    let inode = |done: &crate::support::Done| {
        std::fs::metadata(done.directory(0).join("index.js")).expect("a file").ino()
    };
    assert_eq!(inode(&first), inode(&second));
}

#[test]
fn what_no_installation_used_for_a_month_leaves_the_cache() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0").simple("b", "1.0.0");
    let mut store = Store::of(&registry);
    store.fetch(&["npm:a", "npm:b"]).packages();
    let tarballs = store.path().join("cache/tarballs");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(31 * 24 * 3600);
    for name in names(&tarballs) {
        let file = std::fs::File::open(tarballs.join(name)).expect("a file");
        file.set_modified(long_ago).expect("it can be set");
    }
    store.fetch(&["npm:a"]).packages();
    assert_eq!(names(&tarballs).len(), 1);
}

#[test]
fn a_generation_that_is_not_empty_is_refused() {
    let registry = Registry::start_blocking();
    registry.simple("a", "1.0.0");
    let mut store = Store::of(&registry);
    let full = store.path().join("full");
    std::fs::create_dir_all(full.join("x")).expect("a directory");
    store.fetch_with(&["npm:a"], json!({ "generation": full })).fails_with(&["is not empty"]);
}
