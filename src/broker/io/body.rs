//! Bodies of requests and responses, what a run may move with them, and what a
//! program is told when that fails.

use std::error::Error;
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, stream};
use parking_lot::Mutex;
use thiserror::Error as ThisError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout};
use url::Url;

use super::decode::{DecodeError, Decoded, Encoding};
pub(super) use crate::config::environment::MAX_CONNECTIONS;
use crate::config::environment::MAX_FETCH_SIZE;
use crate::memory::{Account, Charge};
use crate::policy::{AllowedUrl, Denied};
use crate::text::clip::marked;

/// Most bytes that one read answers, whatever the program asks for.
const MAX_READ: usize = 1 << 20;

/// Longest URL or cause in an error text, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// What programs may use of the network, in one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchLimits {
    /// Of all request bodies together.
    pub request_bytes: u64,
    /// Of all response bodies together, decoded.
    pub response_bytes: u64,
    pub connections: usize,
    /// For looking a name up, and for connecting with TLS.
    pub connect_timeout: Duration,
    /// From the last byte sent to the head of the response.
    pub response_timeout: Duration,
    /// Between two pieces of a body.
    pub idle_timeout: Duration,
}

/// Why a request did not work.
#[derive(Debug, ThisError)]
pub(crate) enum FetchError {
    /// By policy.
    #[error("{0}")]
    Denied(Denied),
    /// The network's or the program's fault, a `TypeError` in programs.
    #[error("{message}")]
    Failed { message: String },
    /// The administrator's limit, which the message names.
    #[error("{message}")]
    Limit { message: String },
}

pub(super) fn failed(message: String) -> FetchError {
    FetchError::Failed { message }
}

/// Bytes of bodies that a run has moved.
#[derive(Debug)]
pub(super) struct Usage {
    sent: AtomicU64,
    received: AtomicU64,
    max_sent: u64,
    max_received: u64,
}

impl Usage {
    pub(super) fn new(max_sent: u64, max_received: u64) -> Self {
        Self { sent: AtomicU64::new(0), received: AtomicU64::new(0), max_sent, max_received }
    }

    fn send(&self, bytes: usize) -> Result<(), FetchError> {
        count(&self.sent, bytes, self.max_sent, "request")
    }

    fn receive(&self, bytes: usize) -> Result<(), FetchError> {
        count(&self.received, bytes, self.max_received, "response")
    }
}

fn count(total: &AtomicU64, bytes: usize, max: u64, what: &str) -> Result<(), FetchError> {
    let before = total.fetch_add(bytes as u64, Ordering::Relaxed);
    if before.saturating_add(bytes as u64) <= max {
        return Ok(());
    }
    Err(FetchError::Limit {
        message: format!(
            "the {what} bodies of this run are larger than {max} bytes together: ask for less, \
             or raise {MAX_FETCH_SIZE}"
        ),
    })
}

/// When a request was last seen to move: waiting for a response begins then.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Progress {
    pub(super) fn last(&self) -> Instant {
        *self.0.lock()
    }

    fn now(&self) {
        *self.0.lock() = Instant::now();
    }
}

/// A request's body.
#[derive(Debug)]
pub(crate) enum Upload {
    None,
    Bytes(Vec<u8>),
    /// Ends with nothing. A channel that is closed before is a body that was cut
    /// off, and its request fails. The channel's bound holds the program back.
    Stream(mpsc::Receiver<Option<Vec<u8>>>),
}

impl Upload {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::None => true,
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Stream(_) => false,
        }
    }

    pub(super) fn into_body(
        self,
        usage: &Arc<Usage>,
        progress: &Progress,
    ) -> Result<Option<reqwest::Body>, FetchError> {
        match self {
            Self::None => Ok(None),
            Self::Bytes(bytes) => {
                usage.send(bytes.len())?;
                Ok(Some(reqwest::Body::from(bytes)))
            }
            Self::Stream(chunks) => {
                let state = (chunks, Arc::clone(usage), progress.clone());
                let chunks =
                    stream::try_unfold(state, |(mut chunks, usage, progress)| async move {
                        let chunk = match chunks.recv().await {
                            Some(Some(chunk)) => chunk,
                            Some(None) => return Ok::<_, FetchError>(None),
                            None => return Err(failed("the body was truncated".into())),
                        };
                        usage.send(chunk.len())?;
                        progress.now();
                        Ok(Some((chunk, (chunks, usage, progress))))
                    });
                Ok(Some(reqwest::Body::wrap_stream(chunks)))
            }
        }
    }
}

