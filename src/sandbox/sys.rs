//! The system calls that no crate wraps safely. All `unsafe` of the sandbox.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;

/// Closes every descriptor from `first` on (close_range(2), Linux 5.9).
pub(crate) fn close_from(first: RawFd) -> io::Result<()> {
    // SAFETY: the call takes no pointer. The caller is a process of one thread
    // that owns the descriptors above `first` only to be rid of them, and never
    // drops their Rust owners: it runs until _exit.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    Errno::result(result).map(drop).map_err(io::Error::from)
}

/// Drops every capability, the bounding set included (capset(2)).
pub(crate) fn drop_capabilities() -> io::Result<()> {
    drop_bounding_set();
    set_capabilities([CapabilityData::default(); 2])
}

/// Drops every capability of this thread that is not in a mask: those that it uses, and
/// those that it may use or has for its children's exec (permitted, inheritable,
/// ambient).
pub(super) fn limit_capabilities(effective: u64, permitted: u64) -> io::Result<()> {
    let mut data = [CapabilityData::default(); 2];
    let header = CapabilityHeader::default();
    // SAFETY: both pointers are to live values of the layout that version 3
    // asks for: one header, two data records.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) };
    Errno::result(result)?;
    for (data, shift) in data.iter_mut().zip([0, 32]) {
        data.effective &= (effective >> shift) as u32;
        data.permitted &= (permitted >> shift) as u32;
        data.inheritable &= (permitted >> shift) as u32;
    }
    set_capabilities(data)
}

/// linux/capability.h: `_LINUX_CAPABILITY_VERSION_3` and what it goes with.
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: libc::c_int,
}

impl Default for CapabilityHeader {
    /// The calling thread.
    fn default() -> Self {
        Self { version: 0x2008_0522, pid: 0 }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

fn set_capabilities(data: [CapabilityData; 2]) -> io::Result<()> {
    let header = CapabilityHeader::default();
    // SAFETY: as in `limit_capabilities`; the kernel only reads.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    Errno::result(result).map(drop).map_err(io::Error::from)
}

/// Empties the capability bounding set, as far as this process may.
pub(crate) fn drop_bounding_set() {
    limit_bounding_set(0);
}

/// Takes what is not in a mask out of the capability bounding set, as far as this
/// process may.
pub(super) fn limit_bounding_set(mask: u64) {
    for capability in (0..64).filter(|capability| mask & 1 << capability == 0) {
        // SAFETY: no pointers. EINVAL names a capability that the kernel does
        // not know, EPERM a process that may not change its bounding set.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
}

/// Leaves every descriptor from `first` on to close at exec (Linux 5.11).
pub(crate) fn close_from_at_exec(first: RawFd) -> io::Result<()> {
    // SAFETY: no pointers, and nothing is closed yet.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Errno::result(result).map(drop).map_err(io::Error::from)
}

/// What `fork` returned.
pub(crate) enum Fork {
    Child,
    Parent(nix::unistd::Pid),
}

/// fork(2) for a process of one thread.
///
/// # Panics
/// If the process has a second thread: its locks would stay locked in the child.
pub(crate) fn fork_single_threaded() -> io::Result<Fork> {
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count);
    // After the root was emptied there is no /proc; the check before it, in the
    // same process, which starts no thread in between, still holds.
    if let Ok(threads) = threads {
        assert_eq!(threads, 1, "a zygote has one thread");
    }
    // SAFETY: there is no other thread whose locks or state the child could
    // find half-changed.
    match unsafe { nix::unistd::fork() }.map_err(io::Error::from)? {
        nix::unistd::ForkResult::Child => Ok(Fork::Child),
        nix::unistd::ForkResult::Parent { child } => Ok(Fork::Parent(child)),
    }
}

/// Ends the process at once: no destructors, no atexit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions and does not return.
    unsafe { libc::_exit(code) }
}

/// What a huge page has, and where one begins.
const HUGE_PAGE: usize = 2 << 20;

/// linux/mman.h; libc has it for glibc only.
const MADV_COLLAPSE: libc::c_int = 25;

/// Pages of 4 KiB that must be resident in a block of [`HUGE_PAGE`] for it to be worth one: the
/// rest of it becomes resident with that. Of 512.
const MOSTLY_RESIDENT: usize = 400;

/// Makes huge pages of anonymous memory that is resident anyway (MADV_COLLAPSE, Linux 6.1). A
/// fork copies one entry of a page table for each instead of 512, and an exit frees one; the
/// kernel splits a huge page at a child's first write to it. Where the kernel does not do it,
/// memory is as before. Answers how many it has made.
pub(crate) fn collapse_to_huge_pages(maps: &str) -> usize {
    let anonymous = maps.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (range, access, path) = (fields.next()?, fields.next()?, fields.nth(3));
        let is_memory = path.is_none_or(|path| path.starts_with("[heap]"));
        (access.starts_with("rw") && is_memory).then(|| bounds(range))?
    });
    anonymous.map(|(start, end)| collapse_range(start, end)).sum()
}

