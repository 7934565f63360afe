//! What is known of something open, and why something was not opened.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::sys::statfs::{FsType, fstatfs};

use super::tally;
use crate::policy::{Denied, FileId, MAX_PATH_BYTES, PathRefusal};
use crate::protocol::Failure;
use crate::text::clip::marked_with;

/// Directories that one call goes up from what is open: enough for most paths, and
/// the kernel's own work stays in proportion to the path.
const CLIMB: usize = 16;

/// Directories around one: as many as a path can name, and as many again for those
/// that are deeper than any path.
const MAX_ANCESTORS: usize = MAX_PATH_BYTES;

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
                    "Only regular files and directories can be used, not pipes, sockets or \
                     devices{context}"
                ),
            ),
            Self::TooLong => Failure::with_context(
                &Errno::ENAMETOOLONG.into(),
                &marked_with(context, MAX_CONTEXT, "…'"),
            ),
            Self::Nul => {
                Failure::type_error(format!("file name contained an unexpected NUL byte{context}"))
            }
        })
    }
}

/// The longest context in an error text, in bytes.
const MAX_CONTEXT: usize = 256;

/// The kernel's name for what is open.
pub(super) fn real_path(opened: BorrowedFd<'_>) -> io::Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    tally::call();
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

/// The magic number of the file system that something open lies in.
pub(super) fn file_system(opened: BorrowedFd<'_>) -> Result<i64, Errno> {
    tally::call();
    let FsType(magic) = fstatfs(opened)?.filesystem_type();
    Ok(magic & 0xffff_ffff)
}

/// Whether a file system is an interface to the kernel.
pub(super) fn is_kernels(magic: i64) -> bool {
    KERNEL_FILE_SYSTEMS.contains(&magic)
}

/// What a directory and those around it are, from the root directory inwards.
/// `depth` is how many there are by name; a move meanwhile may have made it more.
pub(super) fn ancestry(directory: BorrowedFd<'_>, depth: usize) -> Result<Vec<FileId>, Errno> {
    let mut ids = vec![FileId::from(&fstat(directory)?)];
    let mut from: Option<OwnedFd> = None;
    while ids.len() < MAX_ANCESTORS {
        let mut up = String::new();
        for _ in 0..CLIMB {
            let at = from.as_ref().map_or(directory, AsFd::as_fd);
            up.push_str("../");
            tally::call();
            let next = FileId::from(&fstatat(at, up.as_str(), AtFlags::empty())?);
            // The root directory is its own parent.
            if ids.len() >= depth && ids.last() == Some(&next) {
                ids.reverse();
                return Ok(ids);
            }
            ids.push(next);
        }
        let at = from.as_ref().map_or(directory, AsFd::as_fd);
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        from = Some(openat(at, up.as_str(), flags, Mode::empty())?);
    }
    Err(Errno::ENAMETOOLONG)
}
