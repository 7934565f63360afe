//! This server as the client of another: what upstream servers ask and tell.

// Sampling, roots and logging are deprecated by SEP-2577; servers of today use them.
#![allow(deprecated)]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use rmcp::ErrorData;
use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult,
    ElicitRequestParams, ElicitResult, ElicitationAction, ErrorCode, Implementation,
    LoggingMessageNotificationParam, MetaObject, NumberOrString, ProgressNotificationParam,
    ProgressToken, ProtocolVersion, RequestId,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::sync::{Notify, RwLock, RwLockReadGuard};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::error::shown;
use super::quiet::Quiet;
use crate::catalog::show_texts;
use crate::telemetry::TraceParent;

/// The client of this server, as far as upstream servers may ask it something.
pub(crate) trait Caller: Send + Sync {
    /// Which client this is: the same number for all runs of one.
    fn client(&self) -> usize;
    /// The same client for a question that may be another run's of it, and so does
    /// not end with this one.
    fn for_any_run(&self) -> Option<Arc<dyn Caller>> {
        None
    }
    /// Asks the user. `None` if this client cannot.
    fn elicit(&self, params: ElicitRequestParams) -> BoxFuture<'_, Option<ElicitResult>>;
    /// Asks the client's model. `None` if this client cannot.
    fn sample(
        &self,
        params: CreateMessageRequestParams,
    ) -> BoxFuture<'_, Option<Result<CreateMessageResult, ErrorData>>>;
}

/// Questions that the servers which one run calls may ask its client, all together:
/// each costs attention, or a model's time.
const MAX_QUESTIONS: u32 = 16;

/// Until a call is on its way to a server, which takes microseconds if it reads.
const SENDING: Duration = Duration::from_secs(1);

/// Until progress that came before an answer is handled.
const HANDLING: Duration = Duration::from_secs(1);

/// For an answer: a person reads and thinks.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);

/// The answer, if it comes within [`ANSWER_TIMEOUT`].
async fn in_time<T>(question: impl Future<Output = Option<T>>) -> Option<T> {
    timeout(ANSWER_TIMEOUT, question).await.ok().flatten()
}

/// A client for the time and the questions of one run.
pub(crate) struct RunCaller {
    caller: Arc<dyn Caller>,
    left: AtomicU32,
    ended: CancellationToken,
}

impl RunCaller {
    pub(crate) fn of_run(caller: Arc<dyn Caller>, ended: CancellationToken) -> Arc<dyn Caller> {
        Arc::new(Self { caller, left: AtomicU32::new(MAX_QUESTIONS), ended })
    }

    /// Uses up one of the questions that are left.
    fn take(&self) -> Option<()> {
        let take = |left: u32| left.checked_sub(1);
        self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok().then_some(())
    }

    async fn ask<T>(&self, question: impl Future<Output = Option<T>>) -> Option<T> {
        self.take()?;
        tokio::select! {
            answer = question => answer,
            () = self.ended.cancelled() => None,
        }
    }
}

impl Caller for RunCaller {
    fn client(&self) -> usize {
        self.caller.client()
    }

    fn for_any_run(&self) -> Option<Arc<dyn Caller>> {
        self.take()?;
        Some(self.caller.clone())
    }

    fn elicit(&self, params: ElicitRequestParams) -> BoxFuture<'_, Option<ElicitResult>> {
        self.ask(self.caller.elicit(params)).boxed()
    }

    fn sample(
        &self,
        params: CreateMessageRequestParams,
    ) -> BoxFuture<'_, Option<Result<CreateMessageResult, ErrorData>>> {
        self.ask(self.caller.sample(params)).boxed()
    }
}

/// The caller of a tool call.
#[derive(Clone)]
pub(crate) struct CallContext {
    /// Takes messages of progress.
    pub progress: Arc<dyn Fn(String) + Send + Sync>,
    pub caller: Option<Arc<dyn Caller>>,
    pub trace_parent: Option<TraceParent>,
}

/// Calls in flight on one connection.
#[derive(Default)]
pub(super) struct Calls {
    known: Mutex<Known>,
    /// Read while a call is sent: rmcp says which token it has after that, and the
    /// server may be quicker.
    sending: RwLock<()>,
    /// Progress that had arrived was handled.
    handled: Notify,
}

#[derive(Default)]
struct Known {
    is_connected: bool,
    in_flight: HashMap<ProgressToken, Call>,
    /// Notifications of progress that have arrived and are not handled yet.
    arrived: HashMap<ProgressToken, usize>,
}