/// A response's body. It holds its connection until it ends or is dropped.
pub(crate) struct ResponseBody {
    state: State,
    /// What was received and not read.
    rest: Bytes,
    usage: Arc<Usage>,
    idle_timeout: Duration,
}

enum State {
    Open {
        source: Source,
        _place: Place,
    },
    Ended,
    /// Told once, then in short.
    Failed(FetchError),
}

/// What an open response has: one of the run's places, and memory.
pub(super) type Place = (OwnedSemaphorePermit, Charge);

enum Source {
    Plain(Box<reqwest::Response>),
    Encoded(Box<Decoded>),
}

impl Source {
    async fn piece(&mut self) -> Result<Option<Bytes>, FetchError> {
        match self {
            Self::Plain(response) => {
                response.chunk().await.map_err(|error| receiving_failed(&error))
            }
            Self::Encoded(body) => body.piece().await.map_err(decoding_failed),
        }
    }
}

impl ResponseBody {
    pub(super) fn new(
        response: reqwest::Response,
        place: Place,
        usage: Arc<Usage>,
        account: &Account,
        idle_timeout: Duration,
    ) -> Self {
        let source = match Encoding::of(response.headers()) {
            Some(encoding) => {
                let body = Decoded::new(response, encoding, account.clone(), idle_timeout);
                Source::Encoded(Box::new(body))
            }
            None => Source::Plain(Box::new(response)),
        };
        let state = State::Open { source, _place: place };
        Self { state, rest: Bytes::new(), usage, idle_timeout }
    }

    pub(super) fn empty(usage: Arc<Usage>) -> Self {
        Self { state: State::Ended, rest: Bytes::new(), usage, idle_timeout: Duration::ZERO }
    }

    /// At most `max` bytes; none is the end.
    pub(crate) async fn read(&mut self, max: usize) -> Result<Vec<u8>, FetchError> {
        let max = max.clamp(1, MAX_READ);
        self.ready().await;
        while self.rest.is_empty() && self.is_open() {
            self.receive().await;
        }
        let mut out = Vec::new();
        loop {
            let bytes = self.rest.split_to(self.rest.len().min(max - out.len()));
            out.extend_from_slice(&bytes);
            // Decoders hand out 4 KiB at a time: what is there already is taken
            // along.
            let more = self.rest.is_empty() && out.len() < max && self.is_open();
            if !more || self.receive().now_or_never().is_none() {
                break;
            }
        }
        match &mut self.state {
            State::Failed(error) if out.is_empty() => {
                let again = failed("the response's body could not be read".into());
                Err(mem::replace(error, again))
            }
            _ => Ok(out),
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Waits for memory that decoding takes, which is no time in which nothing comes.
    async fn ready(&mut self) {
        let State::Open { source: Source::Encoded(body), .. } = &mut self.state else { return };
        let ready = match timeout(self.idle_timeout, body.begun()).await {
            Ok(Ok(())) => body.ready().await.map_err(decoding_failed),
            Ok(Err(error)) => Err(decoding_failed(error)),
            Err(_) => Err(self.nothing_received()),
        };
        if let Err(error) = ready {
            self.state = State::Failed(error);
        }
    }

    fn nothing_received(&self) -> FetchError {
        failed(format!(
            "error reading a body from connection: nothing was received for {} s",
            self.idle_timeout.as_secs_f32()
        ))
    }

    /// Takes the next piece into `rest`, or leaves the open state.
    async fn receive(&mut self) {
        let State::Open { source, .. } = &mut self.state else { return };
        let piece = timeout(self.idle_timeout, source.piece()).await;
        let piece = match piece {
            Ok(Ok(Some(piece))) => self.usage.receive(piece.len()).map(|()| piece),
            Ok(Ok(None)) => {
                self.state = State::Ended;
                return;
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.nothing_received()),
        };
        match piece {
            Ok(piece) => self.rest = piece,
            Err(error) => self.state = State::Failed(error),
        }
    }
}

fn receiving_failed(error: &reqwest::Error) -> FetchError {
    limit_within(error).unwrap_or_else(|| {
        failed(format!("error reading a body from connection: {}", cause(error)))
    })
}

fn decoding_failed(error: DecodeError) -> FetchError {
    match error {
        DecodeError::Memory(error) => FetchError::Limit { message: error.to_string() },
        error => match error.of_client() {
            Some(error) => receiving_failed(error),
            None => {
                failed(format!("error reading a body from connection: {}", clip(error.to_string())))
            }
        },
    }
}

pub(super) fn sending_failed(
    error: &reqwest::Error,
    url: &AllowedUrl,
    limits: &FetchLimits,
) -> FetchError {
    let target = url.target();
    let reason = if let Some(limit) = limit_within(error) {
        return limit;
    } else if error.is_connect() && error.is_timeout() {
        let seconds = limits.connect_timeout.as_secs_f32();
        format!("no connection to {target} within {seconds} s. Is the server reachable?")
    } else {
        match deepest(error).downcast_ref::<io::Error>() {
            Some(error) => connection_error(error, target),
            None => cause(error),
        }
    };
    failed(format!("error sending request for url ({}): {reason}", shown(url.url())))
}

fn connection_error(error: &io::Error, target: &str) -> String {
    let text = clip(error.to_string());
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(_)) => {
            format!("{text}. Neither the system's roots nor the bundled ones trust {target}")
        }
        Some(rustls::Error::InvalidMessage(_)) => format!("{text}. Does {target} speak https?"),
        None if error.kind() == io::ErrorKind::ConnectionRefused => {
            format!("connection refused ({target}). Is the server running?")
        }
        _ => format!("{text} ({target})"),
    }
}

