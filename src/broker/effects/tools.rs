//! Tools of upstream servers, and modules of ours.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::failure::Problem;
use super::reply::Event;
use super::rounded::Rounded;
use super::run::Run;
use crate::config::environment::MAX_TOOL_CALLS;
use crate::config::servers::MAX_SERVER_NAME;
use crate::memory::Charge;
use crate::policy::RunTools;
use crate::protocol::{Answer, Failure, Operation, Question};
use crate::telemetry::TraceParent;
use crate::text::mended::mended;
use crate::upstream::{
    Ask, CallContext, CallError, Caller, Charged, GoOn, Had, MAX_TOOL_NAME, RunCaller,
    UpstreamError,
};

/// Requests of one run to upstream servers at the same time. With results of the
/// default limit, 8 MiB, at most 256 MiB of memory.
const IN_FLIGHT: usize = 32;

/// Tools that a run's summary has a line for.
const MAX_SUMMARY: usize = 256;

/// Progress messages of a run that are passed on; the rest says nothing new.
const MAX_PROGRESS: u32 = 1000;

/// `mcp__`, both names and what is between them.
const MAX_QUALIFIED_NAME: usize = 5 + MAX_SERVER_NAME + 2 + MAX_TOOL_NAME;

/// Bytes of a query that are read.
const MAX_QUERY: usize = 1024;

/// Tools that one search gives back.
const MAX_FOUND: u32 = 100;

/// Whom a run is for, and what that one may call.
#[derive(Clone, Default)]
pub(crate) struct ForWhom {
    pub tools: RunTools,
    pub caller: Option<Arc<dyn Caller>>,
    pub rounded: Rounded,
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
    for_whom: ForWhom,
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
    pub(super) fn new(for_whom: ForWhom, limit: u32) -> Self {
        let ended = CancellationToken::new();
        let caller = for_whom.caller.clone();
        let caller = caller.map(|caller| RunCaller::of_run(caller, ended.clone()));
        Self {
            caller,
            ended,
            for_whom,
            turns: Arc::new(Semaphore::new(IN_FLIGHT)),
            made: AtomicU32::new(0),
            limit,
            calls: Mutex::default(),
            progress: Arc::default(),
            had: Mutex::default(),
        }
    }

    fn had(&self) -> MutexGuard<'_, Had> {
        self.had.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn imported(&self, name: &str) {
        let mut had = self.had();
        if !had.modules.iter().any(|known| **known == *name) {
            had.modules.push(name.into());
        }
    }

    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.turns.clone().acquire_owned().await.ok()
    }

    pub(super) fn end(&self) {
        self.turns.close();
        self.ended.cancel();
    }

    pub(super) fn calls(&self) -> Vec<ToolCalls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self) -> Result<(), Problem> {
        if self.made.fetch_add(1, Ordering::Relaxed) < self.limit {
            return Ok(());
        }
        self.made.fetch_sub(1, Ordering::Relaxed);
        let limit = self.limit;
        Err(Failure::limit(format!("The run has made {limit} calls of tools ({MAX_TOOL_CALLS})"))
            .into())
    }

    /// Counts a call, as failed until it has succeeded: the run may end before it.
    fn begin(&self, server: &str, tool: &str) -> Option<usize> {
        let tool = format!("{server}/{tool}");
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
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

    fn finish(&self, entry: Option<usize>, failed: bool, time: Duration) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entry.and_then(|entry| calls.get_mut(entry)) {
            entry.errors -= u32::from(!failed);
            entry.time += time;
        }
    }
}

