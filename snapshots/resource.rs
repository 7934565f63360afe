//! What is open in the broker, as a resource of deno_core.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use deno_core::{
    AsyncResult, BufMutView, BufView, CancelFuture, CancelHandle, OpState, Resource, ResourceId,
    WriteOutcome, op2,
};
use deno_error::JsErrorBox;

use super::error::CallError;
use super::{Host, host};
use crate::protocol::{Answer, Operation};

/// Bytes that are sent in one request. A worker's frames have a limit.
pub(crate) const WRITE_PIECE: usize = 64 << 10;

/// Bytes that are asked for at first when all of a resource is read, and at most, which
/// is as many as the broker answers with at once.
const FIRST_READ: usize = 64 << 10;
const LARGEST_READ: usize = 256 << 10;

/// A handle of the broker's.
pub struct RemoteHandle {
    host: Rc<dyn Host>,
    handle: u32,
    closed: Cell<bool>,
    /// Ends reads that wait, when this is closed.
    cancel: Rc<CancelHandle>,
}

impl RemoteHandle {
    /// Makes a handle a resource, and returns its number in JavaScript.
    pub(super) fn add(state: &mut OpState, handle: u32) -> u32 {
        let host = host(state);
        state.resource_table.add(Self {
            host,
            handle,
            closed: Cell::new(false),
            cancel: CancelHandle::new_rc(),
        })
    }

    pub(super) fn handle(&self) -> u32 {
        self.handle
    }

    fn read_operation(&self, limit: usize) -> Operation {
        Operation::read(self.handle, u32::try_from(limit).unwrap_or(u32::MAX))
    }

    fn write_operation(&self, piece: &[u8]) -> Operation {
        Operation::write(self.handle, piece.to_vec())
    }
}

fn bytes(answer: Result<Answer, CallError>) -> Result<Vec<u8>, JsErrorBox> {
    match answer.map_err(JsErrorBox::from_err)? {
        Answer::Bytes(bytes) => Ok(bytes.into_vec()),
        _ => Err(JsErrorBox::generic("the broker's answer holds no bytes")),
    }
}

impl Resource for RemoteHandle {
    fn name(&self) -> Cow<'_, str> {
        "fsFile".into()
    }

    fn read(self: Rc<Self>, limit: usize) -> AsyncResult<BufView> {
        let call = self.host.call(self.read_operation(limit));
        let cancel = self.cancel.clone();
        Box::pin(async move {
            let answer = call.or_cancel(cancel).await.map_err(JsErrorBox::from_err)?;
            Ok(BufView::from(bytes(answer)?))
        })
    }

    fn read_byob(self: Rc<Self>, mut buffer: BufMutView) -> AsyncResult<(usize, BufMutView)> {
        let call = self.host.call(self.read_operation(buffer.len()));
        let cancel = self.cancel.clone();
        Box::pin(async move {
            let answer = call.or_cancel(cancel).await.map_err(JsErrorBox::from_err)?;
            let read = bytes(answer)?;
            // Never more than was asked for, unless the broker is broken.
            let length = read.len().min(buffer.len());
            buffer[..length].copy_from_slice(&read[..length]);
            Ok((length, buffer))
        })
    }

    fn read_byob_sync(self: Rc<Self>, buffer: &mut [u8]) -> Result<usize, JsErrorBox> {
        let read = bytes(self.host.call_sync(self.read_operation(buffer.len())))?;
        let length = read.len().min(buffer.len());
        buffer[..length].copy_from_slice(&read[..length]);
        Ok(length)
    }

    fn write(self: Rc<Self>, buffer: BufView) -> AsyncResult<WriteOutcome> {
        // All pieces are sent now, so that they keep their place between calls.
        let calls: Vec<_> = buffer
            .chunks(WRITE_PIECE)
            .map(|piece| self.host.call(self.write_operation(piece)))
            .collect();
        Box::pin(async move {
            for call in calls {
                call.await.map_err(JsErrorBox::from_err)?;
            }
            Ok(WriteOutcome::Full { nwritten: buffer.len() })
        })
    }

    fn write_sync(self: Rc<Self>, data: &[u8]) -> Result<usize, JsErrorBox> {
        for piece in data.chunks(WRITE_PIECE) {
            let written = self.host.call_sync(self.write_operation(piece));
            written.map_err(JsErrorBox::from_err)?;
        }
        Ok(data.len())
    }

    fn shutdown(self: Rc<Self>) -> AsyncResult<()> {
        self.close();
        Box::pin(async { Ok(()) })
    }

    fn close(self: Rc<Self>) {
        if !self.closed.replace(true) {
            self.cancel.cancel();
            self.host.forget(Operation::close(self.handle));
        }
    }
}

/// Everything that a resource has to read, in a buffer of its size. In the place of
/// deno_core's, which keeps up to 128 KiB for some bytes, and V8 is told of those only.
#[op2]
#[buffer]
pub(super) async fn op_read_all(
    state: Rc<RefCell<OpState>>,
    #[smi] rid: ResourceId,
) -> Result<Vec<u8>, JsErrorBox> {
    let resource = state.borrow().resource_table.get_any(rid).map_err(JsErrorBox::from_err)?;
    let (mut bytes, mut limit) = (Vec::new(), FIRST_READ);
    loop {
        let piece = resource.clone().read(limit).await?;
        if piece.is_empty() {
            return Ok(bytes);
        }
        if piece.len() == limit {
            limit = (limit * 2).min(LARGEST_READ);
        }
        bytes.extend_from_slice(&piece);
    }
}
