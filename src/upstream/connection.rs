//! One connection to an upstream server: from its configuration to answers.

// Sampling, roots and logging are deprecated by SEP-2577; servers of today use them.
#![allow(deprecated)]

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CancelledNotificationParam, ClientRequest,
    GetPromptRequest, GetPromptRequestParams, InputRequest, InputRequiredResult, InputResponses,
    JsonObject, ListPromptsRequest, ListResourcesRequest, ListRootsResult, ListToolsRequest,
    PaginatedRequestParams, ReadResourceRequest, ReadResourceRequestParams, RequestId,
    RequestMetaObject, ServerPeerInfo, ServerResult, SubscriptionFilter,
};
use rmcp::service::{Peer, PeerRequestOptions, RoleClient, ServiceError};
use serde_json::Value;
use tokio::sync::{Notify, oneshot};

use super::causes::{innermost, shown_url};
use super::client::{CallContext, Client};
use super::common::Limits;
use super::error::{UpstreamError, shown};
use super::handshake::{Connected, Opening, Service};
use super::intake::{Intake, LARGE, NO_MEMORY, TOO_LARGE, UNREADABLE};
use super::process::ServerProcess;
use crate::config::servers::{ServerConfig, TransportConfig};
use crate::memory::{Charge, NoMemory, json};

/// Until a server has answered for the first time. `npx` may have to download it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// For an answer, if the configuration has no `timeout`: the longest run. Each
/// notification of progress starts it again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);

/// Pages of a list that are fetched. With one tool on each, more than a model can
/// use.
const MAX_PAGES: usize = 1000;

/// Memory of every connection, beside what it says: the pipe and its buffers, what rmcp
/// keeps of the handshake, and the first 256 KiB of a message.
const CONNECTION_BYTES: usize = 1 << 20;

/// Questions of one round.
const MAX_QUESTIONS: usize = 16;

/// Rounds of questions that one request may ask (SEP-2322); rmcp's own limit.
const MAX_ROUNDS: usize = 10;

/// What can be asked of a server.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    CallTool { name: String, arguments: JsonObject },
    ListTools,
    ListResources,
    ReadResource { uri: String },
    ListPrompts,
    GetPrompt { name: String, arguments: JsonObject },
}

/// An answer as JSON, and what it takes of the memory until it is handed on.
pub(crate) struct Charged {
    pub value: Value,
    pub charge: Charge,
}

pub(super) struct Connection {
    name: Arc<str>,
    service: Service,
    timeout: Duration,
    limits: Limits,
    /// The server's URL, which can have a secret in it, and what is shown instead.
    url: Option<(String, String)>,
    intake: Arc<Intake>,
    _charge: Charge,
    _process: Option<ServerProcess>,
}

/// Gives back what an answer was charged for, when nobody needs it any more.
struct ForgetOnDrop {
    intake: Arc<Intake>,
    id: RequestId,
}

impl Drop for ForgetOnDrop {
    fn drop(&mut self) {
        self.intake.forget(&self.id);
    }
}

/// Tells the server when nobody waits for the answer any more.
struct CancelOnDrop {
    peer: Peer<RoleClient>,
    id: Option<RequestId>,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let peer = self.peer.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let reason = Some("the run has ended".to_owned());
                let params = CancelledNotificationParam::new(Some(id), reason);
                let _ = peer.notify_cancelled(params).await;
            });
        }
    }
}

