//! What a run has open: files, response bodies, request bodies, pipes. A handle
//! is a number that means something in its run only.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard};

use nix::sys::stat::{fstat, futimens};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::commands::{Started, too_much};
use super::failure::Problem;
use super::fetch::{ResponseBody, fetch_problem};
use super::files::{set_len, spec};
use super::open::real_path;
use super::quota::Quota;
use super::run::Run;
use super::stat::describe;
use crate::protocol::{Answer, Failure, Operation, Response, Whence};

/// Bytes that one read answers at most, whatever is asked for.
pub(super) const MAX_READ: usize = 256 << 10;

/// Something open. Operations on it take turns, in the order in which they came.
pub(super) enum Resource {
    /// With its path, if `Deno.writeFile` writes it in pieces.
    File {
        file: File,
        whole: Option<String>,
    },
    Body(Box<ResponseBody>),
    /// The body of a request that is being sent, until its end.
    Upload(Option<mpsc::Sender<Option<Vec<u8>>>>),
    Stdin(ChildStdin),
    Stdout(ChildStdout, Allowance),
    Stderr(ChildStderr, Allowance),
}

/// Bytes that may be read from a pipe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    limit: u64,
    left: u64,
}

impl Allowance {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, left: limit }
    }
}

type Shared = Arc<Mutex<Resource>>;

/// A turn on something open.
pub(super) type Turn = OwnedMutexGuard<Resource>;

/// A response that a streamed request will get.
pub(super) type PendingResponse = oneshot::Receiver<Result<(Response, ResponseBody), Problem>>;

/// Everything that a run has open.
pub(super) struct Handles {
    quota: Arc<Quota>,
    inner: StdMutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last: u32,
    open: HashMap<u32, Shared>,
    responses: HashMap<u32, PendingResponse>,
    requests: HashMap<u32, AbortOnDropHandle<()>>,
    processes: HashMap<u32, Arc<Started>>,
}

