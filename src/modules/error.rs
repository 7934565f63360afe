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
    #[error("{0} is allowed and not installed: an administrator runs `mcp-conductor install`")]
    NotInstalled(String),
    #[error("{0:?} is a file, and files are not loaded as modules")]
    NoFiles(String),
    #[error("The import was interrupted")]
    Interrupted,
}
