//! Installs the allowed packages of PyPI: wheels of pure Python, each as one zip that Python
//! reads where it lies. Nothing of a package is run.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::components::index;
use super::error::InstallError;
use super::packages::InstallOptions;
use super::program::{Installer, hex};
use super::store::{Staging, Store, sync_all, write};
use super::summary::{FurtherPackage, Installation, PackageSummary, Remark};
use crate::config::Config;
use crate::packages::allowed::PypiSpecifier;
use crate::packages::exchange::{WheelPackage, Wheels, WheelsRequest};
use crate::packages::installed::{MANIFEST, is_flat};
use crate::packages::python::{
    PYPI_FORMAT, PypiIncluded, PypiManifest, PypiPackage, PythonFiles, SHA256, VERSION, included,
    installed,
};
use crate::text::clip::line_of;

/// Goes up when the same packages would be installed in another way.
const HOW: u32 = 2;

/// Characters of a licence and of a summary that are kept.
const MAX_LICENSE: usize = 100;
const MAX_SUMMARY: usize = 500;

/// Whether packages of PyPI can be installed. What is wrong with the settings is known before
/// anything else is installed.
pub(super) fn check(config: &Config) -> Result<bool, InstallError> {
    let allowed = config.allowed_packages();
    if allowed.pypi().is_empty() {
        return Ok(true);
    }
    index(config).map_err(InstallError::Fetch)?;
    let install_dir = config.install_dir().ok_or(InstallError::NoDirectory)?;
    match installed(install_dir) {
        None if allowed.is_empty() => Err(InstallError::NoPython),
        found => Ok(found.is_some()),
    }
}

/// What is said of them where there is no Python.
pub(super) fn without_python(config: &Config) -> impl Iterator<Item = Remark> {
    config.allowed_packages().pypi().iter().map(|package| Remark {
        specifier: package.package(),
        reason: InstallError::NoPython.to_string(),
    })
}

/// Installs the allowed packages of PyPI, if there are any. What was current stays so until all
/// of it is complete.
pub(super) async fn install(
    config: &Config,
    options: &InstallOptions,
) -> Result<Option<Installation>, InstallError> {
    if config.allowed_packages().pypi().is_empty() {
        return Ok(None);
    }
    if options.frozen && options.update {
        return Err(InstallError::Options("--frozen keeps versions and --update changes them"));
    }
    let install_dir = config.install_dir().ok_or(InstallError::NoDirectory)?;
    let python = installed(install_dir).ok_or(InstallError::NoPython)?;
    let installer = Installer::find()?;
    let store = Store::open_pypi(install_dir)?;
    let built_by = installer.digest()?;
    if !options.update
        && let Some(unchanged) = unchanged(&store, &inputs(config, &store, &built_by))
    {
        return Ok(Some(unchanged));
    }
    if options.update {
        store.put_lock_file_aside()?;
    }
    let staging = store.stage()?;
    match make(config, options, &python, &installer, &store, &staging).await {
        Ok(mut installation) => {
            installation.inputs = inputs(config, &store, &built_by);
            installation.write()?;
            store.activate(&staging)?;
            store.remove_old(staging.number)?;
            Ok(Some(installation))
        }
        Err(error) => {
            // The error that ended it is the one to know.
            let _ = store.give_up(&staging);
            let _ = store.restore_lock_file();
            Err(error)
        }
    }
}

/// A digest of all that decides what is installed.
fn inputs(config: &Config, store: &Store, built_by: &str) -> String {
    let mut digest = Sha256::new();
    let versions = [PYPI_FORMAT.to_string(), HOW.to_string(), built_by.into(), SHA256.into()];
    let texts = config.allowed_packages().pypi().iter().map(ToString::to_string);
    for text in versions.into_iter().chain(texts) {
        digest.update(text);
        digest.update([0]);
    }
    digest.update(fs::read(store.lock_file()).unwrap_or_default());
    hex(&digest.finalize())
}

/// What is installed, if it is what would be.
fn unchanged(store: &Store, inputs: &str) -> Option<Installation> {
    let generation = store.current()?;
    let installation = Installation::of(&generation)?;
    let is_same = installation.inputs == inputs && PypiManifest::read(&generation).is_some();
    is_same.then_some(Installation { changed: false, generation, ..installation })
}

