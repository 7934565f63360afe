//! `store/cache`: archives by their hash, and what registries said. Entries appear whole,
//! by rename.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use url::Url;

use super::integrity::Integrity;
use super::limits::{MAX_CACHE, UNUSED};

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

    /// Removes what was not used for long, and what was used least lately of more than
    /// [`MAX_CACHE`] bytes.
    pub(super) fn prune(&self) {
        self.keep(UNUSED, MAX_CACHE);
    }

    /// Keeps the entries that were used within some time, and of those so many bytes.
    fn keep(&self, unused: Duration, bytes: u64) {
        let mut left = bytes;
        for (used, size, file) in self.entries() {
            let is_old = used.elapsed().is_ok_and(|age| age > unused);
            let rest = left.checked_sub(size).filter(|_| !is_old);
            left = rest.unwrap_or_default();
            if rest.is_none() {
                // What stays is tried again at the next installation.
                let _ = std::fs::remove_file(file);
            }
        }
    }

    /// When each entry was last used, its bytes and its file, the latest first.
    fn entries(&self) -> Vec<(SystemTime, u64, PathBuf)> {
        let directories = ["tarballs", "packuments"].map(|name| self.root.join(name));
        let entries = directories.iter().filter_map(|path| std::fs::read_dir(path).ok()).flatten();
        let mut entries: Vec<_> = entries
            .flatten()
            .filter_map(|entry| {
                let metadata = entry.metadata().ok()?;
                Some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .collect();
        entries.sort_by(|a, b| b.cmp(a));
        entries
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache with entries of 10 bytes that were last used so many days ago.
    fn cache(store: &Path, days: &[u64]) -> Cache {
        let cache = Cache::open(store).expect("it can be made");
        for day in days {
            let file = cache.wheel(&day.to_string());
            cache.write(&file, &[0; 10]).expect("it can be written");
            let used = SystemTime::now() - Duration::from_secs(day * 24 * 3600);
            let opened = std::fs::File::open(&file).expect("it is there");
            opened.set_modified(used).expect("it is ours");
        }
        cache
    }

    fn kept(cache: &Cache, days: &[u64]) -> Vec<u64> {
        let is_there = |day: &&u64| cache.wheel(&day.to_string()).exists();
        days.iter().filter(is_there).copied().collect()
    }

    #[test]
    fn entries_that_were_not_used_for_long_are_removed() {
        let store = tempfile::tempdir().expect("a directory");
        let cache = cache(store.path(), &[0, 29, 31]);
        cache.prune();
        assert_eq!(kept(&cache, &[0, 29, 31]), [0, 29]);
    }

    #[test]
    fn of_more_bytes_than_fit_those_that_were_used_last_are_kept() {
        let store = tempfile::tempdir().expect("a directory");
        let cache = cache(store.path(), &[3, 1, 2]);
        cache.keep(UNUSED, 30);
        assert_eq!(kept(&cache, &[1, 2, 3]), [1, 2, 3]);
        cache.keep(UNUSED, 29);
        assert_eq!(kept(&cache, &[1, 2, 3]), [1, 2]);
    }

    #[test]
    fn an_entry_that_is_used_again_is_kept_longer() {
        let store = tempfile::tempdir().expect("a directory");
        let cache = cache(store.path(), &[31, 5]);
        Cache::used(&cache.wheel("31"));
        cache.keep(UNUSED, 10);
        assert_eq!(kept(&cache, &[5, 31]), [31]);
    }
}
