//! The store on disk: its lock, generations that are being made, and which one is current.
//! A generation is made at its own place, because paths in it name that. A killed installation
//! leaves what was current, and a later generation that the next one removes.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::error::{At, InstallError};
use crate::packages::installed::{CURRENT, GENERATIONS, current_generation, packages_directory};
use crate::packages::python::pypi_directory;
use crate::text::clip::visible;

/// Bytes of the lock's text that are shown.
const MAX_HOLDER: usize = 100;

/// What others of the machine read and only the owner writes: servers of other users may
/// have the same store.
const DIRECTORY_MODE: u32 = 0o755;

/// Where the bundler writes.
const OUTPUT: &str = "output";

/// The lock files of packages of npm and JSR, and of PyPI.
const NPM_LOCK: &str = "deno.lock";
const PYPI_LOCK: &str = "pypi.lock";

/// A store that only this process changes.
pub(super) struct Store {
    /// `INSTALL_DIR/packages` or `INSTALL_DIR/packages/pypi`, without links.
    pub directory: PathBuf,
    lock_name: &'static str,
    _lock: Flock<File>,
}

/// A generation that is being made.
pub(super) struct Staging {
    pub number: u64,
    pub directory: PathBuf,
    /// What the bundler may write.
    pub output: PathBuf,
}

/// Makes directories that others can read.
pub(super) fn make(directory: &Path) -> Result<(), InstallError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(DIRECTORY_MODE).create(directory).at(directory)
}

/// Takes the lock of an installation directory, which exists.
pub(super) fn lock(install_dir: &Path) -> Result<Flock<File>, InstallError> {
    let path = install_dir.join("lock");
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o644);
    let file = file.open(&path).at(&path)?;
    let mut locked = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(locked) => locked,
        Err((file, Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            let _ = file.take(MAX_HOLDER as u64).read_to_string(&mut holder);
            let holder = visible(holder.trim(), MAX_HOLDER);
            let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
            return Err(InstallError::Locked { holder, directory: install_dir.to_owned() });
        }
        Err((_, error)) => return Err(error).at(path),
    };
    let holder = format!("process {}\n", std::process::id());
    locked.set_len(0).at(&path)?;
    locked.write_all(holder.as_bytes()).at(&path)?;
    Ok(locked)
}

impl Store {
    /// Makes what is missing, takes the lock, and removes what killed installations have left.
    pub(super) fn open(install_dir: &Path) -> Result<Self, InstallError> {
        Self::open_at(install_dir, packages_directory, NPM_LOCK)
    }

    /// The same for packages of PyPI, which have generations of their own.
    pub(super) fn open_pypi(install_dir: &Path) -> Result<Self, InstallError> {
        Self::open_at(install_dir, pypi_directory, PYPI_LOCK)
    }

    fn open_at(
        install_dir: &Path,
        directory: fn(&Path) -> PathBuf,
        lock_name: &'static str,
    ) -> Result<Self, InstallError> {
        make(install_dir)?;
        let install_dir = install_dir.canonicalize().at(install_dir)?;
        let lock = lock(&install_dir)?;
        let directory = directory(&install_dir);
        make(&directory.join(GENERATIONS))?;
        make(&directory.join("cache"))?;
        let store = Self { directory, lock_name, _lock: lock };
        store.restore_lock_file()?;
        store.remove_leftovers()?;
        Ok(store)
    }

    pub(super) fn lock_file(&self) -> PathBuf {
        self.directory.join(self.lock_name)
    }

    /// The lock file of the version that was installed before, while another is looked for.
    fn old_lock_file(&self) -> PathBuf {
        self.directory.join(format!("{}.old", self.lock_name))
    }

    fn generations(&self) -> PathBuf {
        self.directory.join(GENERATIONS)
    }

    /// The current generation, if there is one that can be read.
    pub(super) fn current(&self) -> Option<PathBuf> {
        current_generation(&self.directory).ok()
    }

    fn names(&self) -> Result<Vec<String>, InstallError> {
        let directory = self.generations();
        let entries = fs::read_dir(&directory).at(&directory)?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }

    /// What has no number alone, and generations that were never current.
    fn remove_leftovers(&self) -> Result<(), InstallError> {
        let current = self.current().as_deref().and_then(number_of).unwrap_or(0);
        for name in self.names()? {
            let path = self.generations().join(&name);
            let is_leftover = name.parse().map_or(true, |number: u64| number > current);
            if is_leftover && !is_read(&path) {
                remove_or_warn(&path);
            }
        }
        let link = self.directory.join("current.new");
        if link.is_symlink() {
            fs::remove_file(&link).at(link)?;
        }
        Ok(())
    }

