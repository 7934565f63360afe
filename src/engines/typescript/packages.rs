//! The files of installed packages, as the zygote has them.

use std::collections::HashMap;

use crate::protocol::MediaType;

/// What programs and packages import, by its name below `bundle/`.
#[derive(Default)]
pub(super) struct Packages(HashMap<String, (&'static [u8], MediaType)>);

impl Packages {
    /// The text of a file, which is ASCII, and in what it is written.
    pub(super) fn source(&self, file: &str) -> Option<(&'static [u8], MediaType)> {
        self.0.get(file).copied()
    }
}
