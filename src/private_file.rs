//! Files of secrets: replaced as a whole, and for their owner only.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

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
