//! What `mcp-conductor install checker` has put into the component's directory.

use std::collections::BTreeMap;
use std::path::Path;

use crate::packages::checker::{COMPILER, is_library};
use crate::worker::LoadError;

/// The compiler and the declarations of ECMAScript that come with it.
pub(super) struct Files {
    pub compiler: String,
    /// By the names of the files: `lib.es2023.array.d.ts`.
    pub libraries: BTreeMap<String, String>,
}

impl Files {
    /// Reads all of it: 12 MB.
    ///
    /// # Errors
    /// A file cannot be read. It is named without its place, which clients need not know.
    pub(super) fn read(directory: &Path) -> Result<Self, LoadError> {
        let compiler = text(directory, COMPILER)?;
        let mut libraries = BTreeMap::new();
        for entry in std::fs::read_dir(directory)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_library(&name) {
                let text = text(directory, &name)?;
                libraries.insert(name, text);
            }
        }
        Ok(Self { compiler, libraries })
    }
}

fn text(directory: &Path, name: &str) -> Result<String, LoadError> {
    let read = std::fs::read_to_string(directory.join(name));
    Ok(read.map_err(|error| format!("{name}: {error}"))?)
}
