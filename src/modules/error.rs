//! Why there is no module.

use thiserror::Error;

use crate::playbooks::PlaybookError;
use crate::upstream::UpstreamError;

/// Why a module was not loaded.
#[derive(Debug, Error)]
pub(crate) enum ModuleError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Playbook(#[from] PlaybookError),
    /// Allowed, and not there; with the reason in brackets.
    #[error(
        "Import \"{0}\" is not available: the package is allowed and not installed{1}. An \
         administrator runs `mcp-conductor install`"
    )]
    NotInstalled(String, String),
    #[error(
        "Import \"{0}\" is not available: the package is being installed. Try again in a minute"
    )]
    Installing(String),
    #[error(
        "Import \"{asked}\" is not available: version {version} is installed, of {own} that the \
         server allows. Import \"{package}\""
    )]
    VersionNotSatisfied { asked: String, version: String, own: String, package: String },
    #[error(
        "Import \"{asked}\" is not available: the tag {tag:?} is not compared with version \
         {version}, which is installed, of {own} that the server allows. Import \"{package}\""
    )]
    TagNotCompared { asked: String, tag: String, version: String, own: String, package: String },
    /// The administrator's range has changed since.
    #[error(
        "Import \"{0}\" is not available: version {1} is installed, and the server allows {2}. An \
         administrator runs `mcp-conductor install`"
    )]
    Outdated(String, String, String),
    #[error(
        "Import \"{asked}\" is not available: {package} has no such export. There are {offered}"
    )]
    NoSuchSubpath { asked: String, package: String, offered: String },
    #[error(
        "Import \"{0}\" is not available: {1} has types only, and nothing to import when a \
         program runs. Use import type"
    )]
    TypesOnly(String, String),
    /// With the reason, which names a native addon as one.
    #[error("Import \"{0}\" is not available: {1}")]
    FailedToBuild(String, String),
    #[error("The import was interrupted")]
    Interrupted,
}
