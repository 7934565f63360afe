//! The type checker as a component on disk: which release of TypeScript it is, and where
//! `mcp-conductor install checker` has put it. Servers and zygotes only read it.

use std::path::{Path, PathBuf};

use super::python::{component, size_of};

/// The component's name, which `mcp-conductor install` is given.
pub(crate) const NAME: &str = "checker";

/// The package of npm that it comes from, and its version: the last whose compiler is written in
/// JavaScript.
pub(crate) const PACKAGE: &str = "typescript";
pub(crate) const VERSION: &str = "6.0.3";

/// The SHA-256 of its archive. npm's own sum of the same file is in the test of its installation.
pub(crate) const SHA256: &str = "33cd0ee1beaa8c9e9d15a9da836c62ddea4c34a42d7c2d349dbc80d94165d22a";

/// The compiler's file in the component's directory.
pub(crate) const COMPILER: &str = "typescript.js";

/// How to get it, for texts.
pub(crate) const HOW_TO_GET_IT: &str = "run `mcp-conductor install checker`";

/// Bytes of memory that one check may use: 30 times what a program of 267 lines takes.
pub(crate) const CHECK_MEMORY: u64 = 128 << 20;

/// Bytes of a verdict: 50 diagnostics of 1,000 characters with their places, as JSON.
pub(crate) const MAX_VERDICT: usize = 256 << 10;

/// The checker's directory, if this release of it is installed.
pub(crate) fn installed(install_dir: &Path) -> Option<PathBuf> {
    component(install_dir, NAME, SHA256)
}

/// Whether a file of the package is one of the declarations of ECMAScript: `lib.es5.d.ts`. Those of
/// browsers are others' (`lib.dom.d.ts`).
pub(crate) fn is_library(name: &str) -> bool {
    let middle = name.strip_prefix("lib.").and_then(|rest| rest.strip_suffix(".d.ts"));
    middle.is_some_and(|middle| {
        middle.starts_with("es") || middle == "decorators" || middle == "decorators.legacy"
    })
}

/// What is said of it in one line.
pub(crate) fn described(install_dir: Option<&Path>) -> String {
    match install_dir.and_then(installed) {
        None => format!("Not available: {HOW_TO_GET_IT}"),
        Some(place) => {
            let megabytes = size_of(&place) / 1_000_000;
            format!("{PACKAGE} {VERSION}, {megabytes} MB at {}", place.display())
        }
    }
}
