//! `store/cache`: archives by their hash, and what registries said. Entries appear whole,
//! by rename.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use url::Url;

use super::integrity::Integrity;
use super::limits::UNUSED;

/// The cache of an installation. Installations are serialized by their lock, so that one
/// process writes at a time.
#[derive(Debug)]
pub(super) struct Cache {
    root: PathBuf,
    written: AtomicU64,
}

impl Cache {
    /// Opens the cache, and clears what an installation that was killed was writing.
    pub(super) fn open(store: &Path) -> Result<Self, String> {
        let cache = Self { root: store.join("cache"), written: AtomicU64::new(0) };
        match std::fs::remove_dir_all(cache.unfinished()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(unusable(&cache.unfinished(), &error));
            }
            Ok(()) | Err(_) => {}
        }
        for directory in ["tarballs", "packuments", "unfinished"] {
            let directory = cache.root.join(directory);
            std::fs::create_dir_all(&directory).map_err(|error| unusable(&directory, &error))?;
        }
        Ok(cache)
    }

    fn unfinished(&self) -> PathBuf {
        self.root.join("unfinished")
    }

    /// Where the archive with a hash is.
    pub(super) fn tarball(&self, integrity: &Integrity) -> PathBuf {
        self.root.join("tarballs").join(format!("{}.tgz", integrity.hex()))
    }

    /// Where the wheel with a SHA-256 is.
    pub(super) fn wheel(&self, sha256: &str) -> PathBuf {
        self.root.join("tarballs").join(format!("{sha256}.whl"))
    }

    /// Where the answer of a URL is: answers of two registries are two.
    pub(super) fn packument(&self, url: &Url) -> PathBuf {
        let name = hex(&Sha256::digest(url.as_str()));
        self.root.join("packuments").join(format!("{name}.json"))
    }

    /// What is in an entry, if there is one.
    pub(super) fn read(file: &Path, limit: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let opened = std::fs::File::open(file).ok()?;
        opened.take(limit + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= limit).then_some(bytes)
    }

    /// Says that an entry is in use.
    pub(super) fn used(file: &Path) {
        // An entry that cannot be marked is downloaded again some day.
        let _ = std::fs::File::open(file).and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// Removes what was not used for long.
    pub(super) fn prune(&self) {
        let directories = ["tarballs", "packuments"].map(|name| self.root.join(name));
        let entries = directories.iter().filter_map(|path| std::fs::read_dir(path).ok()).flatten();
        for entry in entries.flatten() {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|modified| modified.elapsed().ok());
            if age.is_some_and(|age| age > UNUSED) {
                // What stays is tried again at the next installation.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Makes an entry.
    pub(super) fn write(&self, file: &Path, bytes: &[u8]) -> Result<(), String> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.unfinished().join(number.to_string());
        std::fs::write(&unfinished, bytes)
            .and_then(|()| std::fs::rename(&unfinished, file))
            .map_err(|error| unusable(file, &error))
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
