//! Host and Origin of a request: what keeps web pages from calling a server on the
//! machine that shows them (DNS rebinding; MCP 2025-11-25, Transports, "Security
//! Warning"). rmcp has the check; here is what it is given, and the same for the routes
//! that are not rmcp's.

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};
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
        return http.allowed_origins.iter().map(|origin| with_port(origin)).collect();
    }
    ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{port}")).to_vec()
}

/// Without a port an origin means its scheme's (RFC 6454, section 4); to rmcp it would
/// mean any.
fn with_port(origin: &str) -> String {
    let Ok(url) = Url::parse(origin) else { return origin.to_owned() };
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
        _ => origin.to_owned(),
    }
}

/// Whether a request that rmcp does not see names this server, and a page that may call.
pub(super) fn are_allowed(http: &HttpConfig, port: u16, uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = match text(HOST) {
        Some(host) => Authority::try_from(host).ok(),
        None => uri.authority().cloned(),
    };
    let is_host = host.is_some_and(|host| is_one_of(&allowed_hosts(http), &host));
    let is_origin = |origin: &str| {
        let origin = with_port(origin);
        allowed_origins(http, port).iter().any(|allowed| allowed.eq_ignore_ascii_case(&origin))
    };
    is_host && text(ORIGIN).is_none_or(is_origin)
}

/// Empty is any; a host without a port is one with any port.
fn is_one_of(allowed: &[String], host: &Authority) -> bool {
    let bare = |host: &str| host.trim_matches(['[', ']']).to_ascii_lowercase();
    allowed.is_empty()
        || allowed.iter().any(|allowed| match Authority::try_from(allowed.as_str()) {
            Ok(allowed) => {
                bare(allowed.host()) == bare(host.host())
                    && allowed.port_u16().is_none_or(|port| host.port_u16() == Some(port))
            }
            // An IPv6 address without its brackets.
            Err(_) => bare(allowed) == bare(host.host()),
        })
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
    fn an_origin_without_a_port_means_its_schemes() {
        let origins =
            ["https://a.example", "http://b.example", "https://c.example:8443", "http://[::1]"];
        let http = HttpConfig {
            allowed_origins: origins.map(str::to_owned).to_vec(),
            ..HttpConfig::default()
        };
        let expected = [
            "https://a.example:443",
            "http://b.example:80",
            "https://c.example:8443",
            "http://[::1]:80",
        ];
        assert_eq!(allowed_origins(&http, 1), expected);
    }

    #[test]
    fn other_routes_have_the_same_check() {
        let allowed = |http: &HttpConfig, host: Option<&str>, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            for (name, value) in [(HOST, host), (ORIGIN, origin)] {
                let value = value.map(|value| value.parse().unwrap());
                headers.extend(value.map(|value| (name, value)));
            }
            are_allowed(http, 3001, &Uri::from_static("/metrics"), &headers)
        };
        let open = HttpConfig::default();
        for host in ["127.0.0.1:3001", "LOCALHOST", "[::1]:9", "localhost:1"] {
            assert!(allowed(&open, Some(host), None), "{host}");
        }
        for host in [Some("evil.example"), Some("127.0.0.1.evil.example"), Some("a b"), None] {
            assert!(!allowed(&open, host, None), "{host:?}");
        }
        let local = Some("127.0.0.1:3001");
        assert!(allowed(&open, local, Some("http://localhost:3001")));
        for origin in ["http://evil.example", "null", "http://localhost:1", "http://localhost"] {
            assert!(!allowed(&open, local, Some(origin)), "{origin}");
        }
        let named = HttpConfig {
            allowed_hosts: vec!["a.example:80".to_owned(), "::1".to_owned()],
            allowed_origins: vec!["https://b.example".to_owned()],
            ..HttpConfig::default()
        };
        assert!(allowed(&named, Some("a.example:80"), Some("https://b.example")));
        assert!(
            allowed(&named, Some("[::1]:7"), None) && !allowed(&named, Some("a.example"), None)
        );
        assert!(!allowed(&named, Some("a.example:80"), Some("https://b.example:444")));
    }

    #[test]
    fn origins_are_this_port_on_loopback() {
        let expected = ["http://localhost:3001", "http://127.0.0.1:3001", "http://[::1]:3001"];
        assert_eq!(allowed_origins(&HttpConfig::default(), 3001), expected);
    }
}
