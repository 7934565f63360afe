//! A server over Streamable HTTP, as rmcp's transport speaks to it: everything that
//! comes has an end, and passes [`Intake`] before rmcp reads it.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::BoxStream;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use parking_lot::Mutex;
use reqwest::{RequestBuilder, Response};
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorCode, ErrorData, JsonRpcMessage,
    RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, HttpStatusError, InsufficientScopeError, SseError, StreamableHttpClient,
    StreamableHttpError, StreamableHttpPostResponse,
};
use serde_json::Value;
use sse_stream::Sse;

use super::causes::with_causes;
use super::events::{Broken, Events};
use super::intake::{Intake, Taken, UNREADABLE};
use super::lines::{find, id_of};
use crate::memory::Charge;
use crate::text::mended::mended;
use crate::text::nulls::leave_out;

/// Between the end of a stream and the next one, whatever the server wishes.
pub(super) const MIN_RETRY: Duration = Duration::from_secs(1);
pub(super) const MAX_RETRY: Duration = Duration::from_secs(60);

/// A stream that has said nothing and ended sooner than this was none.
const SHORT: Duration = Duration::from_secs(10);

/// Bytes of a body that tells of an error, as in rmcp's own client.
const MAX_ERROR: usize = 64 << 10;

/// Bytes of a body that is no answer that are shown.
const SHOWN: usize = 100;

/// Longest name of a session, and longest challenge (RFC 9110, 11.6.1), in bytes. We
/// send back the first, and read the second whenever it comes.
const MAX_SESSION_ID: usize = 1 << 10;
const MAX_CHALLENGE: usize = 8 << 10;

/// Bytes of a body that are charged for at once.
const STEP: usize = 256 << 10;

/// Streams that have ended, of which it is known what they were to answer: as many as
/// there are requests at the same time.
const MAX_ENDED: usize = 64;

/// The event that tells where a server of HTTP+SSE is spoken to (MCP 2024-11-05).
pub(super) const ENDPOINT: &str = "endpoint";

const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";
const SESSION_ID: &str = "mcp-session-id";
const LAST_EVENT_ID: &str = "last-event-id";

/// Headers that are the transport's.
const RESERVED: [&str; 3] = ["accept", SESSION_ID, LAST_EVENT_ID];

pub(super) type Failure = StreamableHttpError<reqwest::Error>;

/// Speaks to one server.
#[derive(Clone)]
pub(super) struct HttpClient {
    http: reqwest::Client,
    intake: Arc<Intake>,
    pace: Arc<Pace>,
    ended: Arc<Ended>,
    /// One stream has all answers.
    is_sse: bool,
    welcome: Arc<Welcome>,
}

/// How a server has answered what a connection begins with.
#[derive(Default)]
pub(super) struct Welcome {
    status: Mutex<Option<StatusCode>>,
    failure: Mutex<Option<String>>,
    has_endpoint: AtomicBool,
}

impl Welcome {
    /// Of its last answer.
    pub(super) fn status(&self) -> Option<StatusCode> {
        *self.status.lock()
    }

    /// Why something was not sent, which rmcp does not always pass on.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    /// Whether it is a server of HTTP+SSE.
    pub(super) fn has_endpoint(&self) -> bool {
        self.has_endpoint.load(Ordering::Relaxed)
    }
}

/// Which requests the streams were to answer that have ended, by their last events.
#[derive(Default)]
struct Ended(Mutex<VecDeque<(String, Value)>>);

impl Ended {
    fn note(&self, last: String, request: Value) {
        let mut ended = self.0.lock();
        ended.retain(|(known, _)| *known != last);
        if ended.len() >= MAX_ENDED {
            ended.pop_front();
        }
        ended.push_back((last, request));
    }

    /// What a stream is to answer that goes on after this event. It may be opened again
    /// and again.
    fn request(&self, last: &str) -> Option<Value> {
        let ended = self.0.lock();
        ended.iter().find(|(known, _)| known == last).map(|(_, request)| request.clone())
    }
}

/// How soon a stream may be opened after so many that were of no use.
#[derive(Default)]
struct Pace(Mutex<u32>);

