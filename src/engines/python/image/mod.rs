//! The interpreter's own files: its library, what matplotlib needs beside it, and installed
//! wheels. Mapped into the zygote, read-only, and shared with every worker.

mod sys;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Bound;
use std::path::{Display, Path, PathBuf};

use thiserror::Error;

use crate::packages::python::{PypiManifest, PypiPackage};

/// Where all of it is for a program. Nothing else is there.
pub(super) const ROOT: &str = "/usr/local/lib";

/// The library, which Python imports from as it is.
const LIBRARY: &str = "/usr/local/lib/python315.zip";

/// The library in the component's directory.
const LIBRARY_FILE: &str = "python-stdlib.zip";

/// matplotlib looks for its data beside its modules, so below the library's name. Nothing
/// between the two may be a directory: `zipimport` takes the first name that exists.
const DATA: &str = "/usr/local/lib/python315.zip/matplotlib/mpl-data";

/// The data in the component's directory.
const DATA_DIRECTORY: &str = "mpl-data";

/// Where wheels are for a program.
const PACKAGES: &str = "/usr/local/lib/conductor-packages";

/// Files of all parts: matplotlib has 204, and allowed packages are some dozens.
const MAX_FILES: usize = 4096;

/// Levels of directories: matplotlib has three.
const MAX_DEPTH: usize = 8;

/// Bytes from which a file is mapped. Each mapping costs every fork, and the 129 files of
/// matplotlib that are smaller have 0.6 MiB together.
const MAPPED_FROM: u64 = 16 << 10;

/// Why the interpreter's files cannot be used. Clients are told, who need not know where they are.
#[derive(Debug, Error)]
pub(super) enum ImageError {
    #[error("{} cannot be read: {error}", name(path))]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{} is neither a file nor a directory", name(path))]
    Special { path: PathBuf },
    #[error("the name of {} is not UTF-8", name(path))]
    Name { path: PathBuf },
    #[error("{} has more files than the {MAX_FILES} that are possible", name(path))]
    TooMany { path: PathBuf },
    #[error("{} has no manifest of packages that can be used", name(path))]
    Manifest { path: PathBuf },
    #[error("{} has directories more than {MAX_DEPTH} levels deep", name(path))]
    TooDeep { path: PathBuf },
}

/// The last part of a path.
fn name(path: &Path) -> Display<'_> {
    path.file_name().map_or(path, Path::new).display()
}

/// What has a path in the image.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    File(&'static [u8]),
    Directory,
}

/// The tree, by absolute paths without a slash at their end.
#[derive(Debug, Default)]
pub(super) struct Image {
    nodes: BTreeMap<String, Node>,
    /// In their order.
    packages: Vec<PypiPackage>,
}

impl Image {
    /// Maps the files of a component, and the wheels of a directory of packages. No
    /// descriptor stays open.
    ///
    /// # Errors
    /// A file is missing or unusual.
    pub(super) fn open(component: &Path, packages: Option<&Path>) -> Result<Self, ImageError> {
        let mut image = Self::default();
        image.nodes.insert(ROOT.to_owned(), Node::Directory);
        image.add(LIBRARY.to_owned(), &component.join(LIBRARY_FILE), 0)?;
        image.add(DATA.to_owned(), &component.join(DATA_DIRECTORY), 0)?;
        if let Some(packages) = packages {
            image.add_packages(packages)?;
        }
        Ok(image)
    }

