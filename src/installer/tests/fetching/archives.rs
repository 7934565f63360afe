//! Archives that try to write elsewhere, or too much.

use std::time::{Duration, Instant};

use tar::EntryType;

use crate::registry::{Entry, Fault, Options, Registry};
use crate::support::{Done, Store};

fn fetch(options: Options) -> (Store, Done) {
    let registry = Registry::start_blocking();
    registry.package("bad", "1.0.0", &[("index.js", "1")], options);
    let mut store = Store::of(&registry);
    let done = store.fetch(&["npm:bad"]);
    (store, done)
}

#[track_caller]
fn refused(entries: Vec<Entry>, texts: &[&str]) {
    let (store, done) = fetch(Options::entries(entries));
    done.fails_with(&["bad@1.0.0: its archive has"]);
    done.fails_with(texts);
    let above = store.path().parent().expect("a home").to_owned();
    assert!(!crate::support::names(&above).contains(&"out".to_owned()));
}

#[test]
fn links_are_refused() {
    for (kind, target) in [
        (EntryType::Symlink, "/etc/passwd"),
        (EntryType::Symlink, "index.js"),
        (EntryType::Link, "package/index.js"),
    ] {
        let link = Entry::special("package/link", kind, target);
        refused(vec![link], &[r#""package/link", which is a link"#]);
    }
}

#[test]
fn devices_and_pipes_are_refused() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let device = Entry::special("package/device", kind, "");
        refused(vec![device], &["neither a file nor a directory"]);
    }
}

#[test]
fn absolute_paths_are_refused() {
    refused(vec![Entry::file("/tmp/out", "x")], &[r#""/tmp/out", which is an absolute path"#]);
}

#[test]
fn paths_that_leave_the_package_are_refused() {
    for path in ["package/../../out", "../out", "package/a/../../../../../out"] {
        refused(vec![Entry::file(path, "x")], &["which is a path that leaves the package"]);
    }
}

#[test]
fn names_with_control_characters_and_backslashes_are_refused() {
    for path in [&b"package/a\nb"[..], b"package/a\x1b[2Jb", b"package\\..\\out"] {
        refused(vec![Entry::file(path, "x")], &["control characters or backslashes"]);
    }
    refused(vec![Entry::file(&b"package/\xff"[..], "x")], &["not named in UTF-8"]);
}

#[test]
fn names_that_differ_only_in_case_are_refused() {
    let entries = vec![Entry::file("package/Lib/a", "1"), Entry::file("package/lib/b", "2")];
    refused(entries, &[r#""lib" and "Lib", which differ only in case"#]);
}

#[test]
fn an_entry_that_is_there_twice_is_the_last_one() {
    let twice = Entry::file("package/index.js", "2");
    let (_, done) = fetch(Options::entries(vec![twice]));
    assert_eq!(done.file("node_modules/bad/index.js"), "2");
}

#[test]
fn an_archive_that_unpacks_to_too_much_is_refused() {
    let bomb = Entry { size: Some(513 << 20), ..Entry::file("package/bomb", vec![0; 1 << 20]) };
    let (_, done) = fetch(Options::entries(vec![bomb]));
    done.fails_with(&["bad@1.0.0", "more than 536870912 bytes unpacked"]);
    assert!(!done.has("node_modules/.store/bad@1.0.0/node_modules/bad/bomb"));
}

#[test]
fn an_archive_with_too_many_files_is_refused() {
    let many = (0..50_001).map(|n| Entry::file(format!("package/{n}"), "")).collect();
    let (_, done) = fetch(Options::entries(many));
    done.fails_with(&["bad@1.0.0", "more than 50000 files"]);
}

#[test]
fn paths_that_are_too_long_or_too_deep_are_refused() {
    let deep = format!("package/{}", "a/".repeat(40));
    refused(vec![Entry::file(deep, "x")], &["a path of more than 32 components"]);
    let long = Entry::pax("path", &format!("package{}", "/a".repeat(100_000)));
    refused(vec![long, Entry::file("package/a", "x")], &["a path of more than 1024 bytes"]);
}

#[test]
fn an_archive_that_is_too_large_is_not_downloaded() {
    let (_, done) = fetch(Options::fault(Fault::Length(65 << 20)));
    done.fails_with(&["bad@1.0.0", "bad-1.0.0.tgz has more than 67108864 bytes"]);
    let begin = Instant::now();
    let (_, done) = fetch(Options::fault(Fault::Endless));
    done.fails_with(&["bad@1.0.0", "bad-1.0.0.tgz has more than 67108864 bytes"]);
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn an_archive_that_is_none_is_an_error_of_its_package() {
    let cut = Entry { size: Some(10_000), ..Entry::file("package/cut", "x") };
    let (_, done) = fetch(Options::entries(vec![cut]));
    done.fails_with(&["bad@1.0.0"]);
}
