//! Clients that go away while their call runs. In the era of 2026-07-28 rmcp ends the
//! call. Before it a stream that broke off may be taken up again with Last-Event-ID
//! (MCP 2025-11-25, Transports, "Resumability"): there the call ends if nobody does.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
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
use super::memory::Reserved;
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

/// Calls of sessions that are not answered yet.
#[derive(Default)]
pub(super) struct Unanswered(Mutex<HashMap<Call, Stream>>);

/// Where the answer of a call goes to.
struct Stream {
    number: u64,
    /// It broke off: another may take its call up.
    broken: bool,
}

impl Unanswered {
    /// The calls of a session.
    pub(super) fn of(&self, session: &SessionId) -> Vec<Call> {
        let calls = self.calls();
        calls.keys().filter(|call| call.session == *session).cloned().collect()
    }

    /// Notes a call. Whether its id was free: rmcp answers only one of two calls with
    /// the same, and forgets neither before their session ends.
    fn begin(&self, call: &Call, number: u64) -> bool {
        match self.calls().entry(call.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(Stream { number, broken: false });
                true
            }
        }
    }

    /// Gives a stream the calls of a session whose own broke off.
    fn resume(&self, session: &SessionId, number: u64) -> Vec<Call> {
        let mut calls = self.calls();
        let broken = calls.iter_mut().filter(|(call, it)| call.session == *session && it.broken);
        let taken = broken.map(|(call, stream)| {
            *stream = Stream { number, broken: false };
            call.clone()
        });
        taken.collect()
    }

    /// The stream of a call broke off.
    fn breaks(&self, call: &Call, number: u64) {
        if let Some(stream) = self.calls().get_mut(call).filter(|it| it.number == number) {
            stream.broken = true;
        }
    }

    /// Forgets a call, if this stream still is where its answer goes to.
    fn take(&self, call: &Call, number: u64) -> bool {
        let mut calls = self.calls();
        let is_its = calls.get(call).is_some_and(|stream| stream.number == number);
        is_its && calls.remove(call).is_some()
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<Call, Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of calls when their stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// There was none.
    NotBegun,
    /// It broke off.
    Broken,
    /// It was read to its end, which has the answer.
    Answered,
    /// It was read to its end. Which call it took up only rmcp knows.
    Resumed,
}

/// The calls that a stream answers.
pub(super) struct Answers<H: ServerHandler + Send + 'static> {
    tenant: Arc<Tenant<H>>,
    number: u64,
    calls: Vec<Call>,
    whole: End,
    end: End,
}

impl<H: ServerHandler + Send + 'static> Answers<H> {
    /// Of a stream that answers nothing.
    pub(super) fn none(tenant: &Arc<Tenant<H>>) -> Self {
        static STREAMS: AtomicU64 = AtomicU64::new(0);
        let number = STREAMS.fetch_add(1, Ordering::Relaxed);
        let (end, whole) = (End::NotBegun, End::Answered);
        Self { tenant: tenant.clone(), number, calls: Vec::new(), whole, end }
    }

    /// Of the answer to a POST. None if the call's id is in use.
    pub(super) fn of_call(tenant: &Arc<Tenant<H>>, call: Call) -> Option<Self> {
        let mut answers = Self::none(tenant);
        tenant.unanswered.begin(&call, answers.number).then(|| {
            answers.calls.push(call);
            answers
        })
    }

    /// Of a stream of a client that has come back.
    pub(super) fn resumed(tenant: &Arc<Tenant<H>>, session: &SessionId) -> Self {
        let mut answers = Self::none(tenant);
        answers.calls = tenant.unanswered.resume(session, answers.number);
        answers.whole = End::Resumed;
        answers
    }

    /// There is a stream, which has not ended yet.
    pub(super) fn begin(&mut self) {
        self.end = End::Broken;
    }

    fn finish(&mut self) {
        self.end = self.whole;
    }
}

impl<H: ServerHandler + Send + 'static> Drop for Answers<H> {
    fn drop(&mut self) {
        for call in std::mem::take(&mut self.calls) {
            match self.end {
                End::NotBegun | End::Answered => {
                    self.tenant.unanswered.take(&call, self.number);
                }
                End::Broken | End::Resumed => {
                    self.tenant.unanswered.breaks(&call, self.number);
                    tokio::spawn(give_up(self.tenant.clone(), call, self.number));
                }
            }
        }
    }
}

/// A response whose end is watched.
pub(super) struct Watched<H: ServerHandler + Send + 'static> {
    body: BoxBody<Bytes, Infallible>,
    app: Arc<App<H>>,
    answers: Answers<H>,
    /// Whether it answers a POST.
    is_post: bool,
    /// What the request counts for while it is answered.
    _admitted: Admitted,
}

/// The places that a request takes.
pub(super) type Admitted = (OwnedSemaphorePermit, Option<Reserved>);

impl<H: ServerHandler + Send + 'static> Watched<H> {
    pub(super) fn new(
        body: BoxBody<Bytes, Infallible>,
        app: Arc<App<H>>,
        answers: Answers<H>,
        is_post: bool,
        admitted: Admitted,
    ) -> Self {
        if is_post {
            app.answering.fetch_add(1, Ordering::Relaxed);
        }
        Self { body, app, answers, is_post, _admitted: admitted }
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
            self.answers.finish();
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
        if self.is_post {
            self.app.answering.fetch_sub(1, Ordering::Relaxed);
        }
        if self.body.is_end_stream() {
            self.answers.finish();
        }
    }
}

async fn give_up<H: ServerHandler + Send + 'static>(
    tenant: Arc<Tenant<H>>,
    call: Call,
    number: u64,
) {
    tokio::time::sleep(RESUME_WITHIN).await;
    if tenant.unanswered.take(&call, number) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn call(session: &str, id: i64) -> Call {
        Call { session: session.to_owned().into(), id: RequestId::Number(id) }
    }

    #[test]
    fn an_id_is_free_again_when_its_call_is_answered() {
        let calls = Unanswered::default();
        assert!(calls.begin(&call("a", 1), 10) && calls.begin(&call("b", 1), 11));
        assert!(!calls.begin(&call("a", 1), 12));
        assert!(calls.take(&call("a", 1), 10) && calls.begin(&call("a", 1), 13));
    }

    #[test]
    fn only_calls_whose_stream_broke_are_taken_up() {
        let calls = Unanswered::default();
        let session: SessionId = "a".to_owned().into();
        assert!(calls.begin(&call("a", 1), 10) && calls.begin(&call("a", 2), 11));
        assert!(calls.resume(&session, 20).is_empty());
        calls.breaks(&call("a", 2), 11);
        assert_eq!(calls.resume(&session, 21), [call("a", 2)]);
        // What the first stream had of it is over.
        assert!(!calls.take(&call("a", 2), 11) && calls.take(&call("a", 2), 21));
    }
}
