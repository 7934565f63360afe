//! Conversations of everybody, for the administrator: read from the store that the
//! configuration names, without a server.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use futures::FutureExt;
use mcp_conductor_store::{Store, StoreError};

use super::store;
use crate::audit::timestamp;
use crate::config::Config;
use crate::conversations::{self, ConversationError, Overview, Owner, RunNote};
use crate::learning;
use crate::telemetry::Metrics;

/// The principal of those who do not authenticate, as `conversation list` shows it.
const NOBODY: &str = "-";

/// Conversations that are listed at most: as many as ten principals may have.
const MAX_LISTED: usize = 100_000;

/// A conversation as the administrator sees it. Values that programs keep are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConversationSummary {
    /// Its name.
    pub handle: String,
    /// Who has it; nobody where nobody authenticates.
    pub principal: Option<String>,
    /// When it began, in RFC 3339, UTC.
    pub created: String,
    /// When it was used last.
    pub used: String,
    /// How many runs there were.
    pub runs: u64,
    /// Tools that were loaded, the last one last.
    pub loaded: Vec<String>,
    /// The last runs, one line each.
    pub history: Vec<String>,
}

/// All conversations of the configuration's store.
///
/// # Errors
/// The store.
pub fn list_conversations(
    config: &Config,
) -> impl Future<Output = Result<Vec<ConversationSummary>, ConversationError>> + Send + use<> {
    let store = opened(config);
    async move {
        let found = conversations::all(&*store?, MAX_LISTED).await?;
        Ok(found.into_iter().map(ConversationSummary::from).collect())
    }
    .boxed()
}

/// One conversation, whoever has it.
///
/// # Errors
/// There is none, or the store.
pub fn find_conversation(
    config: &Config,
    handle: &str,
) -> impl Future<Output = Result<ConversationSummary, ConversationError>> + Send + use<> {
    let (store, handle) = (opened(config), handle.to_owned());
    async move { Ok(conversations::find(&*store?, &handle).await?.into()) }.boxed()
}

/// Ends a conversation, whoever has it.
///
/// # Errors
/// There is none, or the store.
pub fn end_conversation(
    config: &Config,
    handle: &str,
) -> impl Future<Output = Result<(), ConversationError>> + Send + use<> {
    let (store, handle) = (opened(config), handle.to_owned());
    async move { conversations::end(&store?, &handle).await }.boxed()
}

/// Forgets what a principal's use of tools has taught searches, or everybody's where none is
/// named; `-` is whoever has no name. How many there were. Servers that run do so within a minute.
///
/// # Errors
/// The store.
pub fn forget_use(
    config: &Config,
    principal: Option<&str>,
) -> impl Future<Output = Result<usize, StoreError>> + Send + use<> {
    let opened = store::of(config, &Arc::new(Metrics::new()));
    let owner = principal.map(|name| Owner::of(Some(name).filter(|name| *name != NOBODY)));
    async move {
        let unavailable =
            |error: super::StartError| StoreError::Unavailable { reason: error.to_string() };
        let (store, _) = opened.map_err(unavailable)?;
        learning::forget(&*store, owner.as_ref()).await
    }
    .boxed()
}

fn opened(config: &Config) -> Result<Arc<dyn Store>, ConversationError> {
    let opened = store::of(config, &Arc::new(Metrics::new()));
    let unavailable = |error: super::StartError| ConversationError::Unavailable(error.to_string());
    Ok(opened.map_err(unavailable)?.0)
}

fn shown(ms: u64) -> String {
    timestamp(UNIX_EPOCH + Duration::from_millis(ms))
}

impl From<Overview> for ConversationSummary {
    fn from(Overview { handle, record, .. }: Overview) -> Self {
        Self {
            handle,
            principal: record.principal,
            created: shown(record.created),
            used: shown(record.used),
            runs: record.runs,
            loaded: record.known.loaded,
            history: record.history.iter().map(line).collect(),
        }
    }
}

fn line(RunNote { at, language, outcome, ms, first_line }: &RunNote) -> String {
    format!("{}  {language}  {outcome}  {ms} ms  {first_line}", shown(*at))
}
