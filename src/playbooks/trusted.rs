//! A directory by the administrator's path for it, in places where programs may
//! write. Links of the administrator's are followed; those that a program can have
//! put there are not, whatever they lead to.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, mkdirat};

use crate::links::follow;

/// How a directory is opened.
const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// Opens a directory. `writable` are the real paths beneath which programs may write.
pub(super) fn open(path: &Path, writable: &[PathBuf]) -> io::Result<OwnedFd> {
    match without_links(path) {
        Err(Errno::ELOOP) => {}
        other => return Ok(other?),
    }
    // By its real path, and again without links: one that a program has put there
    // in the meantime is refused.
    let real = real(path, writable)?;
    without_links(&real).map_err(|error| match error {
        Errno::ELOOP => planted(&real),
        other => other.into(),
    })
}

/// As [`open`]; makes what is not there, for its owner only.
pub(super) fn open_or_make(path: &Path, writable: &[PathBuf]) -> io::Result<OwnedFd> {
    match open(path, writable) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::ENOENT.into());
    };
    let parent = open_or_make(parent, writable)?;
    match mkdirat(&parent, name, Mode::S_IRWXU) {
        // Another made it a moment ago, or it is a link to nothing.
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(openat(&parent, name, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty())?)
}

fn without_links(path: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    openat2(AT_FDCWD, path, OpenHow::new().flags(DIRECTORY).resolve(resolve))
}

/// The real path, if every link on the way lies where programs may not write.
fn real(path: &Path, writable: &[PathBuf]) -> io::Result<PathBuf> {
    follow(path, |place, found| {
        // The link itself too: a grant that was not there yet is for programs to make.
        let is_planted =
            found.is_symlink() && writable.iter().any(|beneath| place.starts_with(beneath));
        if is_planted { Err(planted(place)) } else { Ok(()) }
    })
}

fn planted(link: &Path) -> io::Error {
    io::Error::other(format!(
        "{} is a symbolic link where programs may write, which is not followed",
        link.display()
    ))
}