impl Handles {
    pub(super) fn new(quota: Arc<Quota>) -> Self {
        Self { quota, inner: StdMutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Gives something open a handle.
    pub(super) fn add(&self, resource: Resource) -> io::Result<u32> {
        self.quota.open()?;
        let mut inner = self.inner();
        let handle = inner.next();
        inner.open.insert(handle, Arc::new(Mutex::new(resource)));
        Ok(handle)
    }

    /// A request whose body is streamed to the handle.
    pub(super) fn add_upload(
        &self,
        body: mpsc::Sender<Option<Vec<u8>>>,
        response: PendingResponse,
        request: AbortOnDropHandle<()>,
    ) -> io::Result<u32> {
        let handle = self.add(Resource::Upload(Some(body)))?;
        let mut inner = self.inner();
        inner.responses.insert(handle, response);
        inner.requests.insert(handle, request);
        Ok(handle)
    }

    /// A process that was started.
    pub(super) fn add_process(&self, process: Started) -> io::Result<u32> {
        self.quota.open()?;
        let mut inner = self.inner();
        let handle = inner.next();
        inner.processes.insert(handle, Arc::new(process));
        Ok(handle)
    }

    pub(super) fn get(&self, handle: u32) -> Result<Shared, Failure> {
        self.inner().open.get(&handle).cloned().ok_or_else(Failure::bad_resource)
    }

    pub(super) fn process(&self, handle: u32) -> Result<Arc<Started>, Failure> {
        self.inner().processes.get(&handle).cloned().ok_or_else(Failure::bad_resource)
    }

    pub(super) fn take_response(&self, handle: u32) -> Result<PendingResponse, Failure> {
        self.inner().responses.remove(&handle).ok_or_else(Failure::bad_resource)
    }

    /// Forgets a handle. What works on it still comes to its end.
    pub(super) fn close(&self, handle: u32) -> Result<(), Failure> {
        let mut inner = self.inner();
        inner.responses.remove(&handle);
        let request = inner.requests.remove(&handle);
        let open = inner.open.remove(&handle);
        let process = inner.processes.remove(&handle).is_some();
        drop(inner);
        if open.is_none() && !process {
            return Err(Failure::bad_resource());
        }
        self.quota.close();
        if let (Some(request), Some(body)) = (request, open) {
            tokio::spawn(end_upload(request, body));
        }
        Ok(())
    }

    /// Forgets everything, and ends what was started.
    pub(super) fn close_all(&self) {
        *self.inner() = Inner::default();
    }
}

impl Inner {
    fn next(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            let free =
                !self.open.contains_key(&self.last) && !self.processes.contains_key(&self.last);
            if self.last != 0 && free {
                return self.last;
            }
        }
    }
}

/// A body that was not sent to its end is not to look as if it were: its request
/// is aborted before the body's channel is closed. One that takes nothing any more is
/// over, and has a reason of its own.
async fn end_upload(request: AbortOnDropHandle<()>, body: Shared) {
    let body = body.lock_owned().await;
    if matches!(&*body, Resource::Upload(Some(body)) if !body.is_closed()) {
        request.abort();
    }
    // Either it was aborted, or it ends by itself: its bounds are the fetcher's.
    let _ = request.await;
    drop(body);
}

/// Whether operations on it block a thread.
pub(super) fn is_file(resource: &Resource) -> bool {
    matches!(resource, Resource::File { .. })
}

/// An operation on an open file. Blocks.
pub(super) fn on_file(mut turn: Turn, operation: Operation, run: &Run) -> Result<Answer, Problem> {
    let Resource::File { file, whole } = &mut *turn else {
        return Err(Failure::bad_resource().into());
    };
    Ok(match operation {
        Operation::Read { max, .. } => Answer::Bytes(read(file, max)?.into()),
        Operation::Write { data, .. } => {
            let written = run.quota.write(data.len() as u64).and_then(|()| file.write_all(&data));
            written.map_err(|error| match whole {
                Some(path) => Failure::with_context(&error, &format!(": writefile '{path}'")),
                None => Failure::io(&error),
            })?;
            Answer::Count(data.len() as u64)
        }
        Operation::Seek { offset, whence, .. } => {
            let position = match whence {
                Whence::Start => SeekFrom::Start(u64::try_from(offset).map_err(|_| invalid())?),
                Whence::Current => SeekFrom::Current(offset),
                Whence::End => SeekFrom::End(offset),
            };
            Answer::Count(file.seek(position)?)
        }
        Operation::FileStat { .. } => {
            let stat = fstat(&*file).map_err(io::Error::from)?;
            Answer::Stat(Box::new(describe(&stat, Some(file.as_fd()))))
        }
        Operation::FileTruncate { length, .. } => {
            set_len(file, length, &run.quota)?;
            Answer::Done
        }
        Operation::FileUtime { accessed, modified, .. } => {
            // A descriptor for reading is enough for the kernel, not for the grant
            // (CVE-2025-61785 was this, in Deno).
            if !is_writable(file) {
                let path = real_path(file.as_fd())?;
                return Err(run.services().policy.write.refusal(&path.to_string_lossy()).into());
            }
            futimens(&*file, &spec(accessed), &spec(modified)).map_err(io::Error::from)?;
            Answer::Done
        }
        Operation::FileSync { data_only, .. } => {
            if data_only { file.sync_data() } else { file.sync_all() }?;
            Answer::Done
        }
        _ => return Err(unsupported()),
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
pub(super) async fn on_stream(mut turn: Turn, operation: Operation) -> Result<Answer, Problem> {
    match operation {
        Operation::Read { max, .. } => {
            let max = (max as usize).min(MAX_READ);
            let bytes = match &mut *turn {
                Resource::Body(body) => body.read(max).await.map_err(fetch_problem)?,
                Resource::Stdout(pipe, left) => read_pipe(pipe, left, max).await?,
                Resource::Stderr(pipe, left) => read_pipe(pipe, left, max).await?,
                _ => return Err(unsupported()),
            };
            Ok(Answer::Bytes(bytes.into()))
        }
        Operation::Write { data, .. } => {
            let length = data.len() as u64;
            match &mut *turn {
                Resource::Stdin(pipe) => pipe.write_all(&data).await?,
                Resource::Upload(body @ Some(_)) => {
                    // Nothing is the end.
                    let (piece, is_end) = (data.into_vec(), length == 0);
                    let sender = body.as_ref().ok_or_else(Failure::bad_resource)?;
                    let gone = |_| Failure::new("BrokenPipe", "The request is over");
                    sender.send((!is_end).then_some(piece)).await.map_err(gone)?;
                    if is_end {
                        *body = None;
                    }
                }
                _ => return Err(unsupported()),
            }
            Ok(Answer::Count(length))
        }
        _ => Err(unsupported()),
    }
}

async fn read_pipe(
    pipe: &mut (impl AsyncRead + Unpin),
    allowance: &mut Allowance,
    max: usize,
) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(max);
    pipe.take(max as u64).read_buf(&mut bytes).await?;
    // It may wait for its place on the way to the worker.
    bytes.shrink_to_fit();
    match allowance.left.checked_sub(bytes.len() as u64) {
        Some(rest) => allowance.left = rest,
        None => return Err(too_much(allowance.limit).into()),
    }
    Ok(bytes)
}
