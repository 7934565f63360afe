//! The thread that takes connections in. What a connection wants stands in its first
//! bytes: probes are answered here, whatever the other threads do and however many
//! connections there are; all else goes to the others, once there is a place for it.

use std::io::{Cursor, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Router;
use http_body_util::BodyExt;
use rmcp::ServerHandler;
use tokio::io::{AsyncReadExt, join};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::connections::Connection;
use super::listener::{self, ACCEPT_PAUSE, Listener, RequestCount};
use super::refusal::Refusal;
use super::router::router;
use super::state::App;
use crate::server::timing::timing;

/// For a probe's head and answer. Who asks has given up by then.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// How the requests begin that are answered here. A space or a query follows.
const PROBES: [&[u8]; 6] = [
    b"GET /health",
    b"GET /ready",
    b"GET /metrics",
    b"HEAD /health",
    b"HEAD /ready",
    b"HEAD /metrics",
];

/// Bytes that tell a probe from anything else: the longest of [`PROBES`] and one more.
const FIRST_BYTES: usize = 14;

/// What a connection wants, as far as it has said.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Unsaid,
    Probe,
    Other,
}

fn wish(first: &[u8]) -> Wish {
    let is = |probe: &&[u8]| {
        first.strip_prefix(*probe).is_some_and(|rest| matches!(rest.first(), Some(b' ' | b'?')))
    };
    if PROBES.iter().any(|probe| probe.starts_with(first)) {
        Wish::Unsaid
    } else if PROBES.iter().any(is) {
        Wish::Probe
    } else {
        Wish::Other
    }
}

/// What the tasks of the thread share.
struct Front<H> {
    app: Arc<App<H>>,
    router: Router,
    /// Where requests are answered that are no probes.
    others: Handle,
}

/// Takes connections, on a thread of its own, until the server drains. The receiver
/// learns when the last one has ended.
pub(super) fn start<H: ServerHandler + Send + 'static>(
    listener: Listener,
    app: Arc<App<H>>,
) -> std::io::Result<oneshot::Receiver<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (listener, router) = (listener.into_socket(), router(app.clone()));
    let front = Arc::new(Front { app, router, others: Handle::current() });
    let (ended, end) = oneshot::channel();
    thread::Builder::new().name("http-front".to_owned()).spawn(move || {
        runtime.block_on(take(listener, front));
        let _ = ended.send(());
    })?;
    Ok(end)
}