fn collapse_range(start: usize, end: usize) -> usize {
    let blocks = (start.next_multiple_of(HUGE_PAGE)..end).step_by(HUGE_PAGE);
    blocks.filter(|block| block + HUGE_PAGE <= end && is_collapsed(*block)).count()
}

/// Makes a huge page of one block, if most of it is resident.
fn is_collapsed(block: usize) -> bool {
    let mut resident = [0u8; HUGE_PAGE / PAGE];
    let start = block as *mut libc::c_void;
    // SAFETY: one byte for each page of the block is written; a range that is not mapped is
    // refused with an errno.
    let known = unsafe { libc::mincore(start, HUGE_PAGE, resident.as_mut_ptr()) } == 0;
    let count = resident.iter().filter(|page| **page & 1 == 1).count();
    // SAFETY: the advice changes no content and no access right of the process's own memory.
    known
        && count >= MOSTLY_RESIDENT
        && unsafe { libc::madvise(start, HUGE_PAGE, MADV_COLLAPSE) } == 0
}

/// Takes back V8's MADV_DONTFORK from every mapping of this process.
///
/// rusty_v8 is built with `v8_enable_private_mapping_fork_optimization`, which
/// keeps V8's pages out of children; a forked isolate would fault on them.
pub(crate) fn keep_mappings_across_fork(maps: &str) {
    let ranges = maps.lines().filter_map(|line| bounds(line.split_once(' ')?.0));
    for (start, end) in ranges {
        // SAFETY: the advice changes no content and no access right; ranges
        // that are gone or special (vvar, vsyscall) are refused with an errno.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DOFORK) };
    }
}

/// No signal is blocked.
pub(crate) fn unblock_signals() {
    nix::sys::signal::SigSet::empty().thread_set_mask().expect("an empty mask is valid");
}

/// All signals back to their default.
pub(crate) fn default_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL is a valid disposition for every signal; SIGKILL,
        // SIGSTOP and libc's own are refused with an errno, which is fine.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Does something while a pipe that nobody reads is an error and not the end of the
/// process; after that its signal has its default. Allocates nothing.
pub(crate) fn with_broken_pipes<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: SIG_IGN and SIG_DFL are valid dispositions for it.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let result = work();
    // SAFETY: as above.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    result
}

/// Signals that ask a program to stop are ignored, also by children.
pub(crate) fn ignore_stop_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: SIG_IGN is a valid disposition for these four.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// What happens at a signal, as it was when it was asked for.
#[derive(Clone, Copy)]
pub(crate) struct SignalAction {
    signal: libc::c_int,
    action: libc::sigaction,
}

impl SignalAction {
    /// What happens now.
    pub(crate) fn of(signal: nix::sys::signal::Signal) -> io::Result<Self> {
        let signal = signal as libc::c_int;
        // SAFETY: an all-zero sigaction is a valid value; the kernel overwrites it.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: no new action is given, and the old one is written to a live local.
        let result = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
        Errno::result(result).map(|_| Self { signal, action }).map_err(io::Error::from)
    }

    /// Makes it happen again.
    pub(crate) fn restore(&self) -> io::Result<()> {
        // SAFETY: the action was this process's own, or that of the process it was forked from,
        // whose code and memory it has: its handler is there.
        let result =
            unsafe { libc::sigaction(self.signal, &raw const self.action, std::ptr::null_mut()) };
        Errno::result(result).map(drop).map_err(io::Error::from)
    }
}

/// Installs a handler that runs on the thread that is interrupted.
///
/// # Safety
/// `handler` may be called between any two instructions of the program. It must
/// touch only what allows that, or the process must be one whose death at that
/// moment does no harm.
pub(crate) unsafe fn handle_signal(
    signal: nix::sys::signal::Signal,
    handler: extern "C" fn(libc::c_int),
) -> io::Result<()> {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet};
    let action = SigAction::new(SigHandler::Handler(handler), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the caller vouches for the handler.
    unsafe { nix::sys::signal::sigaction(signal, &action) }.map(drop).map_err(io::Error::from)
}

