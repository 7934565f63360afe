//! Where packages are installed: nobody's programs write there, and those that may import
//! packages read their files.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Grants, Policy, PolicyInput};
use crate::packages::allowed::AllowedPackages;

/// A directory with `ws` and a file of a package ([`FILE`]), removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("conductor-installed-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("ws")).unwrap();
        fs::create_dir_all(path.join(GENERATION)).unwrap();
        fs::write(path.join(GENERATION).join("a.js"), "").unwrap();
        // Other names of the directory for temporary files would be names of these too.
        Self(path.canonicalize().unwrap())
    }

    fn policy(&self, grants: &str, packages: &[&str]) -> Policy {
        self.policy_of(grants, packages, false)
    }

    fn policy_of(&self, grants: &str, packages: &[&str], is_narrowed: bool) -> Policy {
        let grants = grants.replace("@", &self.0.to_string_lossy());
        Policy::new(&PolicyInput {
            grants: &Grants::parse(&grants).unwrap(),
            workspace: &self.0.join("ws"),
            home: None,
            search_path: OsStr::new(""),
            protected: &[],
            packages: &AllowedPackages::parse(packages).unwrap(),
            is_narrowed,
            install_dir: Some(&self.0.join("installed")),
            code: &[self.0.join("bin/installer")],
            secrets: &[],
            unconfined: false,
            own_address: &Default::default(),
        })
        .unwrap()
    }

    fn reads(&self, policy: &Policy, path: &str) -> bool {
        policy.read.check(path, &self.0).is_ok()
    }

    fn writes(&self, policy: &Policy, path: &str) -> bool {
        policy.write.check(path, &self.0).is_ok()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const GENERATION: &str = "installed/packages/generations/1/node_modules";
const FILE: &str = "installed/packages/generations/1/node_modules/a.js";

#[test]
fn files_of_packages_are_read_without_a_grant_and_nothing_beside_them() {
    let scratch = Scratch::new();
    let policy = scratch.policy("none", &["npm:zod"]);
    assert!(scratch.reads(&policy, FILE));
    let allowed = policy.read.check(FILE, &scratch.0).ok().unwrap();
    assert!(policy.read.opened(&allowed, &scratch.0.join(FILE)).is_ok());
    for path in ["ws/x", "installed/packages/generations/1/bundle/a.mjs"] {
        let led_to = policy.read.opened(&allowed, &scratch.0.join(path));
        assert!(led_to.is_err(), "a link out of it: {path}");
    }
    assert_eq!(policy.read.granted(), [scratch.0.join(GENERATION)], "for commands");
    for path in [
        "installed/packages/deno.lock",
        "installed/packages/cache/x",
        "installed/packages/generations/../deno.lock",
        "installed/packages/generations",
        "installed/packages/generations/1",
        "installed/packages/generations/1/manifest.json",
        "installed/packages/generations/1/bundle/a.mjs",
        "installed/packages/generations/1/node_modules/../docs/1.json",
        "installed/packages/generations/node_modules/x",
        "installed/components/python",
        "ws/x",
    ] {
        assert!(!scratch.reads(&policy, path), "{path}");
    }
}

#[test]
fn they_are_not_read_where_no_packages_are_allowed() {
    let scratch = Scratch::new();
    assert!(!scratch.reads(&scratch.policy("none", &[]), FILE));
    assert!(scratch.reads(&scratch.policy("allow-read=@", &[]), FILE));
}

#[test]
fn what_the_administrator_denies_stays_denied() {
    let scratch = Scratch::new();
    for grants in
        ["deny-read", "deny-read=@/installed", "allow-read,deny-read=@/installed/packages"]
    {
        assert!(!scratch.reads(&scratch.policy(grants, &["npm:zod"]), FILE), "{grants}");
    }
}

#[test]
fn nothing_is_written_where_packages_are_installed_whatever_is_granted() {
    let scratch = Scratch::new();
    for grants in ["allow-write", "allow-write=@", "allow-write=@/installed,allow-write=@/ws"] {
        for packages in [&[][..], &["npm:zod"]] {
            let policy = scratch.policy(grants, packages);
            assert!(scratch.writes(&policy, "ws/x"), "{grants}");
            for path in ["installed", FILE, "installed/packages/current", "installed/new"] {
                assert!(!scratch.writes(&policy, path), "{grants}: {path}");
            }
            assert!(policy.write.guards(&scratch.0), "it is not moved away: {grants}");
        }
    }
}

#[test]
fn it_need_not_exist_when_the_server_starts() {
    let scratch = Scratch::new();
    fs::remove_dir_all(scratch.0.join("installed")).unwrap();
    let policy = scratch.policy("allow-write=@", &["npm:zod"]);
    assert!(!scratch.writes(&policy, "installed/packages/current"));
    fs::create_dir_all(scratch.0.join(GENERATION)).unwrap();
    assert!(scratch.reads(&policy, FILE));
    assert!(!scratch.writes(&policy, FILE));
    assert!(!scratch.reads(&policy, "installed/packages/deno.lock"));
}

#[test]
fn grants_of_files_are_shown_as_the_administrator_wrote_them() {
    let scratch = Scratch::new();
    let policy = scratch.policy("allow-read=/srv", &["npm:zod"]);
    assert_eq!(policy.flags(), ["--allow-read=/srv"]);
    let state = policy.query("read", None, Path::new("/"));
    assert!(!state.granted && !state.partial);
}

#[test]
fn who_may_import_a_part_of_the_packages_reads_none_without_a_grant() {
    let scratch = Scratch::new();
    assert!(!scratch.reads(&scratch.policy_of("none", &["npm:zod"], true), FILE));
    assert!(scratch.reads(&scratch.policy_of("allow-read=@", &["npm:zod"], true), FILE));
}

#[test]
fn a_grant_around_the_packages_reads_all_of_them() {
    let scratch = Scratch::new();
    let policy = scratch.policy("allow-read=@/installed", &["npm:zod"]);
    for path in [FILE, "installed/packages/generations/1/manifest.json"] {
        assert!(scratch.reads(&policy, path), "{path}");
    }
}

#[test]
fn nobody_writes_where_the_installer_would_be_found() {
    let scratch = Scratch::new();
    let policy = scratch.policy("allow-write=@", &["npm:zod"]);
    assert!(!scratch.writes(&policy, "bin/installer"));
    assert!(scratch.writes(&policy, "bin/other"));
    assert!(policy.write.guards(&scratch.0.join("bin")), "it is not moved away");
}
