//! What all packages of an installation have together.

use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use super::limits::{MAX_ALL_FILES, MAX_ALL_PACKUMENTS, MAX_ALL_UNPACKED};

/// All packages together are too many.
#[derive(Debug, Error)]
pub(super) enum Exceeded {
    #[error("with it, the packages have more than {MAX_ALL_FILES} files, which is the limit")]
    Files,
    #[error("with it, the packages have more than {MAX_ALL_UNPACKED} bytes, which is the limit")]
    Bytes,
    #[error(
        "with it, registries say more than {MAX_ALL_PACKUMENTS} bytes of all packages, which is \
         the limit. Allow fewer packages"
    )]
    Packuments,
}

/// Counts files and bytes.
#[derive(Debug, Default)]
pub(super) struct Totals {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Totals {
    /// Adds files before they are written.
    pub(super) fn add(&self, files: u64, bytes: u64) -> Result<(), Exceeded> {
        if self.files.fetch_add(files, Ordering::Relaxed) + files > MAX_ALL_FILES {
            return Err(Exceeded::Files);
        }
        // Each file has at most MAX_UNPACKED bytes: this does not overflow.
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_ALL_UNPACKED {
            return Err(Exceeded::Bytes);
        }
        Ok(())
    }
}

/// Counts the bytes of packuments that are in memory.
#[derive(Debug, Default)]
pub(super) struct Texts(AtomicU64);

impl Texts {
    /// Adds a packument before it is parsed.
    pub(super) fn add(&self, bytes: u64) -> Result<(), Exceeded> {
        if self.0.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_ALL_PACKUMENTS {
            return Err(Exceeded::Packuments);
        }
        Ok(())
    }

    /// Takes one away that was added and is dropped.
    pub(super) fn remove(&self, bytes: u64) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_all_packuments_has_a_limit() {
        let texts = Texts::default();
        assert!(texts.add(MAX_ALL_PACKUMENTS).is_ok());
        texts.remove(1);
        assert!(texts.add(1).is_ok());
        assert!(matches!(texts.add(1), Err(Exceeded::Packuments)));
    }

    #[test]
    fn the_sum_of_all_packages_has_limits() {
        let totals = Totals::default();
        assert!(totals.add(1, MAX_ALL_UNPACKED).is_ok());
        assert!(matches!(totals.add(1, 1), Err(Exceeded::Bytes)));
        assert!(matches!(totals.add(MAX_ALL_FILES, 0), Err(Exceeded::Files)));
    }
}
