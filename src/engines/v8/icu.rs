//! What of ICU the v8 crate does not wrap. All `unsafe` of it.

use std::ffi::c_int;

unsafe extern "C" {
    /// ucal.h of ICU 77, whose names end with its version, as in `v8::icu`.
    fn ucal_setDefaultTimeZone_77(zone: *const u16, status: *mut c_int);
}

/// Sets the time zone of isolates that are made after this, also in processes that are
/// forked. Without it ICU would look for the machine's, in files that a worker cannot open.
///
/// # Errors
/// ICU's error code.
pub(crate) fn set_time_zone(name: &str) -> Result<(), c_int> {
    let zone: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let mut status: c_int = 0;
    // SAFETY: a text in UTF-16 that ends with a zero, and a status without an error; ICU
    // keeps neither pointer. There is one thread, and no isolate yet.
    unsafe { ucal_setDefaultTimeZone_77(zone.as_ptr(), &raw mut status) };
    // Above zero are errors, below warnings (utypes.h).
    if status > 0 { Err(status) } else { Ok(()) }
}
