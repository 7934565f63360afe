//! Connections: how many there are, and how long each may take its time.

use std::convert::Infallible;
use std::io::Cursor;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use rmcp::ServerHandler;
use tokio::io::{AsyncReadExt, join};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::{Service, ServiceExt};

use super::connections::{Connection, RESERVE, StageReporter};
use super::error::HttpError;
use super::state::App;
use crate::config::environment::MAX_OPEN_FILES;
use crate::config::{Config, HttpConfig};
use crate::server::timing::timing;

/// Bytes of a request's head. hyper's least is 8 KiB; JSON Web Tokens of large
/// organisations have some kilobytes.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Headers of a request. Clients of MCP send a dozen, proxies add another.
const MAX_HEADERS: usize = 100;

/// How long a peer may leave bytes unacknowledged, or its window closed (RFC 5482).
const UNREAD_TIMEOUT_MS: u32 = 60_000;

/// Pause after the system refused a connection for want of descriptors or memory.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Listener {
    listener: std::net::TcpListener,
    address: SocketAddr,
    places: usize,
}

impl Listener {
    pub(super) async fn bind(http: &HttpConfig) -> Result<Self, HttpError> {
        let address = http.address();
        let error = |error| HttpError::Bind { address, error };
        let listener = TcpListener::bind(address).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        let listener = listener.into_std().map_err(error)?;
        Ok(Self { listener, address, places: places(http.max_clients) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that are served at the same time.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// The socket.
    pub(super) fn into_socket(self) -> std::net::TcpListener {
        self.listener
    }

    /// Says so if runs may use up all descriptors.
    pub(super) fn warn_of_few_descriptors(&self, config: &Config) {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
        let left =
            usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(self.places() + RESERVE);
        let (runs, files) = (config.max_concurrent(), config.max_open_files());
        if left < runs.saturating_mul(files) {
            tracing::warn!(
                "{limit} file descriptors: clients may have {}, and {runs} runs with {files} \
                 files each need more than the rest; raise the limit (ulimit -n, LimitNOFILE=), \
                 or lower \
                 {MAX_OPEN_FILES}",
                self.places()
            );
        }
    }
}

/// Half of the descriptors are for runs and the connections to other servers.
fn places(wanted: usize) -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    let half = usize::try_from(limit / 2).unwrap_or(usize::MAX);
    wanted.min(half.saturating_sub(RESERVE)).clamp(1, Semaphore::MAX_PERMITS)
}

/// Of a connection that was just taken.
pub(super) fn prepare(stream: &TcpStream) {
    let _ = setsockopt(stream, sockopt::TcpUserTimeout, &UNREAD_TIMEOUT_MS);
    let _ = stream.set_nodelay(true);
}

/// Requests that a connection has sent.
#[derive(Clone, Default)]
pub(super) struct RequestCount(Arc<AtomicUsize>);

/// How HTTP is spoken: for one request, or for as many as come.
pub(super) fn http(keep_alive: bool) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .keep_alive(keep_alive)
        .header_read_timeout(timing().head)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_header_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS);
    builder
}

/// What answers the requests of a connection.
pub(super) fn service(
    router: Router,
    peer: SocketAddr,
    standing: Option<StageReporter>,
    seen: &RequestCount,
) -> TowerToHyperService<
    impl Service<
        hyper::Request<Incoming>,
        Response = axum::response::Response,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send,
> {
    let seen = seen.clone();
    let service = router.map_request(move |mut request: hyper::Request<Incoming>| {
        seen.0.fetch_add(1, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(standing) = &standing {
            request.extensions_mut().insert(standing.clone());
        }
        request
    });
    TowerToHyperService::new(service)
}

/// Serves a connection that has a place. Its first bytes have been read already.
pub(super) async fn serve<H: ServerHandler + Send + 'static>(
    stream: TcpStream,
    first: Vec<u8>,
    peer: SocketAddr,
    router: Router,
    app: &App<H>,
    connection: Connection,
) {
    let (reader, writer) = stream.into_split();
    let io = TokioIo::new(join(Cursor::new(first).chain(reader), writer));
    let seen = RequestCount::default();
    let service = service(router, peer, Some(connection.standing()), &seen);
    let mut served = pin!(http(true).serve_connection(io, service));
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = connection.left() => return app.strangers.note("crowd", peer.ip(), None),
        () = app.stopped.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    note(app, peer, &seen, result);
}

/// Notes how a connection ended.
pub(super) fn note<H>(
    app: &App<H>,
    peer: SocketAddr,
    seen: &RequestCount,
    result: hyper::Result<()>,
) {
    // One that was used and then left idle is closed in just the same way.
    let is_first = seen.0.load(Ordering::Relaxed) == 0;
    match result {
        Err(error) if error.is_parse() => app.strangers.note("no HTTP/1.1", peer.ip(), None),
        Err(error) if error.is_timeout() && is_first => {
            app.strangers.note("head_time", peer.ip(), None);
        }
        Err(error) => tracing::debug!("a connection ended: {error}"),
        Ok(()) => {}
    }
}
