//! The file that lists the MCP servers that programs may call, as Claude Desktop,
//! Cursor and VS Code write it. An entry that cannot be used is disabled with the
//! reason; the others work. No reason quotes a value, which can be a secret.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::HeaderValue;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use url::Url;

use super::credentials::{Pairs, header_name, name_length};
use crate::policy::edit_distance;
use crate::private_file::is_read_by_others;

/// What a file looks like.
const EXAMPLE: &str =
    r#"{"mcpServers": {"files": {"command": "npx", "args": ["some-mcp-server"]}}}"#;

/// What an entry looks like.
const EXAMPLE_ENTRY: &str = r#"{"command": "npx"} or {"url": "https://example.com/mcp"}"#;

/// The key of the servers, and VS Code's.
const SERVERS: [&str; 2] = ["mcpServers", "servers"];

/// Keys of an entry.
const KNOWN: [&str; 13] = [
    "command",
    "args",
    "env",
    "cwd",
    "type",
    "transport",
    "url",
    "headers",
    "disabled",
    "timeout",
    "allowedTools",
    "deniedTools",
    "description",
];

/// Keys that other programs write, for their own use.
const HARMLESS: [&str; 5] = ["$schema", "inputs", "autoApprove", "alwaysAllow", "icon"];

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

/// Variables that are no secrets, wherever they are used: the system's own
/// (environ(7)).
const OF_THE_SYSTEM: [&str; 10] =
    ["HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];

/// Stands before the name of a variable of the environment.
const VARIABLE: &str = "env:";

const NO_PLACEHOLDER: &str = "a placeholder is ${NAME}, ${NAME:-default} or ${env:NAME}; nobody \
                              can be asked for VS Code's ${input:NAME}";

/// Bytes of the file: 4 KiB for each server.
const MAX_FILE: usize = 1 << 20;

/// Servers in the file: a process has three pipes, and 1024 files are often all
/// that a server may open.
const MAX_SERVERS: usize = 256;

/// Bytes of a server's name: it is in the name of each of its tools, and clients
/// have limits for those.
pub(crate) const MAX_SERVER_NAME: usize = 128;

/// Bytes of a value after substitution: execve(2) takes no longer argument
/// (MAX_ARG_STRLEN, 32 pages of 4 KiB).
const MAX_TEXT: usize = 128 << 10;

/// Headers of a server: web servers often refuse a request with more (Apache's
/// LimitRequestFields is 100).
const MAX_HEADERS: usize = 100;

/// Longest timeout: a day.
const MAX_TIMEOUT_MS: u64 = 24 * 60 * 60 * 1000;

/// A shorter timeout is probably meant in seconds, as in some other programs.
const SHORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Keys of the file that are warned about; a settings file of another program can
/// have any number.
const MAX_UNKNOWN_KEYS: usize = 16;

/// Values that are warned about as secrets; the others are mended with them.
const MAX_SECRETS: usize = 16;

/// Beginnings of what services give out as keys and tokens: GitHub, GitLab, OpenAI and
/// Anthropic, Slack, Amazon, Google, npm, Stripe, Hugging Face; and of a JSON Web Token.
const BEGINNINGS_OF_KEYS: [&str; 20] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "sk-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "npm_",
    "sk_live_",
    "rk_live_",
    "hf_",
    "eyJ",
    "ya29.",
];

/// What the name of a secret has in it, and how one ends that only says where it is.
const WORDS_OF_SECRETS: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "private_key",
    "credential",
    "authorization",
    "cookie",
];
const ENDS_OF_PLACES: [&str; 7] = ["_file", "_path", "_dir", "_url", "_uri", "_name", "_id"];

/// Shorter values are words such as "true" or "none".
const MIN_SECRET: usize = 8;

/// Bytes of a name that a reason quotes, and of a reason, which a model may read.
const MAX_QUOTED: usize = 64;
const MAX_REASON: usize = 512;

/// One upstream MCP server as configured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServerConfig {
    pub transport: TransportConfig,
    /// For one request.
    pub timeout: Option<Duration>,
    /// Patterns; without them every tool, with none of them no tool.
    pub allowed_tools: Option<Vec<String>>,
    pub denied_tools: Vec<String>,
    pub description: Option<String>,
}

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

/// What a file says.
#[derive(Debug)]
pub(crate) struct ServersFile {
    /// A name and what its entry says, or why it cannot be used. Disabled ones are
    /// absent; a name that is there twice is here twice, the second time as an error.
    pub servers: Vec<(String, Result<ServerConfig, String>)>,
    pub warnings: Vec<String>,
    /// Variables whose values were put in, and may be secrets.
    pub variables: Vec<String>,
    /// Where a value stands in the file itself that looks like a secret.
    pub secrets: Vec<String>,
}

