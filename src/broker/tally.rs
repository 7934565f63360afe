//! What tests count: how often paths were resolved, and by how many system calls.
//! Nothing in the server that users run.

#[cfg(test)]
use std::cell::Cell;

#[cfg(test)]
thread_local! {
    static RESOLUTIONS: Cell<usize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// A path is about to be looked up from its grant.
pub(super) fn resolution() {
    #[cfg(test)]
    RESOLUTIONS.set(RESOLUTIONS.get() + 1);
}

/// The kernel is about to be asked.
pub(super) fn call() {
    #[cfg(test)]
    CALLS.set(CALLS.get() + 1);
}

/// Resolutions and calls of this thread since the last time.
#[cfg(test)]
pub(super) fn take() -> (usize, usize) {
    (RESOLUTIONS.take(), CALLS.take())
}
