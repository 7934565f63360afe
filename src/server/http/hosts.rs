//! Host and Origin of a request: what keeps web pages from calling a server on the
//! machine that shows them (DNS rebinding; MCP 2025-11-25, Transports, "Security
//! Warning"). rmcp has the check; here is what it is given.

use url::Url;

use crate::config::HttpConfig;

/// Names of loopback.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Hosts that requests may name; empty for any.
pub(super) fn allowed_hosts(http: &HttpConfig) -> Vec<String> {
    if !http.allowed_hosts.is_empty() {
        return http.allowed_hosts.clone();
    }
    // A page has no token: nothing is gained by reaching a server that wants one.
    if http.has_authentication() {
        return Vec::new();
    }
    let mut hosts: Vec<String> = LOOPBACK.map(str::to_owned).to_vec();
    if !http.bind.is_unspecified() {
        hosts.push(http.bind.to_string());
    }
    let public = http.public_url.as_deref().and_then(|url| Url::parse(url).ok());
    hosts.extend(public.and_then(|url| url.host_str().map(str::to_owned)));
    hosts
}

/// Origins whose pages may call. Never empty.
pub(super) fn allowed_origins(http: &HttpConfig, port: u16) -> Vec<String> {
    if !http.allowed_origins.is_empty() {
        return http.allowed_origins.clone();
    }
    ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{port}")).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_authentication_only_loopback_and_the_own_addresses_are_named() {
        let http = HttpConfig {
            bind: [192, 0, 2, 7].into(),
            public_url: Some("https://conductor.example/mcp".to_owned()),
            ..HttpConfig::default()
        };
        assert_eq!(
            allowed_hosts(&http),
            ["localhost", "127.0.0.1", "::1", "192.0.2.7", "conductor.example"]
        );
    }

    #[test]
    fn what_is_configured_replaces_the_hosts_and_origins() {
        let http = HttpConfig {
            allowed_hosts: vec!["a.example".to_owned()],
            allowed_origins: vec!["https://b.example:443".to_owned()],
            ..HttpConfig::default()
        };
        assert_eq!(allowed_hosts(&http), ["a.example"]);
        assert_eq!(allowed_origins(&http, 1), ["https://b.example:443"]);
    }

    #[test]
    fn origins_are_this_port_on_loopback() {
        let expected = ["http://localhost:3001", "http://127.0.0.1:3001", "http://[::1]:3001"];
        assert_eq!(allowed_origins(&HttpConfig::default(), 3001), expected);
    }
}