struct Call {
    id: RequestId,
    context: CallContext,
    /// Its answer has arrived: the server asks nothing for it any more.
    answered: bool,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }

    /// Calls can be made from now on. What comes during the handshake rmcp drops.
    pub(super) fn connected(&self) {
        self.lock().is_connected = true;
    }

    /// Progress has arrived; it is handled later.
    pub(super) fn arrived(&self, token: &ProgressToken) {
        let mut known = self.lock();
        // rmcp's own tokens are numbers: for others nobody waits.
        if known.is_connected && matches!(token.0, NumberOrString::Number(_)) {
            *known.arrived.entry(token.clone()).or_default() += 1;
        }
    }

    /// The answer to a request has arrived; whoever waits for it is told later.
    pub(super) fn answered(&self, id: &RequestId) {
        // As rmcp takes it, the number as a string too.
        let is_of = |call: &Call| call.id.to_string() == id.to_string();
        for call in self.lock().in_flight.values_mut().filter(|call| is_of(call)) {
            call.answered = true;
        }
    }

    /// Waits until all progress of a call that has arrived is handled, which takes
    /// microseconds.
    async fn all_handled(&self, token: &ProgressToken) {
        let handled = async {
            loop {
                let notified = self.handled.notified();
                if !self.lock().arrived.contains_key(token) {
                    return;
                }
                notified.await;
            }
        };
        let _ = timeout(HANDLING, handled).await;
    }

    /// To be held from before a call is sent until it has begun.
    pub(super) async fn sending(&self) -> RwLockReadGuard<'_, ()> {
        self.sending.read().await
    }

    /// Waits until the calls that are being sent are known.
    async fn settled(&self) {
        // A call of a server that does not read stays unknown.
        let _ = timeout(SENDING, self.sending.write()).await;
    }

    pub(super) fn begin(
        self: &Arc<Self>,
        token: ProgressToken,
        id: RequestId,
        context: CallContext,
    ) -> InFlight {
        self.lock().in_flight.insert(token.clone(), Call { id, context, answered: false });
        InFlight { calls: self.clone(), token }
    }

    async fn of(&self, token: &ProgressToken) -> Option<CallContext> {
        self.settled().await;
        self.lock().in_flight.get(token).map(|call| call.context.clone())
    }

    /// Whom a server asks that does not say for which call. With calls of several
    /// clients in flight nobody can tell, and no client is asked another's question.
    async fn only(&self) -> Option<Arc<dyn Caller>> {
        self.settled().await;
        let known = self.lock();
        let calls = known.in_flight.values().filter(|call| !call.answered);
        let mut callers = calls.map(|call| call.context.caller.clone());
        let first = callers.next()??;
        let mut others = callers.peekable();
        let is_alone = others.peek().is_none();
        let of_one =
            others.all(|other| other.is_some_and(|other| first.client() == other.client()));
        match of_one {
            false => None,
            true if is_alone => Some(first),
            true => first.for_any_run(),
        }
    }
}

/// A call in flight; dropped, it is not any more.
pub(super) struct InFlight {
    calls: Arc<Calls>,
    token: ProgressToken,
}

impl InFlight {
    /// The answer is there: what came before it is handled first.
    pub(super) async fn ends(self) {
        self.calls.all_handled(&self.token).await;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.calls.lock().in_flight.remove(&self.token);
    }
}

/// One notification of progress that is being handled; dropped, it was.
struct Handling<'a> {
    calls: &'a Calls,
    token: &'a ProgressToken,
}

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        let mut known = self.calls.lock();
        if let Some(count) = known.arrived.get_mut(self.token) {
            *count -= 1;
            if *count == 0 {
                known.arrived.remove(self.token);
            }
        }
        drop(known);
        self.calls.handled.notify_waiters();
    }
}

/// Handles what comes from one upstream server.
#[derive(Clone)]
pub(super) struct Client {
    pub name: Arc<str>,
    pub calls: Arc<Calls>,
    /// The list of tools is not what it was.
    pub changed: Arc<Notify>,
    pub quiet: Arc<Quiet>,
}

/// Why a question is not passed on.
#[derive(Debug, Error, PartialEq, Eq)]
enum Unasked {
    #[error("its URL is neither http nor https, and no other is opened for a server")]
    Scheme,
    #[error("its texts cannot be read")]
    Text,
}

