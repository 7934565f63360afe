//! What was read of files beyond what the guest has asked for.
//!
//! Python reads a text 8 KiB at a time, and each question to the broker costs more than these.
//! It is kept only as long as the guest can have learned nothing of the world since: it has
//! read on, printed, or looked at the clock. Then nobody can tell that the bytes were read
//! earlier.

use std::collections::BTreeMap;

use super::{Import, Wasi};

/// Bytes that are read of a file that is read on and on. With all descriptors 16 MiB.
const AHEAD: u32 = 64 << 10;

/// By descriptors.
#[derive(Debug, Default)]
pub(super) struct Ahead(BTreeMap<u32, Bytes>);

#[derive(Debug)]
struct Bytes {
    at: u64,
    bytes: Vec<u8>,
}

impl Bytes {
    fn from(&self, at: u64) -> Option<&[u8]> {
        self.bytes.get(usize::try_from(at.checked_sub(self.at)?).ok()?..)
    }
}

impl Ahead {
    /// How many bytes to ask for, of a file that was read before up to a position.
    pub(super) fn ask(wanted: u32, at: u64, read_to: Option<u64>) -> u32 {
        if at > 0 && read_to == Some(at) { wanted.max(AHEAD) } else { wanted }
    }

    /// Keeps what is at a position.
    pub(super) fn keep(&mut self, number: u32, at: u64, bytes: Vec<u8>) {
        if bytes.is_empty() {
            self.0.remove(&number);
        } else {
            self.0.insert(number, Bytes { at, bytes });
        }
    }

    /// What is kept from a position on.
    pub(super) fn get(&self, number: u32, at: u64) -> &[u8] {
        self.0.get(&number).and_then(|kept| kept.from(at)).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Import {
    /// Whether the guest learns nothing of the world by it but what it reads, and changes
    /// nothing there. What is written to files is looked at when it is known to be one.
    fn reads_on(self) -> bool {
        matches!(
            self,
            Self::FdRead
                | Self::FdPread
                | Self::FdSeek
                | Self::FdTell
                | Self::FdWrite
                | Self::FdFdstatGet
                | Self::ClockTimeGet
                | Self::ClockResGet
                | Self::RandomGet
                | Self::SchedYield
        )
    }
}

impl Wasi {
    /// Forgets what a call makes old.
    pub(super) fn forget_before(&mut self, import: Import) {
        if !import.reads_on() {
            self.ahead.clear();
        }
    }
}
