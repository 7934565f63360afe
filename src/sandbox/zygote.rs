//! The layers that a zygote applies to itself and its workers inherit.

use std::io;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, chdir, getgid, getuid, pivot_root, setgroups, setresgid, setresuid};
use thiserror::Error;

use super::plan::{Layer, SandboxPlan};
use super::seccomp::Filters;
use super::status::SandboxStatus;
use super::sys;

/// nobody and nogroup on every distribution: owns no file.
const NOBODY: u32 = 65534;

/// The newest Landlock that the rules were written for. Older kernels enforce
/// what they know, and the status says how much.
const LANDLOCK_ABI: ABI = ABI::V6;

/// Where the empty root is mounted before it becomes the root. Exists wherever
/// /proc/self/maps could be read.
const MOUNT_POINT: &str = "/proc";

/// A required layer that could not be applied.
#[derive(Debug, Error)]
pub(crate) enum ConfineError {
    #[error("parent-death signal: {0}")]
    ParentDeathSignal(Errno),
    #[error("groups of root cannot be dropped: {0}")]
    Groups(Errno),
    #[error("group id {NOBODY} cannot be set: {0}")]
    GroupId(Errno),
    #[error("user id {NOBODY} cannot be set: {0}")]
    UserId(Errno),
    #[error("capabilities cannot be dropped: {0}")]
    Capabilities(io::Error),
    #[error("the process cannot be made non-dumpable: {0}")]
    NonDumpable(Errno),
    #[error("system call filter: {0}")]
    Seccomp(seccompiler::Error),
    #[error("no_new_privs cannot be set: {0}")]
    NoNewPrivs(Errno),
}

/// What unsharing gave.
pub(crate) struct Namespaces {
    /// A user namespace was needed for the others.
    user: bool,
    /// There are namespaces at all.
    entered: bool,
    detail: String,
}

/// Own mount, PID, network, IPC, UTS and cgroup namespaces for this process's
/// children. Root needs no user namespace for that; others get one in which
/// only their own id exists. In an unprivileged container both are refused.
pub(crate) fn unshare_namespaces(plan: &SandboxPlan) -> Namespaces {
    if !plan.has(Layer::Namespaces) {
        return Namespaces { user: false, entered: false, detail: "left out".into() };
    }
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    let detail = "mount, pid, network, ipc, uts, cgroup";
    if unshare(flags).is_ok() {
        return Namespaces { user: false, entered: true, detail: detail.into() };
    }
    // A user namespace maps one id, and that must not be root's.
    if getuid().is_root() && !single_id() && become_nobody().is_err() {
        let detail = "unshare is denied here: no CAP_SYS_ADMIN";
        return Namespaces { user: false, entered: false, detail: detail.into() };
    }
    let (uid, gid) = (getuid(), getgid());
    match unshare(flags | CloneFlags::CLONE_NEWUSER) {
        Ok(()) => match map_ids(uid, gid) {
            Ok(()) => Namespaces { user: true, entered: true, detail: format!("user, {detail}") },
            Err(error) => Namespaces {
                user: true,
                entered: true,
                detail: format!("user, {detail} (ids not mapped: {error})"),
            },
        },
        Err(error) => Namespaces {
            user: false,
            entered: false,
            detail: format!("unshare is denied here: {}", error.desc()),
        },
    }
}