/// A question of a server as its user may see it: with the name of who asks, which is
/// not this server, and nothing that is not visible.
fn presentable(server: &str, params: ElicitRequestParams) -> Result<ElicitRequestParams, Unasked> {
    let mut params = visible_texts(params)?;
    match &mut params {
        ElicitRequestParams::FormElicitationParams { message, .. } => {
            *message = format!("The MCP server \"{server}\" asks: {}", shown(message));
        }
        ElicitRequestParams::UrlElicitationParams { message, url, .. } => {
            *message = format!("The MCP server \"{server}\" asks: {}", shown(message));
            // As a browser reads it, which is what the user is to see.
            let read = Url::parse(url).ok();
            let read = read.filter(|url| matches!(url.scheme(), "http" | "https"));
            *url = read.ok_or(Unasked::Scheme)?.into();
        }
        _ => return Err(Unasked::Text),
    }
    Ok(params)
}

/// The same with texts that are visible, as far as somebody reads them.
fn visible_texts<T: Serialize + DeserializeOwned>(params: T) -> Result<T, Unasked> {
    let mut value = serde_json::to_value(params).map_err(|_| Unasked::Text)?;
    show_texts(&mut value);
    serde_json::from_value(value).map_err(|_| Unasked::Text)
}

impl Client {
    /// Asks the user, if the question can be shown.
    pub(super) async fn elicit_for(
        &self,
        caller: Option<Arc<dyn Caller>>,
        params: ElicitRequestParams,
    ) -> ElicitResult {
        let mut declined = ElicitResult::new(ElicitationAction::Decline);
        let params = match presentable(&self.name, params) {
            Ok(params) => params,
            Err(reason) => {
                if self.quiet.allows(&self.name) {
                    tracing::warn!(server = %self.name, "a question was declined: {reason}");
                }
                let text = serde_json::Value::from(format!("not shown to the user: {reason}"));
                let mut meta = MetaObject::new();
                meta.insert("reason".to_owned(), text);
                declined.meta = Some(meta);
                return declined;
            }
        };
        let asked = match caller {
            Some(caller) => in_time(caller.elicit(params)).await,
            None => None,
        };
        asked.unwrap_or(declined)
    }

    pub(super) async fn sample_for(
        caller: Option<Arc<dyn Caller>>,
        params: CreateMessageRequestParams,
    ) -> Result<CreateMessageResult, ErrorData> {
        let params = visible_texts(params)
            .map_err(|error| ErrorData::invalid_params(error.to_string(), None))?;
        let asked = match caller {
            Some(caller) => in_time(caller.sample(params)).await,
            None => None,
        };
        asked.unwrap_or_else(|| {
            let message = "The client has no model to ask, or not for this call";
            Err(ErrorData::new(ErrorCode::INVALID_REQUEST, message, None))
        })
    }
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let capabilities =
            ClientCapabilities::builder().enable_elicitation().enable_sampling().build();
        let implementation = Implementation::new("mcp-conductor", env!("CARGO_PKG_VERSION"))
            .with_title("MCP Conductor");
        // What `initialize` offers; the era without it has versions of its own.
        ClientConfig::new(capabilities, implementation)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(self.elicit_for(self.calls.only().await, params).await)
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        Self::sample_for(self.calls.only().await, params).await
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        let _handling = Handling { calls: &self.calls, token: &params.progress_token };
        let Some(context) = self.calls.of(&params.progress_token).await else { return };
        let amount = match params.total {
            Some(total) => format!("{}/{total}", params.progress),
            None => params.progress.to_string(),
        };
        (context.progress)(match params.message {
            Some(message) => format!("{}: {amount} {}", self.name, shown(&message)),
            None => format!("{}: {amount}", self.name),
        });
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        if tracing::enabled!(tracing::Level::DEBUG) && self.quiet.allows(&self.name) {
            tracing::debug!(server = %self.name, "{}", shown(&params.data.to_string()));
        }
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Caller for Nobody {
        fn client(&self) -> usize {
            1
        }

        fn elicit(&self, _: ElicitRequestParams) -> BoxFuture<'_, Option<ElicitResult>> {
            std::future::ready(None).boxed()
        }

