//! HTTP for the programs of a run: one request at a time, to the very addresses
//! that `policy` allowed, with the administrator's credentials added here.
//! Redirects are the program's to follow, so that each is decided anew.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use parking_lot::Mutex;
use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::ClientConfig;
use serde_bytes::ByteBuf;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use url::{Host, Url};

use super::body::{
    FetchError, FetchLimits, MAX_CONNECTIONS, Place, Progress, ResponseBody, Upload, Usage, clip,
    failed, sending_failed, shown,
};
use super::decode::{ACCEPTED, Encoding};
use crate::config::credentials::{Credentials, belongs_to_the_connection};
use crate::memory::Account;
use crate::net::tls::tls;
use crate::policy::{AllowedAddress, AllowedUrl, Policy};
use crate::protocol::Response;
use crate::threads::Threads;

const USER_AGENT: &str = concat!("mcp-conductor/", env!("CARGO_PKG_VERSION"));

/// Longest method. The longest registered one has 17 letters (IANA's registry).
const MAX_METHOD_BYTES: usize = 64;

/// Headers of a request. Servers commonly take 100 (Apache's LimitRequestFields).
const MAX_HEADERS: usize = 200;

/// Bytes of a request's headers. Servers commonly take 8 to 32 KiB.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Bytes of a response's headers, as in Chromium.
const MAX_RESPONSE_HEADER_BYTES: usize = 256 << 10;

/// Origins with connections that are kept. With [`IDLE_CONNECTIONS`] of each, a
/// run holds at most 128 idle sockets, an eighth of the usual 1024 descriptors.
const MAX_ORIGINS: usize = 32;
const IDLE_CONNECTIONS: usize = 4;

/// Servers close idle connections after 5 s (Node.js) to 75 s (nginx).
const IDLE_CONNECTION_TIME: Duration = Duration::from_secs(15);

/// Names that one run looks up at the same time, each on a thread.
const LOOKUPS_OF_A_RUN: usize = 4;

/// Bytes that an open response takes: what hyper reads ahead, at most [`STREAM_WINDOW`], a
/// piece of the body that was not read to its end, and a gzip decoder with its window of
/// 32 KiB.
const RESPONSE_BYTES: usize = 384 << 10;

/// Addresses of a name that are tried. The connect timeout is shared by them.
const MAX_ADDRESSES: usize = 16;

/// What a server may send before the program reads, of an HTTP/2 stream and
/// connection: 256 KiB fills 20 Mbit/s at a round trip of 100 ms.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;

/// HTTP for one run. Connections live no longer than it. No cookies, no proxy
/// from the environment, no cache, no redirect.
pub(crate) struct Fetcher {
    policy: Arc<Policy>,
    credentials: Arc<Credentials>,
    limits: FetchLimits,
    places: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
    threads: Threads,
    account: Account,
    /// Of that, what windows of decoders may take: the rest is for reading what they give,
    /// without which none ends.
    windows: Account,
    usage: Arc<Usage>,
    /// The one used last is last.
    origins: Mutex<Vec<(String, Arc<OnceCell<Client>>)>>,
}

