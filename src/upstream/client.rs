//! This server as the client of another: what upstream servers ask and tell.

// Sampling, roots and logging are deprecated by SEP-2577; servers of today use them.
#![allow(deprecated)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::ErrorData;
use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult,
    ElicitRequestParams, ElicitResult, ElicitationAction, ErrorCode, Implementation,
    LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient};
use tokio::sync::{Notify, RwLock, RwLockReadGuard};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::error::shown;
use super::locked;
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

/// Whom a call is made for.
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
    known: Mutex<HashMap<ProgressToken, CallContext>>,
    /// Read while a call is sent: rmcp says which token it has after that, and the
    /// server may be quicker.
    sending: RwLock<()>,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, HashMap<ProgressToken, CallContext>> {
        locked(&self.known)
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

    pub(super) fn begin(self: &Arc<Self>, token: ProgressToken, context: CallContext) -> InFlight {
        self.lock().insert(token.clone(), context);
        InFlight { calls: self.clone(), token }
    }

    async fn of(&self, token: &ProgressToken) -> Option<CallContext> {
        self.settled().await;
        self.lock().get(token).cloned()
    }

    /// Whom a server asks that does not say for which call. With calls of several
    /// clients in flight nobody can tell, and no client is asked another's question.
    async fn only(&self) -> Option<Arc<dyn Caller>> {
        self.settled().await;
        let calls = self.lock();
        let mut callers = calls.values().map(|context| context.caller.clone());
        let first = callers.next()??;
        let of_one =
            callers.all(|other| other.is_some_and(|other| first.client() == other.client()));
        match calls.len() {
            _ if !of_one => None,
            1 => Some(first),
            _ => first.for_any_run(),
        }
    }
}

/// A call in flight; dropped, it is not any more.
pub(super) struct InFlight {
    calls: Arc<Calls>,
    token: ProgressToken,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.token);
    }
}

/// Handles what comes from one upstream server.
#[derive(Clone)]
pub(super) struct Client {
    pub name: Arc<str>,
    pub calls: Arc<Calls>,
    /// The list of tools is not what it was.
    pub changed: Arc<Notify>,
}

impl Client {
    /// The user is told which server asks: it is not this one.
    pub(super) async fn elicit_for(
        server: &str,
        caller: Option<Arc<dyn Caller>>,
        mut params: ElicitRequestParams,
    ) -> ElicitResult {
        if let ElicitRequestParams::FormElicitationParams { message, .. }
        | ElicitRequestParams::UrlElicitationParams { message, .. } = &mut params
        {
            *message = format!("The MCP server \"{server}\" asks: {}", shown(message));
        }
        let asked = match caller {
            Some(caller) => in_time(caller.elicit(params)).await,
            None => None,
        };
        asked.unwrap_or_else(|| ElicitResult::new(ElicitationAction::Decline))
    }

    pub(super) async fn sample_for(
        caller: Option<Arc<dyn Caller>>,
        params: CreateMessageRequestParams,
    ) -> Result<CreateMessageResult, ErrorData> {
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
        ClientConfig::new(capabilities, implementation)
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(Self::elicit_for(&self.name, self.calls.only().await, params).await)
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
        tracing::debug!(server = %self.name, "{}", shown(&params.data.to_string()));
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::NumberOrString;

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
        let _in_flight = calls.begin(token, context());
        drop(sending);
        assert!(question.await.unwrap() && progress.await.unwrap());
    }

    #[tokio::test]
    async fn without_a_call_nobody_is_asked() {
        let calls = Arc::new(Calls::default());
        let in_flight = calls.begin(ProgressToken(NumberOrString::Number(7)), context());
        assert!(calls.only().await.is_some());
        drop(in_flight);
        assert!(calls.only().await.is_none());
    }
}
