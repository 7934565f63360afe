//! System calls that JavaScript cannot make, from inside a worker's sandbox.
//!
//! This test binary starts itself again for each: the child seals itself as a
//! worker, makes the call and exits with the errno.

use std::io::Error;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Names the call that a child makes.
const PROBE: &str = "CONDUCTOR_PROBE";

/// Exit code of a call that succeeded.
pub const SUCCEEDED: i32 = 0;

/// Exit code of a child that could not seal itself.
const UNSEALED: i32 = 250;

fn probe(name: &str) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sandbox::probes::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(PROBE, name)
        .output()
        .unwrap()
        .status
}

/// The child's side. Ignored, so that it only runs when it is asked for.
#[test]
#[ignore = "started by the other tests, in a process of its own"]
fn child() {
    let name = std::env::var(PROBE).expect("started by the other tests");
    let zero = 0usize;
    let (go, answer) = thread_made_before();
    // SAFETY: the calls have null or small arguments; whatever they do, the
    // process ends right after.
    unsafe {
        if mcp_conductor::seal_this_process(&[]).is_err() {
            libc::_exit(UNSEALED);
        }
        let null = std::ptr::null::<u8>();
        let path = c"/etc/passwd".as_ptr();
        let result = match name.as_str() {
            "getpid" => libc::syscall(libc::SYS_getpid),
            "getppid" => libc::syscall(libc::SYS_getppid),
            "getppid in a thread made before" => {
                go.send(()).unwrap();
                libc::_exit(answer.recv().unwrap());
            }
            "thread" => match thread::Builder::new().spawn(|| ()) {
                Ok(_) => 0,
                Err(error) => libc::_exit(error.raw_os_error().unwrap_or(UNSEALED)),
            },
            "open" => libc::syscall(libc::SYS_open, path, 0),
            "openat" => libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, 0),
            "stat" => libc::syscall(libc::SYS_stat, path, null),
            "readlink" => libc::syscall(libc::SYS_readlink, path, null, zero),
            "access" => libc::syscall(libc::SYS_access, path, 0),
            "statx" => libc::syscall(libc::SYS_statx, 0, path, 0, 0, null),
            "clone3" => libc::syscall(libc::SYS_clone3, null, zero),
            "fork" => libc::syscall(libc::SYS_clone, libc::SIGCHLD, zero, zero, zero, zero),
            "vfork" => libc::syscall(libc::SYS_clone, libc::CLONE_VM | libc::CLONE_VFORK, zero),
            "prlimit64" => libc::syscall(libc::SYS_prlimit64, 0, 0, null, null),
            "prctl" => libc::syscall(libc::SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0),
            "kill" => libc::syscall(libc::SYS_kill, -1, 0),
            "tgkill" => libc::syscall(libc::SYS_tgkill, 1, 1, 0),
            "setuid" => libc::syscall(libc::SYS_setuid, 0),
            "dup2" => libc::syscall(libc::SYS_dup2, 0, 9),
            "getdents64" => libc::syscall(libc::SYS_getdents64, 0, null, zero),
            "shmget" => libc::syscall(libc::SYS_shmget, 0, 4096, 0o600),
            "seccomp" => libc::syscall(libc::SYS_seccomp, 0, 0, null),
            "socket" => libc::syscall(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0),
            "socketpair" => libc::syscall(libc::SYS_socketpair, libc::AF_UNIX, 1, 0, null),
            "connect" => libc::syscall(libc::SYS_connect, 3, null, zero),
            "execve" => libc::syscall(libc::SYS_execve, c"/bin/sh".as_ptr(), null, null),
            "ptrace" => libc::syscall(libc::SYS_ptrace, 0, 0, 0, 0),
            "process_vm_readv" => libc::syscall(libc::SYS_process_vm_readv, 1, null, 0, null, 0, 0),
            "process_vm_writev" => {
                libc::syscall(libc::SYS_process_vm_writev, 1, null, 0, null, 0, 0)
            }
            "io_uring_setup" => libc::syscall(libc::SYS_io_uring_setup, 1, null),
            "bpf" => libc::syscall(libc::SYS_bpf, 0, null, zero),
            "userfaultfd" => libc::syscall(libc::SYS_userfaultfd, 0),
            "memfd_create" => libc::syscall(libc::SYS_memfd_create, c"x".as_ptr(), 0),
            "pidfd_open" => libc::syscall(libc::SYS_pidfd_open, 1, 0),
            "pidfd_getfd" => libc::syscall(libc::SYS_pidfd_getfd, 3, 3, 0),
            "ioctl" => libc::syscall(libc::SYS_ioctl, 0, libc::TIOCSTI, null),
            "unshare" => libc::syscall(libc::SYS_unshare, 0),
            "mount" => libc::syscall(libc::SYS_mount, null, null, null, 0, null),
            "perf_event_open" => libc::syscall(libc::SYS_perf_event_open, null, 0, -1, -1, 0),
            "keyctl" => libc::syscall(libc::SYS_keyctl, 0, 0, 0, 0, 0),
            "sendmsg" => libc::syscall(libc::SYS_sendmsg, 3, null, 0),
            "recvmsg" => libc::syscall(libc::SYS_recvmsg, 3, null, 0),
            "sendmmsg" => libc::syscall(libc::SYS_sendmmsg, 3, null, 1, 0),
            "recvmmsg" => libc::syscall(libc::SYS_recvmmsg, 3, null, 1, 0, null),
            "setpriority" => libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, -1),
            "setsockopt" => libc::syscall(libc::SYS_setsockopt, 3, 1, libc::SO_SNDBUF, null, zero),
            "timer_create" => libc::syscall(libc::SYS_timer_create, 0, null, null),
            "setitimer" => libc::syscall(libc::SYS_setitimer, 0, null, null),
            "membarrier" => libc::syscall(libc::SYS_membarrier, 0, 0, 0),
            "mlock" => libc::syscall(libc::SYS_mlock, null, zero),
            "mbind" => libc::syscall(libc::SYS_mbind, null, zero, 0, null, zero, 0),
            "futex_waitv" => libc::syscall(libc::SYS_futex_waitv, null, 0, 0, null, 0),
            other => super::arguments::call(other),
        };
        let code = if result < 0 { *libc::__errno_location() } else { SUCCEEDED };
        libc::_exit(code);
    }
}

