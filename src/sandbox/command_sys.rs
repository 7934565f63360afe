//! The system calls of a started command: those that no crate wraps, made on its
//! behalf, and the filters over those that it makes itself.
//!
//! A command may be any program, so everything is allowed but what is listed.
//! Each list says why its calls are on it. Landlock has the files; the filters
//! have what Landlock does not know, on this kernel or at all.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::unistd::Pid;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

/// Since Linux 6.13, 6.15 and 6.17 (syscall_64.tbl); not in libc yet.
const SYS_SETXATTRAT: libc::c_long = 463;
const SYS_REMOVEXATTRAT: libc::c_long = 466;
const SYS_OPEN_TREE_ATTR: libc::c_long = 467;
const SYS_FILE_SETATTR: libc::c_long = 469;

/// The first Landlock that knows of truncation (Linux 6.2), and the first that
/// keeps signals inside (Linux 6.12).
const ABI_TRUNCATE: i32 = 3;
const ABI_SIGNALS: i32 = 6;

/// Refused with "not permitted".
const EPERM: &[libc::c_long] = &[
    // Reaching into another process of the same user.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // Slowing one down: these take any pid of the user's.
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    // Talking to one: shared memory and queues have names, but no path.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Kernel interfaces with a history of holes.
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Changing what paths mean.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    SYS_OPEN_TREE_ATTR,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    // Files without a path, or by another way than it.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    // Names of files in directories that are closed: Landlock does not watch
    // the watchers.
    libc::SYS_inotify_add_watch,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    // The machine's own.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
];

/// Refused where Landlock cannot tell whose process a signal goes to: the
/// server's user is the command's. raise(3) and abort(3) use tgkill, which names
/// the process, so only the server's is refused there.
const SIGNALS: &[libc::c_long] = &[
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
];

/// "Not supported here", which cp and tar take for a file system without them.
/// An access list in an attribute is what chmod is.
const EOPNOTSUPP: &[libc::c_long] = &[
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    SYS_SETXATTRAT,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SYS_REMOVEXATTRAT,
    SYS_FILE_SETATTR,
];

/// "No such call": the flags of clone3 are in memory, where no filter sees them;
/// libc goes on with clone.
const ENOSYS: &[libc::c_long] = &[libc::SYS_clone3];

/// Answered with success, and not done (seccomp(2): an errno of 0 is returned as
/// such).
const PRETENDED: &[libc::c_long] = &[
    // Everything that the command starts stays in its process group, which is
    // killed when the run ends. A daemon that failed here would give up; one
    // that believes to be free dies with the others.
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // Landlock does not restrict them (Documentation/userspace-api/landlock.rst,
    // "Filesystem actions that are not restricted"): the server's user owns
    // files outside of the grant too. `git config` fails if they fail.
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
];

/// Refused with "permission denied" to a command without network.
const NETWORK: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
];

/// Flags of clone that leave the namespaces, or the family: a child made with
/// CLONE_PARENT is the server's, which would have to reap it.
const CLONE_FLAGS: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_PARENT,
];

/// asm-generic/ioctls.h: typing into a terminal.
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541C;

/// linux/net.h: the type of a socket without its flags.
const SOCK_TYPE_MASK: u64 = 0xf;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filters of a command, in the order of installation, for a kernel with
/// this version of Landlock.
pub(super) fn filters(network: bool, abi: i32) -> Result<Vec<BpfProgram>, BackendError> {
    let mut not_there = always(ENOSYS);
    if has_no_truncate(abi) {
        not_there.insert(libc::SYS_openat2, Vec::new());
    }
    Ok(vec![
        no_x32(),
        filter(not_permitted(abi)?, libc::EPERM)?,
        filter(sockets(network)?, libc::EACCES)?,
        filter(not_there, libc::ENOSYS)?,
        filter(always(EOPNOTSUPP), libc::EOPNOTSUPP)?,
        filter(always(PRETENDED), 0)?,
    ])
}

fn filter(rules: Rules, errno: libc::c_int) -> Result<BpfProgram, BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refused = SeccompAction::Errno(errno.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?.try_into()
}

fn always(calls: &[libc::c_long]) -> Rules {
    calls.iter().map(|&call| (call, Vec::new())).collect()
}

