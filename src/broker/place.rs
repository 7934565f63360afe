//! One name in an open directory. Every system call that makes, moves or removes
//! something under a name is here, but for what lies in a tree that is removed.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};

use super::open::own_path;
use super::tally;

/// A name in a directory. It need not exist, and is not followed if it is a link.
#[derive(Debug)]
pub(super) struct Place {
    pub directory: OwnedFd,
    /// From the components of a path, or a plain name: it has no slash in it, and
    /// is neither `.` nor `..`.
    name: OsString,
    /// Where it is, without symbolic links before the name.
    pub real: PathBuf,
}

impl Place {
    pub(super) fn new(directory: OwnedFd, name: OsString, real: PathBuf) -> Self {
        Self { directory, name, real }
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// The directory's real path.
    pub(super) fn base(&self) -> &Path {
        self.real.parent().unwrap_or(Path::new("/"))
    }

    /// What is there.
    pub(super) fn status(&self) -> Result<FileStat, Errno> {
        tally::call();
        fstatat(&self.directory, self.name(), AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    /// Opens what is there without reading or writing, a link itself too.
    pub(super) fn open(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.directory, self.name(), flags, Mode::empty())
    }

    fn open_directory(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        tally::call();
        openat(&self.directory, self.name(), flags, Mode::empty())
    }

    pub(super) fn is_directory(&self) -> bool {
        self.open_directory().is_ok()
    }

    /// A name in the directory that is there.
    pub(super) fn descend(self, name: OsString) -> Result<Self, Errno> {
        // What is not a directory was there before one could be made.
        let directory = self.open_directory().map_err(|error| match error {
            Errno::ENOTDIR | Errno::ELOOP => Errno::EEXIST,
            other => other,
        })?;
        let real = self.real.join(&name);
        Ok(Self { directory, name, real })
    }

    /// Makes a file that does not exist.
    pub(super) fn make_file(&self, flags: OFlag, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.directory, self.name(), flags, mode)
    }

    pub(super) fn make_directory(&self, mode: Mode) -> Result<(), Errno> {
        tally::call();
        mkdirat(&self.directory, self.name(), mode)
    }

    pub(super) fn make_link(&self, target: &str) -> Result<(), Errno> {
        symlinkat(target, &self.directory, self.name())
    }

    /// Makes a second name of the very file that is open.
    pub(super) fn make_name_of(&self, file: BorrowedFd<'_>) -> Result<(), Errno> {
        // open(2), O_PATH: linkat of a descriptor itself needs CAP_DAC_READ_SEARCH.
        let flags = AtFlags::AT_SYMLINK_FOLLOW;
        linkat(AT_FDCWD, &own_path(file), &self.directory, self.name(), flags)
    }

    pub(super) fn read_link(&self) -> Result<OsString, Errno> {
        readlinkat(&self.directory, self.name())
    }

    pub(super) fn remove(&self, flags: UnlinkatFlags) -> Result<(), Errno> {
        unlinkat(&self.directory, self.name(), flags)
    }

    pub(super) fn rename_to(&self, target: &Self) -> Result<(), Errno> {
        renameat(&self.directory, self.name(), target.directory.as_fd(), target.name())
    }
}
