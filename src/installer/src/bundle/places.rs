//! The directories of a request, and what lies inside of them.

use std::path::{Path, PathBuf};

use crate::exchange::BundleRequest;

/// Where packages are read, and where they will be.
#[derive(Debug)]
pub(super) struct Places {
    /// The generation, without symbolic links.
    generation: PathBuf,
    /// Its `node_modules`, without symbolic links: everything that is read lies below.
    modules: PathBuf,
    /// What the generation's final place will be.
    place: PathBuf,
}

impl Places {
    pub(super) fn new(request: &BundleRequest) -> Result<Self, String> {
        let generation = real(&request.generation)?;
        let modules = real(&generation.join("node_modules"))?;
        if !modules.starts_with(&generation) {
            return Err(format!("{} is not inside of the generation", modules.display()));
        }
        Ok(Self { generation, modules, place: request.place.clone() })
    }

    pub(super) fn generation(&self) -> &Path {
        &self.generation
    }

    /// The real path of a file of a package; none if it is outside of all of them, or
    /// does not exist.
    pub(super) fn inside(&self, path: &Path) -> Option<PathBuf> {
        let real = path.canonicalize().ok()?;
        real.starts_with(&self.modules).then_some(real)
    }

    /// Where a file of the generation will be when programs run.
    pub(super) fn final_place(&self, real: &Path) -> PathBuf {
        match real.strip_prefix(&self.generation) {
            Ok(relative) => self.place.join(relative),
            Err(_) => real.to_owned(),
        }
    }

    /// The name of the package that a file belongs to: what follows its last
    /// `node_modules`.
    pub(super) fn package_of(&self, path: &Path) -> String {
        let text = path.to_string_lossy();
        let below = text.rsplit_once("/node_modules/").map_or(&*text, |(_, below)| below);
        let parts = if below.starts_with('@') { 2 } else { 1 };
        below.split('/').take(parts).collect::<Vec<_>>().join("/")
    }

    /// Whether a directory above a file, still inside of the store, has a package of
    /// that name: then a path that leads elsewhere is the package's doing, and not a
    /// package that is missing here and exists further up on this machine.
    pub(super) fn has_package(&self, importer: &Path, name: &str) -> bool {
        importer
            .ancestors()
            .skip(1)
            .take_while(|directory| directory.starts_with(&self.generation))
            .any(|directory| directory.join("node_modules").join(name).symlink_metadata().is_ok())
    }
}

fn real(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("Cannot read {}: {error}", path.display()))
}
