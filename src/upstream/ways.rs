//! The ways to begin with a server over HTTP (MCP 2026-07-28, basic, versioning;
//! 2025-11-25, basic, transports, backwards compatibility). Each attempt has requests of
//! its own: one that is left open does not hold up the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use rmcp::service::{ClientInitializeError, ClientLifecycleMode};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::AuthClient;
use rmcp::transport::common::client_side_sse::SseRetryPolicy;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClient, StreamableHttpClientTransportConfig,
};
use tokio::time::timeout;
use url::Url;

use super::causes::{shown_url, without};
use super::era::Era;
use super::handshake::{Connected, Opening, Service, initialize_error, is_final, modern};
use super::http::{Failure, HttpClient, MAX_RETRY, MIN_RETRY, Welcome};
use super::http_client::http_client;
use super::intake::Intake;
use super::login::authorized;
use super::sse::{MAX_POSTS, SseTransport};
use super::tokens::TokenStore;

/// For the answer to `server/discover`, and for the address of a server of HTTP+SSE: as
/// long as rmcp waits for the first over standard streams.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers that have nothing to do with how a server is asked.
const DENIED: [StatusCode; 4] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::PROXY_AUTHENTICATION_REQUIRED,
    StatusCode::TOO_MANY_REQUESTS,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Discover,
    Initialize,
    Sse,
}

/// A server over HTTP, and what is sent along.
struct Target<'a> {
    url: &'a Url,
    headers: HashMap<HeaderName, HeaderValue>,
    http: reqwest::Client,
    login: Option<AuthClient<HttpClient>>,
}

/// Why a way has not led there.
struct Missed {
    reason: String,
    /// Whether the next may.
    goes_on: bool,
    /// Whether the reason says more than that of the way before.
    counts: bool,
}

/// Why nothing has come of an attempt; nothing if there was no answer in time.
type Unanswered = Option<ClientInitializeError>;

