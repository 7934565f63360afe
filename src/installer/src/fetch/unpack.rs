//! Unpacking an archive whose hash is verified: regular files and directories only, below
//! one directory, within limits.

use std::collections::HashMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};
use thiserror::Error;

use super::limits::{
    MAX_DEPTH, MAX_FILES, MAX_NAME, MAX_PATH, MAX_PATH_BYTES, MAX_PATHS, MAX_UNPACKED,
};
use super::totals::Totals;

/// Bytes of an archive beside its files: a header and a filled block for each entry, and
/// a header and a block for a long name.
const OVERHEAD: u64 = MAX_FILES * 2048;

/// Bytes of a path that an error shows.
const SHOWN: usize = 200;

/// Why an archive is not unpacked.
#[derive(Debug, Error)]
pub(super) enum UnpackError {
    #[error("its archive has {entry:?}, which is {what}")]
    Entry { entry: String, what: &'static str },
    #[error("its archive has {entry:?} and {other:?}, which differ only in case")]
    Case { entry: String, other: String },
    #[error("it has more than {MAX_UNPACKED} bytes unpacked, which is the limit")]
    TooLarge,
    #[error("it has more than {MAX_FILES} files, which is the limit")]
    TooMany,
    #[error(
        "its archive has more than {MAX_PATHS} files and directories, or more than \
         {MAX_PATH_BYTES} bytes of paths, which are the limits"
    )]
    TooManyPaths,
    #[error("it depends on {0:?}, which is not the name of a package")]
    Dependency(String),
    #[error(transparent)]
    Totals(#[from] super::totals::Exceeded),
    #[error("its archive cannot be read: {0}")]
    Archive(io::Error),
    #[error("{path} cannot be written: {error}")]
    Write { path: PathBuf, error: io::Error },
}

/// What a package has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Unpacked {
    pub files: u64,
    pub bytes: u64,
}

/// Unpacks an archive into a directory that this makes.
pub(super) fn unpack(
    archive: &[u8],
    directory: &Path,
    totals: &Totals,
) -> Result<Unpacked, UnpackError> {
    make_directories(directory)?;
    let decoder = MultiGzDecoder::new(archive).take(MAX_UNPACKED + OVERHEAD);
    let mut archive = Archive::new(decoder);
    let mut unpacking = Unpacking {
        directory,
        totals,
        entries: 0,
        unpacked: Unpacked::default(),
        seen: HashMap::new(),
        seen_bytes: 0,
    };
    for entry in archive.entries().map_err(UnpackError::Archive)? {
        unpacking.entry(entry.map_err(UnpackError::Archive)?)?;
    }
    Ok(unpacking.unpacked)
}

struct Unpacking<'a> {
    directory: &'a Path,
    totals: &'a Totals,
    entries: u64,
    unpacked: Unpacked,
    /// By path in lower case.
    seen: HashMap<String, String>,
    /// Bytes of both.
    seen_bytes: usize,
}

