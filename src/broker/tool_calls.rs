//! The tool calls of one run: scope, turns, counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::event::Event;
use super::failure::Problem;
use super::rounded::Rounded;
use crate::catalog::Had;
use crate::config::environment::MAX_TOOL_CALLS;
use crate::conversations::Within;
use crate::policy::{RunTools, Withheld};
use crate::protocol::Failure;
use crate::upstream::{Caller, RunCaller};

/// Concurrent requests of one run to upstream servers. With results of the
/// default limit, 8 MiB, at most 256 MiB of memory.
const IN_FLIGHT: usize = 32;

/// Tools that a run's summary has a line for.
const MAX_SUMMARY: usize = 256;

/// Progress messages of a run that are passed on; more tell nothing new.
const MAX_PROGRESS: u32 = 1000;

/// The tool scope of a run, the client that it may send requests to, and what else is its own.
#[derive(Clone, Default)]
pub(crate) struct ToolScope {
    pub tools: RunTools,
    pub caller: Option<Arc<dyn Caller>>,
    pub rounded: Rounded,
    pub conversation: Within,
    /// What the run does without, whatever is granted.
    pub withheld: Withheld,
}

/// Calls of one tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolCalls {
    /// `server/tool`.
    pub tool: String,
    pub calls: u32,
    pub errors: u32,
    /// All of them together.
    pub time: Duration,
}

/// What one run calls.
pub(super) struct Tools {
    scope: ToolScope,
    turns: Arc<Semaphore>,
    made: AtomicU32,
    limit: u32,
    calls: Mutex<Vec<ToolCalls>>,
    progress: Arc<AtomicU32>,
    /// The client, as far as this run may ask it something.
    caller: Option<Arc<dyn Caller>>,
    ended: CancellationToken,
    /// For what an error says of functions that are not there.
    had: Mutex<Had>,
}

impl Tools {
    pub(super) fn new(scope: ToolScope, limit: u32) -> Self {
        let ended = CancellationToken::new();
        let caller = scope.caller.clone();
        let caller = caller.map(|caller| RunCaller::of_run(caller, ended.clone()));
        Self {
            caller,
            ended,
            scope,
            turns: Arc::new(Semaphore::new(IN_FLIGHT)),
            made: AtomicU32::new(0),
            limit,
            calls: Mutex::default(),
            progress: Arc::default(),
            had: Mutex::default(),
        }
    }

    /// What the program had of tools, for what an error says of functions.
    pub(super) fn had(&self) -> MutexGuard<'_, Had> {
        self.had.lock()
    }

    /// Notes a module `mcp:name` of the program.
    pub(super) fn imported(&self, name: &str) {
        let mut had = self.had();
        if !had.modules.iter().any(|known| **known == *name) {
            had.modules.push(name.into());
        }
    }

    /// A turn among the requests of the run.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.turns.clone().acquire_owned().await.ok()
    }

    /// The tools that the run may call.
    pub(super) fn allowed(&self) -> &RunTools {
        &self.scope.tools
    }

    /// What the run does without.
    pub(super) fn withheld(&self) -> Withheld {
        self.scope.withheld
    }

    /// The conversation that the run is in, if it is in one.
    pub(super) fn conversation(&self) -> &Within {
        &self.scope.conversation
    }

    /// Tells the run's conversation of a search.
    pub(super) fn found(&self, query: &str, tools: &[String]) {
        if let Within::One(one) = &self.scope.conversation {
            one.found(query, tools);
        }
    }

    /// Tells the run's conversation of a tool that the program knows now.
    pub(super) fn loaded(&self, tool: &str) {
        if let Within::One(one) = &self.scope.conversation {
            one.loaded(tool);
        }
    }

    /// Tells the run's conversation of a tool that has answered.
    pub(super) fn called(&self, qualified: &str, server: &str, tool: &str) {
        if let Within::One(one) = &self.scope.conversation {
            one.called(qualified, (server.to_owned(), tool.to_owned()));
        }
    }

    /// What is wrong with arguments: numbers that JavaScript has rounded.
    pub(super) fn problem_with(&self, arguments: &Map<String, Value>) -> Option<String> {
        self.scope.rounded.problem_with(arguments)
    }

    /// The client, as far as this run may ask it something.
    pub(super) fn caller(&self) -> Option<Arc<dyn Caller>> {
        self.caller.clone()
    }

    /// Passes progress of calls on to the client, up to a number of messages.
    pub(super) fn progress(
        &self,
        events: mpsc::UnboundedSender<Event>,
    ) -> Arc<dyn Fn(String) + Send + Sync> {
        let passed = self.progress.clone();
        Arc::new(move |message| {
            if passed.fetch_add(1, Ordering::Relaxed) < MAX_PROGRESS {
                // Nobody listens any more when the run has ended.
                let _ = events.send(Event::Progress(message));
            }
        })
    }

    pub(super) fn end(&self) {
        self.turns.close();
        self.ended.cancel();
    }

    pub(super) fn calls(&self) -> Vec<ToolCalls> {
        self.calls.lock().clone()
    }

    /// Takes a call from the limit.
    pub(super) fn count(&self) -> Result<(), Problem> {
        if self.made.fetch_add(1, Ordering::Relaxed) < self.limit {
            return Ok(());
        }
        self.made.fetch_sub(1, Ordering::Relaxed);
        let limit = self.limit;
        Err(Failure::limit(format!(
            "The run has made {limit} tool calls, which is the limit ({MAX_TOOL_CALLS})"
        ))
        .into())
    }

    /// Counts a call, as failed until it succeeds: the run may end first.
    pub(super) fn begin(&self, server: &str, tool: &str) -> Option<usize> {
        let tool = format!("{server}/{tool}");
        let mut calls = self.calls.lock();
        let found = match calls.iter().position(|known| known.tool == tool) {
            Some(found) => found,
            None if calls.len() == MAX_SUMMARY => return None,
            None => {
                calls.push(ToolCalls { tool, calls: 0, errors: 0, time: Duration::ZERO });
                calls.len() - 1
            }
        };
        calls[found].calls += 1;
        calls[found].errors += 1;
        Some(found)
    }

    /// Notes how a call ended that [`Self::begin`] counted.
    pub(super) fn finish(&self, entry: Option<usize>, failed: bool, time: Duration) {
        let mut calls = self.calls.lock();
        if let Some(entry) = entry.and_then(|entry| calls.get_mut(entry)) {
            entry.errors -= u32::from(!failed);
            entry.time += time;
        }
    }
}
