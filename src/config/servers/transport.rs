//! How a server is reached, from what its entry says and what belongs together.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use http::header::HeaderValue;
use url::Url;

use super::super::credentials::header_name;
use super::entry::{EXAMPLE_ENTRY, Entry, Kind};
use super::names::quoted;
use super::placeholders::{Expander, is_reference_of_a_shell};

/// Headers that the protocol sets itself (MCP 2025-11-25, basic/transports; those
/// of requests since 2026-07-28).
const OF_THE_PROTOCOL: [&str; 7] = [
    "accept",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
];

/// Headers of a server: web servers often refuse a request with more (Apache's
/// LimitRequestFields is 100).
pub(super) const MAX_HEADERS: usize = 100;

/// How a server is reached, with the variables put in.
#[derive(Clone, PartialEq)]
pub(crate) enum TransportConfig {
    Stdio {
        command: String,
        args: Vec<String>,
        env: BTreeMap<String, String>,
        cwd: Option<PathBuf>,
    },
    Http {
        url: Url,
        headers: Vec<(String, String)>,
    },
}

/// No value: arguments, paths of URLs and variables can all be secrets.
impl fmt::Debug for TransportConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio { command, args, env, cwd } => f
                .debug_struct("Stdio")
                .field("command", command)
                .field("args", &args.len())
                .field("env", &env.keys().collect::<Vec<_>>())
                .field("cwd", cwd)
                .finish(),
            Self::Http { url, headers } => f
                .debug_struct("Http")
                .field("host", &url.host_str())
                .field("headers", &headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
                .finish(),
        }
    }
}

impl Entry {
    pub(super) fn transport(&self, expander: &mut Expander<'_>) -> Result<TransportConfig, String> {
        let problem = match (&self.command, &self.url) {
            (Some(_), Some(_)) => {
                "both \"command\" and \"url\" are given: keep \"command\" to start a server, or \
                 \"url\" to use a running one"
            }
            (None, None) => {
                return Err(format!(
                    "neither \"command\" nor \"url\" is given, write {EXAMPLE_ENTRY}"
                ));
            }
            (Some(_), None) if self.kind == Some(Kind::Http) => {
                "\"type\" is http, which goes with \"url\" and not with \"command\""
            }
            (Some(_), None) if !self.headers.is_empty() => {
                "\"headers\" go with \"url\"; for \"command\" there is \"env\""
            }
            (Some(command), None) => return self.stdio(command, expander),
            (None, Some(_)) if self.kind == Some(Kind::Stdio) => {
                "\"type\" is stdio, which goes with \"command\" and not with \"url\""
            }
            (None, Some(_)) if self.has_process_keys() => {
                "\"args\", \"env\" and \"cwd\" go with \"command\"; for \"url\" there are \
                 \"headers\""
            }
            (None, Some((_, url))) => return self.http(url, expander),
        };
        Err(problem.to_owned())
    }

    fn has_process_keys(&self) -> bool {
        !self.args.is_empty()
            || !self.env.is_empty()
            || self.env_file.is_some()
            || self.cwd.is_some()
    }

    fn stdio(&self, command: &str, expander: &mut Expander<'_>) -> Result<TransportConfig, String> {
        let command = expander.path("command", command)?;
        let args = self.args.iter().map(|arg| expander.text("args", arg));
        let args = args.collect::<Result<Vec<_>, _>>()?;
        let mut env = BTreeMap::new();
        for (name, text) in &self.env {
            let place = format!("env {}", quoted(name));
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(format!("{place}: not the name of a variable"));
            }
            if env.insert(name.clone(), expander.text(&place, text)?).is_some() {
                return Err(format!("{place}: given twice"));
            }
            if is_reference_of_a_shell(text) {
                expander
                    .notes
                    .push(format!("{place}: passed on unchanged; ${{NAME}} is a variable"));
            }
        }
        if let Some(path) = &self.env_file {
            // What the entry itself says counts more, and the last line of the file.
            let mut of_file: BTreeMap<_, _> = expander.env_file(path)?.into_iter().collect();
            of_file.append(&mut env);
            env = of_file;
        }
        let cwd = self.cwd.as_deref().map(|cwd| expander.path("cwd", cwd)).transpose()?;
        Ok(TransportConfig::Stdio { command, args, env, cwd: cwd.map(PathBuf::from) })
    }

    fn http(&self, url: &str, expander: &mut Expander<'_>) -> Result<TransportConfig, String> {
        let url =
            Url::parse(&expander.text("url", url)?).map_err(|error| format!("url: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("url: only http:// and https:// can be used".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("url: it must not contain user and password, write \"headers\": \
                        {\"Authorization\": \"Bearer env:TOKEN\"}"
                .to_owned());
        }
        if self.headers.len() > MAX_HEADERS {
            return Err(format!("headers: more than {MAX_HEADERS}"));
        }
        let mut headers = Vec::<(String, String)>::new();
        for (name, text) in &self.headers {
            let (name, value) = header(name, text, expander)
                .map_err(|problem| format!("headers {}: {problem}", quoted(name)))?;
            if headers.iter().any(|(other, _)| *other == name) {
                return Err(format!("headers {name:?}: given twice"));
            }
            headers.push((name, value));
        }
        Ok(TransportConfig::Http { url, headers })
    }
}

fn header(name: &str, text: &str, expander: &mut Expander<'_>) -> Result<(String, String), String> {
    let name = header_name(name)?;
    if OF_THE_PROTOCOL.contains(&name.as_str()) {
        return Err("the protocol sets it itself".to_owned());
    }
    let value = expander.expand(text)?;
    if value.trim().is_empty() {
        return Err("the value is empty".to_owned());
    }
    if HeaderValue::from_str(&value).is_err() {
        return Err(
            "the value is not a single line of ASCII; does the variable end with a line break?"
                .to_owned(),
        );
    }
    Ok((name.to_string(), value))
}