/// All of the conditions, on arguments that the kernel takes for 32 bits.
fn when(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, BackendError> {
    let conditions = conditions.iter().cloned().map(|(argument, operator, value)| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

fn not_permitted(abi: i32) -> Result<Rules, BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let mut rules = always(EPERM);
    let flags = CLONE_FLAGS.iter().map(|&flag| u64::from(flag.cast_unsigned()));
    let clone = flags.map(|flag| when(&[(0, MaskedEq(flag), flag)]));
    rules.insert(libc::SYS_clone, clone.collect::<Result<_, _>>()?);
    let terminal = [TIOCSTI, TIOCLINUX].map(|request| when(&[(1, Eq, request)]));
    rules.insert(libc::SYS_ioctl, terminal.into_iter().collect::<Result<_, _>>()?);
    // Limits of another process; 0 is the caller's own.
    rules.insert(libc::SYS_prlimit64, vec![when(&[(0, Ne, 0)])?]);
    if abi < ABI_SIGNALS {
        rules.extend(always(SIGNALS));
        let server = u64::from(std::process::id());
        rules.insert(libc::SYS_tgkill, vec![when(&[(0, Eq, server)])?]);
        // Signals that the kernel sends when a descriptor is ready.
        let owner = [libc::F_SETOWN, F_SETOWN_EX].map(|call| u64::from(call.cast_unsigned()));
        let owner = owner.map(|call| when(&[(1, Eq, call)]));
        rules.insert(libc::SYS_fcntl, owner.into_iter().collect::<Result<_, _>>()?);
    }
    if has_no_truncate(abi) {
        rules.insert(libc::SYS_truncate, Vec::new());
        rules.insert(libc::SYS_open, truncating(1)?);
        rules.insert(libc::SYS_openat, truncating(2)?);
    }
    Ok(rules)
}

/// asm-generic/fcntl.h.
const F_SETOWN_EX: libc::c_int = 15;

/// Whether files are closed but can be emptied. Without Landlock they are open.
fn has_no_truncate(abi: i32) -> bool {
    (1..ABI_TRUNCATE).contains(&abi)
}

/// O_TRUNC with an access mode that Landlock before version 3 does not take for
/// writing: reading (0), and 3, which is neither (open(2)).
fn truncating(flags_argument: u8) -> Result<Vec<SeccompRule>, BackendError> {
    let mask = u64::from((libc::O_TRUNC | libc::O_ACCMODE).cast_unsigned());
    let modes = [libc::O_TRUNC, libc::O_TRUNC | libc::O_ACCMODE];
    let flags = modes.map(|flags| u64::from(flags.cast_unsigned()));
    let rules = flags.map(|flags| when(&[(flags_argument, SeccompCmpOp::MaskedEq(mask), flags)]));
    rules.into_iter().collect()
}

/// No socket at all, or none but of the internet. Never one of AF_UNIX: a
/// container daemon's gives root, and no Landlock before version 9 knows them.
fn sockets(network: bool) -> Result<Rules, BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let number = |constant: libc::c_int| u64::from(constant.cast_unsigned());
    let mut rules = if network { Rules::new() } else { always(NETWORK) };
    if network {
        let families = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
        let others = families.map(|family| (0, Ne, number(family)));
        // getaddrinfo asks NETLINK_ROUTE for addresses; the others configure or
        // watch the machine.
        let netlink = [(0, Eq, number(libc::AF_NETLINK)), (2, Ne, number(libc::NETLINK_ROUTE))];
        rules.insert(libc::SYS_socket, vec![when(&others)?, when(&netlink)?]);
    }
    // Two ends of one stream. A datagram socket could be sent from to any other
    // (unix(7)), and SOCK_RAW is a datagram socket too (net/unix/af_unix.c).
    let datagrams = [libc::SOCK_DGRAM, libc::SOCK_RAW];
    let mut pairs = vec![when(&[(0, Ne, number(libc::AF_UNIX))])?];
    for kind in datagrams {
        pairs.push(when(&[(1, MaskedEq(SOCK_TYPE_MASK), number(kind))])?);
    }
    rules.insert(libc::SYS_socketpair, pairs);
    Ok(rules)
}

/// No call of the x32 interface, whose numbers are those of x86_64 with a bit
/// set: the lists would not match them (seccomp(2), "Caveats").
fn no_x32() -> BpfProgram {
    const X32_BIT: u32 = 0x4000_0000;
    // linux/bpf_common.h: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JGE|BPF_K, BPF_RET.
    const LOAD: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const NUMBER_OFFSET: u32 = 0;
    let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    vec![
        sock_filter { code: LOAD, jt: 0, jf: 0, k: NUMBER_OFFSET },
        sock_filter { code: JUMP_IF_AT_LEAST, jt: 0, jf: 1, k: X32_BIT },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: refused },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW },
    ]
}

