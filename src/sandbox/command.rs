//! What confines a started command: the run's own grants, as a Landlock ruleset,
//! limits and system call filters that it and everything it starts inherit.
//!
//! Not confined, because Landlock does not restrict it: stat, readlink, chdir and
//! the times of files that the server's user may see or own.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr as _, Scope,
};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::prctl;
use nix::sys::resource::Resource;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, fchdir, getpid, getppid, getuid, setsid};
use seccompiler::BpfProgram;
use thiserror::Error;

use super::command_sys::{Filtered, OwnSignals};
use super::rlimit::lower;
use super::{command_sys, sys};

/// The newest Landlock that the rules were written for. Older kernels enforce
/// what they know; command_sys fills the gaps that matter.
const LANDLOCK_ABI: ABI = ABI::V9;

/// Rules of one command. Each is an inode that the kernel keeps, some 200 bytes;
/// a directory that holds a denied path needs one for each of its entries.
const MAX_RULES: usize = 1 << 16;

/// CPU seconds between SIGXCPU, which the exit status shows, and SIGKILL.
const CPU_GRACE_SECONDS: u64 = 1;

/// Programs and what they are linked with (Filesystem Hierarchy Standard 3.0).
const SYSTEM_PROGRAMS: &[&str] =
    &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"];

/// Where libraries are (Filesystem Hierarchy Standard 3.0).
const LIBRARIES: &[&str] =
    &["/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib"];

/// What the loader reads of /etc (ld.so(8)).
const LOADER_FILES: &[&str] = &["/etc/ld.so.cache", "/etc/ld.so.preload"];

/// What the kernel executes in front of a program (elf(5), PT_INTERP).
const LOADERS: &[&str] = &[
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

/// What libc, TLS libraries and git read of /etc. Never all of it, nor all of
/// /etc/ssl and /etc/pki, whose `private` directories hold keys.
const SYSTEM_FILES: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/localtime",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/gitconfig",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/resolv.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/mime.types",
    "/etc/alternatives",
    "/etc/terminfo",
    "/etc/locale.alias",
];

const READABLE_DEVICES: &[&str] =
    &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
const WRITABLE_DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full"];

/// The kernel's own, which a grant of something around them does not mean:
/// disks, other processes, and settings that run programs as root.
const KERNEL_PATHS: &[&str] = &["/dev", "/proc", "/sys"];

/// Resource limits of each process of a command.
#[derive(Debug, Clone)]
pub(crate) struct CommandLimits {
    pub cpu_seconds: u64,
    /// Bytes of the largest file that it can write.
    pub file_size: u64,
    /// Bytes of private writable memory.
    pub data: u64,
    pub open_files: u64,
    /// Of all processes of the server's user together; none for root.
    pub processes: u64,
}

/// What a started command may do: the run's own grants.
#[derive(Debug, Clone)]
pub(crate) struct Confinement {
    /// Real (canonical) paths, files or directories.
    pub read: Vec<PathBuf>,
    pub write: Vec<PathBuf>,
    /// Real paths inside of the above that stay closed.
    pub deny_read: Vec<PathBuf>,
    pub deny_write: Vec<PathBuf>,
    /// The program file itself, which may lie outside of the system directories.
    pub program: PathBuf,
    /// allow-net without a list: sockets work.
    pub network: bool,
    pub limits: CommandLimits,
    /// Everything is granted: there is nothing for Landlock to confine to.
    pub unconfined: bool,
    /// The administrator accepted to run commands where the kernel has no Landlock.
    pub without_landlock: bool,
}