impl Run {
    /// Operations on upstream servers and modules. `before` is for the answer until it
    /// has a charge of its own.
    pub(super) async fn upstream(
        self: &Arc<Self>,
        operation: Operation,
        trace_parent: Option<TraceParent>,
        before: &mut Charge,
    ) -> Result<Answer, Problem> {
        let upstreams = &self.services().upstreams;
        let run = &self.tools.for_whom.tools;
        match operation {
            Operation::CallTool { server, tool, arguments } => {
                self.call_tool(server, tool, &arguments, trace_parent, before).await
            }
            Operation::AskServer { server, question: Question::ListTools } => {
                let upstream = upstreams.server(&server)?;
                let seen = upstreams.seen(&upstream, run).await?;
                let listing = move |_: GoOn<'_>| {
                    let tools = seen.tools().map(|tool| tool.info.to_json());
                    json!({"tools": tools.collect::<Vec<_>>()}).to_string()
                };
                Ok(written(upstreams.on_thread(listing).await)?)
            }
            Operation::AskServer { server, question } => {
                let ask = ask(question)?;
                self.tools.count()?;
                let context = Some(self.context(trace_parent));
                let answer = upstreams.ask(run, &server, ask, context).await?;
                self.written(answer, before).await
            }
            Operation::Servers => {
                self.tools.had().objects = true;
                let servers = upstreams.servers();
                Ok(text(&servers.iter().map(|server| &*server.name).collect::<Vec<_>>().into()))
            }
            Operation::DescribeServers => {
                let listed = upstreams.list(run, &|| self.tools.count().is_ok()).await;
                Ok(written(upstreams.written(json!(listed)).await)?)
            }
            Operation::SearchTools { query, limit } => {
                upstreams.settled().await;
                let limit = limit.min(MAX_FOUND) as usize;
                let mut query = query;
                query.truncate(query.floor_char_boundary(MAX_QUERY));
                query.shrink_to_fit();
                let place = self.place().await?;
                let run = self.clone();
                // Patterns of the call against names of servers: both can be made to
                // take long.
                let searching = move || {
                    let _place = place;
                    let upstreams = &run.services().upstreams;
                    let go_on = || !run.quota.is_over();
                    let found = upstreams.search(&run.tools.for_whom.tools, &query, limit, &go_on);
                    let tools = found.iter().map(|(found, _)| found.info().to_discovered());
                    text(&tools.collect::<Vec<_>>().into())
                };
                Ok(self.on_thread(searching).await.ok_or_else(super::interrupted)?)
            }
            Operation::ToolSchema { name } => {
                upstreams.settled().await;
                let fits = name.len() <= MAX_QUALIFIED_NAME;
                let found = fits.then(|| upstreams.find(run, &name)).flatten();
                let json = found.map(|found| found.info().to_discovered().to_string());
                Ok(Answer::MaybeText(json))
            }
            Operation::Module { specifier } => self.module(&specifier).await,
            _ => Err(super::interrupted().into()),
        }
    }

    async fn call_tool(
        self: &Arc<Self>,
        server: Option<String>,
        tool: String,
        arguments: &str,
        trace_parent: Option<TraceParent>,
        before: &mut Charge,
    ) -> Result<Answer, Problem> {
        let upstreams = &self.services().upstreams;
        let (server, tool) = match server {
            Some(server) => (server, tool),
            None if tool.len() > MAX_QUALIFIED_NAME => (String::new(), tool),
            None => upstreams.qualified(&tool)?,
        };
        // What is no name of a server or a tool is not looked up, compared or kept.
        if server.len() > MAX_SERVER_NAME || tool.len() > MAX_TOOL_NAME {
            let message = "There is no MCP server or tool with a name of this length";
            return Err(Failure::type_error(message).into());
        }
        upstreams.server(&server)?;
        let arguments = object(arguments)?;
        self.tools.count()?;
        if let Some(problem) = self.tools.for_whom.rounded.problem_with(&arguments) {
            return Err(Failure::type_error(problem).into());
        }
        let run = &self.tools.for_whom.tools;
        let (entry, start) = (self.tools.begin(&server, &tool), Instant::now());
        let context = self.context(trace_parent);
        let result = upstreams.call(run, &server, &tool, arguments, context).await;
        let is_error = |result: &Charged| result.value.get("isError") == Some(&Value::Bool(true));
        let (failed, time) = (result.as_ref().map_or(true, is_error), start.elapsed());
        self.tools.finish(entry, failed, time);
        self.services().metrics.tool_called(&server, !failed, time);
        let Charged { value: result, charge } = result?;
        let mut value = json!({"server": server, "tool": tool});
        value["result"] = result;
        self.written(Charged { value, charge }, before).await
    }

    /// An answer as text, which takes less than its values.
    async fn written(&self, answer: Charged, before: &mut Charge) -> Result<Answer, Problem> {
        *before = answer.charge;
        let json = self.services().upstreams.written(answer.value).await;
        before.shrink_to(json.as_ref().map_or(0, String::len));
        Ok(written(json)?)
    }

    /// A place among the run's work on threads: it is held by the work, which goes on
    /// when nobody waits for it any more.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = self.file_operations.clone().acquire_owned().await;
        Ok(place.map_err(|_| super::interrupted())?)
    }

    /// What the error of a program is to say beside V8's own words.
    pub(super) async fn near_functions(&self, message: &str) -> String {
        let had = self.tools.had().clone();
        self.services().upstreams.near_functions(&self.tools.for_whom.tools, &had, message).await
    }

    fn context(&self, trace_parent: Option<TraceParent>) -> CallContext {
        let (events, passed) = (self.events(), self.tools.progress.clone());
        CallContext {
            progress: Arc::new(move |message| {
                if passed.fetch_add(1, Ordering::Relaxed) < MAX_PROGRESS {
                    // Nobody listens any more when the run has ended.
                    let _ = events.send(Event::Progress(message));
                }
            }),
            caller: self.tools.caller.clone(),
            trace_parent,
        }
    }

    async fn module(self: &Arc<Self>, specifier: &str) -> Result<Answer, Problem> {
        let services = self.services();
        if let Some(name) = specifier.strip_prefix("mcp:") {
            let module = services.upstreams.module(&self.tools.for_whom.tools, name).await?;
            self.tools.imported(name);
            return Ok(Answer::Text(module.to_string()));
        }
        let Some(name) = specifier.strip_prefix("playbook:").map(str::to_owned) else {
            return Err(Failure::type_error(format!("There is no module \"{specifier}\"")).into());
        };
        let (run, place) = (self.clone(), self.place().await?);
        let reading = move || {
            let _place = place;
            run.services().playbooks.code(&name)
        };
        let read = self.on_thread(reading).await.ok_or_else(super::interrupted)?;
        Ok(Answer::Text(read.map_err(|error| Failure::new("Error", error.to_string()))?))
    }
}

