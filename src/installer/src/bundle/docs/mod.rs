//! The documentation of a package, from its declarations.

use super::package::Package;
use super::places::Places;
use crate::exchange::PackageDocs;

/// What a package says of itself; none if it has no declarations.
pub(super) fn read(_places: &Places, _package: &Package) -> Option<PackageDocs> {
    None
}
