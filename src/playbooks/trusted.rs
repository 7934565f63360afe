//! A directory by the administrator's path for it, in places where programs may
//! write. Links of the administrator's are followed; those that a program can have
//! put there are not, whatever they lead to.

use std::ffi::OsString;
use std::fs::read_link;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, mkdirat};

/// Links that a path may take, as the kernel has it (path_resolution(7)).
const MAX_LINKS: usize = 40;

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
    let real = follow(path, writable)?;
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
fn follow(path: &Path, writable: &[PathBuf]) -> io::Result<PathBuf> {
    let mut real = PathBuf::from("/");
    let mut rest: Vec<OsString> = Vec::new();
    push(&mut rest, path);
    let mut links = 0;
    while let Some(name) = rest.pop() {
        if name == ".." {
            real.pop();
            continue;
        }
        let next = real.join(&name);
        match read_link(&next) {
            Ok(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::ELOOP.into());
                }
                // The link itself too: a grant that was not there yet is for programs to make.
                if writable.iter().any(|place| next.starts_with(place)) {
                    return Err(planted(&next));
                }
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                push(&mut rest, &target);
            }
            // readlink(2): no link.
            Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => real = next,
            Err(error) => return Err(error),
        }
    }
    Ok(real)
}

/// Puts a path's names before others, the first of them last.
fn push(rest: &mut Vec<OsString>, path: &Path) {
    let is_name = |component: &Component<'_>| {
        matches!(component, Component::Normal(_) | Component::ParentDir)
    };
    let names = path.components().rev().filter(is_name);
    rest.extend(names.map(|component| component.as_os_str().to_owned()));
}

fn planted(link: &Path) -> io::Error {
    io::Error::other(format!(
        "{} is a symbolic link where programs may write, which is not followed",
        link.display()
    ))
}