    /// A directory for the next generation, empty.
    pub(super) fn stage(&self) -> Result<Staging, InstallError> {
        // Those of leftovers too: one that cannot be removed is in nobody's way.
        let number = |name: &String| name.split('.').next()?.parse().ok();
        let last: Option<u64> = self.names()?.iter().filter_map(number).max();
        let number = last.unwrap_or(0) + 1;
        let generations = self.generations();
        let staging = Staging {
            number,
            directory: generations.join(number.to_string()),
            output: generations.join(format!("{number}.{OUTPUT}")),
        };
        make(&staging.directory)?;
        Ok(staging)
    }

    /// Makes a complete generation the current one. Servers that read the one before go on.
    pub(super) fn activate(&self, staging: &Staging) -> Result<(), InstallError> {
        remove_or_warn(&staging.output);
        sync(&staging.directory)?;
        sync(&self.generations())?;
        let (new, link) = (self.directory.join("current.new"), self.directory.join(CURRENT));
        symlink(format!("{GENERATIONS}/{}", staging.number), &new).at(&new)?;
        fs::rename(&new, &link).at(&link)?;
        sync(&self.directory)?;
        let old = self.old_lock_file();
        if old.exists() { fs::remove_file(&old).at(old) } else { Ok(()) }
    }

    /// Removes a generation that came to nothing.
    pub(super) fn give_up(&self, staging: &Staging) -> Result<(), InstallError> {
        remove(&staging.output)?;
        remove(&staging.directory)
    }

    /// Removes all generations but the current one, the one before it, and those that a
    /// server reads.
    pub(super) fn remove_old(&self, current: u64) -> Result<(), InstallError> {
        let mut old: Vec<u64> = self.names()?.iter().filter_map(|name| name.parse().ok()).collect();
        old.retain(|number| *number < current);
        old.sort_unstable();
        // The one before it.
        old.pop();
        for number in old {
            let directory = self.generations().join(number.to_string());
            if is_read(&directory) {
                continue;
            }
            // Half of a generation has no number.
            let leftover = self.generations().join(format!("{number}.old"));
            fs::rename(&directory, &leftover).at(&directory)?;
            remove_or_warn(&leftover);
        }
        Ok(())
    }

    /// Puts the lock file aside, so that versions are looked for anew.
    pub(super) fn put_lock_file_aside(&self) -> Result<(), InstallError> {
        let path = self.lock_file();
        match path.exists() {
            true => fs::rename(&path, self.old_lock_file()).at(path),
            false => Ok(()),
        }
    }

    /// Takes the lock file back that an installation without success has put aside.
    pub(super) fn restore_lock_file(&self) -> Result<(), InstallError> {
        let old = self.old_lock_file();
        if old.exists() { fs::rename(&old, self.lock_file()).at(old) } else { Ok(()) }
    }
}

/// The number of a generation's directory.
pub(super) fn number_of(directory: &Path) -> Option<u64> {
    directory.file_name()?.to_str()?.parse().ok()
}

/// Whether a server has a generation open.
fn is_read(directory: &Path) -> bool {
    let Ok(opened) = File::open(directory) else { return false };
    matches!(Flock::lock(opened, FlockArg::LockExclusiveNonblock), Err((_, Errno::EWOULDBLOCK)))
}

/// Removes a directory, if it is there. Links in it are not followed.
pub(super) fn remove(directory: &Path) -> Result<(), InstallError> {
    let removed = match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_directories(directory).and_then(|()| fs::remove_dir_all(directory))
        }
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.at(directory),
    }
}

/// Removes a leftover. What stays of it takes room and is nobody's.
fn remove_or_warn(leftover: &Path) {
    if let Err(error) = remove(leftover) {
        eprintln!("A leftover cannot be removed, remove it by hand: {error}");
    }
}

/// Lets their owner remove what is in directories, whatever mode their maker gave them.
fn open_directories(directory: &Path) -> io::Result<()> {
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            // Of the entry itself: a link is none.
            if entry.file_type()?.is_dir() {
                left.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Writes a file and waits until the disk has it.
pub(super) fn write(path: &Path, text: &[u8]) -> Result<(), InstallError> {
    let mut file = File::create(path).at(path)?;
    file.write_all(text).at(path)?;
    file.sync_all().at(path)
}

/// Waits until the disk has a file, or the names of a directory.
pub(super) fn sync(path: &Path) -> Result<(), InstallError> {
    File::open(path).at(path)?.sync_all().at(path)
}

/// Waits until the disk has all files of the file system that a directory is on: one call for
/// some ten thousand of them.
pub(super) fn sync_all(directory: &Path) -> Result<(), InstallError> {
    nix::unistd::syncfs(File::open(directory).at(directory)?).at(directory)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
