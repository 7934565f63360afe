use std::os::unix::fs::symlink;

use super::*;
use crate::packages::manifest::{InstalledPackage, ModuleEntry, PackageMediaType};

/// A store that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("conductor-installed-{name}-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        Self(root)
    }

    fn packages(&self) -> PathBuf {
        packages_directory(&self.0)
    }

    /// A generation with a manifest of this text.
    fn generation(&self, number: u64, manifest: &str) {
        let generation = self.packages().join(GENERATIONS).join(number.to_string());
        fs::create_dir_all(&generation).unwrap();
        fs::write(generation.join(MANIFEST), manifest).unwrap();
    }

    fn link(&self, target: &str) {
        let link = self.packages().join(CURRENT);
        let _ = fs::remove_file(&link);
        symlink(target, link).unwrap();
    }

    fn open(&self) -> Installed {
        Installed::open(&self.0)
    }

    fn problem(&self) -> String {
        self.open().current().problem.clone().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn manifest(file: &str, directory: &str) -> Manifest {
    let package = InstalledPackage {
        specifier: "npm:zod".into(),
        directory: directory.into(),
        ..InstalledPackage::default()
    };
    let media_type = PackageMediaType::JavaScript;
    let module = ModuleEntry { file: file.into(), media_type, preload: true };
    Manifest {
        format: FORMAT,
        packages: vec![package],
        modules: [("npm:zod".to_owned(), module)].into(),
        failed: Vec::new(),
    }
}

fn text(manifest: &Manifest) -> String {
    serde_json::to_string(manifest).unwrap()
}

#[test]
fn the_current_generation_is_what_is_installed() {
    let scratch = Scratch::new("current");
    let manifest = manifest("zod.mjs", "node_modules/zod");
    scratch.generation(3, &text(&manifest));
    scratch.link("generations/3");
    let snapshot = scratch.open().current();
    assert_eq!(snapshot.state, State::Ready);
    assert_eq!(snapshot.manifest, manifest);
    assert_eq!(snapshot.directory(), Some(&*scratch.packages().join("generations/3")));
}

#[test]
fn where_nothing_is_installed_the_problem_says_what_to_run() {
    let scratch = Scratch::new("nothing");
    let snapshot = scratch.open().current();
    assert_eq!((snapshot.state, snapshot.directory()), (State::None, None));
    assert!(scratch.problem().contains("run `mcp-conductor install`"));
}

#[test]
fn a_link_to_anything_but_a_generation_is_not_followed() {
    let scratch = Scratch::new("link");
    scratch.generation(1, &text(&manifest("zod.mjs", "node_modules/zod")));
    for target in ["generations/../generations/1", "generations/01", "generations/+1", "/", "x"] {
        scratch.link(target);
        assert!(scratch.problem().contains("is not a link to"), "{target}");
    }
}

#[test]
fn a_manifest_of_another_format_is_named_with_its_format() {
    let scratch = Scratch::new("format");
    scratch.generation(1, r#"{"format": 2, "shape": "unknown"}"#);
    scratch.link("generations/1");
    assert!(scratch.problem().contains("has format 2, and this version reads format 1"));
}

#[test]
fn a_manifest_that_is_none_is_a_problem_and_not_a_panic() {
    let scratch = Scratch::new("none");
    scratch.link_with("generations/1", "[1]");
    assert!(scratch.problem().contains("is not a manifest of an installation"));
}

impl Scratch {
    fn link_with(&self, target: &str, manifest: &str) {
        self.generation(1, manifest);
        self.link(target);
    }
}

#[test]
fn names_that_leave_their_directory_are_a_problem() {
    let scratch = Scratch::new("names");
    for (file, directory) in [
        ("../zod.mjs", "node_modules/zod"),
        ("a/b.mjs", "node_modules/zod"),
        (".hidden", "node_modules/zod"),
        ("zod\u{e9}.mjs", "node_modules/zod"),
        ("zod.mjs", "../../etc"),
        ("zod.mjs", "/etc"),
        ("zod.mjs", ""),
    ] {
        scratch.link_with("generations/1", &text(&manifest(file, directory)));
        let problem = scratch.problem();
        assert!(problem.contains("is not"), "{file} {directory}: {problem}");
        assert_eq!(scratch.open().current().manifest, Manifest::default());
    }
}

#[test]
fn a_manifest_that_is_too_large_is_not_read_whole() {
    let scratch = Scratch::new("large");
    scratch.link_with("generations/1", &" ".repeat(MAX_MANIFEST_BYTES as usize + 1));
    assert!(scratch.problem().contains("is larger than"));
}

#[test]
fn what_was_installed_is_kept_while_and_after_an_installation_that_fails() {
    let scratch = Scratch::new("states");
    let manifest = manifest("zod.mjs", "node_modules/zod");
    scratch.link_with("generations/1", &text(&manifest));
    let installed = scratch.open();
    installed.is_installing();
    assert_eq!(installed.current().state, State::Installing);
    assert_eq!(installed.current().manifest, manifest);
    installed.has_failed("no network".into());
    let snapshot = installed.current();
    assert_eq!((snapshot.state, snapshot.problem.as_deref()), (State::Ready, Some("no network")));
    assert_eq!(snapshot.manifest, manifest);
}

#[test]
fn a_new_generation_is_seen_when_it_is_read_again() {
    let scratch = Scratch::new("reload");
    scratch.link_with("generations/1", &text(&manifest("zod.mjs", "node_modules/zod")));
    let installed = scratch.open();
    assert!(!installed.reload());
    scratch.generation(2, &text(&manifest("other.mjs", "node_modules/zod")));
    scratch.link("generations/2");
    assert!(installed.reload());
    assert_eq!(installed.current().manifest.modules["npm:zod"].file, "other.mjs");
}

#[test]
fn a_generation_that_somebody_reads_is_locked() {
    let scratch = Scratch::new("held");
    scratch.link_with("generations/1", &text(&manifest("zod.mjs", "node_modules/zod")));
    let installed = scratch.open();
    let lock = || {
        let opened = File::open(scratch.packages().join("generations/1")).unwrap();
        Flock::lock(opened, FlockArg::LockExclusiveNonblock).is_ok()
    };
    assert!(!lock());
    drop(installed);
    assert!(lock());
}