impl Opening<'_> {
    pub(super) async fn to_url(
        &self,
        url: &Url,
        headers: &[(String, String)],
    ) -> Result<Connected, String> {
        let target = self.target(url, headers).await?;
        let ways: &[Way] = match self.era() {
            Some(Era::Legacy) => &[Way::Initialize, Way::Sse],
            Some(Era::Sse) => &[Way::Sse],
            Some(Era::Modern) | None => &[Way::Discover, Way::Initialize, Way::Sse],
        };
        let mut reason = None;
        for way in ways {
            let missed = match self.try_way(*way, &target).await {
                Ok(connected) => return Ok(connected),
                Err(missed) => missed,
            };
            if missed.counts || reason.is_none() {
                reason = Some(missed.reason);
            }
            if !missed.goes_on {
                break;
            }
        }
        Err(reason.unwrap_or_default())
    }

    async fn target<'a>(
        &self,
        url: &'a Url,
        headers: &[(String, String)],
    ) -> Result<Target<'a>, String> {
        let headers = custom(headers)?;
        let http = http_client().await?;
        // A token of the configuration goes before one of a login.
        let tokens = self.common.tokens.as_deref();
        let tokens = tokens.filter(|_| !headers.contains_key(&AUTHORIZATION));
        let name = &self.client.name;
        let store = tokens.map(|directory| TokenStore::new(directory, name, url.as_str()));
        let manager = match store {
            Some(store) => authorized(store, url, http.clone()).await?,
            None => None,
        };
        let client = HttpClient::new(http.clone(), self.intake());
        let login = manager.map(|manager| AuthClient::new(client, manager));
        Ok(Target { url, headers, http, login })
    }

    async fn try_way(&self, way: Way, target: &Target<'_>) -> Result<Connected, Missed> {
        let intake = self.intake();
        // What was begun ends with the attempt, if that fails or is given up.
        let attempt = intake.broken().clone().drop_guard();
        let http = HttpClient::new(target.http.clone(), intake.clone());
        let http = if way == Way::Sse { http.for_sse() } else { http };
        let welcome = http.welcome();
        let asked = match target.login.clone() {
            Some(mut login) => {
                login.http_client = http;
                self.ask(way, target, login, &intake).await
            }
            None => self.ask(way, target, http, &intake).await,
        };
        match asked {
            Ok(service) => {
                let _ = attempt.disarm();
                Ok(Connected { service, intake, process: None })
            }
            Err(error) => Err(self.missed(way, target, error, &welcome)),
        }
    }

    async fn ask<C>(
        &self,
        way: Way,
        target: &Target<'_>,
        http: C,
        intake: &Arc<Intake>,
    ) -> Result<Service, Unanswered>
    where
        C: StreamableHttpClient<Error = reqwest::Error> + Sync,
    {
        let (probe, lifecycle) = (Arc::default(), ClientLifecycleMode::Initialize);
        if way == Way::Sse {
            let opening = SseTransport::open(http, target.url, target.headers.clone());
            let opened = timeout(PROBE_TIMEOUT, opening).await.map_err(|_| Unanswered::None)?;
            let inner = opened.map_err(|error| {
                ClientInitializeError::transport::<SseTransport<C>>(error, "open the stream")
            })?;
            let service = self.serve(inner, intake, &probe, lifecycle).await?;
            self.note(Era::Sse);
            return Ok(service);
        }
        let inner = StreamableHttpClientTransport::with_client(http, streamable(target, intake));
        if way == Way::Initialize {
            return self.serve(inner, intake, &probe, lifecycle).await.map_err(Some);
        }
        let asked = self.serve(inner, intake, &probe, modern());
        timeout(PROBE_TIMEOUT, asked).await.map_err(|_| Unanswered::None)?.map_err(Some)
    }

    fn missed(
        &self,
        way: Way,
        target: &Target<'_>,
        error: Unanswered,
        welcome: &Welcome,
    ) -> Missed {
        let is_final = error.as_ref().is_some_and(is_final);
        let status = welcome.status().filter(|status| !DENIED.contains(status));
        let is_denied = welcome.status().is_some() && status.is_none();
        if !is_final && !is_denied {
            // It has answered, and otherwise than before.
            self.forget_era();
        }
        let is_other = status.is_some_and(|status| status.is_client_error());
        let goes_on = match way {
            Way::Discover => !is_final && !is_denied,
            Way::Initialize => is_other || welcome.has_endpoint(),
            Way::Sse => false,
        };
        let url = shown_url(target.url);
        let sent = welcome.failure().filter(|_| error.as_ref().is_some_and(is_closed));
        let reason = match &error {
            Some(error) => {
                sent.map_or_else(|| initialize_error(error, &url), |failure| without(&url, failure))
            }
            None => format!("it did not answer within {} s", PROBE_TIMEOUT.as_secs()),
        };
        // A server without such a stream is no server of HTTP+SSE.
        Missed { reason, goes_on, counts: way != Way::Sse || welcome.has_endpoint() }
    }
}

/// Whether rmcp does not say why.
fn is_closed(error: &ClientInitializeError) -> bool {
    match error {
        ClientInitializeError::ConnectionClosed(_) => true,
        ClientInitializeError::TransportError { error, .. } => {
            matches!(error.error.downcast_ref::<Failure>(), Some(Failure::TransportChannelClosed))
        }
        _ => false,
    }
}

fn streamable(target: &Target<'_>, intake: &Intake) -> StreamableHttpClientTransportConfig {
    let mut config = StreamableHttpClientTransportConfig::with_uri(target.url.as_str())
        .custom_headers(target.headers.clone())
        .max_concurrent_requests(MAX_POSTS)
        .max_sse_event_size(intake.limit());
    config.retry_config = Arc::new(Retry);
    config
}

/// The headers of the configuration.
fn custom(headers: &[(String, String)]) -> Result<HashMap<HeaderName, HeaderValue>, String> {
    let invalid = |error: &dyn std::fmt::Display| format!("its headers cannot be sent: {error}");
    let mut custom = HashMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(|error| invalid(&error))?;
        let mut value: HeaderValue = value.parse().map_err(|error| invalid(&error))?;
        value.set_sensitive(true);
        custom.insert(name, value);
    }
    Ok(custom)
}

/// When a stream is opened again: doubled with each failure.
#[derive(Debug)]
struct Retry;

impl SseRetryPolicy for Retry {
    fn retry(&self, failures: usize) -> Option<Duration> {
        let doublings = u32::try_from(failures).unwrap_or(u32::MAX).min(6);
        Some((MIN_RETRY * 2_u32.pow(doublings)).min(MAX_RETRY))
    }
}
