//! rmcp's client, which was not written for this server, over HTTP.

use std::sync::Arc;

use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _, RoleClient};

use super::waiting::bounded;

/// A client that was not written for this server.
pub type RmcpClient<H> = RunningService<RoleClient, H>;

/// Lets rmcp's client connect.
pub async fn rmcp_client<H: ClientHandler>(
    url: String,
    token: Option<&str>,
    handler: H,
    lifecycle: ClientLifecycleMode,
) -> RmcpClient<H> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(url);
    if let Some(token) = token {
        config = config.auth_header(token);
    }
    let transport = StreamableHttpClientTransport::with_client(http_client(), config);
    let connected = handler.serve_with_lifecycle(transport, lifecycle);
    bounded(connected).await.expect("a handshake")
}

/// The lifecycle of rmcp's client in each era.
pub fn lifecycles() -> [ClientLifecycleMode; 3] {
    let modern = || vec![rmcp::model::ProtocolVersion::V_2026_07_28];
    [
        ClientLifecycleMode::Initialize,
        ClientLifecycleMode::Discover { preferred_versions: modern() },
        ClientLifecycleMode::Auto { preferred_versions: modern(), legacy_version: None },
    ]
}

/// reqwest is built without a provider of cryptography: it takes this one, and
/// trusts nobody, as these servers speak plain HTTP.
pub fn http_client() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client")
}
