//! Requests to registries: bounded in size, time, retries and redirects.

use std::time::Duration;

use reqwest::header::{
    ACCEPT, AUTHORIZATION, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, LOCATION,
};
use reqwest::{Client, Response, StatusCode, redirect};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use url::Url;

use super::limits::{CONNECT, IDLE, MAX_REDIRECTS, REQUEST, RETRIES, RETRY_AFTER};

/// Pages of Python's indexes, else documents of npm's registries, if there is a choice: an index
/// may have JSON of its own.
const TYPES: &str = "application/vnd.pypi.simple.v1+json, application/json;q=0.9, */*;q=0.1";

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum HttpError {
    #[error("{url} answers {status}")]
    Status { url: String, status: StatusCode },
    #[error("{url} has more than {limit} bytes, which is the limit")]
    TooLarge { url: String, limit: u64 },
    #[error(
        "{url} redirects to {target}, which is another host: what a registry of npm says is taken \
         from its own host only, and an archive or a page of a Python index from one with TLS"
    )]
    OtherHost { url: String, target: String },
    #[error("{url} redirects more than {MAX_REDIRECTS} times, or to no place")]
    Redirects { url: String },
    #[error("{url} cannot be read: {reason}")]
    Broken { url: String, reason: String },
    #[error("no requests can be made: {0}")]
    Client(String),
}

impl HttpError {
    /// Whether the same request may succeed a moment later.
    fn may_pass(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::TooLarge { .. }
            | Self::OtherHost { .. }
            | Self::Redirects { .. }
            | Self::Client(_) => false,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Get {
    pub url: Url,
    /// The value of `Authorization`, for this origin only.
    pub auth: Option<String>,
    /// The tag of what is cached.
    pub etag: Option<String>,
    pub limit: u64,
    /// It may come from wherever the registry sends: over TLS if that is so of the registry, and
    /// without what `auth` says. An archive may, whose hash is known before, as GitHub's
    /// registry does it; and a page of a Python index, which moves so when its host changes.
    pub may_move: bool,
}

impl Get {
    pub(super) fn may_lead_to(&self, target: &Url) -> bool {
        let is_same = target.origin() == self.url.origin();
        let is_safe = target.scheme() == "https"
            || (self.url.scheme() == "http" && target.scheme() == "http");
        is_same || (self.may_move && is_safe)
    }
}

/// An answer that is not an error.
#[derive(Debug)]
pub(super) enum Answer {
    NotFound,
    NotModified,
    Body {
        bytes: Vec<u8>,
        etag: Option<String>,
        /// Where it was, behind all redirects.
        url: Url,
    },
}

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub connect: Duration,
    pub idle: Duration,
    pub request: Duration,
    pub retry_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: CONNECT, idle: IDLE, request: REQUEST, retry_after: RETRY_AFTER }
    }
}

/// A client of registries.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client,
    retry_after: Duration,
}

impl Http {
    /// A client for documents, which may be compressed on their way.
    pub(super) fn for_documents(patience: Patience) -> Result<Self, HttpError> {
        Self::new(patience, true)
    }

    /// A client for archives, whose bytes are hashed as they are stored.
    pub(super) fn for_archives(patience: Patience) -> Result<Self, HttpError> {
        Self::new(patience, false)
    }

    fn new(patience: Patience, compressed: bool) -> Result<Self, HttpError> {
        let client = Client::builder()
            .user_agent(concat!("mcp-conductor/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls().map_err(HttpError::Client)?)
            .redirect(redirect::Policy::none())
            .gzip(compressed)
            .connect_timeout(patience.connect)
            .read_timeout(patience.idle)
            .timeout(patience.request)
            .build()
            .map_err(|error| HttpError::Client(error.to_string()))?;
        Ok(Self { client, retry_after: patience.retry_after })
    }

    /// Gets a document or an archive.
    pub(super) async fn get(&self, get: &Get) -> Result<Answer, HttpError> {
        let mut pause = self.retry_after;
        for _ in 0..RETRIES {
            match self.once(get).await {
                Err(error) if error.may_pass() => tokio::time::sleep(pause).await,
                answer => return answer,
            }
            pause *= 2;
        }
        self.once(get).await
    }

    async fn once(&self, get: &Get) -> Result<Answer, HttpError> {
        let (mut url, mut get) = (get.url.clone(), get.clone());
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&get, &url).await?;
            match redirected(&response, &url)? {
                None => return answer(response, &url, get.limit).await,
                Some(target) if get.may_lead_to(&target) => {
                    // What comes behind another host is of its choosing.
                    get.auth = get.auth.filter(|_| target.origin() == url.origin());
                    url = without_user(target);
                }
                Some(target) => {
                    return Err(HttpError::OtherHost { url: shown(&url), target: shown(&target) });
                }
            }
        }
        Err(HttpError::Redirects { url: shown(&get.url) })
    }

    async fn send(&self, get: &Get, url: &Url) -> Result<Response, HttpError> {
        let request = self.client.get(url.clone()).headers(headers(get, url)?);
        request.send().await.map_err(|error| broken(url, error))
    }
}

fn headers(get: &Get, url: &Url) -> Result<HeaderMap, HttpError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(TYPES));
    if let Some(auth) = get.auth.as_ref().filter(|_| url.origin() == get.url.origin()) {
        let mut value = HeaderValue::from_str(auth)
            .map_err(|_| HttpError::Client("a token of .npmrc has control characters".into()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if let Some(tag) = get.etag.as_ref().and_then(|tag| HeaderValue::from_str(tag).ok()) {
        headers.insert(IF_NONE_MATCH, tag);
    }
    Ok(headers)
}

/// Where a response sends, if it does.
fn redirected(response: &Response, url: &Url) -> Result<Option<Url>, HttpError> {
    let status = response.status();
    if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
        return Ok(None);
    }
    let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok());
    let target = target.and_then(|target| url.join(target).ok());
    target.map(Some).ok_or_else(|| HttpError::Redirects { url: shown(url) })
}

async fn answer(response: Response, url: &Url, limit: u64) -> Result<Answer, HttpError> {
    match response.status() {
        StatusCode::NOT_FOUND => Ok(Answer::NotFound),
        StatusCode::NOT_MODIFIED => Ok(Answer::NotModified),
        StatusCode::OK => {
            let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
            let etag = tag.map(str::to_owned);
            let bytes = body(response, url, limit).await?;
            Ok(Answer::Body { bytes, etag, url: url.clone() })
        }
        status => Err(HttpError::Status { url: shown(url), status }),
    }
}

async fn body(mut response: Response, url: &Url, limit: u64) -> Result<Vec<u8>, HttpError> {
    let too_large = || HttpError::TooLarge { url: shown(url), limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(url, error))? {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The innermost reason says most: "connection refused" and not "error sending request".
fn broken(url: &Url, error: reqwest::Error) -> HttpError {
    let reason = if error.is_timeout() {
        "it does not answer in time".to_owned()
    } else {
        let mut innermost: &dyn std::error::Error = &error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        innermost.to_string()
    };
    HttpError::Broken { url: shown(url), reason }
}

/// A URL without what may be secret in it.
pub(super) fn shown(url: &Url) -> String {
    let mut url = without_user(url.clone());
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn without_user(mut url: Url) -> Url {
    // Both fail for URLs without a host, which have neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

fn tls() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
