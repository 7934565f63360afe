//! System calls of the zygote and its workers. Each list says why its calls are
//! on it.
//!
//! Filters are stacked and the kernel takes the most severe answer of all: kill,
//! then errno, then allow. Most of them are the zygote's and inherited, because
//! installing a long one costs 0.1 ms; a worker adds two short ones, which take
//! away what only the zygote needs, themselves included. What arguments may be is
//! in the zygote's too ([`ARGUMENTS`]). V8 maps code writable and executable while
//! it runs, so PROT_EXEC cannot be refused: assume that a bug in V8 gives native
//! code, and that this filter and the broker's validation are then the boundary.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use thiserror::Error;

use self::Only::{AtMost, Bits, Fixed, Null, OneOf};
use super::listener::{THREAD_FLAGS, ask_for_threads};

/// What a single-threaded V8 and the worker's event loop use. Observed with
/// JIT, GC, Wasm, Intl, Temporal, crypto, stack overflow and failed allocations.
const ALLOWED: &[libc::c_long] = &[
    // Memory: V8's heap and code, malloc.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Protection keys, on machines that have them.
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
    // The one socket. No call here makes a descriptor that opens anything.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_close,
    // The event loop, whose descriptors exist before the filter does.
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_poll,
    libc::SYS_ppoll,
    // Time and waiting.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    // Randomness.
    libc::SYS_getrandom,
    // Signals to this process: the server's request to stop.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // Facts about this process.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_sched_getaffinity,
    // A thread announces itself.
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What an argument of an allowed call may be.
#[derive(Clone, Copy)]
enum Only {
    /// These bits, or some of them, or none.
    Bits(libc::c_int),
    /// This value, whatever the bits beside.
    Fixed { value: libc::c_int, beside: libc::c_int },
    /// One of these values, whatever the bits beside.
    OneOf { values: &'static [libc::c_int], beside: libc::c_int },
    /// This number or a smaller one that is not negative.
    AtMost(libc::c_int),
    /// No pointer.
    Null,
}

/// Arguments that would widen an allowed call: the call, which argument, what it may
/// be. Everything else is answered with "not permitted".
const ARGUMENTS: &[(libc::c_long, u8, Only)] = &[
    // Private anonymous memory: RLIMIT_DATA does not count shared one, and one that
    // grows downwards is a stack to the kernel, which it does not count either.
    (libc::SYS_mmap, 3, Fixed { value: PRIVATE_MEMORY, beside: MAP_FLAGS }),
    // No PROT_GROWSDOWN and PROT_GROWSUP, which change more than the given range.
    (libc::SYS_mprotect, 2, Bits(PROTECTIONS)),
    (libc::SYS_pkey_mprotect, 2, Bits(PROTECTIONS)),
    // realloc's. With MREMAP_FIXED or MREMAP_DONTUNMAP nobody here moves anything.
    (libc::SYS_mremap, 3, Bits(libc::MREMAP_MAYMOVE)),
    (libc::SYS_madvise, 2, OneOf { values: ADVICE, beside: 0 }),
    // No byte out of band, which is at no place of the stream, and no address.
    (libc::SYS_sendto, 3, Bits(MESSAGE_FLAGS)),
    (libc::SYS_sendto, 4, Null),
    (libc::SYS_recvfrom, 3, Bits(MESSAGE_FLAGS)),
    (libc::SYS_recvfrom, 4, Null),
    (libc::SYS_futex, 1, OneOf { values: FUTEX_OPERATIONS, beside: FUTEX_FLAGS }),
    // The machine's clocks and its own. The CPU time of another process is a
    // negative number.
    (libc::SYS_clock_gettime, 0, AtMost(libc::CLOCK_TAI)),
    (libc::SYS_clock_getres, 0, AtMost(libc::CLOCK_TAI)),
    // Waiting for CPU time to pass makes a timer in the kernel that looks at every tick.
    (libc::SYS_clock_nanosleep, 0, AtMost(libc::CLOCK_MONOTONIC)),
];

const PRIVATE_MEMORY: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
const MAP_FLAGS: libc::c_int = libc::MAP_FIXED
    | libc::MAP_FIXED_NOREPLACE
    | libc::MAP_NORESERVE
    // Without effect; malloc and pthread_create say it of stacks.
    | libc::MAP_STACK;

const PROTECTIONS: libc::c_int = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;

/// What V8, malloc and the generators of random numbers say of their pages. Observed
/// are DONTNEED, DONTFORK, DODUMP and WIPEONFORK. Not on the list, among others: sharing
/// equal pages with other processes (MERGEABLE, a channel between them), filling page
/// tables in one call (POPULATE_READ, POPULATE_WRITE), swapping out (PAGEOUT), errors
/// of memory (HWPOISON).
const ADVICE: &[libc::c_int] = &[
    libc::MADV_NORMAL,
    libc::MADV_DONTNEED,
    libc::MADV_FREE,
    libc::MADV_DONTFORK,
    libc::MADV_DOFORK,
    libc::MADV_HUGEPAGE,
    libc::MADV_NOHUGEPAGE,
    libc::MADV_DONTDUMP,
    libc::MADV_DODUMP,
    libc::MADV_WIPEONFORK,
];

const MESSAGE_FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// Those of locks, condition variables and parked threads. Not on the list: those that
/// inherit priorities (FUTEX_LOCK_PI and its relatives), whose bookkeeping in the
/// kernel has a history of holes.
const FUTEX_OPERATIONS: &[libc::c_int] = &[
    libc::FUTEX_WAIT,
    libc::FUTEX_WAKE,
    libc::FUTEX_REQUEUE,
    libc::FUTEX_CMP_REQUEUE,
    libc::FUTEX_WAKE_OP,
    libc::FUTEX_WAIT_BITSET,
    libc::FUTEX_WAKE_BITSET,
];

const FUTEX_FLAGS: libc::c_int = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;

/// What the zygote needs beside that, to fork workers and to let them seal
/// themselves. Refused in a worker.
const ZYGOTE_ONLY: &[libc::c_long] = &[
    // fork, and who ended. A worker may ask for threads (see no_thread).
    libc::SYS_clone,
    libc::SYS_wait4,
    // Sealing: signals, process group, descriptors, limits, filters.
    libc::SYS_prctl,
    libc::SYS_getppid,
    libc::SYS_setpgid,
    libc::SYS_dup2,
    libc::SYS_close_range,
    libc::SYS_umask,
    libc::SYS_chdir,
    libc::SYS_prlimit64,
    libc::SYS_seccomp,
    // The worker's event loop.
    libc::SYS_epoll_create1,
    libc::SYS_eventfd2,
    libc::SYS_fcntl,
];

/// As above, and fatal in a worker.
const ZYGOTE_ONLY_KILLED: &[libc::c_long] = &[
    // A handle on a worker for the server.
    libc::SYS_pidfd_open,
    // tokio's signal driver has a pair of its own.
    libc::SYS_socketpair,
    // What takes descriptors along. The arguments are behind a pointer, which a
    // filter cannot follow.
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
];

/// Answered with "permission denied": ICU and libc look for files and go on
/// without them.
const EACCES: &[libc::c_long] = &[
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_access,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
];

/// Answered with "no such call": libc then tries an older one, which is refused
/// with an errno too.
const ENOSYS: &[libc::c_long] = &[libc::SYS_clone3, libc::SYS_statx];

/// Nothing that runs here has a reason for these: whoever makes one has taken
/// over the process.
const KILLED: &[libc::c_long] = &[
    // Reaching out.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Becoming or reaching into another process.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    // Kernel interfaces with a history of holes.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_ioctl,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    // Undoing the sandbox.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
];

/// The filters cannot be made: a mistake in the lists or a strange machine.
#[derive(Debug, Error)]
#[error("the system call filters cannot be compiled: {0}")]
pub(crate) struct FilterError(#[from] seccompiler::BackendError);

/// Filters of a worker, those of its zygote included: these, and one about threads,
/// which asks for them or refuses them.
pub(super) const WORKER_FILTERS: usize = 7;

/// Compiled filters, made once in the zygote, in the order of installation.
pub(crate) struct Filters {
    zygote: Vec<BpfProgram>,
    worker: Vec<BpfProgram>,
    /// A worker's too, where the server cannot be asked.
    no_thread: BpfProgram,
    threads: Threads,
}

/// How a worker comes to its threads.
enum Threads {
    /// The server is asked for each. It gets the descriptor.
    Asked(Option<OwnedFd>),
    /// They are made before the seal, and none after it.
    MadeBefore,
}

impl Filters {
    pub(crate) fn compile() -> Result<Self, FilterError> {
        use SeccompAction::{Allow, Errno, KillProcess};
        let eperm = Errno(libc::EPERM as u32);
        let zygote = vec![
            filter(EACCES, Errno(libc::EACCES as u32), Allow)?,
            filter(ENOSYS, Errno(libc::ENOSYS as u32), Allow)?,
            filter(KILLED, KillProcess, Allow)?,
            // What the filters above answer is passed on to them.
            filter(
                &[ALLOWED, EACCES, ENOSYS, ZYGOTE_ONLY, ZYGOTE_ONLY_KILLED].concat(),
                Allow,
                eperm.clone(),
            )?,
        ];
        let worker = vec![
            filter(ZYGOTE_ONLY_KILLED, KillProcess, Allow)?,
            // Last: it refuses what installing another filter takes.
            filter(ZYGOTE_ONLY, eperm.clone(), Allow)?,
        ];
        let no_thread = filter(&[libc::SYS_clone], eperm, Allow)?;
        Ok(Self { zygote, worker, no_thread, threads: Threads::MadeBefore })
    }

    /// Whether a worker makes its threads before it is sealed.
    pub(crate) fn threads_are_made_before(&self) -> bool {
        matches!(self.threads, Threads::MadeBefore)
    }

    /// Where requests for threads come to, once.
    pub(crate) fn take_listener(&mut self) -> Option<OwnedFd> {
        match &mut self.threads {
            Threads::Asked(listener) => listener.take(),
            Threads::MadeBefore => None,
        }
    }

    /// Installs the zygote's filters for this thread, its only one.
    pub(crate) fn install_in_zygote(&mut self) -> Result<(), seccompiler::Error> {
        if let Ok(listener) = ask_for_threads() {
            self.threads = Threads::Asked(Some(listener));
        }
        self.zygote.iter().try_for_each(|program| seccompiler::apply_filter(program))
    }

    /// Installs the filters that make a zygote's child a worker, in all of its threads
    /// at once.
    pub(crate) fn install_in_worker(&self) -> Result<(), seccompiler::Error> {
        let no_thread = self.threads_are_made_before().then_some(&self.no_thread);
        let mut filters = no_thread.into_iter().chain(&self.worker);
        filters.try_for_each(|program| seccompiler::apply_filter_all_threads(program))
    }
}

fn filter(
    calls: &[libc::c_long],
    matched: SeccompAction,
    otherwise: SeccompAction,
) -> Result<BpfProgram, FilterError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        calls.iter().map(|&call| (call, Vec::new())).collect();
    if matched == SeccompAction::Allow {
        for (call, rules) in &mut rules {
            *rules = rules_of(*call)?;
        }
    } else if calls == ZYGOTE_ONLY {
        rules.insert(libc::SYS_clone, vec![no_thread()?]);
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?)
}

/// Anything but pthread_create's way to make a thread of this process.
fn no_thread() -> Result<SeccompRule, FilterError> {
    let (length, value) = (SeccompCmpArgLen::Dword, u64::from(THREAD_FLAGS.cast_unsigned()));
    let flags = SeccompCondition::new(0, length, SeccompCmpOp::Ne, value)?;
    Ok(SeccompRule::new(vec![flags])?)
}

/// What [`ARGUMENTS`] says of a call. Each rule allows it, if all of its conditions
/// hold; none at all is no question.
fn rules_of(call: libc::c_long) -> Result<Vec<SeccompRule>, FilterError> {
    let mut rules: Vec<Vec<SeccompCondition>> = Vec::new();
    for (_, argument, only) in ARGUMENTS.iter().filter(|(named, ..)| *named == call) {
        let choices = only.conditions(*argument)?;
        let before = if rules.is_empty() { vec![Vec::new()] } else { rules };
        let with = |rule: &Vec<SeccompCondition>, choice: &SeccompCondition| {
            [&rule[..], std::slice::from_ref(choice)].concat()
        };
        rules = before
            .iter()
            .flat_map(|rule| choices.iter().map(move |choice| with(rule, choice)))
            .collect();
    }
    rules.into_iter().map(|rule| Ok(SeccompRule::new(rule)?)).collect()
}

impl Only {
    /// The conditions of which one must hold.
    fn conditions(self, argument: u8) -> Result<Vec<SeccompCondition>, FilterError> {
        use SeccompCmpArgLen::{Dword, Qword};
        use SeccompCmpOp::{Eq, Le, MaskedEq};
        let number = |value: libc::c_int| u64::from(value.cast_unsigned());
        let beside = |bits: libc::c_int| MaskedEq(number(!bits));
        let wanted: Vec<_> = match self {
            Bits(bits) => vec![(Dword, beside(bits), 0)],
            Fixed { value, beside: bits } => vec![(Dword, beside(bits), number(value))],
            OneOf { values, beside: bits } => {
                values.iter().map(|&value| (Dword, beside(bits), number(value))).collect()
            }
            AtMost(most) => vec![(Dword, Le, number(most))],
            Null => vec![(Qword, Eq, 0)],
        };
        let condition =
            |(length, test, value)| Ok(SeccompCondition::new(argument, length, test, value)?);
        wanted.into_iter().map(condition).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_call_is_on_two_lists() {
        let all: Vec<_> =
            [ALLOWED, EACCES, ENOSYS, KILLED, ZYGOTE_ONLY, ZYGOTE_ONLY_KILLED].concat();
        let distinct: HashSet<_> = all.iter().collect();
        assert_eq!(all.len(), distinct.len());
    }

    #[test]
    fn arguments_are_those_of_allowed_calls() {
        assert!(ARGUMENTS.iter().all(|(call, ..)| ALLOWED.contains(call)));
    }

    #[test]
    fn the_filters_compile() {
        let filters = Filters::compile().unwrap();
        assert_eq!((filters.zygote.len(), filters.worker.len()), (4, 2));
        assert_eq!(filters.zygote.len() + filters.worker.len() + 1, WORKER_FILTERS);
    }
}
