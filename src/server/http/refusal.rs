//! Each way in which a request is not accepted: its status, its meaning, its text.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use thiserror::Error;

use crate::config::environment::{MAX_BODY_SIZE, MAX_CLIENTS, MAX_SESSIONS, RATE_LIMIT};
use crate::server::envelope::INVALID_REQUEST;
use crate::server::repeated::RepeatError;

/// JSON-RPC's code for it: of the range for servers (-32000 to -32099), with the
/// digits of 429.
const RATE_LIMITED: i32 = -32029;

/// As above, where it is the server that has no room.
const NO_ROOM: i32 = -32003;

/// As above, of credentials.
const UNAUTHORIZED: i32 = -32001;

/// As above, of a call that the client repeats or may repeat: with the digits of 409.
const REPEATED: i32 = -32009;

#[derive(Debug, Error)]
pub(super) enum Refusal {
    /// 400, 401, 403 or 503: the credentials.
    #[error("{text}")]
    Credentials {
        status: StatusCode,
        reason: &'static str,
        text: String,
        challenge: HeaderValue,
        retry_after: Option<Duration>,
    },
    /// 413: a body above the limit.
    #[error("Payload Too Large: the body has more than {0} bytes ({MAX_BODY_SIZE})")]
    TooLarge(usize),
    /// 408: the body did not come in time.
    #[error("Request Timeout: the body did not arrive within {} s", .0.as_secs())]
    SlowBody(Duration),
    /// 400: the body's transfer broke off.
    #[error("Bad Request: the body is incomplete: {0}")]
    BrokenBody(String),
    /// 400: no JSON-RPC message. The text is the answer.
    #[error("{0}")]
    NoMessage(String),
    /// 400: more values than there is memory for.
    #[error("Invalid request: the message has more than {0} values; put large data into files")]
    Values(usize),
    /// 400: two calls of a session with one id.
    #[error("Invalid request: a call with this id is in use in this session")]
    IdInUse { id: Option<Value> },
    /// 400: a first message that would be too much to keep.
    #[error("Invalid request: initialize has more than {most} bytes, which the session would keep")]
    Initialize { most: usize, id: Option<Value> },
    /// 503: other messages use all of the memory that is set aside for them.
    #[error("No memory for a message of this size now. Try again later")]
    Memory,
    /// 400: GET without a session (text of the Deno version).
    #[error("Invalid or missing session ID\n")]
    NoSession,
    /// 429: more calls than the principal may make.
    #[error(
        "Rate limit: more than {limit} calls per minute ({RATE_LIMIT}). Try again in {} ms",
        .wait.as_millis()
    )]
    Rate { limit: u32, wait: Duration, id: Option<Value> },
    /// 503: too many sessions of one principal.
    #[error(
        "You have {most} sessions ({MAX_SESSIONS}): end one with DELETE. Try again \
         later"
    )]
    Sessions { most: usize, id: Option<Value> },
    /// 503: too many open requests of one principal.
    #[error("You have {0} requests open, half of {MAX_CLIENTS}. Try again later")]
    Requests(usize),
    /// 503: all places are in use, and more wait for one than may.
    #[error("All {MAX_CLIENTS} connections are in use. Try again later")]
    Connections,
    /// 503: more principals than there is room for.
    #[error("No room for another caller. Try again later")]
    Tenants,
    /// 503: the principal's settings cannot be used.
    #[error("Your settings on this server cannot be used: the reason is in the server's log")]
    Settings,
    /// 503: it stops.
    #[error("The server is shutting down")]
    Draining { id: Option<Value> },
    /// 503: the tenant was ended while it answered.
    #[error("Your settings on this server have changed: try again")]
    Changed,
    /// 400, 409, 410, 422, 429 or 503: a call with an idempotency key.
    #[error("{error}")]
    Repeated { error: RepeatError, id: Option<Value> },
    /// 504: no answer within every limit that there is.
    #[error("Gateway Timeout: no answer within {} s", .0.as_secs())]
    Timeout(Duration),
}