impl Fetcher {
    pub(crate) fn new(
        policy: Arc<Policy>,
        credentials: Arc<Credentials>,
        limits: FetchLimits,
        threads: Threads,
        account: Account,
    ) -> Self {
        let places = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            policy,
            credentials,
            limits,
            places: Arc::new(Semaphore::new(places)),
            lookups: Arc::new(Semaphore::new(LOOKUPS_OF_A_RUN)),
            threads,
            windows: account.share(account.bytes() / 2),
            account,
            usage: Arc::new(Usage::new(limits.request_bytes, limits.response_bytes)),
            origins: Mutex::default(),
        }
    }

    /// Sends one request and waits for the head of its response.
    pub(crate) async fn fetch(
        &self,
        url: AllowedUrl,
        method: &str,
        headers: &[(ByteBuf, ByteBuf)],
        body: Upload,
    ) -> Result<(Response, ResponseBody), FetchError> {
        let method = parse_method(method)?;
        let headers = self.request_headers(url.url(), &method, headers, body.is_empty())?;
        let place = self.place().await?;
        let client = self.client(&url).await?;
        let progress = Progress::default();
        let mut request = client.request(method.clone(), url.url().clone()).headers(headers);
        if let Some(body) = body.into_body(&self.usage, &progress)? {
            request = request.body(body);
        }
        let response = self.send(&url, request, &progress).await?;
        let head = response_head(url.url(), &response)?;
        let usage = Arc::clone(&self.usage);
        let body = match has_no_body(&method, &response) {
            true => ResponseBody::empty(usage),
            false => {
                let time = self.limits.idle_timeout;
                ResponseBody::new(response, place, usage, &self.windows, time)
            }
        };
        Ok((head, body))
    }

    fn request_headers(
        &self,
        url: &Url,
        method: &Method,
        sent: &[(ByteBuf, ByteBuf)],
        no_body: bool,
    ) -> Result<HeaderMap, FetchError> {
        let mut headers = program_headers(sent)?;
        if !headers.contains_key(header::USER_AGENT) {
            headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        }
        // A part of something compressed cannot be decoded (Fetch standard,
        // HTTP-network-or-cache fetch, as is the next one).
        if headers.contains_key(header::RANGE) {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        } else {
            headers.entry(header::ACCEPT_ENCODING).or_insert(ACCEPTED);
        }
        if no_body && (method == Method::POST || method == Method::PUT) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        for (name, value) in self.credentials.headers_for(url) {
            headers.insert(name, value.clone());
        }
        Ok(headers)
    }

    async fn place(&self) -> Result<Place, FetchError> {
        let wait = self.limits.response_timeout;
        match timeout(wait, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => match self.account.charge_within(RESPONSE_BYTES, wait).await {
                Ok(charge) => Ok((place, charge)),
                Err(error) => Err(FetchError::Limit { message: error.to_string() }),
            },
            _ => Err(FetchError::Limit {
                message: format!(
                    "{} requests of this run, the most that may be open at the same time, are \
                     still open after {} s: read their bodies to the end or cancel them \
                     (response.body?.cancel()), or raise {MAX_CONNECTIONS}",
                    self.limits.connections.max(1),
                    wait.as_secs_f32(),
                ),
            }),
        }
    }

    async fn send(
        &self,
        url: &AllowedUrl,
        request: reqwest::RequestBuilder,
        progress: &Progress,
    ) -> Result<reqwest::Response, FetchError> {
        let limit = self.limits.response_timeout;
        let mut response = pin!(request.send());
        loop {
            match timeout_at(progress.last() + limit, &mut response).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => return Err(sending_failed(&error, url, &self.limits)),
                Err(_) if Instant::now() < progress.last() + limit => {}
                Err(_) => {
                    let (url, seconds) = (shown(url.url()), limit.as_secs_f32());
                    return Err(failed(format!(
                        "error sending request for url ({url}): no response within {seconds} s"
                    )));
                }
            }
        }
    }

    /// A client for the origin of a URL, which reaches nothing else. Names are
    /// looked up once.
    async fn client(&self, url: &AllowedUrl) -> Result<Client, FetchError> {
        let cell = self.origin(url.url().origin().ascii_serialization());
        let connect = || async {
            let addresses = self.addresses(url).await?;
            let tls = tls(url.url().scheme() == "https").await;
            let tls = tls.map_err(|error| failed(error.to_string()))?;
            connector(&addresses, tls, &self.limits)
        };
        cell.get_or_try_init(connect).await.cloned()
    }

    fn origin(&self, name: String) -> Arc<OnceCell<Client>> {
        let mut origins = self.origins.lock();
        let known = origins.iter().position(|(known, _)| *known == name);
        let (name, cell) = match known {
            Some(at) => origins.remove(at),
            None => (name, Arc::default()),
        };
        if origins.len() >= MAX_ORIGINS {
            origins.remove(0);
        }
        origins.push((name, Arc::clone(&cell)));
        cell
    }

    async fn addresses(&self, url: &AllowedUrl) -> Result<Vec<AllowedAddress>, FetchError> {
        let found = match url.host() {
            Host::Ipv4(ip) => vec![IpAddr::V4(*ip)],
            Host::Ipv6(ip) => vec![IpAddr::V6(*ip)],
            Host::Domain(name) => self.look_up(name, url).await?,
        };
        let (mut allowed, mut refused) = (Vec::new(), None);
        for ip in found.into_iter().take(MAX_ADDRESSES) {
            match self.policy.address(url, ip) {
                Ok(address) => allowed.push(address),
                Err(denied) => refused = refused.or(Some(denied)),
            }
        }
        match refused {
            Some(denied) if allowed.is_empty() => Err(FetchError::Denied(denied)),
            _ => Ok(allowed),
        }
    }

    async fn look_up(&self, name: &str, url: &AllowedUrl) -> Result<Vec<IpAddr>, FetchError> {
        let limit = self.limits.connect_timeout;
        let found: Vec<IpAddr> = match timeout(limit, self.resolve(name, url.port())).await {
            Ok(found) => found,
            Err(_) => {
                let (url, seconds) = (shown(url.url()), limit.as_secs_f32());
                return Err(failed(format!(
                    "error sending request for url ({url}): the name {name} could not be \
                         looked up within {seconds} s"
                )));
            }
        };
        if found.is_empty() {
            let url = shown(url.url());
            return Err(failed(format!(
                "error sending request for url ({url}): no address found for name {name}. Is it \
                 spelled correctly?"
            )));
        }
        Ok(found)
    }

    /// Looks a name up with getaddrinfo(3), which cannot be interrupted: its thread is
    /// counted until it ends, whoever still waits for it.
    async fn resolve(&self, name: &str, port: u16) -> Vec<IpAddr> {
        let Ok(own) = Arc::clone(&self.lookups).acquire_owned().await else { return Vec::new() };
        let turn = self.threads.lookup().await;
        let name = name.to_owned();
        let looked_up = tokio::task::spawn_blocking(move || {
            let _threads = (own, turn);
            let found = std::net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), port));
            found.map_or_else(|_| Vec::new(), |found| found.map(|address| address.ip()).collect())
        });
        looked_up.await.unwrap_or_default()
    }
}

