//! Random trees with random links, and random paths in them. Whatever is opened
//! lies where it was granted, by the kernel's own name of it.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::OFlag;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::open::own_path;
use super::quota::{FileLimits, Quota};
use super::resolve::Resolver;
use crate::policy::{Grants, PathRules, Permission, expand_path};

/// Directories that every tree has, and where programs start.
const TOPS: [&str; 2] = ["in", "out"];
const CWD: &str = "in";

/// One thing in a tree.
#[derive(Debug, Clone)]
enum Entry {
    File,
    Directory,
    /// To this path from the link's directory.
    Relative(String),
    /// To this path from the tree's root, written in full.
    Absolute(String),
}

/// A tree below a directory of its own, removed at the end.
struct Tree(PathBuf);

impl Tree {
    fn new(entries: &[(String, Entry)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mcp-conductor-open-{}-{number}", std::process::id());
        let parent = std::env::temp_dir().canonicalize().expect("a directory for temporary files");
        let tree = Self(parent.join(name));
        fs::create_dir(&tree.0).unwrap();
        for top in TOPS {
            fs::create_dir(tree.0.join(top)).unwrap();
        }
        for (place, entry) in entries {
            tree.add(place, entry);
        }
        tree
    }

    /// Adds an entry, if no link is in its way: nothing is made outside of the tree.
    fn add(&self, place: &str, entry: &Entry) {
        let path = self.0.join(place);
        let mut directory = self.0.clone();
        for name in Path::new(place).parent().into_iter().flat_map(Path::components) {
            directory.push(name);
            // It may be there already.
            let _ = fs::create_dir(&directory);
            if !fs::symlink_metadata(&directory).is_ok_and(|found| found.is_dir()) {
                return;
            }
        }
        // What is in its place already stays.
        let _ = match entry {
            Entry::Directory => fs::create_dir(path),
            Entry::File => fs::File::create_new(path).map(drop),
            Entry::Relative(target) => symlink(target, path),
            Entry::Absolute(target) => symlink(self.0.join(target), path),
        };
    }

    /// None if a grant is a link to itself, which stops the start.
    fn rules(&self, grants: &[String], denied: &[String]) -> Option<PathRules> {
        let all = |flag: &str, places: &[String]| {
            let written = |place: &String| format!("{flag}={}", self.0.join(place).display());
            places.iter().map(written).collect::<Vec<_>>()
        };
        let flags = [all("allow-read", grants), all("deny-read", denied)].concat().join(";");
        let rule = Grants::parse(&flags).expect("names hold no comma").read;
        let expand = |text: &str| expand_path(text, None, Path::new("/"));
        PathRules::new(Permission::Read, &rule, &[], &[], expand).ok()
    }

    /// Where places of this tree really are, as far as they exist.
    fn real(&self, places: &[String]) -> Vec<PathBuf> {
        places.iter().map(|place| real(&self.0.join(place))).collect()
    }

    /// A path as a program writes it.
    fn written(&self, path: &str, absolute: bool) -> String {
        if !absolute {
            return path.to_owned();
        }
        self.0.join(path).to_string_lossy().into_owned()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// No limits.
fn quota() -> Quota {
    let (write_size, new_files, open_files) = (u64::MAX, u64::MAX, usize::MAX);
    Quota::new(FileLimits { write_size, new_files, open_files })
}

fn real(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let Ok(found) = ancestor.canonicalize() {
            let rest = path.strip_prefix(ancestor).expect("it begins so");
            return found.join(rest).components().collect();
        }
    }
    path.to_owned()
}

fn place() -> impl Strategy<Value = String> {
    (select(TOPS.to_vec()), vec(select(vec!["a", "b", "c"]), 0..4))
        .prop_map(|(top, names)| [vec![top], names].concat().join("/"))
}

/// Names with detours among them.
fn steps() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "a", "b", "b", "c", "in", "out", "..", "..", "."]), 1..6)
        .prop_map(|names| names.join("/"))
}

/// Up, then down: what a link means then does not depend on links on the way up.
fn plain_steps() -> impl Strategy<Value = String> {
    (0..4_usize, vec(select(vec!["a", "b", "c", "in", "out"]), 1..4))
        .prop_map(|(up, names)| format!("{}{}", "../".repeat(up), names.join("/")))
}

