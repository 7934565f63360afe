//! Tools of upstream servers.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};
use tokio::task::AbortHandle;

use crate::broker::dispatch::Dispatch;
use crate::broker::event::Room;
use crate::broker::failure::Problem;
use crate::broker::run::Run;
use crate::catalog::{Found, GoOn, MAX_TOOL_NAME, qualified_name, to_found};
use crate::config::servers::MAX_SERVER_NAME;
use crate::learning::Learning;
use crate::memory::Charge;
use crate::protocol::{Answer, Failure, Question, ToolOperation};
use crate::telemetry::TraceParent;
use crate::text::clip::truncate;
use crate::text::mended::mended;
use crate::upstream::{Ask, CallContext, CallError, Charged, UpstreamError};

/// `mcp__`, both names and what is between them.
const MAX_QUALIFIED_NAME: usize = 5 + MAX_SERVER_NAME + 2 + MAX_TOOL_NAME;

/// Bytes of a query that are read.
const MAX_QUERY: usize = 1024;

/// Tools that one search gives back.
const MAX_FOUND: u32 = 100;

pub(super) fn start(operation: ToolOperation, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    dispatch.in_task(|run, responder| async move {
        // One after the other beyond the limit; the answer counts until the
        // session has taken it.
        let Some(turn) = run.tools.turn().await else { return };
        let (mut before, trace_parent) = (Charge::none(), responder.trace_parent());
        let result = run.on_tools(operation, trace_parent, &mut before).await;
        responder.answer(result, Room::from(turn).after(before));
    })
}

impl Run {
    /// `before` is for the answer until it has a charge of its own.
    async fn on_tools(
        self: &Arc<Self>,
        operation: ToolOperation,
        trace_parent: Option<TraceParent>,
        before: &mut Charge,
    ) -> Result<Answer, Problem> {
        let upstreams = &self.services().upstreams;
        let run = self.tools.allowed();
        match operation {
            ToolOperation::CallTool { server, tool, arguments } => {
                self.call_tool(server, tool, &arguments, trace_parent, before).await
            }
            ToolOperation::AskServer { server, question: Question::ListTools } => {
                let upstream = upstreams.server(&server)?;
                let seen = upstreams.seen(&upstream, run).await?;
                let listing = move |_: GoOn<'_>| {
                    let tools = seen.tools().map(|tool| tool.info.to_json());
                    json!({"tools": tools.collect::<Vec<_>>()}).to_string()
                };
                Ok(written(upstreams.on_thread(listing).await)?)
            }
            ToolOperation::AskServer { server, question } => {
                let ask = ask(question)?;
                self.tools.count()?;
                let context = Some(self.context(trace_parent));
                let answer = upstreams.ask(run, &server, ask, context).await?;
                self.written(answer, before).await
            }
            ToolOperation::Servers => {
                self.tools.had().objects = true;
                let servers = upstreams.servers();
                Ok(text(&servers.iter().map(|server| &*server.name).collect::<Vec<_>>().into()))
            }
            ToolOperation::DescribeServers => {
                let listed = upstreams.list(run, &|| self.tools.count().is_ok()).await;
                Ok(written(upstreams.written(json!(listed)).await)?)
            }
            ToolOperation::SearchTools { query, limit } => {
                let shown = |found: &[(Found, f64)]| {
                    let tools = found.iter().map(|(found, _)| found.info().to_discovered());
                    tools.collect::<Vec<_>>()
                };
                self.search(query, limit, shown).await
            }
            ToolOperation::ToolSchema { name } => {
                upstreams.settled().await;
                let fits = name.len() <= MAX_QUALIFIED_NAME;
                let found = fits.then(|| upstreams.find(run, &name)).flatten();
                if found.is_some() {
                    self.tools.loaded(&name);
                }
                let json = found.map(|found| found.info().to_discovered().to_string());
                Ok(Answer::MaybeText(json))
            }
            // As a search, within the run's conversation: what it has loaded comes last, and says so.
            ToolOperation::FindTools { query, limit } => {
                let one = self.tools.conversation().one()?.clone();
                let shown = move |found: &[(Found, f64)]| {
                    to_found(found.iter().map(|(found, _)| found.info()), &one.known().loaded)
                };
                self.search(query, limit, shown).await
            }
            ToolOperation::LoadToolSpec { name } => {
                let one = self.tools.conversation().one()?;
                if name.len() > MAX_QUALIFIED_NAME {
                    let message = "There is no tool with a name of this length";
                    return Err(Failure::type_error(message).into());
                }
                let found = upstreams.named(run, &name).await?;
                one.loaded(&found.info().qualified_name());
                Ok(text(&found.to_spec()))
            }
        }
    }

    /// The best tools for a query, as they are shown.
    async fn search(
        self: &Arc<Self>,
        mut query: String,
        limit: u32,
        shown: impl FnOnce(&[(Found, f64)]) -> Vec<Value> + Send + 'static,
    ) -> Result<Answer, Problem> {
        self.services().upstreams.settled().await;
        let limit = limit.min(MAX_FOUND) as usize;
        truncate(&mut query, MAX_QUERY);
        query.shrink_to_fit();
        let place = self.file_place().await?;
        let learned = self.services().learning.as_ref().and_then(Learning::learned);
        let run = self.clone();
        // Patterns of the call against names of servers: both can be made to take long.
        let searching = move || {
            let _place = place;
            let upstreams = &run.services().upstreams;
            let (go_on, learned) = (|| !run.quota.is_over(), learned.as_deref());
            let found = upstreams.search(run.tools.allowed(), &query, limit, learned, &go_on);
            let names = found.iter().map(|(found, _)| found.info().qualified_name());
            run.tools.found(&query, &names.collect::<Vec<_>>());
            text(&shown(&found).into())
        };
        Ok(self.on_thread(searching).await.ok_or_else(Failure::interrupted)?)
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
        if let Some(problem) = self.tools.problem_with(&arguments) {
            return Err(Failure::type_error(problem).into());
        }
        let run = self.tools.allowed();
        let (entry, start) = (self.tools.begin(&server, &tool), Instant::now());
        let context = self.context(trace_parent);
        let result = upstreams.call(run, &server, &tool, arguments, context).await;
        let is_error = |result: &Charged| result.value.get("isError") == Some(&Value::Bool(true));
        let (failed, time) = (result.as_ref().map_or(true, is_error), start.elapsed());
        self.tools.finish(entry, failed, time);
        self.services().metrics.tool_called(&server, !failed, time);
        if result.is_ok() {
            let qualified = qualified_name(&server, &tool);
            // What it was wrongly called for teaches nothing.
            if failed {
                self.tools.loaded(&qualified);
            } else {
                self.tools.called(&qualified, &server, &tool);
            }
        }
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

    /// An addition to V8's own message of a program's error.
    pub(in crate::broker) async fn near_functions(&self, message: &str) -> String {
        let had = self.tools.had().clone();
        self.services().upstreams.near_functions(self.tools.allowed(), &had, message).await
    }

    fn context(&self, trace_parent: Option<TraceParent>) -> CallContext {
        let progress = self.tools.progress(self.events());
        CallContext { progress, caller: self.tools.caller(), trace_parent }
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
        Ok(_) => Err(Failure::type_error("The arguments of a tool must be an object").into()),
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
