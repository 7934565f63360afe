//! Installs the allowed packages: resolves and fetches, bundles sealed, asks CommonJS modules
//! for their names, and makes the result current.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::bundler::{Bundler, take};
use super::error::{At, InstallError};
use super::probe::{self, Told};
use super::program::{Installer, hex};
use super::store::{Staging, Store, sync_all, write};
use super::summary::{FurtherPackage, Installation, PackageSummary, Remark};
use super::wrapper;
use crate::config::Config;
use crate::packages::allowed::PackageSpecifier;
use crate::packages::exchange::{
    BundleEntry, Bundled, FetchRequest, Fetched, FetchedPackage, ModuleFormat,
};
use crate::packages::installed::{MANIFEST, is_below, read_manifest};
use crate::packages::manifest::{
    FORMAT, FailedModule, InstalledPackage, Manifest, ModuleEntry, PackageMediaType,
};
use crate::text::clip::line_of;

/// Goes up when the same packages would be installed in another way.
const HOW: u32 = 1;

/// Characters of a licence and of a reason that are kept.
const MAX_LICENSE: usize = 100;
const MAX_REASON: usize = 1000;

/// How packages are installed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct InstallOptions {
    /// Fails if the lock file would change.
    pub frozen: bool,
    /// Uses what was downloaded before, and no network.
    pub offline: bool,
    /// Looks for newer versions within the allowed ranges, instead of those of the lock file.
    pub update: bool,
    /// The age that a version must have, instead of the configuration's.
    pub min_age: Option<Duration>,
}

/// Installs the allowed packages. What was current stays so until all of it is complete.
pub(super) async fn install(
    config: &Config,
    options: &InstallOptions,
) -> Result<Installation, InstallError> {
    if options.frozen && options.update {
        return Err(InstallError::Options("--frozen keeps versions and --update changes them"));
    }
    let install_dir = config.install_dir().ok_or(InstallError::NoDirectory)?;
    if config.allowed_packages().is_empty() {
        return Err(InstallError::NothingAllowed);
    }
    let installer = Installer::find()?;
    let store = Store::open(install_dir)?;
    let built_by = installer.digest()?;
    if !options.update
        && let Some(unchanged) = unchanged(&store, &inputs(config, &store, &built_by))
    {
        return Ok(unchanged);
    }
    if options.update {
        store.put_lock_file_aside()?;
    }
    let staging = store.stage()?;
    match make(config, options, &installer, &store, &staging).await {
        Ok(mut installation) => {
            installation.inputs = inputs(config, &store, &built_by);
            installation.write()?;
            store.activate(&staging)?;
            store.remove_old(staging.number)?;
            Ok(installation)
        }
        Err(error) => {
            // The error that ended it is the one to know.
            let _ = store.give_up(&staging);
            let _ = store.restore_lock_file();
            Err(error)
        }
    }
}

/// The allowed packages of npm and JSR.
fn texts(config: &Config) -> Vec<String> {
    config.allowed_packages().iter().map(ToString::to_string).collect()
}

