//! Answers on their way to the worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::failure::Problem;
use super::interrupted;
use super::refusals::Refusals;
use super::run::Run;
use crate::protocol::{Answer, Failure, ServerMessage, Stream, encode};
use crate::telemetry::{OperationSpan, TraceParent};

/// What a run's broker hands to its session.
pub(crate) enum Event {
    /// A frame for the worker; the last one for a request carries its id.
    Frame {
        bytes: Vec<u8>,
        ends: Option<u32>,
        /// Room for the next; given back when the frame was taken.
        _room: Option<OwnedSemaphorePermit>,
    },
    /// Output of a command that was started with the run's own streams.
    Output { stream: Stream, bytes: Vec<u8>, _room: Option<OwnedSemaphorePermit> },
    /// Progress of a call that the program waits for.
    Progress(String),
}

impl Event {
    /// The request that needs nothing more, and the size of its answer.
    pub(super) fn ends(&self) -> Option<(u32, usize)> {
        match self {
            Self::Frame { ends, bytes, .. } => ends.map(|id| (id, bytes.len())),
            Self::Output { .. } | Self::Progress(_) => None,
        }
    }
}

/// The duty to answer one request. Dropped without an answer, it says so.
pub(super) struct Responder {
    id: u32,
    operation: &'static str,
    events: mpsc::UnboundedSender<Event>,
    queued: Arc<AtomicUsize>,
    refusals: Arc<Refusals>,
    /// Until there is an answer.
    span: Option<OperationSpan>,
}

impl Responder {
    pub(super) fn new(id: u32, operation: &'static str, run: &Run, span: OperationSpan) -> Self {
        let (events, queued) = (run.events(), run.queued.clone());
        let refusals = run.refusals.clone();
        Self { id, operation, events, queued, refusals, span: Some(span) }
    }

    /// The trace that the request is part of.
    pub(super) fn trace_parent(&self) -> Option<TraceParent> {
        self.span.as_ref().and_then(OperationSpan::trace_parent)
    }

    /// Sends a piece of the answer. False if nobody takes it any more.
    pub(super) fn data(&self, bytes: Vec<u8>, left: u64, room: OwnedSemaphorePermit) -> bool {
        let message = ServerMessage::Data { id: self.id, left, bytes: bytes.into() };
        let frame = encode(&message);
        let event = Event::Frame { bytes: frame, ends: None, _room: Some(room) };
        self.events.send(event).is_ok()
    }

    /// Sends the answer, or what went wrong.
    pub(super) fn answer(
        mut self,
        result: Result<Answer, Problem>,
        room: Option<OwnedSemaphorePermit>,
    ) {
        let result = result.map_err(|problem| match problem {
            Problem::Failed(failure) => failure,
            Problem::Denied(denied) => {
                self.refusals.note(self.id, &denied, self.operation);
                Failure::denied(&denied)
            }
        });
        self.send(result, room);
    }

    fn send(&mut self, result: Result<Answer, Failure>, room: Option<OwnedSemaphorePermit>) {
        // Its end comes before the answer, after which the whole run may end.
        if let Some(span) = self.span.take() {
            match &result {
                Ok(Answer::Response(response)) => span.responded(response.status),
                Ok(_) => {}
                Err(failure) => span.failed(&failure.class),
            }
        }
        let bytes = encode(&ServerMessage::Reply { id: self.id, result });
        self.queued.fetch_add(bytes.len(), Ordering::Relaxed);
        let event = Event::Frame { bytes, ends: Some(self.id), _room: room };
        // Nobody is there to take it when the run has ended.
        let _ = self.events.send(event);
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if self.span.is_some() {
            self.send(Err(interrupted()), None);
        }
    }
}
