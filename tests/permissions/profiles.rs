//! The programs of `hostile/` again, where the server has less than root: as an ordinary user, and in what a container engine gives by default.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::TEST_BINARY;
use crate::hostile::APART;
use crate::support::denied::{OF_NAMESPACES, deny};
use crate::support::directory::{Directory, set_mode};

/// nobody: owns nothing.
const NOBODY: u32 = 65534;

/// Tests whose names have this are those of both suites.
const FILTER: &str = "hostile";

/// The programs in Python, which take minutes and whose engine is not readable for others.
const WITHOUT: [&str; 2] = ["--skip", "hostile::python"];

/// How many these are.
const SUITES: &str = "11 passed";

/// Capabilities that Docker and Podman give root in a container (moby,
/// daemon/pkg/oci/caps/defaults.go): CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID,
/// SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP.
const OF_A_CONTAINER: [libc::c_ulong; 14] = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31];

/// Capabilities that there may be: the kernel has 41 (capability.h), and answers EINVAL
/// for others.
const CAPABILITIES: libc::c_ulong = 63;

/// This test binary and the program, where every user can execute them and write beside
/// them.
struct Copies(Directory);

impl Copies {
    fn new(profile: &str) -> Self {
        let directory = Directory::new(profile);
        set_mode(directory.root(), 0o777);
        let copies = Self(directory);
        for (from, to) in [
            (std::env::current_exe().unwrap(), copies.tests()),
            (crate::binary(), copies.program()),
        ] {
            // By another process: a fork of this one would hold the copy open for writing.
            let copied = Command::new("cp").args([&from, &to]).status().unwrap();
            assert!(copied.success(), "{} is not copied", from.display());
            set_mode(&to, 0o755);
        }
        copies
    }

    fn tests(&self) -> PathBuf {
        self.0.path("tests")
    }

    fn program(&self) -> PathBuf {
        self.0.path("mcp-conductor")
    }

    /// The suites again.
    fn run(&self, prepare: impl FnOnce(&mut Command)) -> Output {
        let mut command = Command::new(self.tests());
        command
            .args([FILTER, "--nocapture"])
            .args(WITHOUT)
            .env(TEST_BINARY, self.program())
            .env(APART, "1")
            .env("TMPDIR", self.0.root())
            .env("HOME", self.0.root())
            .current_dir(self.0.root());
        prepare(&mut command);
        command.output().expect("the copy can be executed")
    }
}

/// Only root can be somebody else.
fn is_root() -> bool {
    let is_root = nix::unistd::getuid().is_root();
    if !is_root {
        eprintln!("skipped: only root can give the suites another profile");
    }
    is_root
}

#[track_caller]
fn holds(profile: &str, prepare: impl FnOnce(&mut Command)) {
    if !is_root() {
        return;
    }
    let output = Copies::new(profile).run(prepare);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success() && text.contains(SUITES), "as {profile}:\n{text}");
}

fn keep_capabilities_of_a_container() -> std::io::Result<()> {
    for capability in (0..CAPABILITIES).filter(|one| !OF_A_CONTAINER.contains(one)) {
        // SAFETY: no pointers. What the kernel does not know cannot be had either.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    Ok(())
}

#[test]
fn an_ordinary_user_is_as_safe() {
    holds("user", |command| {
        command.uid(NOBODY).gid(NOBODY);
    });
}

#[test]
fn root_of_a_container_is_as_safe() {
    holds("container", |command| {
        // SAFETY: prctl, which neither allocates nor locks.
        unsafe { command.pre_exec(keep_capabilities_of_a_container) };
        deny(command, &OF_NAMESPACES);
    });
}

#[test]
fn a_user_of_a_container_is_as_safe() {
    holds("container-user", |command| {
        command.uid(NOBODY).gid(NOBODY);
        deny(command, &OF_NAMESPACES);
    });
}
