//! `mcp-conductor install`: what programs may import, and other components, brought to where
//! servers only read. Nothing here runs in a server.

mod bundler;
mod components;
mod error;
mod packages;
mod probe;
mod program;
mod pypi;
mod store;
mod summary;
mod wrapper;

use std::path::{Path, PathBuf};

use futures::FutureExt;

pub use components::{ComponentSource, ComponentSummary};
pub use error::InstallError;
pub use packages::InstallOptions;
pub use summary::{FurtherPackage, Installation, PackageSummary, Remark};

use crate::config::Config;

// What the public functions return is boxed here: rustc compiles a future where it is polled
// first, which would be in each program anew.

/// Installs the packages that a configuration allows, where servers read them. Killed at any
/// moment it leaves what was installed before. Without Python those of npm and JSR are
/// installed, if there are any, and the summary says that those of PyPI are not.
///
/// # Errors
/// [`InstallError`] if nothing was installed.
pub fn install_packages(
    config: Config,
    options: InstallOptions,
) -> impl Future<Output = Result<Installation, InstallError>> + Send {
    async move {
        let allowed = config.allowed_packages();
        let has_python = pypi::check(&config)?;
        let mut installed = match (allowed.is_empty(), allowed.pypi().is_empty()) {
            (true, false) => Installation::default(),
            (false, _) | (true, true) => packages::install(&config, &options).await?,
        };
        if has_python {
            installed.pypi = pypi::install(&config, &options).await?.map(Box::new);
        } else {
            installed.failed.extend(pypi::without_python(&config));
        }
        Ok(installed)
    }
    .boxed()
}

/// Installs a component, such as a language: a file of a pinned hash, unpacked. Answers
/// what and where it is.
///
/// # Errors
/// [`InstallError`] if it is not installed.
pub fn install_component(
    config: Config,
    name: String,
    source: ComponentSource,
) -> impl Future<Output = Result<ComponentSummary, InstallError>> + Send {
    async move { components::install(&config, components::KNOWN, &name, source).await }.boxed()
}

/// Python in one line: which version of it is installed and where, or how to install it.
pub fn python_described(config: &Config) -> String {
    crate::packages::python::described(config.install_dir())
}

/// The type checker in one line: which version of it is installed and where, or how to install it.
pub fn checker_described(config: &Config) -> String {
    crate::packages::checker::described(config.install_dir())
}

/// The search model in one line: which one is installed and where, or how to install it.
pub fn search_model_described(config: &Config) -> String {
    crate::embedding::installed::described(config.install_dir())
}

/// What is installed below a directory, as it was said when it was.
pub fn installation(install_dir: &Path) -> Option<Installation> {
    let packages = crate::packages::installed::packages_directory(install_dir);
    let current = |directory: &Path| {
        let generation = crate::packages::installed::current_generation(directory).ok()?;
        Installation::of(&generation)
    };
    let pypi = current(&crate::packages::python::pypi_directory(install_dir)).map(Box::new);
    match current(&packages) {
        Some(installed) => Some(Installation { pypi, ..installed }),
        None => pypi.map(|pypi| Installation { pypi: Some(pypi), ..Installation::default() }),
    }
}

/// Where the program is that fetches and bundles packages.
///
/// # Errors
/// [`InstallError::NoInstaller`] if it is not there.
pub fn installer() -> Result<PathBuf, InstallError> {
    program::Installer::find().map(|installer| installer.path().to_owned())
}