    /// With these files below [`ROOT`], and the directories that they lie in.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &'static [u8])]) -> Self {
        let mut image = Self::default();
        image.nodes.insert(ROOT.to_owned(), Node::Directory);
        for (name, bytes) in files {
            let path = format!("{ROOT}/{name}");
            let (directory, _) = path.rsplit_once('/').unwrap_or_default();
            image.nodes.insert(directory.to_owned(), Node::Directory);
            image.nodes.insert(path, Node::File(bytes));
        }
        image
    }

    /// Where programs import from: wheels that take the place of a package in the library,
    /// the library, and all other wheels.
    pub(super) fn search_path(&self) -> Vec<String> {
        let paths = |overrides| {
            let of_these = self.packages.iter().filter(move |of| of.overrides == overrides);
            of_these.map(|package| format!("{PACKAGES}/{}", package.file))
        };
        paths(true).chain([LIBRARY.to_owned()]).chain(paths(false)).collect()
    }

    /// Names that wheels are imported by, and the packages that they are of.
    pub(super) fn modules(&self) -> impl Iterator<Item = (&str, &str)> {
        self.packages.iter().flat_map(|package| {
            package.modules.iter().map(|module| (module.as_str(), package.name.as_str()))
        })
    }

    /// Files of the wheels that a setting names, and the packages that they are of: the others are
    /// dependencies.
    pub(super) fn requested(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = self.packages.iter().filter(|package| package.requested.is_some());
        named.map(|package| (package.file.as_str(), package.name.as_str()))
    }

    /// What has a path.
    pub(super) fn get(&self, path: &str) -> Option<Node> {
        self.nodes.get(path).copied()
    }

    /// Whether nobody but the image has something at a path: there or not.
    pub(super) fn owns(path: &str) -> bool {
        path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What is in a directory: name, path, and what it is.
    pub(super) fn entries<'a>(
        &'a self,
        directory: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str, Node)> {
        let behind = self.nodes.range::<str, _>((Bound::Included(directory), Bound::Unbounded));
        let below = behind.map_while(move |(path, node)| {
            let rest = path.strip_prefix(directory)?;
            Some((rest, path.as_str(), *node))
        });
        below.filter_map(|(rest, path, node)| {
            let name = rest.strip_prefix('/')?;
            (!name.contains('/')).then_some((name, path, node))
        })
    }

    /// The wheels of a generation, as its manifest lists them.
    fn add_packages(&mut self, generation: &Path) -> Result<(), ImageError> {
        let unusable = || ImageError::Manifest { path: generation.to_owned() };
        let manifest = PypiManifest::read(generation).ok_or_else(unusable)?;
        self.insert(PACKAGES.to_owned(), Node::Directory, generation)?;
        for package in &manifest.packages {
            let path = generation.join(&package.file);
            self.add(below(PACKAGES, &path)?, &path, 0)?;
        }
        self.packages = manifest.packages;
        Ok(())
    }

    fn add(&mut self, name: String, path: &Path, depth: usize) -> Result<(), ImageError> {
        let unreadable = |error| ImageError::Unreadable { path: path.to_owned(), error };
        let kind = fs::symlink_metadata(path).map_err(unreadable)?;
        if kind.is_file() {
            let bytes = contents(path).map_err(unreadable)?;
            return self.insert(name, Node::File(bytes), path);
        }
        if !kind.is_dir() {
            return Err(ImageError::Special { path: path.to_owned() });
        }
        if depth == MAX_DEPTH {
            return Err(ImageError::TooDeep { path: path.to_owned() });
        }
        for inner in listed(path)? {
            self.add(below(&name, &inner)?, &inner, depth + 1)?;
        }
        self.insert(name, Node::Directory, path)
    }

    fn insert(&mut self, name: String, node: Node, path: &Path) -> Result<(), ImageError> {
        if self.nodes.len() == MAX_FILES {
            return Err(ImageError::TooMany { path: path.to_owned() });
        }
        self.nodes.insert(name, node);
        Ok(())
    }
}

/// The path of a file below a directory of the image.
fn below(directory: &str, path: &Path) -> Result<String, ImageError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| ImageError::Name { path: path.to_owned() })?;
    Ok(format!("{directory}/{name}"))
}

fn listed(directory: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let list = || -> io::Result<Vec<_>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
    };
    list().map_err(|error| ImageError::Unreadable { path: directory.to_owned(), error })
}

fn contents(path: &Path) -> io::Result<&'static [u8]> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() >= MAPPED_FROM {
        return sys::map_for_ever(&file);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes.leak())
}