/// A thread that is there before the seal: told to, it calls getppid and sends the errno.
fn thread_made_before() -> (Sender<()>, Receiver<i32>) {
    let ((go, gone), (answer, answered)) = (channel(), channel());
    let call = move || {
        if gone.recv().is_ok() {
            // SAFETY: no pointers.
            let result = unsafe { libc::syscall(libc::SYS_getppid) };
            let errno = Error::last_os_error().raw_os_error();
            let _ = answer.send(if result < 0 { errno.unwrap_or(UNSEALED) } else { SUCCEEDED });
        }
    };
    thread::spawn(call);
    (go, answered)
}

pub fn errno(name: &str) -> i32 {
    let status = probe(name);
    status.code().unwrap_or_else(|| panic!("{name}: {status}"))
}

#[test]
fn what_v8_needs_succeeds() {
    assert_eq!(errno("getpid"), SUCCEEDED);
}

/// Here there is no server to answer.
#[test]
fn no_thread_can_be_made_without_the_server() {
    assert_eq!(errno("thread"), libc::ENOSYS);
}

#[test]
fn threads_made_before_the_seal_are_sealed() {
    for name in ["getppid", "getppid in a thread made before"] {
        assert_eq!(errno(name), libc::EPERM, "{name}");
    }
}

#[test]
fn files_are_refused_with_permission_denied() {
    for name in ["open", "openat", "stat", "readlink", "access"] {
        assert_eq!(errno(name), libc::EACCES, "{name}");
    }
}

#[test]
fn calls_that_libc_has_a_fallback_for_are_unknown() {
    for name in ["statx", "clone3"] {
        assert_eq!(errno(name), libc::ENOSYS, "{name}");
    }
}

#[test]
fn everything_else_is_not_permitted() {
    for name in [
        "fork",
        "vfork",
        "prlimit64",
        "prctl",
        "kill",
        "tgkill",
        "setuid",
        "dup2",
        "getdents64",
        "shmget",
        "seccomp",
        "sendmmsg",
        "recvmmsg",
        "setpriority",
        "setsockopt",
        "timer_create",
        "setitimer",
        "membarrier",
        "mlock",
        "mbind",
        "futex_waitv",
    ] {
        assert_eq!(errno(name), libc::EPERM, "{name}");
    }
}

#[test]
fn what_only_an_attacker_calls_ends_the_process() {
    for name in [
        "socket",
        "socketpair",
        "connect",
        "execve",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "io_uring_setup",
        "bpf",
        "userfaultfd",
        "memfd_create",
        "pidfd_open",
        "pidfd_getfd",
        "ioctl",
        "unshare",
        "mount",
        "perf_event_open",
        "keyctl",
        "sendmsg",
        "recvmsg",
    ] {
        assert_eq!(probe(name).signal(), Some(libc::SIGSYS), "{name}");
    }
}
