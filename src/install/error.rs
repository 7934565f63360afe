//! Why nothing was installed.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why nothing was installed. What was installed before is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The allow-list is empty.
    #[error(
        "no packages are allowed, so there is nothing to install; name them, for example \
         MCP_CONDUCTOR_ALLOWED_PACKAGES=npm:zod@^3,jsr:@std/path,pypi:humanize@^4"
    )]
    NothingAllowed,
    /// No directory to install in.
    #[error("there is no directory to install in: set MCP_CONDUCTOR_INSTALL_DIR, or give --dir")]
    NoDirectory,
    /// The program that fetches and bundles is missing.
    #[error(
        "mcp-conductor-installer is neither beside {0} nor in PATH: it fetches and bundles \
         packages and comes with every release; from the sources `make installer` builds it"
    )]
    NoInstaller(PathBuf),
    /// The program that fetches and bundles can be written by everybody.
    #[error("{} is not used: {_1}", _0.display())]
    Installer(PathBuf, String),
    /// Another installation is at work.
    #[error("{holder} is installing in {} already: wait until it has ended", directory.display())]
    Locked {
        /// What it has said of itself.
        holder: String,
        /// The directory.
        directory: PathBuf,
    },
    /// A file or directory cannot be made, read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Its location.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Packages were not fetched.
    #[error("{0}")]
    Fetch(String),
    /// Packages of PyPI are allowed, and there is no Python that could import them.
    #[error(
        "pypi: packages are for Python, which is not installed: run `mcp-conductor install python` \
         first"
    )]
    NoPython,
    /// Packages were not bundled.
    #[error("the packages cannot be bundled: {0}")]
    Bundle(String),
    /// Nowhere is a directory for programs that try packages.
    #[error(
        "the packages cannot be tried: no directory can be made for that ({0}); set TMPDIR to one \
         that this user can write"
    )]
    NoScratch(String),
    /// Modules were not looked at.
    #[error("the packages cannot be tried: {0}")]
    Probe(String),
    /// Flags that do not go together.
    #[error("{0}")]
    Options(&'static str),
    /// A component that this version does not know.
    #[error("{name} is not a component{}", known_ones(.known))]
    NoComponent {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A component was not installed.
    #[error("{0} cannot be installed: {1}")]
    Component(String, String),
}

fn known_ones(known: &[String]) -> String {
    match known {
        [] => ": this version has `packages` only".to_owned(),
        _ => format!(": there are packages, {}", known.join(", ")),
    }
}

/// Says which file an error is about.
pub(super) trait At<T> {
    fn at(self, path: impl Into<PathBuf>) -> Result<T, InstallError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: impl Into<PathBuf>) -> Result<T, InstallError> {
        self.map_err(|error| InstallError::File { path: path.into(), error })
    }
}

impl<T> At<T> for nix::Result<T> {
    fn at(self, path: impl Into<PathBuf>) -> Result<T, InstallError> {
        self.map_err(io::Error::from).at(path)
    }
}