impl ServersFile {
    /// Reads a file's text. `variable` is the environment.
    ///
    /// # Errors
    /// Why the file as a whole cannot be used.
    pub(crate) fn parse(
        text: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        if text.len() > MAX_FILE {
            return Err(format!("the file has more than {MAX_FILE} bytes"));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut file = Self {
            servers: Vec::new(),
            warnings: Vec::new(),
            variables: Vec::new(),
            secrets: Vec::new(),
        };
        let entries = file.entries(text)?;
        let mut expander = Expander { variable, used: Vec::new(), secrets: Vec::new() };
        let mut names = HashSet::new();
        for (name, json) in entries {
            let read = if !is_name(&name) {
                Err(format!("a name has 1 to {MAX_SERVER_NAME} bytes and no control characters"))
            } else if !names.insert(name.clone()) {
                Err("it is named twice, and the first entry counts".to_owned())
            } else {
                server(&json, &mut expander)
            };
            file.add(&name, read);
            for key in expander.secrets.drain(..) {
                file.secrets.push(format!("{key} of {}", quoted(&name)));
            }
        }
        file.variables = expander.used;
        file.variables.sort();
        file.variables.dedup();
        Ok(file)
    }

    /// A warning, if others than its owner can read the file and there are secrets in it.
    pub(crate) fn open_secrets(&self, path: &Path) -> Option<String> {
        if self.secrets.is_empty() || !is_read_by_others(path) {
            return None;
        }
        let (named, more) = self.secrets.split_at(self.secrets.len().min(MAX_SECRETS));
        let more = if more.is_empty() { "" } else { " and more" };
        Some(format!(
            "others can read this file, and {}{more} looks like a secret; write env:NAME, or do \
             chmod 600 {}",
            named.join(", "),
            path.display()
        ))
    }

    fn entries(&mut self, text: &str) -> Result<Vec<(String, Box<RawValue>)>, String> {
        let Pairs(members) =
            serde_json::from_str::<Pairs<Box<RawValue>>>(text).map_err(|error| {
                // serde_json quotes values in what it says about data, and only there.
                if error.is_data() {
                    format!("not an object, write {EXAMPLE}")
                } else {
                    format!("not JSON: {error}")
                }
            })?;
        let mut found: Option<(String, Box<RawValue>)> = None;
        for (key, json) in members {
            if SERVERS.contains(&key.as_str()) {
                if let Some((other, _)) = &found {
                    return Err(format!("\"{key}\" is there beside \"{other}\", keep one"));
                }
                found = Some((key, json));
            } else if !HARMLESS.contains(&key.as_str()) && self.warnings.len() < MAX_UNKNOWN_KEYS {
                self.warnings.push(unknown_key(&key, &SERVERS));
            }
        }
        let Some((key, json)) = found else {
            let hint = self.warnings.first().map(|text| format!(" ({text})")).unwrap_or_default();
            return Err(format!("\"mcpServers\" is missing{hint}, write {EXAMPLE}"));
        };
        let Pairs(entries) = serde_json::from_str(json.get())
            .map_err(|_| format!("\"{key}\" is not an object of servers, write {EXAMPLE}"))?;
        if entries.len() > MAX_SERVERS {
            return Err(format!("\"{key}\" has more than {MAX_SERVERS} servers"));
        }
        Ok(entries)
    }

    fn add(&mut self, name: &str, read: Result<Option<ServerConfig>, String>) {
        let name: String = if is_name(name) {
            name.to_owned()
        } else {
            name.escape_debug().take(MAX_QUOTED).collect()
        };
        let Some(read) = read.transpose() else { return };
        let timeout = read.as_ref().ok().and_then(|config| config.timeout);
        if let Some(short) = timeout.filter(|timeout| *timeout < SHORT_TIMEOUT) {
            let millis = short.as_millis();
            self.warnings.push(format!("{name:?}: \"timeout\" is in ms, and is only {millis} ms"));
        }
        self.servers.push((name, read.map_err(|reason| clipped(&reason, MAX_REASON).to_owned())));
    }
}

/// The file to read if none is named: the one that the original wrote, under
/// either of its names.
pub(crate) fn default_file(home: &Path) -> Option<PathBuf> {
    let mut files = default_files(home).into_iter();
    // What is there and cannot be read is an error of whoever reads it.
    files.find(|file| {
        let problem = std::fs::metadata(file).err().map(|error| error.kind());
        !matches!(problem, Some(ErrorKind::NotFound | ErrorKind::NotADirectory))
    })
}

/// Where [`default_file`] looks.
pub(crate) fn default_files(home: &Path) -> [PathBuf; 2] {
    ["mcp.json", "mcp-config.json"].map(|name| home.join(".mcp-conductor").join(name))
}

fn is_name(name: &str) -> bool {
    (1..=MAX_SERVER_NAME).contains(&name.len()) && !name.contains(char::is_control)
}

/// What an entry says; nothing if it is disabled.
fn server(json: &RawValue, expander: &mut Expander<'_>) -> Result<Option<ServerConfig>, String> {
    let Some(entry) = Entry::read(json)? else { return Ok(None) };
    expander.secrets = entry.secrets();
    let transport = entry.transport(expander)?;
    let Entry { timeout, allowed_tools, denied_tools, description, .. } = entry;
    Ok(Some(ServerConfig { transport, timeout, allowed_tools, denied_tools, description }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stdio,
    Http,
}

/// An entry as it is written.
#[derive(Default)]
struct Entry {
    kind: Option<Kind>,
    command: Option<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    cwd: Option<String>,
    url: Option<String>,
    headers: Vec<(String, String)>,
    timeout: Option<Duration>,
    allowed_tools: Option<Vec<String>>,
    denied_tools: Vec<String>,
    description: Option<String>,
}

impl Entry {
    fn read(json: &RawValue) -> Result<Option<Self>, String> {
        let Pairs(members) = serde_json::from_str::<Pairs<Box<RawValue>>>(json.get())
            .map_err(|_| format!("not an object, write {EXAMPLE_ENTRY}"))?;
        if members.iter().any(|(key, json)| key == "disabled" && json.get() == "true") {
            return Ok(None);
        }
        let mut entry = Self::default();
        // At most the keys that there are: any other ends the loop.
        let mut seen = Vec::new();
        for (key, json) in &members {
            if seen.contains(&key) {
                return Err(format!("the key \"{key}\" is there twice"));
            }
            entry.set(key, json)?;
            seen.push(key);
        }
        Ok(Some(entry))
    }

    fn set(&mut self, key: &str, json: &RawValue) -> Result<(), String> {
        match key {
            "type" | "transport" => self.set_kind(&value::<String>(key, json, "a text")?)?,
            "command" => self.command = Some(value(key, json, "a text")?),
            "args" => self.args = value(key, json, "a list of texts")?,
            "env" => self.env = pairs(key, json)?,
            "cwd" => self.cwd = Some(value(key, json, "a text")?),
            "url" => self.url = Some(value(key, json, "a text")?),
            "headers" => self.headers = pairs(key, json)?,
            "disabled" => {
                value::<bool>(key, json, "true or false")?;
            }
            "timeout" => self.timeout = Some(timeout(key, json)?),
            "allowedTools" => self.allowed_tools = Some(patterns(key, json)?),
            "deniedTools" => self.denied_tools = patterns(key, json)?,
            "description" => self.description = Some(value(key, json, "a text")?),
            _ if HARMLESS.contains(&key) => {}
            _ => return Err(unknown_key(key, &KNOWN)),
        }
        Ok(())
    }

    fn set_kind(&mut self, text: &str) -> Result<(), String> {
        let kind = match text {
            "stdio" => Kind::Stdio,
            // Which of the two transports it is, the server shows.
            "http" | "streamable-http" | "streamableHttp" | "sse" => Kind::Http,
            _ => return Err("\"type\" is neither \"stdio\" nor \"http\"".to_owned()),
        };
        if self.kind.is_some_and(|other| other != kind) {
            return Err("\"type\" and \"transport\" are not the same".to_owned());
        }
        self.kind = Some(kind);
        Ok(())
    }

    fn transport(&self, expander: &mut Expander<'_>) -> Result<TransportConfig, String> {
        let problem = match (&self.command, &self.url) {
            (Some(_), Some(_)) => {
                "both \"command\" and \"url\" are there: keep \"command\" to start a server, or \
                 \"url\" to use one that runs"
            }
            (None, None) => {
                return Err(format!(
                    "neither \"command\" nor \"url\" is there, write {EXAMPLE_ENTRY}"
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
            (None, Some(url)) => return self.http(url, expander),
        };
        Err(problem.to_owned())
    }

    /// Keys whose values look like secrets.
    fn secrets(&self) -> Vec<String> {
        let of_pair = |key: &'static str| {
            move |(name, text): &(String, String)| {
                is_secret(name, text).then(|| format!("{key} {}", quoted(name)))
            }
        };
        let argument = |text: &String| {
            let (name, value) = text.split_once(['=', ':']).unwrap_or(("", text));
            (is_secret(name, value) || is_secret("", text)).then(|| "args".to_owned())
        };
        let env = self.env.iter().filter_map(of_pair("env"));
        let headers = self.headers.iter().filter_map(of_pair("headers"));
        let url = self.url.as_deref().is_some_and(has_secret_query).then(|| "url".to_owned());
        env.chain(headers).chain(self.args.iter().find_map(argument)).chain(url).collect()
    }

    fn has_process_keys(&self) -> bool {
        !self.args.is_empty() || !self.env.is_empty() || self.cwd.is_some()
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
                return Err(format!("{place}: there twice"));
            }
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
            return Err("url: no user and password in it, write \"headers\": \
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
                return Err(format!("headers {name:?}: there twice"));
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
            "the value is not ASCII in one line; does the variable end in a line break?".to_owned()
        );
    }
    Ok((name.to_string(), value))
}

/// Whether a value that the file itself has looks like a secret.
fn is_secret(name: &str, text: &str) -> bool {
    if text.len() < MIN_SECRET || text.contains("${") || text.split(' ').any(is_reference) {
        return false;
    }
    let name = clipped(name, MAX_QUOTED).to_lowercase();
    let is_named = WORDS_OF_SECRETS.iter().any(|word| name.contains(word))
        && !ENDS_OF_PLACES.iter().any(|end| name.ends_with(end));
    let is_key = |word: &str| {
        word.len() >= MIN_SECRET && BEGINNINGS_OF_KEYS.iter().any(|key| word.starts_with(key))
    };
    let has_password = Url::parse(text).is_ok_and(|url| url.password().is_some());
    is_named || has_password || text.split(' ').any(is_key)
}

fn is_reference(word: &str) -> bool {
    word.strip_prefix(VARIABLE).is_some_and(|name| name_length(name) > 0)
}

fn has_secret_query(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|pair| pair.split_once('=')).any(|(n, v)| is_secret(n, v))
}

fn value<T: DeserializeOwned>(key: &str, json: &RawValue, what: &str) -> Result<T, String> {
    // serde_json's own text can quote the value.
    serde_json::from_str(json.get()).map_err(|_| format!("\"{key}\" is not {what}"))
}

fn pairs(key: &str, json: &RawValue) -> Result<Vec<(String, String)>, String> {
    let Pairs(pairs) = value(key, json, "an object of texts")?;
    Ok(pairs)
}

fn patterns(key: &str, json: &RawValue) -> Result<Vec<String>, String> {
    let patterns: Vec<String> = value(key, json, "a list of texts")?;
    if patterns.iter().any(String::is_empty) {
        return Err(format!("\"{key}\" has an empty pattern, which no tool matches"));
    }
    Ok(patterns)
}

fn timeout(key: &str, json: &RawValue) -> Result<Duration, String> {
    let what = format!("a whole number of ms from 1 to {MAX_TIMEOUT_MS}");
    let millis: u64 = value(key, json, &what)?;
    if !(1..=MAX_TIMEOUT_MS).contains(&millis) {
        return Err(format!("\"{key}\" is not {what}"));
    }
    Ok(Duration::from_millis(millis))
}

fn unknown_key(key: &str, known: &[&str]) -> String {
    let problem = format!("the key {} is not known", quoted(key));
    match near(key, known) {
        Some(near) => format!("{problem}, did you mean \"{near}\"?"),
        None => format!("{problem}, these are: {}", known.join(", ")),
    }
}

/// The nearest name, if one in three of its letters is wrong at most.
fn near<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let key = clipped(key, MAX_QUOTED).to_lowercase();
    let distances = known.iter().map(|name| (edit_distance(&key, &name.to_lowercase()), *name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.len() / 3).max(1)).then_some(name)
}

fn quoted(name: &str) -> String {
    format!("{:?}", clipped(name, MAX_QUOTED))
}

fn clipped(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// Puts variables in where a text names them.
struct Expander<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    used: Vec<String>,
    /// Keys of the entry at hand whose values look like secrets.
    secrets: Vec<String>,
}

impl Expander<'_> {
    fn text(&mut self, place: &str, text: &str) -> Result<String, String> {
        let text = self.expand(text).map_err(|problem| format!("{place}: {problem}"))?;
        if text.contains('\0') {
            return Err(format!("{place}: there is a NUL character in it"));
        }
        Ok(text)
    }

    fn path(&mut self, place: &str, text: &str) -> Result<String, String> {
        let text = self.text(place, text)?;
        if text.is_empty() {
            return Err(format!("{place}: the text is empty"));
        }
        let rest = text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let Some(rest) = rest else { return Ok(text) };
        let home = self.lookup("HOME").ok_or_else(|| format!("{place}: ~ needs HOME"))?;
        Ok(home + rest)
    }

    /// Replaces `env:NAME` at the beginning or after a space, and `${…}` anywhere.
    /// What was put in is not looked at again.
    fn expand(&mut self, text: &str) -> Result<String, String> {
        let (mut out, mut rest, mut at_word) = (String::new(), text, true);
        while let Some(next) = rest.chars().next() {
            if at_word && let Some(after) = rest.strip_prefix(VARIABLE) {
                let (name, left) = after.split_at(name_length(after));
                if name.is_empty() {
                    return Err("env: needs the name of a variable, such as env:TOKEN".to_owned());
                }
                out.push_str(&self.lookup(name).ok_or_else(|| not_set(name))?);
                rest = left;
            } else if let Some(after) = rest.strip_prefix("${") {
                let (inside, left) = after.split_once('}').ok_or(NO_PLACEHOLDER)?;
                out.push_str(&self.placeholder(inside)?);
                rest = left;
            } else {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
            at_word = next == ' ';
            if out.len() > MAX_TEXT {
                return Err(format!("more than {MAX_TEXT} bytes"));
            }
        }
        Ok(out)
    }

    fn placeholder(&mut self, inside: &str) -> Result<String, String> {
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let name = name.strip_prefix(VARIABLE).unwrap_or(name);
        let is_name = !name.is_empty() && name_length(name) == name.len();
        if !is_name || default.is_some_and(|default| default.contains("${")) {
            return Err(NO_PLACEHOLDER.to_owned());
        }
        let value = self.lookup(name).or_else(|| default.map(str::to_owned));
        value.ok_or_else(|| not_set(name))
    }

    /// An empty variable is as good as none, as for `${NAME:-default}` in a shell.
    fn lookup(&mut self, name: &str) -> Option<String> {
        let value = (self.variable)(name).filter(|value| !value.is_empty())?;
        if !OF_THE_SYSTEM.contains(&name) {
            self.used.push(name.to_owned());
        }
        Some(value)
    }
}

fn not_set(name: &str) -> String {
    format!("the variable {} is not set, or empty", clipped(name, MAX_QUOTED))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variable(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("canary-1".into()),
            "OTHER" => Some("env:TOKEN ${TOKEN}".into()),
            "HOME" => Some("/home/me".into()),
            "EMPTY" => Some(String::new()),
            "BROKEN" => Some("canary-2\n".into()),
            "LONG" => Some("x".repeat(100 << 10)),
            _ => None,
        }
    }

    fn parse(text: &str) -> Result<ServersFile, String> {
        ServersFile::parse(text, &variable)
    }

    fn file(entries: &str) -> ServersFile {
        parse(&format!(r#"{{"mcpServers": {{{entries}}}}}"#)).unwrap()
    }

    fn entry(json: &str) -> Result<ServerConfig, String> {
        file(&format!(r#""x": {json}"#)).servers.remove(0).1
    }

    fn reason(json: &str) -> String {
        entry(json).unwrap_err()
    }

    #[test]
    fn values_that_look_like_secrets_are_found_with_their_keys() {
        for (json, expected) in [
            (r#"{"command": "x", "env": {"API_TOKEN": "canary-123"}}"#, "env \"API_TOKEN\""),
            (r#"{"command": "x", "env": {"DB": "postgres://u:canary@h/d"}}"#, "env \"DB\""),
            (r#"{"command": "x", "args": ["-y", "p", "ghp_canary0123"]}"#, "args"),
            (r#"{"command": "x", "args": ["--token=canary0123"]}"#, "args"),
            (r#"{"command": "x", "args": ["Authorization: Bearer canary"]}"#, "args"),
            (
                r#"{"url": "https://a.b/", "headers": {"Authorization": "Bearer canary"}}"#,
                "headers \"Authorization\"",
            ),
            (r#"{"url": "https://a.b/?x=1&api_key=canary012"}"#, "url"),
        ] {
            let secrets = file(&format!(r#""x": {json}"#)).secrets;
            assert_eq!(secrets, [format!("{expected} of \"x\"")], "{json}");
        }
        for json in [
            r#"{"command": "x", "env": {"API_TOKEN": "env:TOKEN", "A_KEY": "${TOKEN}"}}"#,
            r#"{"command": "x", "env": {"MAX_TOKENS": "4096", "TOKEN_FILE": "/run/secrets/a"}}"#,
            r#"{"command": "npx", "args": ["-y", "@scope/some-mcp-server", "/home/me/projects"]}"#,
            r#"{"url": "https://a.b/mcp", "headers": {"Authorization": "Bearer env:TOKEN"}}"#,
            r#"{"url": "https://a.b/mcp", "headers": {"x-region": "eu-central-1"}}"#,
            r#"{"command": "x", "env": {"API_TOKEN": "canary-123"}, "disabled": true}"#,
        ] {
            assert_eq!(file(&format!(r#""x": {json}"#)).secrets, [""; 0], "{json}");
        }
    }

    #[allow(clippy::type_complexity)]
    fn stdio(json: &str) -> (String, Vec<String>, Vec<(String, String)>, Option<PathBuf>) {
        match entry(json).unwrap().transport {
            TransportConfig::Stdio { command, args, env, cwd } => {
                (command, args, env.into_iter().collect(), cwd)
            }
            TransportConfig::Http { .. } => panic!("{json}"),
        }
    }

    fn http(json: &str) -> (String, Vec<(String, String)>) {
        match entry(json).unwrap().transport {
            TransportConfig::Http { url, headers } => (url.to_string(), headers),
            TransportConfig::Stdio { .. } => panic!("{json}"),
        }
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    /// The text as it comes out in an argument.
    fn expanded(text: &str) -> Result<String, String> {
        Expander { variable: &variable, used: Vec::new(), secrets: Vec::new() }.expand(text)
    }

    #[test]
    fn a_command_has_arguments_variables_and_a_directory() {
        let json = r#"{"type": "stdio", "command": "~/bin/up", "args": ["-t", "${TOKEN}"],
                       "env": {"B": "env:TOKEN", "A": ""}, "cwd": "~"}"#;
        let expected = (
            "/home/me/bin/up".to_owned(),
            vec!["-t".to_owned(), "canary-1".to_owned()],
            vec![pair("A", ""), pair("B", "canary-1")],
            Some(PathBuf::from("/home/me")),
        );
        assert_eq!(stdio(json), expected);
    }

    #[test]
    fn a_url_has_headers() {
        let headers = r#""headers": {"Authorization": "Bearer env:TOKEN", "X-A": "b"}"#;
        for kind in ["http", "streamable-http", "streamableHttp"] {
            let json = format!(r#"{{"type": "{kind}", "url": "https://a.b/mcp", {headers}}}"#);
            let expected = vec![pair("authorization", "Bearer canary-1"), pair("x-a", "b")];
            assert_eq!(http(&json), ("https://a.b/mcp".to_owned(), expected));
        }
        assert_eq!(
            http(r#"{"url": "http://localhost:1/${TOKEN}"}"#).0,
            "http://localhost:1/canary-1"
        );
        assert_eq!(http(r#"{"transport": "http", "url": "http://a/"}"#).0, "http://a/");
    }

    #[test]
    fn an_entry_has_rules_a_timeout_and_a_description() {
        let config = entry(
            r#"{"command": "a", "timeout": 5000, "allowedTools": ["get_*"], "deniedTools": ["x"],
                "description": "d", "disabled": false}"#,
        );
        let expected = ServerConfig {
            transport: TransportConfig::Stdio {
                command: "a".into(),
                args: vec![],
                env: BTreeMap::new(),
                cwd: None,
            },
            timeout: Some(Duration::from_secs(5)),
            allowed_tools: Some(vec!["get_*".into()]),
            denied_tools: vec!["x".into()],
            description: Some("d".into()),
        };
        assert_eq!(config, Ok(expected));
    }

    #[test]
    fn no_list_and_an_empty_list_are_not_the_same() {
        assert_eq!(entry(r#"{"command": "a"}"#).unwrap().allowed_tools, None);
        let json = r#"{"command": "a", "allowedTools": []}"#;
        assert_eq!(entry(json).unwrap().allowed_tools, Some(vec![]));
    }

    #[test]
    fn files_of_other_programs_can_be_used() {
        let text = "\u{feff}{\"$schema\": \"s\", \"inputs\": [], \"servers\": {\"a\": {\"command\": \
                    \"a\", \"autoApprove\": [], \"alwaysAllow\": [], \"icon\": null}}}";
        let file = parse(text).unwrap();
        assert_eq!(file.servers.len(), 1);
        assert!(file.servers[0].1.is_ok() && file.warnings.is_empty());
    }

    #[test]
    fn a_disabled_server_is_absent_whatever_else_it_says() {
        let file = file(r#""a": {"disabled": true, "nonsense": 1}, "b": {"command": "b"}"#);
        let names: Vec<_> = file.servers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b"]);
    }

    #[test]
    fn servers_stay_in_order_and_one_bad_entry_disables_itself_only() {
        let file = file(r#""z": {"command": "z"}, "b": {}, "a": {"command": "a"}"#);
        let names: Vec<_> =
            file.servers.iter().map(|(name, read)| (name.as_str(), read.is_ok())).collect();
        assert_eq!(names, [("z", true), ("b", false), ("a", true)]);
    }

    #[test]
    fn a_name_may_be_any_text_without_control_characters() {
        for name in ["my server", "a/b", "a__b", "🚀", "a.b-c", &"n".repeat(128)] {
            let file = file(&format!(r#""{name}": {{"command": "a"}}"#));
            assert!(file.servers[0].0 == name && file.servers[0].1.is_ok(), "{name}");
        }
        for (name, shown) in [("", ""), ("a\\nb", "a\\nb"), (&*"n".repeat(129), &*"n".repeat(64))] {
            let file = file(&format!(r#""{name}": {{"command": "a"}}"#));
            let reason = "a name has 1 to 128 bytes and no control characters".to_owned();
            assert_eq!(file.servers, [(shown.to_owned(), Err(reason))]);
        }
    }

    #[test]
    fn the_second_of_two_with_one_name_is_an_error() {
        let file = file(r#""a": {"command": "one"}, "a": {"command": "two"}, "\u0061": {}"#);
        let twice = Err("it is named twice, and the first entry counts".to_owned());
        assert!(file.servers[0].1.is_ok());
        assert_eq!(file.servers[1..], [("a".to_owned(), twice.clone()), ("a".to_owned(), twice)]);
    }

    #[test]
    fn a_key_that_is_not_known_is_named_with_the_nearest_one() {
        for (key, near) in [
            ("comand", "command"),
            ("allowed_tools", "allowedTools"),
            ("denyTools", "deniedTools"),
            ("Headers", "headers"),
        ] {
            assert_eq!(
                reason(&format!(r#"{{"{key}": 1}}"#)),
                format!("the key \"{key}\" is not known, did you mean \"{near}\"?")
            );
        }
        assert_eq!(
            reason(r#"{"command": "a", "sandbox\n": true}"#),
            "the key \"sandbox\\n\" is not known, these are: command, args, env, cwd, type, \
             transport, url, headers, disabled, timeout, allowedTools, deniedTools, description"
        );
    }

    #[test]
    fn an_entry_is_either_a_command_or_a_url_with_what_goes_with_it() {
        for (json, expected) in [
            (
                r#"{"command": "a", "url": "http://a/"}"#,
                "both \"command\" and \"url\" are there: keep \"command\" to start a server, or \
                 \"url\" to use one that runs",
            ),
            (
                r#"{"args": ["a"]}"#,
                "neither \"command\" nor \"url\" is there, write {\"command\": \"npx\"} or \
                 {\"url\": \"https://example.com/mcp\"}",
            ),
            (
                r#"{"type": "http", "command": "a"}"#,
                "\"type\" is http, which goes with \"url\" and not with \"command\"",
            ),
            (
                r#"{"type": "stdio", "url": "http://a/"}"#,
                "\"type\" is stdio, which goes with \"command\" and not with \"url\"",
            ),
            (
                r#"{"command": "a", "headers": {"a": "b"}}"#,
                "\"headers\" go with \"url\"; for \"command\" there is \"env\"",
            ),
            (
                r#"{"url": "http://a/", "env": {"A": "b"}}"#,
                "\"args\", \"env\" and \"cwd\" go with \"command\"; for \"url\" there are \
                 \"headers\"",
            ),
            (
                r#"{"type": "http", "transport": "stdio"}"#,
                "\"type\" and \"transport\" are not the same",
            ),
            (r#"{"type": "websocket"}"#, "\"type\" is neither \"stdio\" nor \"http\""),
            (r#"{"command": "a", "command": "b"}"#, "the key \"command\" is there twice"),
        ] {
            assert_eq!(reason(json), expected, "{json}");
        }
    }

    #[test]
    fn the_older_transport_is_reached_by_its_url_as_the_newer_is() {
        let older = r#"{"type": "sse", "url": "http://a/sse"}"#;
        assert_eq!(http(older), http(r#"{"url": "http://a/sse"}"#));
        assert_eq!(
            reason(r#"{"type": "sse", "command": "a"}"#),
            "\"type\" is http, which goes with \"url\" and not with \"command\""
        );
    }

    #[test]
    fn a_value_of_another_type_is_named_by_its_key() {
        for (json, expected) in [
            (
                "[]",
                "not an object, write {\"command\": \"npx\"} or {\"url\": \
                    \"https://example.com/mcp\"}",
            ),
            (r#"{"command": ["a"]}"#, "\"command\" is not a text"),
            (r#"{"command": "a", "cwd": null}"#, "\"cwd\" is not a text"),
            (r#"{"command": "a", "args": "b"}"#, "\"args\" is not a list of texts"),
            (r#"{"command": "a", "env": {"PORT": 1}}"#, "\"env\" is not an object of texts"),
            (r#"{"url": "http://a/", "headers": []}"#, "\"headers\" is not an object of texts"),
            (r#"{"command": "a", "disabled": "yes"}"#, "\"disabled\" is not true or false"),
            (
                r#"{"command": "a", "allowedTools": null}"#,
                "\"allowedTools\" is not a list of texts",
            ),
            (
                r#"{"command": "a", "deniedTools": [""]}"#,
                "\"deniedTools\" has an empty pattern, which no tool matches",
            ),
            (r#"{"command": ""}"#, "command: the text is empty"),
            (r#"{"command": "a", "args": ["\u0000"]}"#, "args: there is a NUL character in it"),
            (r#"{"command": "a", "env": {"A=B": ""}}"#, "env \"A=B\": not the name of a variable"),
            (r#"{"command": "a", "env": {"A": "", "A": ""}}"#, "env \"A\": there twice"),
        ] {
            assert_eq!(reason(json), expected, "{json}");
        }
    }

    #[test]
    fn a_timeout_is_a_whole_number_of_milliseconds_up_to_a_day() {
        for text in ["0", "86400001", "1.5", "-1", "\"soon\"", "1e400"] {
            assert_eq!(
                reason(&format!(r#"{{"command": "a", "timeout": {text}}}"#)),
                "\"timeout\" is not a whole number of ms from 1 to 86400000",
                "{text}"
            );
        }
        let config = entry(r#"{"command": "a", "timeout": 86400000}"#).unwrap();
        assert_eq!(config.timeout, Some(Duration::from_secs(24 * 60 * 60)));
        assert_eq!(
            file(r#""a": {"command": "a", "timeout": 60}"#).warnings,
            ["\"a\": \"timeout\" is in ms, and is only 60 ms"]
        );
    }

    #[test]
    fn a_url_is_http_and_has_no_password() {
        for (url, expected) in [
            ("ftp://canary/", "url: only http:// and https:// can be used"),
            ("canary", "url: relative URL without a base"),
            (
                "https://user:canary@a.b/",
                "url: no user and password in it, write \"headers\": {\"Authorization\": \
                 \"Bearer env:TOKEN\"}",
            ),
        ] {
            assert_eq!(reason(&format!(r#"{{"url": "{url}"}}"#)), expected);
        }
        assert!(reason(r#"{"url": "https://canary@a.b/"}"#).contains("no user"));
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused_without_the_value() {
        for (headers, expected) in [
            (r#""a b": "canary""#, "headers \"a b\": \"a b\" is not the name of a header"),
            (
                r#""Host": "canary""#,
                "headers \"Host\": the header host belongs to the connection and cannot be set",
            ),
            (
                r#""Mcp-Session-Id": "canary""#,
                "headers \"Mcp-Session-Id\": the protocol sets it itself",
            ),
            (r#""a": " ""#, "headers \"a\": the value is empty"),
            (
                r#""a": "env:BROKEN""#,
                "headers \"a\": the value is not ASCII in one line; does the variable end in a \
                 line break?",
            ),
            (r#""a": "canary", "A": "b""#, "headers \"a\": there twice"),
        ] {
            let json = format!(r#"{{"url": "http://a/", "headers": {{{headers}}}}}"#);
            assert_eq!(reason(&json), expected);
        }
        let many: Vec<_> = (0..=MAX_HEADERS).map(|n| format!(r#""h{n}": "v""#)).collect();
        let json = format!(r#"{{"url": "http://a/", "headers": {{{}}}}}"#, many.join(","));
        assert_eq!(reason(&json), "headers: more than 100");
    }

    #[test]
    fn variables_are_put_in_in_each_form() {
        for (text, expected) in [
            ("env:TOKEN", "canary-1"),
            ("Bearer env:TOKEN", "Bearer canary-1"),
            ("env:TOKEN-x env:TOKEN", "canary-1-x canary-1"),
            ("xenv:TOKEN", "xenv:TOKEN"),
            ("a${TOKEN}b${env:TOKEN}", "acanary-1bcanary-1"),
            ("${MISSING:-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("${TOKEN:-d}", "canary-1"),
            ("${MISSING:-}", ""),
            ("${env:MISSING:-env:TOKEN}", "env:TOKEN"),
            ("$TOKEN $ { } é", "$TOKEN $ { } é"),
        ] {
            assert_eq!(expanded(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_was_put_in_is_not_looked_at_again() {
        assert_eq!(expanded("env:OTHER"), Ok("env:TOKEN ${TOKEN}".to_owned()));
        assert_eq!(expanded("${OTHER}"), Ok("env:TOKEN ${TOKEN}".to_owned()));
    }

    #[test]
    fn a_variable_that_is_not_set_is_named_with_its_place() {
        for (json, place) in [
            (r#"{"command": "${MISSING}"}"#, "command"),
            (r#"{"command": "a", "args": ["--token=${MISSING}"]}"#, "args"),
            (r#"{"command": "a", "env": {"A": "env:MISSING"}}"#, "env \"A\""),
            (r#"{"command": "a", "cwd": "${env:MISSING}/x"}"#, "cwd"),
            (r#"{"url": "${MISSING}"}"#, "url"),
            (r#"{"url": "http://a/", "headers": {"B": "x env:MISSING"}}"#, "headers \"B\""),
        ] {
            let expected = format!("{place}: the variable MISSING is not set, or empty");
            assert_eq!(reason(json), expected);
        }
        assert_eq!(
            expanded("env:EMPTY"),
            Err("the variable EMPTY is not set, or empty".to_owned())
        );
    }

    #[test]
    fn what_looks_like_a_placeholder_and_is_none_is_an_error() {
        for text in ["${input:token}", "${", "${}", "${A B}", "${1A}", "${A:-${B}}", "x${TOKEN"] {
            assert_eq!(expanded(text), Err(NO_PLACEHOLDER.to_owned()), "{text}");
        }
        assert_eq!(
            expanded("env:"),
            Err("env: needs the name of a variable, such as env:TOKEN".to_owned())
        );
    }

    #[test]
    fn substitution_does_not_grow_without_end() {
        assert_eq!(expanded("${LONG}${LONG}"), Err("more than 131072 bytes".to_owned()));
    }

    #[test]
    fn the_variables_that_were_used_are_known_except_the_system_s() {
        let file = file(
            r#""a": {"command": "~/a", "args": ["${OTHER}"], "env": {"A": "env:TOKEN"}},
               "b": {"command": "${HOME}", "env": {"A": "env:TOKEN", "B": "${EMPTY:-x}"}}"#,
        );
        assert_eq!(file.variables, ["OTHER", "TOKEN"]);
    }

    #[test]
    fn a_home_directory_that_is_not_known_is_an_error() {
        let text = r#"{"mcpServers": {"a": {"command": "~/a"}, "b": {"command": "~b/c"}}}"#;
        let file = ServersFile::parse(text, &|_| None).unwrap();
        assert_eq!(file.servers[0].1, Err("command: ~ needs HOME".to_owned()));
        assert!(file.servers[1].1.is_ok());
    }

    #[test]
    fn a_file_that_cannot_be_used_says_where_or_why() {
        let example =
            r#"write {"mcpServers": {"files": {"command": "npx", "args": ["some-mcp-server"]}}}"#;
        for (text, expected) in [
            ("", "not JSON: EOF while parsing a value at line 1 column 0".to_owned()),
            (
                "{\n  \"mcpServers\": {,}\n}",
                "not JSON: key must be a string at line 2 column 18".to_owned(),
            ),
            ("[]", format!("not an object, {example}")),
            ("\"canary\"", format!("not an object, {example}")),
            ("{}", format!("\"mcpServers\" is missing, {example}")),
            (
                r#"{"mcpserver": {}}"#,
                format!(
                    "\"mcpServers\" is missing (the key \"mcpserver\" is not known, did you mean \
                     \"mcpServers\"?), {example}"
                ),
            ),
            (
                r#"{"mcpServers": []}"#,
                format!("\"mcpServers\" is not an object of servers, {example}"),
            ),
            (
                r#"{"servers": {}, "mcpServers": {}}"#,
                "\"mcpServers\" is there beside \"servers\", keep one".to_owned(),
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn a_file_has_limits() {
        let entries = |count| {
            let entries: Vec<_> = (0..count).map(|n| format!(r#""s{n}": {{}}"#)).collect();
            parse(&format!(r#"{{"mcpServers": {{{}}}}}"#, entries.join(",")))
        };
        assert_eq!(entries(256).unwrap().servers.len(), 256);
        assert_eq!(entries(257).unwrap_err(), "\"mcpServers\" has more than 256 servers");
        let long = " ".repeat(MAX_FILE + 1);
        assert_eq!(parse(&long).unwrap_err(), "the file has more than 1048576 bytes");
    }

    #[test]
    fn a_key_of_the_file_that_is_not_known_is_a_warning() {
        let file = parse(r#"{"theme": 1, "mcpServers": {}}"#).unwrap();
        assert_eq!(
            file.warnings,
            ["the key \"theme\" is not known, these are: mcpServers, servers"]
        );
    }

    #[test]
    fn debug_shows_no_value() {
        let file = file(
            r#""a": {"command": "a", "args": ["${TOKEN}"], "env": {"A": "env:TOKEN"}},
               "b": {"url": "https://a.b/${TOKEN}", "headers": {"C": "env:TOKEN"}}"#,
        );
        let shown = format!("{:?}", file.servers);
        assert_eq!(
            shown,
            "[(\"a\", Ok(ServerConfig { transport: Stdio { command: \"a\", args: 1, env: [\"A\"], \
             cwd: None }, timeout: None, allowed_tools: None, denied_tools: [], description: None \
             })), (\"b\", Ok(ServerConfig { transport: Http { host: Some(\"a.b\"), headers: \
             [\"c\"] }, timeout: None, allowed_tools: None, denied_tools: [], description: None \
             }))]"
        );
    }

    #[test]
    fn the_first_file_that_is_there_is_the_default() {
        let home = std::env::temp_dir().join(format!("conductor-servers-{}", std::process::id()));
        let directory = home.join(".mcp-conductor");
        std::fs::create_dir_all(&directory).unwrap();
        assert_eq!(default_file(&home), None);
        std::fs::write(directory.join("mcp-config.json"), "").unwrap();
        assert_eq!(default_file(&home), Some(directory.join("mcp-config.json")));
        std::fs::write(directory.join("mcp.json"), "").unwrap();
        assert_eq!(default_file(&home), Some(directory.join("mcp.json")));
        assert_eq!(default_file(Path::new("/dev/null")), None);
        std::fs::remove_dir_all(&home).unwrap();
    }

    proptest! {
        #[test]
        fn any_text_is_expanded_or_an_error(text in "(?s)(env:|\\$\\{|TOKEN|:-|\\}| |.){0,12}") {
            if let Ok(out) = expanded(&text) {
                prop_assert!(out.len() <= MAX_TEXT);
            }
        }

        #[test]
        fn any_text_is_a_file_or_an_error_and_no_reason_shows_a_value(
            key in "command|args|env|url|headers|type|timeout|cwd",
            json in "\"?[\\[\\]{}a:/]{0,3}\"?canary[\\[\\]{}a:\"/]{0,6}",
        ) {
            let text = format!(r#"{{"mcpServers": {{"x": {{"{key}": {json}}}}}}}"#);
            match parse(&text) {
                Err(problem) => prop_assert!(!problem.contains("canary")),
                Ok(file) => for (_, read) in file.servers {
                    prop_assert!(!read.err().unwrap_or_default().contains("canary"));
                },
            }
        }
    }
}
