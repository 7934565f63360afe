//! Where tests find Python, which is a component of 160 MB that `make test` installs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::waiting::within;

/// Names another install directory that has Python.
const DIRECTORY: &str = "MCP_CONDUCTOR_TEST_PYTHON_DIR";

/// Where the program has the hash of the release that it takes.
const PINNED: &str = include_str!("../../src/packages/python.rs");

/// How long its zygote may take to load on a loaded machine: alone it takes 10 s.
const LOADING: Duration = Duration::from_secs(180);

/// An install directory with Python below it. Without one the tests that need it are
/// skipped, which continuous integration does not accept.
#[track_caller]
pub fn install_directory() -> Option<PathBuf> {
    let named = std::env::var_os(DIRECTORY).map(PathBuf::from);
    let directory = named
        .unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("python-store"));
    if has_python(&directory) {
        return Some(directory.canonicalize().expect("it is there"));
    }
    let missing = format!(
        "Python is not installed in {}: run .setup/python, or name an install directory in \
         {DIRECTORY}",
        directory.display()
    );
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("skipped: {missing}");
    None
}

fn has_python(directory: &Path) -> bool {
    let (_, rest) = PINNED.split_once("SHA256: &str = \"").expect("a hash is pinned");
    let (sha256, _) = rest.split_once('"').expect("a string ends");
    directory.join("components/python").join(sha256).join("python.wasm").is_file()
}

/// Waits until a first program succeeds, which `run` is asked for.
#[track_caller]
pub fn loaded(mut run: impl FnMut() -> Result<(), String>) {
    let mut last = String::new();
    let is_loaded = within(LOADING, || match run() {
        Ok(()) => true,
        Err(error) => {
            last = error;
            false
        }
    });
    assert!(is_loaded, "Python cannot be loaded: {last}");
}
