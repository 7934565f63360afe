//! Runs within a conversation, and conversations for programs in Rust.

use std::sync::Arc;

use futures::FutureExt;
use serde_json::Value;

use super::request::{InvalidRequest, ValidRequest};
use super::{ExecuteError, ExecuteRequest, Execution, Runtime};
use crate::catalog::{GoOn, to_found};
use crate::config::Config;
use crate::conversations::{
    Conversation as Kept, ConversationError, Conversations, Limits, MAX_NAMED, NEW, RunStart,
    Usage, Within,
};
use crate::text::shown;

/// Tools that one search finds.
const FOUND: usize = 10;

/// Of the store, as a part of its size: what the conversations of one principal may take. With the
/// 256 MiB of the default 32 MiB, which is 300 KiB for each of 100.
const SHARE: u64 = 8;

/// What a configuration says of conversations. One lives for two of the longest runs at least, so
/// that none ends while a program goes on with it, nor its values before it.
pub(super) fn limits(config: &Config) -> Limits {
    Limits {
        time_to_live: config.conversation_ttl().max(config.max_timeout().saturating_mul(2)),
        count: config.max_conversations(),
        share: config.store_size() / SHARE,
    }
}

/// The conversation of a run that begins.
pub(super) struct Entered {
    within: Within,
    start: RunStart,
    is_new: bool,
}

impl Entered {
    pub(super) fn within(&self) -> &Within {
        &self.within
    }
}

impl Runtime {
    /// Begins a conversation of this runtime's principal, kept in the store.
    ///
    /// # Errors
    /// The limit of conversations, or the store.
    pub fn create_conversation(
        &self,
    ) -> impl Future<Output = Result<Conversation, ConversationError>> + Send {
        let runtime = self.clone();
        async move { runtime.conversation_of(NEW).await }.boxed()
    }

    /// A conversation that was begun before.
    ///
    /// # Errors
    /// It has ended or expired, or is another principal's; or the store.
    pub fn conversation(
        &self,
        handle: &str,
    ) -> impl Future<Output = Result<Conversation, ConversationError>> + Send {
        let (runtime, handle) = (self.clone(), handle.to_owned());
        async move { runtime.conversation_of(&handle).await }.boxed()
    }

    async fn conversation_of(self, given: &str) -> Result<Conversation, ConversationError> {
        let handle = self.conversations().of(given).await?.handle().to_owned();
        Ok(Conversation { runtime: self, handle })
    }

    /// Conversations of this runtime's principal.
    pub(crate) fn conversations(&self) -> &Conversations {
        &self.0.conversations
    }

