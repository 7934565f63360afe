//! The places of `mcp-conductor-installer`, the program that fetches and bundles packages.

use std::path::PathBuf;

/// Its name, beside this program's or in PATH.
pub(crate) const NAME: &str = "mcp-conductor-installer";

/// Where it is looked for: beside this program, then in PATH. A relative entry of PATH is
/// none: it would be below the working directory, where programs may write.
pub(crate) fn places() -> impl Iterator<Item = PathBuf> {
    let beside = std::env::current_exe().ok();
    let beside = beside.and_then(|own| own.parent().map(PathBuf::from));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let all = beside.into_iter().chain(paths);
    all.filter(|directory| directory.is_absolute()).map(|directory| directory.join(NAME))
}