/// A command that cannot be confined is not started.
#[derive(Debug, Error)]
pub(crate) enum ConfineError {
    #[error("this kernel has no Landlock, which confines commands to the files of their grant")]
    NoLandlock,
    #[error("Landlock: {0}")]
    Landlock(#[from] landlock::RulesetError),
    #[error("there are more than {MAX_RULES} files beside the denied paths")]
    TooManyRules,
    #[error("{}: {error}", .path.display())]
    Path { path: PathBuf, error: io::Error },
    #[error("system call filter: {0}")]
    Filter(#[from] seccompiler::BackendError),
}

/// Whether this kernel can confine commands to files.
pub(crate) fn landlock_is_available() -> bool {
    command_sys::landlock_abi() > 0
}

/// Prepared in the parent: the ruleset's descriptor and the compiled filters.
/// For one command.
#[derive(Debug)]
pub(crate) struct Prepared {
    server: Pid,
    ruleset: Option<OwnedFd>,
    filters: Vec<BpfProgram>,
    /// Where Landlock does not keep signals inside.
    own_signals: Option<OwnSignals>,
    limits: CommandLimits,
}

/// What of the system a command needs beside its grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    /// Other programs, and what they read.
    Programs,
    /// The libraries that it is linked with. It executes nothing.
    Libraries,
}

impl Confinement {
    /// Opens what is granted and compiles the filters. Blocks.
    pub(crate) fn prepare(&self) -> Result<Prepared, ConfineError> {
        self.prepare_with(System::Programs)
    }

    /// The same for a program that starts no other and needs nothing of the system but its
    /// libraries.
    pub(super) fn prepare_alone(&self) -> Result<Prepared, ConfineError> {
        let mut prepared = self.prepare_with(System::Libraries)?;
        prepared.filters.push(command_sys::no_processes()?);
        Ok(prepared)
    }

    fn prepare_with(&self, system: System) -> Result<Prepared, ConfineError> {
        let abi = command_sys::landlock_abi();
        let ruleset = match abi {
            _ if self.unconfined => None,
            0 if self.without_landlock => None,
            0 => return Err(ConfineError::NoLandlock),
            _ => Some(self.ruleset(system)?),
        };
        let (network, unconfined) = (self.network, self.unconfined);
        let filters = command_sys::filters(Filtered { network, unconfined, abi })?;
        let own_signals =
            (!command_sys::keeps_signals(abi)).then(OwnSignals::compile).transpose()?;
        let limits = self.limits.clone();
        Ok(Prepared { server: getpid(), ruleset, filters, own_signals, limits })
    }

    fn ruleset(&self, system: System) -> Result<OwnedFd, ConfineError> {
        let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(LANDLOCK_ABI))?;
        if !self.network {
            ruleset = ruleset.handle_access(AccessNet::from_all(LANDLOCK_ABI))?;
        }
        let ruleset = ruleset.scope(Scope::from_all(LANDLOCK_ABI))?.create()?;
        let mut rules = Rules { ruleset, left: MAX_RULES };
        let unread = paths(&self.deny_read);
        for root in &self.read {
            rules.allow(root, reading(), &unread)?;
        }
        // Whoever may rename a file that cannot be read gives it a name that can.
        let unwritten = [paths(&self.deny_write), unread.clone()].concat();
        for root in &self.write {
            rules.allow(root, writing(), &unwritten)?;
        }
        match system {
            System::Programs => self.allow_system(&mut rules)?,
            System::Libraries => self.allow_libraries(&mut rules)?,
        }
        Option::<OwnedFd>::from(rules.ruleset).ok_or(ConfineError::NoLandlock)
    }

    /// What this one program needs, and nothing that another would.
    fn allow_libraries(&self, rules: &mut Rules) -> Result<(), ConfineError> {
        let unread = paths(&self.deny_read);
        let mut executed = real(LOADERS);
        executed.insert(self.program.clone());
        for path in &executed {
            rules.allow(path, reading() | AccessFs::Execute, &unread)?;
        }
        let read = [LIBRARIES, LOADER_FILES, READABLE_DEVICES].concat();
        for path in &real(&read) {
            rules.allow(path, reading(), &unread)?;
        }
        Ok(())
    }

