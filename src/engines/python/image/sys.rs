//! Files mapped into memory for the life of the process.

use std::fs::File;
use std::io;

/// A file's bytes, mapped read-only, shared with everybody who maps it, and never unmapped.
/// The descriptor can be closed.
pub(super) fn map_for_ever(file: &File) -> io::Result<&'static [u8]> {
    // SAFETY: what is mapped is a file of an installed component or generation of packages,
    // which is complete before it is named and not changed after that. Who can change it is
    // the administrator: cutting a file short ends workers by SIGBUS.
    let map = unsafe { memmap2::MmapOptions::new().map(file) }?;
    Ok(Box::leak(Box::new(map)))
}
