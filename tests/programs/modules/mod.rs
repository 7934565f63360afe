//! Imports of files of the workspace, and of what its import map names.

mod local;
mod map;
mod store;

use std::fs;
use std::path::PathBuf;

use super::runtimes::workspace;
use super::support::directory::number;

/// A directory in the workspace that the tests of this binary share, removed with the value.
struct Folder {
    name: String,
    path: PathBuf,
}

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let name = format!("modules-{}-{}", std::process::id(), number());
        let path = workspace().join(&name);
        fs::create_dir_all(&path).expect("a directory");
        let folder = Self { name, path };
        files.iter().for_each(|(name, text)| folder.write(name, text));
        folder
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// A program that names the folder `@`.
    fn program(&self, source: &str) -> String {
        source.replace("@/", &format!("./{}/", self.name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
