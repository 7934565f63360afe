//! System calls that are refused to a child and all that it starts, as container engines
//! refuse them.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule};

/// What a namespace is made and entered with, which Docker's default profile refuses.
pub const OF_NAMESPACES: [libc::c_long; 4] =
    [libc::SYS_unshare, libc::SYS_mount, libc::SYS_pivot_root, libc::SYS_setns];

/// Refuses system calls with EPERM in the child and everything that it starts.
pub fn deny(command: &mut Command, calls: &[libc::c_long]) {
    refuse(command, calls.iter().map(|&call| (call, vec![])).collect());
}

/// As [`deny`], where one of the rules of a call holds.
pub fn refuse(command: &mut Command, calls: Vec<(libc::c_long, Vec<SeccompRule>)>) {
    let rules = calls.into_iter().collect();
    let deny = SeccompAction::Errno(libc::EPERM as u32);
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, deny, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    let install =
        move || seccompiler::apply_filter(&program).map_err(|_| std::io::Error::last_os_error());
    // SAFETY: prctl and seccomp, which neither allocate nor lock.
    unsafe { command.pre_exec(install) };
}