/// A digest of all that decides what is installed.
fn inputs(config: &Config, store: &Store, built_by: &str) -> String {
    let mut digest = Sha256::new();
    let versions = [FORMAT.to_string(), HOW.to_string(), built_by.to_owned()];
    for text in versions.into_iter().chain(texts(config)) {
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
    let is_same = installation.inputs == inputs && read_manifest(&generation).is_ok();
    is_same.then_some(Installation { changed: false, generation, ..installation })
}

async fn make(
    config: &Config,
    options: &InstallOptions,
    installer: &Installer,
    store: &Store,
    staging: &Staging,
) -> Result<Installation, InstallError> {
    let fetched = installer.fetch(&request(config, options, store, staging)).await?;
    let (packages, absent) = allowed(config, &fetched)?;
    eprintln!("Bundling {} packages", packages.len());
    let bundler = Bundler {
        executable: executable(config),
        installer,
        without_landlock: config.unsafe_run_without_landlock(),
    };
    let entries = packages.iter().map(|package| BundleEntry {
        specifier: package.specifier.clone(),
        directory: PathBuf::from(&package.directory),
    });
    let bundled = bundler.bundle(staging, entries.collect()).await?;
    take(staging)?;
    let mut manifest = manifest(packages, &bundled);
    manifest.failed.extend(absent);
    let told = ask(config, staging, &manifest, &bundled).await?;
    wrap(staging, &mut manifest, &bundled, &told)?;
    write_all(staging, &manifest)?;
    Ok(summary(staging, &fetched, &manifest, told))
}

fn request(
    config: &Config,
    options: &InstallOptions,
    store: &Store,
    staging: &Staging,
) -> FetchRequest {
    let min_age = options.min_age.unwrap_or(config.packages_min_age());
    FetchRequest {
        packages: texts(config),
        store: store.directory.clone(),
        generation: staging.directory.clone(),
        npmrc: config.npmrc().map(Path::to_owned),
        frozen: options.frozen,
        offline: options.offline,
        min_age_seconds: min_age.as_secs(),
    }
}

/// What this program is started by, to seal the bundler.
fn executable(config: &Config) -> PathBuf {
    config.executable().map_or_else(|| PathBuf::from("/proc/self/exe"), Path::to_owned)
}

/// The allowed packages, in the administrator's order, and those of them that were not fetched.
fn allowed(
    config: &Config,
    fetched: &Fetched,
) -> Result<(Vec<InstalledPackage>, Vec<FailedModule>), InstallError> {
    let (mut there, mut absent) = (Vec::new(), Vec::new());
    for allowed in config.allowed_packages().iter() {
        let requested = allowed.to_string();
        let is_it = |package: &&FetchedPackage| package.requested.as_ref() == Some(&requested);
        match fetched.packages.iter().find(is_it) {
            Some(package) => there.push(installed(requested, package)?),
            None => absent.push(FailedModule {
                specifier: allowed.package(),
                reason: "it was not fetched".to_owned(),
            }),
        }
    }
    Ok((there, absent))
}

fn installed(
    requested: String,
    package: &FetchedPackage,
) -> Result<InstalledPackage, InstallError> {
    let specifier = PackageSpecifier::parse(&requested)
        .map_err(|error| InstallError::Fetch(error.to_string()))?;
    let directory = package.directory.to_str().filter(|directory| is_below(directory));
    let directory = directory.ok_or_else(|| {
        InstallError::Fetch(format!("{requested} is at {}", package.directory.display()))
    })?;
    Ok(InstalledPackage {
        specifier: specifier.package(),
        requested,
        version: package.version.clone(),
        license: package.license.as_deref().map(|license| line_of(license, MAX_LICENSE)),
        bytes: package.unpacked_bytes,
        directory: directory.to_owned(),
        docs: None,
    })
}

/// The manifest with CommonJS modules as the bundler has made them.
fn manifest(mut packages: Vec<InstalledPackage>, bundled: &Bundled) -> Manifest {
    let docs: BTreeMap<&String, &String> =
        bundled.docs.iter().map(|(specifier, file)| (specifier, file)).collect();
    for package in &mut packages {
        package.docs = docs.get(&package.specifier).map(|file| (*file).clone());
    }
    let entry = |module: &crate::packages::exchange::BundledModule| {
        let media_type = match module.format {
            ModuleFormat::Json => PackageMediaType::Json,
            ModuleFormat::Esm | ModuleFormat::CommonJs => PackageMediaType::JavaScript,
        };
        ModuleEntry { file: module.file.clone(), media_type, preload: module.preload }
    };
    let modules = bundled.modules.iter().map(|module| (module.specifier.clone(), entry(module)));
    let failed = bundled.failed.iter().map(|failed| FailedModule {
        specifier: failed.specifier.clone(),
        reason: line_of(&failed.reason, MAX_REASON),
    });
    Manifest { format: FORMAT, packages, modules: modules.collect(), failed: failed.collect() }
}

/// Asks CommonJS modules for their names. Nothing is compiled ahead for that.
async fn ask(
    config: &Config,
    staging: &Staging,
    manifest: &Manifest,
    bundled: &Bundled,
) -> Result<Told, InstallError> {
    let mut lazy = manifest.clone();
    lazy.modules.values_mut().for_each(|module| module.preload = false);
    write_manifest(staging, &lazy)?;
    let mut by_package: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    // Of several specifiers of one file the first: the wrapper is made for that one too.
    let mut files = BTreeSet::new();
    for module in &bundled.modules {
        if module.format == ModuleFormat::CommonJs && files.insert(&module.file) {
            let package = package_of(manifest, &module.specifier);
            by_package.entry(package).or_default().push(module.specifier.clone());
        }
    }
    let asked: Vec<Vec<String>> = by_package.into_values().collect();
    let count: usize = asked.iter().map(Vec::len).sum();
    if count > 0 {
        eprintln!("Asking {count} CommonJS modules for the names that they export");
    }
    probe::ask(config, lazy, &staging.directory, asked).await
}

/// The package that a module is of.
fn package_of<'a>(manifest: &'a Manifest, specifier: &str) -> &'a str {
    let is_of = |package: &&InstalledPackage| is_module_of(specifier, &package.specifier);
    manifest.packages.iter().find(is_of).map_or("", |package| &package.specifier)
}

