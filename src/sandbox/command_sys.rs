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

use super::command_ioctl::READING_AND_OWN;

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
/// server's user is the command's. raise(3), abort(3) and Go's scheduler use tgkill,
/// which names the process, and have a filter of their own ([`OwnSignals`]).
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

/// "No such call": their flags and modes are in memory, where no filter sees them.
/// libc goes on with clone, and programs with openat.
const ENOSYS: &[libc::c_long] = &[libc::SYS_clone3, libc::SYS_openat2];

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
    // To give a file away takes a capability that no command has. What is left takes
    // bits off the mode of a file, wherever it is (chown(2)).
    libc::SYS_chown,
    libc::SYS_fchown,
    libc::SYS_lchown,
    libc::SYS_fchownat,
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

/// Calls that make a file or a directory, with the arguments that hold the flags of
/// open (none: it always makes one) and the mode, and the bits that it must not have.
/// mknod and mq_open are refused.
const MAKING: &[(libc::c_long, Option<u8>, u8, &[libc::mode_t])] = &[
    (libc::SYS_open, Some(1), 2, SPECIAL_BITS),
    (libc::SYS_openat, Some(2), 3, SPECIAL_BITS),
    (libc::SYS_creat, None, 1, SPECIAL_BITS),
    (libc::SYS_mkdir, None, 1, SPECIAL_BITS_OF_DIRECTORIES),
    (libc::SYS_mkdirat, None, 2, SPECIAL_BITS_OF_DIRECTORIES),
];

/// Flags of open that make a file; without one the mode is whatever the register
/// holds (asm-generic/fcntl.h: O_TMPFILE is this bit and O_DIRECTORY).
const MAKING_FLAGS: [libc::c_int; 2] = [libc::O_CREAT, libc::O_TMPFILE & !libc::O_DIRECTORY];

/// Bits of a mode that outlive the run as a privilege: set-user-ID, set-group-ID, and
/// the sticky bit. A command is the server's user, so what it made with the first
/// would run as that for everyone.
const SPECIAL_BITS: &[libc::mode_t] = &[libc::S_ISUID, libc::S_ISGID, libc::S_ISVTX];

/// The kernel leaves the others out itself (mkdir(2): "mode & ~umask & 01777"), and
/// `cp -r` asks for those of the directory that it copies.
const SPECIAL_BITS_OF_DIRECTORIES: &[libc::mode_t] = &[libc::S_ISVTX];

/// Commands of fcntl that work on files that a command may only read. With a lease
/// whoever opens the file waits for the command; a notification is what inotify is.
const FCNTL: [libc::c_int; 3] = [libc::F_SETLEASE, F_SETDELEG, libc::F_NOTIFY];

/// linux/fcntl.h, since Linux 6.19: a lease on a directory.
const F_SETDELEG: libc::c_int = 1040;

/// asm-generic/ioctls.h: typing into a terminal.
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541C;

/// asm-generic/sockios.h: who gets the signals of a descriptor.
const FIOSETOWN: u64 = 0x8901;
const SIOCSPGRP: u64 = 0x8902;

/// linux/net.h: the type of a socket without its flags.
const SOCK_TYPE_MASK: u64 = 0xf;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What the filters depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filtered {
    /// Sockets of the internet work.
    pub network: bool,
    /// Everything is granted, devices included.
    pub unconfined: bool,
    /// The version of Landlock that is enforced on files; 0 is none.
    pub abi: i32,
}

/// The filters of a command, in the order of installation.
pub(super) fn filters(filtered: Filtered) -> Result<Vec<BpfProgram>, BackendError> {
    let Filtered { network, unconfined, abi } = filtered;
    let mut filters = vec![
        no_x32(),
        filter(not_permitted(abi)?, libc::EPERM)?,
        filter(making()?, libc::EPERM)?,
        filter(sockets(network)?, libc::EACCES)?,
        filter(always(ENOSYS), libc::ENOSYS)?,
        filter(always(EOPNOTSUPP), libc::EOPNOTSUPP)?,
        filter(always(PRETENDED), 0)?,
    ];
    if !unconfined {
        filters.push(filter(requests()?, libc::ENOTTY)?);
    }
    Ok(filters)
}

/// Refuses processes, for a program that has threads only. What Landlock lets it execute
/// would take its own place.
pub(super) fn no_processes() -> Result<BpfProgram, BackendError> {
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let mut rules = always(&[libc::SYS_fork, libc::SYS_vfork, libc::SYS_execveat]);
    rules.insert(libc::SYS_clone, vec![when(&[(0, SeccompCmpOp::MaskedEq(thread), 0)])?]);
    filter(rules, libc::EPERM)
}

