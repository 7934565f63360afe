//! The surroundings of the process, and what tests use instead.

use std::ffi::OsString;
use std::path::PathBuf;

/// What is around the process.
pub(super) struct Surroundings<'a> {
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    pub home: Option<PathBuf>,
}

impl Surroundings<'_> {
    /// A variable whose value is text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name)?.into_string().ok()
    }
}