fn written(json: Result<String, String>) -> Result<Answer, Failure> {
    json.map(Answer::Text).map_err(|problem| Failure::new("Error", problem))
}

fn text(value: &Value) -> Answer {
    Answer::Text(value.to_string())
}

fn object(json: &str) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_str(&mended(json)) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Failure::type_error("The arguments of a tool are an object").into()),
        Err(error) => {
            Err(Failure::new("RangeError", format!("The arguments cannot be sent: {error}")).into())
        }
    }
}

fn ask(question: Question) -> Result<Ask, Problem> {
    Ok(match question {
        Question::ListTools => Ask::ListTools,
        Question::ListResources => Ask::ListResources,
        Question::ReadResource { uri } => Ask::ReadResource { uri },
        Question::ListPrompts => Ask::ListPrompts,
        Question::GetPrompt { name, arguments } => {
            Ask::GetPrompt { name, arguments: object(&arguments)? }
        }
    })
}

impl From<UpstreamError> for Problem {
    fn from(error: UpstreamError) -> Self {
        let class = match error {
            UpstreamError::Invalid(_) | UpstreamError::NoTool { .. } => "TypeError",
            _ => "Error",
        };
        Failure::new(class, error.to_string()).into()
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Denied(denied) => denied.into(),
            CallError::Failed(error) => error.into(),
        }
    }
}