    /// What a call is within. Where the store does not answer it goes on without.
    ///
    /// # Errors
    /// What the caller names is not there.
    pub(crate) async fn within(&self, given: Option<&str>) -> Result<Within, ConversationError> {
        // Some clients send an option that is not set as an empty text.
        let Some(given) = given.filter(|given| !given.is_empty()) else {
            return Ok(Within::Nothing);
        };
        match self.conversations().of(given).await {
            Ok(one) => Ok(Within::One(one)),
            Err(error) if error.is_of_the_store() => Ok(Within::Unavailable(error)),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn enter(
        &self,
        given: Option<&str>,
        request: &ValidRequest,
    ) -> Result<Entered, ExecuteError> {
        let within = self.within(given).await;
        let within = within.map_err(|error| InvalidRequest::Conversation(error.to_string()))?;
        let start = RunStart::of(request.language.name(), &request.source);
        Ok(Entered { within, start, is_new: given == Some(NEW) })
    }

    /// Adds a run that has ended to its conversation, and this to the run's result.
    pub(super) async fn leave(
        &self,
        Entered { within, start, is_new }: Entered,
        result: Result<Execution, ExecuteError>,
    ) -> Result<Execution, ExecuteError> {
        match (within, result) {
            (Within::One(one), Ok(mut execution)) => {
                let (outcome, took) = (execution.outcome_name(), execution.execution_time);
                let told = self.conclude(&one, Some(start.ended(outcome, took))).await;
                execution.conversation = told.handle;
                execution.notes.extend(told.note);
                self.learn(one.take_usage());
                Ok(execution)
            }
            (Within::Unavailable(error), Ok(mut execution)) => {
                execution.notes.push(format!("{error}. The program ran without it"));
                Ok(execution)
            }
            (Within::One(one), Err(error)) => {
                if is_new {
                    self.discard(&one).await;
                }
                Err(error)
            }
            (Within::Nothing, result) | (Within::Unavailable(_), result) => result,
        }
    }

    /// Ends a conversation that a call began and whose handle nobody is told. What cannot be
    /// removed expires.
    pub(crate) async fn discard(&self, one: &Kept) {
        if let Err(problem) = self.conversations().end(one.handle()).await {
            tracing::debug!("a conversation is not removed: {problem}");
        }
    }

    /// Learns from what a run has used, in the background: its result waits for nothing.
    fn learn(&self, usage: Usage) {
        if let Some(learning) = &self.0.services.learning {
            learning.record(usage);
        }
    }

    /// Adds what a call found to its conversation, and tells what the caller is to know.
    pub(crate) async fn conclude(
        &self,
        one: &Kept,
        run: Option<crate::conversations::RunNote>,
    ) -> Told {
        let loaded = self.callable(&one.known().loaded);
        let handle = Some(one.handle().to_owned());
        match one.finish(run).await {
            Ok(()) => {
                let notes = [one.notice(), loaded_note(&loaded)].into_iter().flatten();
                let note = notes.reduce(|first, second| format!("{first}. {second}"));
                Told { handle, note }
            }
            Err(error) if error.leaves_it() => {
                let note = format!("The conversation does not know of this call: {error}");
                Told { handle, note: Some(note) }
            }
            Err(error) => Told { handle: None, note: Some(error.to_string()) },
        }
    }

    /// Those of these tools that a run may call now: a configuration may have changed.
    pub(crate) fn callable(&self, tools: &[String]) -> Vec<String> {
        let (upstreams, run) = (self.upstreams(), self.tools());
        let is_there = |tool: &&String| upstreams.find(run, tool).is_some();
        tools.iter().filter(is_there).cloned().collect()
    }
}

/// What a caller is told of a conversation after a call.
pub(crate) struct Told {
    pub handle: Option<String>,
    pub note: Option<String>,
}

/// Names those that were used last.
fn loaded_note(loaded: &[String]) -> Option<String> {
    let last = &loaded[loaded.len().saturating_sub(MAX_NAMED)..];
    let names: Vec<_> = last.iter().map(|tool| shown::line(tool)).collect();
    let names = names.join(", ");
    (!names.is_empty()).then(|| {
        format!("Loaded in this conversation, no need to search or look them up again: {names}")
    })
}

/// Several calls that know of each other: the tools that they found and loaded, the values of
/// `session`, the history of runs. Kept in the store, until it ends or is not used any more.
///
/// ```no_run
/// # async fn example(runtime: mcp_conductor::Runtime) -> Result<(), Box<dyn std::error::Error>> {
/// use mcp_conductor::ExecuteRequest;
///
/// let conversation = runtime.create_conversation().await?;
/// for tool in conversation.find_tools("create an issue").await? {
///     println!("{}: {}", tool.name, tool.description);
/// }
/// conversation.execute(ExecuteRequest::new("await session.set('n', 41)")).await?;
/// let request = ExecuteRequest::new("await session.get('n') + 1")
///     .on_log(|event| println!("{}", event.line));
/// assert_eq!(conversation.execute(request).await?.return_value, 42);
/// conversation.end().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Conversation {
    runtime: Runtime,
    handle: String,
}

/// A tool that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundTool {
    /// Its name among all servers, `mcp__server__tool`.
    pub name: String,
    /// The first line of what its server says of it.
    pub description: String,
    /// The conversation has loaded it before.
    pub loaded: bool,
}

/// All that a call of a tool needs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ToolSpec {
    /// Its name among all servers, `mcp__server__tool`.
    pub name: String,
    /// What its server says of it.
    pub description: String,
    /// The JSON Schema of its arguments.
    pub parameters: Value,
    /// Its call in TypeScript.
    pub signature: String,
}

impl Conversation {
    /// Its name, for [`Runtime::conversation`] and for callers over MCP.
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// Finds tools of the configured servers: first those that are new, best match first, then
    /// those that are loaded.
    ///
    /// # Errors
    /// The conversation has ended, or the store.
    pub fn find_tools(
        &self,
        query: &str,
    ) -> impl Future<Output = Result<Vec<FoundTool>, ConversationError>> + Send {
        let (conversation, query) = (self.clone(), query.to_owned());
        async move { conversation.found(query).await }.boxed()
    }

