//! HTTP+SSE, the transport of MCP 2024-11-05 (basic, transports): one stream by which
//! everything comes, and an address, which it names first, to which everything goes.
//! rmcp has none. The connection is the stream: it ends with it, and is not gone on with.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use http::{HeaderName, HeaderValue};
use rmcp::model::{JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::{RoleClient, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpPostResponse,
};
use sse_stream::Sse;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

use super::http::{ENDPOINT, Failure, unusable};

/// Requests of all runs to one server over HTTP at the same time.
pub(super) const MAX_POSTS: usize = 64;

/// Longest address, in bytes: what servers take as the first line of a request (RFC
/// 9112, section 3, asks for 8000 at least).
const MAX_ENDPOINT: usize = 8 << 10;

/// For a message to be accepted, which says nothing of the answer to it: as long as for
/// that, for servers that accept it together with it.
const POST_TIMEOUT: Duration = Duration::from_secs(300);

/// A stream and the address of its server, reached by a client that limits what comes.
pub(super) struct SseTransport<C> {
    http: C,
    endpoint: Arc<str>,
    headers: HashMap<HeaderName, HeaderValue>,
    events: BoxStream<'static, Result<Sse, SseError>>,
    posts: Arc<Semaphore>,
}

impl<C: StreamableHttpClient<Error = reqwest::Error>> SseTransport<C> {
    /// Opens the stream and waits for the address.
    ///
    /// # Errors
    /// This is no server of HTTP+SSE, or its address cannot be used.
    pub(super) async fn open(
        http: C,
        url: &Url,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Self, Failure> {
        let opening = http.get_stream(url.as_str().into(), None, None, None, headers.clone());
        let mut events = opening.await?;
        let first = loop {
            let event = events.next().await.ok_or(Failure::UnexpectedEndOfStream)??;
            if event.data.is_some() {
                break event;
            }
        };
        if first.event.as_deref() != Some(ENDPOINT) {
            return Err(unusable("a stream that does not begin with an endpoint".to_owned()));
        }
        let endpoint = endpoint(url, first.data.as_deref().unwrap_or_default())?;
        let posts = Arc::new(Semaphore::new(MAX_POSTS));
        Ok(Self { http, endpoint: endpoint.as_str().into(), headers, events, posts })
    }
}

/// The address that a server names. What is sent has the headers of the configuration,
/// which are for its own origin (RFC 6454).
fn endpoint(url: &Url, named: &str) -> Result<Url, Failure> {
    let refused =
        |why: &str| unusable(format!("an endpoint that nothing is sent to, because it {why}"));
    if named.len() > MAX_ENDPOINT {
        return Err(refused(&format!("has more than {MAX_ENDPOINT} bytes")));
    }
    let mut endpoint = url.join(named.trim()).map_err(|_| refused("is not a URL"))?;
    if endpoint.origin() != url.origin() {
        let (own, other) = (url.origin(), endpoint.origin());
        let (own, other) = (own.ascii_serialization(), other.ascii_serialization());
        return Err(refused(&format!("is at {other} and not at {own}, as \"url\" is")));
    }
    if !endpoint.username().is_empty() || endpoint.password().is_some() {
        return Err(refused("contains a user"));
    }
    endpoint.set_fragment(None);
    Ok(endpoint)
}

impl<C: StreamableHttpClient<Error = reqwest::Error>> Transport<RoleClient> for SseTransport<C> {
    type Error = Failure;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Failure>> + Send + 'static {
        let (http, endpoint) = (self.http.clone(), self.endpoint.clone());
        let (headers, posts) = (self.headers.clone(), self.posts.clone());
        async move {
            let place = posts.acquire_owned().await;
            let _place = place.map_err(|_| Failure::TransportChannelClosed)?;
            let posting = http.post_message(endpoint, message, None, None, headers);
            match timeout(POST_TIMEOUT, posting).await {
                Ok(Ok(StreamableHttpPostResponse::Json(JsonRpcMessage::Error(error), _))) => {
                    Err(Failure::UnexpectedServerResponse(error.error.message))
                }
                // The address has a name of a session in it.
                Ok(Err(Failure::Client(error))) => Err(Failure::Client(error.without_url())),
                Ok(accepted) => accepted.map(drop),
                Err(_) => Err(unusable("a message that was not accepted in time".to_owned())),
            }
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            let event = self.events.next().await?.ok()?;
            let data = event.data.filter(|_| event.event.as_deref() != Some(ENDPOINT));
            let message = data.map(|data| serde_json::from_str::<ServerJsonRpcMessage>(&data));
            if let Some(Ok(message)) = message {
                return Some(message);
            }
        }
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Failure>> + Send {
        self.events = futures::stream::empty().boxed();
        std::future::ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(url: &str, endpoint: &str) -> Result<String, String> {
        let url = Url::parse(url).unwrap();
        super::endpoint(&url, endpoint).map(String::from).map_err(|error| error.to_string())
    }

    #[test]
    fn an_endpoint_is_below_the_origin_of_its_stream() {
        for (endpoint, expected) in [
            ("/messages?sessionId=a%20b", "https://a.example/messages?sessionId=a%20b"),
            ("messages/", "https://a.example/mcp/messages/"),
            ("?session=1", "https://a.example/mcp/sse?session=1"),
            ("https://a.example:443/m", "https://a.example/m"),
            ("https://A.example/m#x", "https://a.example/m"),
            (" /m\n", "https://a.example/m"),
            ("//a.example/m", "https://a.example/m"),
        ] {
            let found = named("https://a.example/mcp/sse", endpoint);
            assert_eq!(found.as_deref(), Ok(expected), "{endpoint}");
        }
    }

    #[test]
    fn nothing_is_sent_to_another_origin() {
        for endpoint in [
            "http://a.example/m",
            "https://a.example:444/m",
            "https://b.example/m",
            "//b.example/m",
            "\\\\b.example\\m",
            "https:\\\\b.example/m",
            "https://a.example.b.example/m",
            "https://user@a.example/m",
            "https://:word@a.example/m",
            "https://a.example@b.example/m",
            "file:///etc/passwd",
            "data:,x",
            "javascript:alert(1)",
            "https://[x/",
        ] {
            let found = named("https://a.example/sse", endpoint);
            assert!(
                found.as_ref().is_err_and(|why| why.contains("nothing is sent to")),
                "{found:?}"
            );
        }
        let long = format!("/{}", "x".repeat(MAX_ENDPOINT));
        assert!(named("https://a.example/sse", &long).is_err());
    }
}
