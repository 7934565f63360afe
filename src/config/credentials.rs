//! Headers that the server adds to programs' requests for named hosts, so that
//! programs use a token without having it.

use std::fmt;
use std::net::Ipv6Addr;

use http::header::{HeaderName, HeaderValue};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use url::{Host, Url};

use crate::policy::parse_host;

/// What a value of the setting looks like.
const EXAMPLE: &str = r#"{"api.github.com": {"authorization": "Bearer env:GITHUB_TOKEN"}}"#;

/// Stands before the name of a variable of the environment.
const VARIABLE: &str = "env:";

/// Headers by host.
#[derive(Default)]
pub(crate) struct Credentials {
    /// The more particular ones last.
    entries: Vec<Entry>,
    variables: Vec<String>,
}

struct Entry {
    place: Place,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Where headers are sent to.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// None: https, and http to this machine.
    scheme: Option<Scheme>,
    host: Host<String>,
    /// None: any.
    port: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Credentials {
    /// Reads a JSON object of hosts, each with an object of headers.
    ///
    /// # Errors
    /// A sentence that names the host and never a value.
    pub(crate) fn parse(json: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let Pairs(hosts) = serde_json::from_str::<Pairs<Box<RawValue>>>(json).map_err(|error| {
            // serde_json's own text can quote a value.
            let (line, column) = (error.line(), error.column());
            format!("not a JSON object of hosts (line {line}, column {column}), write {EXAMPLE}")
        })?;
        let mut this = Self::default();
        for (key, value) in hosts {
            this.add(&key, value.get(), env).map_err(|problem| format!("{key:?}: {problem}"))?;
        }
        this.entries
            .sort_by_key(|Entry { place, .. }| (place.port.is_some(), place.scheme.is_some()));
        this.variables.sort();
        this.variables.dedup();
        Ok(this)
    }

    fn add(
        &mut self,
        key: &str,
        json: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), String> {
        let place = Place::parse(key)?;
        if self.entries.iter().any(|entry| entry.place == place) {
            return Err("this host is given twice".into());
        }
        let Pairs(pairs) = serde_json::from_str::<Pairs<String>>(json)
            .map_err(|_| format!("not an object of header names and strings, write {EXAMPLE}"))?;
        let mut headers = Vec::<(HeaderName, HeaderValue)>::new();
        for (name, text) in pairs {
            let name = header_name(&name)?;
            if headers.iter().any(|(other, _)| *other == name) {
                return Err(format!("the header {name} is given twice"));
            }
            let value = self.header_value(&text, env).map_err(|p| format!("{name}: {p}"))?;
            headers.push((name, value));
        }
        self.entries.push(Entry { place, headers });
        Ok(())
    }

    fn header_value(
        &mut self,
        text: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<HeaderValue, String> {
        let text = self.expand(text, env)?;
        if text.trim().is_empty() {
            return Err("the value is empty".into());
        }
        let problem =
            "the value is not a single line of ASCII; does the variable end with a line break?";
        let mut value = HeaderValue::from_str(&text).map_err(|_| problem)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Replaces each `env:NAME` at the beginning or after a space.
    fn expand(
        &mut self,
        text: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<String, String> {
        let (mut out, mut rest) = (String::new(), text);
        loop {
            if let Some(after) = rest.strip_prefix(VARIABLE) {
                let (name, left) = after.split_at(name_length(after));
                out.push_str(&self.variable(name, env)?);
                rest = left;
            }
            let Some(space) = rest.find(' ') else {
                out.push_str(rest);
                return Ok(out);
            };
            out.push_str(&rest[..=space]);
            rest = &rest[space + 1..];
        }
    }

    fn variable(
        &mut self,
        name: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<String, String> {
        if name.is_empty() {
            return Err("env: needs the name of a variable, such as env:GITHUB_TOKEN".into());
        }
        let value = env(name).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| format!("the variable {name} is not set, or empty"))?;
        self.variables.push(name.to_owned());
        Ok(value)
    }

    /// What to send with a request, instead of what the program sends under
    /// these names. A later one replaces an earlier one.
    pub(crate) fn headers_for(
        &self,
        url: &Url,
    ) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let matching = self.entries.iter().filter(move |entry| entry.place.matches(url));
        matching.flat_map(|entry| entry.headers.iter().map(|(name, value)| (name, value)))
    }

    /// The variables whose values are used.
    pub(crate) fn variables(&self) -> &[String] {
        &self.variables
    }
}

/// Hosts and names of headers, no value.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |entry: &Entry| -> Vec<String> {
            entry.headers.iter().map(|(name, _)| name.to_string()).collect()
        };
        f.debug_map()
            .entries(self.entries.iter().map(|entry| (entry.place.host.to_string(), names(entry))))
            .finish()
    }
}

