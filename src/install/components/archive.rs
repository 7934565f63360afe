//! What is in an archive, written below a directory: files and directories, and nothing that
//! leads elsewhere.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use zip::ZipArchive;

use crate::install::store;

/// Bytes of what is in an archive, unpacked.
pub(super) const MAX_UNPACKED: u64 = 4 << 30;

/// Files in it.
pub(super) const MAX_FILES: usize = 100_000;

/// A directory that an archive is unpacked into, and what it may still get.
#[derive(Debug)]
pub(super) struct Target<'a> {
    directory: &'a Path,
    files: usize,
    bytes: u64,
}

impl<'a> Target<'a> {
    pub(super) fn new(directory: &'a Path) -> Self {
        Self { directory, files: 0, bytes: 0 }
    }

    /// Where an entry goes, if it is below the directory.
    fn place(&mut self, path: &Path) -> Result<PathBuf, String> {
        let is_below =
            path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !is_below {
            return Err(elsewhere(path));
        }
        self.files += 1;
        if self.files > MAX_FILES { Err(too_much()) } else { Ok(self.directory.join(path)) }
    }

    fn make(&mut self, path: &Path) -> Result<(), String> {
        let place = self.place(path)?;
        store::make(&place).map_err(|error| error.to_string())
    }

    /// Writes a file, which is counted by what is in it and not by what its header says.
    pub(super) fn write(
        &mut self,
        path: &Path,
        executable: bool,
        mut content: impl Read,
    ) -> Result<(), String> {
        let place = self.place(path)?;
        if let Some(parent) = place.parent() {
            store::make(parent).map_err(|error| error.to_string())?;
        }
        let mode = if executable { 0o755 } else { 0o644 };
        let opened = File::options().write(true).create_new(true).mode(mode).open(&place);
        let left = MAX_UNPACKED - self.bytes;
        let written = opened
            .and_then(|mut file| io::copy(&mut content.by_ref().take(left + 1), &mut file))
            .map_err(|error| format!("{}: {error}", place.display()))?;
        if written > left {
            return Err(too_much());
        }
        self.bytes += written;
        Ok(())
    }
}

fn too_much() -> String {
    format!("it has more than {MAX_FILES} files or {MAX_UNPACKED} bytes")
}

fn elsewhere(path: &Path) -> String {
    format!("{path:?} is neither a file nor a directory below its own")
}

/// Unpacks all of a `.tar.gz`.
pub(super) fn unpack_tar_gz(archive: impl Read, directory: &Path) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let mut target = Target::new(directory);
    for entry in archive.entries().map_err(text)? {
        let mut entry = entry.map_err(text)?;
        let path = entry.path().map_err(text)?.into_owned();
        let header = entry.header();
        let (kind, executable) = (header.entry_type(), header.mode().unwrap_or(0) & 0o100 != 0);
        match kind {
            _ if kind.is_dir() => target.make(&path)?,
            _ if kind.is_file() => target.write(&path, executable, &mut entry)?,
            _ => return Err(elsewhere(&path)),
        }
    }
    Ok(())
}

/// Unpacks the files of a `.tar.gz` that are to be kept, each where `kept` says; never executable.
/// Other entries are skipped, whatever they are.
pub(super) fn unpack_some_of_tar_gz(
    archive: impl Read,
    target: &mut Target<'_>,
    kept: impl Fn(&str) -> Option<PathBuf>,
) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    // What is skipped is read as well.
    let bounded = GzDecoder::new(archive).take(MAX_UNPACKED);
    let mut archive = tar::Archive::new(bounded);
    for entry in archive.entries().map_err(text)? {
        let mut entry = entry.map_err(text)?;
        let path = entry.path().map_err(text)?.into_owned();
        let Some(place) = path.to_str().and_then(&kept) else { continue };
        if !entry.header().entry_type().is_file() {
            return Err(elsewhere(&path));
        }
        target.write(&place, false, &mut entry)?;
    }
    Ok(())
}

/// Unpacks the files of a zip that are to be kept, each where `kept` says; never executable.
pub(super) fn unpack_zip(
    archive: impl Read + Seek,
    target: &mut Target<'_>,
    kept: impl Fn(&str) -> Option<PathBuf>,
) -> Result<(), String> {
    let mut archive = ZipArchive::new(archive).map_err(|error| error.to_string())?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| error.to_string())?;
        let name = entry.name().to_owned();
        let Some(path) = kept(&name) else { continue };
        if entry.is_dir() {
            target.make(&path)?;
        } else if entry.is_file() && !entry.encrypted() {
            target.write(&path, false, &mut entry)?;
        } else {
            return Err(elsewhere(&path));
        }
    }
    Ok(())
}