fn is_module_of(specifier: &str, package: &str) -> bool {
    let rest = specifier.strip_prefix(package);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Puts a wrapper in front of each CommonJS module.
fn wrap(
    staging: &Staging,
    manifest: &mut Manifest,
    bundled: &Bundled,
    told: &Told,
) -> Result<(), InstallError> {
    let bundle = staging.directory.join("bundle");
    let mut names = names_in(&bundle)?;
    let mut made: BTreeMap<&str, String> = BTreeMap::new();
    for module in &bundled.modules {
        if module.format != ModuleFormat::CommonJs {
            continue;
        }
        let wrapper = match made.get(module.file.as_str()) {
            Some(wrapper) => wrapper.clone(),
            None => {
                let wrapper = free_name(&module.file, &mut names);
                let exports = told.names.get(&module.specifier).map_or(&[][..], Vec::as_slice);
                let path = bundle.join(&wrapper);
                write_new(&path, &wrapper::text(&module.file, exports)).at(path)?;
                made.insert(&module.file, wrapper.clone());
                wrapper
            }
        };
        if let Some(entry) = manifest.modules.get_mut(&module.specifier) {
            entry.file = wrapper;
        }
    }
    Ok(())
}

/// Where nothing is: a link that the bundler has left is not followed.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    fs::File::create_new(path)?.write_all(text.as_bytes())
}

fn names_in(directory: &Path) -> Result<BTreeSet<String>, InstallError> {
    let entries = fs::read_dir(directory).at(directory)?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

/// A name for a module's wrapper that no file has, which is long at the end so that it does
/// not become too long with what is before it.
fn free_name(file: &str, taken: &mut BTreeSet<String>) -> String {
    let stem = crate::text::clip::head(file, 200);
    let numbered = (0..).map(|number: usize| match number {
        0 => format!("{stem}.names.mjs"),
        number => format!("{stem}.names-{number}.mjs"),
    });
    let name = numbered.into_iter().find(|name| !taken.contains(name));
    let name = name.expect("there are more numbers than files");
    taken.insert(name.clone());
    name
}

fn write_manifest(staging: &Staging, manifest: &Manifest) -> Result<(), InstallError> {
    let text = serde_json::to_vec(manifest).expect("strings and numbers serialize");
    write(&staging.directory.join(MANIFEST), &text)?;
    // What a server would not read is not made current.
    let read = read_manifest(&staging.directory);
    read.map(drop).map_err(|error| InstallError::Bundle(error.to_string()))
}

/// Writes the manifest, and waits until the disk has all that it names.
fn write_all(staging: &Staging, manifest: &Manifest) -> Result<(), InstallError> {
    write_manifest(staging, manifest)?;
    sync_all(&staging.directory)
}

fn summary(staging: &Staging, fetched: &Fetched, manifest: &Manifest, told: Told) -> Installation {
    let scripts = |requested: &str| {
        let is_it = |package: &&FetchedPackage| package.requested.as_deref() == Some(requested);
        fetched.packages.iter().find(is_it).is_some_and(|package| package.has_scripts)
    };
    let modules_of = |specifier: &str| {
        manifest.modules.keys().filter(|module| is_module_of(module, specifier)).count()
    };
    let packages = manifest.packages.iter().map(|package| PackageSummary {
        specifier: package.specifier.clone(),
        requested: package.requested.clone(),
        version: package.version.clone(),
        license: package.license.clone(),
        bytes: package.bytes,
        modules: modules_of(&package.specifier),
        has_scripts: scripts(&package.requested),
    });
    let further = fetched.packages.iter().filter(|package| package.requested.is_none());
    let further = further.map(|package| FurtherPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        license: package.license.as_deref().map(|license| line_of(license, MAX_LICENSE)),
    });
    let failed = manifest.failed.iter().map(|failed| Remark {
        specifier: failed.specifier.clone(),
        reason: failed.reason.clone(),
    });
    let notes = untried(&manifest.packages, told.failed.into_iter().collect());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Installation {
        changed: true,
        generation: staging.directory.clone(),
        installed_at: now.as_secs(),
        packages: packages.collect(),
        further: further.collect(),
        failed: failed.collect(),
        notes,
        inputs: String::new(),
        pypi: None,
    }
}

