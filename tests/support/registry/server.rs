//! The HTTP side, on a thread of its own, so that tests need no runtime.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use super::{Asked, Fault, State, locked};

/// A path below which an archive is served without its fault.
const WELL: &str = "/-/well";

type All = Arc<Mutex<State>>;

/// A server that ends when this is dropped.
pub struct Running {
    pub port: u16,
    _stop: oneshot::Sender<Infallible>,
}

/// Starts the server.
pub fn start(state: All) -> Running {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("it is bound").port();
    let (stop, stopped) = oneshot::channel::<Infallible>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let router = Router::new().fallback(answer).with_state(state);
            let serving = std::future::IntoFuture::into_future(axum::serve(listener, router));
            tokio::select! {
                _ = serving => {}
                _ = stopped => {}
            }
        });
    });
    Running { port, _stop: stop }
}

async fn answer(Shared(state): Shared<All>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let authorization = text_of(request.headers(), header::AUTHORIZATION);
    let mut state = locked(&state);
    state.asked.push(Asked { path: path.clone(), authorization: authorization.clone() });
    let expected = state.token.as_ref().map(|token| format!("Bearer {token}"));
    if expected.is_some() && authorization != expected {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match path.strip_prefix(WELL).unwrap_or(&path).split_once("/-/") {
        Some((name, file)) => state.archive(&path, &name[1..], file),
        None => state.document(&path[1..], request.headers()),
    }
}

fn text_of(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

impl State {
    /// A packument, unless the caller has it.
    fn document(&self, name: &str, headers: &HeaderMap) -> Response {
        let name = name.replace("%2f", "/").replace("%2F", "/").replace("%40", "@");
        let instead = self.packuments.get(&name).cloned();
        let packument =
            instead.or_else(|| self.packages.get(&name).map(|found| found.packument(&name)));
        let Some(packument) = packument else { return StatusCode::NOT_FOUND.into_response() };
        let text = packument.to_string();
        let hash = Sha256::digest(&text);
        let tag =
            format!("\"{}\"", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        if text_of(headers, header::IF_NONE_MATCH).as_ref() == Some(&tag) {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::ETAG, tag)];
        (headers, text).into_response()
    }

    /// An archive, or what happens instead.
    fn archive(&mut self, path: &str, name: &str, file: &str) -> Response {
        let unscoped = name.rsplit('/').next().unwrap_or(name);
        let number = file.strip_prefix(unscoped).and_then(|rest| rest.strip_prefix('-'));
        let number = number.and_then(|rest| rest.strip_suffix(".tgz")).unwrap_or_default();
        let found = self.packages.get(name).and_then(|package| package.versions.get(number));
        let Some(version) = found else { return StatusCode::NOT_FOUND.into_response() };
        let archive = version.archive.clone();
        if path.starts_with(WELL) {
            return archive.into_response();
        }
        match &version.fault {
            Fault::Length(length) => with_length(*length, archive),
            Fault::Endless => Body::from_stream(endless()).into_response(),
            Fault::Silent => Body::from_stream(silent()).into_response(),
            Fault::Cut(times) => {
                let cut = self.cut.entry(path.to_owned()).or_default();
                *cut += 1;
                match *cut <= *times {
                    true => {
                        with_length(archive.len() as u64, archive[..archive.len() / 2].to_vec())
                    }
                    false => archive.into_response(),
                }
            }
            Fault::Redirect(target) => {
                redirect(&target.replace("{archive}", &format!("{WELL}{path}")))
            }
            Fault::RedirectLoop => redirect(path),
            Fault::None
            | Fault::WrongIntegrity
            | Fault::Sha1Only
            | Fault::NoIntegrity
            | Fault::TarballAt(_) => archive.into_response(),
        }
    }
}

fn redirect(target: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, target.to_owned())]).into_response()
}

/// A body that ends before or after the length that is said.
fn with_length(length: u64, body: Vec<u8>) -> Response {
    let start = futures::stream::once(async move { Ok(body) });
    // The start is on its way before the connection ends.
    let end = futures::stream::once(async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        Err(io::Error::other("cut"))
    });
    let body = Body::from_stream(start.chain(end));
    ([(header::CONTENT_LENGTH, length.to_string())], body).into_response()
}

fn endless() -> impl futures::Stream<Item = io::Result<Vec<u8>>> {
    futures::stream::repeat_with(|| Ok(vec![0; 1 << 20]))
}

fn silent() -> impl futures::Stream<Item = io::Result<Vec<u8>>> {
    futures::stream::pending()
}
