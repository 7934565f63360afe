//! Files of secrets: replaced as a whole, and for their owner only.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file whose lock says that one of secrets is being changed. Behind a link it is
/// beside what the link names: who comes by it and who does not take turns.
pub(crate) fn lock_of(path: &Path) -> PathBuf {
    beside(&real(path), "lock")
}

/// What a link names.
pub(crate) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// `PATH.SUFFIX`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Gives a file this content, through a temporary one in the same directory. A reader
/// sees the old content or the new, also after a crash (rename(2), fsync(2)).
pub(crate) fn replace(path: &Path, temporary: &Path, text: &[u8]) -> io::Result<()> {
    let mut written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    written.write_all(text)?;
    written.sync_all()?;
    std::fs::rename(temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}