/// Whether Landlock keeps signals inside; if not, [`OwnSignals`] is to be installed.
pub(super) fn keeps_signals(abi: i32) -> bool {
    abi >= ABI_SIGNALS
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
    let mut ioctl = vec![TIOCSTI, TIOCLINUX];
    let mut fcntl = FCNTL.to_vec();
    // Limits of another process; 0 is the caller's own.
    rules.insert(libc::SYS_prlimit64, vec![when(&[(0, Ne, 0)])?]);
    if !keeps_signals(abi) {
        rules.extend(always(SIGNALS));
        // Signals that the kernel sends when a descriptor is ready.
        ioctl.extend([FIOSETOWN, SIOCSPGRP]);
        fcntl.extend([libc::F_SETOWN, F_SETOWN_EX]);
    }
    let ioctl = ioctl.into_iter().map(|request| when(&[(1, Eq, request)]));
    rules.insert(libc::SYS_ioctl, ioctl.collect::<Result<_, _>>()?);
    let fcntl = fcntl.into_iter().map(|call| when(&[(1, Eq, u64::from(call.cast_unsigned()))]));
    rules.insert(libc::SYS_fcntl, fcntl.collect::<Result<_, _>>()?);
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

/// A file or a directory with one of its special bits.
fn making() -> Result<Rules, BackendError> {
    use SeccompCmpOp::MaskedEq;
    let mut rules = Rules::new();
    for &(call, flags, mode, bits) in MAKING {
        let mut refused = Vec::new();
        for bit in bits.iter().copied().map(u64::from) {
            let special = (mode, MaskedEq(bit), bit);
            let Some(flags) = flags else {
                refused.push(when(&[special])?);
                continue;
            };
            for making in MAKING_FLAGS.map(|flag| u64::from(flag.cast_unsigned())) {
                refused.push(when(&[(flags, MaskedEq(making), making), special.clone()])?);
            }
        }
        rules.insert(call, refused);
    }
    Ok(rules)
}

/// Every request of ioctl but those of the list.
fn requests() -> Result<Rules, BackendError> {
    let others: Vec<_> =
        READING_AND_OWN.iter().map(|&request| (1, SeccompCmpOp::Ne, request)).collect();
    Ok(Rules::from([(libc::SYS_ioctl, vec![when(&others)?])]))
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

/// Refuses tgkill to what is older than the command, for kernels whose Landlock does
/// not keep signals inside (before Linux 6.12): the server, its workers, and every
/// process that ran already. What the command starts has a greater pid, until the
/// kernel begins with small ones again; from then on its children cannot signal
/// themselves.
#[derive(Debug)]
pub(super) struct OwnSignals(BpfProgram);

impl OwnSignals {
    pub(super) fn compile() -> Result<Self, BackendError> {
        let older = when(&[(0, SeccompCmpOp::Lt, u64::from(PID_PLACE))])?;
        let rules = Rules::from([(libc::SYS_tgkill, vec![older])]);
        Ok(Self(filter(rules, libc::EPERM)?))
    }

    /// The filter with the caller's own pid in it. Allocates nothing.
    pub(super) fn of_this_process(&mut self) -> &BpfProgram {
        let own = std::process::id();
        for instruction in self.0.iter_mut().filter(|instruction| instruction.k == PID_PLACE) {
            instruction.k = own;
        }
        &self.0
    }
}

/// Stands for a pid in the filter until there is one. No pid is as large (PID_MAX_LIMIT
/// is 2^22), and no offset, number of a call or answer in the filter is the same.
const PID_PLACE: u32 = 0x5eed_01d5;

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

/// Lets the kernel, when memory is short, take the calling process before the server
/// and its workers: half of the machine's memory counts as the process's own
/// (proc_pid_oom_score_adj(5)). What it starts inherits it, and no command may write
/// there.
pub(super) fn first_out_of_memory() -> io::Result<()> {
    const ADJUSTMENT: &[u8] = b"500";
    let flags = libc::O_WRONLY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string that lives as long as the program.
    let file = Errno::result(unsafe { libc::open(c"/proc/self/oom_score_adj".as_ptr(), flags) })?;
    // SAFETY: the kernel just made the descriptor and nobody else has it.
    let file = unsafe { OwnedFd::from_raw_fd(file) };
    nix::unistd::write(&file, ADJUSTMENT).map(drop).map_err(io::Error::from)
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
                for unconfined in [false, true] {
                    let filtered = Filtered { network, unconfined, abi };
                    let expected = if unconfined { 7 } else { 8 };
                    assert_eq!(filters(filtered).unwrap().len(), expected);
                }
            }
        }
    }

    #[test]
    fn the_filter_of_signals_has_exactly_one_place_for_the_pid() {
        let mut own = OwnSignals::compile().unwrap();
        let places = |program: &BpfProgram, k| program.iter().filter(|i| i.k == k).count();
        assert_eq!(places(&own.0, PID_PLACE), 1);
        assert_eq!(places(own.of_this_process(), PID_PLACE), 0);
    }

    const CONFINED: Filtered = Filtered { network: true, unconfined: false, abi: 7 };
    const OLD: Filtered = Filtered { network: true, unconfined: false, abi: 5 };

    /// What the kernel answers to a call of a child that has the filters, made after
    /// its fork with these arguments. Pointers among them are valid in the child too.
    fn answer(filtered: Filtered, call: libc::c_long, arguments: [i64; 4]) -> Result<(), Errno> {
        attempt(filtered, move || {
            let [a, b, c, d] = arguments;
            // SAFETY: the pointers among the arguments are to constants.
            Errno::result(unsafe { libc::syscall(call, a, b, c, d) }).map(drop)
        })
    }

    fn attempt(
        filtered: Filtered,
        attempt: impl Fn() -> nix::Result<()> + Send + Sync + 'static,
    ) -> Result<(), Errno> {
        let mut command = std::process::Command::new("/bin/true");
        let installed = filters(filtered).unwrap();
        let mut own_signals = OwnSignals::compile().unwrap();
        before_exec(&mut command, move || {
            nix::sys::prctl::set_no_new_privs()?;
            let old = (!keeps_signals(filtered.abi)).then(|| own_signals.of_this_process());
            let install =
                |program: &BpfProgram| seccompiler::apply_filter(program).map_err(io::Error::other);
            old.into_iter().chain(&installed).try_for_each(install)?;
            Ok(attempt()?)
        });
        match command.status() {
            Ok(_) => Ok(()),
            Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap())),
        }
    }

    /// A directory for files that are made, removed with them.
    struct Directory(std::path::PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let name = format!("conductor-filter-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        /// A pointer to the path of a name in it, which stays for good.
        fn path(&self, name: &str) -> i64 {
            let path = self.0.join(name).into_os_string().into_encoded_bytes();
            std::ffi::CString::new(path).unwrap().into_raw() as i64
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_program_alone_makes_no_process() {
        for (call, flags) in [
            (libc::SYS_clone, libc::SIGCHLD),
            (libc::SYS_clone, libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD),
            (libc::SYS_fork, 0),
            (libc::SYS_vfork, 0),
        ] {
            let mut command = std::process::Command::new("/bin/true");
            let alone = no_processes().unwrap();
            before_exec(&mut command, move || {
                nix::sys::prctl::set_no_new_privs()?;
                seccompiler::apply_filter(&alone).map_err(io::Error::other)?;
                // SAFETY: no pointers; the filter refuses each of these calls.
                let made = unsafe { libc::syscall(call, i64::from(flags), 0, 0, 0, 0) };
                Ok(Errno::result(made).map(drop)?)
            });
            let refused = command.status().unwrap_err().raw_os_error();
            assert_eq!(refused, Some(libc::EPERM), "{call} {flags}");
        }
    }

    #[test]
    fn nothing_is_made_with_a_special_bit_and_everything_without() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = Directory::new("modes");
        let at = i64::from(libc::AT_FDCWD);
        let create = i64::from(libc::O_CREAT | libc::O_WRONLY);
        let temporary = i64::from(libc::O_TMPFILE | libc::O_WRONLY);
        let here = directory.path(".");
        let make = |mode: i64| {
            let name = |kind| directory.path(&format!("{kind}-{mode:o}"));
            [
                (libc::SYS_open, [name("open"), create, mode, 0]),
                (libc::SYS_openat, [at, name("openat"), create, mode]),
                (libc::SYS_open, [here, temporary, mode, 0]),
                (libc::SYS_openat, [at, here, temporary, mode]),
                (libc::SYS_creat, [name("creat"), mode, 0, 0]),
            ]
        };
        let make_directory = |mode: i64| {
            let name = |kind| directory.path(&format!("{kind}-{mode:o}"));
            [
                (libc::SYS_mkdir, [name("mkdir"), mode, 0, 0]),
                (libc::SYS_mkdirat, [at, name("mkdirat"), mode, 0]),
            ]
        };
        let refused = [0o4755, 0o2755, 0o1755, 0o6755, 0o7777].into_iter().flat_map(make);
        let refused_directories = [0o1755, 0o1777, 0o7777].into_iter().flat_map(make_directory);
        for (call, arguments) in refused.chain(refused_directories) {
            let answer = answer(CONFINED, call, arguments);
            assert_eq!(answer, Err(Errno::EPERM), "{call} {arguments:?}");
        }
        assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 0);
        // The kernel itself makes no directory with these.
        let directories = [0o755, 0o2755, 0o4755, 0o6755].into_iter().flat_map(make_directory);
        for (call, arguments) in make(0o755).into_iter().chain(directories) {
            assert_eq!(answer(CONFINED, call, arguments), Ok(()), "{call} {arguments:?}");
        }
        // What is made in a set-group-ID directory has that bit, whatever was asked for.
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
        let inherited = mode(&directory.0) & libc::S_ISGID;
        let made: Vec<_> = std::fs::read_dir(&directory.0).unwrap().flatten().collect();
        assert_eq!(made.len(), 11);
        for entry in made.iter().map(std::fs::DirEntry::path) {
            assert_eq!(mode(&entry) & 0o7000 & !inherited, 0, "{}", entry.display());
        }
    }

    #[test]
    fn a_file_that_is_there_is_opened_whatever_is_in_the_register_of_the_mode() {
        let open = [c"/dev/null".as_ptr() as i64, 0, 0o7777, 0];
        assert_eq!(answer(CONFINED, libc::SYS_open, open), Ok(()));
        let openat = [libc::AT_FDCWD.into(), open[0], 0, 0o7777];
        assert_eq!(answer(CONFINED, libc::SYS_openat, openat), Ok(()));
        assert_eq!(answer(CONFINED, libc::SYS_openat2, openat), Err(Errno::ENOSYS));
    }

    #[test]
    fn the_entry_of_32_bit_programs_ends_the_process() {
        let mut command = std::process::Command::new("/bin/true");
        let installed = filters(CONFINED).unwrap();
        before_exec(&mut command, move || {
            nix::sys::prctl::set_no_new_privs()?;
            let install =
                |program: &BpfProgram| seccompiler::apply_filter(program).map_err(io::Error::other);
            installed.iter().try_for_each(install)?;
            // SAFETY: getpid of the 32-bit table takes and changes nothing.
            unsafe { std::arch::asm!("int 0x80", inlateout("eax") 20 => _) };
            Ok(())
        });
        let signal = std::os::unix::process::ExitStatusExt::signal(&command.status().unwrap());
        // Where the kernel has no such entry the instruction itself is a fault.
        assert!(matches!(signal, Some(libc::SIGSYS | libc::SIGSEGV)), "{signal:?}");
    }

    #[test]
    fn the_x32_entry_does_not_exist() {
        const X32_BIT: libc::c_long = 0x4000_0000;
        let mkdir = [c"/tmp/x32".as_ptr() as i64, 0o755, 0, 0];
        let made = answer(CONFINED, libc::SYS_mkdir | X32_BIT, mkdir);
        assert_eq!(made, Err(Errno::ENOSYS));
    }

    #[test]
    fn a_file_is_given_to_nobody_and_its_mode_stays() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let directory = Directory::new("owner");
        let file = directory.0.join("suid");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o4755)).unwrap();
        let (path, at) = (directory.path("suid"), i64::from(libc::AT_FDCWD));
        for (call, arguments) in [
            (libc::SYS_chown, [path, 1, 1, 0]),
            (libc::SYS_lchown, [path, 1, 1, 0]),
            (libc::SYS_fchown, [0, 1, 1, 0]),
            (libc::SYS_fchownat, [at, path, 1, 1]),
            (libc::SYS_chown, [path, -1, -1, 0]),
            (libc::SYS_chmod, [path, 0o777, 0, 0]),
        ] {
            assert_eq!(answer(CONFINED, call, arguments), Ok(()), "{call}");
        }
        let found = std::fs::metadata(&file).unwrap();
        assert_eq!((found.mode() & 0o7777, found.uid()), (0o4755, nix::unistd::getuid().as_raw()));
    }

    #[test]
    fn what_a_file_is_asked_for_is_on_the_list() {
        const GET_FLAGS: i64 = 0x8008_6601;
        const SET_FLAGS: i64 = 0x4008_6602;
        const SET_VERSION: i64 = 0x4008_7602;
        const SET_ATTRIBUTES: i64 = 0x401C_5820;
        const SET_FLAGS_32: i64 = 0x4004_6602;
        const DEDUPLICATE: i64 = 0xC018_9436;
        static ZEROS: [u8; 256] = [0; 256];
        let ioctl = |filtered, request: i64| {
            attempt(filtered, move || {
                let flags = libc::O_RDONLY;
                // SAFETY: the path is a constant; the buffer is larger than what these
                // requests read. None that writes to it gets through.
                let result = unsafe {
                    let file = libc::open(c"/bin/true".as_ptr(), flags);
                    libc::ioctl(file, request as libc::c_ulong, ZEROS.as_ptr())
                };
                Errno::result(result).map(drop)
            })
        };
        let setting = [SET_FLAGS, SET_VERSION, SET_ATTRIBUTES, SET_FLAGS_32, DEDUPLICATE];
        for request in setting.into_iter().chain([FIOSETOWN as i64, SIOCSPGRP as i64]) {
            assert_eq!(ioctl(CONFINED, request), Err(Errno::ENOTTY), "{request:#x}");
        }
        for request in [TIOCSTI as i64, TIOCLINUX as i64] {
            let unconfined = Filtered { unconfined: true, ..CONFINED };
            assert_eq!(ioctl(unconfined, request), Err(Errno::EPERM), "{request:#x}");
        }
        let own = [0x5450, 0x5451];
        for request in own {
            assert_eq!(ioctl(CONFINED, request), Ok(()), "{request:#x}");
        }
        // The file system may not have any; the answer is its own, of a bad address.
        assert!(READING_AND_OWN.contains(&(GET_FLAGS as u64)));
    }

    #[test]
    fn a_file_is_not_leased_and_not_watched() {
        let fcntl = |command: libc::c_int, argument: libc::c_int| {
            attempt(CONFINED, move || {
                // SAFETY: the path is a constant, and the commands take numbers.
                let result = unsafe {
                    let file = libc::open(c"/tmp".as_ptr(), libc::O_RDONLY);
                    libc::fcntl(file, command, argument)
                };
                Errno::result(result).map(drop)
            })
        };
        for command in [libc::F_SETLEASE, F_SETDELEG, libc::F_NOTIFY] {
            assert_eq!(fcntl(command, 0), Err(Errno::EPERM), "{command}");
        }
        assert_eq!(fcntl(libc::F_SETFD, libc::FD_CLOEXEC), Ok(()));
        assert_eq!(fcntl(libc::F_GETFL, 0), Ok(()));
    }

    #[test]
    fn before_linux_6_12_a_command_signals_itself_and_nothing_older() {
        let tgkill = |process: libc::pid_t| {
            [i64::from(process), i64::from(process), i64::from(libc::SIGURG), 0]
        };
        let server = nix::unistd::getpid().as_raw();
        for victim in [1, server, nix::unistd::getppid().as_raw()] {
            let [process, task, signal, _] = tgkill(victim);
            let refused = attempt(OLD, move || {
                // SAFETY: the signal is ignored by default.
                unsafe {
                    // Numbers begin again at pid_max: this one is younger by its number.
                    if i64::from(libc::getpid()) < process {
                        return Err(Errno::EPERM);
                    }
                    let done = libc::syscall(libc::SYS_tgkill, process, task, signal);
                    Errno::result(done).map(drop)
                }
            });
            assert_eq!(refused, Err(Errno::EPERM), "{victim}");
        }
        let own = attempt(OLD, || {
            // SAFETY: the signal is ignored by default.
            unsafe {
                let own = libc::getpid();
                Errno::result(libc::syscall(libc::SYS_tgkill, own, own, libc::SIGURG)).map(drop)
            }
        });
        assert_eq!(own, Ok(()));
        for call in SIGNALS {
            assert_eq!(answer(OLD, *call, [server.into(), 0, 0, 0]), Err(Errno::EPERM), "{call}");
        }
        let set_owner = [0, libc::F_SETOWN.into(), server.into(), 0];
        assert_eq!(answer(OLD, libc::SYS_fcntl, set_owner), Err(Errno::EPERM));
        for request in [FIOSETOWN, SIOCSPGRP] {
            let unconfined = Filtered { unconfined: true, ..OLD };
            let ioctl = [0, request as i64, 0, 0];
            assert_eq!(answer(unconfined, libc::SYS_ioctl, ioctl), Err(Errno::EPERM));
        }
    }
}
