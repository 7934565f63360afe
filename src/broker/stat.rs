//! `Deno.FileInfo`.

use std::os::fd::BorrowedFd;

use nix::sys::stat::{FileStat, SFlag};

use super::open::{kind, own_path};
use crate::protocol::Stat;

/// What stat(2) says. The time of birth is not in it; `opened` gives it.
pub(super) fn describe(stat: &FileStat, opened: Option<BorrowedFd<'_>>) -> Stat {
    let kind = kind(stat);
    let millis = |seconds: i64, nanos: i64| seconds * 1000 + nanos / 1_000_000;
    Stat {
        is_file: kind == SFlag::S_IFREG,
        is_directory: kind == SFlag::S_IFDIR,
        is_symlink: kind == SFlag::S_IFLNK,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime: millis(stat.st_mtime, stat.st_mtime_nsec),
        atime: millis(stat.st_atime, stat.st_atime_nsec),
        birthtime: opened.and_then(birth),
        ctime: millis(stat.st_ctime, stat.st_ctime_nsec),
        dev: stat.st_dev,
        ino: stat.st_ino,
        mode: stat.st_mode,
        nlink: stat.st_nlink,
        uid: stat.st_uid,
        gid: stat.st_gid,
        rdev: stat.st_rdev,
        blksize: u64::try_from(stat.st_blksize).unwrap_or(0),
        blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
        is_block_device: kind == SFlag::S_IFBLK,
        is_char_device: kind == SFlag::S_IFCHR,
        is_fifo: kind == SFlag::S_IFIFO,
        is_socket: kind == SFlag::S_IFSOCK,
    }
}

/// When the file was made, in milliseconds since the epoch, where the file system
/// keeps that (statx(2), through the standard library).
fn birth(opened: BorrowedFd<'_>) -> Option<i64> {
    let created = std::fs::metadata(own_path(opened)).ok()?.created().ok()?;
    let since = created.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}
