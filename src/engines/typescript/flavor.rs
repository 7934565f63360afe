//! The two startup snapshots: the plain one, and the one with the node: built-ins.

use std::io;
use std::sync::OnceLock;

use deno_core::Extension;

use crate::snapshots;

static PLAIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/snapshot.bin"));
/// Compressed with zstd: it is three times as large as the plain one, and is read by
/// zygotes of the kind that has packages only.
static NODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/node.bin.zst"));

/// Which snapshot an isolate is made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flavor {
    /// Without built-ins: what most programs need.
    Plain,
    /// With the node: built-ins, for programs and packages written for Node.
    Node,
}

impl Flavor {
    /// The snapshot. That of [`Self::Node`] is decompressed once in a process, in its zygote.
    pub(super) fn snapshot(self) -> io::Result<&'static [u8]> {
        static DECOMPRESSED: OnceLock<Vec<u8>> = OnceLock::new();
        match self {
            Self::Plain => Ok(PLAIN),
            Self::Node => {
                if let Some(bytes) = DECOMPRESSED.get() {
                    return Ok(bytes);
                }
                let bytes = zstd::decode_all(NODE)?;
                Ok(DECOMPRESSED.get_or_init(|| bytes))
            }
        }
    }

    /// V8's flags for it, beside those of every engine. To import a package takes 1 to 4 MB of
    /// memory that stays in use: from 1 MB on V8 would copy it, three times while it grows to 4
    /// (a third of zod's import). Programs that make garbage are slower by the pages that they
    /// touch, so that the plain kind keeps V8's own number.
    pub(super) fn v8_flags(self) -> &'static str {
        match self {
            Self::Plain => "",
            // MiB.
            Self::Node => "--min-semi-space-size=4",
        }
    }

    /// The extensions that the snapshot was made with.
    pub(super) fn extensions(self) -> Vec<Extension> {
        match self {
            Self::Plain => snapshots::extensions(),
            Self::Node => snapshots::node_extensions(),
        }
    }
}