/// tokio-rustls has it in an `io::Error`, hyper-rustls in one more.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    let here = inner.downcast_ref::<rustls::Error>();
    here.or_else(|| inner.downcast_ref::<io::Error>().and_then(tls_error))
}

/// A limit that a request's body met on its way through the HTTP client.
fn limit_within(error: &reqwest::Error) -> Option<FetchError> {
    causes(error).find_map(|cause| match cause.downcast_ref::<FetchError>() {
        Some(FetchError::Limit { message }) => Some(FetchError::Limit { message: message.clone() }),
        _ => None,
    })
}

fn cause(error: &reqwest::Error) -> String {
    clip(deepest(error).to_string())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// reqwest's own text repeats the URL with its password.
fn deepest<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    causes(error).last().unwrap_or(error)
}

/// A URL as error texts have it: without user and password.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    clip(url.into())
}

pub(super) fn clip(text: String) -> String {
    marked(text, MAX_TEXT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Semaphore;

    /// A body that comes in pieces, and then stays open if `hangs`.
    fn body(pieces: &[&'static str], max: u64, hangs: bool) -> (ResponseBody, Arc<Semaphore>) {
        let pieces: Vec<io::Result<&'static str>> = pieces.iter().copied().map(Ok).collect();
        let pieces = stream::iter(pieces);
        let stream = match hangs {
            true => reqwest::Body::wrap_stream(stream::StreamExt::chain(pieces, stream::pending())),
            false => reqwest::Body::wrap_stream(pieces),
        };
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().unwrap();
        let response = reqwest::Response::from(http::Response::new(stream));
        let usage = Arc::new(Usage::new(max, max));
        let account = Account::of_server(1 << 20);
        let place = (place, Charge::none());
        let time = Duration::from_millis(20);
        (ResponseBody::new(response, place, usage, &account, time), places)
    }

    #[tokio::test]
    async fn a_body_is_read_in_the_sizes_asked_for_and_frees_its_place_at_the_end() {
        let (mut body, places) = body(&["hello ", "world"], 100, false);
        assert_eq!(body.read(4).await.unwrap(), b"hell");
        assert_eq!(places.available_permits(), 0);
        assert_eq!(body.read(100).await.unwrap(), b"o world");
        assert_eq!(body.read(100).await.unwrap(), b"");
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_ends_with_the_name_of_the_limit() {
        let (mut body, places) = body(&["1234", "5678"], 7, false);
        assert_eq!(body.read(4).await.unwrap(), b"1234");
        let error = body.read(4).await.unwrap_err();
        assert!(matches!(error, FetchError::Limit { .. }));
        assert!(error.to_string().contains(MAX_FETCH_SIZE));
        assert_eq!(places.available_permits(), 1);
        assert!(body.read(4).await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_stops_coming_is_an_error() {
        let (mut body, _) = body(&["1"], 7, true);
        assert_eq!(body.read(4).await.unwrap(), b"1");
        assert!(matches!(body.read(4).await, Err(FetchError::Failed { .. })));
    }

    #[test]
    fn a_url_in_an_error_has_no_password() {
        let url = Url::parse("http://user:canary@a.b/x?y#z").unwrap();
        assert_eq!(shown(&url), "http://a.b/x?y");
    }
}
