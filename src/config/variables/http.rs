//! Settings of the server on HTTP.

use url::{Host, Url};

use super::super::entry::{Applies, Scope, Standard, Variable, entries};
use super::super::form::{Form, Integer, Unit, at};

/// Bytes of a text such as an issuer; a URL that is longer works in no browser.
const MAX_TEXT: usize = 2048;

/// Bytes of a body: a worker takes a program and its globals in one frame of 64 MiB.
const MAX_BODY: u64 = 64 << 20;

/// Connections that can be asked for: Linux opens no more files in a process
/// (fs.nr_open is 1048576).
const MAX_CONNECTIONS: u64 = 1 << 20;

/// Calls a minute: a nanosecond, the finest that a token bucket counts in, is far
/// below what lies between two of these (10 µs).
const MAX_RATE: u64 = 6_000_000;

entries! {
    BIND = "MCP_CONDUCTOR_BIND" or "--bind" {
        meaning: "The address to listen on; beyond loopback only with authentication",
        example: "127.0.0.1",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Text("127.0.0.1"),
        form: Form::Address(at!(http.bind)),
    }
    PORT = "MCP_CONDUCTOR_PORT" or "--port" {
        meaning: "The port to listen on; 0 for a free one",
        example: "3001",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Number(3001),
        form: Form::Number {
            min: 0,
            max: 65_535,
            unit: Unit::One,
            at: Integer::U16(at!(http.port)),
        },
    }
    ALLOWED_HOSTS = "MCP_CONDUCTOR_ALLOWED_HOSTS" {
        meaning: "Host names that requests may name, with or without a port, separated by commas. \
                  Empty: loopback's, the address of `bind` and the public URL's, \
                  or any where authentication is required",
        example: "conductor.example,conductor.example:3001",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Unset,
        form: Form::List {
            separator: |c| c == ',',
            check: host,
            at: at!(http.allowed_hosts),
        },
    }
    ALLOWED_ORIGINS = "MCP_CONDUCTOR_ALLOWED_ORIGINS" {
        meaning: "Origins of web pages that may call, separated by commas; without a port, \
                  the scheme's. Empty: this port on loopback",
        example: "https://app.example.com",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Unset,
        form: Form::List {
            separator: |c| c == ',',
            check: origin,
            at: at!(http.allowed_origins),
        },
    }
    PUBLIC_URL = "MCP_CONDUCTOR_PUBLIC_URL" {
        meaning: "The URL of `/mcp` as clients see it; needed with OAuth",
        example: "https://conductor.example/mcp",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Unset,
        form: Form::Text { check: web_address, at: at!(http.public_url) },
    }
    MAX_BODY_SIZE = "MCP_CONDUCTOR_MAX_BODY_SIZE" {
        meaning: "Bytes of a request's body",
        example: "16777216",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Number(16 << 20),
        form: Form::Number {
            min: 1 << 10,
            max: MAX_BODY,
            unit: Unit::Bytes,
            at: Integer::Usize(at!(http.max_body_size)),
        },
    }
    MAX_CLIENTS = "MCP_CONDUCTOR_MAX_CLIENTS" {
        meaning: "Concurrent connections; of one principal's requests half of them may be \
                  open",
        example: "4096",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Number(4096),
        form: Form::Number {
            min: 1,
            max: MAX_CONNECTIONS,
            unit: Unit::One,
            at: Integer::Usize(at!(http.max_clients)),
        },
    }
    MAX_SESSIONS = "MCP_CONDUCTOR_MAX_SESSIONS" {
        meaning: "Concurrent sessions of one principal",
        example: "1000",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(1000),
        form: Form::Number {
            min: 1,
            max: MAX_CONNECTIONS,
            unit: Unit::One,
            at: Integer::Usize(at!(http.max_sessions)),
        },
    }
    IDEMPOTENCY_TTL = "MCP_CONDUCTOR_IDEMPOTENCY_TTL" {
        meaning: "How long in ms the answer of a call with an `Idempotency-Key` is kept, so that a \
                  repetition gets it",
        example: "3600000",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(600_000),
        form: Form::Millis(at!(http.idempotency_ttl)),
    }
    DRAIN_TIMEOUT = "MCP_CONDUCTOR_DRAIN_TIMEOUT" {
        meaning: "How long runs may continue after SIGTERM, in ms",
        example: "8000",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Number(8000),
        form: Form::Millis(at!(http.drain_timeout)),
    }
    TOKENS = "MCP_CONDUCTOR_TOKENS" {
        meaning: "The file of hashed bearer tokens that `mcp-conductor token` keeps",
        example: "/etc/mcp-conductor/tokens.json",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Unset,
        form: Form::Path(at!(http.tokens)),
    }
    OAUTH_ISSUER = "MCP_CONDUCTOR_OAUTH_ISSUER" {
        meaning: "Issuer of JSON Web Tokens: the `iss` that they must have",
        example: "https://login.example.com",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Unset,
        form: Form::Text { check: web_address, at: at!(http.oauth_issuer) },
    }
    OAUTH_AUDIENCE = "MCP_CONDUCTOR_OAUTH_AUDIENCE" {
        meaning: "The `aud` that JSON Web Tokens must have. Unset: the public URL",
        example: "https://conductor.example/mcp",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Means("the public URL"),
        form: Form::Text { check: plain, at: at!(http.oauth_audience) },
    }
    OAUTH_JWKS = "MCP_CONDUCTOR_OAUTH_JWKS" {
        meaning: "The issuer's keys: an https URL, an http URL on loopback, or an absolute path",
        example: "https://login.example.com/.well-known/jwks.json",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Unset,
        form: Form::Text { check: keys, at: at!(http.oauth_jwks) },
    }
    OAUTH_SCOPES = "MCP_CONDUCTOR_OAUTH_SCOPES" {
        meaning: "Scopes that JSON Web Tokens must have, separated by commas or spaces",
        example: "mcp:run",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Unset,
        form: Form::List {
            separator: |c| c == ',' || c.is_whitespace(),
            check: scope,
            at: at!(http.oauth_scopes),
        },
    }
    RATE_LIMIT = "MCP_CONDUCTOR_RATE_LIMIT" {
        meaning: "Calls per minute of one principal; 0 for no limit",
        example: "600",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(0),
        form: Form::Number {
            min: 0,
            max: MAX_RATE,
            unit: Unit::One,
            at: Integer::U32(at!(http.rate_limit)),
        },
    }
    RATE_BURST = "MCP_CONDUCTOR_RATE_BURST" {
        meaning: "Calls of one principal before the rate applies (burst); 0 for ten seconds' \
                  worth, at least \
                  one",
        example: "100",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(0),
        form: Form::Number {
            min: 0,
            max: MAX_RATE,
            unit: Unit::One,
            at: Integer::U32(at!(http.rate_burst)),
        },
    }
    PRINCIPAL_CONCURRENT = "MCP_CONDUCTOR_PRINCIPAL_CONCURRENT" {
        meaning: "Concurrent runs of one principal; 0 for half of all, or all where nobody \
                  authenticates",
        example: "16",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(0),
        form: Form::Number {
            min: 0,
            max: 10_000,
            unit: Unit::One,
            at: Integer::Usize(at!(http.principal_concurrent)),
        },
    }
    PRINCIPAL_QUEUE = "MCP_CONDUCTOR_PRINCIPAL_QUEUE" {
        meaning: "Queued runs of one principal; 0 for half of all, or all where nobody \
                  authenticates",
        example: "128",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(0),
        form: Form::Number {
            min: 0,
            max: 100_000,
            unit: Unit::One,
            at: Integer::Usize(at!(http.principal_queue)),
        },
    }
    METRICS = "MCP_CONDUCTOR_METRICS" {
        meaning: "1 serves `/metrics`, 0 does not",
        example: "0",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Flag(true),
        form: Form::Flag(at!(http.metrics)),
    }
    NO_AUTH = "MCP_CONDUCTOR_UNSAFE_NO_AUTH" {
        meaning: "1 listens beyond loopback without authentication: anyone who reaches the port \
                  can run programs",
        example: "1",
        scope: Scope::Server,
        applies: Applies::AtReload,
        default: Standard::Flag(false),
        form: Form::Flag(at!(http.unsafe_no_auth)),
    }
}

