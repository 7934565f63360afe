//! What of the allowed packages is installed: the current generation of the store, which
//! a server only reads.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};
use parking_lot::RwLock;
use thiserror::Error;

use super::manifest::{FORMAT, Manifest};

/// The largest manifest that is read: 200 packages with 500 modules each, of which one
/// takes about 150 bytes.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// The most modules of a generation: those of 200 packages with 500 each.
const MAX_MODULES: usize = 100_000;

/// The longest name of a file below `bundle/` or `docs/`: NAME_MAX of Linux.
const MAX_FILE_NAME: usize = 255;

/// The link to the current generation, below the store's directory of packages.
pub(crate) const CURRENT: &str = "current";

/// Where generations are, below the store's directory of packages.
pub(crate) const GENERATIONS: &str = "generations";

/// The name of a generation's manifest.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The directory of packages below the one that components are installed in.
pub(crate) fn packages_directory(install_dir: &Path) -> PathBuf {
    install_dir.join("packages")
}

/// Why a generation cannot be used.
#[derive(Debug, Error)]
pub(crate) enum InstalledError {
    #[error("nothing is installed in {0}: run `mcp-conductor install`")]
    Nothing(PathBuf),
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    #[error("{0} is not a link to {GENERATIONS}/NUMBER: remove it and run `mcp-conductor install`")]
    Link(PathBuf),
    #[error("{0} is larger than {MAX_MANIFEST_BYTES} bytes: run `mcp-conductor install`")]
    TooLarge(PathBuf),
    #[error("{0} is not a manifest of an installation ({1}): run `mcp-conductor install`")]
    Foreign(PathBuf, String),
    #[error(
        "{0} has format {1}, and this version reads format {FORMAT}: run `mcp-conductor install`"
    )]
    Format(PathBuf, u32),
}

/// Whether there are packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// They are as the manifest says.
    Ready,
    /// They are being installed. The manifest is of what was there before.
    Installing,
    /// There are none.
    None,
}

/// What is installed at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub manifest: Manifest,
    /// Its directory; empty if there is none.
    pub generation: PathBuf,
    pub state: State,
    /// Why there are none, or why the last installation failed.
    pub problem: Option<String>,
    /// Keeps `install` from removing the generation.
    _held: Option<Arc<Flock<File>>>,
}

impl Snapshot {
    fn nothing(problem: Option<String>) -> Self {
        let (manifest, generation) = (Manifest::default(), PathBuf::new());
        Self { manifest, generation, state: State::None, problem, _held: None }
    }

    /// The generation's directory, if there is one.
    pub(crate) fn directory(&self) -> Option<&Path> {
        (!self.generation.as_os_str().is_empty()).then_some(self.generation.as_path())
    }

    fn with(&self, state: State, problem: Option<String>) -> Self {
        Self {
            manifest: self.manifest.clone(),
            generation: self.generation.clone(),
            state,
            problem,
            _held: self._held.clone(),
        }
    }
}

/// What a server knows of its store. All clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Installed(Arc<Store>);

#[derive(Debug)]
struct Store {
    /// `INSTALL_DIR/packages`.
    directory: Option<PathBuf>,
    current: RwLock<Arc<Snapshot>>,
}

impl Installed {
    /// What is installed in a directory. What cannot be read is a snapshot without
    /// packages that says why.
    pub(crate) fn open(install_dir: &Path) -> Self {
        let directory = packages_directory(install_dir);
        let snapshot = read_current(&directory);
        Self::new(Some(directory), snapshot)
    }

    /// No packages, and none to come.
    pub(crate) fn none() -> Self {
        Self::new(None, Snapshot::nothing(None))
    }

    /// A generation that is not current yet, or whatever a test makes of it.
    pub(crate) fn of_generation(manifest: Manifest, generation: PathBuf) -> Self {
        let state = State::Ready;
        Self::new(None, Snapshot { manifest, generation, state, problem: None, _held: None })
    }

    fn new(directory: Option<PathBuf>, snapshot: Snapshot) -> Self {
        Self(Arc::new(Store { directory, current: RwLock::new(Arc::new(snapshot)) }))
    }

    /// What is installed now.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.0.current.read().clone()
    }

    /// Says that packages are being installed.
    pub(crate) fn is_installing(&self) {
        self.set(self.current().with(State::Installing, None));
    }

    /// Reads again what is current. Answers whether that is another generation.
    pub(crate) fn reload(&self) -> bool {
        let Some(directory) = &self.0.directory else { return false };
        let old = self.current();
        let new = read_current(directory);
        let is_other = new.generation != old.generation;
        self.set(new);
        is_other
    }

    /// Says why packages could not be installed. Those that were there before are kept.
    pub(crate) fn has_failed(&self, problem: String) {
        let old = self.current();
        let state = if old.directory().is_some() { State::Ready } else { State::None };
        self.set(old.with(state, Some(problem)));
    }

    fn set(&self, snapshot: Snapshot) {
        *self.0.current.write() = Arc::new(snapshot);
    }
}

