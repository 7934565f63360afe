//! The file of the audit log: opened so that nobody else reads it or puts
//! something else in its place, and opened anew after a rotation.

use std::borrow::Cow;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::AuditError;

const MODE: u32 = 0o600;
const GROUP_AND_OTHERS: u32 = 0o077;

/// An open log.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    identity: (u64, u64),
    /// The file does not end with a newline.
    torn: bool,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        match std::path::absolute(path) {
            Ok(path) => Self::open_absolute(path),
            Err(error) => Err(AuditError::Open { path: path.to_owned(), error }),
        }
    }

    fn open_absolute(path: PathBuf) -> Result<Self, AuditError> {
        let file = open_to_append(&path).map_err(|error| cannot_open(&path, error))?;
        let metadata = file.metadata().map_err(|error| cannot_open(&path, error))?;
        if !metadata.is_file() {
            return Err(AuditError::NotAFile(path));
        }
        close_to_others(&path, &file, &metadata, geteuid().as_raw())?;
        let torn = ends_within_a_line(&file, metadata.len());
        Ok(Self { path, file, identity: identity(&metadata), torn })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the line, which brings its newline, with one write(2). With
    /// `O_APPEND`, finding the end and writing there are one step (open(2); not
    /// so on NFS): lines of several processes do not mix.
    pub(super) fn write_line(&mut self, line: &[u8]) -> Result<(), AuditError> {
        self.follow_rotation()?;
        let bytes = if self.torn {
            Cow::Owned([b"\n".as_slice(), line].concat())
        } else {
            Cow::Borrowed(line)
        };
        match write_once(&self.file, &bytes) {
            Ok(written) if written == bytes.len() => {
                self.torn = false;
                Ok(())
            }
            Ok(written) => {
                self.torn |= written > 0;
                let error = io::Error::other("only part of a line could be written");
                Err(AuditError::Write { path: self.path.clone(), error })
            }
            Err(error) => Err(AuditError::Write { path: self.path.clone(), error }),
        }
    }

    /// The inode of an open file is not given to another one: equal numbers are
    /// the same file.
    fn follow_rotation(&mut self) -> Result<(), AuditError> {
        let now = std::fs::symlink_metadata(&self.path);
        if !now.is_ok_and(|now| identity(&now) == self.identity) {
            *self = Self::open_absolute(self.path.clone())?;
        }
        Ok(())
    }
}

/// Reading is needed for the last byte only, and done without where it is not
/// allowed.
fn open_to_append(path: &Path) -> io::Result<File> {
    match open(path, true) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => open(path, false),
        result => result,
    }
}

/// `O_NONBLOCK` means nothing for a regular file; without it, to open a FIFO
/// waits for its other end (fifo(7)). `O_CLOEXEC` is the standard library's own.
fn open(path: &Path, read: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(read)
        .append(true)
        .create(true)
        .mode(MODE)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

/// open(2): `ELOOP` is a symbolic link under `O_NOFOLLOW`, `ENXIO` a socket, or a
/// FIFO or device with nothing behind it.
fn cannot_open(path: &Path, error: io::Error) -> AuditError {
    let path = path.to_owned();
    match error.raw_os_error() {
        Some(libc::ELOOP) => AuditError::Symlink(path),
        Some(libc::EISDIR | libc::ENXIO | libc::ENODEV) => AuditError::NotAFile(path),
        _ => AuditError::Open { path, error },
    }
}

fn close_to_others(
    path: &Path,
    file: &File,
    metadata: &Metadata,
    user: u32,
) -> Result<(), AuditError> {
    if metadata.mode() & GROUP_AND_OTHERS == 0 {
        return Ok(());
    }
    if metadata.uid() != user {
        return Err(AuditError::Exposed { path: path.to_owned(), owner: metadata.uid() });
    }
    file.set_permissions(Permissions::from_mode(MODE)).map_err(|error| cannot_open(path, error))
}

/// As a server leaves it that was killed while its disk was full.
fn ends_within_a_line(file: &File, length: u64) -> bool {
    let mut last = [0];
    length > 0 && file.read_at(&mut last, length - 1).is_ok_and(|n| n == 1) && last != *b"\n"
}

fn write_once(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match file.write(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tests::Scratch;
    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_log_that_was_renamed_is_begun_anew() {
        let scratch = Scratch::new("renamed");
        let path = scratch.path("audit.log");
        let mut log = LogFile::open(&path).unwrap();
        log.write_line(b"1\n").unwrap();
        fs::rename(&path, scratch.path("audit.log.1")).unwrap();
        log.write_line(b"2\n").unwrap();
        assert_eq!((read(&scratch.path("audit.log.1")), read(&path)), ("1\n".into(), "2\n".into()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_log_that_was_renamed_and_created_is_found() {
        let scratch = Scratch::new("created");
        let path = scratch.path("audit.log");
        let mut log = LogFile::open(&path).unwrap();
        fs::rename(&path, scratch.path("audit.log.1")).unwrap();
        fs::write(&path, "").unwrap();
        log.write_line(b"2\n").unwrap();
        assert_eq!((read(&scratch.path("audit.log.1")), read(&path)), ("".into(), "2\n".into()));
    }

    #[test]
    fn a_symbolic_link_is_refused_also_in_place_of_an_open_log() {
        let scratch = Scratch::new("symlink");
        let (path, other) = (scratch.path("audit.log"), scratch.path("other"));
        fs::write(&other, "").unwrap();
        let mut log = LogFile::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(matches!(LogFile::open(&path), Err(AuditError::Symlink(_))));
        assert!(matches!(log.write_line(b"1\n"), Err(AuditError::Symlink(_))));
        assert_eq!(read(&other), "");
    }

    #[test]
    fn directories_fifos_and_devices_are_refused() {
        let scratch = Scratch::new("kinds");
        let fifo = scratch.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [scratch.path(""), fifo, PathBuf::from("/dev/null")] {
            assert!(matches!(LogFile::open(&path), Err(AuditError::NotAFile(_))), "{path:?}");
        }
    }

    #[test]
    fn a_missing_directory_is_not_made() {
        let scratch = Scratch::new("missing");
        let error = LogFile::open(&scratch.path("no/audit.log")).unwrap_err();
        assert!(error.to_string().contains("its directory must exist"), "{error}");
    }

    #[test]
    fn an_open_log_of_another_user_is_refused() {
        let scratch = Scratch::new("exposed");
        let path = scratch.path("audit.log");
        let file = File::create(&path).unwrap();
        file.set_permissions(Permissions::from_mode(0o640)).unwrap();
        let metadata = file.metadata().unwrap();
        let result = close_to_others(&path, &file, &metadata, metadata.uid() + 1);
        assert!(matches!(result, Err(AuditError::Exposed { .. })));
    }

    #[test]
    fn a_torn_line_stays_a_line_of_its_own() {
        let scratch = Scratch::new("torn");
        let path = scratch.path("audit.log");
        fs::write(&path, "{\"half").unwrap();
        let mut log = LogFile::open(&path).unwrap();
        log.write_line(b"1\n").unwrap();
        log.write_line(b"2\n").unwrap();
        assert_eq!(read(&path), "{\"half\n1\n2\n");
    }
}
