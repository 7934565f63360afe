//! What the ops of the snapshot ask of the worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use deno_core::v8;
use deno_error::JsErrorBox;

use super::connection::Connection;
use crate::protocol::{Access, AccessKind, Limit, Refusal, Stream, WorkerMessage};
use crate::snapshots::{self, AccessFuture};

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
}

/// How the program ended itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    Exit(i32),
    Exceeded(Limit),
}

impl WorkerHost {
    pub(super) fn new(connection: Rc<Connection>, isolate: v8::IsolateHandle, cpus: u32) -> Self {
        Self {
            connection,
            isolate,
            cpus,
            printed: Cell::new(0),
            max_output: Cell::new(0),
            max_flood: Cell::new(0),
            full: Cell::new(false),
            ended: RefCell::new(None),
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

    fn end(&self, ended: Ended) {
        self.ended.borrow_mut().get_or_insert(ended);
        self.isolate.terminate_execution();
    }

    fn request(&self, access: snapshots::Access) -> Result<Access, JsErrorBox> {
        let kind = match access.name.as_str() {
            "read" => AccessKind::Read,
            "write" => AccessKind::Write,
            "net" => AccessKind::Net,
            "env" => AccessKind::Env,
            "run" => AccessKind::Run,
            other => return Err(JsErrorBox::type_error(format!("Unknown access: {other}"))),
        };
        Ok(Access { kind, target: access.target, api: access.api })
    }

    fn lost(&self) -> JsErrorBox {
        self.isolate.terminate_execution();
        JsErrorBox::generic("the run is over")
    }
}

fn refused(refusal: Refusal) -> JsErrorBox {
    JsErrorBox::new(refusal.class, refusal.message)
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
            let message = WorkerMessage::Output { stream, bytes: chunk.to_vec() };
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

    fn access_sync(&self, access: snapshots::Access) -> Result<(), JsErrorBox> {
        let access = self.request(access)?;
        match self.connection.request_and_wait(access) {
            Ok(answer) => answer.map_err(refused),
            Err(_) => Err(self.lost()),
        }
    }

    fn access(&self, access: snapshots::Access) -> AccessFuture {
        let sent = self
            .request(access)
            .and_then(|access| self.connection.request(access).map_err(|_| self.lost()));
        Box::pin(async move {
            let answer = sent?.await.map_err(|_| JsErrorBox::generic("the run is over"))?;
            answer.map_err(refused)
        })
    }

    fn granted(&self, _name: &str, _target: Option<&str>) -> bool {
        // Programs have no grant yet; the broker refuses every access.
        false
    }

    fn cpus(&self) -> u32 {
        self.cpus
    }
}
