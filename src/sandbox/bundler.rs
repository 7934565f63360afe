//! The bundler: a program of its own that parses what strangers have written, and so runs
//! with nothing but that and a place for its output.
//!
//! This executable is started for it first. It is confined as a command is, with less: no
//! other program, no process, no network, and namespaces of its own where the machine gives
//! them. Then it becomes the bundler.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, execve, getgid, getuid, pipe2};
use serde::{Deserialize, Serialize};

use super::command::{CommandLimits, Confinement, Prepared};
use super::sys;

/// The first argument of its command line. The second is a [`BundlerPlan`] as JSON.
pub(crate) const BUNDLER_ARGUMENT: &str = "mcp-conductor-bundler";

/// Bytes of private writable memory. 201 packages in one graph, of 104 MB of output, took
/// 2 GB. RLIMIT_AS cannot be used: allocators reserve address space that they never write.
const DATA_BYTES: u64 = 3 << 30;

/// CPU seconds. 201 packages took 80 on two cores; a machine may be four times slower.
const CPU_SECONDS: u64 = 320;

/// Bytes of the largest file: a module of a package has at most 64 MiB.
const FILE_BYTES: u64 = 64 << 20;

/// Descriptors: files that are read at once, by as many threads as there are.
const OPEN_FILES: u64 = 1024;

/// Processes and threads of the user, these included.
const PROCESSES: u64 = 8192;

/// The exit code of one that was not started.
const EXIT_NOT_STARTED: i32 = 125;

/// What one bundler may do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BundlerPlan {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// What it reads beside its libraries.
    pub read: PathBuf,
    /// Where its output goes. It is its working directory.
    pub write: PathBuf,
    /// The administrator accepted to run where the kernel has no Landlock.
    pub without_landlock: bool,
}

/// Becomes the bundler, sealed. In a process of one thread that has been nothing else
/// before. The answer is an exit code.
pub(crate) fn run_bundler() -> i32 {
    match start() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("The bundler cannot be sealed: {error}");
            EXIT_NOT_STARTED
        }
    }
}

fn start() -> io::Result<i32> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    sys::close_from(libc::STDERR_FILENO + 1)?;
    let plan = std::env::args().nth(2).ok_or_else(|| io::Error::other("it has no plan"))?;
    let plan: BundlerPlan = serde_json::from_str(&plan)?;
    let prepared = plan.confinement()?.prepare_alone().map_err(io::Error::other)?;
    let directory = OwnedFd::from(File::open(&plan.write)?);
    let (alive, here) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let in_namespace = unshare_all();
    let prepared = if in_namespace { prepared.in_namespace() } else { prepared };
    match sys::fork_single_threaded()? {
        sys::Fork::Child => {
            drop(here);
            Err(become_bundler(&plan, prepared, &directory, alive))
        }
        sys::Fork::Parent(child) => {
            drop(alive);
            let ended = wait(child);
            drop(here);
            ended
        }
    }
}

impl BundlerPlan {
    fn confinement(&self) -> io::Result<Confinement> {
        Ok(Confinement {
            read: vec![self.read.canonicalize()?, self.write.canonicalize()?],
            write: vec![self.write.canonicalize()?],
            deny_read: Vec::new(),
            deny_write: Vec::new(),
            program: self.program.canonicalize()?,
            network: false,
            limits: CommandLimits {
                cpu_seconds: CPU_SECONDS,
                file_size: FILE_BYTES,
                data: DATA_BYTES,
                open_files: OPEN_FILES,
                processes: PROCESSES,
            },
            unconfined: false,
            without_landlock: self.without_landlock,
        })
    }
}

/// Own namespaces for the children of this process, an empty network among them. Where the
/// machine refuses them the filters refuse every socket as well. Files stay this user's: a
/// user namespace maps its own id, and its capabilities are dropped.
fn unshare_all() -> bool {
    let flags = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if unshare(flags).is_ok() {
        return true;
    }
    let (uid, gid) = (getuid(), getgid());
    let is_unshared = unshare(flags | CloneFlags::CLONE_NEWUSER).is_ok();
    if is_unshared {
        // Without them files belong to nobody, and are read by their modes.
        let _ = std::fs::write("/proc/self/setgroups", "deny");
        let _ = std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"));
        let _ = std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"));
    }
    is_unshared
}

/// Does not return unless it fails.
fn become_bundler(
    plan: &BundlerPlan,
    mut prepared: Prepared,
    directory: &OwnedFd,
    alive: OwnedFd,
) -> io::Error {
    let program = text(&plan.program);
    let arguments = plan.arguments.iter().map(|argument| CString::new(argument.as_bytes()));
    let arguments = program.iter().cloned().map(Ok).chain(arguments);
    let arguments: Vec<CString> = match arguments.collect() {
        Ok(arguments) => arguments,
        Err(error) => return error.into(),
    };
    let Some(program) = program else { return io::ErrorKind::InvalidInput.into() };
    if let Err(error) = prepared.apply(directory.as_fd()) {
        return error;
    }
    // A parent that ended before this one asked for a signal closed its end of the pipe.
    let mut byte = [0];
    match File::from(alive).read(&mut byte) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Ok(_) | Err(_) => return io::ErrorKind::BrokenPipe.into(),
    }
    match execve::<_, CString>(&program, &arguments, &[]) {
        Ok(never) => match never {},
        Err(error) => error.into(),
    }
}

fn text(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

/// The exit code, as a shell would say it.
fn wait(child: Pid) -> io::Result<i32> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as i32),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
