//! `/mcp`: who calls, what, and whether it may now. rmcp does the rest.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use rmcp::ServerHandler;
use rmcp::model::RequestId;
use rmcp::transport::streamable_http_server::session::SessionId;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::connections::StageReporter;
use super::disconnect::{self, AnswerStream, WatchedBody};
use super::memory::{self, SMALL};
use super::refusal::Refusal;
use super::sessions::HELD;
use super::settings::Settings;
use super::state::{Answering, App};
use super::tenants::Tenant;
use super::unanswered::Call;
use crate::server::auth::AuthError;
use crate::server::envelope::{self, Head};
use crate::server::repeated::{self, Keyed, RepeatError, Who};
use crate::server::timing::timing;
use crate::text::mended::{is_whole, mend};

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
const LAST_EVENT: &str = "last-event-id";

/// The name of the replica that has a session.
const OWNER: &str = "mcp-conductor-replica";

/// The first version without sessions.
const STATELESS: &str = "2026-07-28";

/// Answers a request to `/mcp`.
pub(super) async fn mcp<H: ServerHandler + Send + 'static>(
    State(app): State<Arc<App<H>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    let standing = request.extensions_mut().remove::<StageReporter>();
    let found = tenant(&app, request.headers()).await;
    if let Some(standing) = standing {
        standing.is_known(found.is_ok());
    }
    let (tenant, settings, until) = match found {
        Ok(found) => found,
        Err(refusal) => {
            app.strangers.note(refusal.reason(), peer.ip(), None);
            return refusal.into_response();
        }
    };
    // rmcp keeps the head of the request, and prints it at level trace.
    request.headers_mut().remove(AUTHORIZATION);
    let answered = answer(&app, &tenant, &settings, until, request).await;
    let note = |reason| app.rejections.note(reason, peer.ip(), tenant.principal());
    match answered {
        Ok(response) => {
            match response.status() {
                StatusCode::FORBIDDEN => note("host or origin"),
                StatusCode::NOT_FOUND => note("session or method"),
                status if status.is_client_error() => note("protocol"),
                _ => {}
            }
            response
        }
        Err(refusal) => {
            if matches!(refusal, Refusal::Rate { .. }) {
                app.base.metrics().rate_limited();
            }
            note(refusal.reason());
            refusal.into_response()
        }
    }
}

/// Who calls, by which settings, and until when.
type Found<H> = (Arc<Tenant<H>>, Arc<Settings>, Option<Instant>);

/// Who calls.
async fn tenant<H: ServerHandler + Send + 'static>(
    app: &Arc<App<H>>,
    headers: &HeaderMap,
) -> Result<Found<H>, Refusal> {
    loop {
        let settings = app.settings();
        let found = settings.authenticator.authenticate(headers).await;
        let (identity, until) = found.map_err(|error| {
            app.base.metrics().authentication_failed(error.reason());
            credentials(&settings, &error)
        })?;
        if let Some(tenant) = app.tenants.tenant(&settings, || app.settings(), identity)? {
            return Ok((tenant, settings, until));
        }
    }
}

