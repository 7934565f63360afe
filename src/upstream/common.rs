//! What the servers of a configuration have in common.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::era::Eras;
use super::process::Groups;

/// What the servers of a file have in common.
#[derive(Clone)]
pub(super) struct Common {
    pub environment: Arc<HashMap<String, String>>,
    /// Where logins are kept.
    pub tokens: Option<Arc<Path>>,
    pub limits: Limits,
    pub eras: Eras,
    pub groups: Groups,
}

/// Limits of what a server sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of one result.
    pub result_bytes: usize,
}

/// Bytes of a list of tools, resources or prompts, whatever a result may have:
/// a thousand tools with schemas of 4 KiB.
const LIST_BYTES: usize = 4 << 20;

impl Limits {
    /// Bytes of the longest message that is taken in.
    pub(super) fn message_bytes(&self) -> usize {
        self.result_bytes.max(LIST_BYTES) + ENVELOPE
    }
}

/// Bytes of a message beyond the result in it.
const ENVELOPE: usize = 64 << 10;
