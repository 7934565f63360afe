//! What a program sees of an operation that did not work: the classes, texts and
//! codes are Deno's.

use std::io;

use nix::errno::Errno;

use super::open::OpenError;
use crate::policy::Denied;
use crate::protocol::Failure;

impl Failure {
    /// An error of a class, without a code.
    pub(crate) fn new(class: &str, message: impl Into<String>) -> Self {
        Self { class: class.into(), message: message.into(), code: None, refused: false }
    }

    /// Wrong use of an operation.
    pub(crate) fn type_error(message: impl Into<String>) -> Self {
        Self::new("TypeError", message)
    }

    /// A handle that is closed, or was never open.
    pub(super) fn bad_resource() -> Self {
        Self::new("BadResource", "Bad resource ID")
    }

    /// An effect ended without an answer.
    pub(super) fn interrupted() -> Self {
        Self::new("Interrupted", "The operation was interrupted")
    }

    /// A limit of the administrator's.
    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self::new("Error", message)
    }

    /// A refusal in words that the program reads.
    pub(super) fn denied(denied: &Denied) -> Self {
        Self { class: "NotCapable".into(), message: denied.to_string(), code: None, refused: true }
    }

    /// An error of a system call, on nothing in particular.
    pub(super) fn io(error: &io::Error) -> Self {
        Self::with_context(error, "")
    }

    /// An error of a system call on a path, with `: readfile 'x'` after it.
    pub(crate) fn with_context(error: &io::Error, context: &str) -> Self {
        let code = error.raw_os_error().map(Errno::from_raw);
        Self {
            class: class_of(error).into(),
            message: format!("{error}{context}"),
            code: code.map(|code| format!("{code:?}")),
            refused: false,
        }
    }
}

/// deno_error's class of an I/O error (deno_error 0.7, `get_io_error_class`).
fn class_of(error: &io::Error) -> &'static str {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => "NotFound",
        Kind::PermissionDenied => "PermissionDenied",
        Kind::ConnectionRefused => "ConnectionRefused",
        Kind::ConnectionReset => "ConnectionReset",
        Kind::ConnectionAborted => "ConnectionAborted",
        Kind::NotConnected => "NotConnected",
        Kind::AddrInUse => "AddrInUse",
        Kind::AddrNotAvailable => "AddrNotAvailable",
        Kind::BrokenPipe => "BrokenPipe",
        Kind::AlreadyExists => "AlreadyExists",
        Kind::InvalidInput => "TypeError",
        Kind::InvalidData => "InvalidData",
        Kind::TimedOut => "TimedOut",
        Kind::Interrupted => "Interrupted",
        Kind::WriteZero => "WriteZero",
        Kind::UnexpectedEof => "UnexpectedEof",
        Kind::WouldBlock => "WouldBlock",
        Kind::IsADirectory => "IsADirectory",
        Kind::NotADirectory => "NotADirectory",
        Kind::ResourceBusy | Kind::ExecutableFileBusy => "Busy",
        Kind::NetworkUnreachable => "NetworkUnreachable",
        Kind::Unsupported => "NotSupported",
        _ if error.raw_os_error() == Some(Errno::ELOOP as i32) => "FilesystemLoop",
        _ => "Error",
    }
}

/// Why an operation did not work: a refusal is audited before the program sees it.
#[derive(Debug)]
pub(super) enum Problem {
    Denied(Denied),
    Failed(Failure),
}

impl Problem {
    /// An error of opening, with `: open 'x'` after it.
    pub(super) fn opening(error: OpenError, context: &str) -> Self {
        match error.into_failure(context) {
            Ok(failure) => Self::Failed(failure),
            Err(denied) => Self::Denied(denied),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Failed(Failure::io(&error))
    }
}