/// A pidfd for a child that has not been waited for, so that the pid is its own.
pub(crate) fn pidfd_open(pid: nix::unistd::Pid) -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: no pointers.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = Errno::result(result).map_err(io::Error::from)?;
    // SAFETY: the kernel just made the descriptor and nobody else has it.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Kills the process group that the pidfd's process leads or has led (Linux 6.9).
pub(super) fn pidfd_kill_group(pidfd: std::os::fd::BorrowedFd<'_>) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    /// linux/pidfd.h
    const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_uint = 1 << 2;
    // SAFETY: a null siginfo asks the kernel to fill it in.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            libc::SIGKILL,
            std::ptr::null::<libc::siginfo_t>(),
            PIDFD_SIGNAL_PROCESS_GROUP,
        )
    };
    Errno::result(result).map(drop).map_err(io::Error::from)
}

/// Sends a signal to exactly the process that the pidfd was made for.
pub(crate) fn pidfd_send_signal(
    pidfd: std::os::fd::BorrowedFd<'_>,
    signal: nix::sys::signal::Signal,
) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: a null siginfo asks the kernel to fill it in.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal as libc::c_int,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    Errno::result(result).map(drop).map_err(io::Error::from)
}

/// wait4(2) for any child, without waiting: who ended, how, and what it used.
pub(crate) fn reap_any() -> Option<(nix::unistd::Pid, libc::c_int, libc::rusage)> {
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid value; the kernel overwrites it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live locals.
    let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage) };
    (pid > 0).then(|| (nix::unistd::Pid::from_raw(pid), status, usage))
}

/// Installs a filter for this thread whose questions come to the descriptor.
pub(crate) fn listen_to_calls(program: &[libc::sock_filter]) -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    let install = |flags: libc::c_ulong| {
        let (call, mode) = (libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER);
        // SAFETY: the kernel copies the program, which lives until the call returns, and
        // does not write to it.
        Errno::result(unsafe { libc::syscall(call, mode, flags, &raw const program) })
    };
    let listen = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // A question that was received is not asked again after a signal (Linux 5.19).
    let fd = install(listen | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
        .or_else(|_| install(listen))
        .map_err(io::Error::from)?;
    // SAFETY: the kernel just made the descriptor and nobody else has it.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd as RawFd) })
}

/// The next question of a filter: its number, and the thread that waits.
pub(crate) fn receive_notification(
    listener: std::os::fd::BorrowedFd<'_>,
) -> io::Result<(u64, libc::pid_t)> {
    use std::os::fd::AsRawFd;
    // SAFETY: an all-zero notification is a valid value, and what the kernel asks for.
    let mut question: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
    // SAFETY: the kernel fills in one notification, which lives until the call returns.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), request, &raw mut question) };
    Errno::result(result).map_err(io::Error::from)?;
    Ok((question.id, question.pid.cast_signed()))
}

/// Answers a question with: make the call.
pub(crate) fn continue_call(listener: std::os::fd::BorrowedFd<'_>, id: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    let answer = libc::seccomp_notif_resp { id, val: 0, error: 0, flags };
    let request = libc::SECCOMP_IOCTL_NOTIF_SEND;
    loop {
        // SAFETY: the kernel reads one answer, which lives until the call returns.
        let result = unsafe { libc::ioctl(listener.as_raw_fd(), request, &raw const answer) };
        match Errno::result(result) {
            // A signal came before the answer was given.
            Err(Errno::EINTR) => {}
            result => return result.map(drop).map_err(io::Error::from),
        }
    }
}

/// Takes ownership of a descriptor that this process was started with.
///
/// # Safety
/// Nobody else in the process may own or close `fd`.
pub(crate) unsafe fn inherited(fd: RawFd) -> std::os::fd::OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: the caller vouches for sole ownership.
    unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) }
}

/// Makes `from` descriptor number `to`, in a process that owns `to` or nothing
/// there, and leaves it open across exec.
pub(crate) fn place_descriptor(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: no pointers; callers are children before exec or workers before
    // any owner of `to` exists.
    let result = unsafe {
        if from == to { libc::fcntl(from, libc::F_SETFD, 0) } else { libc::dup2(from, to) }
    };
    Errno::result(result).map(drop).map_err(io::Error::from)
}

