//! What the ops of the snapshot ask of the worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use deno_core::{SourceMapper, v8};

use tokio::sync::Notify;

use super::source::in_source;
use super::unfinished::Timers;
use crate::protocol::{Answer, Failure, Limit, Operation, Stream, WorkerMessage};
use crate::snapshots::{self, CallError, CallFuture};
use crate::worker::{Connection, Lost, ScriptPlace};

/// stdout's number in the ops; everything else is stderr.
const STDOUT: u32 = 1;

/// A program that prints a lot in one call is sent in pieces of this size, far
/// below the server's frame limit.
const OUTPUT_CHUNK: usize = 64 << 10;

/// The worker's side of every op.
pub(super) struct WorkerHost {
    connection: Rc<Connection>,
    isolate: v8::IsolateHandle,
    cpus: u32,
    printed: Cell<u64>,
    max_output: Cell<u64>,
    max_flood: Cell<u64>,
    full: Cell<bool>,
    ended: RefCell<Option<Ended>>,
    over: Notify,
    place: RefCell<Option<ScriptPlace>>,
    timers: Timers,
    mapper: Rc<RefCell<SourceMapper>>,
}

/// How the program ended itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    Exit(i32),
    Exceeded(Limit),
}

impl WorkerHost {
    pub(super) fn new(
        connection: Rc<Connection>,
        isolate: v8::IsolateHandle,
        mapper: Rc<RefCell<SourceMapper>>,
        timers: Timers,
        cpus: u32,
    ) -> Self {
        Self {
            connection,
            isolate,
            cpus,
            timers,
            printed: Cell::new(0),
            max_output: Cell::new(0),
            max_flood: Cell::new(0),
            full: Cell::new(false),
            ended: RefCell::new(None),
            over: Notify::new(),
            place: RefCell::new(None),
            mapper,
        }
    }

    pub(super) fn set_output_limits(&self, max_output: u64, max_flood: u64) {
        self.max_output.set(max_output);
        self.max_flood.set(max_flood);
    }

    /// `Deno.exit` or a limit, if one of them ended the program.
    pub(super) fn ended(&self) -> Option<Ended> {
        *self.ended.borrow()
    }

    /// The program's timers.
    pub(super) fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Waits for that, or a full heap: operations of the program may still be under way.
    pub(super) async fn until_ended(&self) {
        self.over.notified().await;
    }

    /// The heap is full and JavaScript was stopped: what it waited for does not matter.
    pub(super) fn heap_is_full(&self) {
        self.over.notify_one();
    }

    fn end(&self, ended: Ended) {
        self.ended.borrow_mut().get_or_insert(ended);
        self.isolate.terminate_execution();
        self.over.notify_one();
    }

    fn lost(&self) -> CallError {
        self.isolate.terminate_execution();
        over()
    }
}

fn over() -> CallError {
    CallError::new("Interrupted", "the run has ended")
}

/// Tells the server where a refused call stood in the program, and nothing else
/// of an answer.
fn settle(
    answer: Result<Answer, Failure>,
    id: u32,
    place: Option<Rc<ScriptPlace>>,
    connection: &Connection,
    mapper: &RefCell<SourceMapper>,
) -> Result<Answer, CallError> {
    answer.map_err(|failure| {
        if failure.refused
            && let Some((line, column)) = place.and_then(|place| in_source(mapper, &place))
        {
            let _ = connection.send(&WorkerMessage::RefusedAt { id, line, column });
        }
        CallError(failure)
    })
}

impl snapshots::Host for WorkerHost {
    fn write(&self, stream: u32, bytes: &[u8]) {
        let stream = if stream == STDOUT { Stream::Stdout } else { Stream::Stderr };
        let before = self.printed.get();
        let after = before.saturating_add(bytes.len() as u64);
        self.printed.set(after);
        if after > self.max_flood.get() {
            return self.end(Ended::Exceeded(Limit::Output));
        }
        let room = self.max_output.get().saturating_sub(before);
        let kept = &bytes[..bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
        for chunk in kept.chunks(OUTPUT_CHUNK) {
            let message = WorkerMessage::Output { stream, bytes: chunk.to_vec().into() };
            if self.connection.send(&message).is_err() {
                self.isolate.terminate_execution();
            }
        }
        if kept.len() < bytes.len() && !self.full.replace(true) {
            let _ = self.connection.send(&WorkerMessage::OutputFull);
        }
    }

    fn exit(&self, code: i32) {
        self.end(Ended::Exit(code));
    }

    fn exceeded(&self, limit: &str) {
        let limit = if limit == "depth" { Limit::ValueDepth } else { Limit::ValueSize };
        self.end(Ended::Exceeded(limit));
    }

    fn call_sync(&self, operation: Operation) -> Result<Answer, CallError> {
        let place = self.place.take().map(Rc::new);
        match self.connection.call_and_wait(operation, place.clone()) {
            Ok((id, answer)) => settle(answer, id, place, &self.connection, &self.mapper),
            Err(Lost) => Err(self.lost()),
        }
    }

    fn call(&self, operation: Operation) -> CallFuture {
        let place = self.place.take().map(Rc::new);
        let connection = self.connection.clone();
        let mapper = self.mapper.clone();
        let isolate = self.isolate.clone();
        // Begun here and not when it is polled: calls keep their order.
        let mut call = Box::pin(connection.clone().call(operation, place.clone()));
        let begun = futures::FutureExt::now_or_never(&mut call);
        Box::pin(async move {
            let answered = match begun {
                Some(answered) => answered,
                None => call.await,
            };
            match answered {
                Ok((id, answer)) => settle(answer, id, place, &connection, &mapper),
                Err(Lost) => {
                    isolate.terminate_execution();
                    Err(over())
                }
            }
        })
    }

    fn forget(&self, operation: Operation) {
        self.connection.forget(operation);
    }

    fn place(&self, place: Option<ScriptPlace>) {
        self.place.replace(place);
    }

    fn follows_timers(&self) -> bool {
        self.timers.are_followed()
    }

    fn timer(&self, id: u32, place: ScriptPlace) {
        self.timers.started(id, place);
    }

    fn cpus(&self) -> u32 {
        self.cpus
    }
}