async fn answer<H: ServerHandler + Send + 'static>(
    app: &Arc<App<H>>,
    tenant: &Arc<Tenant<H>>,
    settings: &Settings,
    until: Option<Instant>,
    request: Request,
) -> Result<Response, Refusal> {
    let place = tenant.admit_request()?;
    let method = request.method().clone();
    let (mut answers, is_large, mut request) = match method {
        Method::POST => post(app, tenant, request, settings.config.http().max_body_size).await?,
        Method::GET => (get(tenant, request.headers())?, false, request),
        Method::DELETE => {
            delete(tenant, request.headers()).await;
            (AnswerStream::none(tenant), false, request)
        }
        _ => (AnswerStream::none(tenant), false, request),
    };
    request.extensions_mut().insert(answers.held.clone());
    let session = session(request.headers());
    let answering = (method == Method::POST || answers.has_call()).then(|| Answering::new(app));
    // Access may have been taken away while the body came in.
    if tenant.has_ended() {
        return Err(ended(app));
    }
    let longest = tenant.longest();
    let latest = Instant::now() + longest;
    let handled = handle(app, tenant, request, is_large, &mut answers);
    let answered = timeout_at(until.map_or(latest, |until| until.min(latest)), handled).await;
    let mut response = answered.map_err(|_| match until {
        Some(until) if until < latest => credentials(settings, &AuthError::Expired),
        _ => Refusal::Timeout(longest),
    })?;
    match response.status() {
        // Python's client takes 200 and 204 only for an end.
        StatusCode::ACCEPTED if method == Method::DELETE => {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        StatusCode::NOT_FOUND => name_owner(tenant, session, &mut response).await,
        // What rmcp says of a service that was stopped.
        StatusCode::INTERNAL_SERVER_ERROR if tenant.has_ended() => return Err(ended(app)),
        _ => {}
    }
    // Only a stream has something to lose.
    if response.status() == StatusCode::OK {
        answers.begin();
    }
    let admitted = (place, answering);
    Ok(response.map(|body| Body::new(WatchedBody::new(body, answers, until, admitted))))
}

/// Says which replica has a session that is not here, so that a balancer can send the request
/// there. A client that gets this answer starts anew.
async fn name_owner<H: ServerHandler + Send + 'static>(
    tenant: &Tenant<H>,
    session: Option<SessionId>,
    response: &mut http::Response<BoxBody<Bytes, Infallible>>,
) {
    let Some(session) = session else { return };
    let Some(owner) = tenant.sessions.owner_elsewhere(&session).await else { return };
    if let Ok(owner) = HeaderValue::from_str(&owner) {
        response.headers_mut().insert(OWNER, owner);
    }
}

/// Gives a request to rmcp, which reads its message.
async fn handle<H: ServerHandler + Send + 'static>(
    app: &App<H>,
    tenant: &Arc<Tenant<H>>,
    request: Request,
    is_large: bool,
    answers: &mut AnswerStream<H>,
) -> http::Response<BoxBody<Bytes, Infallible>> {
    let (tenant, held) = (tenant.clone(), answers.held.clone());
    let handled = HELD.scope(held, async move { tenant.service.handle(request).await });
    if !is_large {
        return handled.await;
    }
    // Another thread begins it even if the client goes away meanwhile.
    answers.begin();
    let response = app.readers.begin(Box::pin(handled)).await;
    answers.ends_unbegun();
    response
}

/// Why a tenant has ended.
fn ended<H: ServerHandler + Send + 'static>(app: &App<H>) -> Refusal {
    if app.serving.is_draining() { Refusal::Draining { id: None } } else { Refusal::Changed }
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

/// Reads a message, and counts it. Whether it is a large one.
async fn post<H: ServerHandler + Send + 'static>(
    app: &App<H>,
    tenant: &Arc<Tenant<H>>,
    request: Request,
    max_body: usize,
) -> Result<(AnswerStream<H>, bool, Request), Refusal> {
    let (parts, body) = request.into_parts();
    let budget = &tenant.budget;
    let mut text = budget.for_text(length(&parts.headers, max_body)?).await?;
    let bytes = read(body, max_body).await?;
    // A body that did not say how long it is might have had all that one may have.
    text.shrink_to(bytes.len());
    let is_large = bytes.len() > SMALL;
    let (bytes, head, values) = match is_large {
        true => app.readers.run(move || understand(bytes)).await,
        false => understand(bytes),
    };
    let head = head.map_err(Refusal::NoMessage)?;
    let sizes = (head_length(&parts.headers), bytes.len());
    // A session takes notifications and answers in its own time.
    let stays = head.id.is_none() || head.method.is_none();
    let mut charges = vec![budget.for_message(sizes, values, stays, text).await?];
    let session = session(&parts.headers);
    let mut keyed = None;
    match head.method.as_deref() {
        // A balancer can send it on.
        Some("tools/call") if app.serving.is_draining() => {
            return Err(Refusal::Draining { id: head.id });
        }
        Some("tools/call") => {
            tenant.admit_call(head.id.as_ref()).await?;
            keyed = key_of(app, tenant, &parts.headers, &bytes, head.id.as_ref()).await?;
        }
        Some("initialize") if app.serving.is_draining() => {
            return Err(Refusal::Draining { id: head.id });
        }
        // What it says of the client is kept.
        Some("initialize") if is_large => {
            return Err(Refusal::Initialize { most: SMALL, id: head.id });
        }
        Some("initialize") if session.is_none() => {
            tenant.admit_session(head.id.as_ref())?;
            // For longer than the request.
            charges = vec![budget.for_session(bytes.len(), values)?];
        }
        _ => {}
    }
    // An answer to a question of ours has an id of ours.
    let id = head.id.filter(|_| head.method.is_some());
    let request_id = id.clone().and_then(|id| serde_json::from_value::<RequestId>(id).ok());
    let answers = match session.zip(request_id) {
        Some((session, id)) => AnswerStream::of_call(tenant, Call { session, id }),
        None => Some(AnswerStream::none(tenant)),
    };
    let answers = answers.ok_or(Refusal::IdInUse { id })?;
    charges.into_iter().for_each(|charge| answers.held.keep(charge));
    let mut request = Request::from_parts(parts, Body::from(bytes));
    if let Some(keyed) = keyed {
        answers.is_kept();
        request.extensions_mut().insert(keyed);
    }
    Ok((answers, is_large, request))
}

