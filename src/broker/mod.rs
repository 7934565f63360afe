//! Every privileged operation that a program asks for: decided by `policy`,
//! then done here, outside of the sandbox.
//!
//! ```text
//! Session → Broker::begin → Run::perform, one exhaustive match → policy → effect → Event → Session
//! ```

mod commands;
mod directory;
mod environment;
mod failure;
mod fetch;
mod fetch_body;
mod files;
mod handles;
mod network;
mod open;
mod process;
mod quota;
mod reply;
mod run;
mod stat;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

pub(crate) use fetch::FetchLimits;
pub(crate) use quota::FileLimits;
pub(crate) use reply::Event;
pub(crate) use run::MAX_WAITING_BYTES;

use crate::audit::{Audit, Refusal};
use crate::config::credentials::Credentials;
use crate::policy::{Denied, Policy};
use crate::protocol::{Failure, MAX_IN_FLIGHT, Operation};
use crate::sandbox::CommandLimits;
use reply::Responder;
use run::Run;

/// Refusals of one run that get a line of their own in the audit log; the line of
/// the run has the number of all of them. A program that is refused more often
/// searches, and must not fill the administrator's disk.
const MAX_AUDITED: u32 = 1000;

/// What all runs of a server share.
pub(crate) struct Services {
    pub policy: Arc<Policy>,
    pub audit: Audit,
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
    /// Commands run where the kernel has no Landlock.
    pub without_landlock: bool,
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
    refused: HashMap<u32, Refused>,
    refusals: u32,
}

struct Waiting {
    task: Option<AbortHandle>,
    bytes: usize,
}

/// A refusal that the worker has yet to say the place of.
struct Refused {
    denied: Denied,
    operation: &'static str,
}

impl Broker {
    pub(crate) fn new(services: Arc<Services>, execution: u64) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        Self {
            run: Arc::new(Run::new(services, execution, sender)),
            tasks: JoinSet::new(),
            waiting: HashMap::new(),
            waiting_bytes: 0,
            events,
            refused: HashMap::new(),
            refusals: 0,
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
        if self.waiting.len() > MAX_IN_FLIGHT || self.waiting.contains_key(&id) {
            return Err(Violation);
        }
        let responder =
            Responder::new(id, operation.name(), self.run.events(), self.run.queued.clone());
        let task = self.run.clone().start(operation, responder, &mut self.tasks);
        self.waiting.insert(id, Waiting { task, bytes });
        self.waiting_bytes += bytes;
        Ok(())
    }

    /// Whether the worker may send more.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting_bytes + self.run.queued.load(Ordering::Relaxed) < MAX_WAITING_BYTES
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

    /// Notes a refusal on its way to the worker, which will say where it was.
    pub(crate) fn refuse(&mut self, id: u32, denied: Denied, operation: &'static str) {
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals > MAX_AUDITED {
            return;
        }
        if let Some(earlier) = self.refused.insert(id, Refused { denied, operation }) {
            self.audit(&earlier, None);
        }
    }

    /// Where the program was when it was refused, as the worker says.
    pub(crate) fn refused_at(&mut self, id: u32, line: u32, column: u32) {
        if let Some(refused) = self.refused.remove(&id) {
            self.audit(&refused, Some((line, column)));
        }
    }

    /// How often the run was refused something.
    pub(crate) fn refusals(&self) -> u32 {
        self.refusals
    }

    fn audit(&self, refused: &Refused, place: Option<(u32, u32)>) {
        let Refused { denied, operation } = refused;
        self.run.services().audit.refused(&Refusal {
            execution: self.run.execution(),
            permission: denied.permission.name(),
            target: denied.target.as_deref(),
            flag: denied.permission.flag(),
            api: operation,
            reason: denied.reason.as_deref(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
        });
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let left: Vec<_> = self.refused.drain().collect();
        for (_, refused) in left {
            self.audit(&refused, None);
        }
        self.run.end();
    }
}

/// What the program is told where an effect ended without an answer.
fn interrupted() -> Failure {
    Failure::new("Interrupted", "The operation was interrupted")
}
