//! The four requests of ptrace(2) that the tracer makes: the crate's own feature of nix
//! would be one more of every build.

use std::mem::{MaybeUninit, size_of};
use std::ptr::null_mut;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// Follows every fork, clone and exec, tells system calls from signals, stops once more
/// before the end; what is traced ends with the tracer.
const OPTIONS: libc::c_int = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT
    | libc::PTRACE_O_EXITKILL;

/// Where a task has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Entry {
        number: u64,
        arguments: [u64; 6],
    },
    Exit {
        result: i64,
    },
    /// At no system call.
    Elsewhere,
}

/// Becomes the tracer of a process.
pub fn seize(process: Pid) -> nix::Result<()> {
    let options = OPTIONS.cast_unsigned() as usize as *mut libc::c_void;
    let none = null_mut::<libc::c_void>();
    // SAFETY: PTRACE_SEIZE reads and writes no memory; its data is a set of bits.
    let done = unsafe { libc::ptrace(libc::PTRACE_SEIZE, process.as_raw(), none, options) };
    Errno::result(done).map(drop)
}

/// Lets a task go on until its next system call begins or ends, with a signal if there is one.
pub fn go_on(task: Pid, signal: Option<Signal>) -> nix::Result<()> {
    let signal = signal.map_or(0, |signal| signal as usize) as *mut libc::c_void;
    let none = null_mut::<libc::c_void>();
    // SAFETY: PTRACE_SYSCALL reads and writes no memory; its data is a number.
    let done = unsafe { libc::ptrace(libc::PTRACE_SYSCALL, task.as_raw(), none, signal) };
    Errno::result(done).map(drop)
}

/// The system call that a stopped task is at.
pub fn system_call(task: Pid) -> nix::Result<At> {
    let mut info = MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
    let size = size_of::<libc::ptrace_syscall_info>() as *mut libc::c_void;
    let request = libc::PTRACE_GET_SYSCALL_INFO;
    // SAFETY: the kernel writes at most `size` bytes, which is the structure's own.
    let done = unsafe { libc::ptrace(request, task.as_raw(), size, info.as_mut_ptr()) };
    Errno::result(done)?;
    // SAFETY: of numbers only, for which zeroes are values too.
    let info = unsafe { info.assume_init() };
    Ok(match info.op {
        libc::PTRACE_SYSCALL_INFO_ENTRY => {
            // SAFETY: `op` names the member that the kernel wrote.
            let entry = unsafe { info.u.entry };
            At::Entry { number: entry.nr, arguments: entry.args }
        }
        libc::PTRACE_SYSCALL_INFO_EXIT => {
            // SAFETY: as above.
            At::Exit { result: unsafe { info.u.exit }.sval }
        }
        _ => At::Elsewhere,
    })
}