impl Pace {
    /// Doubles from [`MIN_RETRY`], which rmcp waits itself, with each useless stream.
    fn pause(&self) -> Duration {
        match *self.0.lock() {
            0 | 1 => Duration::ZERO,
            useless => (MIN_RETRY * (1 << (useless - 1).min(6))).min(MAX_RETRY),
        }
    }

    /// A stream has ended.
    fn ended(&self, was_useful: bool) {
        let mut useless = self.0.lock();
        *useless = if was_useful { 0 } else { useless.saturating_add(1) };
    }
}

impl HttpClient {
    pub(super) fn new(http: reqwest::Client, intake: Arc<Intake>) -> Self {
        let (pace, ended, welcome) = (Arc::default(), Arc::default(), Arc::default());
        Self { http, intake, pace, ended, is_sse: false, welcome }
    }

    /// The same for a server of HTTP+SSE: what is sent is not answered where it was sent,
    /// and the stream tells where that is.
    pub(super) fn for_sse(self) -> Self {
        Self { is_sse: true, ..self }
    }

    pub(super) fn welcome(&self) -> Arc<Welcome> {
        self.welcome.clone()
    }

    /// What a request gives, unless the connection ends before.
    async fn while_connected<T>(
        &self,
        request: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            answer = request => answer,
            () = self.intake.broken().cancelled() => {
                Err(unusable("nothing before the connection was closed".to_owned()))
            }
        }
    }

    fn events(&self, response: Response, of: Stream) -> BoxStream<'static, Result<Sse, SseError>> {
        let events = Events::of(response.bytes_stream().boxed());
        let reading = Reading {
            events,
            intake: self.intake.clone(),
            resumes: of.resumes,
            again: of.again,
            answers: of.answers,
            last: of.last,
            all_ended: self.ended.clone(),
            pace: of.is_paced.then(|| self.pace.clone()),
            is_sse: self.is_sse,
            welcome: (self.is_sse || of.begins).then(|| self.welcome.clone()),
            since: Instant::now(),
            was_useful: false,
            is_over: false,
        };
        futures::stream::unfold(Some(reading), |reading| async {
            let mut reading = reading?;
            match reading.next().await? {
                Ok(event) => Some((Ok(event), Some(reading))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    /// All of a body, if it is no longer than this.
    async fn body(&self, response: Response, most: usize) -> Result<(Vec<u8>, Charge), Failure> {
        let too_large = || StreamableHttpError::ResponseBodyTooLarge { max_size: most };
        if response.content_length().is_some_and(|length| length > most as u64) {
            return Err(too_large());
        }
        let (mut body, mut charge) = (Vec::new(), Charge::none());
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            if chunk.len() > most - body.len() {
                return Err(too_large());
            }
            // The first step is a part of what every connection has.
            while body.len() + chunk.len() > STEP + charge.bytes() {
                let more =
                    self.intake.charge(STEP).await.map_err(|error| unusable(error.to_string()))?;
                charge.merge(more);
            }
            body.extend_from_slice(&chunk);
        }
        Ok((body, charge))
    }

    /// The answer in a body of JSON.
    async fn json(
        &self,
        response: Response,
        session: Option<String>,
        message: &ClientJsonRpcMessage,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let asks = matches!(message, ClientJsonRpcMessage::Request(_));
        let (body, charge) = match self.body(response, self.intake.limit()).await {
            Err(_) if !asks => return Ok(StreamableHttpPostResponse::Accepted),
            body => body?,
        };
        if !asks && body.trim_ascii().is_empty() {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        // Counted again with what it takes to read it.
        drop(charge);
        let start = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned();
        let taken = self.intake.take(body, handshake(message)).await;
        let read = match taken {
            Taken::Pass(text) => serde_json::from_slice::<ServerJsonRpcMessage>(&text).ok(),
            Taken::Drop | Taken::Close => None,
        };
        match read.map(|read| answering(message, read)) {
            Some(read) => Ok(StreamableHttpPostResponse::Json(read, session)),
            // What was no question needs no answer.
            None if !asks => Ok(StreamableHttpPostResponse::Accepted),
            None => {
                let start = super::error::shown(&start);
                no_answer(message, format!("a body that is not an answer: {start}"), session)
            }
        }
    }

    /// An answer whose status is no success.
    async fn refused(
        &self,
        response: Response,
        session: Option<String>,
        had_session: bool,
        message: &ClientJsonRpcMessage,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let status = response.status();
        let is_json = has_type(&response, JSON);
        let failed = status_error(&response);
        if let Some(failed) = failed.filter(|_| !is_json || status == StatusCode::TOO_MANY_REQUESTS)
        {
            return Err(failed.into());
        }
        let failed = status_error(&response);
        let body = match self.body(response, MAX_ERROR).await {
            Ok((body, _)) => String::from_utf8_lossy(&body).into_owned(),
            Err(error @ StreamableHttpError::ResponseBodyTooLarge { .. }) => {
                return Err(failed.map_or(error, Into::into));
            }
            Err(_) => String::new(),
        };
        let mut whole = mended(&body).into_owned().into_bytes();
        leave_out(&mut whole);
        let error = match serde_json::from_slice(&whole) {
            Ok(ServerJsonRpcMessage::Error(error)) => Some(error),
            _ => None,
        };
        let is_denied = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        // Servers of older versions, and what is in front of them, do not know what a
        // newer client asks first, nor its id: rmcp goes on with the older handshake.
        if let ClientJsonRpcMessage::Request(request) = message
            && matches!(request.request, ClientRequest::DiscoverRequest(_))
            && !had_session
            && status.is_client_error()
            && !is_denied
        {
            let error = error.map_or_else(
                || {
                    let text = format!("server/discover rejected with HTTP {status}: {body}");
                    ErrorData::invalid_request(text, None)
                },
                |error| error.error,
            );
            let answer = ServerJsonRpcMessage::error(error, Some(request.id.clone()));
            return Ok(StreamableHttpPostResponse::Json(answer, None));
        }
        if let Some(error) = error.filter(|_| !is_denied && is_json) {
            let error = answering(message, JsonRpcMessage::Error(error));
            return Ok(StreamableHttpPostResponse::Json(error, session));
        }
        Err(failed.map_or_else(|| unusable(format!("HTTP {status}: {body}")), Into::into))
    }
}

/// A stream that is opened.
#[derive(Default)]
struct Stream {
    /// rmcp opens it again when it has ended.
    resumes: bool,
    /// The handshake that it may answer.
    again: Option<RequestId>,
    /// The request that it is to answer.
    answers: Option<Value>,
    /// The event after which it goes on.
    last: Option<String>,
    is_paced: bool,
    /// It answers what a connection begins with.
    begins: bool,
}

/// A stream that is read.
struct Reading<S> {
    events: Events<S>,
    intake: Arc<Intake>,
    resumes: bool,
    again: Option<RequestId>,
    answers: Option<Value>,
    /// Of the last event that has one.
    last: Option<String>,
    all_ended: Arc<Ended>,
    pace: Option<Arc<Pace>>,
    /// It is the only one, and goes on after what is too long.
    is_sse: bool,
    /// Where an endpoint is noted. Other streams have none.
    welcome: Option<Arc<Welcome>>,
    since: Instant,
    /// Whether it had a message, or a place from which to go on.
    was_useful: bool,
    /// What comes after that is part of something that is too long.
    is_over: bool,
}

impl<S: futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin> Reading<S> {
    /// The next event that rmcp is to see.
    async fn next(&mut self) -> Option<Result<Sse, SseError>> {
        while !self.is_over {
            let next = tokio::select! {
                next = self.events.next(&self.intake) => next,
                () = self.intake.broken().cancelled() => None,
            };
            let Some(next) = next else {
                self.ended();
                return None;
            };
            let mut event = match next {
                Ok(event) => event,
                Err(Broken::TooLong { .. } | Broken::NoMemory) if self.is_sse => {
                    match self.pass_over().await {
                        Taken::Pass(error) => return Some(Ok(message(&error))),
                        Taken::Drop => continue,
                        Taken::Close => return None,
                    }
                }
                Err(broken) => return self.broken(broken).await,
            };
            if self.names_endpoint(&event) {
                return self.is_sse.then_some(Ok(event));
            }
            self.resumes |= event.id.is_some();
            self.was_useful |= event.id.is_some();
            if event.id.is_some() {
                self.last.clone_from(&event.id);
            }
            event.retry = event.retry.map(|retry| {
                let wished = Duration::from_millis(retry).clamp(MIN_RETRY, MAX_RETRY);
                u64::try_from(wished.as_millis()).unwrap_or(u64::MAX)
            });
            // rmcp looks at no other.
            let is_message = matches!(event.event.as_deref(), None | Some("" | "message"));
            let data = event.data.take().filter(|data| is_message && !data.trim().is_empty());
            if let Some(data) = data {
                match self.intake.take(data.into_bytes(), self.again.as_ref()).await {
                    Taken::Pass(text) => {
                        self.was_useful = true;
                        event.data = String::from_utf8(text).ok();
                    }
                    Taken::Drop => {}
                    Taken::Close => return None,
                }
            }
            if event.data.is_some() || event.id.is_some() || event.retry.is_some() {
                return Some(Ok(event));
            }
        }
        None
    }

    fn ended(&mut self) {
        if let (Some(last), Some(request)) = (self.last.take(), &self.answers) {
            self.all_ended.note(last, request.clone());
        }
        if let Some(pace) = &self.pace {
            pace.ended(self.was_useful || self.since.elapsed() > SHORT);
        }
    }

    /// rmcp opens a stream that fails again at once, and one that ends after a while.
    async fn broken(&mut self, broken: Broken) -> Option<Result<Sse, SseError>> {
        self.ended();
        let error = match broken {
            Broken::TooLong { start } => match self.instead(&start).await {
                Some(event) => return Some(Ok(event)),
                None => {
                    let limit = self.intake.limit();
                    format!("SSE event exceeded the maximum size of {limit} bytes").into()
                }
            },
            Broken::NoMemory => crate::memory::NoMemory.into(),
            Broken::Source(error) => error.into(),
        };
        (!self.resumes).then_some(Err(SseError::Body(error)))
    }

    /// The error that takes the place of an answer that is too long.
    async fn instead(&mut self, start: &[u8]) -> Option<Sse> {
        self.intake.warn(&format!("a message is longer than {} bytes", self.intake.limit()));
        let id = id_of(start, &[]).or_else(|| self.answered(start))?;
        let error = self.intake.too_long(&id);
        let again = self.again.as_ref();
        let Taken::Pass(error) = self.intake.take(error, again).await else { return None };
        self.is_over = true;
        Some(message(&error))
    }

    /// Reads to the end of what is too long, where other answers come after it.
    async fn pass_over(&mut self) -> Taken {
        self.intake.warn(&format!("a message is longer than {} bytes", self.intake.limit()));
        let start = self.events.start();
        let end = tokio::select! {
            end = self.events.pass_over() => end,
            () = self.intake.broken().cancelled() => None,
        };
        let Some(end) = end else { return Taken::Close };
        if find(&start, b"\"method\"").is_some() {
            return Taken::Drop;
        }
        // Nobody can say which request it answers: all of them fail.
        let Some(id) = id_of(&start, &end) else { return Taken::Close };
        self.intake.take(self.intake.too_long(&id), None).await
    }

    /// Whether this tells where a server of HTTP+SSE is spoken to.
    fn names_endpoint(&self, event: &Sse) -> bool {
        let Some(welcome) = &self.welcome else { return false };
        let names = event.event.as_deref() == Some(ENDPOINT) && event.data.is_some();
        welcome.has_endpoint.fetch_or(names, Ordering::Relaxed);
        names
    }
}

fn message(text: &[u8]) -> Sse {
    Sse::default().data(String::from_utf8_lossy(text))
}

impl<S> Reading<S> {
    /// The request that a message without an id at its start answers: some write the
    /// id last.
    fn answered(&self, start: &[u8]) -> Option<Value> {
        let at = |what: &[u8]| find(start, what).unwrap_or(usize::MAX);
        let body = at(b"\"result\"").min(at(b"\"error\""));
        (body < at(b"\"method\"")).then(|| self.answers.clone()).flatten()
    }
}

/// For a body that is no answer to a request: an error of that, and of the connection
/// where there is none yet.
fn no_answer(
    message: &ClientJsonRpcMessage,
    why: String,
    session: Option<String>,
) -> Result<StreamableHttpPostResponse, Failure> {
    match message {
        ClientJsonRpcMessage::Request(request) if !begins(message) => {
            let error = ErrorData::new(ErrorCode(UNREADABLE), why, None);
            let answer = ServerJsonRpcMessage::error(error, Some(request.id.clone()));
            Ok(StreamableHttpPostResponse::Json(answer, session))
        }
        _ => Err(unusable(why)),
    }
}

pub(super) fn unusable(text: String) -> Failure {
    StreamableHttpError::UnexpectedServerResponse(Cow::Owned(text))
}

/// An error that came for a request is the answer to that, whatever its id: some write
/// none, or one of their own, where they have not read the request's.
fn answering(
    message: &ClientJsonRpcMessage,
    mut answer: ServerJsonRpcMessage,
) -> ServerJsonRpcMessage {
    if let (ClientJsonRpcMessage::Request(request), JsonRpcMessage::Error(error)) =
        (message, &mut answer)
    {
        error.id = Some(request.id.clone());
    }
    answer
}

/// Whether a connection begins with this.
fn begins(message: &ClientJsonRpcMessage) -> bool {
    match message {
        ClientJsonRpcMessage::Request(request) => matches!(
            request.request,
            ClientRequest::DiscoverRequest(_) | ClientRequest::InitializeRequest(_)
        ),
        _ => false,
    }
}

/// The id of a request that begins a session.
fn handshake(message: &ClientJsonRpcMessage) -> Option<&RequestId> {
    match message {
        ClientJsonRpcMessage::Request(request)
            if matches!(request.request, ClientRequest::InitializeRequest(_)) =>
        {
            Some(&request.id)
        }
        _ => None,
    }
}

fn with_headers(
    mut request: RequestBuilder,
    token: Option<String>,
    session: Option<&str>,
    headers: HashMap<HeaderName, HeaderValue>,
) -> Result<RequestBuilder, Failure> {
    for (name, value) in headers {
        if RESERVED.contains(&name.as_str()) {
            return Err(StreamableHttpError::ReservedHeaderConflict(name.to_string()));
        }
        request = request.header(name, value);
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    Ok(match session {
        Some(session) => request.header(SESSION_ID, session),
        None => request,
    })
}

/// A header, unless it is too long or no text.
fn header<'a>(response: &'a Response, name: &str, most: usize) -> Result<Option<&'a str>, Failure> {
    let Some(value) = response.headers().get(name) else { return Ok(None) };
    let value = value.to_str().ok().filter(|value| value.len() <= most);
    value.map(Some).ok_or_else(|| unusable(format!("a header {name} that cannot be used")))
}

fn has_type(response: &Response, wanted: &str) -> bool {
    let given = response.headers().get(CONTENT_TYPE);
    given.is_some_and(|given| {
        let given = given.as_bytes().get(..wanted.len()).unwrap_or_default();
        given.eq_ignore_ascii_case(wanted.as_bytes())
    })
}

/// Whether what came for a message that needs no answer is none, of whatever type it is.
/// rmcp takes no events for the end of a handshake.
fn says_nothing(response: &Response, message: &ClientJsonRpcMessage) -> bool {
    let ends_handshake = matches!(message, ClientJsonRpcMessage::Notification(message)
        if matches!(message.notification, ClientNotification::InitializedNotification(_)));
    let may_say = has_type(response, JSON) || (has_type(response, EVENTS) && !ends_handshake);
    !may_say || response.content_length() == Some(0)
}

/// A challenge, which is a failure of its own.
fn challenged(response: &Response) -> Result<(), Failure> {
    let status = response.status();
    if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Ok(());
    }
    let challenge = header(response, WWW_AUTHENTICATE.as_str(), MAX_CHALLENGE)?;
    let Some(challenge) = challenge.map(str::to_owned) else { return Ok(()) };
    Err(if status == StatusCode::UNAUTHORIZED {
        StreamableHttpError::AuthRequired(AuthRequiredError::new(challenge))
    } else {
        StreamableHttpError::InsufficientScope(InsufficientScopeError::new(challenge, None))
    })
}

fn status_error(response: &Response) -> Option<HttpStatusError> {
    let status = response.status();
    if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
        return None;
    }
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Some(HttpStatusError::new(status.as_u16(), retry_after.map(str::to_owned)))
}

