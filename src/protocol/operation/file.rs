//! Operations on paths.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Time;

/// Files and directories by their paths, as `Deno` has them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum FileOperation {
    /// Answered by [`Answer::Handle`](super::Answer::Handle).
    Open {
        path: String,
        options: OpenOptions,
    },
    /// The bytes come before the answer, as data frames.
    ReadFile {
        path: String,
    },
    WriteFile {
        path: String,
        data: ByteBuf,
        options: WriteOptions,
    },
    Stat {
        path: String,
        follow: bool,
    },
    ReadDir {
        path: String,
    },
    Mkdir {
        path: String,
        recursive: bool,
        mode: Option<u32>,
    },
    Remove {
        path: String,
        recursive: bool,
    },
    Rename {
        from: String,
        to: String,
    },
    CopyFile {
        from: String,
        to: String,
    },
    /// A hard link.
    Link {
        from: String,
        to: String,
    },
    Symlink {
        target: String,
        path: String,
    },
    ReadLink {
        path: String,
    },
    RealPath {
        path: String,
    },
    Truncate {
        path: String,
        length: u64,
    },
    Chmod {
        path: String,
        mode: u32,
    },
    Utime {
        path: String,
        accessed: Time,
        modified: Time,
    },
    /// Answered by [`Answer::Text`](super::Answer::Text), the path of what was made.
    MakeTemp {
        directory: bool,
        parent: Option<String>,
        prefix: Option<String>,
        suffix: Option<String>,
    },
    /// Changes what relative paths start from, for this run.
    Chdir {
        path: String,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct OpenOptions {
    pub read: bool,
    pub write: bool,
    pub append: bool,
    pub truncate: bool,
    pub create: bool,
    pub create_new: bool,
    pub mode: Option<u32>,
    /// For `Deno.writeFile`, whose errors name the path.
    pub whole: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct WriteOptions {
    pub append: bool,
    pub create: bool,
    pub create_new: bool,
    pub mode: Option<u32>,
}

impl FileOperation {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::ReadFile { .. } => "readFile",
            Self::WriteFile { .. } => "writeFile",
            Self::Stat { .. } => "stat",
            Self::ReadDir { .. } => "readDir",
            Self::Mkdir { .. } => "mkdir",
            Self::Remove { .. } => "remove",
            Self::Rename { .. } => "rename",
            Self::CopyFile { .. } => "copyFile",
            Self::Link { .. } => "link",
            Self::Symlink { .. } => "symlink",
            Self::ReadLink { .. } => "readLink",
            Self::RealPath { .. } => "realPath",
            Self::Truncate { .. } => "truncate",
            Self::Chmod { .. } => "chmod",
            Self::Utime { .. } => "utime",
            Self::MakeTemp { .. } => "makeTemp",
            Self::Chdir { .. } => "chdir",
        }
    }
}
