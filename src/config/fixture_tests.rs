//! Config files for tests, read in surroundings that are given.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::ConfigError;
use super::precedence::{Settings, Sources, resolve};
use super::surroundings::Surroundings;

/// A directory that goes away with the value.
pub(crate) struct Directory(pub PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("conductor-config-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What file, environment and flags together give.
pub(super) fn read(
    file: Option<PathBuf>,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> Result<Settings, ConfigError> {
    let variable = |name: &str| {
        environment.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(*value))
    };
    let flags = flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    resolve(&Sources { file, flags }, &Surroundings { variable: &variable, home: None })
}

/// What a file with this text gives.
pub(super) fn read_toml(text: &str) -> Result<Settings, String> {
    read_named("conductor.toml", text)
}

/// As [`read_toml`], with a name whose ending says how it is written. The directory is
/// left out of problems.
pub(super) fn read_named(name: &str, text: &str) -> Result<Settings, String> {
    let directory = Directory::new();
    let path = directory.write(name, text);
    let prefix = format!("{}/", directory.0.display());
    read(Some(path), &[("TOKEN", "canary")], &[])
        .map_err(|error| error.to_string().replace(&prefix, ""))
}

/// The problem of a file with this text.
pub(super) fn problem(text: &str) -> String {
    read_toml(text).map(|_| "no problem").unwrap_err()
}