fn content_type(response: &Response) -> Option<String> {
    let given = response.headers().get(CONTENT_TYPE)?;
    Some(super::error::shown(&String::from_utf8_lossy(given.as_bytes())))
}

impl HttpClient {
    async fn post(
        &self,
        uri: &str,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let request = self.http.post(uri).header(ACCEPT, format!("{EVENTS}, {JSON}"));
        let request = with_headers(request, token, session.as_deref(), headers)?;
        let response = request.json(&message).send().await?;
        let status = response.status();
        if begins(&message) {
            *self.welcome.status.lock() = Some(status);
        }
        challenged(&response)?;
        if self.is_sse && status.is_success() {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if status == StatusCode::NOT_FOUND && session.is_some() {
            return Err(StreamableHttpError::SessionExpired);
        }
        let new_session = header(&response, SESSION_ID, MAX_SESSION_ID)?.map(str::to_owned);
        if !status.is_success() {
            return self.refused(response, new_session, session.is_some(), &message).await;
        }
        let asks = matches!(message, ClientJsonRpcMessage::Request(_));
        if !asks && says_nothing(&response, &message) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if has_type(&response, EVENTS) {
            let again = handshake(&message).cloned();
            let answers = match &message {
                ClientJsonRpcMessage::Request(request) => serde_json::to_value(&request.id).ok(),
                _ => None,
            };
            let begins = begins(&message);
            let of = Stream { again, answers, begins, ..Stream::default() };
            let events = self.events(response, of);
            return Ok(StreamableHttpPostResponse::Sse(events, new_session));
        }
        if has_type(&response, JSON) {
            return self.json(response, new_session, &message).await;
        }
        let kind = content_type(&response);
        let shown = kind.as_deref().unwrap_or("no type");
        let why = format!("a body of {shown}, which is neither JSON nor events");
        let answered = no_answer(&message, why, new_session);
        answered.map_err(|_| StreamableHttpError::UnexpectedContentType(kind))
    }

    async fn open(
        &self,
        uri: &str,
        session: Option<Arc<str>>,
        last_event_id: Option<String>,
        token: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        let answers = last_event_id.as_ref().and_then(|last| self.ended.request(last));
        // What a request waits for has an end: its own.
        let is_paced = answers.is_none();
        if is_paced {
            tokio::time::sleep(self.pace.pause()).await;
        }
        let mut request = self.http.get(uri).header(ACCEPT, format!("{EVENTS}, {JSON}"));
        if let Some(last) = &last_event_id {
            request = request.header(LAST_EVENT_ID, last);
        }
        let request = with_headers(request, token, session.as_deref(), headers)?;
        let response = request.send().await?;
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        challenged(&response)?;
        if let Some(error) = status_error(&response) {
            return Err(error.into());
        }
        let response = response.error_for_status()?;
        if !has_type(&response, EVENTS) {
            return Err(StreamableHttpError::UnexpectedContentType(content_type(&response)));
        }
        let again = None;
        let last = last_event_id;
        let of = Stream { resumes: true, again, answers, last, is_paced, begins: false };
        Ok(self.events(response, of))
    }
}

impl StreamableHttpClient for HttpClient {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let posted = self.while_connected(self.post(&uri, message, session, token, headers)).await;
        if let Err(failure) = &posted {
            *self.welcome.failure.lock() = Some(with_causes(failure, &None));
        }
        posted
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event_id: Option<String>,
        token: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        self.while_connected(self.open(&uri, session, last_event_id, token, headers)).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        token: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failure> {
        let request = with_headers(self.http.delete(&*uri), token, Some(&session), headers)?;
        let response = request.send().await?;
        if response.status() != StatusCode::METHOD_NOT_ALLOWED {
            response.error_for_status()?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
