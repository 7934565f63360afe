//! From an allowed path to something open. No path is checked and then opened:
//! the kernel resolves it beneath the grant's own descriptor, and what it has
//! found is put to the policy again, by the name that the kernel has for it.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::sys::statfs::{FsType, fstatfs};

use crate::policy::{AllowedPath, Denied, PathRefusal, PathRules};
use crate::protocol::Failure;

/// Symbolic links that one path may take where openat2 does not follow them
/// itself: the kernel's own limit (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A path below a directory that is being renamed is told to try again
/// (openat2(2), EAGAIN).
const MAX_RACES: usize = 64;

/// File systems that are an interface to the kernel (linux/magic.h): proc, sysfs,
/// cgroup, cgroup2, debugfs, tracefs, securityfs, bpf, devpts, nsfs, configfs,
/// binfmt_misc, selinuxfs, smackfs, efivarfs, pstore.
const KERNEL_FILE_SYSTEMS: [i64; 16] = [
    0x9fa0,
    0x6265_6572,
    0x27_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xcafe_4a11,
    0x1cd1,
    0x6e73_6673,
    0x6265_6570,
    0x4249_4e4d,
    0xf97c_ff8c,
    0x4341_5d53,
    0xde5e_81e4,
    0x6165_676c,
];

/// Why a path was not opened.
#[derive(Debug)]
pub(super) enum OpenError {
    Denied(Denied),
    Io(io::Error),
    /// FIFOs, sockets and devices: they would block, or act.
    NotRegular,
    TooLong,
    Nul,
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for OpenError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<PathRefusal> for OpenError {
    fn from(refusal: PathRefusal) -> Self {
        match refusal {
            PathRefusal::Denied(denied) => Self::Denied(denied),
            PathRefusal::TooLong => Self::TooLong,
            PathRefusal::Nul => Self::Nul,
            PathRefusal::Empty => Errno::ENOENT.into(),
        }
    }
}

impl OpenError {
    /// What the program sees; a refusal is returned as it is, to be audited.
    pub(super) fn into_failure(self, context: &str) -> Result<Failure, Denied> {
        Ok(match self {
            Self::Denied(denied) => return Err(denied),
            Self::Io(error) => Failure::with_context(&error, context),
            Self::NotRegular => Failure::new(
                "NotSupported",
                format!(
                    "Only regular files and directories can be used, no pipes, sockets or \
                     devices{context}"
                ),
            ),
            Self::TooLong => Failure::with_context(&Errno::ENAMETOOLONG.into(), &cut(context)),
            Self::Nul => {
                Failure::type_error(format!("file name contained an unexpected NUL byte{context}"))
            }
        })
    }
}

/// The longest context in an error text.
fn cut(context: &str) -> String {
    const MAX: usize = 256;
    if context.len() <= MAX {
        return context.to_owned();
    }
    format!("{}…'", &context[..context.floor_char_boundary(MAX)])
}

/// One permission's rules with the directory that relative paths start from.
pub(super) struct Resolver<'a> {
    pub rules: &'a PathRules,
    pub cwd: &'a Path,
}

/// The directory that holds a path's last name.
pub(super) struct Parent {
    pub directory: OwnedFd,
    pub name: OsString,
    /// Where the last name is, without symbolic links before it.
    pub real: PathBuf,
}

