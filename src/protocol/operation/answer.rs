//! Answers to operations.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::module::ModuleSource;

/// The result of an operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Handle(u32),
    /// Bytes written, or a position in a file.
    Count(u64),
    Text(String),
    MaybeText(Option<String>),
    Bytes(ByteBuf),
    Stat(Box<Stat>),
    Entries(Vec<DirEntry>),
    Variables(Vec<(String, String)>),
    Response(Box<Response>),
    Child(Child),
    Exit(Exit),
    Output(Box<Output>),
    Permission(PermissionState),
    Module(Box<ModuleSource>),
    /// The file below `bundle/` that is a module of a package.
    Package {
        file: String,
    },
    /// Files of the workspace by their names, those that there are and that the run may read.
    ImportMap {
        files: Vec<(String, String)>,
    },
}

impl Answer {
    /// What it opened.
    pub(crate) fn handles(&self) -> impl Iterator<Item = u32> {
        let handles = match self {
            Self::Handle(handle) => [Some(*handle), None, None, None],
            Self::Response(response) => [Some(response.handle), None, None, None],
            Self::Child(child) => [Some(child.handle), child.stdin, child.stdout, child.stderr],
            _ => [None; 4],
        };
        handles.into_iter().flatten()
    }
}

/// As `Deno.FileInfo`; times in milliseconds since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stat {
    pub is_file: bool,
    pub is_directory: bool,
    pub is_symlink: bool,
    pub size: u64,
    pub mtime: i64,
    pub atime: i64,
    pub birthtime: Option<i64>,
    pub ctime: i64,
    pub dev: u64,
    pub ino: u64,
    pub mode: u32,
    pub nlink: u64,
    pub uid: u32,
    pub gid: u32,
    pub rdev: u64,
    pub blksize: u64,
    pub blocks: u64,
    pub is_block_device: bool,
    pub is_char_device: bool,
    pub is_fifo: bool,
    pub is_socket: bool,
}

/// As `Deno.DirEntry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DirEntry {
    pub name: String,
    pub is_file: bool,
    pub is_directory: bool,
    pub is_symlink: bool,
}

/// The head of an HTTP response.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Response {
    pub status: u16,
    pub status_text: String,
    pub headers: Vec<(ByteBuf, ByteBuf)>,
    /// Of the body; to be read and closed.
    pub handle: u32,
}

/// A process that was started. Handles of the streams that are piped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Child {
    pub handle: u32,
    pub pid: u32,
    pub stdin: Option<u32>,
    pub stdout: Option<u32>,
    pub stderr: Option<u32>,
}

/// As `Deno.CommandStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exit {
    pub success: bool,
    pub code: i32,
    /// Such as `SIGKILL`.
    pub signal: Option<String>,
}

/// How a command ended, with its piped output.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Output {
    pub exit: Exit,
    pub stdout: Option<ByteBuf>,
    pub stderr: Option<ByteBuf>,
}

/// As `Deno.PermissionState`, with `partial` for a grant that has exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PermissionState {
    pub granted: bool,
    /// A deny rule forbids it; else nothing grants it.
    pub denied: bool,
    pub partial: bool,
}

/// An operation that was denied or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The class of `Deno.errors`, or a built-in one, that the program sees.
    pub class: String,
    pub message: String,
    /// Node's name of the error, such as `ENOENT`.
    pub code: Option<String>,
    /// Denied by policy: the worker is to report the program's position.
    pub refused: bool,
}
