//! Root, an ordinary user, and a container that refuses namespaces.

use std::io::{Error, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::denied::{OF_NAMESPACES, deny, refuse};
use crate::support::directory::{Directory, set_mode};

/// nobody: owns nothing.
const NOBODY: u32 = 65534;

/// A copy of the binary where every user can execute it.
struct Program(Directory);

impl Program {
    fn new(name: &str) -> Self {
        let program = Self(Directory::new(name));
        std::fs::copy(env!("CARGO_BIN_EXE_mcp-conductor"), program.path()).unwrap();
        // Every user makes a workspace in it.
        set_mode(program.0.root(), 0o777);
        set_mode(program.path(), 0o755);
        program
    }

    fn path(&self) -> PathBuf {
        self.0.path("mcp-conductor")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path());
        command.args(arguments).env_clear().env("HOME", self.0.root()).current_dir("/");
        command
    }
}

fn is_root() -> bool {
    nix::unistd::getuid().is_root()
}

/// Runs a copy that was just written. A fork of another test may still hold it
/// open for writing, until its exec.
fn output(mut command: Command) -> Output {
    let end = Instant::now() + Duration::from_secs(60);
    let busy = |error: &Error| error.kind() == ErrorKind::ExecutableFileBusy;
    loop {
        match command.output() {
            Err(error) if busy(&error) && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(10));
            }
            output => return output.expect("the copy can be executed"),
        }
    }
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

/// Whether doctor's line for a layer says that it is enforced.
fn enforced(doctor: &str, layer: &str) -> bool {
    let line = doctor.lines().find(|line| line.trim_start().starts_with(layer));
    line.unwrap_or_else(|| panic!("no {layer} in {doctor}")).contains(" enforced ")
}

#[test]
fn root_gets_every_layer() {
    if !super::gives_every_layer() {
        return;
    }
    let program = Program::new("root");
    let doctor = text(&output(program.command(&["doctor"])));
    for layer in ["namespaces", "empty_root", "unprivileged", "landlock", "seccomp", "rlimits"] {
        assert!(enforced(&doctor, layer), "{layer}: {doctor}");
    }
}

#[test]
fn an_ordinary_user_gets_every_layer_where_user_namespaces_are_allowed() {
    let program = Program::new("user");
    let mut command = program.command(&["doctor"]);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = output(command);
    let doctor = text(&output);
    assert!(output.status.success(), "{doctor}");
    for layer in ["unprivileged", "seccomp", "rlimits", "non_dumpable"] {
        assert!(enforced(&doctor, layer), "{layer}: {doctor}");
    }
}

/// As in Docker's default profile: unshare, mount and the like are refused.
#[test]
fn a_container_that_refuses_namespaces_runs_programs_without_them() {
    for user in [None, Some(NOBODY)] {
        if user.is_some() && !is_root() {
            continue;
        }
        let program = Program::new(if user.is_some() { "container-user" } else { "container" });
        let mut command = program.command(&["doctor"]);
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        deny(&mut command, &OF_NAMESPACES);
        let output = output(command);
        let doctor = text(&output);
        assert!(output.status.success(), "{doctor}");
        assert!(!enforced(&doctor, "namespaces"), "{doctor}");
        assert!(!enforced(&doctor, "empty_root"), "{doctor}");
        for layer in ["unprivileged", "seccomp", "rlimits", "non_dumpable"] {
            assert!(enforced(&doctor, layer), "{layer}: {doctor}");
        }
    }
}

/// A container engine that lets root make user namespaces and nothing else, as
/// when CAP_SYS_ADMIN is dropped.
#[test]
fn root_without_the_admin_capability_is_confined_all_the_same() {
    if !is_root() {
        return;
    }
    let program = Program::new("no-admin");
    let mut command = program.command(&["doctor"]);
    // SAFETY: two prctl calls and capset, which neither allocate nor lock.
    unsafe { command.pre_exec(drop_sys_admin) };
    let output = output(command);
    let doctor = text(&output);
    assert!(output.status.success(), "{doctor}");
    for layer in ["unprivileged", "seccomp", "rlimits", "non_dumpable"] {
        assert!(enforced(&doctor, layer), "{layer}: {doctor}");
    }
}

/// A container engine that listens to system calls itself, beside whom nobody else can:
/// threads are made before the seal then.
#[test]
fn programs_compute_keys_where_the_server_cannot_be_asked_for_threads() {
    let program = Program::new("no-listener");
    let source = program.0.path("program.ts");
    let digests = "const digest = () => crypto.subtle.digest('SHA-256', new Uint8Array(9));\n\
        (await Promise.all([1, 2, 3].map(digest))).length";
    std::fs::write(&source, digests).unwrap();
    let mut command = program.command(&["run", source.to_str().unwrap()]);
    deny_listeners(&mut command);
    let output = output(command);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(text(&output).trim(), "3");
}

/// Refuses filters that ask somebody.
fn deny_listeners(command: &mut Command) {
    use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let asks = SeccompCmpOp::MaskedEq(listener);
    let asks = SeccompCondition::new(1, SeccompCmpArgLen::Dword, asks, listener).unwrap();
    refuse(command, vec![(libc::SYS_seccomp, vec![SeccompRule::new(vec![asks]).unwrap()])]);
}

fn drop_sys_admin() -> std::io::Result<()> {
    const CAP_SYS_ADMIN: libc::c_ulong = 21;
    // SAFETY: no pointers.
    let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) };
    if dropped == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// A machine without seccomp for us stops the start with one line.
#[test]
fn a_machine_that_cannot_filter_system_calls_is_refused_with_one_line() {
    let program = Program::new("no-seccomp");
    let mut command = program.command(&["doctor"]);
    deny(&mut command, &[libc::SYS_seccomp]);
    let output = output(command);
    let message = text(&output);
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("system call filter"), "{message}");
}