async fn take<H: ServerHandler + Send + 'static>(
    listener: std::net::TcpListener,
    front: Arc<Front<H>>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("cannot accept a connection: {error}"),
    };
    let app = &front.app;
    let mut is_short = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.stopped.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                is_short = false;
                listener::prepare(&stream);
                let connection = app.connections.enter(peer.ip());
                tokio::spawn(front.clone().receive(stream, peer, connection));
                // What this one has sent is seen before the next may take its place.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                if !std::mem::replace(&mut is_short, true) {
                    tracing::error!("cannot accept a connection: {error}");
                }
                app.connections.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while app.connections.count() > 0 {
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

impl<H: ServerHandler + Send + 'static> Front<H> {
    async fn receive(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, connection: Connection) {
        let strangers = &self.app.strangers;
        let mut first = Vec::with_capacity(FIRST_BYTES);
        let read = timeout(timing().head, read_wish(&stream, &mut first));
        let wish = tokio::select! {
            wish = read => wish,
            () = connection.left() => return strangers.note("crowd", peer.ip(), None),
            () = self.app.stopped.cancelled() => return,
        };
        match wish {
            Ok(Ok(Wish::Probe)) => self.probe(stream, first, peer, &connection).await,
            Ok(Ok(Wish::Other)) => self.hand_on(stream, first, peer, connection).await,
            Err(_) => strangers.note("head_time", peer.ip(), None),
            // It went away.
            Ok(Ok(Wish::Unsaid) | Err(_)) => {}
        }
    }

    /// Answers one request, and closes: who holds the connection holds a place of those
    /// for probes.
    async fn probe(
        &self,
        stream: TcpStream,
        first: Vec<u8>,
        peer: SocketAddr,
        connection: &Connection,
    ) {
        let (reader, writer) = stream.into_split();
        let io = join(Cursor::new(first).chain(reader), writer);
        let seen = RequestCount::default();
        let answered = listener::http(false).serve_connection(
            hyper_util::rt::TokioIo::new(io),
            listener::service(self.router.clone(), peer, None, &seen),
        );
        tokio::select! {
            result = timeout(PROBE_TIMEOUT, answered) => {
                if let Ok(result) = result {
                    listener::note(&self.app, peer, &seen, result);
                }
            }
            () = connection.left() => self.app.strangers.note("crowd", peer.ip(), None),
        }
    }

    /// Hands a connection to the threads that serve, once there is a place.
    async fn hand_on(
        &self,
        stream: TcpStream,
        first: Vec<u8>,
        peer: SocketAddr,
        connection: Connection,
    ) {
        let place = tokio::select! {
            place = connection.place() => place,
            () = connection.left() => {
                self.app.strangers.note("crowd", peer.ip(), None);
                return refuse(&stream).await;
            }
            () = self.app.stopped.cancelled() => return,
        };
        let (Some(place), Ok(stream)) = (place, stream.into_std()) else { return };
        let (app, router) = (self.app.clone(), self.router.clone());
        self.others.spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => listener::serve(stream, first, peer, router, &app, connection).await,
                Err(error) => tracing::debug!("a connection ended: {error}"),
            }
            drop(place);
        });
    }
}

/// Reads until the bytes tell what the connection wants; [`Wish::Unsaid`] at its end.
async fn read_wish(stream: &TcpStream, first: &mut Vec<u8>) -> std::io::Result<Wish> {
    loop {
        stream.readable().await?;
        let mut buffer = [0; FIRST_BYTES];
        match stream.try_read(&mut buffer[first.len()..]) {
            Ok(0) => return Ok(Wish::Unsaid),
            Ok(read) => {
                let had = first.len();
                first.extend_from_slice(&buffer[had..had + read]);
                match wish(first) {
                    Wish::Unsaid => {}
                    said => return Ok(said),
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Says why nothing comes, if the peer takes it at once.
async fn refuse(stream: &TcpStream) {
    use axum::response::IntoResponse;
    let response = Refusal::Connections.into_response();
    let (head, body) = response.into_parts();
    let Ok(body) = body.collect().await else { return };
    let body = body.to_bytes();
    let mut answer = format!("HTTP/1.1 {}\r\n", head.status);
    for (name, value) in &head.headers {
        answer.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
    }
    answer.push_str(&format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()));
    let _ = stream.try_write(&[answer.as_bytes(), &body].concat());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_known_by_its_first_bytes() {
        for probe in ["GET /health HTTP/1.1\r\n", "GET /ready?x", "HEAD /metrics ", "GET /metrics "]
        {
            let first = &probe.as_bytes()[..probe.len().min(FIRST_BYTES)];
            assert_eq!(wish(first), Wish::Probe, "{probe}");
            assert_eq!(wish(&first[..8]), Wish::Unsaid, "{probe}");
        }
        assert_eq!(wish(b""), Wish::Unsaid);
        assert_eq!(wish(b"HEAD /metrics"), Wish::Unsaid);
    }

    #[test]
    fn anything_else_is_known_too() {
        for other in
            ["P", "\r", "GET /m ", "GET /mcp", "GET /healthy", "GET /health/", "get", "\x16"]
        {
            assert_eq!(wish(other.as_bytes()), Wish::Other, "{other:?}");
        }
        assert!(PROBES.iter().all(|probe| probe.len() < FIRST_BYTES));
    }
}