impl Connection {
    /// Connects within [`CONNECT_TIMEOUT`].
    pub(super) async fn open(opening: Opening<'_>) -> Result<Self, String> {
        let charge = opening.account.charge(CONNECTION_BYTES).await;
        let charge = charge.map_err(|error| error.to_string())?;
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, opening.connect());
        let Connected { service, intake, process } = match connecting.await {
            Ok(connected) => connected?,
            Err(_) => {
                // It may be another version by now, which answers otherwise.
                opening.forget_era();
                let seconds = CONNECT_TIMEOUT.as_secs();
                return Err(format!("it did not finish the handshake within {seconds} s"));
            }
        };
        service.service().calls.connected();
        intake.connected();
        let url = url_of(opening.config);
        let timeout = opening.config.timeout.unwrap_or(REQUEST_TIMEOUT);
        let (name, limits) = (opening.client.name, opening.common.limits);
        Ok(Self { name, service, timeout, limits, url, intake, _charge: charge, _process: process })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.service.is_closed() || self.service.peer().is_transport_closed()
    }

    pub(super) fn info(&self) -> Option<Arc<ServerPeerInfo>> {
        self.service.peer().peer_info()
    }

    /// Calls `changed` of the client when the list of tools changes. Servers of the
    /// older eras tell without being asked. `listens` ends when the server has promised
    /// to tell, or does not; what changed before, if nobody waited for that, is told now.
    pub(super) async fn listen(
        peer: Peer<RoleClient>,
        changed: Arc<Notify>,
        listens: oneshot::Sender<()>,
    ) {
        let modern = peer.peer_info().is_some_and(|info| !info.protocol_version.has_initialize());
        if !modern {
            return;
        }
        let filter = SubscriptionFilter::builder().tools_list_changed().build();
        let Ok(mut subscription) = peer.listen(filter).await else { return };
        if listens.send(()).is_err() {
            changed.notify_one();
        }
        while let Ok(Some(_)) = subscription.next().await {
            changed.notify_one();
        }
    }

    pub(super) fn peer(&self) -> Peer<RoleClient> {
        self.service.peer().clone()
    }

    /// Asks, and waits for the whole answer as JSON.
    pub(super) async fn ask(
        &self,
        ask: Ask,
        context: Option<CallContext>,
    ) -> Result<Charged, UpstreamError> {
        match ask {
            Ask::CallTool { name, arguments } => {
                let params = CallToolRequestParams::new(name).with_arguments(arguments);
                self.rounds(params, context).await
            }
            Ask::ListTools => self.pages("tools").await,
            Ask::ListResources => self.pages("resources").await,
            Ask::ListPrompts => self.pages("prompts").await,
            Ask::ReadResource { uri } => {
                let params = ReadResourceRequestParams::new(uri);
                let request = ReadResourceRequest::new(params);
                let answered =
                    self.once(ClientRequest::ReadResourceRequest(request), context).await?;
                self.within_limit(answered.complete()?)
            }
            Ask::GetPrompt { name, arguments } => {
                let params = GetPromptRequestParams::new(name).with_arguments(arguments);
                let request = GetPromptRequest::new(params);
                let answered = self.once(ClientRequest::GetPromptRequest(request), context).await?;
                self.within_limit(answered.complete()?)
            }
        }
    }

    /// A call of a tool, which may ask back (SEP-2322) before it has a result.
    async fn rounds(
        &self,
        mut params: CallToolRequestParams,
        context: Option<CallContext>,
    ) -> Result<Charged, UpstreamError> {
        for _ in 0..MAX_ROUNDS {
            let request = ClientRequest::CallToolRequest(CallToolRequest::new(params.clone()));
            match self.once(request, context.clone()).await? {
                Answered::Complete(answer) => return self.within_limit(answer),
                Answered::Asks(required, _charge) => {
                    let InputRequiredResult { input_requests, request_state, .. } = *required;
                    let asked = input_requests.unwrap_or_default();
                    params.input_responses = Some(self.answer_all(asked, &context).await?);
                    params.request_state = request_state;
                }
            }
        }
        Err(self.unexpected(format!("too many rounds of questions ({MAX_ROUNDS})")))
    }

    async fn answer_all(
        &self,
        asked: BTreeMap<String, InputRequest>,
        context: &Option<CallContext>,
    ) -> Result<InputResponses, UpstreamError> {
        if asked.len() > MAX_QUESTIONS {
            return Err(self.unexpected(format!("{} questions at once", asked.len())));
        }
        let caller = context.as_ref().and_then(|context| context.caller.clone());
        let answers = asked.into_iter().map(|(key, request)| {
            let caller = caller.clone();
            async move {
                let answer =
                    match request {
                        InputRequest::Elicitation(request) => serde_json::to_value(
                            self.service.service().elicit_for(caller, request.params).await,
                        ),
                        InputRequest::CreateMessage(request) => {
                            let sampled = Client::sample_for(caller, request.params).await;
                            serde_json::to_value(sampled.map_err(|error| {
                                UpstreamError::Invalid(error.message.into_owned())
                            })?)
                        }
                        _ => serde_json::to_value(ListRootsResult::default()),
                    };
                let answer = answer.map_err(|error| self.unexpected(error.to_string()))?;
                Ok((key, answer))
            }
        });
        join_all(answers).await.into_iter().collect()
    }

    /// All pages of a list, as `{key: [...]}`.
    async fn pages(&self, key: &str) -> Result<Charged, UpstreamError> {
        let mut all = Vec::new();
        let (mut bytes, mut of_all) = (0, 0);
        let mut charge = Charge::none();
        let mut cursor: Option<String> = None;
        // Only whether there was one before: a cursor may be as long as a message.
        let (hasher, mut cursors) = (RandomState::new(), HashSet::new());
        for _ in 0..MAX_PAGES {
            let page = PaginatedRequestParams::default().with_cursor(cursor.take());
            let params = Some(page).filter(|page| page.cursor.is_some());
            let request = match key {
                "tools" => {
                    let request = ListToolsRequest { params, ..Default::default() };
                    ClientRequest::ListToolsRequest(request)
                }
                "resources" => {
                    let request = ListResourcesRequest { params, ..Default::default() };
                    ClientRequest::ListResourcesRequest(request)
                }
                _ => {
                    let request = ListPromptsRequest { params, ..Default::default() };
                    ClientRequest::ListPromptsRequest(request)
                }
            };
            let answer = self.once(request, None).await?.complete()?;
            let Charged { value: mut page, charge: mut of_page } = answer;
            let items = page.get_mut(key).map(Value::take);
            let Some(Value::Array(items)) = items else {
                return Err(self.unexpected(format!("a list without \"{key}\"")));
            };
            let kept = items.iter().map(json::bytes_of).sum::<usize>();
            of_page.shrink_to(kept);
            charge.merge(of_page);
            // Small pages are not counted on their way.
            of_all += kept;
            if let missing @ 1.. = of_all.saturating_sub(charge.bytes()) {
                let more = self.intake.charge(missing).await;
                charge.merge(more.map_err(|reason| self.no_memory(reason))?);
            }
            bytes += items.iter().map(size).sum::<usize>();
            if bytes > self.limits.message_bytes() {
                return Err(self.unexpected(format!("{key} of more than {bytes} bytes")));
            }
            let next = page.get("nextCursor").and_then(Value::as_str);
            let next = next.filter(|next| !next.is_empty());
            let repeats = next.is_some_and(|next| !cursors.insert(hasher.hash_one(next)));
            // A server that knows no cursors sends the same page again.
            if !(repeats && all.ends_with(&items)) {
                all.extend(items);
            }
            if repeats {
                let reason = "its nextCursor repeats itself, the list ends there";
                self.intake.warn(&format!("{key}: {reason}"));
            }
            cursor = next.filter(|_| !repeats).map(str::to_owned);
            if cursor.is_none() {
                return Ok(list(key, all, charge));
            }
        }
        self.intake.warn(&format!("{key}: only the first {MAX_PAGES} pages are used"));
        Ok(list(key, all, charge))
    }

    async fn once(
        &self,
        request: ClientRequest,
        context: Option<CallContext>,
    ) -> Result<Answered, UpstreamError> {
        let peer = self.service.peer();
        let mut options =
            PeerRequestOptions::with_timeout(self.timeout).reset_timeout_on_progress();
        options.meta = context.as_ref().and_then(|context| context.trace_parent).map(|parent| {
            let mut meta = RequestMetaObject::default();
            meta.set_traceparent(parent.to_string());
            meta
        });
        let calls = &self.service.service().calls;
        let sending = calls.sending().await;
        let handle = peer
            .send_request_with_option(request, options)
            .await
            .map_err(|error| self.error(error))?;
        let in_flight = context
            .map(|context| calls.begin(handle.progress_token.clone(), handle.id.clone(), context));
        drop(sending);
        let forget = ForgetOnDrop { intake: self.intake.clone(), id: handle.id.clone() };
        let mut cancel = CancelOnDrop { peer: peer.clone(), id: Some(handle.id.clone()) };
        let answer = handle.await_response().await;
        cancel.id = None;
        if let Some(in_flight) = in_flight {
            in_flight.ends().await;
        }
        let charge = self.intake.take_charge(&forget.id);
        match answer.map_err(|error| self.error(error))? {
            ServerResult::InputRequiredResult(required) => {
                Ok(Answered::Asks(Box::new(required), charge))
            }
            ServerResult::CreateTaskResult(_) => {
                Err(self.unexpected("a task, which was not offered".to_owned()))
            }
            result => {
                let is_large = charge.bytes() > LARGE;
                // A thread goes on when nobody waits for it.
                let tree = move || (serde_json::to_value(result), charge);
                let (value, charge) = if is_large {
                    tokio::task::spawn_blocking(tree).await.map_err(|_| self.interrupted())?
                } else {
                    tree()
                };
                let mut value = value.map_err(|error| self.unexpected(error.to_string()))?;
                if let Some(object) = value.as_object_mut() {
                    object.remove("resultType");
                }
                Ok(Answered::Complete(Charged { value, charge }))
            }
        }
    }

    fn within_limit(&self, answer: Charged) -> Result<Charged, UpstreamError> {
        let is_too_large = size(&answer.value) > self.limits.result_bytes;
        if is_too_large { Err(self.too_large()) } else { Ok(answer) }
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn unexpected(&self, what: String) -> UpstreamError {
        UpstreamError::Unexpected { name: self.name(), what }
    }

    fn interrupted(&self) -> UpstreamError {
        UpstreamError::Closed { name: self.name() }
    }

    fn no_memory(&self, reason: NoMemory) -> UpstreamError {
        UpstreamError::NoMemory { name: self.name(), reason }
    }

    fn too_large(&self) -> UpstreamError {
        UpstreamError::TooLarge { name: self.name(), limit: self.limits.result_bytes }
    }

    fn error(&self, error: ServiceError) -> UpstreamError {
        match error {
            ServiceError::McpError(error) if error.code.0 == TOO_LARGE => self.too_large(),
            ServiceError::McpError(error) if error.code.0 == NO_MEMORY => self.no_memory(NoMemory),
            ServiceError::McpError(error) if error.code.0 == UNREADABLE => {
                UpstreamError::Unreadable { name: self.name(), why: shown(&error.message) }
            }
            ServiceError::McpError(error) => UpstreamError::Answered {
                name: self.name(),
                code: error.code.0,
                message: shown(&error.message),
            },
            ServiceError::Timeout { timeout } => {
                UpstreamError::Timeout { name: self.name(), ms: timeout.as_millis() }
            }
            ServiceError::TransportClosed | ServiceError::Cancelled { .. } => {
                UpstreamError::Closed { name: self.name() }
            }
            ServiceError::TransportSend(error) => {
                let reason = innermost(&error, &self.url);
                // rmcp's own limit of a body, where it is below ours.
                if reason.contains("exceeded the maximum size") {
                    return self.too_large();
                }
                UpstreamError::Unavailable { name: self.name(), reason }
            }
            other => self.unexpected(shown(&other.to_string())),
        }
    }
}

/// A whole list, as `{key: [...]}`.
fn list(key: &str, items: Vec<Value>, charge: Charge) -> Charged {
    let value = Value::Object([(key.to_owned(), items.into())].into_iter().collect());
    Charged { value, charge }
}

fn url_of(config: &ServerConfig) -> Option<(String, String)> {
    let TransportConfig::Http { url, .. } = &config.transport else { return None };
    shown_url(url)
}

enum Answered {
    Complete(Charged),
    Asks(Box<InputRequiredResult>, Charge),
}

impl Answered {
    fn complete(self) -> Result<Charged, UpstreamError> {
        match self {
            Self::Complete(answer) => Ok(answer),
            Self::Asks(..) => Err(UpstreamError::Invalid(
                "The server asks for input, which is supported in calls of tools only".to_owned(),
            )),
        }
    }
}

/// Bytes of a value's text, nearly.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| size(item) + 1).sum::<usize>(),
        Value::Object(members) => {
            2 + members.iter().map(|(key, value)| key.len() + 4 + size(value)).sum::<usize>()
        }
    }
}