/// What is known of a call with an idempotency key. None without one.
async fn key_of<H: ServerHandler + Send + 'static>(
    app: &App<H>,
    tenant: &Tenant<H>,
    headers: &HeaderMap,
    bytes: &Bytes,
    id: Option<&Value>,
) -> Result<Option<Keyed>, Refusal> {
    let refusal = |error: RepeatError| Refusal::Repeated { error, id: id.cloned() };
    let asked = match bytes.len() > SMALL && repeated::may_ask(headers, bytes) {
        true => {
            let (headers, bytes) = (headers.clone(), bytes.clone());
            app.readers.run(move || repeated::asked(&headers, &bytes)).await
        }
        false => repeated::asked(headers, bytes),
    };
    let Some(asked) = asked.map_err(refusal)? else { return Ok(None) };
    let who = Who {
        principal: tenant.principal(),
        kept: tenant.keeps_calls_for(),
        longest: tenant.longest(),
        stop: session(headers).is_none().then(|| tenant.stop().clone()),
        in_use: tenant.calls().clone(),
    };
    repeated::begin(&app.tenants.replica, who, asked).await.map(Some).map_err(refusal)
}

/// What is known of a message before rmcp reads it, and how many values it has.
fn understand(mut text: Bytes) -> (Bytes, Result<Head, String>, usize) {
    if !is_whole(&text) {
        let mut mended = BytesMut::from(text);
        mend(&mut mended);
        text = mended.freeze();
    }
    let mut read = envelope::read(&text);
    if let Some(error) = read.is_err().then(|| envelope::in_place_of(&text)).flatten() {
        text = error.into();
        read = envelope::read(&text);
    }
    let head = read.map(|(head, instead)| {
        text = instead.map_or(std::mem::take(&mut text), Bytes::from);
        head
    });
    let values = memory::values(&text);
    (text, head, values)
}

fn head_length(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// What a body can have, as its sender says.
fn length(headers: &HeaderMap, max: usize) -> Result<usize, Refusal> {
    let length = headers.get(http::header::CONTENT_LENGTH).and_then(|it| it.to_str().ok());
    match length.and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > max as u64 => Err(Refusal::TooLarge(max)),
        Some(length) => Ok(usize::try_from(length).unwrap_or(max)),
        None => Ok(max),
    }
}

async fn read(body: Body, max: usize) -> Result<Bytes, Refusal> {
    let limit = timing().body;
    let collected = tokio::time::timeout(limit, Limited::new(body, max).collect()).await;
    match collected.map_err(|_| Refusal::SlowBody(limit))? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge(max)),
        Err(error) => Err(Refusal::BrokenBody(error.to_string())),
    }
}

/// A stream of a session: what it takes up again.
fn get<H: ServerHandler + Send + 'static>(
    tenant: &Arc<Tenant<H>>,
    headers: &HeaderMap,
) -> Result<AnswerStream<H>, Refusal> {
    let is_stateless = headers.get(VERSION).is_some_and(|it| it.as_bytes() >= STATELESS.as_bytes());
    let last_event = headers.get(LAST_EVENT).and_then(|it| it.to_str().ok());
    match (session(headers), last_event.and_then(disconnect::stream_of)) {
        (Some(session), Some(events)) => Ok(AnswerStream::resumed(tenant, &session, events)),
        (None, _) if !is_stateless => Err(Refusal::NoSession),
        _ => Ok(AnswerStream::none(tenant)),
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