        fn sample(
            &self,
            _: CreateMessageRequestParams,
        ) -> BoxFuture<'_, Option<Result<CreateMessageResult, ErrorData>>> {
            std::future::ready(None).boxed()
        }
    }

    fn context() -> CallContext {
        let caller: Arc<dyn Caller> = Arc::new(Nobody);
        CallContext { progress: Arc::new(|_| ()), caller: Some(caller), trace_parent: None }
    }

    fn begun(calls: &Arc<Calls>, number: i64) -> InFlight {
        let number = NumberOrString::Number(number);
        calls.begin(ProgressToken(number.clone()), number, context())
    }

    fn of_url(url: &str) -> ElicitRequestParams {
        ElicitRequestParams::UrlElicitationParams {
            meta: None,
            message: "Log in\u{202e}".to_owned(),
            url: url.to_owned(),
            elicitation_id: "1".to_owned(),
        }
    }

    #[test]
    fn only_web_pages_are_opened_for_a_server() {
        for url in [
            "javascript:alert(1)",
            "file:///etc/passwd",
            "data:text/html,x",
            "vscode://x",
            "ms-word:x",
            " \u{1}javascript:x",
            "example.com/login",
            "",
        ] {
            assert_eq!(presentable("up", of_url(url)), Err(Unasked::Scheme), "{url}");
        }
        for (url, expected) in [
            ("https://example.com/login?a=b", "https://example.com/login?a=b"),
            ("HTTP://EXAMPLE.com", "http://example.com/"),
            ("https://example.com/\u{202e}moc", "https://example.com/%E2%80%AEmoc"),
            ("https://ex\u{430}mple.com/", "https://xn--exmple-4nf.com/"),
        ] {
            let shown = presentable("up", of_url(url));
            let Ok(ElicitRequestParams::UrlElicitationParams { url, message, .. }) = shown else {
                panic!("{url}: {shown:?}");
            };
            assert_eq!(url, expected);
            assert_eq!(message, "The MCP server \"up\" asks: Log in");
        }
    }

    #[test]
    fn a_form_shows_nothing_that_is_not_visible_and_keeps_what_is_sent() {
        let form = serde_json::json!({
            "mode": "form",
            "message": "Who\u{200b}?\u{e0041}",
            "requestedSchema": {"type": "object", "properties": {
                "a": {"type": "string", "title": "N\u{202e}ame", "description": "\u{2066}x",
                      "enum": ["\u{202e}"]},
            }},
        });
        let form: ElicitRequestParams = serde_json::from_value(form).unwrap();
        let shown = serde_json::to_value(presentable("up", form).unwrap()).unwrap();
        assert_eq!(shown["message"], "The MCP server \"up\" asks: Who?");
        let field = &shown["requestedSchema"]["properties"]["a"];
        assert_eq!((&field["title"], &field["description"]), (&"Name".into(), &"x".into()));
        assert_eq!(field["enum"][0], "\u{202e}");
    }

    /// A server on the same machine may ask before the task that sent the call goes on.
    #[tokio::test]
    async fn a_question_waits_for_the_call_that_is_being_sent() {
        let calls = Arc::new(Calls::default());
        let token = ProgressToken(NumberOrString::Number(7));
        let sending = calls.sending().await;
        let (asked, told) = (calls.clone(), calls.clone());
        let question = tokio::spawn(async move { asked.only().await.is_some() });
        let of_call = token.clone();
        let progress = tokio::spawn(async move { told.of(&of_call).await.is_some() });
        tokio::task::yield_now().await;
        let _in_flight = calls.begin(token, NumberOrString::Number(1), context());
        drop(sending);
        assert!(question.await.unwrap() && progress.await.unwrap());
    }

    #[tokio::test]
    async fn without_a_call_nobody_is_asked() {
        let calls = Arc::new(Calls::default());
        let in_flight = begun(&calls, 7);
        assert!(calls.only().await.is_some());
        drop(in_flight);
        assert!(calls.only().await.is_none());
    }

    #[tokio::test]
    async fn a_call_that_has_its_answer_is_asked_for_nothing() {
        let calls = Arc::new(Calls::default());
        let _in_flight = begun(&calls, 7);
        calls.answered(&NumberOrString::Number(8));
        assert!(calls.only().await.is_some());
        calls.answered(&NumberOrString::Number(7));
        assert!(calls.only().await.is_none());
    }

    #[tokio::test]
    async fn a_call_ends_after_its_progress_and_waits_for_no_other() {
        let calls = Arc::new(Calls::default());
        let (token, other) = (NumberOrString::Number(7), NumberOrString::Number(8));
        let (token, other) = (ProgressToken(token), ProgressToken(other));
        calls.arrived(&token);
        calls.connected();
        calls.arrived(&ProgressToken(NumberOrString::String("7".into())));
        for one in [&token, &token, &other] {
            calls.arrived(one);
        }
        let in_flight = begun(&calls, 7);
        let ends = tokio::spawn(in_flight.ends());
        for left in [true, false] {
            assert!(!ends.is_finished());
            drop(Handling { calls: &calls, token: &token });
            tokio::task::yield_now().await;
            assert_eq!(calls.lock().arrived.contains_key(&token), left);
        }
        ends.await.unwrap();
        assert!(calls.lock().arrived.contains_key(&other) && calls.lock().in_flight.is_empty());
    }
}