fn parse_method(text: &str) -> Result<Method, FetchError> {
    if ["CONNECT", "TRACE", "TRACK"].iter().any(|name| name.eq_ignore_ascii_case(text)) {
        return Err(failed("Method is forbidden".into()));
    }
    let method = Method::from_bytes(text.as_bytes()).ok();
    let method = method.filter(|_| text.len() <= MAX_METHOD_BYTES);
    method.ok_or_else(|| failed("Method is not valid".into()))
}

fn program_headers(sent: &[(ByteBuf, ByteBuf)]) -> Result<HeaderMap, FetchError> {
    let bytes: usize = sent.iter().map(|(name, value)| name.len() + value.len()).sum();
    if sent.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(failed(format!(
            "too many headers: {} with {bytes} bytes, more than {MAX_HEADERS} or \
             {MAX_HEADER_BYTES} bytes",
            sent.len()
        )));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in sent {
        let invalid = |part: &str| {
            let name = clip(String::from_utf8_lossy(name).into_owned());
            failed(format!("Invalid header {part}: {name:?}"))
        };
        let name = HeaderName::from_bytes(name).map_err(|_| invalid("name"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| invalid("value of"))?;
        if !belongs_to_the_connection(&name) {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

fn response_head(url: &Url, response: &reqwest::Response) -> Result<Response, FetchError> {
    let headers = response.headers();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MAX_RESPONSE_HEADER_BYTES {
        let url = shown(url);
        return Err(failed(format!(
            "the response of {url} has {bytes} bytes of headers, more than \
             {MAX_RESPONSE_HEADER_BYTES}"
        )));
    }
    // They are true of the body as it was sent, and not as programs see it.
    let is_decoded = Encoding::of(headers).is_some();
    let remains = |name: &HeaderName| {
        !is_decoded || (name != header::CONTENT_ENCODING && name != header::CONTENT_LENGTH)
    };
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (ByteBuf::from(name.as_str()), ByteBuf::from(value.as_bytes()))
    };
    Ok(Response {
        status: response.status().as_u16(),
        status_text: response.status().canonical_reason().unwrap_or_default().to_owned(),
        headers: headers.iter().filter(|(name, _)| remains(name)).map(pair).collect(),
        handle: 0,
    })
}

/// Such a response holds no connection, whether the program reads it or not
/// (RFC 9110, section 6.4.1).
fn has_no_body(method: &Method, response: &reqwest::Response) -> bool {
    let status = response.status();
    method == Method::HEAD
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
        || response.content_length() == Some(0)
}

/// The answer to every lookup of a client: what was allowed, and nothing else. A
/// host that is an address is dialled without a lookup.
struct Allowed(Vec<SocketAddr>);

impl Resolve for Allowed {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

fn connector(
    addresses: &[AllowedAddress],
    tls: ClientConfig,
    limits: &FetchLimits,
) -> Result<Client, FetchError> {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Allowed(addresses.iter().map(AllowedAddress::socket).collect()))
        .no_proxy()
        // Bodies are decoded here, with a bound.
        .no_gzip()
        .no_deflate()
        .no_brotli()
        .no_zstd()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(limits.connect_timeout)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_CONNECTION_TIME)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(MAX_RESPONSE_HEADER_BYTES as u32)
        .build()
        .map_err(|error| failed(format!("the HTTP client cannot be created: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Grants, PolicyInput, UrlError};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket};

    fn fetcher(grants: &str, credentials: &str) -> Fetcher {
        let given = PolicyInput {
            grants: &Grants::parse(grants).unwrap(),
            workspace: std::path::Path::new("/tmp"),
            home: None,
            search_path: "/usr/bin".as_ref(),
            protected: &[],
            packages: &Default::default(),
            is_narrowed: false,
            install_dir: None,
            code: &[],
            secrets: &[],
            unconfined: false,
            own_address: &Arc::default(),
        };
        let policy = Policy::new(&given).unwrap();
        let credentials = Credentials::parse(credentials, &|_| Some("canary".into())).unwrap();
        let time = Duration::from_secs(5);
        let limits = FetchLimits {
            request_bytes: 10,
            response_bytes: 1000,
            connections: 2,
            connect_timeout: time,
            response_timeout: time,
            idle_timeout: time,
        };
        let (threads, account) = (Threads::of_server(), Account::of_server(1 << 20));
        Fetcher::new(Arc::new(policy), Arc::new(credentials), limits, threads, account)
    }

    /// Answers one request, and says what it was.
    async fn serve(answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = socket.read(&mut request).await.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (port, served)
    }

    async fn get(
        fetcher: &Fetcher,
        url: &str,
        headers: &[(ByteBuf, ByteBuf)],
    ) -> Result<(Response, ResponseBody), FetchError> {
        let Ok(url) = fetcher.policy.url(url) else { panic!("{url} is refused") };
        fetcher.fetch(url, "GET", headers, Upload::None).await
    }

    #[tokio::test]
    async fn a_redirect_is_answered_and_not_followed() {
        let (port, _served) = serve(
            "HTTP/1.1 302 Found\r\nlocation: http://x.invalid/\r\ncontent-length: 2\r\n\r\nhi",
        )
        .await;
        let fetcher = fetcher("allow-net=127.0.0.1", "{}");
        let (head, mut body) =
            get(&fetcher, &format!("http://127.0.0.1:{port}/"), &[]).await.unwrap();
        assert_eq!((head.status, head.status_text.as_str()), (302, "Found"));
        assert_eq!(body.read(10).await.unwrap(), b"hi");
    }

    #[tokio::test]
    async fn credentials_replace_what_the_program_sends() {
        let (port, served) = serve("HTTP/1.1 204 No Content\r\n\r\n").await;
        let fetcher = fetcher("allow-net=127.0.0.1", r#"{"127.0.0.1": {"x-key": "env:KEY"}}"#);
        let header = |name: &str, value: &str| (ByteBuf::from(name), ByteBuf::from(value));
        let headers = [header("X-Key", "mine"), header("Host", "evil"), header("x-a", "b")];
        get(&fetcher, &format!("http://127.0.0.1:{port}/"), &headers).await.unwrap();
        let request = served.await.unwrap();
        assert!(request.contains("x-key: canary\r\n") && request.contains("x-a: b\r\n"));
        assert!(!request.contains("mine") && !request.contains("evil"));
    }

    #[tokio::test]
    async fn a_name_with_denied_addresses_only_is_denied() {
        let fetcher = fetcher("allow-net=localhost,deny-net=127.0.0.0/8,deny-net=[::1]", "{}");
        match fetcher.policy.url("http://localhost:9/") {
            Err(error) => assert!(matches!(error, UrlError::Denied(_))),
            Ok(url) => {
                let result = fetcher.fetch(url, "GET", &[], Upload::None).await;
                assert!(matches!(result, Err(FetchError::Denied(_))));
            }
        }
    }

    #[tokio::test]
    async fn a_refused_connection_says_so_without_the_url_s_password() {
        // Bound, so that nobody else gets the port; connect(2) is refused as nobody listens.
        let held = TcpSocket::new_v4().unwrap();
        held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = held.local_addr().unwrap().port();
        let fetcher = fetcher("allow-net=127.0.0.1", "{}");
        let url = format!("http://user:canary@127.0.0.1:{port}/");
        let error = get(&fetcher, &url, &[]).await.err().unwrap().to_string();
        assert!(error.contains("connection refused") && !error.contains("canary"), "{error}");
    }

    #[test]
    fn methods_that_deno_forbids_are_refused_and_others_are_not() {
        for method in ["CONNECT", "trace", "Track", "", "G T", "G\r\nX"] {
            assert!(parse_method(method).is_err(), "{method:?}");
        }
        for method in ["GET", "PATCH", "PROPFIND"] {
            assert!(parse_method(method).is_ok(), "{method:?}");
        }
    }

    #[test]
    fn headers_that_are_invalid_or_too_many_are_refused() {
        let header = |name: &str, value: &str| (ByteBuf::from(name), ByteBuf::from(value));
        assert!(program_headers(&[header("a b", "c")]).is_err());
        assert!(program_headers(&[header("a", "b\r\nc: d")]).is_err());
        assert!(program_headers(&vec![header("a", "b"); MAX_HEADERS + 1]).is_err());
        assert!(program_headers(&[header("a", &"b".repeat(MAX_HEADER_BYTES))]).is_err());
        assert_eq!(program_headers(&vec![header("a", "b"); MAX_HEADERS]).unwrap().len(), 200);
    }
}
