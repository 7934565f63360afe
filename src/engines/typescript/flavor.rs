//! What a TypeScript isolate is made of: the plain snapshot, or the one with the `node:`
//! built-ins.

use std::io;

use deno_core::Extension;

use crate::snapshots;

static PLAIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/snapshot.bin"));

/// Which snapshot an isolate is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    Plain,
    /// With the `node:` built-ins.
    Node,
}

impl Flavor {
    /// The snapshot.
    pub(super) fn snapshot(self) -> io::Result<&'static [u8]> {
        Ok(PLAIN)
    }

    /// The extensions, in the order of the snapshot.
    pub(super) fn extensions(self) -> Vec<Extension> {
        snapshots::extensions()
    }
}
