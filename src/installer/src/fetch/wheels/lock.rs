//! `store/pypi.lock`: which versions were chosen, and the SHA-256 of their wheels.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::candidates::Candidate;
use crate::fetch::limits::MAX_TEXT;

/// The format that is read and written.
const FORMAT: u32 = 1;

/// Changes that an error names.
const MAX_CHANGES: usize = 5;

/// The chosen packages by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lock {
    format: u32,
    packages: BTreeMap<String, Locked>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Locked {
    pub version: String,
    pub file: String,
    pub sha256: String,
}

impl Default for Lock {
    fn default() -> Self {
        Self { format: FORMAT, packages: BTreeMap::new() }
    }
}

impl Lock {
    /// Reads a lock file, if there is one.
    pub(super) fn read(file: &Path) -> Result<Option<Self>, String> {
        let mut text = String::new();
        match std::fs::File::open(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened
                .and_then(|opened| opened.take(MAX_TEXT).read_to_string(&mut text))
                .map_err(|error| format!("{} cannot be read: {error}", file.display()))?,
        };
        let lock: Self = serde_json::from_str(&text).map_err(|error| {
            format!("{} is not a lock file of this program: {error}", file.display())
        })?;
        match lock.format {
            FORMAT => Ok(Some(lock)),
            other => Err(format!("{} has format {other} and not {FORMAT}", file.display())),
        }
    }

    pub(super) fn of<'a>(chosen: impl Iterator<Item = &'a Candidate>) -> Self {
        let locked = |candidate: &Candidate| {
            let locked = Locked {
                version: candidate.version.to_string(),
                file: candidate.file.name.clone(),
                sha256: candidate.sha256.clone(),
            };
            (candidate.name.clone(), locked)
        };
        Self { format: FORMAT, packages: chosen.map(locked).collect() }
    }

    /// What is locked of a package.
    pub(super) fn get(&self, name: &str) -> Option<&Locked> {
        self.packages.get(name)
    }

    pub(super) fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("strings serialize");
        text + "\n"
    }

    /// What is other than in an old one, in words.
    pub(super) fn changes(&self, old: Option<&Self>) -> String {
        let Some(old) = old else { return "there is none yet".to_owned() };
        let is_new = |(name, locked): &(&String, &Locked)| old.get(name) != Some(*locked);
        let added = self.packages.iter().filter(is_new);
        let added = added.map(|(name, locked)| format!("it gets {name} {}", locked.version));
        let is_gone = |name: &&String| !self.packages.contains_key(*name);
        let gone = old.packages.keys().filter(is_gone).map(|name| format!("it loses {name}"));
        let changes: Vec<String> = added.chain(gone).collect();
        let more = changes.len().saturating_sub(MAX_CHANGES);
        let shown = changes[..changes.len() - more].join(", ");
        if more == 0 { shown } else { format!("{shown} and {more} more") }
    }
}