impl Unpacking<'_> {
    fn entry<R: Read>(&mut self, entry: Entry<'_, R>) -> Result<(), UnpackError> {
        self.entries += 1;
        if self.entries > MAX_FILES {
            return Err(UnpackError::TooMany);
        }
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let shown = shown(&entry.path_bytes());
        let refused = |what| Err(UnpackError::Entry { entry: shown.clone(), what });
        match kind {
            EntryType::Regular | EntryType::Directory => {}
            EntryType::Symlink | EntryType::Link => return refused("a link"),
            _ => return refused("neither a file nor a directory"),
        }
        let Some(parts) = parts(&entry.path_bytes())
            .map_err(|what| UnpackError::Entry { entry: shown.clone(), what })?
        else {
            return Ok(());
        };
        self.check_case(&parts)?;
        let path = parts.iter().fold(self.directory.to_owned(), |path, part| path.join(part));
        if kind == EntryType::Directory {
            return make_directories(&path);
        }
        self.file(entry, &path)
    }

    /// Two names that some file systems take for one.
    fn check_case(&mut self, parts: &[String]) -> Result<(), UnpackError> {
        let mut path = String::new();
        for part in parts {
            path = if path.is_empty() { part.clone() } else { format!("{path}/{part}") };
            let lower = path.to_lowercase();
            match self.seen.get(&lower) {
                Some(other) if *other == path => {}
                Some(other) => {
                    return Err(UnpackError::Case { entry: path, other: other.clone() });
                }
                None => self.see(lower, path.clone())?,
            }
        }
        Ok(())
    }

    fn see(&mut self, lower: String, path: String) -> Result<(), UnpackError> {
        self.seen_bytes += lower.len() + path.len();
        if self.seen.len() >= MAX_PATHS || self.seen_bytes > MAX_PATH_BYTES {
            return Err(UnpackError::TooManyPaths);
        }
        self.seen.insert(lower, path);
        Ok(())
    }

    fn file<R: Read>(&mut self, mut entry: Entry<'_, R>, path: &Path) -> Result<(), UnpackError> {
        let size = entry.size();
        self.unpacked.files += 1;
        self.unpacked.bytes = self.unpacked.bytes.saturating_add(size);
        if self.unpacked.bytes > MAX_UNPACKED {
            return Err(UnpackError::TooLarge);
        }
        self.totals.add(1, size)?;
        if let Some(parent) = path.parent() {
            make_directories(parent)?;
        }
        let is_executable = entry.header().mode().unwrap_or(0) & 0o111 != 0;
        let written = (|| {
            // An entry that is there twice: the last one is it, as for npm.
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let mode = if is_executable { 0o755 } else { 0o644 };
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
            io::copy(&mut entry, &mut file)
        })();
        match written {
            Ok(written) if written == size => Ok(()),
            Ok(_) => Err(UnpackError::Archive(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(UnpackError::Write { path: path.to_owned(), error }),
        }
    }
}

/// The start of a path, for an error.
fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(&path[..path.len().min(SHOWN)]).into_owned()
}

/// The components of an entry's path below the package, as npm takes them: without the
/// first one. None if nothing is left.
fn parts(path: &[u8]) -> Result<Option<Vec<String>>, &'static str> {
    if path.len() > MAX_PATH {
        return Err("a path of more than 1024 bytes");
    }
    let path = std::str::from_utf8(path).map_err(|_| "not named in UTF-8")?;
    if path.starts_with('/') {
        return Err("an absolute path");
    }
    if path.chars().any(|character| character.is_control() || character == '\\') {
        return Err("a name with control characters or backslashes");
    }
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("a path that leaves the package");
    }
    if parts.len() > MAX_DEPTH {
        return Err("a path of more than 32 components");
    }
    if parts.iter().any(|part| part.len() > MAX_NAME) {
        return Err("a name of more than 255 bytes");
    }
    let below: Vec<String> = parts.into_iter().skip(1).map(str::to_owned).collect();
    Ok((!below.is_empty()).then_some(below))
}

/// Makes a directory and those above it.
pub(super) fn make_directories(path: &Path) -> Result<(), UnpackError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(|error| UnpackError::Write { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_component_is_left_out() {
        assert_eq!(parts(b"package/lib/a.js"), Ok(Some(vec!["lib".into(), "a.js".into()])));
        assert_eq!(parts(b"./package/a.js"), Ok(Some(vec!["a.js".into()])));
        assert_eq!(parts(b"package/"), Ok(None));
    }

    #[test]
    fn paths_have_limits() {
        let of = |depth: usize, name: &str| [name].repeat(depth).join("/").into_bytes();
        assert!(parts(&of(32, "a")).is_ok() && parts(&of(4, &"a".repeat(255))).is_ok());
        assert_eq!(parts(&of(33, "a")), Err("a path of more than 32 components"));
        assert_eq!(parts(&of(11, &"a".repeat(100))), Err("a path of more than 1024 bytes"));
    }

    #[test]
    fn what_is_remembered_of_paths_has_limits() {
        let totals = Totals::default();
        let mut unpacking = Unpacking {
            directory: Path::new("absent"),
            totals: &totals,
            entries: 0,
            unpacked: Unpacked::default(),
            seen: HashMap::new(),
            seen_bytes: 0,
        };
        let mut directories = (0..=MAX_PATHS).map(|n| unpacking.check_case(&[n.to_string()]));
        let failed = directories.position(|checked| checked.is_err());
        assert_eq!(failed, Some(MAX_PATHS));
    }

    #[test]
    fn paths_that_leave_the_package_are_refused() {
        for path in
            [&b"/etc/passwd"[..], b"package/../../x", b"../x", b"a\\b", b"package/a\nb", b"p/\xff"]
        {
            assert!(parts(path).is_err(), "{path:?}");
        }
    }
}