fn map_ids(uid: Uid, gid: Gid) -> io::Result<()> {
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

/// Confines this process, for good. To be called when everything that needs a
/// file or a privilege is done.
pub(crate) fn confine_zygote(
    plan: &SandboxPlan,
    namespaces: &Namespaces,
    filters: &mut Filters,
) -> Result<SandboxStatus, ConfineError> {
    let mut status = SandboxStatus::default();
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(ConfineError::ParentDeathSignal)?;

    status.record(Layer::Namespaces, namespaces.entered, &namespaces.detail);
    empty_root(plan, namespaces, &mut status);

    if plan.has(Layer::Unprivileged) {
        let detail = drop_privileges(namespaces)?;
        status.record(Layer::Unprivileged, true, detail);
    } else {
        status.record(Layer::Unprivileged, false, "left out");
    }

    // A change of user id clears the parent-death signal and the dumpable flag.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(ConfineError::ParentDeathSignal)?;
    let non_dumpable = plan.has(Layer::NonDumpable);
    prctl::set_dumpable(!non_dumpable).map_err(ConfineError::NonDumpable)?;
    status.record(
        Layer::NonDumpable,
        non_dumpable,
        "no ptrace, no core dump, /proc/PID owned by root",
    );

    let no_new_privs = plan.has(Layer::NoNewPrivs);
    if no_new_privs {
        prctl::set_no_new_privs().map_err(ConfineError::NoNewPrivs)?;
    }
    status.record(Layer::NoNewPrivs, no_new_privs, "no setuid, no file capabilities");

    restrict_files_and_network(plan, &mut status);
    let seccomp = plan.has(Layer::Seccomp);
    if seccomp {
        filters.install_in_zygote().map_err(ConfineError::Seccomp)?;
    }
    status.record(Layer::Seccomp, seccomp, "listed system calls only");
    Ok(status)
}

/// An empty, read-only root in place of the machine's file system.
fn empty_root(plan: &SandboxPlan, namespaces: &Namespaces, status: &mut SandboxStatus) {
    if !plan.has(Layer::EmptyRoot) {
        status.record(Layer::EmptyRoot, false, "left out");
        return;
    }
    if !namespaces.entered {
        status.record(Layer::EmptyRoot, false, "needs a mount namespace");
        return;
    }
    match pivot_to_empty_root() {
        Ok(()) => status.record(Layer::EmptyRoot, true, "an empty read-only tmpfs"),
        Err(error) => status.record(Layer::EmptyRoot, false, error.desc()),
    }
}

fn pivot_to_empty_root() -> Result<(), Errno> {
    let none = None::<&str>;
    // Nothing mounted here may show up outside.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("none"), MOUNT_POINT, Some("tmpfs"), flags, Some("size=4k,mode=555"))?;
    chdir(MOUNT_POINT)?;
    // pivot_root(2): with both arguments ".", the old root lands on top of the
    // new one and can be detached without a directory for it.
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    mount(none, "/", none, flags | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, none)
}

/// Nobody instead of root, and no capability for anyone.
fn drop_privileges(namespaces: &Namespaces) -> Result<String, ConfineError> {
    if getuid().is_root() && !namespaces.user && !single_id() {
        become_nobody()?;
    }
    sys::drop_capabilities().map_err(ConfineError::Capabilities)?;
    Ok(format!("user {}, no capabilities", getuid()))
}

/// Nobody's ids, for good. The process stays its own to configure.
fn become_nobody() -> Result<(), ConfineError> {
    setgroups(&[]).map_err(ConfineError::Groups)?;
    let gid = Gid::from_raw(NOBODY);
    setresgid(gid, gid, gid).map_err(ConfineError::GroupId)?;
    // Capabilities go with the last root id, but for the bounding set, which
    // only a capable process can empty.
    sys::drop_bounding_set();
    let uid = Uid::from_raw(NOBODY);
    setresuid(uid, uid, uid).map_err(ConfineError::UserId)?;
    // A change of id makes /proc/self root's; id maps are written there.
    prctl::set_dumpable(true).map_err(ConfineError::NonDumpable)
}

/// Whether this process is in a user namespace that knows one id only, as
/// `unshare -r` makes it: there, 0 is not root's and there is no other to take.
pub(crate) fn single_id() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().nth(2) == Some("1")
}

/// Landlock without a single rule: every file, TCP and (newer kernels) scoped
/// right is handled and none is granted.
fn restrict_files_and_network(plan: &SandboxPlan, status: &mut SandboxStatus) {
    if !plan.has(Layer::Landlock) {
        status.record(Layer::Landlock, false, "left out");
        return;
    }
    match landlock_all() {
        Ok(found) => {
            let enforced = found.ruleset != RulesetStatus::NotEnforced;
            let detail = match found.ruleset {
                RulesetStatus::FullyEnforced => "files, TCP, abstract sockets, signals",
                RulesetStatus::PartiallyEnforced => "as far as this kernel supports it",
                RulesetStatus::NotEnforced => "this kernel has none",
            };
            status.record(Layer::Landlock, enforced, detail);
        }
        Err(error) => status.record(Layer::Landlock, false, error.to_string()),
    }
}

fn landlock_all() -> Result<RestrictionStatus, landlock::RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK_ABI))?
        .handle_access(AccessNet::from_all(LANDLOCK_ABI))?
        .scope(Scope::from_all(LANDLOCK_ABI))?
        .create()?
        // no_new_privs is a layer of its own and was set, or left out, before.
        .no_new_privs(false)
        .restrict_self()
}
