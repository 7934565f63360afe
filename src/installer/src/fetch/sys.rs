//! Limits that the kernel keeps.

use std::io;

/// Bounds the memory of this process, which then ends instead of the machine's other ones.
/// Lower bounds stay.
pub(super) fn limit_memory(bytes: u64) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit, which the call fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_DATA, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_cur.min(bytes);
    limit.rlim_max = limit.rlim_max.min(bytes);
    // SAFETY: `limit` is a valid rlimit, which the call reads.
    match unsafe { libc::setrlimit(libc::RLIMIT_DATA, &raw const limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