    /// What any program needs. Nothing in a writable root can be executed, or
    /// a command could bring programs of its own.
    fn allow_system(&self, rules: &mut Rules) -> Result<(), ConfineError> {
        let unread = paths(&self.deny_read);
        let unexecuted = [unread.clone(), paths(&self.write)].concat();
        let mut programs = real(SYSTEM_PROGRAMS);
        programs.insert(self.program.clone());
        for path in &programs {
            rules.allow(path, reading(), &unread)?;
            rules.allow(path, AccessFs::Execute.into(), &unexecuted)?;
        }
        for path in real(SYSTEM_FILES).iter().chain(&real(READABLE_DEVICES)) {
            rules.allow(path, reading(), &unread)?;
        }
        for path in &real(WRITABLE_DEVICES) {
            rules.allow(path, AccessFs::WriteFile.into(), &[])?;
        }
        Ok(())
    }
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// All that changes files, but for making what is no file or directory, and for
/// talking to devices and sockets.
fn writing() -> BitFlags<AccessFs> {
    let special = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock;
    let special = special | AccessFs::MakeFifo | AccessFs::IoctlDev | AccessFs::ResolveUnix;
    AccessFs::from_write(LANDLOCK_ABI) & !special
}

fn paths(list: &[PathBuf]) -> Vec<&Path> {
    list.iter().map(PathBuf::as_path).collect()
}

/// Those that exist, where they really are.
fn real(list: &[&str]) -> BTreeSet<PathBuf> {
    list.iter().filter_map(|path| fs::canonicalize(path).ok()).collect()
}

struct Rules {
    ruleset: RulesetCreated,
    left: usize,
}

impl Rules {
    /// Allows something beneath a real path, but for what `closed` names.
    /// A path that is not there, or not real any more, gets nothing.
    fn allow(
        &mut self,
        root: &Path,
        access: BitFlags<AccessFs>,
        closed: &[&Path],
    ) -> Result<(), ConfineError> {
        if closed.iter().any(|path| root.starts_with(path)) {
            return Ok(());
        }
        let kernel = KERNEL_PATHS.iter().map(Path::new).filter(|path| *path != root);
        let inside: Vec<&Path> =
            closed.iter().copied().chain(kernel).filter(|path| path.starts_with(root)).collect();
        match open_real(root).or_else(|error| absent(root, error))? {
            Some(file) => self.descend(&file, root, access, &inside),
            None => Ok(()),
        }
    }