    async fn found(self, query: String) -> Result<Vec<FoundTool>, ConversationError> {
        let one = self.opened().await?;
        let found = self.runtime.search_in(&one, query, FOUND).await?;
        one.finish(None).await?;
        Ok(found)
    }

    /// Loads what a call of a tool needs, by a name such as `mcp__server__tool`.
    ///
    /// # Errors
    /// There is no such tool; the conversation has ended, or the store.
    pub fn load_tool_spec(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<ToolSpec, ConversationError>> + Send {
        let (conversation, name) = (self.clone(), name.to_owned());
        async move { conversation.loaded(&name).await }.boxed()
    }

    async fn loaded(self, name: &str) -> Result<ToolSpec, ConversationError> {
        let one = self.opened().await?;
        let runtime = &self.runtime;
        let found = runtime.upstreams().named(runtime.tools(), name).await;
        let found = found.map_err(|error| ConversationError::Tool(error.to_string()))?;
        let info = found.info();
        one.loaded(&info.qualified_name());
        one.finish(None).await?;
        Ok(ToolSpec {
            name: info.qualified_name(),
            description: info.description.clone().unwrap_or_default(),
            parameters: info.input_schema.clone().into(),
            signature: found.tool().sample().to_owned(),
        })
    }

    /// Runs a program within the conversation.
    ///
    /// # Errors
    /// As of [`Runtime::execute`]; a conversation that has ended is an invalid request.
    pub fn execute(
        &self,
        request: ExecuteRequest,
    ) -> impl Future<Output = Result<Execution, ExecuteError>> + Send + use<> {
        let runtime = self.runtime.clone();
        let request = request.with_conversation(self.handle.clone());
        async move { runtime.execute(request).await }.boxed()
    }

    /// Ends it: nothing of it is kept.
    ///
    /// # Errors
    /// It has ended before, or the store.
    pub fn end(self) -> impl Future<Output = Result<(), ConversationError>> + Send {
        async move { self.runtime.conversations().end(&self.handle).await }.boxed()
    }

    async fn opened(&self) -> Result<Arc<Kept>, ConversationError> {
        self.runtime.conversations().of(&self.handle).await
    }
}

impl Runtime {
    async fn search_in(
        &self,
        one: &Arc<Kept>,
        query: String,
        limit: usize,
    ) -> Result<Vec<FoundTool>, ConversationError> {
        let upstreams = self.upstreams();
        upstreams.settled().await;
        let (within, run, one) = (upstreams.clone(), self.tools().clone(), one.clone());
        let learned = self.learned();
        let searching = move |go_on: GoOn<'_>| {
            let found = within.search(&run, &query, limit, learned.as_deref(), go_on);
            let names: Vec<_> =
                found.iter().map(|(found, _)| found.info().qualified_name()).collect();
            let tools = to_found(found.iter().map(|(found, _)| found.info()), &one.known().loaded);
            one.found(&query, &names);
            tools
        };
        let found = upstreams.on_thread(searching).await.map_err(ConversationError::Tool)?;
        Ok(found.into_iter().map(FoundTool::from).collect())
    }
}

impl From<Value> for FoundTool {
    fn from(tool: Value) -> Self {
        let text = |key: &str| tool[key].as_str().unwrap_or_default().to_owned();
        let loaded = tool["loaded"] == Value::Bool(true);
        Self { name: text("name"), description: text("description"), loaded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_the_tools_that_were_used_last_and_shows_what_is_hidden() {
        assert_eq!(loaded_note(&[]), None);
        let tools: Vec<_> = (0..MAX_NAMED + 5).map(|at| format!("mcp__s__t{at}")).collect();
        let note = loaded_note(&tools).unwrap();
        assert!(!note.contains("mcp__s__t4,") && note.contains("mcp__s__t5,"), "{note}");
        assert!(note.ends_with("mcp__s__t24"), "{note}");
        let hidden = loaded_note(&["mcp__s__a\u{202e}\nb".to_owned()]).unwrap();
        assert!(!hidden.contains(['\u{202e}', '\n']), "{hidden:?}");
    }
}
