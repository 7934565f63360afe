//! The privileged operations that a program can ask for, and their answers.
//!
//! The names of fields are those that `js/` uses: the thin ops take an operation
//! from JavaScript as it stands here. This file is compiled for `build.rs` too.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// What a program asks the broker for. Every field is the program's to choose.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Operation {
    /// Answered by [`Answer::Handle`].
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
    /// Answered by [`Answer::Text`], the path of what was made.
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

    /// At most `max` bytes; none is the end. For files, bodies and pipes.
    Read {
        handle: u32,
        max: u32,
    },
    /// For files, request bodies and pipes.
    Write {
        handle: u32,
        data: ByteBuf,
    },
    Seek {
        handle: u32,
        offset: i64,
        whence: Whence,
    },
    FileStat {
        handle: u32,
    },
    FileTruncate {
        handle: u32,
        length: u64,
    },
    FileUtime {
        handle: u32,
        accessed: Time,
        modified: Time,
    },
    FileSync {
        handle: u32,
        data_only: bool,
    },
    Close {
        handle: u32,
    },

    /// Answered by [`Answer::Response`].
    Fetch {
        method: String,
        url: String,
        headers: Vec<(ByteBuf, ByteBuf)>,
        body: RequestBody,
    },
    /// Waits for the response of a request whose body is streamed.
    FetchResponse {
        handle: u32,
    },

    /// Answered by [`Answer::MaybeText`].
    EnvGet {
        name: String,
    },
    EnvSet {
        name: String,
        value: String,
    },
    EnvDelete {
        name: String,
    },
    /// Answered by [`Answer::Variables`].
    EnvAll,

    /// Answered by [`Answer::Child`].
    Spawn(Box<SpawnOptions>),
    /// Runs a command to its end; answered by [`Answer::Output`].
    Output(Box<SpawnOptions>),
    /// Answered by [`Answer::Exit`].
    Wait {
        handle: u32,
    },
    Kill {
        handle: u32,
        signal: String,
    },

    /// Calls a tool of an upstream server; without one, `tool` is a qualified name
    /// such as `mcp__server__tool`. Answered by [`Answer::Text`], the result as JSON.
    CallTool {
        server: Option<String>,
        tool: String,
        /// A JSON object.
        arguments: String,
    },
    /// Asks an upstream server for something else; answered by [`Answer::Text`], JSON.
    AskServer {
        server: String,
        question: Question,
    },
    /// Names of the upstream servers; answered by [`Answer::Text`], JSON.
    Servers,
    /// The upstream servers that the run may use, with what each has; answered by
    /// [`Answer::Text`], JSON.
    DescribeServers,
    /// Tools for a query, the best first; answered by [`Answer::Text`], JSON.
    SearchTools {
        query: String,
        limit: u32,
    },
    /// One tool by its qualified name; answered by [`Answer::MaybeText`], JSON.
    ToolSchema {
        name: String,
    },
    /// The source of a module of ours, `mcp:name` or `playbook:name`; answered by
    /// [`Answer::Text`].
    Module {
        specifier: String,
    },

    /// `Deno.permissions.query`; answered by [`Answer::Permission`].
    Query {
        name: String,
        target: Option<String>,
    },
}

/// What a program can ask an upstream server beside calls of tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Question {
    ListTools,
    ListResources,
    ReadResource {
        uri: String,
    },
    ListPrompts,
    GetPrompt {
        name: String,
        /// A JSON object.
        arguments: String,
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

/// A time since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Time {
    pub seconds: i64,
    pub nanos: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Whence {
    Start,
    Current,
    End,
}

/// A request's body.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RequestBody {
    None,
    /// All of it.
    Bytes(ByteBuf),
    /// It follows through [`Operation::Write`] on the handle that answers the
    /// request, and ends with [`Operation::Write`] of nothing.
    Stream,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SpawnOptions {
    pub command: String,
    pub args: Vec<String>,
    pub cwd: Option<String>,
    pub clear_env: bool,
    pub env: Vec<(String, String)>,
    pub stdin: Stdio,
    pub stdout: Stdio,
    pub stderr: Stdio,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Stdio {
    #[default]
    Null,
    Piped,
    /// The run's own output, or no input.
    Inherit,
}

/// What came of an operation.
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

/// What a command came to, with what it printed where that was piped.
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

/// An operation that was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The class of `Deno.errors`, or a built-in one, that the program sees.
    pub class: String,
    pub message: String,
    /// Node's name of the error, such as `ENOENT`.
    pub code: Option<String>,
    /// A refusal by policy: the worker is to say where the program was.
    pub refused: bool,
}

impl Operation {
    /// The handle that an operation works on.
    pub(crate) fn handle_mut(&mut self) -> Option<&mut u32> {
        match self {
            Self::Read { handle, .. }
            | Self::Write { handle, .. }
            | Self::Seek { handle, .. }
            | Self::FileStat { handle }
            | Self::FileTruncate { handle, .. }
            | Self::FileUtime { handle, .. }
            | Self::FileSync { handle, .. }
            | Self::Close { handle }
            | Self::FetchResponse { handle }
            | Self::Wait { handle }
            | Self::Kill { handle, .. } => Some(handle),
            _ => None,
        }
    }

    /// Whether its lists are longer than any that is accepted. Each entry of an
    /// empty text takes 24 bytes of memory and one of a frame.
    pub(crate) fn has_too_many_parts(&self) -> bool {
        const MAX_PARTS: usize = 4096;
        match self {
            Self::Spawn(options) | Self::Output(options) => {
                options.args.len() > MAX_PARTS || options.env.len() > MAX_PARTS
            }
            Self::Fetch { headers, .. } => headers.len() > MAX_PARTS,
            _ => false,
        }
    }

    /// Its name, for the audit log.
    pub(crate) fn name(&self) -> &'static str {
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
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Seek { .. } => "seek",
            Self::FileStat { .. } => "fileStat",
            Self::FileTruncate { .. } => "fileTruncate",
            Self::FileUtime { .. } => "fileUtime",
            Self::FileSync { .. } => "fileSync",
            Self::Close { .. } => "close",
            Self::Fetch { .. } => "fetch",
            Self::FetchResponse { .. } => "fetchResponse",
            Self::EnvGet { .. } => "envGet",
            Self::EnvSet { .. } => "envSet",
            Self::EnvDelete { .. } => "envDelete",
            Self::EnvAll => "envAll",
            Self::Spawn(_) => "spawn",
            Self::Output(_) => "output",
            Self::Wait { .. } => "wait",
            Self::Kill { .. } => "kill",
            Self::CallTool { .. } => "callTool",
            Self::AskServer { .. } => "askServer",
            Self::Servers => "serverNames",
            Self::DescribeServers => "listServers",
            Self::SearchTools { .. } => "searchTools",
            Self::ToolSchema { .. } => "getToolSchema",
            Self::Module { .. } => "import",
            Self::Query { .. } => "query",
        }
    }
}
