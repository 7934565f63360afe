//! Components that are one archive of a pinned hash: downloaded or given as a file, verified,
//! and unpacked where servers only read. Each comes with the issue that needs it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component as Part, Path, PathBuf};
use std::time::Duration;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::error::{At, InstallError};
use super::program::hex;
use super::store;
use crate::config::Config;
use crate::net::tls::tls_with_roots;

/// What this version can install beside packages.
pub(super) const KNOWN: &[Component] = &[];

/// Bytes of an archive: a search model has some hundred MB.
const MAX_ARCHIVE: u64 = 1 << 30;

/// Bytes of what is in it, unpacked.
const MAX_UNPACKED: u64 = 4 << 30;

/// Files in it.
const MAX_FILES: usize = 100_000;

/// For a connection, and between two pieces of a body.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// For all of an archive: 1 GiB at 1 MB/s, and a bit.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// An archive (`.tar.gz`) that can be installed.
#[derive(Debug, Clone, Copy)]
pub struct Component {
    /// Its name, which is a directory.
    pub name: &'static str,
    /// Where it is.
    pub url: &'static str,
    /// The SHA-256 of the archive, in hexadecimal digits.
    pub sha256: &'static str,
}

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// Its own URL.
    Url,
    /// A file of this machine with the same contents.
    File(PathBuf),
}

/// Installs a component, if it is not installed. Answers its directory.
pub(super) async fn install(
    config: &Config,
    known: &[Component],
    name: &str,
    source: ComponentSource,
) -> Result<PathBuf, InstallError> {
    let install_dir = config.install_dir().ok_or(InstallError::NoDirectory)?;
    let component = known.iter().find(|component| component.name == name);
    let component = component.ok_or_else(|| InstallError::NoComponent {
        name: name.to_owned(),
        known: known.iter().map(|component| component.name.to_owned()).collect(),
    })?;
    store::make(install_dir)?;
    let install_dir = install_dir.canonicalize().at(install_dir)?;
    let _lock = store::lock(&install_dir)?;
    let parent = install_dir.join("components").join(name);
    let place = parent.join(component.sha256);
    if place.is_dir() {
        return Ok(place);
    }
    store::make(&parent)?;
    // Under the lock both are leftovers of a killed installation.
    let (archive, partial) = (parent.join("archive"), parent.join("partial"));
    store::remove(&partial)?;
    match source {
        ComponentSource::Url => download(component, &archive).await?,
        ComponentSource::File(file) => fs::copy(&file, &archive).at(&file).map(drop)?,
    }
    let component = *component;
    let placed = tokio::task::spawn_blocking(move || {
        place_archive(&component, &archive, &partial, &place).map(|()| place)
    });
    placed.await.unwrap_or_else(|error| Err(problem(name, error.to_string())))
}

fn problem(name: &str, text: impl Into<String>) -> InstallError {
    InstallError::Component(name.to_owned(), text.into())
}

fn place_archive(
    component: &Component,
    archive: &Path,
    partial: &Path,
    place: &Path,
) -> Result<(), InstallError> {
    let verified = verify(component, archive).and_then(|()| {
        store::make(partial)?;
        unpack(File::open(archive).at(archive)?, partial)
            .map_err(|text| problem(component.name, text))
    });
    fs::remove_file(archive).at(archive)?;
    if let Err(error) = verified {
        store::remove(partial)?;
        return Err(error);
    }
    store::sync(partial)?;
    fs::rename(partial, place).at(place)?;
    store::sync(place.parent().unwrap_or(place))
}

/// Nothing of an archive is looked at before its hash is right.
fn verify(component: &Component, archive: &Path) -> Result<(), InstallError> {
    let mut digest = Sha256::new();
    io::copy(&mut File::open(archive).at(archive)?, &mut digest).at(archive)?;
    let found = hex(&digest.finalize());
    if found == component.sha256 {
        return Ok(());
    }
    let expected = component.sha256;
    Err(problem(component.name, format!("its archive has SHA-256 {found} instead of {expected}")))
}

/// Unpacks files and directories, and nothing that leads elsewhere.
fn unpack(archive: impl Read, directory: &Path) -> Result<(), String> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let (mut files, mut bytes) = (0, 0);
    for entry in archive.entries().map_err(|error| error.to_string())? {
        let mut entry = entry.map_err(|error| error.to_string())?;
        let path = entry.path().map_err(|error| error.to_string())?.into_owned();
        let kind = entry.header().entry_type();
        let is_below = path.components().all(|part| matches!(part, Part::Normal(_) | Part::CurDir));
        if !is_below || !(kind.is_file() || kind.is_dir()) {
            return Err(format!("{path:?} is neither a file nor a directory below its own"));
        }
        files += 1;
        bytes += entry.size();
        if files > MAX_FILES || bytes > MAX_UNPACKED {
            return Err(format!("it has more than {MAX_FILES} files or {MAX_UNPACKED} bytes"));
        }
        let target = directory.join(&path);
        let made = if kind.is_dir() { store::make(&target) } else { write(&mut entry, &target) };
        made.map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn write<R: Read>(entry: &mut tar::Entry<'_, R>, target: &Path) -> Result<(), InstallError> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(parent) = target.parent() {
        store::make(parent)?;
    }
    let mode = if entry.header().mode().unwrap_or(0) & 0o100 == 0 { 0o644 } else { 0o755 };
    let mut options = File::options();
    let mut file = options.write(true).create_new(true).mode(mode).open(target).at(target)?;
    io::copy(entry, &mut file).at(target)?;
    file.sync_all().at(target)
}

/// Downloads an archive to a file. Its hash is not known to be right yet.
async fn download(component: &Component, archive: &Path) -> Result<(), InstallError> {
    let failed = |error: String| problem(component.name, format!("{}: {error}", component.url));
    let tls = tls_with_roots().await.map_err(failed)?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // The archive is hashed as it is.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connect_timeout(IDLE_TIMEOUT)
        .read_timeout(IDLE_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .build()
        .map_err(|error| failed(error.without_url().to_string()))?;
    let text = |error: reqwest::Error| failed(error.without_url().to_string());
    let response = client.get(component.url).send().await.map_err(text)?;
    let mut response = response.error_for_status().map_err(text)?;
    let mut file = File::create(archive).at(archive)?;
    let mut left = MAX_ARCHIVE;
    while let Some(piece) = response.chunk().await.map_err(text)? {
        let rest = left.checked_sub(piece.len() as u64);
        left = rest.ok_or_else(|| failed(format!("it has more than {MAX_ARCHIVE} bytes")))?;
        file.write_all(&piece).at(archive)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "components_tests.rs"]
mod tests;
