//! Calls on what is open, in its turn, and the end of that.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use nix::sys::stat::{fstat, futimens};
use tokio::io::AsyncWriteExt;
use tokio::task::AbortHandle;

use super::fetch::UPLOAD_PIECE;
use crate::broker::dispatch::{Dispatch, Line, get_in_line};
use crate::broker::event::{Responder, Room};
use crate::broker::failure::Problem;
use crate::broker::files::{set_len, spec};
use crate::broker::handles::{Resource, Turn};
use crate::broker::open::real_path;
use crate::broker::run::Run;
use crate::broker::stat::describe;
use crate::broker::streams::{MAX_READ, read_pipe};
use crate::protocol::{Answer, Failure, HandleCall, HandleOperation, Whence};

pub(super) fn start(operation: HandleOperation, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    match operation {
        HandleOperation::InTurn { handle, call } => in_turn(handle, call, dispatch),
        HandleOperation::Close { handle } => dispatch.at_once(|run| {
            run.handles.close(handle)?;
            Ok(Answer::Done)
        }),
    }
}

fn in_turn(handle: u32, call: HandleCall, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    let resource = match dispatch.run.handles.get(handle) {
        Ok(resource) => resource,
        Err(failure) => return dispatch.at_once(|_| Err(failure.into())),
    };
    match get_in_line(resource) {
        Line::First(turn) if is_file(&turn) => {
            dispatch.on_thread(answer_bytes(&call), move |run, responder, room| {
                responder.answer(on_file(turn, call, &run), room);
            })
        }
        Line::First(turn) => {
            dispatch.in_task(|run, responder| stream_turn(run, turn, call, responder))
        }
        Line::Behind(turn) => dispatch.in_task(|run, responder| async move {
            late_turn(run, turn.await, call, responder).await;
        }),
    }
}

/// Bytes that an answer may take beyond what its request was charged.
fn answer_bytes(call: &HandleCall) -> usize {
    match call {
        HandleCall::Read { max } => (*max as usize).min(MAX_READ),
        HandleCall::Write { .. }
        | HandleCall::Seek { .. }
        | HandleCall::Stat
        | HandleCall::Truncate { .. }
        | HandleCall::Utime { .. }
        | HandleCall::Sync { .. }
        | HandleCall::Lock { .. } => 0,
    }
}

async fn stream_turn(run: Arc<Run>, turn: Turn, call: HandleCall, responder: Responder) {
    if let (Resource::Upload(_), HandleCall::Write { data }) = (&*turn, &call)
        && data.len() > UPLOAD_PIECE
    {
        let problem = Failure::type_error("A piece of a request's body has at most 64 KiB");
        return responder.answer(Err(problem.into()), Room::default());
    }
    let result = on_stream(turn, call).await;
    let room = if result.is_ok() { run.room().await } else { None };
    responder.answer(result, room.map(Room::from).unwrap_or_default());
}

async fn late_turn(run: Arc<Run>, turn: Turn, call: HandleCall, responder: Responder) {
    if !is_file(&turn) {
        return stream_turn(run, turn, call, responder).await;
    }
    let answer = answer_bytes(&call);
    let work = move |run: Arc<Run>, responder: Responder, room| {
        responder.answer(on_file(turn, call, &run), room);
    };
    run.on_thread_later(answer, responder, work).await;
}

/// Whether operations on it block a thread.
fn is_file(resource: &Resource) -> bool {
    matches!(resource, Resource::File { .. })
}

/// An operation on an open file. Blocks.
fn on_file(mut turn: Turn, call: HandleCall, run: &Run) -> Result<Answer, Problem> {
    let Resource::File { file, whole } = &mut *turn else {
        return Err(Failure::bad_resource().into());
    };
    Ok(match call {
        HandleCall::Read { max } => Answer::Bytes(read(file, max)?.into()),
        HandleCall::Write { data } => {
            let written = run.quota.write(data.len() as u64).and_then(|()| file.write_all(&data));
            written.map_err(|error| match whole {
                Some(path) => Failure::with_context(&error, &format!(": writefile '{path}'")),
                None => Failure::io(&error),
            })?;
            Answer::Count(data.len() as u64)
        }
        HandleCall::Seek { offset, whence } => {
            let position = match whence {
                Whence::Start => SeekFrom::Start(u64::try_from(offset).map_err(|_| invalid())?),
                Whence::Current => SeekFrom::Current(offset),
                Whence::End => SeekFrom::End(offset),
            };
            Answer::Count(file.seek(position)?)
        }
        HandleCall::Stat => {
            let stat = fstat(&*file).map_err(io::Error::from)?;
            Answer::Stat(Box::new(describe(&stat, Some(file.as_fd()))))
        }
        HandleCall::Truncate { length } => {
            set_len(file, length, &run.quota)?;
            Answer::Done
        }
        HandleCall::Utime { accessed, modified } => {
            // (CVE-2025-61785 was this, in Deno.)
            check_writable(file, run)?;
            futimens(&*file, &spec(accessed), &spec(modified)).map_err(io::Error::from)?;
            Answer::Done
        }
        HandleCall::Sync { data_only } => {
            if data_only { file.sync_data() } else { file.sync_all() }?;
            Answer::Done
        }
        HandleCall::Lock { shared } => {
            // A file that is not yet a database may be somebody else's lock: who may only read is
            // not to hold it.
            if !shared || !is_made(file) {
                check_writable(file, run)?;
            }
            lock(file, shared)?;
            Answer::Done
        }
    })
}

