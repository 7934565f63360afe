//! Logging in to an upstream server that wants OAuth (MCP specification
//! 2025-11-25, authorization), and using what that has given.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rmcp::transport::auth::{
    AuthError, AuthorizationManager, CredentialStore, InMemoryCredentialStore, OAuthClientConfig,
    OAuthHttpClient, OAuthHttpClientError, OAuthHttpClientFuture, OAuthHttpRequest,
};
use thiserror::Error;
use url::{Host, Url};

use super::error::shown;
use super::http_client::http_client;
use super::redirect::{Listener, Redirect};
use super::tokens::{self, Saved, TokenStore};
use crate::Config;
use crate::catalog::did_you_mean;
use crate::config::servers::{ServersFile, TransportConfig};
use crate::text::near::near_names;

/// For somebody who has to find a password first.
const PATIENCE: Duration = Duration::from_secs(300);

/// For one request to an authorization server, as in rmcp's own client.
pub(super) const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of an answer of one, as in rmcp's own client.
const MAX_ANSWER: usize = 1 << 20;

/// As users see it when they are asked whether they trust this client.
const CLIENT_NAME: &str = "MCP Conductor";

/// Why a login has not worked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoginError {
    /// There is no file of MCP servers.
    #[error("there is no configuration of MCP servers")]
    NoConfiguration,
    /// The file, or the entry of the server, cannot be used.
    #[error("{0}")]
    Configuration(String),
    /// The file has no such server, or it is disabled.
    #[error("MCP server \"{name}\" not found{hint}")]
    NoServer {
        /// The name that was asked for.
        name: String,
        /// Names like it, as a sentence.
        hint: String,
    },
    /// Processes get what they need through `env`.
    #[error("MCP server \"{0}\" is a process: only a server with a \"url\" can ask for a login")]
    NotHttp(String),
    /// Its token is in the configuration, and would be sent instead.
    #[error(
        "MCP server \"{0}\" has an Authorization header in the configuration, which is used \
         instead of a login: remove it first"
    )]
    HasToken(String),
    /// Nothing says where to log in (RFC 9728, RFC 8414).
    #[error("MCP server \"{0}\" does not say where to log in: it publishes no OAuth metadata")]
    NoMetadata(String),
    /// The server or its authorization server answered with something unusable.
    #[error("{0}")]
    OAuth(String),
    /// The authorization server sent the browser back without a code.
    #[error("the login was refused: {0}")]
    Refused(String),
    /// Nobody has logged in.
    #[error("nobody has logged in within {} minutes", PATIENCE.as_secs() / 60)]
    TimedOut,
    /// The redirect cannot be received, or the tokens not be kept.
    #[error("{0}")]
    Machine(String),
}

/// Logs in to the MCP server `name` of the configuration. `show` is given the
/// address that a browser on this machine is to open; then this waits, five minutes
/// at most, and keeps the tokens for later connections.
///
/// # Errors
/// Why it has not worked.
pub fn login<'a>(
    config: &'a Config,
    name: &'a str,
    show: &'a mut dyn FnMut(&str),
) -> impl Future<Output = Result<(), LoginError>> + 'a {
    log_in(config, name, show).boxed_local()
}

async fn log_in(config: &Config, name: &str, show: &mut dyn FnMut(&str)) -> Result<(), LoginError> {
    let url = configured(config, name)?;
    let directory = tokens::directory(config).map_err(machine)?;
    let store = TokenStore::new(&directory, name, url.as_str());
    // A file that later connections would refuse is better found before the login.
    store.read().map_err(machine)?;
    let client = http_client().await.map_err(LoginError::Machine)?;
    let mut manager = manager(&url, client).await.map_err(oauth)?;
    let given = InMemoryCredentialStore::new();
    manager.set_credential_store(given.clone());

    let found = manager.resolve_metadata().await.map_err(oauth)?;
    if !found.source.is_discovered() {
        return Err(LoginError::NoMetadata(name.to_owned()));
    }
    let metadata = found.metadata;
    manager.set_metadata(metadata.clone());
    let listener = Listener::bind().await.map_err(machine)?;
    let scopes = manager.select_initial_scopes(&[]).await;
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let registered = manager.register_client(CLIENT_NAME, &listener.uri(), &scopes).await;
    let registered = registered.map_err(oauth)?;

    let address = manager.get_authorization_url(&scopes).await.map_err(oauth)?;
    let (address, state) = checked(&url, &address)?;
    show(address.as_str());
    let redirect = tokio::time::timeout(PATIENCE, listener.wait(&state)).await;
    let (code, issuer) = match redirect.map_err(|_| LoginError::TimedOut)? {
        Redirect::Code { code, issuer } => (code, issuer),
        Redirect::Refused { error, description } => return Err(refused(&error, description)),
    };
    let issuer = issuer.as_deref();
    manager.exchange_code_for_token_with_issuer(&code, &state, issuer).await.map_err(oauth)?;
    let credentials = given.load().await.map_err(oauth)?;
    let credentials = credentials.ok_or_else(|| oauth(AuthError::AuthorizationRequired))?;
    let saved = Saved {
        server: name.to_owned(),
        url: url.into(),
        client_secret: registered.client_secret,
        metadata,
        credentials,
    };
    store.write(&saved).map_err(machine)
}