async fn make(
    config: &Config,
    options: &InstallOptions,
    python: &PythonFiles,
    installer: &Installer,
    store: &Store,
    staging: &Staging,
) -> Result<Installation, InstallError> {
    let min_age = options.min_age.unwrap_or(config.packages_min_age());
    let texts = config.allowed_packages().pypi().iter().map(ToString::to_string);
    let request = WheelsRequest {
        packages: texts.collect(),
        index: index(config).map_err(InstallError::Fetch)?.into(),
        python: VERSION.to_owned(),
        included: included(&python.component),
        store: store.directory.clone(),
        generation: staging.directory.clone(),
        frozen: options.frozen,
        offline: options.offline,
        min_age_seconds: min_age.as_secs(),
    };
    let wheels = installer.wheels(&request).await?;
    let manifest = manifest(&wheels);
    if let Some(problem) = problem_of(&manifest, &staging.directory) {
        return Err(InstallError::Fetch(format!("packages were not fetched: {problem}")));
    }
    let text = serde_json::to_vec(&manifest).expect("strings and numbers serialize");
    write(&staging.directory.join(MANIFEST), &text)?;
    sync_all(&staging.directory)?;
    Ok(summary(staging, &wheels))
}

fn manifest(wheels: &Wheels) -> PypiManifest {
    let package = |wheel: &WheelPackage| PypiPackage {
        name: wheel.name.clone(),
        version: wheel.version.clone(),
        requested: wheel.requested.clone(),
        summary: wheel.summary.as_deref().map(|summary| line_of(summary, MAX_SUMMARY)),
        license: wheel.license.as_deref().map(|license| line_of(license, MAX_LICENSE)),
        file: wheel.file.clone(),
        sha256: wheel.sha256.clone(),
        bytes: wheel.bytes,
        modules: wheel.modules.clone(),
        overrides: wheel.overrides,
    };
    let is_included = |(requested, version): &(String, String)| PypiIncluded {
        name: name_of(requested),
        version: version.clone(),
        requested: requested.clone(),
    };
    PypiManifest {
        format: PYPI_FORMAT,
        packages: wheels.packages.iter().map(package).collect(),
        included: wheels.included.iter().map(is_included).collect(),
    }
}

fn name_of(requested: &str) -> String {
    PypiSpecifier::parse(requested).map_or_else(|_| String::new(), |it| it.name().to_owned())
}

/// Every file is there, below the generation, and of its own.
fn problem_of(manifest: &PypiManifest, generation: &Path) -> Option<String> {
    let is_there = |file: &str| {
        is_flat(file)
            && fs::symlink_metadata(generation.join(file)).is_ok_and(|found| found.is_file())
    };
    let missing = manifest.packages.iter().find(|package| !is_there(&package.file))?;
    Some(format!("{:?} is not a file of the generation", missing.file))
}

fn summary(staging: &Staging, wheels: &Wheels) -> Installation {
    let specifier = |name: &str| format!("{}{name}", crate::packages::pypi::SCHEME);
    let own = wheels.packages.iter().filter_map(|wheel| {
        Some(PackageSummary {
            specifier: specifier(&wheel.name),
            requested: wheel.requested.clone()?,
            version: wheel.version.clone(),
            license: wheel.license.as_deref().map(|license| line_of(license, MAX_LICENSE)),
            bytes: wheel.bytes,
            modules: wheel.modules.len(),
            has_scripts: false,
        })
    });
    let further = wheels.packages.iter().filter(|wheel| wheel.requested.is_none());
    let further = further.map(|wheel| FurtherPackage {
        name: wheel.name.clone(),
        version: wheel.version.clone(),
        license: wheel.license.as_deref().map(|license| line_of(license, MAX_LICENSE)),
    });
    let included = wheels.included.iter().map(|(requested, version)| Remark {
        specifier: requested.clone(),
        reason: format!("Python itself has version {version}"),
    });
    let overrides = wheels.packages.iter().filter(|wheel| wheel.overrides).map(|wheel| Remark {
        specifier: specifier(&wheel.name),
        reason: format!("{} takes the place of the version that Python has", wheel.version),
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Installation {
        changed: true,
        generation: staging.directory.clone(),
        installed_at: now.as_secs(),
        packages: own.collect(),
        further: further.collect(),
        notes: included.chain(overrides).collect(),
        ..Installation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_of_the_generation_is_not_made_current() {
        let directory = std::env::temp_dir();
        for file in ["../x.zip", "/etc/passwd", "", "surely-absent-0.0.0.zip"] {
            let package = PypiPackage { file: file.to_owned(), ..PypiPackage::default() };
            let manifest =
                PypiManifest { format: PYPI_FORMAT, packages: vec![package], included: Vec::new() };
            assert!(problem_of(&manifest, &directory).is_some(), "{file}");
        }
        assert_eq!(problem_of(&PypiManifest::default(), &directory), None);
    }

    #[test]
    fn what_python_itself_has_is_in_the_manifest_by_its_name() {
        let wheels = Wheels {
            packages: Vec::new(),
            included: vec![("pypi:six@^1".to_owned(), "1.17.0".to_owned())],
        };
        let manifest = manifest(&wheels);
        assert!(manifest.has("pypi:six@^1") && !manifest.has("pypi:six"));
        assert_eq!(manifest.included[0].name, "six");
    }
}
