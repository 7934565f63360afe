//! Directories: their entries, and trees of them to remove.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::open::{OpenError, kind};
use super::place::Place;
use crate::policy::FileId;
use crate::protocol::DirEntry;

/// Bytes of one listing: some 100,000 entries. A run can have 16 at the same time.
const MAX_LISTING: usize = 4 << 20;

/// Levels of directories in a tree to remove. With [`MAX_INNER`] names of 255 bytes
/// at each, one operation keeps at most 4 MiB of names, as a listing does.
const MAX_DEPTH: usize = 256;

/// Directories of one level that are kept in mind; more are found by another look.
const MAX_INNER: usize = 64;

/// How a directory of a tree to remove is opened.
const LEVEL: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

type Named = (OsString, Option<Type>);

/// A directory's entries, in the file system's order. Names that are no UTF-8 are
/// shown with U+FFFD, as in Deno.
pub(super) fn list(directory: OwnedFd) -> Result<Vec<DirEntry>, OpenError> {
    let Some(names) = names(directory, MAX_LISTING)? else {
        return Err(OpenError::Io(std::io::Error::other(
            "The directory has too many entries to be listed (more than 4 MiB of names)",
        )));
    };
    let entry = |(name, entry_type): Named| DirEntry {
        name: name.to_string_lossy().into_owned(),
        is_file: entry_type == Some(Type::File),
        is_directory: entry_type == Some(Type::Directory),
        is_symlink: entry_type == Some(Type::Symlink),
    };
    Ok(names.into_iter().map(entry).collect())
}

/// Names and types, without `.` and `..`, of at most this many bytes.
fn names(directory: OwnedFd, limit: usize) -> Result<Option<Vec<Named>>, Errno> {
    let mut directory = Dir::from_fd(directory)?;
    let mut found = Vec::new();
    let mut bytes = 0;
    for entry in directory.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            bytes += name.len() + size_of::<u64>();
            if bytes > limit {
                return Ok(None);
            }
            found.push((OsStr::from_bytes(name).to_owned(), entry.file_type()));
        }
    }
    // Some file systems do not say what an entry is (readdir(3), DT_UNKNOWN).
    for (name, entry_type) in &mut found {
        if entry_type.is_none() {
            *entry_type = ask(directory.as_fd(), name);
        }
    }
    Ok(Some(found))
}

fn ask(directory: BorrowedFd<'_>, name: &OsStr) -> Option<Type> {
    let stat = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    match kind(&stat) {
        SFlag::S_IFREG => Some(Type::File),
        SFlag::S_IFDIR => Some(Type::Directory),
        SFlag::S_IFLNK => Some(Type::Symlink),
        _ => None,
    }
}

/// A directory that is being emptied, and its name in the one that holds it.
struct Level {
    name: OsString,
    id: FileId,
    /// Directories in it that were seen and are not removed yet.
    inner: Vec<OsString>,
}

impl Level {
    fn new(name: OsString, directory: &OwnedFd) -> Result<Self, Errno> {
        Ok(Self { name, id: FileId::from(&fstat(directory)?), inner: Vec::new() })
    }
}

/// Removes a directory and all that is in it. Links are removed, not followed: each
/// directory is opened from the one that holds it, O_NOFOLLOW. One is open at a time,
/// however deep the tree is: the way back is `..`, if that is the directory that it
/// was on the way down.
pub(super) fn remove_tree(top: &Place, is_over: &dyn Fn() -> bool) -> Result<(), OpenError> {
    let mut directory = openat(&top.directory, top.name(), LEVEL, Mode::empty())?;
    let mut levels = vec![Level::new(top.name().to_owned(), &directory)?];
    while let Some(level) = levels.last_mut() {
        if level.inner.is_empty() {
            level.inner = remove_files(&directory, is_over)?;
        }
        if let Some(name) = level.inner.pop() {
            if levels.len() > MAX_DEPTH {
                return Err(Errno::ENAMETOOLONG.into());
            }
            directory = openat(&directory, name.as_os_str(), LEVEL, Mode::empty())?;
            levels.push(Level::new(name, &directory)?);
            continue;
        }
        let Some(empty) = levels.pop() else { break };
        let Some(outer) = levels.last() else { break };
        directory = openat(&directory, "..", LEVEL, Mode::empty())?;
        if FileId::from(&fstat(&directory)?) != outer.id {
            // It was moved elsewhere meanwhile; what is there now is not ours to remove.
            return Err(Errno::ESTALE.into());
        }
        unlinkat(&directory, empty.name.as_os_str(), UnlinkatFlags::RemoveDir)?;
    }
    Ok(top.remove(UnlinkatFlags::RemoveDir)?)
}

/// Removes what is not a directory, and names the first directories.
fn remove_files(
    directory: &OwnedFd,
    is_over: &dyn Fn() -> bool,
) -> Result<Vec<OsString>, OpenError> {
    // Of its own: reading moves a descriptor's position.
    let mut entries = Dir::from_fd(openat(directory, ".", LEVEL, Mode::empty())?)?;
    let mut inner = Vec::new();
    for entry in entries.iter() {
        if is_over() {
            return Err(Errno::EINTR.into());
        }
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if matches!(name.as_bytes(), b"." | b"..") {
            continue;
        }
        let entry_type = entry.file_type().or_else(|| ask(directory.as_fd(), name));
        if entry_type != Some(Type::Directory) {
            unlinkat(directory, name, UnlinkatFlags::NoRemoveDir)?;
            continue;
        }
        inner.push(name.to_owned());
        if inner.len() == MAX_INNER {
            break;
        }
    }
    Ok(inner)
}
