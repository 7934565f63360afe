//! What programs import.

use serde::{Deserialize, Serialize};

/// `import` of what the server has or reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ModuleOperation {
    /// `mcp:name` and `playbook:name` are answered by
    /// [`Answer::Module`](super::Answer::Module), `npm:` and `jsr:` by
    /// [`Answer::Package`](super::Answer::Package), and `file:` URLs as
    /// [`FileOperation::ReadFile`](super::FileOperation::ReadFile) is.
    Import { specifier: String },
    /// `import` of an installed package of PyPI, `pypi:name`, by a program in Python, whose worker
    /// has its files; answered by [`Answer::Done`](super::Answer::Done) if it is allowed.
    Package { specifier: String },
    /// The texts that an import map is made of; answered by
    /// [`Answer::ImportMap`](super::Answer::ImportMap).
    ImportMap,
}

impl ModuleOperation {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Import { .. } | Self::Package { .. } => "import",
            Self::ImportMap => "importMap",
        }
    }
}

/// A module that was loaded for a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ModuleSource {
    pub media_type: MediaType,
    pub source: String,
    /// The specifier that names it.
    pub name: String,
}

/// In what a module is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum MediaType {
    JavaScript,
    TypeScript,
    Json,
}