    /// Landlock has no rule that takes away: where something inside is closed,
    /// every other entry gets its own. What is made there later stays closed.
    fn descend(
        &mut self,
        file: &File,
        path: &Path,
        access: BitFlags<AccessFs>,
        closed: &[&Path],
    ) -> Result<(), ConfineError> {
        let at = |error| ConfineError::Path { path: path.to_owned(), error };
        let kind = file.metadata().map_err(at)?;
        // Where a symbolic link leads has rules of its own.
        if kind.is_symlink() {
            return Ok(());
        }
        if closed.is_empty() {
            return self.add(file, kind.is_dir(), access);
        }
        if !kind.is_dir() {
            return Ok(());
        }
        let depth = path.components().count() + 1;
        let ids: Vec<_> = closed.iter().map(|path| id_at(path, depth)).collect();
        // The directory that was opened, whatever its path leads to now.
        for entry in fs::read_dir(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(at)? {
            let name = entry.map_err(at)?.file_name();
            self.spend()?;
            let child = path.join(&name);
            if closed.contains(&child.as_path()) {
                continue;
            }
            let entry = open_entry(file, &name).or_else(|error| absent(&child, error))?;
            let Some(entry) = entry else { continue };
            // Where case does not count, a closed path may spell this name in another way.
            let id = entry.metadata().ok().map(|found| id_of(&found));
            let leads_here = |path: &Path, at: Option<(u64, u64)>| {
                path.starts_with(&child) || at.is_some() && at == id
            };
            let all = closed.iter().copied().zip(ids.iter().copied());
            let deeper = all.filter(|(path, at)| leads_here(path, *at));
            let deeper: Vec<&Path> = deeper.map(|(path, _)| path).collect();
            if deeper.iter().all(|path| path.components().count() > depth) {
                self.descend(&entry, &child, access, &deeper)?;
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        file: &File,
        directory: bool,
        access: BitFlags<AccessFs>,
    ) -> Result<(), ConfineError> {
        let access = if directory { access } else { access & AccessFs::from_file(LANDLOCK_ABI) };
        if access.is_empty() {
            return Ok(());
        }
        self.spend()?;
        (&mut self.ruleset).add_rule(PathBeneath::new(file, access))?;
        Ok(())
    }

    fn spend(&mut self) -> Result<(), ConfineError> {
        self.left = self.left.checked_sub(1).ok_or(ConfineError::TooManyRules)?;
        Ok(())
    }
}

/// What the beginning of a path leads to: so many names, the root directory among them.
fn id_at(path: &Path, names: usize) -> Option<(u64, u64)> {
    let beginning: PathBuf = path.components().take(names).collect();
    fs::metadata(beginning).ok().map(|found| id_of(&found))
}

fn id_of(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// A path without a symbolic link in it: a program may have put one there since
/// it was found to be real.
fn open_real(path: &Path) -> Result<Option<File>, Errno> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(AT_FDCWD, path, how).map(|file| Some(file.into()))
}

fn open_entry(directory: &File, name: &OsStr) -> Result<Option<File>, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(directory, name, flags, Mode::empty()).map(|file| Some(file.into()))
}

fn absent(path: &Path, error: Errno) -> Result<Option<File>, ConfineError> {
    match error {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES => Ok(None),
        _ => Err(ConfineError::Path { path: path.to_owned(), error: error.into() }),
    }
}

impl Prepared {
    /// For a child that is the first of a PID namespace: there its parent has no number.
    pub(super) fn in_namespace(mut self) -> Self {
        self.server = Pid::from_raw(0);
        self
    }

    /// Confines what `command` will start, in a directory. The thread that starts
    /// it must outlive it (see [`Prepared::apply`]).
    pub(crate) fn confine(mut self, command: &mut Command, directory: OwnedFd) {
        command_sys::before_exec(command, move || self.apply(directory.as_fd()));
    }

    /// Async-signal-safe; for the child between fork and exec.
    pub(crate) fn apply(&mut self, directory: BorrowedFd<'_>) -> io::Result<()> {
        // prctl(2): sent when the thread that forked ends, not the process.
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // It may have ended before that line.
        if getppid() != self.server {
            return Err(Errno::ESRCH.into());
        }
        // A session and a process group of its own, to be killed with the run.
        setsid()?;
        // The server's handlers end at exec, what it ignores does not.
        sys::default_signals();
        // A blocked signal stays blocked across exec.
        sys::unblock_signals();
        // Nothing of the server's but stdin, stdout and stderr.
        sys::close_from_at_exec(libc::STDERR_FILENO + 1)?;
        // The directory that was checked, whatever its path leads to now.
        fchdir(directory)?;
        // What it makes is for others to read, for nobody else to write.
        umask(Mode::from_bits_truncate(0o022));
        // Without /proc, or where a container has set more, it stays.
        let _ = command_sys::first_out_of_memory();
        // Needs CAP_SETPCAP, as does the next, so before capset.
        sys::drop_bounding_set();
        command_sys::no_root_privileges();
        // No capability, for any user.
        sys::drop_capabilities()?;
        // No setuid, no file capabilities; the next two ask for it.
        prctl::set_no_new_privs()?;
        if let Some(ruleset) = &self.ruleset {
            // Without /proc there is nothing to allow.
            let _ = command_sys::allow_own_proc(ruleset.as_fd());
            command_sys::restrict_self(ruleset.as_fd())?;
        }
        // After what opens files: the server's own, which are here until exec, may be more
        // than the command may have.
        self.limits.apply()?;
        // Last: they refuse some of the above.
        if let Some(signals) = &mut self.own_signals {
            install(signals.of_this_process())?;
        }
        self.filters.iter().try_for_each(install)
    }
}

fn install(filter: &BpfProgram) -> io::Result<()> {
    seccompiler::apply_filter(filter).map_err(|error| match error {
        seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => error,
        _ => Errno::EINVAL.into(),
    })
}

impl CommandLimits {
    fn apply(&self) -> io::Result<()> {
        // A core file would hold the command's data.
        lower(Resource::RLIMIT_CORE, 0, 0)?;
        lower(Resource::RLIMIT_FSIZE, self.file_size, self.file_size)?;
        let cpu = self.cpu_seconds;
        lower(Resource::RLIMIT_CPU, cpu, cpu.saturating_add(CPU_GRACE_SECONDS))?;
        lower(Resource::RLIMIT_DATA, self.data, self.data)?;
        lower(Resource::RLIMIT_NOFILE, self.open_files, self.open_files)?;
        // Not enforced for root (getrlimit(2)).
        if !getuid().is_root() {
            lower(Resource::RLIMIT_NPROC, self.processes, self.processes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use nix::sched::{CloneFlags, unshare};
    use nix::sys::resource::setrlimit;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket, socketpair};
    use nix::unistd::getpgrp;

    use super::*;

    fn confinement(network: bool) -> Confinement {
        Confinement {
            read: Vec::new(),
            write: Vec::new(),
            deny_read: Vec::new(),
            deny_write: Vec::new(),
            program: fs::canonicalize("/bin/true").unwrap(),
            network,
            limits: CommandLimits {
                cpu_seconds: 10,
                file_size: 1 << 20,
                data: 1 << 30,
                open_files: 64,
                processes: 1 << 16,
            },
            unconfined: false,
            without_landlock: true,
        }
    }

    /// What comes of an attempt that a confined child makes instead of exec.
    fn attempt(
        network: bool,
        attempt: impl Fn() -> nix::Result<()> + Send + Sync + 'static,
    ) -> Result<(), Errno> {
        let mut prepared = confinement(network).prepare().unwrap();
        let directory = File::open("/").unwrap();
        let mut command = Command::new("/bin/true");
        command_sys::before_exec(&mut command, move || {
            prepared.apply(directory.as_fd())?;
            Ok(attempt()?)
        });
        match command.status() {
            Ok(_) => Ok(()),
            Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap())),
        }
    }

    fn open_socket(family: AddressFamily) -> nix::Result<()> {
        socket(family, SockType::Stream, SockFlag::empty(), None).map(drop)
    }

    fn open_pair(kind: SockType) -> nix::Result<()> {
        socketpair(AddressFamily::Unix, kind, None, SockFlag::empty()).map(drop)
    }

    #[test]
    fn a_command_that_does_nothing_forbidden_runs() {
        assert_eq!(attempt(false, || Ok(())), Ok(()));
    }

    #[test]
    fn a_command_without_network_opens_no_socket() {
        use AddressFamily::{Inet, Inet6, Netlink, Unix};
        for family in [Inet, Inet6, Netlink, Unix] {
            let open = move || open_socket(family);
            assert_eq!(attempt(false, open), Err(Errno::EACCES));
        }
    }

    #[test]
    fn a_command_with_network_opens_sockets_of_the_internet_only() {
        assert_eq!(attempt(true, || open_socket(AddressFamily::Inet)), Ok(()));
        assert_eq!(attempt(true, || open_socket(AddressFamily::Unix)), Err(Errno::EACCES));
        assert_eq!(attempt(true, || open_socket(AddressFamily::Vsock)), Err(Errno::EACCES));
    }

    #[test]
    fn a_pair_of_sockets_is_a_stream() {
        assert_eq!(attempt(false, || open_pair(SockType::Stream)), Ok(()));
        assert_eq!(attempt(false, || open_pair(SockType::Datagram)), Err(Errno::EACCES));
        assert_eq!(attempt(false, || open_pair(SockType::Raw)), Err(Errno::EACCES));
    }

    #[test]
    fn a_command_gets_no_namespace() {
        let enter = || unshare(CloneFlags::CLONE_NEWUSER);
        assert_eq!(attempt(true, enter), Err(Errno::EPERM));
    }

    #[test]
    fn leaving_the_process_group_is_pretended() {
        let leave = || {
            let before = getpgrp();
            // Its group's leader already: in earnest this is EPERM (setsid(2)).
            setsid()?;
            if getpgrp() == before { Ok(()) } else { Err(Errno::EIO) }
        };
        assert_eq!(attempt(false, leave), Ok(()));
    }

    #[test]
    fn a_command_sets_limits_of_its_own() {
        let own = || setrlimit(Resource::RLIMIT_NOFILE, 16, 16);
        assert_eq!(attempt(false, own), Ok(()));
    }
}
