//! Every privileged operation that a program asks for: decided by `policy`,
//! then done here, outside of the sandbox.
//!
//! ```text
//! Session → Broker::begin → Run::perform, one exhaustive match → policy → effect → Event → Session
//! ```

mod commands;
mod crowd;
mod directory;
mod environment;
mod failure;
mod fetch;
mod fetch_body;
mod files;
mod handles;
mod keeper;
mod network;
#[cfg(test)]
mod once;
mod open;
#[cfg(test)]
mod open_fuzz;
#[cfg(test)]
mod order;
mod place;
mod process;
mod quota;
mod refusals;
mod reply;
mod resolve;
mod run;
mod stat;
mod tally;
mod tools;
mod walk;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

pub use keeper::end_commands;
pub(crate) use keeper::guard_commands;
pub(crate) use fetch::{FetchLimits, tls_with_roots};
pub(crate) use quota::FileLimits;
pub(crate) use reply::Event;
pub(crate) use run::MAX_WAITING_BYTES;
pub(crate) use tools::{ForWhom, ToolCalls};

use crate::audit::Audit;
use crate::config::credentials::Credentials;
use crate::memory::Account;
use crate::playbooks::Playbooks;
use crate::policy::Policy;
use crate::protocol::{Failure, MAX_IN_FLIGHT, Operation};
use crate::sandbox::CommandLimits;
use crate::telemetry::{ExecutionSpan, Metrics};
use crate::upstream::Upstreams;
use reply::Responder;
use run::Run;

/// What all runs of a server share.
pub(crate) struct Services {
    pub policy: Arc<Policy>,
    pub audit: Audit,
    pub metrics: Arc<Metrics>,
    pub credentials: Arc<Credentials>,
    /// The environment when the server started.
    pub environment: HashMap<String, String>,
    pub workspace: PathBuf,
    pub file_limits: FileLimits,
    pub fetch_limits: FetchLimits,
    pub command_limits: CommandLimits,
    /// Bytes of memory of a run: no larger file is read as a whole.
    pub max_memory: u64,
    /// Bytes that a program may read from one pipe of a command.
    pub max_command_output: u64,
    /// What the server may hold for the principal whose runs these are.
    pub memory: Account,
    /// The MCP servers that programs may call.
    pub upstreams: Upstreams,
    pub playbooks: Playbooks,
    /// Calls of tools that a run may make.
    pub max_tool_calls: u32,
    /// Commands run where the kernel has no Landlock.
    pub without_landlock: bool,
}

/// What a run did through its broker.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub refusals: u32,
    pub tool_calls: Vec<ToolCalls>,
}

/// The worker broke the protocol.
#[derive(Debug)]
pub(crate) struct Violation;

/// The broker of one run. Dropping it ends everything that it does for the run.
pub(crate) struct Broker {
    run: Arc<Run>,
    tasks: JoinSet<()>,
    waiting: HashMap<u32, Waiting>,
    waiting_bytes: usize,
    events: mpsc::UnboundedReceiver<Event>,
    span: ExecutionSpan,
}

struct Waiting {
    task: Option<AbortHandle>,
    bytes: usize,
}

impl Broker {
    pub(crate) fn new(
        services: Arc<Services>,
        execution: u64,
        for_whom: ForWhom,
        span: ExecutionSpan,
    ) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        Self {
            run: Arc::new(Run::new(services, execution, for_whom, sender)),
            tasks: JoinSet::new(),
            waiting: HashMap::new(),
            waiting_bytes: 0,
            events,
            span,
        }
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
        let span = self.span.operation(&operation);
        let responder = Responder::new(id, operation.name(), &self.run, span);
        let task = self.run.clone().start(operation, responder, &mut self.tasks);
        self.waiting.insert(id, Waiting { task, bytes });
        self.waiting_bytes += bytes;
        Ok(())
    }

    /// Whether the worker may ask for more: not while it leaves answers unread.
    pub(crate) fn has_room(&self) -> bool {
        self.run.queued.load(Ordering::Relaxed) < MAX_WAITING_BYTES
    }

    /// The program no longer waits for an answer. There is one all the same, and
    /// until it was taken the request counts: a worker that cancels what it asks
    /// for gains nothing.
    pub(crate) fn cancel(&mut self, id: u32) {
        if let Some(Waiting { task: Some(task), .. }) = self.waiting.get(&id) {
            task.abort();
        }
    }

    /// What is to be sent or kept next. Waits for ever while nothing is done.
    pub(crate) async fn next(&mut self) -> Event {
        let event = self.events.recv().await.expect("the run holds a sender");
        if let Some((id, bytes)) = event.ends() {
            self.run.queued.fetch_sub(bytes, Ordering::Relaxed);
            if let Some(waiting) = self.waiting.remove(&id) {
                self.waiting_bytes -= waiting.bytes;
            }
        }
        event
    }

    /// Where the program was when it was refused, as the worker says.
    pub(crate) fn refused_at(&self, id: u32, line: u32, column: u32) {
        self.run.refusals.place(id, line, column);
    }

    /// Ends everything that is done for the run, and says what there was.
    pub(crate) fn end(&mut self) -> Done {
        self.tasks.abort_all();
        self.run.end();
        Done { refusals: self.run.refusals.close(), tool_calls: self.run.tools.calls() }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the program is told where an effect ended without an answer.
fn interrupted() -> Failure {
    Failure::new("Interrupted", "The operation was interrupted")
}
