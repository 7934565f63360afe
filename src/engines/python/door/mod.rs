//! `host.call`: what the boot program asks of the worker. All of it is attacker-chosen, as
//! everything is that a worker says: nothing here is a boundary.

mod frame;
mod outcome;
mod pending;
mod rehearsal;
#[cfg(test)]
mod tests;
mod unfinished;

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use self::frame::{Reply, Request, operation, parse};
use self::pending::{Finished, Pending};
use self::rehearsal::Rehearsal;
use self::unfinished::{Left, Tasks};
use super::image::Image;
use super::world::{End, Refusal, RunWorld, World};
use crate::protocol::{
    Answer, Failure, MAX_IMAGE, Operation, Outcome, Program, Unfinished, WorkerMessage,
};
use crate::worker::{Lost, ScriptPlace};

/// The program's name in what is said of its operations.
const PROGRAM: &str = "program.py";

/// The longest wait; no run lasts as long.
const MAX_WAIT: Duration = Duration::from_hours(24 * 365);

/// The door of one run, or of the zygote.
pub(super) enum Door {
    Zygote(Rehearsal),
    Run(Box<Open>),
}

impl Default for Door {
    fn default() -> Self {
        Self::Zygote(Rehearsal::default())
    }
}

/// The door of one run.
pub(in crate::engines::python) struct Open {
    image: Rc<Image>,
    world: Rc<RunWorld>,
    program: Program,
    pending: Pending,
    outcome: Option<Outcome>,
    /// There as soon as the server has the value.
    left: Option<Left>,
}

impl Door {
    /// For a program.
    pub(super) fn open(image: Rc<Image>, world: Rc<RunWorld>, program: Program) -> Self {
        let pending = Pending::default();
        Self::Run(Box::new(Open { image, world, program, pending, outcome: None, left: None }))
    }

    /// Answers a frame by a frame.
    ///
    /// # Errors
    /// The run is over.
    pub(super) fn call(&mut self, frame: &[u8]) -> Result<Vec<u8>, End> {
        let reply = match (parse(frame), self) {
            (Ok((request, body)), Self::Run(open)) => open.answer(request, body)?,
            (Ok((request, body)), Self::Zygote(rehearsal)) => rehearsal.answer(request, body),
            (Err(failure), _) => Reply::error(&failure),
        };
        Ok(reply.encode())
    }

    /// How the program ended, if it has said so.
    pub(super) fn outcome(&mut self) -> Option<Outcome> {
        match self {
            Self::Run(open) => open.outcome.take(),
            Self::Zygote(_) => None,
        }
    }

    /// Where the objects are that are to be immortal, as the zygote's interpreter has said.
    pub(super) fn take_immortals(&mut self) -> Vec<u32> {
        match self {
            Self::Run(_) => Vec::new(),
            Self::Zygote(rehearsal) => rehearsal.take_immortals(),
        }
    }

    /// The source of the program.
    pub(super) fn source(&self) -> Option<&str> {
        match self {
            Self::Run(open) => Some(&open.program.source),
            Self::Zygote(_) => None,
        }
    }

    /// What the program has left behind, if the server has its value; it runs at that line.
    pub(super) fn left(&mut self, running: Option<u32>) -> Option<Vec<Unfinished>> {
        match self {
            Self::Run(open) => open.left(running),
            Self::Zygote(_) => None,
        }
    }
}

fn failure(message: &str) -> Failure {
    Failure { class: "Error".into(), message: message.into(), code: None, refused: false }
}

/// What is of a package, with the package's name.
fn packages<'a>(of: impl Iterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
    of.map(|(what, package)| (what.to_owned(), format!("pypi:{package}").into())).collect()
}

fn place(line: Option<u32>, column: Option<u32>) -> Option<Rc<ScriptPlace>> {
    line.map(|line| Rc::new((PROGRAM.to_owned(), line, column.unwrap_or(1))))
}

impl Open {
    fn answer(&mut self, request: Request, body: &[u8]) -> Result<Reply, End> {
        match request {
            Request::Program => Ok(self.program()),
            Request::Call { operation: json, line, column } => match operation(json, body) {
                Ok(operation) => self.perform(operation, place(line, column)),
                Err(failure) => Ok(Reply::error(&failure)),
            },
            Request::Start { operation: json, line, column } => match operation(json, body) {
                Ok(operation) => self.start(operation, place(line, column)),
                Err(failure) => Ok(Reply::error(&failure)),
            },
            Request::Wait { seconds } => self.wait(seconds),
            Request::Cancel { id } => self.cancel(id),
            Request::Started => self.world.start().map(|()| Reply::ok(Value::Null)),
            Request::Image { mime_type } => self.image(mime_type, body),
            Request::Note { text } => self.tell(&WorkerMessage::Note(text)),
            Request::Refusal { line, column } => self.refusal(line, column),
            Request::Value => self.value(body),
            Request::Left { work } => Ok(self.tell_left(work)),
            Request::Outcome { outcome } => Ok(self.ended(outcome, body)),
            Request::Immortal => {
                Ok(Reply::error(&failure("Objects are made immortal before a run")))
            }
        }
    }

    fn program(&self) -> Reply {
        let Program {
            source, globals, workspace, has_servers, max_value, max_depth, grace, ..
        } = &self.program;
        let packages = json!({
            "allowed": self.program.allowed_packages,
            "installed": packages(self.image.modules()),
            "requested": packages(self.image.requested()),
        });
        Reply::ok(json!({
            "source": source,
            "globals": globals,
            "workspace": workspace,
            "hasServers": has_servers,
            "maxValue": max_value,
            "maxDepth": max_depth,
            "grace": grace.as_secs_f64(),
            "packages": packages,
        }))
    }