/// Random bytes from the kernel, whose generator no fork copies (getrandom(2)).
pub(crate) fn random(bytes: &mut [u8]) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of a live, writable slice.
    let result = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    // Requests of up to 256 bytes are answered whole, getrandom(2).
    Errno::result(result).map(drop).map_err(io::Error::from)
}

/// Runs `prepare` in the child between fork and exec.
///
/// `prepare` must make system calls only: the child is a copy of one thread of
/// a process with many, whose locks it must not wait for.
pub(crate) fn before_exec(
    command: &mut tokio::process::Command,
    prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: both callers' closures consist of setrlimit, dup2, fcntl, prctl
    // and seccomp, which allocate nothing and take no lock.
    unsafe { command.pre_exec(prepare) };
}

/// Sets the size of the main thread's stack for the next exec, and for good.
pub(crate) fn set_stack_limit(bytes: u64) -> io::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_STACK)?;
    let limit = bytes.min(hard);
    Ok(setrlimit(Resource::RLIMIT_STACK, limit, limit)?)
}

/// Registers a descriptor with the reactor of the current tokio runtime.
pub(crate) fn watch_readable(
    descriptor: std::os::fd::OwnedFd,
) -> io::Result<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>> {
    use tokio::io::{Interest, unix::AsyncFd};
    // SAFETY: the AsyncFd owns the descriptor, which stays open and the same
    // until it is deregistered and closed.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }
        .map_err(|error| error.into_parts().1)
}

/// Makes fork copy the page tables of mapped files: program text, constants.
///
/// Linux leaves private file mappings out of a child's page tables, because
/// they can be faulted in again; a worker would take some 300 such faults on its
/// way to a trivial program's value, a quarter of its time. A mapping with one
/// page of its own is copied whole (mm/memory.c, `vma_needs_copy`), so each gets
/// one: its first page, written with what it holds.
pub(crate) fn share_file_pages_across_fork(maps: &str) {
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(range), Some(access), Some(path)) = (fields.next(), fields.next(), fields.nth(3))
        else {
            continue;
        };
        let protection = match access {
            "r--p" => libc::PROT_READ,
            "r-xp" => libc::PROT_READ | libc::PROT_EXEC,
            _ => continue,
        };
        if let Some((start, end)) = bounds(range)
            && path.starts_with('/')
        {
            // SAFETY: the range is a mapping of this process, of one thread,
            // and nothing changes it meanwhile.
            unsafe { own_first_page(start, end - start, protection) };
        }
    }
}

/// # Safety
/// The range must be a readable private mapping of this process.
unsafe fn own_first_page(start: usize, length: usize, protection: libc::c_int) {
    let first = start as *mut u8;
    let range = start as *mut libc::c_void;
    // SAFETY: the mapping is the caller's promise. Its content does not change,
    // also where it is the code that runs, and its protection is put back. A
    // kernel that refuses writable text leaves it as it was.
    unsafe {
        if libc::mprotect(range, length, protection | libc::PROT_WRITE) == 0 {
            first.write_volatile(first.read_volatile());
            libc::mprotect(range, length, protection);
        }
    }
}

/// Drops program text and constants from this process's page tables; what is used next
/// comes back by page faults, from the page cache.
pub(crate) fn forget_text_pages(maps: &str) {
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(range), Some(access), Some(offset), Some(path)) =
            (fields.next(), fields.next(), fields.next(), fields.nth(2))
        else {
            continue;
        };
        // Constants come first in a file and have no relocations either; those
        // that have are at another offset, and are this process's own.
        let of_file = access == "r-xp" || access == "r--p" && offset == "00000000";
        if let Some((start, end)) = bounds(range)
            && path.starts_with('/')
            && of_file
        {
            // SAFETY: nobody has written to these pages: position-independent
            // code has no relocations in it. Their content is the file's.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
        }
    }
}

/// Drops the pages of files below a directory that are mapped and only read; what is used next
/// comes back by page faults, from the page cache.
pub(crate) fn forget_files(maps: &str, directory: &std::path::Path) {
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(range), Some(access), Some(path)) = (fields.next(), fields.next(), fields.nth(3))
        else {
            continue;
        };
        if let Some((start, end)) = bounds(range)
            && access.starts_with("r--")
            && std::path::Path::new(path).starts_with(directory)
        {
            // SAFETY: nobody can have written to these pages: their content is the file's.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
        }
    }
}

