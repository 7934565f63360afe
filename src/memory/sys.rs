//! The allocator's own memory. All `unsafe` of this module.

/// Gives pages that hold nothing back to the kernel. What was read is in pieces that were
/// allocated among others, and glibc keeps their pages for later: of a list of 1,000 tools with
/// schemas 10 MB stay otherwise, beside the 8 MB that the catalog takes. Some milliseconds: not
/// for an async thread.
pub(crate) fn give_back_free_pages() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes a number of bytes by value, may be called by any thread at any
    // time, and moves nothing that is allocated (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}
