//! Threads of workers, each of which the server is asked for (seccomp_unotify(2)).
//!
//! A filter of the zygote's stops the call that makes a thread until the server says
//! yes or no. So native code cannot have more threads than a program, and a worker that
//! needs none pays for none: two that are made before its program comes cost every run
//! a tenth of its processor time, because malloc takes locks from then on.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::unistd::Pid;

use super::sys;

/// glibc 2.36, sysdeps/nptl/create_thread: what every thread is made with.
pub(super) const THREAD_FLAGS: libc::c_int = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID;

/// A thread that somebody wants to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadRequest {
    id: u64,
    /// The thread that asks. A worker's main thread has the worker's pid.
    pub thread: Pid,
}

/// Has every thread of this process and of its children asked for. Whoever holds the
/// descriptor answers; when nobody does, no thread can be made. Fails where somebody
/// else listens already, as some container engines do, and before Linux 5.5.
pub(super) fn ask_for_threads() -> io::Result<OwnedFd> {
    const ARGUMENT: u32 = std::mem::offset_of!(libc::seccomp_data, args) as u32;
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    // The other filters know the architecture.
    sys::listen_to_calls(&[
        step(LOAD, 0, 0, 0),
        step(EQUAL, 0, 3, libc::SYS_clone as u32),
        step(LOAD, 0, 0, ARGUMENT),
        step(EQUAL, 0, 1, THREAD_FLAGS.cast_unsigned()),
        step(RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ])
}

/// The next request, if there is one.
pub(crate) fn next_request(listener: BorrowedFd<'_>) -> io::Result<Option<ThreadRequest>> {
    loop {
        match try_next_request(listener) {
            // A signal of this process's says nothing about requests.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn try_next_request(listener: BorrowedFd<'_>) -> io::Result<Option<ThreadRequest>> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut descriptors = [PollFd::new(listener, PollFlags::POLLIN)];
    poll(&mut descriptors, PollTimeout::ZERO)?;
    let events = descriptors[0].revents().unwrap_or(PollFlags::empty());
    if !events.contains(PollFlags::POLLIN) {
        let gone = events.contains(PollFlags::POLLHUP);
        return if gone { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(None) };
    }
    match sys::receive_notification(listener) {
        Ok((id, pid)) => Ok(Some(ThreadRequest { id, thread: Pid::from_raw(pid) })),
        // Whoever asked is gone.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lets the thread be made. Whether whoever asked still waited for that: a signal may
/// have come, after which it asks again, or its end.
pub(crate) fn allow_thread(listener: BorrowedFd<'_>, request: ThreadRequest) -> bool {
    // All arguments are numbers, of which none can change between the answer and the
    // call.
    let answered = sys::continue_call(listener, request.id);
    !answered.is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT))
}