fn plain(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_TEXT || text.contains(char::is_control) {
        return Err(format!("not a string of 1 to {MAX_TEXT} bytes without control characters"));
    }
    Ok(text.to_owned())
}

/// A URL that identifies something: neither query nor fragment (RFC 8414, section 2;
/// RFC 9728, section 1.2 advises against a query). It stays as it is written, because
/// tokens are compared with it.
pub(super) fn web_address(text: &str) -> Result<String, String> {
    let url = Url::parse(&plain(text)?).map_err(|_| "not a URL".to_owned())?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err("not an http or https URL".into());
    }
    without_password(&url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a URL without ? and # is needed".into());
    }
    Ok(text.to_owned())
}

fn keys(text: &str) -> Result<String, String> {
    let text = plain(text)?;
    if text.starts_with('/') {
        return Ok(text);
    }
    let problem = "not an https URL, an http URL on loopback or an absolute path";
    let url = Url::parse(&text).map_err(|_| problem.to_owned())?;
    without_password(&url)?;
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && local) {
        Ok(text)
    } else {
        Err(problem.into())
    }
}

/// Neither is ever needed here, and what is not there is not printed.
fn without_password(url: &Url) -> Result<(), String> {
    if url.username().is_empty() && url.password().is_none() {
        Ok(())
    } else {
        Err("a URL without user and password is needed".into())
    }
}

