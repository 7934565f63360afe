//! Messages between the zygote and the server.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::packages::python::PythonFiles;
use crate::sandbox::SandboxStatus;

/// The engine that a zygote has loaded, which its workers run programs with. The pool has
/// a lane for each; `engines` makes what one names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Kind {
    TypeScript,
    /// TypeScript with the `node:` built-ins and the installed packages.
    Packages,
    /// CPython, compiled to WebAssembly.
    Python,
    /// TypeScript's compiler, which checks programs and runs none.
    Checker,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 4] =
        [Self::TypeScript, Self::Packages, Self::Python, Self::Checker];

    /// The name in status and messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TypeScript => "typescript",
            Self::Packages => "packages",
            Self::Python => "python",
            Self::Checker => "typecheck",
        }
    }
}

/// Where a worker's isolate is made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolate {
    /// Once in the zygote; each worker gets a copy-on-write copy.
    #[default]
    Warm,
    /// In each worker, after the fork.
    Fresh,
}

/// Installed packages as a zygote has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Generation {
    /// The directory of the generation.
    pub directory: PathBuf,
    /// Which of the manifest's packages are compiled before the fork, by their place in it:
    /// 1000 names would not fit into a packet of the control socket.
    pub preload: Vec<u16>,
}

/// The first message to a zygote. It holds no secret: workers inherit it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ZygoteSetup {
    pub kind: Kind,
    pub isolate: Isolate,
    /// Bytes of heap and off-heap memory that a program may use.
    pub max_memory: u64,
    /// CPU seconds after which the kernel ends a worker, whatever the server does.
    pub max_cpu_seconds: u64,
    /// The time zone of programs, a name of the IANA database.
    pub time_zone: String,
    /// Layers to leave out. For tests of the status and of the start's refusal.
    pub without: Vec<String>,
    /// The generation of installed packages that the zygote maps, for [`Kind::Packages`]. None
    /// where nothing is installed.
    pub packages: Option<Generation>,
    /// Where Python is, for [`Kind::Python`].
    pub python: Option<PythonFiles>,
    /// The directory of the compiler, for [`Kind::Checker`].
    pub checker: Option<PathBuf>,
}

/// From the server to the zygote, after the setup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ZygoteRequest {
    /// Fork a worker. The worker's end of its socket comes with the message.
    /// One that stands by has time to copy the pages that every run writes.
    Fork { token: u64, standby: bool },
}

/// From the zygote to the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ZygoteMessage {
    /// The zygote can fork, or says why it never will.
    Hello(Box<Result<Hello, String>>),
    /// A worker exists. Its pidfd comes with the message.
    Forked { token: u64 },
    /// No worker was made for this token.
    ForkFailed { token: u64, error: String },
    /// A worker is gone.
    Exited { token: u64, report: ExitReport },
}

/// Notes in a hello, each of at most [`MAX_NOTE`] bytes: 8 KiB of a packet's 16.
pub(crate) const MAX_NOTES: usize = 16;
pub(crate) const MAX_NOTE: usize = 512;

/// What a zygote tells about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub status: SandboxStatus,
    /// Resident anonymous bytes that each worker starts with.
    pub base_memory: u64,
    /// What the engine could not load and does without, at most [`MAX_NOTES`].
    pub notes: Vec<String>,
}

/// The kernel's account of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExitReport {
    /// The exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// User and system CPU time in microseconds.
    pub cpu_micros: u64,
    /// The largest resident set in bytes, memory shared with the zygote included.
    pub max_rss: u64,
}

impl ExitReport {
    /// With the memory beyond so many bytes.
    pub(crate) fn beyond(self, base_rss: u64) -> Self {
        Self { max_rss: self.max_rss.saturating_sub(base_rss), ..self }
    }

    /// User and system CPU time.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_micros(self.cpu_micros)
    }
}