fn read_current(directory: &Path) -> Snapshot {
    match current_generation(directory).and_then(|generation| read_generation(&generation)) {
        Ok(snapshot) => snapshot,
        Err(error) => Snapshot::nothing(Some(error.to_string())),
    }
}

/// The directory of the current generation.
pub(crate) fn current_generation(directory: &Path) -> Result<PathBuf, InstalledError> {
    let link = directory.join(CURRENT);
    let target = match fs::read_link(&link) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(InstalledError::Nothing(directory.to_owned()));
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return Err(InstalledError::Link(link));
        }
        Err(error) => return Err(InstalledError::Unreadable(link, error)),
    };
    match generation_number(&target) {
        Some(_) => Ok(directory.join(target)),
        None => Err(InstalledError::Link(link)),
    }
}

/// The number in `generations/NUMBER`.
pub(crate) fn generation_number(target: &Path) -> Option<u64> {
    let name = target.to_str()?.strip_prefix(GENERATIONS)?.strip_prefix('/')?;
    let number: u64 = name.parse().ok()?;
    // One name for one number: no sign and no leading zeros.
    (number > 0 && number.to_string() == name).then_some(number)
}

/// A generation, which is kept as long as somebody has it.
fn read_generation(generation: &Path) -> Result<Snapshot, InstalledError> {
    let manifest = read_manifest(generation)?;
    let opened = File::open(generation);
    let opened = opened.map_err(|e| InstalledError::Unreadable(generation.to_owned(), e))?;
    // A file system without locks keeps the previous generation at least.
    let held = Flock::lock(opened, FlockArg::LockSharedNonblock).ok().map(Arc::new);
    let (generation, state) = (generation.to_owned(), State::Ready);
    Ok(Snapshot { manifest, generation, state, problem: None, _held: held })
}

/// The manifest of a generation, after all checks.
pub(crate) fn read_manifest(generation: &Path) -> Result<Manifest, InstalledError> {
    let path = generation.join(MANIFEST);
    let unreadable = |error| InstalledError::Unreadable(path.clone(), error);
    let file = File::open(&path).map_err(unreadable)?;
    let mut text = Vec::new();
    file.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_MANIFEST_BYTES {
        return Err(InstalledError::TooLarge(path));
    }
    let format = serde_json::from_slice::<FormatOnly>(&text);
    match format.map(|found| found.format) {
        Ok(FORMAT) => {}
        Ok(other) => return Err(InstalledError::Format(path, other)),
        Err(error) => return Err(InstalledError::Foreign(path, error.to_string())),
    }
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| InstalledError::Foreign(path.clone(), error.to_string()))?;
    match problem_of(&manifest) {
        None => Ok(manifest),
        Some(problem) => Err(InstalledError::Foreign(path, problem)),
    }
}

/// What every format has.
#[derive(serde::Deserialize)]
struct FormatOnly {
    format: u32,
}

/// What is wrong with names in a manifest.
fn problem_of(manifest: &Manifest) -> Option<String> {
    if manifest.modules.len() > MAX_MODULES {
        return Some(format!("it has more than {MAX_MODULES} modules"));
    }
    let files = manifest.modules.values().map(|module| module.file.as_str());
    let docs = manifest.packages.iter().filter_map(|package| package.docs.as_deref());
    if let Some(name) = files.chain(docs).find(|name| !is_flat(name)) {
        return Some(format!("{name:?} is not the name of a file"));
    }
    let mut directories = manifest.packages.iter().map(|package| package.directory.as_str());
    let outside = directories.find(|directory| !is_below(directory))?;
    Some(format!("{outside:?} is not a directory below the generation"))
}

/// Whether a name is that of a file below `bundle/` or `docs/`.
pub(crate) fn is_flat(name: &str) -> bool {
    let is_named = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !name.is_empty()
        && name.len() <= MAX_FILE_NAME
        && !name.starts_with('.')
        && name.bytes().all(is_named)
}

/// Whether a relative path stays below where it begins.
pub(crate) fn is_below(path: &str) -> bool {
    let mut components = Path::new(path).components().peekable();
    components.peek().is_some() && components.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
#[path = "installed_tests.rs"]
mod tests;
