//! Clients that go away while their call runs. In the era of 2026-07-28 rmcp ends the
//! call. Before it a stream that broke off may be taken up again with Last-Event-ID
//! (MCP 2025-11-25, Transports, "Resumability"): there the call ends if nobody does.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, SizeHint};
use rmcp::ServerHandler;
use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientJsonRpcMessage, ClientNotification,
};
use rmcp::transport::streamable_http_server::session::{SessionId, SessionManager};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};

use super::state::Answering;
use super::tenants::Tenant;
use super::unanswered::Call;
use crate::server::held::Held;
use crate::server::timing::timing;

/// What becomes of a call when its stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// There was none.
    NotBegun,
    /// It broke off.
    Broken,
    /// It was read to its end, which has the answer.
    Answered,
}

/// The call that a stream answers, if it does.
pub(super) struct AnswerStream<H: ServerHandler + Send + 'static> {
    tenant: Arc<Tenant<H>>,
    number: u64,
    call: Option<Call>,
    /// What the request has, and its answer.
    pub held: Held,
    /// An event of it was seen, which has rmcp's number.
    is_numbered: bool,
    end: End,
}

impl<H: ServerHandler + Send + 'static> AnswerStream<H> {
    /// Of a stream that answers nothing.
    pub(super) fn none(tenant: &Arc<Tenant<H>>) -> Self {
        static STREAMS: AtomicU64 = AtomicU64::new(0);
        let number = STREAMS.fetch_add(1, Ordering::Relaxed);
        let held = Held::new(&tenant.budget.answers);
        let tenant = tenant.clone();
        Self { tenant, number, call: None, held, is_numbered: false, end: End::NotBegun }
    }

    /// Of the answer to a POST. None if the call's id is in use.
    pub(super) fn of_call(tenant: &Arc<Tenant<H>>, call: Call) -> Option<Self> {
        let mut answers = Self::none(tenant);
        tenant.unanswered.begin(&call, answers.number, &answers.held).then(|| {
            answers.call = Some(call);
            answers
        })
    }

    /// Of a stream of a client that has come back.
    pub(super) fn resumed(tenant: &Arc<Tenant<H>>, session: &SessionId, events: u64) -> Self {
        let mut answers = Self::none(tenant);
        if let Some((call, held)) = tenant.unanswered.resume(session, events, answers.number) {
            (answers.call, answers.held) = (Some(call), held);
        }
        // A client that comes back in the wrong way has not come back.
        answers.begin();
        answers
    }

    /// The client may repeat its call for the answer: that does not end with the stream.
    pub(super) fn is_kept(&self) {
        if let Some(call) = &self.call {
            self.tenant.unanswered.is_kept(call);
        }
    }

    pub(super) fn has_call(&self) -> bool {
        self.call.is_some()
    }

    /// There is a stream, which has not ended yet.
    pub(super) fn begin(&mut self) {
        self.end = End::Broken;
    }

    /// There is none after all.
    pub(super) fn ends_unbegun(&mut self) {
        self.end = End::NotBegun;
    }

    fn finish(&mut self) {
        self.end = End::Answered;
    }

    /// Sees what is sent.
    fn sends(&mut self, bytes: &[u8]) {
        let Some(call) = self.call.as_ref().filter(|_| !self.is_numbered) else { return };
        if let Some(events) = events_of(bytes) {
            self.tenant.unanswered.sends(call, self.number, events);
            self.is_numbered = true;
        }
    }
}

/// rmcp's number of a stream, from an event's id such as `0/7` (server-sent events of
/// the HTML standard, section 9.2.5).
fn events_of(bytes: &[u8]) -> Option<u64> {
    let id = bytes.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"id:"))?;
    stream_of(std::str::from_utf8(id).ok()?)
}

/// The part of an event's id that names the stream.
pub(super) fn stream_of(id: &str) -> Option<u64> {
    id.trim().split_once('/')?.1.parse().ok()
}

impl<H: ServerHandler + Send + 'static> Drop for AnswerStream<H> {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        match self.end {
            End::NotBegun | End::Answered => {
                self.tenant.unanswered.take(&call, self.number);
            }
            End::Broken => {
                tokio::spawn(give_up(self.tenant.clone(), call, self.number));
            }
        }
    }
}

/// A response whose end is watched.
pub(super) struct WatchedBody<H: ServerHandler + Send + 'static> {
    body: BoxBody<Bytes, Infallible>,
    answers: AnswerStream<H>,
    /// When what let its client in holds no more.
    until: Option<Pin<Box<Sleep>>>,
    /// What the request counts for while it is answered.
    _admitted: Admitted<H>,
}

/// The places that a request takes.
pub(super) type Admitted<H> = (OwnedSemaphorePermit, Option<Answering<H>>);

impl<H: ServerHandler + Send + 'static> WatchedBody<H> {
    pub(super) fn new(
        body: BoxBody<Bytes, Infallible>,
        answers: AnswerStream<H>,
        until: Option<Instant>,
        admitted: Admitted<H>,
    ) -> Self {
        let until = until.map(|until| Box::pin(sleep_until(until)));
        Self { body, answers, until, _admitted: admitted }
    }
}

impl<H: ServerHandler + Send + 'static> Body for WatchedBody<H> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let is_over = |until: &mut Pin<Box<Sleep>>| until.as_mut().poll(context).is_ready();
        if self.until.as_mut().is_some_and(is_over) {
            // As if it had broken off: with a new token it can be taken up again.
            return Poll::Ready(None);
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Ready(None) => self.answers.finish(),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(bytes) = frame.data_ref() {
                    self.answers.sends(bytes);
                }
            }
            _ => {}
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

impl<H: ServerHandler + Send + 'static> Drop for WatchedBody<H> {
    fn drop(&mut self) {
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
    tokio::time::sleep(timing().resume).await;
    let goes_on = tenant.unanswered.goes_on(&call);
    if tenant.unanswered.take(&call, number) && !goes_on {
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

    #[test]
    fn the_number_of_a_stream_is_read_from_its_events() {
        assert_eq!(events_of(b"data: \nid: 0/12\nretry: 1000\n\n"), Some(12));
        assert_eq!(events_of(b"id: 0\ndata: id: 3/4\n\n"), None);
        assert_eq!(stream_of("5/18446744073709551616"), None);
    }
}
