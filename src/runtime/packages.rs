//! The installed packages of a server: which generation its workers have, and their
//! installation in the background where the settings ask for it.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::engines::{add_python, python_files, python_packages, zygote_executable};
use super::python::{Included, Packages};
use super::shared::Shared;
use crate::config::Config;
use crate::config::environment::{
    ALLOWED_PACKAGES, INSTALL_DIR, PACKAGES_AUTO, PACKAGES_MIN_AGE, PACKAGES_NPMRC, PYPI_INDEX,
};
use crate::packages::allowed::PackageSpecifier;
use crate::packages::child::{Failure, Notes, ask};
use crate::packages::python::PythonFiles;
use crate::packages::{Installed, Snapshot, State, python};
use crate::pool::Worker;
use crate::private_file::check_writers;
use crate::protocol::{Generation, Kind};

/// Pause before an installation is tried again that another process was in the way of, such
/// as a second server that has started at the same time.
const PAUSE: Duration = Duration::from_secs(2);

/// Attempts: another installation may take [`PAUSE`] times this, ten minutes.
const ATTEMPTS: usize = 300;

/// The exit code of an installation that another one is in the way of (sysexits.h:
/// EX_TEMPFAIL).
const EXIT_LOCKED: i32 = 75;

/// The program that has the command `install`.
const PROGRAM: &str = "mcp-conductor";

/// Whether the allowed packages are installed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackagesStatus {
    /// The allowed packages, as the administrator wrote them.
    pub allowed: Vec<String>,
    /// Those that are installed, each with its version.
    pub installed: Vec<(String, String)>,
    /// Allowed ones that are not installed, or not as the settings have them now.
    pub missing: Vec<String>,
    /// Modules that could not be made, and why.
    pub failed: Vec<(String, String)>,
    /// Why there are none, or why the last installation failed.
    pub problem: Option<String>,
}

pub(super) fn status(config: &Config, installed: &Installed) -> PackagesStatus {
    let snapshot = installed.current();
    let packages = snapshot.manifest.packages.iter();
    let failed = snapshot.manifest.failed.iter();
    PackagesStatus {
        allowed: config.allowed_packages().texts(),
        installed: packages.map(|one| (one.specifier.clone(), one.version.clone())).collect(),
        missing: missing(config, &snapshot),
        failed: failed.map(|one| (one.specifier.clone(), one.reason.clone())).collect(),
        // Where packages of PyPI only are allowed, nothing of npm is missing.
        problem: snapshot.problem.clone().filter(|_| !config.allowed_packages().is_empty()),
    }
}

/// The generation that workers have: none if nothing of it is allowed.
pub(super) fn generation(config: &Config, snapshot: &Snapshot) -> Option<Generation> {
    let directory = snapshot.directory().map(Path::to_owned);
    let directory = directory.filter(|_| !config.allowed_packages().is_empty())?;
    let preload = if config.preloads() { preload(config, snapshot) } else { Vec::new() };
    Some(Generation { directory, preload })
}

/// Workers that are tried for one call while an installation ends: what is installed is known
/// some microseconds before no worker is made with what was there before.
pub(super) const ATTEMPTS_OF_WORKER: usize = 3;

/// The packages of a worker are no longer those that are installed.
pub(super) struct Outdated;

/// The packages that a worker has, if any.
pub(super) fn of_worker(
    kind: Kind,
    worker: &Worker,
    installed: &Installed,
) -> Result<Option<Arc<Snapshot>>, Outdated> {
    match kind {
        Kind::TypeScript | Kind::Packages => {}
        // They are not of these kinds, and its worker knows them.
        Kind::Python | Kind::Checker => return Ok(None),
    }
    let Some(own) = worker.packages() else { return Ok(None) };
    let current = installed.current();
    if current.directory() == Some(&own.directory) { Ok(Some(current)) } else { Err(Outdated) }
}

/// The allowed packages of a generation, by their place in its manifest. It may have been made
/// for more, as for several servers.
fn preload(config: &Config, snapshot: &Snapshot) -> Vec<u16> {
    let allowed = config.allowed_packages();
    let is_allowed = |text: &str| {
        PackageSpecifier::parse(text).is_ok_and(|package| allowed.entry(&package).is_some())
    };
    let packages = (0..).zip(&snapshot.manifest.packages);
    packages.filter(|(_, one)| is_allowed(&one.specifier)).map(|(place, _)| place).collect()
}

/// Takes what is installed now, for programs that begin from now on.
pub(super) async fn reload(config: &Config, shared: &Arc<Shared>) {
    let installed = shared.common.installed.clone();
    // What is being installed is taken when it is there.
    if installed.current().state == State::Installing {
        return;
    }
    let is_other = take(config, &installed, &Arc::downgrade(shared)).await;
    let snapshot = installed.current();
    if is_other {
        tracing::info!("the installed packages have changed");
    }
    if let Some(problem) =
        snapshot.problem.as_ref().filter(|_| !config.allowed_packages().is_empty())
    {
        tracing::warn!("the installed packages: {problem}");
    }
}

fn missing(config: &Config, snapshot: &Snapshot) -> Vec<String> {
    let is_there =
        |text: &String| snapshot.manifest.packages.iter().any(|one| one.requested == *text);
    let allowed = config.allowed_packages();
    let npm = allowed.iter().map(ToString::to_string).filter(|text| !is_there(text));
    npm.chain(missing_of_pypi(config)).collect()
}

