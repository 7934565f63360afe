//! Clients that go away while their call runs. In the era of 2026-07-28 rmcp ends the
//! call. Before it a stream that broke off may be taken up again with Last-Event-ID
//! (MCP 2025-11-25, Transports, "Resumability"): there the call ends if nobody does.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, SizeHint};
use rmcp::ServerHandler;
use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientJsonRpcMessage, ClientNotification,
    RequestId,
};
use rmcp::transport::streamable_http_server::session::{SessionId, SessionManager};
use tokio::sync::OwnedSemaphorePermit;

use super::app::App;
use super::tenants::Tenant;

/// How long a call goes on whose client is gone. Clients are told to come back after
/// a third of it.
const RESUME_WITHIN: Duration = Duration::from_secs(3);

/// A call of a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub session: SessionId,
    pub id: RequestId,
}

/// Calls of sessions that are not answered yet, each with the stream that its answer
/// goes to. A stream that breaks off after another took its call up has lost nothing.
#[derive(Default)]
pub(super) struct Unanswered(Mutex<HashMap<Call, u64>>);

impl Unanswered {
    /// The calls of a session.
    pub(super) fn of(&self, session: &SessionId) -> Vec<Call> {
        let calls = self.calls();
        calls.keys().filter(|call| call.session == *session).cloned().collect()
    }

    fn give(&self, calls: &[Call], stream: u64) {
        self.calls().extend(calls.iter().map(|call| (call.clone(), stream)));
    }

    /// Ends what a stream has of a call. Whether it had it.
    fn take(&self, call: &Call, stream: u64) -> bool {
        let mut calls = self.calls();
        calls.get(call) == Some(&stream) && calls.remove(call).is_some()
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<Call, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A response whose end is watched.
pub(super) struct Watched<H: ServerHandler + Send + 'static> {
    body: BoxBody<Bytes, Infallible>,
    app: Arc<App<H>>,
    tenant: Arc<Tenant<H>>,
    /// Its number.
    stream: u64,
    /// What is given up if the response is not read to its end.
    calls: Vec<Call>,
    /// Whether it answers a POST.
    answers: bool,
    _request: OwnedSemaphorePermit,
}

impl<H: ServerHandler + Send + 'static> Watched<H> {
    pub(super) fn new(
        body: BoxBody<Bytes, Infallible>,
        app: Arc<App<H>>,
        tenant: Arc<Tenant<H>>,
        calls: Vec<Call>,
        answers: bool,
        request: OwnedSemaphorePermit,
    ) -> Self {
        static STREAMS: AtomicU64 = AtomicU64::new(0);
        let stream = STREAMS.fetch_add(1, Ordering::Relaxed);
        if answers {
            app.answering.fetch_add(1, Ordering::Relaxed);
        }
        tenant.unanswered.give(&calls, stream);
        Self { body, app, tenant, stream, calls, answers, _request: request }
    }
}

impl<H: ServerHandler + Send + 'static> Body for Watched<H> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) {
            for call in std::mem::take(&mut self.calls) {
                self.tenant.unanswered.take(&call, self.stream);
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<H: ServerHandler + Send + 'static> Drop for Watched<H> {
    fn drop(&mut self) {
        if self.answers {
            self.app.answering.fetch_sub(1, Ordering::Relaxed);
        }
        let is_whole = self.body.is_end_stream();
        for call in std::mem::take(&mut self.calls) {
            if is_whole {
                self.tenant.unanswered.take(&call, self.stream);
            } else {
                tokio::spawn(give_up(self.tenant.clone(), call, self.stream));
            }
        }
    }
}

async fn give_up<H: ServerHandler + Send + 'static>(
    tenant: Arc<Tenant<H>>,
    call: Call,
    stream: u64,
) {
    tokio::time::sleep(RESUME_WITHIN).await;
    if tenant.unanswered.take(&call, stream) {
        cancel(&tenant, call, "the client has disconnected").await;
    }
}

/// Ends a call of a session.
pub(super) async fn cancel<H: ServerHandler + Send + 'static>(
    tenant: &Tenant<H>,
    call: Call,
    reason: &str,
) {
    let reason = reason.to_owned();
    let params = CancelledNotificationParam::new(Some(call.id), Some(reason));
    let notification = CancelledNotification::new(params);
    let message =
        ClientJsonRpcMessage::notification(ClientNotification::CancelledNotification(notification));
    // A session that has ended has taken its calls with it.
    let _ = tenant.sessions.accept_message(&call.session, message).await;
}
