//! `/mcp`: who calls, what, and whether it may now. rmcp does the rest.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use rmcp::ServerHandler;
use rmcp::model::RequestId;
use rmcp::transport::streamable_http_server::session::SessionId;

use super::app::{App, Settings};
use super::disconnect::{self, Call, Watched};
use super::refusal::Refusal;
use super::tenants::Tenant;
use crate::server::auth::AuthError;
use crate::server::envelope;

/// For the whole body of a request: 16 MiB take 13 s at 10 Mbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
const LAST_EVENT: &str = "last-event-id";

/// The first version without sessions.
const STATELESS: &str = "2026-07-28";

/// Answers a request to `/mcp`.
pub(super) async fn mcp<H: ServerHandler + Send + 'static>(
    State(app): State<Arc<App<H>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    match answer(&app, request).await {
        Ok(response) => {
            if response.status() == StatusCode::FORBIDDEN {
                app.rejections.note("host or origin", peer.ip());
            }
            response
        }
        Err(refusal) => {
            let metrics = app.base.metrics();
            match &refusal {
                Refusal::Credentials { reason, .. } => metrics.authentication_failed(reason),
                Refusal::Rate { .. } => metrics.rate_limited(),
                _ => {}
            }
            app.rejections.note(refusal.reason(), peer.ip());
            refusal.into_response()
        }
    }
}

async fn answer<H: ServerHandler + Send + 'static>(
    app: &Arc<App<H>>,
    mut request: Request,
) -> Result<Response, Refusal> {
    let settings = app.settings();
    let identity = settings.authenticator.authenticate(request.headers()).await;
    let identity = identity.map_err(|error| credentials(&settings, &error))?;
    // rmcp keeps the head of the request, and prints it at level trace.
    request.headers_mut().remove(AUTHORIZATION);
    let tenant = app.tenants.tenant(app, &settings, identity)?;
    let place = tenant.admit_request()?;
    let is_post = request.method() == Method::POST;
    let (calls, request) = match *request.method() {
        Method::POST => {
            let (calls, request) =
                post(app, &tenant, request, settings.config.http().max_body_size).await?;
            (calls, request.map(Body::new))
        }
        Method::GET => (get(&tenant, request.headers())?, request),
        Method::DELETE => {
            delete(&tenant, request.headers()).await;
            (Vec::new(), request)
        }
        _ => (Vec::new(), request),
    };
    let longest = tenant.longest();
    let answered = tokio::time::timeout(longest, tenant.service.handle(request)).await;
    let response = answered.map_err(|_| Refusal::Timeout(longest))?;
    // Only a stream has something to lose.
    let calls = if response.status() == StatusCode::OK { calls } else { Vec::new() };
    Ok(response
        .map(|body| Body::new(Watched::new(body, app.clone(), tenant, calls, is_post, place))))
}

fn credentials(settings: &Settings, error: &AuthError) -> Refusal {
    Refusal::Credentials {
        status: error.status(),
        reason: error.reason(),
        text: error.to_string(),
        challenge: settings.authenticator.challenge(error),
        retry_after: error.retry_after(),
    }
}

/// Reads a message, and counts it.
async fn post<H: ServerHandler + Send + 'static>(
    app: &App<H>,
    tenant: &Tenant<H>,
    request: Request,
    max_body: usize,
) -> Result<(Vec<Call>, http::Request<Full<Bytes>>), Refusal> {
    let (parts, body) = request.into_parts();
    let bytes = read(&parts.headers, body, max_body).await?;
    let head = envelope::read(&bytes).map_err(Refusal::NoMessage)?;
    let session = session(&parts.headers);
    match head.method.as_deref() {
        Some("tools/call") => tenant.admit_call(head.id.as_ref())?,
        Some("initialize") if app.serving.is_draining() => return Err(Refusal::Draining),
        Some("initialize") if session.is_none() => tenant.admit_session().await?,
        _ => {}
    }
    let id = head.id.and_then(|id| serde_json::from_value::<RequestId>(id).ok());
    let call = session.zip(id).map(|(session, id)| Call { session, id });
    let calls = call.filter(|_| head.method.is_some()).into_iter().collect();
    Ok((calls, http::Request::from_parts(parts, Full::new(bytes))))
}

async fn read(headers: &HeaderMap, body: Body, max: usize) -> Result<Bytes, Refusal> {
    let length = headers.get(http::header::CONTENT_LENGTH).and_then(|it| it.to_str().ok());
    if length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|it| it > max as u64) {
        return Err(Refusal::TooLarge(max));
    }
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, max).collect()).await;
    match collected.map_err(|_| Refusal::SlowBody(BODY_TIMEOUT))? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge(max)),
        Err(error) => Err(Refusal::BrokenBody(error.to_string())),
    }
}

/// A stream of a session: what it takes up again.
fn get<H: ServerHandler + Send + 'static>(
    tenant: &Tenant<H>,
    headers: &HeaderMap,
) -> Result<Vec<Call>, Refusal> {
    let is_stateless = headers.get(VERSION).is_some_and(|it| it.as_bytes() >= STATELESS.as_bytes());
    match session(headers) {
        Some(session) if headers.contains_key(LAST_EVENT) => Ok(tenant.unanswered.of(&session)),
        None if !is_stateless => Err(Refusal::NoSession),
        _ => Ok(Vec::new()),
    }
}

/// Ends the calls of a session that is to end: rmcp waits for them.
async fn delete<H: ServerHandler + Send + 'static>(tenant: &Tenant<H>, headers: &HeaderMap) {
    let session = session(headers);
    let calls = session.map(|session| tenant.unanswered.of(&session)).unwrap_or_default();
    for call in calls {
        disconnect::cancel(tenant, call, "the session has ended").await;
    }
}

fn session(headers: &HeaderMap) -> Option<SessionId> {
    headers.get(SESSION).and_then(|it| it.to_str().ok()).map(|id| id.to_owned().into())
}
