//! The file: made for its owner alone, opened beside other processes.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::backends::FileBackend;
use redb::{ConcurrencyMode, Database, DatabaseError, TransactionError};

use super::failed;
use super::table::Changed;
use crate::{CALL_TIMEOUT, StoreError};

/// The file's name below its directory.
const NAME: &str = "store.redb";

/// Bytes of pages that are kept in memory; the kernel has the rest.
const CACHE: usize = 8 << 20;

/// Between two attempts to open the file.
const PAUSE: Duration = Duration::from_millis(5);

/// For how long it is attempted: the first call still has the other half of its time.
const PATIENCE: Duration = Duration::from_millis(CALL_TIMEOUT.as_millis() as u64 / 2);

/// The file below this directory.
pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// Opens the file, and makes it and its directory where there is none. A file that a process left
/// in the middle of a change is as it was before.
///
/// # Errors
/// [`StoreError::Unavailable`], or [`StoreError::Format`] for a file of another version.
pub(super) fn open(directory: &Path) -> Result<Database, StoreError> {
    let start = Instant::now();
    let file = path(directory);
    loop {
        let opened = private(directory).and_then(|()| private_file(&file));
        let opened = opened.map_err(|error| unavailable(&file, &error))?;
        let backend = FileBackend::new(opened).map_err(|error| unavailable(&file, &error))?;
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE).set_concurrency_mode(ConcurrencyMode::MultiWriter);
        match builder.create_with_backend(backend) {
            Ok(database) => {
                made(&database, start)?;
                return Ok(database);
            }
            // Another process opens or repairs it, which takes some milliseconds.
            Err(DatabaseError::DatabaseAlreadyOpen) if start.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(unavailable(&file, &error)),
        }
    }
}

/// Sees to it that the tables are there, and of this format. Another process that writes is waited
/// for like one that opens.
fn made(database: &Database, start: Instant) -> Result<(), StoreError> {
    let transaction = loop {
        match database.try_begin_write() {
            Err(TransactionError::WouldBlock) if start.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            begun => break begun.map_err(failed)?,
        }
    };
    Changed::open(&transaction)?.finish()?;
    transaction.commit().map_err(failed)
}

/// Makes the directory, for its owner alone.
fn private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    narrow(&File::open(directory)?, 0o700)
}

/// Makes or opens the file, for its owner alone. A symbolic link is not followed.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)?;
    narrow(&file, 0o600)?;
    Ok(file)
}

fn narrow(file: &File, mode: u32) -> io::Result<()> {
    if file.metadata()?.permissions().mode() & 0o777 & !mode != 0 {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn unavailable(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable { reason: format!("{}: {error}", path.display()) }
}
