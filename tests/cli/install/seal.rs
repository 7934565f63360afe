//! What the bundler may do. A shell with nothing but its own words takes its place.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::command::{Ended, binary, ended};
use crate::support::directory::Directory;

/// A directory with what the bundler reads, and one with what it writes.
struct Sealed(Directory);

impl Sealed {
    fn new() -> Self {
        let directory = Directory::new("seal");
        for name in ["generation", "output"] {
            std::fs::create_dir(directory.path(name)).expect("it is new");
        }
        std::fs::write(directory.path("generation/file"), "inside\n").expect("it is ours");
        std::fs::write(directory.path("secret"), "outside\n").expect("it is ours");
        Self(directory)
    }

    fn shell(&self, script: &str) -> Ended {
        let plan = json!({
            "program": "/bin/sh",
            "arguments": ["-c", script, "sh", self.0.root()],
            "read": self.0.path("generation"),
            "write": self.0.path("output"),
            "without_landlock": false,
        });
        ended(&mut Self::command(&plan.to_string()))
    }

    fn command(plan: &str) -> Command {
        binary(&["mcp-conductor-bundler", plan])
    }
}

/// Whether this machine can confine files. The bundler does not start where it cannot.
fn has_landlock() -> bool {
    let modules = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let is_there = modules.contains("landlock") || !Path::new("/sys/kernel/security/lsm").exists();
    if !is_there {
        eprintln!("skipped: this machine has no Landlock");
    }
    is_there
}

#[test]
fn the_bundler_reads_the_generation_and_nothing_beside_it() {
    if !has_landlock() {
        return;
    }
    let sealed = Sealed::new();
    let ended = sealed.shell("read line < \"$1/generation/file\"; echo $line");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "inside\n"), "{}", ended.stderr);
    for file in ["$1/secret", "/etc/passwd", "/proc/1/environ", "/usr/share/misc/magic"] {
        let ended = sealed.shell(&format!("read line < \"{file}\"; echo $line"));
        assert!(!ended.stdout.contains("outside") && !ended.stdout.contains("root"), "{file}");
        assert!(!ended.stderr.is_empty(), "{file}");
    }
}

#[test]
fn the_bundler_writes_its_output_and_nothing_beside_it() {
    if !has_landlock() {
        return;
    }
    let sealed = Sealed::new();
    assert_eq!(sealed.shell("echo made > made").code, Some(0));
    assert!(sealed.0.path("output/made").is_file());
    for file in ["generation/new", "generation/file", "new"] {
        let ended = sealed.shell(&format!("echo changed > \"$1/{file}\""));
        assert!(!ended.stderr.is_empty(), "{file}");
    }
    let kept = std::fs::read_to_string(sealed.0.path("generation/file"));
    assert_eq!(kept.expect("it is there"), "inside\n");
    assert!(!sealed.0.path("new").exists() && !sealed.0.path("generation/new").exists());
}

#[test]
fn the_bundler_starts_no_other_program() {
    if !has_landlock() {
        return;
    }
    let sealed = Sealed::new();
    // As a child, and in its own place.
    for script in ["/bin/true && echo ran", "exec /bin/true", "(echo ran)"] {
        let ended = sealed.shell(script);
        assert_ne!((ended.code, ended.stdout.as_str()), (Some(0), "ran\n"), "{script}");
        assert!(!ended.stderr.is_empty(), "{script}");
    }
}

#[test]
fn the_bundler_has_no_environment_and_limits() {
    if !has_landlock() {
        return;
    }
    let sealed = Sealed::new();
    let ended = sealed.shell("echo \"home=$HOME\"; ulimit -c; ulimit -d; ulimit -t; ulimit -n");
    assert_eq!(ended.stdout, "home=\n0\n3145728\n320\n1024\n", "{}", ended.stderr);
}

#[test]
fn a_bundler_that_cannot_be_sealed_is_not_started() {
    let ended = ended(&mut Sealed::command("{}"));
    assert_eq!(ended.code, Some(125));
    assert!(ended.stderr.starts_with("The bundler cannot be sealed: "), "{}", ended.stderr);
}
