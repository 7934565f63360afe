//! Directories and files of one test, removed with the value.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A number that no other value of this process has.
pub fn number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// An empty directory, removed with what is in it.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Where the machine has its temporary files, by its real name.
    pub fn new(purpose: &str) -> Self {
        Self::below(&temporary(), purpose)
    }

    /// In the same place, with a name that is not chosen here.
    pub fn named(name: &str) -> Self {
        let path = temporary().join(name);
        // Pids are used again, and a process that is killed leaves its files.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    /// Below `target/`, for what a static keeps and nobody drops: it stays until the next
    /// process asks for this name.
    pub fn kept(name: &str) -> Self {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(parent).expect("a directory");
        let path = parent.canonicalize().expect("it is there").join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    /// Below `target/`, where the file system is that of the repository.
    pub fn in_target(purpose: &str) -> Self {
        Self::below(Path::new(env!("CARGO_TARGET_TMPDIR")), purpose)
    }

    fn below(parent: &Path, purpose: &str) -> Self {
        loop {
            let name = format!("mcp-conductor-{purpose}-{}-{}", std::process::id(), number());
            let path = parent.join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Self(path),
                // Of a killed process that had the same pid.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }

    pub fn root(&self) -> &Path {
        &self.0
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.0.join(below)
    }

    /// A path in it, as a text.
    pub fn name(&self, below: &str) -> String {
        self.path(below).into_os_string().into_string().expect("UTF-8")
    }

    /// Writes a file that its owner alone can read; its path.
    pub fn write(&self, below: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.name(below);
        fs::write(&path, content).expect("a file");
        set_mode(&path, 0o600);
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn temporary() -> PathBuf {
    std::env::temp_dir().canonicalize().expect("a directory for temporary files")
}

/// A file that goes away with the value.
pub struct TemporaryFile(PathBuf);

impl TemporaryFile {
    pub fn new(content: impl AsRef<[u8]>) -> Self {
        let name = format!("mcp-conductor-file-{}-{}", std::process::id(), number());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, content).expect("a temporary file");
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

pub fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

/// Permission bits, those of special modes among them.
pub fn mode(path: impl AsRef<Path>) -> u32 {
    path.as_ref().metadata().expect("it is there").permissions().mode() & 0o7777
}
