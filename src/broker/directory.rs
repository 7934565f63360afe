//! Directories: their entries, and trees of them to remove.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::open::{OpenError, kind};
use crate::protocol::DirEntry;

/// Bytes of one listing: some 100,000 entries. A run can have 16 at the same time.
const MAX_LISTING: usize = 4 << 20;

/// Levels of directories in a tree to remove: each keeps a descriptor open.
const MAX_DEPTH: usize = 256;

/// A directory's entries, in the file system's order. Names that are no UTF-8 are
/// shown with U+FFFD, as in Deno.
pub(super) fn list(directory: OwnedFd) -> Result<Vec<DirEntry>, OpenError> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    for (name, entry_type) in names(directory)? {
        bytes += name.len() + size_of::<u64>();
        if bytes > MAX_LISTING {
            return Err(OpenError::Io(std::io::Error::other(
                "The directory has too many entries to be listed (4 MiB of names)",
            )));
        }
        entries.push(DirEntry {
            name: name.to_string_lossy().into_owned(),
            is_file: entry_type == Some(Type::File),
            is_directory: entry_type == Some(Type::Directory),
            is_symlink: entry_type == Some(Type::Symlink),
        });
    }
    Ok(entries)
}

/// Names and types, without `.` and `..`.
fn names(directory: OwnedFd) -> Result<Vec<(OsString, Option<Type>)>, Errno> {
    let mut directory = Dir::from_fd(directory)?;
    let mut found = Vec::new();
    for entry in directory.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            found.push((OsStr::from_bytes(name).to_owned(), entry.file_type()));
        }
    }
    // Some file systems do not say what an entry is (readdir(3), DT_UNKNOWN).
    for (name, entry_type) in &mut found {
        if entry_type.is_none() {
            *entry_type = ask(&directory, name);
        }
    }
    Ok(found)
}

fn ask(directory: &Dir, name: &OsStr) -> Option<Type> {
    let stat = fstatat(directory.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    match kind(&stat) {
        SFlag::S_IFREG => Some(Type::File),
        SFlag::S_IFDIR => Some(Type::Directory),
        SFlag::S_IFLNK => Some(Type::Symlink),
        _ => None,
    }
}

/// Removes a directory and all that is in it. Links are removed, not followed:
/// each directory is opened from the one that holds it, O_NOFOLLOW.
pub(super) fn remove_tree(
    parent: &OwnedFd,
    name: &OsStr,
    is_over: &dyn Fn() -> bool,
) -> Result<(), OpenError> {
    remove_level(parent, name, is_over, 0)
}

fn remove_level(
    parent: &impl AsFd,
    name: &OsStr,
    is_over: &dyn Fn() -> bool,
    depth: usize,
) -> Result<(), OpenError> {
    if depth > MAX_DEPTH {
        return Err(Errno::ENAMETOOLONG.into());
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let directory = openat(parent, name, flags, Mode::empty())?;
    for (entry, entry_type) in names(directory.try_clone()?)? {
        if is_over() {
            return Err(Errno::EINTR.into());
        }
        if entry_type == Some(Type::Directory) {
            remove_level(&directory, &entry, is_over, depth + 1)?;
        } else {
            unlinkat(&directory, entry.as_os_str(), UnlinkatFlags::NoRemoveDir)?;
        }
    }
    Ok(unlinkat(parent, name, UnlinkatFlags::RemoveDir)?)
}