/// The version of the kernel's Landlock; 0 is none (landlock_create_ruleset(2)).
pub(super) fn landlock_abi() -> i32 {
    const VERSION: libc::c_uint = 1;
    let none = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the kernel reads no attribute and makes nothing.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, VERSION) };
    i32::try_from(abi).unwrap_or(0).max(0)
}

/// Lets the calling process read its own /proc/PID, and not its children's or
/// anyone else's (landlock_add_rule(2)).
pub(super) fn allow_own_proc(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C, packed)]
    struct PathBeneath {
        allowed_access: u64,
        parent_fd: RawFd,
    }
    const PATH_BENEATH: libc::c_int = 1;
    // linux/landlock.h: LANDLOCK_ACCESS_FS_READ_FILE and _READ_DIR.
    const READ: u64 = 1 << 2 | 1 << 3;
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string that lives as long as the program.
    let own = Errno::result(unsafe { libc::open(c"/proc/self".as_ptr(), flags) })?;
    // SAFETY: the kernel just made the descriptor and nobody else has it.
    let own = unsafe { OwnedFd::from_raw_fd(own) };
    let rule = PathBeneath { allowed_access: READ, parent_fd: own.as_raw_fd() };
    let (ruleset, rule) = (ruleset.as_raw_fd(), &raw const rule);
    // SAFETY: the pointer is to a live value of the layout of this kind of rule.
    let result =
        unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset, PATH_BENEATH, rule, 0) };
    Errno::result(result).map(drop).map_err(io::Error::from)
}

/// Enforces a ruleset on the calling thread, for good (landlock_restrict_self(2)).
pub(super) fn restrict_self(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    Errno::result(result).map(drop).map_err(io::Error::from)
}

/// User id 0 gets no capability from exec (capabilities(7)), as far as this
/// process may say so; no_new_privs says it too.
pub(super) fn no_root_privileges() {
    let bits = libc::SECBIT_NOROOT | libc::SECBIT_NOROOT_LOCKED;
    // SAFETY: no pointers. EPERM is a process without CAP_SETPCAP.
    unsafe { libc::prctl(libc::PR_SET_SECUREBITS, bits as libc::c_ulong, 0, 0, 0) };
}

/// Runs `prepare` in the child between fork and exec.
pub(super) fn before_exec(
    command: &mut std::process::Command,
    prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: the callers' closures consist of system calls that are listed in
    // `Prepared::apply`: they allocate nothing and take no lock.
    unsafe { command.pre_exec(prepare) };
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Code(i32),
    Signal(i32),
}

/// Whether a child has ended, and how; it stays to be reaped, and its pid its
/// own (waitid(2) with WNOWAIT).
///
/// # Errors
/// It is no child, or was reaped.
pub(crate) fn ended(child: Pid) -> io::Result<Option<Ended>> {
    // SAFETY: an all-zero siginfo is a valid value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let id = child.as_raw().cast_unsigned();
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: the pointer is to a live local.
    Errno::result(unsafe { libc::waitid(libc::P_PID, id, &raw mut info, options) })?;
    // SAFETY: waitid fills in the fields of a child; a pid of 0 says that none
    // has ended.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok(match info.si_code {
        _ if pid == 0 => None,
        libc::CLD_EXITED => Some(Ended::Code(status)),
        _ => Some(Ended::Signal(status)),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_call_of_a_command_is_on_two_lists() {
        let all = [EPERM, SIGNALS, EOPNOTSUPP, ENOSYS, PRETENDED, NETWORK].concat();
        let distinct: HashSet<_> = all.iter().collect();
        assert_eq!(all.len(), distinct.len());
    }

    #[test]
    fn the_filters_of_a_command_compile_for_every_landlock() {
        for abi in 0..10 {
            for network in [false, true] {
                assert_eq!(filters(network, abi).unwrap().len(), 6);
            }
        }
    }
}
