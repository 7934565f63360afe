//! Settings of the server on HTTP: where it listens, who may call, how often.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::Config;

/// The fields of [`HttpConfig`], for whose defaults the entries in `variables` stand.
macro_rules! http_config {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        /// How `mcp-conductor http` serves. Set the fields of a default one.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct HttpConfig {
            /// The address to listen on. 127.0.0.1.
            pub bind: IpAddr,
            $($(#[$doc])* pub $name: $type,)*
        }

        impl HttpConfig {
            /// Without defaults; what has one is zero. On loopback, even if everything else is
            /// forgotten.
            pub(super) fn unset() -> Self {
                Self { bind: IpAddr::V4(Ipv4Addr::LOCALHOST), $($name: Default::default(),)* }
            }
        }
    };
}

http_config! {
    /// The port to listen on; 0 for a free one. 3001.
    port: u16;
    /// Host names, with or without a port, that requests may name. Empty: loopback's
    /// and the public URL's; any where authentication is required, because a page
    /// that reaches this server by DNS rebinding has no token.
    allowed_hosts: Vec<String>;
    /// Origins of web pages that may call, such as `https://app.example.com:443`.
    /// Empty: this port on loopback.
    allowed_origins: Vec<String>;
    /// The URL of `/mcp` as clients see it. Needed with OAuth (RFC 9728, section 2).
    public_url: Option<String>;
    /// Bytes of a request's body. 16 MiB, as of a line on standard input.
    max_body_size: usize;
    /// Concurrent connections. 4096.
    max_clients: usize;
    /// Concurrent sessions of one principal (protocol versions before
    /// 2026-07-28). 1000.
    max_sessions: usize;
    /// How long the answer of a call with an idempotency key is kept. 10 min.
    idempotency_ttl: Duration;
    /// How long runs may go on after SIGTERM. 8 s: container engines kill after 10 s.
    drain_timeout: Duration;
    /// The file of hashed bearer tokens.
    tokens: Option<PathBuf>;
    /// Issuer of JSON Web Tokens: the `iss` that they must have.
    oauth_issuer: Option<String>;
    /// The `aud` that JSON Web Tokens must have. Without it: the public URL.
    oauth_audience: Option<String>;
    /// The issuer's keys: an https URL, an http URL on loopback, or a file.
    oauth_jwks: Option<String>;
    /// Scopes that JSON Web Tokens must have.
    oauth_scopes: Vec<String>;
    /// Calls per minute of one principal; 0 for no limit.
    rate_limit: u32;
    /// Calls of one principal before the rate applies (burst); 0 for ten seconds' worth.
    rate_burst: u32;
    /// Concurrent runs of one principal; 0 for half of all, or all where nobody
    /// authenticates.
    principal_concurrent: usize;
    /// Queued runs of one principal; 0 for half of all, or all where nobody
    /// authenticates.
    principal_queue: usize;
    /// Whether `/metrics` is served. Yes.
    metrics: bool;
    /// Whether to listen beyond loopback without authentication. No.
    unsafe_no_auth: bool;
}

impl Default for HttpConfig {
    fn default() -> Self {
        Config::default().http
    }
}

impl HttpConfig {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    /// Whether callers must authenticate.
    pub fn has_authentication(&self) -> bool {
        self.tokens.is_some() || self.oauth_issuer.is_some()
    }

    /// Calls before the rate holds.
    pub(crate) fn burst(&self) -> u32 {
        if self.rate_burst == 0 { (self.rate_limit / 6).max(1) } else { self.rate_burst }
    }
}