/// What is said of modules whose names are not known: of each package its own entry, or the
/// first of its other modules and how many there are.
fn untried(packages: &[InstalledPackage], failed: Vec<(String, String)>) -> Vec<Remark> {
    const WHAT: &str = "its names are not known, importing it without grants failed";
    let mut remarks = Vec::new();
    for package in packages {
        let own = failed.iter().find(|(module, _)| *module == package.specifier);
        let mut inner = failed.iter().filter(|(module, _)| {
            *module != package.specifier && is_module_of(module, &package.specifier)
        });
        if let Some((specifier, reason)) = own.or_else(|| inner.next()) {
            let more = match inner.count() {
                0 => String::new(),
                more => format!(" (and of {more} more of its modules)"),
            };
            let reason = format!("{WHAT}: {reason}{more}");
            remarks.push(Remark { specifier: specifier.clone(), reason });
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapper_has_a_name_that_no_file_has() {
        let mut taken = BTreeSet::from(["a.mjs".to_owned(), "a.mjs.names.mjs".to_owned()]);
        assert_eq!(free_name("a.mjs", &mut taken), "a.mjs.names-1.mjs");
        assert_eq!(free_name("a.mjs", &mut taken), "a.mjs.names-2.mjs");
        assert!(crate::packages::installed::is_flat(&free_name(&"x".repeat(255), &mut taken)));
    }

    #[test]
    fn a_module_is_of_the_package_whose_name_it_begins_with() {
        for (module, package, expected) in [
            ("npm:zod", "npm:zod", true),
            ("npm:zod/v4", "npm:zod", true),
            ("npm:zodiac", "npm:zod", false),
            ("jsr:zod", "npm:zod", false),
        ] {
            assert_eq!(is_module_of(module, package), expected, "{module}");
        }
    }

    #[test]
    fn modules_that_could_not_be_tried_are_said_once_for_a_package() {
        let package = |specifier: &str| InstalledPackage {
            specifier: specifier.to_owned(),
            ..InstalledPackage::default()
        };
        let failed = [("npm:a/x", "no"), ("npm:a/y", "nor"), ("npm:b", "never"), ("npm:b/z", "x")];
        let failed = failed.map(|(module, reason)| (module.to_owned(), reason.to_owned()));
        let said = untried(&[package("npm:a"), package("npm:b"), package("npm:c")], failed.into());
        let said: Vec<_> = said.iter().map(|one| (&one.specifier[..], &one.reason[..])).collect();
        let what = "its names are not known, importing it without grants failed";
        assert_eq!(
            said,
            [
                ("npm:a/x", &format!("{what}: no (and of 1 more of its modules)")[..]),
                ("npm:b", &format!("{what}: never (and of 1 more of its modules)")[..]),
            ]
        );
    }

    #[test]
    fn a_package_outside_of_its_generation_is_not_taken() {
        for directory in ["../x", "/etc", ""] {
            let package = FetchedPackage { directory: directory.into(), ..Default::default() };
            assert!(installed("npm:zod@^3".to_owned(), &package).is_err(), "{directory}");
        }
    }
}