impl Place {
    fn parse(key: &str) -> Result<Self, String> {
        let (scheme, rest) = match key.split_once("://") {
            Some(("https", rest)) => (Some(Scheme::Https), rest),
            Some(("http", rest)) => (Some(Scheme::Http), rest),
            Some(_) => return Err("only http:// and https:// have headers".into()),
            None => (None, key),
        };
        let odd = |c: char| c.is_whitespace() || c.is_control() || "/\\?#@%*".contains(c);
        if rest.is_empty() || rest.contains(odd) {
            return Err("not a host, write example.com, example.com:8443 or \
                http://localhost:8080"
                .into());
        }
        let (host, port) = split_port(rest)?;
        let host = parse_host(host).ok_or("not a host, write example.com or [fd00::1]:8443")?;
        // As in a URL, a scheme without a port means the scheme's port.
        let port = port.or(scheme.map(|scheme| match scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }));
        Ok(Self { scheme, host, port })
    }

    fn matches(&self, url: &Url) -> bool {
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return false,
        };
        let scheme_fits = match self.scheme {
            Some(wanted) => wanted == scheme,
            None => scheme == Scheme::Https || is_this_machine(&self.host),
        };
        let port_fits = self.port.is_none_or(|port| url.port_or_known_default() == Some(port));
        scheme_fits && port_fits && url.host().is_some_and(|host| host.to_owned() == self.host)
    }
}

/// Names that an HTTP client owns (RFC 9110 section 7.6.1, RFC 9113 section
/// 8.2.2): with them a request could be split, or sent to another host.
pub(crate) fn belongs_to_the_connection(name: &HeaderName) -> bool {
    const NAMES: [&str; 11] = [
        "host",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "expect",
        "http2-settings",
        "accept-encoding",
    ];
    NAMES.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
}

pub(super) fn header_name(text: &str) -> Result<HeaderName, String> {
    let name = HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| format!("{text:?} is not the name of a header"))?;
    if belongs_to_the_connection(&name) {
        return Err(format!("the header {name} belongs to the connection and cannot be set"));
    }
    Ok(name)
}

/// Bytes at the beginning that form a variable's name: `[A-Za-z_][A-Za-z0-9_]*`.
pub(super) fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let bare_v6 = text.parse::<Ipv6Addr>().is_ok();
    if bare_v6 {
        return Err(format!("write [{text}], an IPv6 address must be in brackets"));
    }
    let port_at = text.rfind(':').filter(|colon| !text[*colon..].contains(']'));
    let Some(colon) = port_at else { return Ok((text, None)) };
    let digits = &text[colon + 1..];
    let port = digits.parse::<u16>().ok().filter(|port| *port != 0 && !digits.starts_with('+'));
    let port = port.ok_or_else(|| format!("{digits:?} is not a port"))?;
    Ok((&text[..colon], Some(port)))
}

fn is_this_machine(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

/// A JSON object as it is written, repeated names and all.
pub(super) struct Pairs<V>(pub(super) Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor(std::marker::PhantomData))
    }
}

