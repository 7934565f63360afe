//! Files mapped into memory for the life of the process.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// A file's bytes, mapped read-only, shared with everybody who maps it, and never unmapped.
/// The descriptor can be closed.
///
/// Nothing can make the mapping writable, whoever has it after a fork: its descriptor is
/// open for reading only (mmap(2), EACCES).
pub(super) fn map_for_ever(file: &OwnedFd) -> io::Result<&'static [u8]> {
    // SAFETY: what is mapped is a file of a generation, which is complete before it is named
    // and not changed after that, or memory of this process that nobody else has. Who can
    // change a generation is the administrator: cutting a file short ends workers by SIGBUS.
    let map = unsafe { memmap2::MmapOptions::new().map(file) }?;
    Ok(Box::leak(Box::new(map)))
}

/// The same file through a descriptor that can only read.
pub(super) fn read_only(file: OwnedFd) -> io::Result<OwnedFd> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).map(OwnedFd::from)
}
