//! The places of `mcp-conductor-installer`, the program that fetches and bundles packages.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Its name, beside this program's or in PATH.
pub(crate) const NAME: &str = "mcp-conductor-installer";

/// Where it is looked for: beside this program, then in PATH. A relative entry of PATH is
/// none: it would be below the working directory, where programs may write.
pub(crate) fn places() -> Vec<PathBuf> {
    let own = std::env::current_exe().ok();
    places_of(own.as_deref(), &std::env::var_os("PATH").unwrap_or_default())
}

fn places_of(own: Option<&Path>, paths: &OsStr) -> Vec<PathBuf> {
    let beside = own.and_then(Path::parent).map(PathBuf::from);
    let all = beside.into_iter().chain(std::env::split_paths(paths));
    all.filter(|directory| directory.is_absolute()).map(|directory| directory.join(NAME)).collect()
}

/// The places up to the first where it is. The others say nothing.
pub(crate) fn candidates() -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    for place in places() {
        let is_there = place.is_file();
        candidates.push(place);
        if is_there {
            break;
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_working_directory_is_no_place_whatever_path_says() {
        let places = places_of(Some(Path::new("/opt/own")), OsStr::new(":.:bin:/usr/bin:"));
        assert_eq!(places, [Path::new("/opt").join(NAME), Path::new("/usr/bin").join(NAME)]);
        assert!(places_of(None, OsStr::new("")).is_empty());
    }
}
