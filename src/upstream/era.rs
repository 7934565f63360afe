//! In which era of MCP servers have answered: 2026-07-28 begins with `server/discover`,
//! what is older with `initialize` (MCP 2026-07-28, basic, versioning), and over HTTP the
//! oldest version has a transport of its own.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::servers::TransportConfig;

/// Entries of which the era is known, 24 bytes each: 16 files of servers.
const MAX_KNOWN: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// Without a handshake.
    Modern,
    Legacy,
    /// HTTP+SSE, the transport of 2024-11-05.
    Sse,
}

/// Which era each entry has answered in: some say nothing to a question of another era,
/// which is waited for once and not for each connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Eras(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    eras: Mutex<HashMap<u64, Era>>,
    hasher: RandomState,
}

impl Eras {
    pub(super) fn of(&self, transport: &TransportConfig) -> Option<Era> {
        self.0.eras.lock().get(&self.place(transport)).copied()
    }

    /// A server has answered in this era.
    pub(super) fn note(&self, transport: &TransportConfig, era: Era) {
        let place = self.place(transport);
        let mut eras = self.0.eras.lock();
        if eras.len() >= MAX_KNOWN {
            eras.clear();
        }
        eras.insert(place, era);
    }

    /// It has refused what it answered before: it may be another version by now.
    pub(super) fn forget(&self, transport: &TransportConfig) {
        let place = self.place(transport);
        self.0.eras.lock().remove(&place);
    }

    /// What is started or reached; with which secrets does not matter.
    fn place(&self, transport: &TransportConfig) -> u64 {
        match transport {
            TransportConfig::Stdio { command, args, .. } => self.0.hasher.hash_one((command, args)),
            TransportConfig::Http { url, .. } => self.0.hasher.hash_one(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: usize) -> TransportConfig {
        let url = format!("http://127.0.0.1/{port}").parse().unwrap();
        TransportConfig::Http { url, headers: Vec::new() }
    }

    #[test]
    fn an_era_is_known_for_each_entry_until_it_is_forgotten() {
        let eras = Eras::default();
        eras.note(&at(1), Era::Legacy);
        eras.note(&at(2), Era::Sse);
        // Of another principal.
        let others = eras.clone();
        assert_eq!(others.of(&at(1)), Some(Era::Legacy));
        assert_eq!((others.of(&at(2)), others.of(&at(3))), (Some(Era::Sse), None));
        eras.forget(&at(1));
        assert_eq!((others.of(&at(1)), others.of(&at(2))), (None, Some(Era::Sse)));
    }

    #[test]
    fn entries_without_end_are_not_all_known() {
        let eras = Eras::default();
        for port in 0..2 * MAX_KNOWN + 7 {
            eras.note(&at(port), Era::Legacy);
        }
        assert!(eras.0.eras.lock().len() <= MAX_KNOWN);
        assert_eq!(eras.of(&at(2 * MAX_KNOWN + 6)), Some(Era::Legacy));
    }
}