impl Resolver<'_> {
    /// Decides about a path as it is written.
    pub(super) fn allow(&self, path: &str) -> Result<AllowedPath, OpenError> {
        Ok(self.rules.check(path, self.cwd)?)
    }

    /// Opens what a path leads to, whatever it is.
    pub(super) fn open(&self, path: &AllowedPath, flags: OFlag) -> Result<OwnedFd, OpenError> {
        let (opened, path) = self.follow(path, flags)?;
        let real = real_path(opened.as_fd())?;
        self.rules.opened(&path, &real).map_err(OpenError::Denied)?;
        if is_kernels(opened.as_fd()) {
            return Err(OpenError::Denied(self.rules.special(path.requested())));
        }
        Ok(opened)
    }

    /// As [`Self::open`], for a regular file or a directory.
    pub(super) fn open_regular(
        &self,
        path: &AllowedPath,
        flags: OFlag,
    ) -> Result<(OwnedFd, FileStat), OpenError> {
        // Opening acts on pipes and devices, so nothing is open for reading or
        // writing before it is known what it is.
        let place = self.open(path, OFlag::O_PATH)?;
        let stat = fstat(&place)?;
        match kind(&stat) {
            SFlag::S_IFREG | SFlag::S_IFDIR => {}
            _ => return Err(OpenError::NotRegular),
        }
        let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
        let file = nix::fcntl::open(&own_path(place.as_fd()), flags, Mode::empty())?;
        Ok((file, stat))
    }

    /// Opens the directory of a path's last name, which need not exist and is not
    /// followed.
    pub(super) fn parent(&self, path: &AllowedPath) -> Result<Parent, OpenError> {
        let from_anchor = path.below_anchor();
        let inner = from_anchor.parent().filter(|_| from_anchor != Path::new("."));
        let (Some(inner), Some(name)) = (inner, path.absolute().file_name()) else {
            // The path is a grant itself: what is around it is not granted.
            return Err(OpenError::Denied(self.rules.refusal(path.requested())));
        };
        let inner = if inner.as_os_str().is_empty() { Path::new(".") } else { inner };
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let directory = match beneath(path, inner, flags, Mode::empty()) {
            Err(Errno::EXDEV | Errno::ELOOP) => self.parent_by_links(path)?,
            other => other?,
        };
        let real = real_path(directory.as_fd())?.join(name);
        self.rules.opened(path, &real).map_err(OpenError::Denied)?;
        if is_kernels(directory.as_fd()) {
            return Err(OpenError::Denied(self.rules.special(path.requested())));
        }
        Ok(Parent { directory, name: name.to_owned(), real })
    }

    /// The parent of a path that goes through a link with an absolute target.
    fn parent_by_links(&self, path: &AllowedPath) -> Result<OwnedFd, OpenError> {
        let parent = path.absolute().parent().unwrap_or(Path::new("/"));
        let refuse = || OpenError::Denied(self.rules.refusal(path.requested()));
        let parent = self.allow(&parent.to_string_lossy()).map_err(|_| refuse())?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        match self.follow(&parent, flags) {
            Err(OpenError::Denied(_)) => Err(refuse()),
            other => Ok(other?.0),
        }
    }

    /// Makes a file that does not exist.
    pub(super) fn create(
        &self,
        path: &AllowedPath,
        flags: OFlag,
        mode: Mode,
    ) -> Result<OwnedFd, OpenError> {
        let parent = self.parent(path)?;
        let flags = flags | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(nix::fcntl::openat(&parent.directory, parent.name.as_os_str(), flags, mode)?)
    }

    /// Opens a path beneath its grant. A link with an absolute target, which
    /// openat2 refuses whereever it leads, is followed as the path that it means.
    fn follow(
        &self,
        path: &AllowedPath,
        flags: OFlag,
    ) -> Result<(OwnedFd, AllowedPath), OpenError> {
        let mut path = path.clone();
        for _ in 0..MAX_LINKS {
            match beneath(&path, &path.below_anchor(), flags, Mode::empty()) {
                Ok(opened) => return Ok((opened, path)),
                Err(Errno::EXDEV | Errno::ELOOP) => {}
                Err(error) => return Err(error.into()),
            }
            let refuse = || OpenError::Denied(self.rules.refusal(path.requested()));
            let target = first_absolute_link(&path).ok_or_else(refuse)?;
            let next = self.rules.check(&target.to_string_lossy(), self.cwd).map_err(|_| refuse());
            path = next?.asked_for_as(&path);
        }
        Err(Errno::ELOOP.into())
    }
}

/// openat2(2) beneath the path's grant.
fn beneath(path: &AllowedPath, from: &Path, flags: OFlag, mode: Mode) -> Result<OwnedFd, Errno> {
    let mut resolve = ResolveFlag::RESOLVE_NO_MAGICLINKS;
    if !path.is_unbounded() {
        resolve |= ResolveFlag::RESOLVE_BENEATH;
    }
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).mode(mode).resolve(resolve);
    for _ in 0..MAX_RACES {
        match openat2(path.anchor(), from, how) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            other => return other,
        }
    }
    Err(Errno::EAGAIN)
}

/// What the path means if its first link with an absolute target, or one that
/// climbs, is replaced by that target.
fn first_absolute_link(path: &AllowedPath) -> Option<PathBuf> {
    let from_anchor = path.below_anchor();
    let depth = path.absolute().components().count() - from_anchor.components().count();
    let mut done: PathBuf = path.absolute().components().take(depth).collect();
    let mut inner = PathBuf::new();
    let mut rest = from_anchor.components();
    while let Some(component) = rest.next() {
        inner.push(component);
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let link = beneath(path, &inner, flags, Mode::empty()).ok()?;
        if let Ok(target) = readlinkat(&link, "") {
            let target = Path::new(&target);
            return Some(crate::policy::normalize(&done.join(target).join(rest.as_path())));
        }
        done.push(component);
    }
    None
}

/// The kernel's name for what is open.
pub(super) fn real_path(opened: BorrowedFd<'_>) -> io::Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::fs::read_link(own_path(opened))?;
    // What was removed has no name (proc_pid_fd(5)); a file can be called so, too.
    if path.as_os_str().as_bytes().ends_with(b" (deleted)") && fstat(opened)?.st_nlink == 0 {
        return Err(Errno::ENOENT.into());
    }
    Ok(path)
}

/// A path to one of the server's own descriptors, for the calls that take no
/// descriptor, or not one of O_PATH.
pub(super) fn own_path(opened: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()))
}

/// The type of a file.
pub(super) fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

fn is_kernels(opened: BorrowedFd<'_>) -> bool {
    let is = |FsType(magic): FsType| KERNEL_FILE_SYSTEMS.contains(&(magic & 0xffff_ffff));
    // What cannot be asked is not trusted.
    fstatfs(opened).map_or(true, |found| is(found.filesystem_type()))
}