fn entries(targets: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<(String, Entry)>> {
    let entry = prop_oneof![
        2 => Just(Entry::File),
        2 => Just(Entry::Directory),
        3 => targets.prop_map(Entry::Relative),
        2 => place().prop_map(Entry::Absolute),
    ];
    vec((place(), entry), 1..14)
}

fn paths() -> impl Strategy<Value = Vec<(String, bool)>> {
    let absolute = (place(), steps()).prop_map(|(place, steps)| (format!("{place}/{steps}"), true));
    let existing = place().prop_map(|place| (place, true));
    let relative = steps().prop_map(|steps| (steps, false));
    vec(prop_oneof![absolute, existing, relative], 1..16)
}

proptest! {
    #[test]
    fn whatever_is_opened_is_granted_and_not_denied(
        entries in entries(steps()),
        grants in vec(place(), 1..4),
        denied in vec(place(), 0..3),
        paths in paths()
    ) {
        let tree = Tree::new(&entries);
        let Some(rules) = tree.rules(&grants, &denied) else { return Ok(()) };
        let cwd = tree.0.join(CWD);
        let quota = quota();
        let resolver = Resolver::new(&rules, &cwd, &quota);
        let granted = tree.real(&grants);
        let mut closed = tree.real(&denied);
        closed.extend(denied.iter().map(|place| tree.0.join(place)));
        let is_open = |real: &Path| {
            granted.iter().any(|grant| real.starts_with(grant))
                && !closed.iter().any(|denied| real.starts_with(denied))
        };
        for (path, absolute) in &paths {
            let path = tree.written(path, *absolute);
            let Ok(allowed) = resolver.allow(&path) else { continue };
            if let Ok(opened) = resolver.open(&allowed, OFlag::O_PATH) {
                let real = fs::read_link(own_path(opened.as_fd())).unwrap();
                prop_assert!(is_open(&real), "{path} opens {}", real.display());
            }
            if let Ok(parent) = resolver.place(&allowed) {
                let real = fs::read_link(own_path(parent.directory.as_fd())).unwrap();
                prop_assert_eq!(&real.join(parent.name()), &parent.real);
                let (from, to) = (path, parent.real.display());
                prop_assert!(is_open(&parent.real), "{from} is made at {to}");
            }
        }
    }

    #[test]
    fn what_is_opened_is_what_the_path_means(
        entries in entries(plain_steps()),
        grants in vec(select(TOPS.to_vec()).prop_map(str::to_owned), 1..3),
        denied in vec(place(), 0..2),
        paths in paths()
    ) {
        let tree = Tree::new(&entries);
        let Some(rules) = tree.rules(&grants, &denied) else { return Ok(()) };
        let cwd = tree.0.join(CWD);
        let quota = quota();
        let resolver = Resolver::new(&rules, &cwd, &quota);
        for (path, absolute) in &paths {
            let path = tree.written(path, *absolute);
            let Ok(allowed) = resolver.allow(&path) else { continue };
            let meant = allowed.absolute().canonicalize().ok();
            let opened = resolver.open(&allowed, OFlag::O_PATH).ok();
            let real = opened.map(|opened| fs::read_link(own_path(opened.as_fd())).unwrap());
            // A path that has no link in it and is allowed is opened.
            if real.is_some() || meant.as_deref() == Some(allowed.absolute()) {
                prop_assert_eq!(real, meant, "{}", path);
            }
        }
    }
}

/// A tree whose paths are known: to refuse everything would be no answer.
#[test]
fn links_inside_of_the_grant_are_followed_and_those_that_lead_out_are_not() {
    let entry = |place: &str, entry: Entry| (place.to_owned(), entry);
    let tree = Tree::new(&[
        entry("in/a/b", Entry::File),
        entry("out/c", Entry::File),
        entry("in/relative", Entry::Relative("a/b".to_owned())),
        entry("in/absolute", Entry::Absolute("in/a".to_owned())),
        entry("in/escape", Entry::Relative("../out/c".to_owned())),
        entry("in/denied", Entry::Absolute("in/secret".to_owned())),
        entry("in/secret/a", Entry::File),
        entry("out/back", Entry::Relative("../in/a".to_owned())),
    ]);
    let rules = tree.rules(&["in".to_owned()], &["in/secret".to_owned()]).expect("they exist");
    let cwd = tree.0.join(CWD);
    let quota = quota();
    let resolver = Resolver::new(&rules, &cwd, &quota);
    let opens = |path: &str| {
        let opened = resolver.open(&resolver.allow(path).ok()?, OFlag::O_PATH).ok()?;
        let real = fs::read_link(own_path(opened.as_fd())).unwrap();
        real.strip_prefix(&tree.0).ok().map(Path::to_owned)
    };
    let file = Some(PathBuf::from("in/a/b"));
    for path in ["a/b", "relative", "absolute/b", "absolute/../relative", "./a/../a/b"] {
        assert_eq!(opens(path), file, "{path}");
    }
    for path in
        ["escape", "denied/a", "secret/a", "../out/c", "../out/back/b", "absolute/c", "escape/x"]
    {
        assert_eq!(opens(path), None, "{path}");
    }
}