/// When a client may try again that found no room.
pub(super) const LATER: Duration = Duration::from_secs(5);

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Credentials { status, .. } => *status,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenBody(_)
            | Self::NoMessage(_)
            | Self::Values(_)
            | Self::IdInUse { .. }
            | Self::Initialize { .. }
            | Self::NoSession => StatusCode::BAD_REQUEST,
            Self::Rate { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Sessions { .. }
            | Self::Requests(_)
            | Self::Connections
            | Self::Memory
            | Self::Tenants
            | Self::Settings
            | Self::Draining { .. }
            | Self::Changed => StatusCode::SERVICE_UNAVAILABLE,
            Self::Repeated { error, .. } => error.status(),
            Self::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// A word for the audit log and the metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Credentials { reason, .. } => reason,
            Self::TooLarge(_) => "body_size",
            Self::SlowBody(_) => "body_time",
            Self::BrokenBody(_) => "body",
            Self::NoMessage(_) | Self::IdInUse { .. } | Self::Initialize { .. } => "message",
            Self::Values(_) => "values",
            Self::Memory => "memory",
            Self::NoSession => "session",
            Self::Rate { .. } => "rate",
            Self::Sessions { .. } => "sessions",
            Self::Requests(_) => "requests",
            Self::Connections => "crowd",
            Self::Tenants => "tenants",
            Self::Settings => "settings",
            Self::Draining { .. } => "draining",
            Self::Changed => "changed",
            Self::Repeated { error, .. } => error.reason(),
            Self::Timeout(_) => "timeout",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rate { wait, .. } => Some(*wait),
            Self::Credentials { retry_after, .. } => *retry_after,
            Self::Repeated { error, .. } => error.retry_after(),
            Self::Sessions { .. }
            | Self::Requests(_)
            | Self::Connections
            | Self::Memory
            | Self::Tenants
            | Self::Settings
            | Self::Draining { .. } => Some(LATER),
            _ => None,
        }
    }

    fn body(&self) -> (&'static str, String) {
        let error = |code: i32, id: &Option<Value>, data: Value| {
            let mut error = json!({"code": code, "message": self.to_string()});
            if !data.is_null() {
                error["data"] = data;
            }
            ("application/json", json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string())
        };
        match self {
            Self::NoMessage(answer) => ("application/json", answer.clone()),
            Self::Values(_) => error(INVALID_REQUEST, &None, Value::Null),
            Self::IdInUse { id } | Self::Initialize { id, .. } => {
                error(INVALID_REQUEST, id, Value::Null)
            }
            Self::Credentials { .. } => error(UNAUTHORIZED, &None, Value::Null),
            Self::Rate { wait, id, .. } => {
                let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                error(RATE_LIMITED, id, json!({"retryAfterMs": milliseconds}))
            }
            Self::Repeated { error: problem, id } => {
                error(REPEATED, id, json!({"reason": problem.reason()}))
            }
            Self::Sessions { id, .. } | Self::Draining { id } => error(NO_ROOM, id, Value::Null),
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => {
                error(NO_ROOM, &None, Value::Null)
            }
            _ => ("text/plain; charset=utf-8", self.to_string()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (kind, body) = self.body();
        // RFC 9110, section 11.6.1: not where the keys are what is missing.
        let response_wants_challenge = self.status() != StatusCode::SERVICE_UNAVAILABLE;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(wait) = self.retry_after() {
            // Whole seconds (RFC 9110, section 10.2.3), not too few.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Self::Credentials { challenge, .. } = self
            && response_wants_challenge
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_rate_limit_says_how_long_to_wait_in_whole_seconds_and_in_milliseconds() {
        let refusal =
            Refusal::Rate { limit: 60, wait: Duration::from_millis(1_200), id: Some(json!(7)) };
        let response = refusal.into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({"jsonrpc": "2.0", "id": 7, "error": {
                "code": -32029,
                "message": "Rate limit: more than 60 calls per minute (MCP_CONDUCTOR_RATE_LIMIT). \
                            Try again in 1200 ms",
                "data": {"retryAfterMs": 1200},
            }})
        );
    }
}