/// Packages of PyPI that are not installed as the settings have them. Without Python there is
/// nothing that could import them.
fn missing_of_pypi(config: &Config) -> Vec<String> {
    let allowed = config.allowed_packages().pypi();
    let directory = config.install_dir().filter(|_| !allowed.is_empty());
    let Some(files) = directory.and_then(python::installed) else { return Vec::new() };
    let manifest = files.packages.as_deref().and_then(python::PypiManifest::read);
    let manifest = manifest.unwrap_or_default();
    let texts = allowed.iter().map(ToString::to_string);
    texts.filter(|text| !manifest.has(text)).collect()
}

/// Installs what is missing, in the background and once, if the settings ask for it.
pub(super) fn install(config: &Config, shared: &Arc<Shared>) {
    let installed = &shared.common.installed;
    if !config.packages_auto() || missing(config, &installed.current()).is_empty() {
        return;
    }
    let ended = CancellationToken::new();
    if shared.installing.set(ended.clone().drop_guard()).is_err() {
        return;
    }
    installed.is_installing();
    let (config, installed, shared) = (config.clone(), installed.clone(), Arc::downgrade(shared));
    tokio::spawn(async move {
        let work = install_missing(&config, &installed, &shared);
        // Dropping it kills the child.
        ended.run_until_cancelled(work).await;
    });
}

async fn install_missing(config: &Config, installed: &Installed, shared: &Weak<Shared>) {
    tracing::info!("installing the allowed packages");
    for _ in 0..ATTEMPTS {
        let failure = match command(config) {
            Ok(mut command) => ask(&mut command, Vec::new(), Notes::Kept).await.err(),
            Err(problem) => {
                installed.has_failed(problem);
                return;
            }
        };
        match failure {
            Some(Failure::Ended { code: Some(EXIT_LOCKED), .. }) => tokio::time::sleep(PAUSE).await,
            Some(failure) => {
                tracing::warn!("packages were not installed: {failure}");
                // What can be imported of it, if anything was made.
                take(config, installed, shared).await;
                let said = failure.to_string();
                // It is the same program, and says its name in front.
                let said = said.strip_prefix("mcp-conductor: ").unwrap_or(&said);
                installed.has_failed(said.to_owned());
                return;
            }
            None => {
                take(config, installed, shared).await;
                tracing::info!("the allowed packages are installed");
                return;
            }
        }
    }
    installed.has_failed("another installation does not end".to_owned());
}

/// Takes over what is installed now. Whether that is another than before.
async fn take(config: &Config, installed: &Installed, shared: &Weak<Shared>) -> bool {
    let read = installed.clone();
    // A manifest has up to 16 MiB.
    let is_other = tokio::task::spawn_blocking(move || read.reload()).await;
    if let Some(shared) = shared.upgrade() {
        let snapshot = installed.current();
        shared.pool.set_packages(Kind::Packages, generation(config, &snapshot));
        let files = python_files(config);
        if let Some(files) = &files {
            take_python(config, files, &shared);
        }
        let python = files.as_ref().and_then(|files| python_packages(config, files));
        let pypi = Packages::of(python.as_ref());
        *shared.pypi.lock() = pypi;
        shared.pool.set_packages(Kind::Python, python);
    }
    is_other.unwrap_or_default()
}

/// Takes Python over, if it was installed after the server began. One that is not in the directory
/// of what is installed, which no program may write, is not: policies were made without it.
fn take_python(config: &Config, files: &PythonFiles, shared: &Shared) {
    if !config.install_dir().is_some_and(|place| files.component.starts_with(place)) {
        return;
    }
    match add_python(&shared.pool, config, files) {
        Ok(false) => {}
        Ok(true) => {
            *shared.included.lock() = Included::of(Some(files));
            for warning in check_writers(&files.component).unwrap_or_else(|text| vec![text]) {
                tracing::warn!("python: {warning}");
            }
            tracing::info!("python: {}", python::described(config.install_dir()));
        }
        Err(error) => tracing::warn!("python: it cannot be loaded: {error}"),
    }
}

/// Refuses a program that has no `install`: one that embeds this library would begin anew,
/// with packages to install.
fn check_program(executable: &Path) -> Result<(), String> {
    let found = executable.canonicalize().map_err(|error| error.to_string())?;
    if found.file_name().is_some_and(|name| name == PROGRAM) {
        return Ok(());
    }
    Err(format!(
        "packages are installed by {PROGRAM}, and {} is another program: run `{PROGRAM} install`, \
         or give its path to Config::with_executable",
        found.display()
    ))
}

/// This program as `install`, with what these settings say of packages.
fn command(config: &Config) -> Result<Command, String> {
    let executable = zygote_executable(config).map_err(|error| error.to_string())?;
    check_program(&executable)?;
    let mut command = Command::new(executable);
    command.args(["install", "--json"]);
    if let Some(file) = config.config_file() {
        command.arg("--config").arg(file);
    }
    command.env(ALLOWED_PACKAGES, config.allowed_packages().texts().join(","));
    command.env(PACKAGES_MIN_AGE, config.packages_min_age().as_millis().to_string());
    command.env(PACKAGES_AUTO, "0");
    if let Some(index) = config.pypi_index() {
        command.env(PYPI_INDEX, index);
    }
    let paths = [(INSTALL_DIR, config.install_dir()), (PACKAGES_NPMRC, config.npmrc())];
    for (name, path) in paths {
        if let Some(path) = path {
            command.env(name, path);
        }
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_program_is_not_started_to_install_packages() {
        let own = std::env::current_exe().unwrap();
        let problem = check_program(&own).unwrap_err();
        assert!(problem.contains("is another program: run `mcp-conductor install`"), "{problem}");
        assert!(check_program(Path::new("/nowhere/mcp-conductor")).is_err());
    }
}
