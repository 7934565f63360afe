//! Where tests find the type checker, which is a component of 12 MB that `make test` installs.

use std::path::{Path, PathBuf};

/// Names another install directory that has the checker.
const DIRECTORY: &str = "MCP_CONDUCTOR_TEST_CHECKER_DIR";

/// Where the program has the hash of the release that it takes.
const PINNED: &str = include_str!("../../src/packages/checker.rs");

/// An install directory with the checker below it. Without one the tests that need it are
/// skipped, which continuous integration does not accept.
#[track_caller]
pub fn install_directory() -> Option<PathBuf> {
    let named = std::env::var_os(DIRECTORY).map(PathBuf::from);
    let directory = named
        .unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("checker-store"));
    if has_checker(&directory) {
        return Some(directory.canonicalize().expect("it is there"));
    }
    let missing = format!(
        "The type checker is not installed in {}: run .setup/checker, or name an install directory \
         in {DIRECTORY}",
        directory.display()
    );
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("skipped: {missing}");
    None
}

fn has_checker(directory: &Path) -> bool {
    let (_, rest) = PINNED.split_once("SHA256: &str = \"").expect("a hash is pinned");
    let (sha256, _) = rest.split_once('"').expect("a string ends");
    directory.join("components/checker").join(sha256).join("typescript.js").is_file()
}