fn host(text: &str) -> Result<(), String> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "/\\?#@*%,".contains(c);
    let has_host = Url::parse(&format!("http://{text}/")).is_ok_and(|url| url.has_host());
    if text.contains(odd) || !has_host {
        return Err(format!("{text:?} is not a host name, with or without a port"));
    }
    Ok(())
}

/// As browsers send it: scheme, host and port (RFC 6454, section 6.2).
fn origin(text: &str) -> Result<(), String> {
    let is_origin = Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    if !is_origin || text.ends_with('/') || text.contains(|c: char| c.is_whitespace() || c == ',') {
        return Err(format!("{text:?} is not an origin, such as https://app.example.com"));
    }
    Ok(())
}

/// RFC 6749, section 3.3.
fn scope(text: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\' && b != b',';
    if text.is_empty() || !text.bytes().all(allowed) {
        return Err(format!("{text:?} is not a scope"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::Config;
    use super::super::named;
    use super::names::{
        ALLOWED_HOSTS, ALLOWED_ORIGINS, BIND, OAUTH_AUDIENCE, OAUTH_ISSUER, OAUTH_JWKS,
        OAUTH_SCOPES, PUBLIC_URL,
    };
    use super::*;

    fn set(name: &str, text: &str) -> Result<Config, String> {
        named(name).unwrap().set_text(Config::default(), text)
    }

    fn refused(name: &str, text: &str) -> String {
        set(name, text).unwrap_err()
    }

    #[test]
    fn lists_are_split_at_commas_and_scopes_also_at_blanks() {
        let hosts = set(ALLOWED_HOSTS, "a.example, b.example:80 ,,[::1]:3001").unwrap();
        assert_eq!(hosts.http.allowed_hosts, ["a.example", "b.example:80", "[::1]:3001"]);
        let scopes = set(OAUTH_SCOPES, "mcp:run  mcp:read,x").unwrap();
        assert_eq!(scopes.http.oauth_scopes, ["mcp:run", "mcp:read", "x"]);
        let empty = set(ALLOWED_HOSTS, "").unwrap();
        assert_eq!(empty.http.allowed_hosts, [""; 0]);
    }

    #[test]
    fn what_is_no_host_no_origin_and_no_scope_is_refused() {
        for text in ["*", "http://a.example", "a b", "u@a.example", "a.example/x"] {
            assert_eq!(
                refused(ALLOWED_HOSTS, text),
                format!("{text:?} is not a host name, with or without a port")
            );
        }
        for text in ["a.example", "null", "https://a.example/", "https://a.example/x", "ftp://a"] {
            assert_eq!(
                refused(ALLOWED_ORIGINS, text),
                format!("{text:?} is not an origin, such as https://app.example.com")
            );
        }
        assert_eq!(refused(OAUTH_SCOPES, "a\"b"), "\"a\\\"b\" is not a scope");
    }

    #[test]
    fn an_address_is_an_ip_address() {
        assert_eq!(refused(BIND, "localhost"), "\"localhost\" is not an IP address");
        assert_eq!(set(BIND, "::").unwrap().http.bind.to_string(), "::");
    }

    #[test]
    fn a_url_that_names_something_has_no_password_no_query_and_stays_as_it_is() {
        for name in [PUBLIC_URL, OAUTH_ISSUER] {
            let password = refused(name, "https://user:canary@a.example/");
            assert_eq!(password, "a URL without user and password is needed");
            assert_eq!(refused(name, "https://a.example/?x"), "a URL without ? and # is needed");
            assert_eq!(refused(name, "ftp://a.example/"), "not an http or https URL");
            assert_eq!(refused(name, "canary"), "not a URL");
        }
        let config = set(OAUTH_ISSUER, "https://A.example").unwrap();
        assert_eq!(config.http.oauth_issuer.as_deref(), Some("https://A.example"));
    }

    #[test]
    fn keys_come_over_https_from_this_machine_or_from_a_file() {
        for text in
            ["https://a.example/jwks", "http://127.0.0.1:8/jwks", "http://[::1]/", "/etc/jwks.json"]
        {
            assert!(set(OAUTH_JWKS, text).is_ok(), "{text}");
        }
        for text in ["http://a.example/jwks", "jwks.json", "file:///etc/jwks.json", ""] {
            assert!(set(OAUTH_JWKS, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_too_long_or_has_control_characters_is_refused() {
        for text in ["", "a\nb", &"a".repeat(MAX_TEXT + 1)] {
            assert_eq!(
                refused(OAUTH_AUDIENCE, text),
                "not a string of 1 to 2048 bytes without control characters"
            );
        }
    }
}
