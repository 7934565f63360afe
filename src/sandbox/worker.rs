//! The layers that are each worker's own, applied between fork and program.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::Resource;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, chdir, getppid, setpgid};
use thiserror::Error;

use super::plan::{Layer, SandboxPlan};
use super::rlimit::lower;
use super::seccomp::Filters;
use super::sys;

/// A worker's socket: the one descriptor it has beside stdio on /dev/null.
pub(crate) const SOCKET: RawFd = 3;

/// A step that failed. The worker ends; nothing runs half-sealed.
#[derive(Debug, Error)]
pub(crate) enum SealError {
    #[error("parent-death signal: {0}")]
    ParentDeathSignal(Errno),
    #[error("the zygote is gone")]
    Orphaned,
    #[error("process group: {0}")]
    Group(Errno),
    #[error("socket: {0}")]
    Socket(io::Error),
    #[error("descriptors of the zygote cannot be closed: {0}")]
    CloseRange(io::Error),
    #[error("root directory: {0}")]
    Root(Errno),
    #[error("limit {0:?}: {1}")]
    Rlimit(Resource, io::Error),
    #[error("non-dumpable: {0}")]
    NonDumpable(Errno),
    #[error("system call filter: {0}")]
    Seccomp(seccompiler::Error),
    #[error("event loop: {0}")]
    EventLoop(io::Error),
}

/// Seals this process, in the order in which each step is still possible.
/// `prepare` runs after the zygote's descriptors are closed and before the
/// filter: what opens a descriptor of its own belongs there.
pub(crate) fn seal_worker<T>(
    plan: &SandboxPlan,
    filters: &Filters,
    zygote: Pid,
    socket: OwnedFd,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<T, SealError> {
    // Die with the zygote, also if it died before this line.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(SealError::ParentDeathSignal)?;
    if getppid() != zygote {
        return Err(SealError::Orphaned);
    }
    // No process group of the zygote's; its session has no terminal. One of its own
    // would be a scheduling group of its own too (sched(7), "The autogroup feature"):
    // a nice value would say nothing about other workers.
    setpgid(Pid::from_raw(0), Pid::from_raw(0)).map_err(SealError::Group)?;
    // The zygote has no handlers; it blocks SIGCHLD.
    sys::unblock_signals();

    sys::place_descriptor(socket.as_raw_fd(), SOCKET).map_err(SealError::Socket)?;
    // close_from() closes the original, unless it was 3 already.
    std::mem::forget(socket);
    sys::close_from(SOCKET + 1).map_err(SealError::CloseRange)?;

    umask(Mode::from_bits_truncate(0o077));
    chdir("/").map_err(SealError::Root)?;
    let prepared = prepare().map_err(SealError::EventLoop)?;

    if plan.has(Layer::Rlimits) {
        for (resource, soft, hard) in plan.rlimits() {
            lower(resource, soft, hard).map_err(|e| SealError::Rlimit(resource, e))?;
        }
    }
    if plan.has(Layer::NonDumpable) {
        prctl::set_dumpable(false).map_err(SealError::NonDumpable)?;
    }
    if plan.has(Layer::Seccomp) {
        filters.install_in_worker().map_err(SealError::Seccomp)?;
    }
    Ok(prepared)
}
