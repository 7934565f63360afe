//! Packages that programs may import, and where what is installed lies.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, Integer, Unit, at};
use super::http::web_address;
use crate::packages::allowed::{AllowedError, AllowedPackages};

/// Three days: most malicious versions are found and withdrawn within one or two.
const MIN_AGE: u64 = 3 * 24 * 60 * 60 * 1000;

/// A year. What is older than that and still unknown to be malicious stays so.
const MOST_MIN_AGE: u64 = 365 * 24 * 60 * 60 * 1000;

group! {
    /// Packages that programs may import, and where what is installed lies.
    Packages as packages {
        /// Whether a server installs what is missing when it starts. No. It starts
        /// `mcp-conductor install`, and a program that embeds this library names that with
        /// [`Config::with_executable`].
        packages_auto, with_packages_auto: bool;
    } and {
        allowed: AllowedPackages;
        /// Whether these are a principal's part of what the server allows.
        is_narrowed: bool;
        install_dir: Option<PathBuf>;
        /// In milliseconds.
        min_age: u64;
        npmrc: Option<PathBuf>;
        pypi_index: Option<String>;
    }
}

impl Config {
    /// The packages that programs may import. None by default.
    pub(crate) fn allowed_packages(&self) -> &AllowedPackages {
        &self.packages.allowed
    }

    /// Sets the packages that programs may import, such as `npm:zod@^3` and `jsr:@std/path`.
    ///
    /// # Errors
    /// What is wrong with the first one that cannot be allowed.
    pub fn with_allowed_packages<Text: AsRef<str>>(
        mut self,
        packages: &[Text],
    ) -> Result<Self, String> {
        let parsed = AllowedPackages::parse(packages);
        self.packages.allowed = parsed.map_err(|error: AllowedError| error.to_string())?;
        Ok(self)
    }

    /// The directory of what `mcp-conductor install` installs: `~/.mcp-conductor/installed`.
    pub fn install_dir(&self) -> Option<&Path> {
        self.packages.install_dir.as_deref()
    }

    /// Sets [`Self::install_dir`].
    #[must_use]
    pub fn with_install_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.packages.install_dir = Some(path.into());
        self
    }

    /// The age that a version must have to be installed. Three days.
    pub fn packages_min_age(&self) -> Duration {
        Duration::from_millis(self.packages.min_age)
    }

    /// The file with registries and their tokens. Without it, npm's own `~/.npmrc`.
    pub fn npmrc(&self) -> Option<&Path> {
        self.packages.npmrc.as_deref()
    }

    /// The Python package index that an installation asks. Without it, pip's `PIP_INDEX_URL`,
    /// else PyPI.
    pub fn pypi_index(&self) -> Option<&str> {
        self.packages.pypi_index.as_deref()
    }

    /// Sets [`Self::pypi_index`].
    #[must_use]
    pub fn with_pypi_index(mut self, url: impl Into<String>) -> Self {
        self.packages.pypi_index = Some(url.into());
        self
    }

    /// The file that an installation reads registries and tokens from, if packages are
    /// installed: whoever writes it decides whose code that is.
    pub(crate) fn registries_file(&self, home: Option<&Path>) -> Option<PathBuf> {
        // npm itself, as a command, needs its file.
        let npms = home.filter(|_| self.has_packages());
        self.packages.npmrc.clone().or_else(|| npms.map(|home| home.join(".npmrc")))
    }

    /// Whether the server allows packages of npm or JSR, if not to this principal then to another.
    pub(crate) fn has_packages(&self) -> bool {
        self.packages.is_narrowed || !self.packages.allowed.is_empty()
    }

    /// Whether an installation may run for this server: of packages of any kind.
    pub(crate) fn is_installed_for(&self) -> bool {
        self.packages.is_narrowed || !self.packages.allowed.texts().is_empty()
    }

    /// Whether the allowed packages are a principal's part of the server's.
    pub(crate) fn has_narrowed_packages(&self) -> bool {
        self.packages.is_narrowed
    }

    /// These packages only, out of those that are allowed.
    ///
    /// # Errors
    /// One that is not allowed.
    pub(in crate::config) fn narrow_packages(&mut self, to: &[String]) -> Result<(), AllowedError> {
        let packages = &mut self.packages;
        packages.is_narrowed |= !packages.allowed.texts().is_empty();
        packages.allowed = packages.allowed.subset(to)?;
        Ok(())
    }
}

entries! {
    ALLOWED_PACKAGES = "MCP_CONDUCTOR_ALLOWED_PACKAGES" as "packages.allowed" {
        meaning: "Packages of npm, JSR and PyPI that programs may import, each with the versions \
                  that `mcp-conductor install` may take, separated by commas",
        example: "npm:zod@^3,jsr:@std/path,pypi:humanize@^4",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Unset,
        form: Form::Packages(at!(packages.allowed)),
    }
    INSTALL_DIR = "MCP_CONDUCTOR_INSTALL_DIR" {
        meaning: "The directory of what `mcp-conductor install` installs; a server only reads it",
        example: "/var/lib/mcp-conductor/installed",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::InHome(".mcp-conductor/installed"),
        form: Form::Path(at!(packages.install_dir)),
    }
    PACKAGES_AUTO = "MCP_CONDUCTOR_PACKAGES_AUTO" as "packages.auto" {
        meaning: "1 installs the packages that are missing when a server starts, in the background",
        example: "1",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Flag(false),
        form: Form::Flag(at!(packages.packages_auto)),
    }
    PACKAGES_MIN_AGE = "MCP_CONDUCTOR_PACKAGES_MIN_AGE" as "packages.min_age" {
        meaning: "The age that a version must have to be installed; 0 for none. The default is \
                  three days",
        example: "604800000",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Number(MIN_AGE),
        form: Form::Number {
            min: 0,
            max: MOST_MIN_AGE,
            unit: Unit::Millis,
            at: Integer::U64(at!(packages.min_age)),
        },
    }
    PACKAGES_NPMRC = "MCP_CONDUCTOR_PACKAGES_NPMRC" as "packages.npmrc" {
        meaning: "The file with registries and their tokens, in npm's format. Unset: `~/.npmrc`, \
                  if there is one",
        example: "/etc/mcp-conductor/npmrc",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Means("`~/.npmrc`, if there is one"),
        form: Form::Path(at!(packages.npmrc)),
    }
    PYPI_INDEX = "MCP_CONDUCTOR_PYPI_INDEX" as "packages.pypi_index" {
        meaning: "The Python package index that `mcp-conductor install` asks, a mirror of PyPI. \
                  Unset: `PIP_INDEX_URL`, which may have a password, else PyPI",
        example: "https://mirror.example/simple",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Means("`PIP_INDEX_URL`, else `https://pypi.org/simple`"),
        form: Form::Text { check: web_address, at: at!(packages.pypi_index) },
    }
}