/// The manager of a server that somebody has logged in to; it refreshes the tokens
/// when they expire.
///
/// # Errors
/// The tokens cannot be read, as a sentence.
pub(super) async fn authorized(
    store: TokenStore,
    url: &Url,
    client: reqwest::Client,
) -> Result<Option<AuthorizationManager>, String> {
    let reader = store.clone();
    let read = tokio::task::spawn_blocking(move || reader.read()).await;
    let read = read.map_err(|error| error.to_string())?;
    let Some(saved) = read.map_err(|error| error.to_string())? else { return Ok(None) };
    let mut manager = manager(url, client).await.map_err(described)?;
    // For the name of the resource (RFC 8707), which rmcp learns in no other way.
    // Where it says to send tokens is not used: they go where the user logged in.
    if let Err(error) = manager.resolve_metadata().await {
        tracing::debug!("no OAuth metadata: {}", described(error));
    }
    manager.set_metadata(saved.metadata);
    // No redirect is asked for in a refresh.
    let mut registered = OAuthClientConfig::new(saved.credentials.client_id, url.as_str());
    registered.client_secret = saved.client_secret;
    manager.configure_client(registered).map_err(described)?;
    manager.set_credential_store(store);
    Ok(Some(manager))
}

/// The URL of a server of the configuration that can be logged in to.
fn configured(config: &Config, name: &str) -> Result<Url, LoginError> {
    let path = config.mcp_config().ok_or(LoginError::NoConfiguration)?;
    let broken =
        |problem: String| LoginError::Configuration(format!("{}: {problem}", path.display()));
    let environment = config.environment();
    let variable = |name: &str| environment.get(name).cloned();
    let file = ServersFile::read(path, &variable, None).map_err(LoginError::Configuration)?;
    let Some((_, server)) = file.servers.iter().find(|(other, _)| other == name) else {
        let near = near_names(name, file.servers.iter().map(|(other, _)| other.as_str()));
        return Err(LoginError::NoServer { name: shown(name), hint: did_you_mean(&near) });
    };
    let server = server.as_ref().map_err(|reason| broken(format!("\"{name}\": {reason}")))?;
    let TransportConfig::Http { url, headers } = &server.transport else {
        return Err(LoginError::NotHttp(name.to_owned()));
    };
    if headers.iter().any(|(header, _)| header.eq_ignore_ascii_case("authorization")) {
        return Err(LoginError::HasToken(name.to_owned()));
    }
    Ok(url.clone())
}

/// The address that a user is to open, which another server chose, and its `state`.
fn checked(server: &Url, address: &str) -> Result<(Url, String), LoginError> {
    let unusable =
        || LoginError::OAuth(format!("an address that cannot be opened: {}", shown(address)));
    let address = Url::parse(address).map_err(|_| unusable())?;
    if !permitted(server, &address) {
        return Err(unusable());
    }
    // It may have a query of its own; rmcp's is behind that.
    let state = address.query_pairs().filter(|pair| pair.0 == "state").last();
    let state = state.map(|pair| pair.1.into_owned()).ok_or_else(unusable)?;
    Ok((address, state))
}

fn refused(error: &str, description: Option<String>) -> LoginError {
    LoginError::Refused(match description {
        Some(description) => format!("{} ({})", shown(&description), shown(error)),
        None => shown(error),
    })
}

fn machine(error: impl std::error::Error) -> LoginError {
    LoginError::Machine(error.to_string())
}

