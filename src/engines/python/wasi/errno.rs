//! Errors as WASI numbers them.

use crate::engines::python::world::End;
use crate::protocol::Failure;

/// Those that are used here (`wasi_snapshot_preview1`, `errno`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(in crate::engines::python) enum Errno {
    Acces = 2,
    Badf = 8,
    Busy = 10,
    Dquot = 19,
    Exist = 20,
    Fault = 21,
    Fbig = 22,
    Ilseq = 25,
    Intr = 27,
    Inval = 28,
    Io = 29,
    Isdir = 31,
    Loop = 32,
    Mfile = 33,
    Mlink = 34,
    Nametoolong = 37,
    Noent = 44,
    Nomem = 48,
    Nospc = 51,
    Nosys = 52,
    Notdir = 54,
    Notempty = 55,
    Notsock = 57,
    Notsup = 58,
    Overflow = 61,
    Perm = 63,
    Pipe = 64,
    Rofs = 69,
    Spipe = 70,
    Stale = 72,
    Timedout = 73,
    Txtbsy = 74,
    Xdev = 75,
    Notcapable = 76,
}

/// Why a call did not succeed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// The guest is told.
    Errno(Errno),
    /// The guest does not run on.
    End(End),
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<End> for Fault {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

/// What became of a call, or of a part of it.
pub(super) type Done<T = ()> = Result<T, Fault>;

impl Errno {
    /// What the guest is told of an operation that failed.
    pub(super) fn of(failure: &Failure) -> Self {
        if failure.refused {
            return Self::Acces;
        }
        let by_code = failure.code.as_deref().and_then(Self::of_code);
        by_code.unwrap_or_else(|| Self::of_class(&failure.class))
    }

    /// By the name that the server's system has for it.
    fn of_code(code: &str) -> Option<Self> {
        Some(match code {
            "EACCES" => Self::Acces,
            "EBADF" => Self::Badf,
            "EBUSY" => Self::Busy,
            "EDQUOT" => Self::Dquot,
            "EEXIST" => Self::Exist,
            "EFBIG" => Self::Fbig,
            "EILSEQ" => Self::Ilseq,
            "EINTR" => Self::Intr,
            "EINVAL" => Self::Inval,
            "EIO" => Self::Io,
            "EISDIR" => Self::Isdir,
            "ELOOP" => Self::Loop,
            "EMFILE" | "ENFILE" => Self::Mfile,
            "EMLINK" => Self::Mlink,
            "ENAMETOOLONG" => Self::Nametoolong,
            "ENOENT" => Self::Noent,
            "ENOMEM" => Self::Nomem,
            "ENOSPC" => Self::Nospc,
            "ENOSYS" => Self::Nosys,
            "ENOTDIR" => Self::Notdir,
            "ENOTEMPTY" => Self::Notempty,
            "ENOTSUP" | "EOPNOTSUPP" => Self::Notsup,
            "EOVERFLOW" => Self::Overflow,
            "EPERM" => Self::Perm,
            "EPIPE" => Self::Pipe,
            "EROFS" => Self::Rofs,
            "ESPIPE" => Self::Spipe,
            "ESTALE" => Self::Stale,
            "ETIMEDOUT" => Self::Timedout,
            "ETXTBSY" => Self::Txtbsy,
            "EXDEV" => Self::Xdev,
            _ => return None,
        })
    }

    /// By the class of `Deno.errors`, where there is no code.
    fn of_class(class: &str) -> Self {
        match class {
            "NotFound" => Self::Noent,
            "NotCapable" | "PermissionDenied" => Self::Acces,
            "AlreadyExists" => Self::Exist,
            "NotADirectory" => Self::Notdir,
            "IsADirectory" => Self::Isdir,
            "FilesystemLoop" => Self::Loop,
            "Busy" => Self::Busy,
            "BrokenPipe" => Self::Pipe,
            "Interrupted" => Self::Intr,
            "TimedOut" => Self::Timedout,
            "BadResource" => Self::Badf,
            "NotSupported" => Self::Notsup,
            "TypeError" | "InvalidData" => Self::Inval,
            "RangeError" => Self::Fbig,
            // A limit of the run: what was written, made or opened.
            _ => Self::Dquot,
        }
    }
}
