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

    /// The extensions that the snapshot was made with.
    pub(super) fn extensions(self) -> Vec<Extension> {
        match self {
            Self::Plain => snapshots::extensions(),
            Self::Node => snapshots::node_extensions(),
        }
    }
}
