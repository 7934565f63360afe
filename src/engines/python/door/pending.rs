//! Operations that the program does not stand still for.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::future::{AbortHandle, Abortable};
use futures::stream::{FuturesUnordered, StreamExt};

use crate::protocol::{Answer, Failure, Operation};
use crate::worker::{Connection, Lost, ScriptPlace};

/// An operation that is done.
pub(super) struct Finished {
    /// The program's number for it.
    pub id: u32,
    /// The connection's.
    pub request: u32,
    pub answer: Result<Answer, Failure>,
    pub place: Option<Rc<ScriptPlace>>,
}

type Running = Abortable<Pin<Box<dyn Future<Output = Result<Finished, Lost>>>>>;

/// All of them. How many are on their way at a time is bounded by the connection, and what
/// waits behind those by the worker's memory.
#[derive(Default)]
pub(super) struct Pending {
    next: u32,
    running: FuturesUnordered<Running>,
    cancel: HashMap<u32, AbortHandle>,
    finished: VecDeque<Finished>,
}

impl Pending {
    /// Starts one and gives it a number.
    pub(super) fn start(
        &mut self,
        connection: Rc<Connection>,
        operation: Operation,
        place: Option<Rc<ScriptPlace>>,
    ) -> Result<u32, Lost> {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let call = async move {
            let (request, answer) = connection.call(operation, place.clone()).await?;
            Ok(Finished { id, request, answer, place })
        };
        let mut call: Pin<Box<dyn Future<Output = _>>> = Box::pin(call);
        // Begun here: operations keep their order.
        if let Poll::Ready(finished) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            self.finished.push_back(finished?);
            return Ok(id);
        }
        let (handle, registration) = AbortHandle::new_pair();
        self.cancel.insert(id, handle);
        self.running.push(Abortable::new(call, registration));
        Ok(id)
    }

    /// Whether there is nothing to wait for.
    pub(super) fn is_empty(&self) -> bool {
        self.cancel.is_empty() && self.finished.is_empty()
    }

    /// The next that is done, in the order in which they ended.
    pub(super) fn take(&mut self) -> Result<Option<Finished>, Lost> {
        self.collect()?;
        Ok(self.finished.pop_front())
    }

    /// Ends one, and whether there was something to end. The server is told.
    pub(super) fn cancel(&mut self, id: u32) -> Result<bool, Lost> {
        self.finished.retain(|finished| finished.id != id);
        let Some(handle) = self.cancel.remove(&id) else { return Ok(false) };
        handle.abort();
        // Drops it.
        self.collect()?;
        Ok(true)
    }

    /// Moves on what the connection has delivered for. Nobody is woken: who waits, waits for
    /// the socket.
    fn collect(&mut self) -> Result<(), Lost> {
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(ended)) = self.running.poll_next_unpin(&mut context) {
            // What was aborted has nobody to tell.
            let Ok(finished) = ended else { continue };
            let finished = finished?;
            self.cancel.remove(&finished.id);
            self.finished.push_back(finished);
        }
        Ok(())
    }
}
