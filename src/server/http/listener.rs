//! Connections: how many there are, and how long each may take its time.

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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::HttpError;
use super::app::App;
use crate::config::environment::MAX_OPEN_FILES;
use crate::config::{Config, HttpConfig};

/// For the head of a request, from the end of the one before it. A client that
/// sends its headers byte by byte, or nothing, holds a connection this long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a request's head. hyper's least is 8 KiB; JSON Web Tokens of large
/// organisations have some kilobytes.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Headers of a request. Clients of MCP send a dozen, proxies add another.
const MAX_HEADERS: usize = 100;

/// How long a peer may leave bytes unacknowledged, or its window closed (RFC 5482).
const UNREAD_TIMEOUT_MS: u32 = 60_000;

/// Pause after the system refused a connection for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// For answers on their way when the server ends.
pub(super) const LAST_ANSWERS: Duration = Duration::from_secs(1);

pub(super) struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    places: Arc<Semaphore>,
}

impl Listener {
    pub(super) async fn bind(http: &HttpConfig) -> Result<Self, HttpError> {
        let address = http.address();
        let error = |error| HttpError::Bind { address, error };
        let listener = TcpListener::bind(address).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        let places = Arc::new(Semaphore::new(places(http.max_clients)));
        Ok(Self { listener, address, places })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections at the same time.
    pub(super) fn places(&self) -> usize {
        self.places.available_permits()
    }

    /// Says so if runs may use up all descriptors.
    pub(super) fn warn_of_few_descriptors(&self, config: &Config) {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
        let left = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(self.places());
        let (runs, files) = (config.max_concurrent(), config.max_open_files());
        if left < runs.saturating_mul(files) {
            tracing::warn!(
                "{limit} file descriptors: clients may have {}, and {runs} runs with {files} files \
                 each more than the rest; raise the limit (ulimit -n, LimitNOFILE=), or lower \
                 {MAX_OPEN_FILES}",
                self.places()
            );
        }
    }

    /// Takes connections until the server drains, then waits for the last answers.
    pub(super) async fn serve<H: ServerHandler + Send + 'static>(self, app: Arc<App<H>>) {
        let router = super::app::router(app.clone());
        let mut is_short = false;
        loop {
            // Those beyond the limit wait in the kernel's backlog.
            let place = self.places.clone().acquire_owned().await;
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = app.stopped.cancelled() => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if !std::mem::replace(&mut is_short, true) {
                        tracing::error!("no connection can be taken: {error}");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            is_short = false;
            let _ = setsockopt(&stream, sockopt::TcpUserTimeout, &UNREAD_TIMEOUT_MS);
            let _ = stream.set_nodelay(true);
            let (router, app) = (router.clone(), app.clone());
            tokio::spawn(async move {
                app.connections.fetch_add(1, Ordering::Relaxed);
                connection(stream, peer, router, &app).await;
                app.connections.fetch_sub(1, Ordering::Relaxed);
                drop(place);
            });
        }
        while app.connections.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Half of the descriptors are for runs and the connections to other servers.
fn places(wanted: usize) -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    wanted.min(usize::try_from(limit / 2).unwrap_or(usize::MAX)).clamp(1, Semaphore::MAX_PERMITS)
}

async fn connection<H: ServerHandler + Send + 'static>(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    app: &App<H>,
) {
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = requests.clone();
    let service = router.map_request(move |mut request: hyper::Request<Incoming>| {
        seen.fetch_add(1, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_header_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut served = pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = app.stopped.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    // One that was used and then left idle is closed in just the same way.
    let is_first = requests.load(Ordering::Relaxed) == 0;
    match result {
        Err(error) if error.is_parse() => app.strangers.note("no HTTP/1.1", peer.ip(), None),
        Err(error) if error.is_timeout() && is_first => {
            app.strangers.note("head_time", peer.ip(), None);
        }
        Err(error) => tracing::debug!("a connection ended: {error}"),
        Ok(()) => {}
    }
}
