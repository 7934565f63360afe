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
    #[error("The import was interrupted")]
    Interrupted,
}