    fn tell(&self, message: &WorkerMessage) -> Result<Reply, End> {
        self.world.start()?;
        self.world.send(message)?;
        Ok(Reply::ok(Value::Null))
    }

    fn perform(&self, operation: Operation, place: Option<Rc<ScriptPlace>>) -> Result<Reply, End> {
        self.world.check()?;
        self.world.start()?;
        let answered = self.world.connection.call_and_wait(operation, place.clone());
        let (request, answer) = answered.map_err(|Lost| self.world.end())?;
        self.tell_place(request, &answer, place.as_deref())?;
        Ok(Reply::of(answer))
    }

    /// Tells the server where the program was when it was refused.
    fn tell_place(
        &self,
        id: u32,
        answer: &Result<Answer, Failure>,
        place: Option<&ScriptPlace>,
    ) -> Result<(), End> {
        if let (Err(Failure { refused: true, .. }), Some(&(_, line, column))) = (answer, place) {
            self.world.send(&WorkerMessage::RefusedAt { id, line, column })?;
        }
        Ok(())
    }

    fn start(
        &mut self,
        operation: Operation,
        place: Option<Rc<ScriptPlace>>,
    ) -> Result<Reply, End> {
        self.world.start()?;
        let connection = self.world.connection.clone();
        let started = self.pending.start(connection, operation, place);
        started.map(Reply::ok).map_err(|Lost| self.world.end())
    }

    /// One that is done, or nothing when the time is over or nothing is to come.
    fn wait(&mut self, seconds: Option<f64>) -> Result<Reply, End> {
        let until = seconds.map(|seconds| Instant::now() + wait_of(seconds));
        loop {
            self.world.check()?;
            self.world.connection.deliver().map_err(|Lost| self.world.end())?;
            if let Some(finished) = self.pending.take().map_err(|Lost| self.world.end())? {
                return self.finished(finished);
            }
            let is_over = match until {
                Some(until) => until <= Instant::now(),
                None => self.pending.is_empty(),
            };
            if is_over {
                return Ok(Reply::ok(Value::Null));
            }
            self.world.wait(until)?;
        }
    }

    fn finished(&self, finished: Finished) -> Result<Reply, End> {
        let Finished { id, request, answer, place } = finished;
        self.tell_place(request, &answer, place.as_deref())?;
        let mut reply = Reply::of(answer);
        if let Value::Object(header) = &mut reply.header {
            header.insert("id".to_owned(), id.into());
        }
        Ok(Reply { header: json!({ "ok": reply.header }), body: reply.body })
    }

    fn cancel(&mut self, id: u32) -> Result<Reply, End> {
        self.pending.cancel(id).map(Reply::ok).map_err(|Lost| self.world.end())
    }

    /// One picture. A longer one would not fit into a frame.
    fn image(&self, mime_type: String, body: &[u8]) -> Result<Reply, End> {
        if body.len() > MAX_IMAGE {
            let message = format!("The picture has {} bytes, more than {MAX_IMAGE}", body.len());
            return Ok(Reply::error(&failure(&message)));
        }
        self.tell(&WorkerMessage::Image { mime_type, bytes: body.to_vec().into() })
    }

    fn refusal(&self, line: Option<u32>, column: Option<u32>) -> Result<Reply, End> {
        let Some(Refusal { request, failure }) = self.world.take_refusal() else {
            return Ok(Reply::ok(Value::Null));
        };
        let told = json!({ "class": failure.class, "message": failure.message });
        self.tell_place(request, &Err(failure), place(line, column).as_deref())?;
        Ok(Reply::ok(told))
    }

    /// Sends the value before what the program has left behind is done. Only the first one counts.
    fn value(&mut self, body: &[u8]) -> Result<Reply, End> {
        match outcome::value(body, &self.program) {
            Ok(Outcome::Value(text)) if self.left.is_none() => {
                self.left = Some(Left::default());
                self.tell(&WorkerMessage::Value(text))
            }
            Ok(Outcome::Exceeded { limit, .. }) => Err(End::Exceeded(limit)),
            Ok(_) => Ok(Reply::error(&failure("The value was sent"))),
            Err(failure) => Ok(Reply::error(&failure)),
        }
    }

    fn tell_left(&mut self, work: Vec<Tasks>) -> Reply {
        if let Some(left) = &mut self.left {
            left.tell(work);
        }
        Reply::ok(Value::Null)
    }

    fn left(&mut self, running: Option<u32>) -> Option<Vec<Unfinished>> {
        Some(self.left.take()?.list(running, self.world.connection.unanswered()))
    }

    /// The first outcome counts.
    fn ended(&mut self, told: Value, body: &[u8]) -> Reply {
        if told.get("left").is_some()
            && let Some(left) = self.left(None)
        {
            self.outcome.get_or_insert(Outcome::Left(left));
            return Reply::ok(Value::Null);
        }
        match outcome::outcome(told, body, &self.program) {
            Ok(outcome) => {
                self.outcome.get_or_insert(outcome);
                Reply::ok(Value::Null)
            }
            Err(failure) => Reply::error(&failure),
        }
    }
}

fn wait_of(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).map_or(MAX_WAIT, |wait| wait.min(MAX_WAIT))
}