struct PairsVisitor<V>(std::marker::PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<V> {
    type Value = Pairs<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("t0k3n".into()),
            "EMPTY" => Some(String::new()),
            "BROKEN" => Some("canary\n".into()),
            _ => None,
        }
    }

    fn parse(json: &str) -> Result<Credentials, String> {
        Credentials::parse(json, &env)
    }

    fn sent(json: &str, url: &str) -> Vec<String> {
        let credentials = parse(json).unwrap();
        let url = Url::parse(url).unwrap();
        let text = |(n, v): (&HeaderName, &HeaderValue)| format!("{n}={}", v.to_str().unwrap());
        credentials.headers_for(&url).map(text).collect()
    }

    fn goes(key: &str, url: &str) -> bool {
        !sent(&format!(r#"{{"{key}": {{"x-key": "v"}}}}"#), url).is_empty()
    }

    #[test]
    fn a_variable_is_put_in_at_the_beginning_and_after_a_space_only() {
        let json =
            r#"{"a.b": {"Authorization": "Bearer env:TOKEN", "x-a": "env:TOKEN-env:TOKEN"}}"#;
        assert_eq!(
            sent(json, "https://a.b/"),
            ["authorization=Bearer t0k3n", "x-a=t0k3n-env:TOKEN"]
        );
        assert_eq!(parse(json).unwrap().variables(), ["TOKEN"]);
    }

    #[test]
    fn a_host_gets_its_headers_over_https_on_any_port_and_no_other_host_does() {
        assert!(goes("a.b", "https://a.b/x"));
        assert!(goes("A.b", "https://a.B:8443/x"));
        assert!(!goes("a.b", "https://x.a.b/"));
        assert!(!goes("a.b", "https://a.b.c/"));
        assert!(!goes("a.b", "https://a.b@c.d/"));
    }

    /// The URL has been through the policy, which writes hosts in the same way.
    #[test]
    fn a_host_is_the_same_in_every_spelling() {
        for key in ["a.b.", "A.B", "\u{ff41}.b", "https://a.b."] {
            assert!(goes(key, "https://a.b/"), "{key}");
        }
        assert!(goes("b\u{fc}cher.example.", "https://xn--bcher-kva.example/"));
        assert!(goes("0x7f.1", "http://127.0.0.1/"));
        assert!(goes("[fd00:0::1]", "https://[fd00::1]/"));
        assert!(!goes("a.b.", "https://a.b.c/"));
        assert!(parse(r#"{"a.b": {}, "a.b.": {}}"#).is_err());
    }

    #[test]
    fn plain_http_gets_them_only_on_this_machine_or_when_the_key_says_so() {
        assert!(!goes("a.b", "http://a.b/"));
        assert!(goes("http://a.b", "http://a.b/"));
        assert!(!goes("http://a.b", "https://a.b/"));
        assert!(goes("localhost", "http://localhost:8080/"));
        assert!(goes("127.0.0.1", "http://127.1/"));
        assert!(goes("[::1]", "http://[0:0::1]:3000/"));
    }

    #[test]
    fn a_port_in_the_key_must_be_the_url_s() {
        assert!(goes("a.b:443", "https://a.b/"));
        assert!(!goes("a.b:443", "https://a.b:444/"));
        assert!(goes("https://a.b", "https://a.b/"));
        assert!(!goes("https://a.b", "https://a.b:444/"));
        assert!(goes("[fd00::1]:8443", "https://[fd00::1]:8443/"));
    }

    #[test]
    fn the_more_particular_key_comes_last() {
        let json = r#"{"a.b:443": {"x-key": "port"}, "a.b": {"x-key": "host"}}"#;
        assert_eq!(sent(json, "https://a.b/"), ["x-key=host", "x-key=port"]);
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_key_and_without_the_value() {
        for json in [
            r#"{"a.b": {"x": "env:MISSING"}}"#,
            r#"{"a.b": {"x": "env:EMPTY"}}"#,
            r#"{"a.b": {"x": "env:"}}"#,
            r#"{"a.b": {"x": "env:1A"}}"#,
            r#"{"a.b": {"x": "env:BROKEN"}}"#,
            r#"{"a.b": {"x": "canary\r\ny: z"}}"#,
            r#"{"a.b": {"x": ""}}"#,
            r#"{"a.b": {"x y": "canary"}}"#,
            r#"{"a.b": {"Host": "canary"}}"#,
            r#"{"a.b": {"Proxy-Authorization": "canary"}}"#,
            r#"{"a.b": {"x": "canary", "X": "canary"}}"#,
            r#"{"a.b": "canary"}"#,
            r#"{"a.b": {"x": 1}}"#,
            r#"{"a.b": {}, "A.b": {}}"#,
        ] {
            let problem = parse(json).unwrap_err();
            assert!(problem.to_lowercase().contains("\"a.b\""), "{json}: {problem}");
            assert!(!problem.contains("canary"), "{json}: {problem}");
        }
    }

    #[test]
    fn a_key_that_is_no_host_is_refused() {
        for key in [
            "",
            "*.a.b",
            "a.b/x",
            "u@a.b",
            "ftp://a.b",
            "a.b:0",
            "a.b:x",
            "a.b:99999",
            "a.b..",
            ".",
            "a,b",
            "[fe80::1%25eth0]",
            "::1",
            "a b",
        ] {
            assert!(parse(&format!(r#"{{"{key}": {{"x": "v"}}}}"#)).is_err(), "{key}");
        }
    }

    #[test]
    fn text_that_is_no_object_is_refused_without_quoting_it() {
        for json in ["", "\"canary\"", "[\"canary\"]", "{\"a.b\": {}} canary"] {
            assert!(!parse(json).unwrap_err().contains("canary"), "{json}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", parse(r#"{"a.b": {"x-key": "env:TOKEN"}}"#).unwrap());
        assert!(shown.contains("a.b") && shown.contains("x-key") && !shown.contains("t0k3n"));
    }
}
