//! This executable as a zygote, as the warden of commands, or as what seals the bundler.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::engines::engine;
use crate::protocol::control::ZYGOTE_ARGUMENT;
use crate::sandbox::{BUNDLER_ARGUMENT, WARDEN_ARGUMENT, run_bundler, run_warden, sys};
use crate::worker::run_zygote;

static HOOKED: AtomicBool = AtomicBool::new(false);

/// Lets this executable serve as the zygote, as the warden of commands, and as what seals
/// the bundler of packages. To be called first in `main`, in a program that embeds the
/// library: when the process was started as one of them it does not return.
///
/// ```no_run
/// // The first line of main:
/// mcp_conductor::zygote_hook();
/// ```
pub fn zygote_hook() {
    HOOKED.store(true, Ordering::Relaxed);
    let argument = std::env::args_os().nth(1);
    if argument.as_ref().is_some_and(|argument| argument == ZYGOTE_ARGUMENT) {
        sys::exit_now(run_zygote(engine));
    }
    if argument.as_ref().is_some_and(|argument| argument == WARDEN_ARGUMENT) {
        sys::exit_now(run_warden());
    }
    if argument.as_ref().is_some_and(|argument| argument == BUNDLER_ARGUMENT) {
        sys::exit_now(run_bundler());
    }
}

/// Whether this process's executable can serve as a zygote.
pub(crate) fn hook_was_called() -> bool {
    HOOKED.load(Ordering::Relaxed)
}