/// The bounds of a line's range in `/proc/self/maps`.
fn bounds(range: &str) -> Option<(usize, usize)> {
    let (start, end) = range.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

/// Runs `run` so that of this executable's text only those pages get into the
/// page tables that it executes, and not their neighbours.
///
/// A fault maps 16 pages around the wanted one or a whole large folio
/// (mm/memory.c, `do_fault_around`), but never beyond its mapping. So text is
/// made inaccessible, and each page that is executed becomes a mapping of its
/// own. It is one mapping again afterwards. Workers inherit 4 MiB of page table
/// entries less, which is 0.5 ms of fork and exit for each.
///
/// For a process of one thread. Without effect in debug builds, whose handler
/// would call functions on inaccessible pages, and where libc, which returns from
/// the handler, is part of the executable.
pub(crate) fn with_single_text_pages<T>(maps: &str, run: impl FnOnce() -> T) -> T {
    let Some((start, end)) =
        own_text(maps).filter(|_| !cfg!(debug_assertions) && cfg!(target_env = "gnu"))
    else {
        return run();
    };
    TEXT_START.store(start, Ordering::Relaxed);
    TEXT_END.store(end, Ordering::Relaxed);
    let handler = on_text_fault as *const () as usize;
    let (before, after) = (handler - handler % PAGE - PAGE, handler - handler % PAGE + 2 * PAGE);
    let protect = |from: usize, to: usize, protection| {
        // SAFETY: the range is text of this executable. What is executed in it
        // while it is inaccessible comes to the handler, which is outside of it.
        unsafe { libc::mprotect(from as *mut libc::c_void, to - from, protection) }
    };
    // SAFETY: an all-zero sigaction is a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: the handler makes one system call and touches nothing else.
    unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()) };
    if before > start {
        protect(start, before, libc::PROT_NONE);
    }
    if after < end {
        protect(after, end, libc::PROT_NONE);
    }
    let result = run();
    protect(start, end, libc::PROT_READ | libc::PROT_EXEC);
    // SAFETY: SIG_DFL is a valid disposition.
    unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
    result
}

const PAGE: usize = 4096;

static TEXT_START: AtomicUsize = AtomicUsize::new(0);
static TEXT_END: AtomicUsize = AtomicUsize::new(0);

/// Makes the page accessible that was executed. Anything else is a real fault.
extern "C" fn on_text_fault(
    _signal: libc::c_int,
    info: *const libc::siginfo_t,
    _context: *const libc::c_void,
) {
    // SAFETY: the kernel passes a valid siginfo to a SA_SIGINFO handler.
    let address = unsafe { (*info).si_addr() } as usize;
    let page = address & !(PAGE - 1);
    let text = TEXT_START.load(Ordering::Relaxed)..TEXT_END.load(Ordering::Relaxed);
    let (call, arguments) = if text.contains(&address) {
        (libc::SYS_mprotect, (page, PAGE, libc::PROT_READ | libc::PROT_EXEC))
    } else {
        (libc::SYS_exit_group, (128 + libc::SIGSEGV as usize, 0, 0))
    };
    // SAFETY: mprotect gives back what the page had; exit_group has no effect
    // on memory. Inline, because libc's wrapper is reached through text.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") call => _,
            in("rdi") arguments.0,
            in("rsi") arguments.1,
            in("rdx") arguments.2,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
}

/// The bounds of this executable's text.
fn own_text(maps: &str) -> Option<(usize, usize)> {
    let here = own_text as *const () as usize;
    let lines = maps.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = bounds(fields.next()?)?;
        (fields.next()? == "r-xp" && (start..end).contains(&here)).then_some((start, end))
    });
    lines.into_iter().next()
}

/// Sets the nice value of all threads of a process group, whose claim to the processors
/// becomes smaller (setpriority(2)); taking it back needs CAP_SYS_NICE. By process it
/// would be that of one thread only.
pub(crate) fn set_nice(group: nix::unistd::Pid, nice: libc::c_int) -> io::Result<()> {
    let group = libc::id_t::try_from(group.as_raw()).map_err(io::Error::other)?;
    // SAFETY: setpriority(2) takes numbers only and touches no memory of this process.
    match unsafe { libc::setpriority(libc::PRIO_PGRP, group, nice) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
