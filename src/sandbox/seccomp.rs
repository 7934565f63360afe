//! System calls of the zygote and its workers. Each list says why its calls are
//! on it.
//!
//! Filters are stacked and the kernel takes the most severe answer of all: kill,
//! then errno, then allow. Most of them are the zygote's and inherited, because
//! installing a long one costs 0.1 ms; a worker adds two short ones, which take
//! away what only the zygote needs, themselves included. V8 maps code writable and executable while it runs, so
//! PROT_EXEC cannot be refused: assume that a bug in V8 gives native code, and
//! that this filter and the broker's validation are then the boundary.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use thiserror::Error;

/// What a single-threaded V8 and the worker's event loop use. Observed with
/// JIT, GC, Wasm, Intl, Temporal, crypto, stack overflow and failed allocations.
const ALLOWED: &[libc::c_long] = &[
    // Memory: V8's heap and code, malloc. mmap makes private mappings only.
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
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
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

/// What the zygote needs beside that, to fork workers and to let them seal
/// themselves. Refused in a worker.
const ZYGOTE_ONLY: &[libc::c_long] = &[
    // fork, and who ended. A worker can make threads (see no_thread).
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

/// Compiled filters, made once in the zygote, in the order of installation.
pub(crate) struct Filters {
    zygote: Vec<BpfProgram>,
    worker: Vec<BpfProgram>,
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
            filter(ZYGOTE_ONLY, eperm, Allow)?,
        ];
        Ok(Self { zygote, worker })
    }

    /// Installs the zygote's filters for this thread, its only one.
    pub(crate) fn install_in_zygote(&self) -> Result<(), seccompiler::Error> {
        self.zygote.iter().try_for_each(|program| seccompiler::apply_filter(program))
    }

    /// Installs the filters that make a zygote's child a worker.
    pub(crate) fn install_in_worker(&self) -> Result<(), seccompiler::Error> {
        self.worker.iter().try_for_each(|program| seccompiler::apply_filter(program))
    }
}

fn filter(
    calls: &[libc::c_long],
    matched: SeccompAction,
    otherwise: SeccompAction,
) -> Result<BpfProgram, FilterError> {
    let (private_mapping, no_thread) = (private_mapping()?, no_thread()?);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        calls.iter().map(|&call| (call, Vec::new())).collect();
    match matched {
        SeccompAction::Allow => {
            rules.entry(libc::SYS_mmap).and_modify(|rules| rules.push(private_mapping.clone()));
        }
        _ => {
            rules.entry(libc::SYS_clone).and_modify(|rules| rules.push(no_thread.clone()));
        }
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?)
}

/// Private mappings only: RLIMIT_DATA does not count shared anonymous memory.
fn private_mapping() -> Result<SeccompRule, FilterError> {
    const FLAGS_ARGUMENT: u8 = 3;
    let flags = SeccompCondition::new(
        FLAGS_ARGUMENT,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(libc::MAP_TYPE as u64),
        libc::MAP_PRIVATE as u64,
    )?;
    Ok(SeccompRule::new(vec![flags])?)
}

/// Anything but pthread_create's way to make a thread of this process. The
/// digests and keys of crypto.subtle are computed in one, so that a deadline can
/// interrupt them.
fn no_thread() -> Result<SeccompRule, FilterError> {
    const FLAGS_ARGUMENT: u8 = 0;
    // glibc 2.36, sysdeps/nptl/create_thread: what every thread is made with.
    let thread = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SYSVSEM
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SETTLS
        | libc::CLONE_PARENT_SETTID
        | libc::CLONE_CHILD_CLEARTID;
    let flags = SeccompCondition::new(
        FLAGS_ARGUMENT,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Ne,
        u64::from(thread.cast_unsigned()),
    )?;
    Ok(SeccompRule::new(vec![flags])?)
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
    fn the_filters_compile() {
        let filters = Filters::compile().unwrap();
        assert_eq!((filters.zygote.len(), filters.worker.len()), (4, 2));
    }
}
