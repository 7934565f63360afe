//! Placeholder: the bundler is on the branch `bundle`.

use crate::exchange::{BundleRequest, Bundled};

/// Bundles the allowed packages of a generation.
pub fn run(_request: BundleRequest) -> Result<Bundled, String> {
    Err("This installer was built without its bundler".to_owned())
}