fn oauth(error: AuthError) -> LoginError {
    LoginError::OAuth(described(error))
}

/// An error with its causes. Servers choose parts of it.
fn described(error: AuthError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    shown(&text)
}

async fn manager(url: &Url, client: reqwest::Client) -> Result<AuthorizationManager, AuthError> {
    let http = OAuthHttp { client, server: url.clone() };
    AuthorizationManager::new_with_oauth_http_client(url.clone(), Arc::new(http)).await
}

/// Requests to authorization servers, which the upstream server names. No redirect
/// is followed: rmcp follows those that it allows in a discovery by itself.
struct OAuthHttp {
    client: reqwest::Client,
    server: Url,
}

impl OAuthHttpClient for OAuthHttp {
    fn execute(&self, request: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(self.answer(request))
    }
}

impl OAuthHttp {
    async fn answer(
        &self,
        request: OAuthHttpRequest,
    ) -> Result<http::Response<Vec<u8>>, OAuthHttpClientError> {
        let OAuthHttpRequest { request, timeout, .. } = request;
        let mut request = reqwest::Request::try_from(request)?;
        if !permitted(&self.server, request.url()) {
            return Err(format!("{} is not an https: URL", request.url()).into());
        }
        *request.timeout_mut() = Some(timeout.unwrap_or(HTTP_TIMEOUT));
        let mut response = self.client.execute(request).await?;
        let mut body = Vec::new();
        // The GET of a discovery opens a stream without end at a server that wants no
        // login for that.
        if !is_event_stream(response.headers()) {
            while let Some(chunk) = response.chunk().await? {
                if body.len() + chunk.len() > MAX_ANSWER {
                    return Err(format!("an answer of more than {MAX_ANSWER} bytes").into());
                }
                body.extend_from_slice(&chunk);
            }
        }
        let mut answer = http::Response::new(body);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        Ok(answer)
    }
}

fn is_event_stream(headers: &http::HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// Endpoints of OAuth are served over TLS (RFC 6749 section 3), which also keeps a
/// hostile server from having requests sent to one inside of a network. Where the
/// administrator chose a server without TLS, its own host and machine will do.
fn permitted(server: &Url, url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => {
            server.scheme() == "http"
                && (server.host() == url.host() || (is_loopback(server) && is_loopback(url)))
        }
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn tokens_go_over_tls_or_stay_on_the_host() {
        let permitted = |server, other| permitted(&url(server), &url(other));
        assert!(permitted("https://a.example/mcp", "https://auth.example/token"));
        assert!(permitted("http://127.0.0.1:1/mcp", "http://localhost:2/token"));
        assert!(permitted("http://[::1]:1/mcp", "http://127.0.0.1:2/token"));
        assert!(permitted("http://mcp.internal/mcp", "http://mcp.internal:8080/token"));
        assert!(!permitted("https://a.example/mcp", "http://a.example/token"));
        assert!(!permitted("https://a.example/mcp", "http://127.0.0.1/token"));
        assert!(!permitted("http://mcp.internal/mcp", "http://169.254.169.254/token"));
        assert!(!permitted("http://mcp.internal/mcp", "http://localhost/token"));
        assert!(!permitted("http://127.0.0.1/mcp", "file:///etc/passwd"));
    }

    #[test]
    fn only_an_address_for_a_browser_is_shown() {
        let server = url("https://a.example/mcp");
        let (address, state) =
            checked(&server, "https://auth.example/?state=own&code_challenge=x&state=s1").unwrap();
        assert_eq!(
            (address.as_str(), state.as_str()),
            ("https://auth.example/?state=own&code_challenge=x&state=s1", "s1")
        );
        for address in [
            "javascript:alert(1)//?state=s1",
            "http://auth.example/?state=s1",
            "https://a.example/",
        ] {
            assert_eq!(
                checked(&server, address).unwrap_err().to_string(),
                format!("an address that cannot be opened: {address}")
            );
        }
    }

    #[test]
    fn a_refusal_is_shown_without_control_characters() {
        let description = Some("\x1b[2Jnot you".to_owned());
        assert_eq!(
            refused("access_denied", description).to_string(),
            "the login was refused:  [2Jnot you (access_denied)"
        );
        assert_eq!(
            refused("access_denied", None).to_string(),
            "the login was refused: access_denied"
        );
    }
}