/// A descriptor for reading is enough for the kernel, not for the grant.
fn check_writable(file: &File, run: &Run) -> Result<(), Problem> {
    if is_writable(file) {
        return Ok(());
    }
    let path = real_path(file.as_fd())?;
    Err(run.services().policy.write.refusal(&path.to_string_lossy()).into())
}

/// How a database of SQLite begins.
const DATABASE: &[u8; 16] = b"SQLite format 3\0";

/// Whether it is a database of SQLite.
fn is_made(file: &File) -> bool {
    let mut begin = [0; DATABASE.len()];
    file.read_at(&mut begin, 0).is_ok_and(|read| read == begin.len()) && begin == *DATABASE
}

/// Whether it is a database of SQLite, or will be one. Of another file somebody else may have the
/// lock for a purpose of his own, which no program is to hold up.
fn is_database(file: &File) -> io::Result<bool> {
    if !file.metadata()?.is_file() {
        return Ok(false);
    }
    let mut begin = [0; DATABASE.len()];
    let read = file.read_at(&mut begin, 0)?;
    // SQLite writes the first page last: until then the file begins with zeros, if it has anything.
    Ok(begin[..read].iter().all(|byte| *byte == 0) || begin[..read] == *DATABASE)
}

fn lock(file: &File, shared: bool) -> Result<(), Problem> {
    if !is_database(file)? {
        return Err(unsupported());
    }
    let locked = if shared { file.try_lock_shared() } else { file.try_lock() };
    locked.map_err(|error| match error {
        TryLockError::WouldBlock => Failure::new("Busy", "The file is locked").into(),
        TryLockError::Error(error) => error.into(),
    })
}

fn invalid() -> io::Error {
    nix::errno::Errno::EINVAL.into()
}

fn unsupported() -> Problem {
    Failure::new("NotSupported", "The operation is not supported").into()
}

fn is_writable(file: &File) -> bool {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = fcntl(file, FcntlArg::F_GETFL).map(OFlag::from_bits_retain);
    flags.is_ok_and(|flags| flags & OFlag::O_ACCMODE != OFlag::O_RDONLY)
}

fn read(file: &mut File, max: u32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (max as usize).min(MAX_READ)];
    let read = file.read(&mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// An operation on a body or a pipe.
async fn on_stream(mut turn: Turn, call: HandleCall) -> Result<Answer, Problem> {
    match call {
        HandleCall::Read { max } => {
            let max = (max as usize).min(MAX_READ);
            let bytes = match &mut *turn {
                Resource::Body(body) => body.read(max).await?,
                Resource::Stdout(pipe, left) => read_pipe(pipe, left, max).await?,
                Resource::Stderr(pipe, left) => read_pipe(pipe, left, max).await?,
                Resource::File { .. } | Resource::Upload(_) | Resource::Stdin(_) => {
                    return Err(unsupported());
                }
            };
            Ok(Answer::Bytes(bytes.into()))
        }
        HandleCall::Write { data } => {
            let length = data.len() as u64;
            match &mut *turn {
                Resource::Stdin(pipe) => pipe.write_all(&data).await?,
                Resource::Upload(body @ Some(_)) => {
                    // Nothing is the end.
                    let (piece, is_end) = (data.into_vec(), length == 0);
                    let sender = body.as_ref().ok_or_else(Failure::bad_resource)?;
                    let gone = |_| Failure::new("BrokenPipe", "The request has ended");
                    sender.send((!is_end).then_some(piece)).await.map_err(gone)?;
                    if is_end {
                        *body = None;
                    }
                }
                Resource::File { .. }
                | Resource::Body(_)
                | Resource::Upload(None)
                | Resource::Stdout(..)
                | Resource::Stderr(..) => return Err(unsupported()),
            }
            Ok(Answer::Count(length))
        }
        HandleCall::Seek { .. }
        | HandleCall::Stat
        | HandleCall::Truncate { .. }
        | HandleCall::Utime { .. }
        | HandleCall::Sync { .. }
        | HandleCall::Lock { .. } => Err(unsupported()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is open twice and has no name any more.
    fn file(name: &str, bytes: &[u8]) -> [File; 2] {
        let name = format!("conductor-lock-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        let opened = [File::open(&path).unwrap(), File::open(&path).unwrap()];
        std::fs::remove_file(&path).unwrap();
        opened
    }

    fn class(problem: Result<(), Problem>) -> Option<String> {
        match problem {
            Ok(()) => None,
            Err(Problem::Failed(failure)) => Some(failure.class),
            Err(Problem::Denied(_)) => panic!("it is no refusal of policy"),
        }
    }

    #[test]
    fn a_database_is_locked_by_one_who_writes_or_by_all_who_read() {
        for bytes in [&b""[..], &[0; 4096], b"SQLite format 3\0 and pages"] {
            let [first, second] = file("database", bytes);
            assert_eq!(class(lock(&first, true)), None);
            assert_eq!(class(lock(&second, true)), None);
            assert_eq!(class(lock(&first, false)).as_deref(), Some("Busy"));
            drop(second);
            assert_eq!(class(lock(&first, false)), None);
        }
    }

    #[test]
    fn no_other_file_is_locked() {
        for bytes in [&b"x"[..], b"SQLite format 3", b"SQLite format 2\0 and pages"] {
            let [first, _] = file("other", bytes);
            assert_eq!(class(lock(&first, true)).as_deref(), Some("NotSupported"));
        }
        let directory = File::open("/").unwrap();
        assert_eq!(class(lock(&directory, true)).as_deref(), Some("NotSupported"));
    }
}
