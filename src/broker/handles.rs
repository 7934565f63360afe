//! What a run has open: files, response bodies, request bodies, pipes. A handle
//! is a number that means something in its run only.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use parking_lot::MutexGuard;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::failure::Problem;
use super::io::{ResponseBody, Running};
use super::quota::Quota;
use super::streams::Allowance;
use crate::protocol::{Failure, Response};

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

/// Something open, as those that work on it share it.
pub(super) type Shared = Arc<Mutex<Resource>>;

/// A turn on something open.
pub(super) type Turn = OwnedMutexGuard<Resource>;

/// A response that a streamed request will get.
pub(super) type PendingResponse = oneshot::Receiver<Result<(Response, ResponseBody), Problem>>;

/// Everything that a run has open.
pub(super) struct Handles {
    quota: Arc<Quota>,
    inner: parking_lot::Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last: u32,
    open: HashMap<u32, Shared>,
    responses: HashMap<u32, PendingResponse>,
    requests: HashMap<u32, AbortOnDropHandle<()>>,
    processes: HashMap<u32, Arc<Running>>,
}

impl Handles {
    pub(super) fn new(quota: Arc<Quota>) -> Self {
        Self { quota, inner: parking_lot::Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
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
    pub(super) fn add_process(&self, process: Running) -> io::Result<u32> {
        self.quota.open()?;
        let mut inner = self.inner();
        let handle = inner.next();
        inner.processes.insert(handle, Arc::new(process));
        Ok(handle)
    }

    pub(super) fn get(&self, handle: u32) -> Result<Shared, Failure> {
        self.inner().open.get(&handle).cloned().ok_or_else(Failure::bad_resource)
    }

    pub(super) fn process(&self, handle: u32) -> Result<Arc<Running>, Failure> {
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
