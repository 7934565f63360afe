//! Performs every privileged operation that a program requests: decided by `policy`, then done
//! here, outside the sandbox.
//!
//! ```text
//! Session → Broker::begin → effects::start, a match by capability → a room of effects
//!         → policy → effect, started as `dispatch` has it → Event → Session
//! ```

mod decide;
mod directory;
mod dispatch;
mod effects;
mod environment;
mod event;
mod failure;
mod files;
mod handles;
mod io;
mod meter;
#[cfg(test)]
mod once_tests;
mod open;
#[cfg(test)]
mod open_fuzz_tests;
#[cfg(test)]
mod order_tests;
mod place;
#[cfg(test)]
mod pressure_tests;
mod quota;
mod refusals;
mod resolve;
mod rounded;
mod run;
mod services;
mod stat;
mod streams;
mod tally;
mod tool_calls;
mod walk;
mod withheld;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

pub(crate) use event::Event;
pub use io::end_commands;
pub(crate) use io::{FetchLimits, Owner, guard_commands};
pub(crate) use meter::Meter;
pub(crate) use quota::FileLimits;
pub(crate) use rounded::Rounded;
pub(crate) use run::{MAX_WAITING_BYTES, run_account};
pub(crate) use services::Services;
pub(crate) use tool_calls::{ToolCalls, ToolScope};

use crate::memory::{Account, Charge, NoMemory};
use crate::packages::Snapshot;
use crate::protocol::{MAX_IN_FLIGHT, Operation};
use crate::telemetry::ExecutionSpan;
use dispatch::Dispatch;
use event::{ANSWER, Room, no_memory};
use run::Run;

/// What a run did through its broker.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub refusals: u32,
    pub tool_calls: Vec<ToolCalls>,
}

/// The worker broke the protocol.
#[derive(Debug)]
pub(crate) struct Violation;

/// The broker of one run. Dropping it ends all of its work for the run.
pub(crate) struct Broker {
    run: Arc<Run>,
    tasks: JoinSet<()>,
    waiting: HashMap<u32, Waiting>,
    waiting_bytes: usize,
    /// Requests that wait for memory.
    uncharged: VecDeque<Uncharged>,
    events: mpsc::UnboundedReceiver<Event>,
    span: ExecutionSpan,
}

struct Waiting {
    task: Option<AbortHandle>,
    bytes: usize,
    /// For the request and its answer.
    charge: Charge,
}

struct Uncharged {
    id: u32,
    operation: Operation,
    charge: BoxFuture<'static, Result<Charge, NoMemory>>,
}

