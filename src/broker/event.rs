//! Answers on their way to the worker, and the room that each takes until then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::failure::Problem;
use super::refusals::Refusals;
use crate::memory::{Account, Charge, NoMemory};
use crate::protocol::{Answer, Failure, ServerMessage, Stream, encode};
use crate::telemetry::{OperationSpan, TraceParent};

/// Bytes of an answer that are charged with its request: most answers are a number.
pub(super) const ANSWER: usize = 1 << 10;

/// What an answer takes until its worker has it.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Among what the run has on its way, given back when the session takes it.
    _place: Option<OwnedSemaphorePermit>,
    pub charge: Charge,
    /// For what the answer is made of, until the answer has its own charge.
    before: Charge,
}

impl Room {
    pub(super) fn new(place: OwnedSemaphorePermit, charge: Charge) -> Self {
        Self { _place: Some(place), charge, before: Charge::none() }
    }

    /// The same, with what is charged already for what the answer is made of.
    pub(super) fn after(self, before: Charge) -> Self {
        Self { before, ..self }
    }
}

impl From<OwnedSemaphorePermit> for Room {
    fn from(place: OwnedSemaphorePermit) -> Self {
        Self::new(place, Charge::none())
    }
}

/// Events of a run's broker for its session.
pub(crate) enum Event {
    /// A frame for the worker; the last one for a request carries its id.
    Frame { bytes: Vec<u8>, ends: Option<u32>, room: Room },
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

/// The destination of a run's answers, and the account they are charged to.
#[derive(Clone)]
pub(super) struct Outbox {
    pub events: mpsc::UnboundedSender<Event>,
    /// Bytes of answers that the session has yet to take.
    pub queued: Arc<AtomicUsize>,
    pub refusals: Arc<Refusals>,
    pub account: Account,
}

/// The obligation to answer one request. Dropped without an answer, it sends an error.
pub(super) struct Responder {
    id: u32,
    operation: &'static str,
    outbox: Outbox,
    /// Until there is an answer.
    span: Option<OperationSpan>,
}

impl Responder {
    pub(super) fn new(
        id: u32,
        operation: &'static str,
        outbox: Outbox,
        span: OperationSpan,
    ) -> Self {
        Self { id, operation, outbox, span: Some(span) }
    }

    /// The trace that the request is part of.
    pub(super) fn trace_parent(&self) -> Option<TraceParent> {
        self.span.as_ref().and_then(OperationSpan::trace_parent)
    }

    /// Sends a piece of the answer. False if nobody takes it any more.
    pub(super) fn data(&self, bytes: Vec<u8>, left: u64, room: Room) -> bool {
        let message = ServerMessage::Data { id: self.id, left, bytes: bytes.into() };
        let frame = encode(&message);
        let event = Event::Frame { bytes: frame, ends: None, room };
        self.outbox.events.send(event).is_ok()
    }

    /// Sends the answer, or what went wrong.
    pub(super) fn answer(mut self, result: Result<Answer, Problem>, room: Room) {
        let result = result.map_err(|problem| match problem {
            Problem::Failed(failure) => failure,
            Problem::Denied(denied) => {
                self.outbox.refusals.note(self.id, &denied, self.operation);
                Failure::denied(&denied)
            }
        });
        self.send(result, room);
    }

    fn send(&mut self, result: Result<Answer, Failure>, mut room: Room) {
        // Its end comes before the answer, after which the whole run may end.
        if let Some(span) = self.span.take() {
            match &result {
                Ok(Answer::Response(response)) => span.responded(response.status),
                Ok(_) => {}
                Err(failure) => span.failed(&failure.class),
            }
        }
        let bytes = encode(&ServerMessage::Reply { id: self.id, result });
        let beyond = bytes.len().saturating_sub(ANSWER);
        room.charge.shrink_to(beyond);
        let Outbox { events, queued, account, .. } = &self.outbox;
        let queue = Queue { id: self.id, events: events.clone(), queued: queued.clone() };
        let missing = beyond.saturating_sub(room.charge.bytes());
        match account.try_charge(missing) {
            Ok(charge) => {
                room.charge.merge(charge);
                queue.put(bytes, room);
            }
            // It is there: it waits for its charge here, and its place is taken.
            Err(_) => match Handle::try_current() {
                Ok(event_loop) => {
                    event_loop.spawn(queue.put_charged(bytes, room, missing, account.clone()));
                }
                Err(_) => queue.put_refusal(room),
            },
        }
    }
}

/// Where an answer is put for the session.
struct Queue {
    id: u32,
    events: mpsc::UnboundedSender<Event>,
    queued: Arc<AtomicUsize>,
}

impl Queue {
    fn put(self, bytes: Vec<u8>, mut room: Room) {
        room.before = Charge::none();
        self.queued.fetch_add(bytes.len(), Ordering::Relaxed);
        // Nobody is there to take it when the run has ended.
        let _ = self.events.send(Event::Frame { bytes, ends: Some(self.id), room });
    }

    /// Puts an answer that is larger than what was charged for it.
    async fn put_charged(self, bytes: Vec<u8>, mut room: Room, missing: usize, account: Account) {
        let charged = tokio::select! {
            charged = account.charge(missing) => charged,
            // The run has ended.
            () = self.events.closed() => return,
        };
        match charged {
            Ok(charge) => {
                room.charge.merge(charge);
                self.put(bytes, room);
            }
            Err(_) => {
                drop(bytes);
                self.put_refusal(room);
            }
        }
    }

    fn put_refusal(self, room: Room) {
        let result = Err(no_memory(NoMemory));
        let bytes = encode(&ServerMessage::Reply { id: self.id, result });
        self.put(bytes, room);
    }
}

/// The error for a request whose answer the server has no memory for.
pub(super) fn no_memory(error: NoMemory) -> Failure {
    Failure::limit(error.to_string())
}

impl Drop for Responder {
    fn drop(&mut self) {
        if self.span.is_some() {
            self.send(Err(Failure::interrupted()), Room::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_an_answer_is_made_of_is_charged_until_the_answer_is() {
        let server = Account::of_server(100 << 10);
        let (upstream, run) = (server.share(50 << 10), server.share(50 << 10));
        let room = Room::default().after(upstream.try_charge(20 << 10).unwrap());
        let others = run.try_charge(40 << 10).unwrap();
        let (events, mut session) = mpsc::unbounded_channel();
        let queue = Queue { id: 1, events, queued: Arc::default() };
        let put = queue.put_charged(vec![0; 20 << 10], room, 20 << 10, run.clone());
        let put = tokio::spawn(put);
        tokio::task::yield_now().await;
        assert_eq!(upstream.used(), 20 << 10);
        drop(others);
        put.await.unwrap();
        assert_eq!((upstream.used(), run.used()), (0, 20 << 10));
        drop(session.recv().await);
        assert_eq!(run.used(), 0);
    }
}