impl Broker {
    pub(crate) fn new(
        services: Arc<Services>,
        account: Account,
        execution: u64,
        scope: ToolScope,
        span: ExecutionSpan,
    ) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        Self {
            run: Arc::new(Run::new(services, account, execution, scope, sender)),
            tasks: JoinSet::new(),
            waiting: HashMap::new(),
            waiting_bytes: 0,
            uncharged: VecDeque::new(),
            events,
            span,
        }
    }

    /// Sets the packages that the worker has: whatever is installed meanwhile, imports mean
    /// these.
    pub(crate) fn set_packages(&self, packages: Arc<Snapshot>) {
        // It is set once, before the first operation.
        let _ = self.run.packages.set(packages);
    }

    /// Starts an operation. `bytes` is the size of the frame that it came in.
    pub(crate) fn begin(
        &mut self,
        id: u32,
        operation: Operation,
        bytes: usize,
    ) -> Result<(), Violation> {
        while self.tasks.try_join_next().is_some() {}
        // A worker keeps back what is beyond its places, but not that something open
        // is to be closed.
        let most = MAX_IN_FLIGHT + self.run.services().file_limits.open_files;
        let many = self.waiting.len() > most || self.waiting_bytes > MAX_WAITING_BYTES;
        if many || self.waiting.contains_key(&id) {
            return Err(Violation);
        }
        self.waiting.insert(id, Waiting { task: None, bytes, charge: Charge::none() });
        self.waiting_bytes += bytes;
        let account = self.run.account();
        match account.try_charge(bytes + ANSWER) {
            Ok(charge) if self.uncharged.is_empty() => self.start(id, operation, charge),
            _ => {
                let account = account.clone();
                let charge = async move { account.charge(bytes + ANSWER).await }.boxed();
                self.uncharged.push_back(Uncharged { id, operation, charge });
            }
        }
        Ok(())
    }

    fn start(&mut self, id: u32, operation: Operation, charge: Charge) {
        let span = self.span.operation(&operation);
        let responder = self.run.responder(id, operation.name(), span);
        let dispatch = Dispatch { run: self.run.clone(), responder, tasks: &mut self.tasks };
        let task = effects::start(operation, dispatch);
        if let Some(waiting) = self.waiting.get_mut(&id) {
            (waiting.task, waiting.charge) = (task, charge);
        }
    }

    /// Whether more requests are read: not while the worker leaves answers unread, nor while its
    /// requests wait for memory.
    pub(crate) fn has_room(&self) -> bool {
        self.uncharged.is_empty() && self.run.queued().load(Ordering::Relaxed) < MAX_WAITING_BYTES
    }

    /// CPU time that the server uses for the run.
    pub(crate) fn meter(&self) -> Meter {
        self.run.meter.clone()
    }

    /// The program no longer waits for an answer. The request is answered all the same and counts
    /// until the answer is taken, so that cancelling gains a worker nothing.
    pub(crate) fn cancel(&mut self, id: u32) {
        if let Some(Waiting { task: Some(task), .. }) = self.waiting.get(&id) {
            task.abort();
        }
    }

    /// The next event to send or keep. Pending for as long as nothing is done.
    pub(crate) async fn next(&mut self) -> Event {
        let mut event = loop {
            tokio::select! {
                event = self.events.recv() => break event.expect("the run holds a sender"),
                charged = first(&mut self.uncharged), if !self.uncharged.is_empty() => {
                    self.charged(charged);
                }
            }
        };
        if let Some((id, bytes)) = event.ends() {
            self.run.queued().fetch_sub(bytes, Ordering::Relaxed);
            if let Some(waiting) = self.waiting.remove(&id) {
                self.waiting_bytes -= waiting.bytes;
                if let Event::Frame { room, .. } = &mut event {
                    room.charge.merge(waiting.charge);
                }
            }
        }
        event
    }

    /// Starts the request that has waited longest for memory, if there is one.
    fn charged(&mut self, charged: Result<Charge, NoMemory>) {
        let Some(Uncharged { id, operation, .. }) = self.uncharged.pop_front() else { return };
        match charged {
            Ok(charge) => self.start(id, operation, charge),
            Err(error) => {
                let span = self.span.operation(&operation);
                let responder = self.run.responder(id, operation.name(), span);
                responder.answer(Err(no_memory(error).into()), Room::default());
            }
        }
    }

    /// The program's position at the denial, as reported by the worker.
    pub(crate) fn refused_at(&self, id: u32, line: u32, column: u32) {
        self.run.refusals().place(id, line, column);
    }

    /// A suffix for the message of the error that ended the program: names close to one that it
    /// misspelt.
    pub(crate) fn near_functions(
        &self,
        message: String,
    ) -> impl Future<Output = String> + Send + use<> {
        let run = self.run.clone();
        async move { run.near_functions(&message).await }
    }

    /// Ends all work for the run, and returns what it was.
    pub(crate) fn end(&mut self) -> Summary {
        self.tasks.abort_all();
        self.run.end();
        Summary { refusals: self.run.refusals().close(), tool_calls: self.run.tools.calls() }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.end();
    }
}

/// The wait of the first of these; it continues if this future is dropped.
async fn first(uncharged: &mut VecDeque<Uncharged>) -> Result<Charge, NoMemory> {
    std::future::poll_fn(|context| match uncharged.front_mut() {
        Some(request) => request.charge.poll_unpin(context),
        None => Poll::Pending,
    })
    .await
}
