//! The file that lists the MCP servers that programs may call, as Claude Desktop,
//! Cursor, VS Code and others write it, with comments and all. An entry that cannot be
//! used is disabled with the reason; the others work. No reason quotes a value, which
//! can be a secret.

mod clients;
mod env_file;
mod limits;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::HeaderValue;
use url::Url;

use super::credentials::{header_name, name_length};
use super::file::{Entry as Member, Value, read};
use super::jsonc::{self, line_of};
use crate::policy::normalize;
use crate::private_file::{check_writers, is_read_by_others};
use crate::text::clip::head;
use crate::text::near::nearest;
use clients::{ALLOWED, DENIED, Foreign, SWITCHES, asks, foreign, is_comment};
use limits::{Limits, Misplaced, Verdict};

/// What a file looks like.
const EXAMPLE: &str =
    r#"{"mcpServers": {"files": {"command": "npx", "args": ["some-mcp-server"]}}}"#;

/// What an entry looks like.
const EXAMPLE_ENTRY: &str = r#"{"command": "npx"} or {"url": "https://example.com/mcp"}"#;

/// The key of the servers, VS Code's and Zed's.
const SERVERS: [&str; 3] = ["mcpServers", "servers", "context_servers"];

/// opencode's key of the servers. Gemini CLI has settings of all servers there.
const OF_OPENCODE: &str = "mcp";

/// Keys of an entry.
const KNOWN: [&str; 14] = [
    "command",
    "args",
    "env",
    "envFile",
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

/// Keys of the file that other programs write, for their own use.
const HARMLESS: [&str; 3] = ["inputs", "allowMCPServers", "excludeMCPServers"];

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

/// The variable of VS Code and Cursor for the directory that is open.
const WORKSPACE_FOLDER: &str = "workspaceFolder";

const NO_WORKSPACE_FOLDER: &str = "${workspaceFolder} is the directory above .vscode or .cursor, \
                                   where this file does not lie; write the path";

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

/// A lower number is a timeout in seconds, as Cline, Roo Code and Zed have it: no server
/// is given less than a second, and Claude Code does not take such a number either.
const LEAST_MS: u64 = 1000;

/// Seconds that those clients let choose at most. As ms they would be very few.
const MOST_SECONDS: u64 = 3600;

/// Placeholders inside of one another.
const MAX_NESTING: usize = 16;

/// Directories of projects, beside which VS Code and Cursor have `${workspaceFolder}`.
const OF_PROJECTS: [&str; 2] = [".vscode", ".cursor"];

/// Notes of a file: four for each server.
const MAX_NOTES: usize = 4 * MAX_SERVERS;

/// Keys of the file, or of an entry, that are told of; a settings file of another program
/// can have any number.
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
    /// What to know of an entry, by its name: keys that are passed over, where one stands
    /// that cannot be used.
    pub notes: Vec<(String, String)>,
    /// The files of variables that entries name.
    pub env_files: Vec<PathBuf>,
}

impl ServersFile {
    /// Reads a file. `variable` is the environment; of files of variables only `env_files`
    /// are read, or all without it.
    ///
    /// # Errors
    /// Why the file as a whole cannot be used: a sentence with its path and the line.
    pub(crate) fn read(
        path: &Path,
        variable: &dyn Fn(&str) -> Option<String>,
        env_files: Option<&[PathBuf]>,
    ) -> Result<Self, String> {
        let problem = |problem: String| format!("{}: {problem}", path.display());
        let mut warnings = check_writers(path).map_err(problem)?;
        let (text, _) = read(path, MAX_FILE as u64).map_err(problem)?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut file = Self::parse(&text, Expander::new(variable, &path, env_files))
            .map_err(|unusable| unusable.sentence(&path))?;
        warnings.append(&mut file.warnings);
        warnings.extend(file.open_secrets(&path));
        Ok(Self { warnings, ..file })
    }

    /// Reads a file's text.
    fn parse(text: &str, mut expander: Expander<'_>) -> Result<Self, Unusable> {
        let mut file = Self {
            servers: Vec::new(),
            warnings: Vec::new(),
            variables: Vec::new(),
            secrets: Vec::new(),
            notes: Vec::new(),
            env_files: Vec::new(),
        };
        // Editors on Windows write a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (entries, limits) = file.entries(text, &mut expander)?;
        let mut names = HashSet::new();
        let twice: HashSet<_> =
            entries.iter().map(|entry| &entry.key).filter(|name| !names.insert(*name)).collect();
        for Member { key: name, at, value } in &entries {
            expander.close_env_file(value);
            let read = if !is_name(name) {
                Err(format!("a name has 1 to {MAX_SERVER_NAME} bytes and no control characters"))
            } else if twice.contains(name) {
                // Readers of JSON take one or the other, and one may restrict it.
                Err("it is named twice: keep one".to_owned())
            } else {
                server(value, limits.verdict(name), &mut expander)
            };
            if let (Err(_), Some(at)) = (&read, at) {
                expander.notes.push(format!("its entry begins in line {}", line_of(text, *at)));
            }
            file.add(name, read, &mut expander);
        }
        file.variables = expander.used;
        file.variables.sort();
        file.variables.dedup();
        file.env_files = expander.env_files;
        Ok(file)
    }

    /// A warning, if others than its owner can read the file and there are secrets in it.
    fn open_secrets(&self, path: &Path) -> Option<String> {
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

    /// The entries of the servers, and what else the file says of them.
    fn entries(
        &mut self,
        text: &str,
        expander: &mut Expander<'_>,
    ) -> Result<(Vec<Member>, Limits), Unusable> {
        let unusable = |(at, problem): Misplaced| {
            let place = at.map(|at| format!("line {}", line_of(text, at)));
            Unusable { place, problem }
        };
        let members = match jsonc::parse(text) {
            Ok(Value::Table(members)) => members,
            Ok(_) => return Err(unusable((None, format!("not an object, write {EXAMPLE}")))),
            Err(error) => {
                let place = Some(error.place());
                return Err(Unusable { place, problem: error.to_string() });
            }
        };
        let (found, is_of_opencode) = self.servers_in(&members).map_err(unusable)?;
        expander.is_of_opencode = is_of_opencode;
        let limits = Limits::of(&members, is_of_opencode).map_err(unusable)?;
        let Member { key, at, value } = found;
        let problem = match value {
            Value::Table(entries) if entries.len() <= MAX_SERVERS => {
                return Ok((entries.clone(), limits));
            }
            Value::Table(_) => format!("\"{key}\" has more than {MAX_SERVERS} servers"),
            _ => format!("\"{key}\" is not an object of servers, write {EXAMPLE}"),
        };
        Err(unusable((*at, problem)))
    }

    /// The member of the file that has the servers, and whether it is opencode's.
    fn servers_in<'a>(&mut self, members: &'a [Member]) -> Result<(&'a Member, bool), Misplaced> {
        let mut found: Option<&Member> = None;
        let mut of_opencode = None;
        for member in members {
            let key = member.key.as_str();
            if SERVERS.contains(&key) {
                if let Some(Member { key: other, .. }) = found {
                    let problem = format!("\"{key}\" is there beside \"{other}\", keep one");
                    return Err((member.at, problem));
                }
                found = Some(member);
            } else if key == OF_OPENCODE {
                of_opencode = Some(member);
            } else if !HARMLESS.contains(&key)
                && !is_comment(key)
                && self.warnings.len() < MAX_UNKNOWN_KEYS
            {
                self.warnings.push(unknown_key(key, &SERVERS));
            }
        }
        if let Some(found) = found {
            return Ok((found, false));
        }
        let Some(member) = of_opencode else {
            let hint = self.warnings.first().map(|text| format!(" ({text})")).unwrap_or_default();
            return Err((None, format!("\"mcpServers\" is missing{hint}, write {EXAMPLE}")));
        };
        // opencode 2 has them one level deeper.
        let Value::Table(inner) = &member.value else { return Ok((member, true)) };
        Ok((inner.iter().find(|inner| inner.key == "servers").unwrap_or(member), true))
    }

    fn add(
        &mut self,
        name: &str,
        read: Result<Option<ServerConfig>, String>,
        expander: &mut Expander<'_>,
    ) {
        let secrets = expander.secrets.drain(..);
        self.secrets.extend(secrets.map(|key| format!("{key} of {}", quoted(name))));
        self.warnings.append(&mut expander.warnings);
        let name: String = if is_name(name) {
            name.to_owned()
        } else {
            name.escape_debug().take(MAX_QUOTED).collect()
        };
        let notes = expander.notes.drain(..).map(|note| (name.clone(), note));
        self.notes.extend(notes.take(MAX_NOTES.saturating_sub(self.notes.len())));
        let Some(read) = read.transpose() else { return };
        self.servers.push((name, read.map_err(|reason| head(&reason, MAX_REASON).to_owned())));
    }
}

/// Why a file cannot be used.
#[derive(Debug)]
struct Unusable {
    place: Option<String>,
    problem: String,
}

impl Unusable {
    /// With the file's name before it.
    fn sentence(&self, path: &Path) -> String {
        let place = self.place.iter().map(|place| format!(", {place}"));
        format!("{}{}: {}", path.display(), place.collect::<String>(), self.problem)
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
fn server(
    value: &Value,
    verdict: Verdict,
    expander: &mut Expander<'_>,
) -> Result<Option<ServerConfig>, String> {
    if verdict == Verdict::Left {
        return Ok(None);
    }
    let Some(entry) = Entry::read(value, &mut expander.notes)? else { return Ok(None) };
    if let Verdict::Refused(reason) = verdict {
        return Err(reason);
    }
    expander.secrets = entry.secrets();
    let transport = entry.transport(expander)?;
    let Entry { timeout, allowed, denied_tools, description, .. } = entry;
    let allowed_tools = allowed.map(|(_, patterns)| patterns);
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
    env_file: Option<String>,
    cwd: Option<String>,
    /// With its key.
    url: Option<(String, String)>,
    headers: Vec<(String, String)>,
    timeout: Option<Duration>,
    /// With the key that says it.
    allowed: Option<(String, Vec<String>)>,
    denied_tools: Vec<String>,
    description: Option<String>,
}

impl Entry {
    fn read(value: &Value, notes: &mut Vec<String>) -> Result<Option<Self>, String> {
        let Value::Table(members) = value else {
            return Err(format!("not an object, write {EXAMPLE_ENTRY}"));
        };
        let turns_off = |member: &Member| {
            SWITCHES
                .iter()
                .any(|(key, off)| member.key == *key && member.value == Value::Flag(*off))
        };
        if members.iter().any(turns_off) {
            return Ok(None);
        }
        let mut entry = Self::default();
        let mut passed_over = Vec::new();
        let mut seen = HashSet::new();
        for Member { key, value, .. } in members {
            if !seen.insert(key) {
                return Err(format!("the key {} is there twice", quoted(key)));
            }
            if !entry.set(key, value, notes)? {
                pass_over(key, value, &mut passed_over, notes)?;
            }
        }
        if !passed_over.is_empty() {
            let more = if passed_over.len() > MAX_UNKNOWN_KEYS { " and more" } else { "" };
            passed_over.truncate(MAX_UNKNOWN_KEYS);
            notes.push(format!("not used here: {}{more}", passed_over.join(", ")));
        }
        entry.split_command(members)?;
        Ok(Some(entry))
    }

    /// Takes a key; false if it is none of those that are read.
    fn set(&mut self, key: &str, value: &Value, notes: &mut Vec<String>) -> Result<bool, String> {
        match key {
            "type" | "transport" | "transportType" => self.set_kind(&text(key, value)?)?,
            // opencode's is a list.
            "command" if matches!(value, Value::List(_)) => {}
            "command" => self.command = Some(text(key, value)?),
            "args" => self.args.extend(texts(key, value)?),
            "env" | "environment" => self.env.extend(pairs(key, value)?),
            "envFile" => self.env_file = Some(text(key, value)?),
            "cwd" => self.cwd = Some(text(key, value)?),
            "url" | "serverUrl" | "httpUrl" => self.set_url(key, value)?,
            "headers" => self.headers = pairs(key, value)?,
            "timeout" => self.timeout = Some(timeout(key, value, notes)?),
            "description" => self.description = Some(text(key, value)?),
            _ if ALLOWED.contains(&key) => self.allow(key, value, notes)?,
            _ if DENIED.contains(&key) => {
                self.denied_tools.extend(patterns(key, value)?);
                if key != DENIED[0] {
                    notes.push(format!("\"{key}\" is read as \"{}\"", DENIED[0]));
                }
            }
            _ if SWITCHES.iter().any(|(switch, _)| *switch == key) => {
                if !matches!(value, Value::Flag(_)) {
                    return Err(format!("\"{key}\" is not true or false"));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The list of the tools that alone may be called.
    fn allow(&mut self, key: &str, value: &Value, notes: &mut Vec<String>) -> Result<(), String> {
        let patterns = patterns(key, value)?;
        if let Some((other, _)) = &self.allowed {
            return Err(format!(
                "\"{other}\" and \"{key}\" both say which tools may be called, keep one"
            ));
        }
        if key != ALLOWED[0] {
            notes.push(format!("\"{key}\" is read as \"{}\"", ALLOWED[0]));
        }
        self.allowed = Some((key.to_owned(), patterns));
        Ok(())
    }

    /// Windsurf's key and Gemini CLI's mean the same.
    fn set_url(&mut self, key: &str, value: &Value) -> Result<(), String> {
        let url = text(key, value)?;
        if let Some((other, _)) = &self.url {
            return Err(format!("\"{other}\" and \"{key}\" both say where it is, keep one"));
        }
        self.url = Some((key.to_owned(), url));
        Ok(())
    }

    /// opencode's command is a list, with the arguments.
    fn split_command(&mut self, members: &[Member]) -> Result<(), String> {
        let value_of = |key| members.iter().find(|member| member.key == key).map(|m| &m.value);
        let Some(list @ Value::List(_)) = value_of("command") else { return Ok(()) };
        let is_local = value_of("type").is_some_and(|kind| *kind == Value::Text("local".into()));
        let mut words = list.texts().filter(|_| is_local).unwrap_or_default().into_iter();
        let command = words.next().ok_or("\"command\" is not a text")?;
        self.args.splice(0..0, words);
        self.command = Some(command);
        Ok(())
    }

    fn set_kind(&mut self, text: &str) -> Result<(), String> {
        let kind = match text {
            // Copilot's and opencode's words.
            "stdio" | "local" => Kind::Stdio,
            // Which of the two transports it is, the server shows.
            "http" | "streamable-http" | "streamableHttp" | "streamable_http" | "remote"
            | "sse" => Kind::Http,
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
            (None, Some((_, url))) => return self.http(url, expander),
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
        let url =
            self.url.iter().filter(|(_, url)| has_secret_query(url)).map(|_| "url".to_owned());
        env.chain(headers).chain(self.args.iter().find_map(argument)).chain(url).collect()
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
                return Err(format!("{place}: there twice"));
            }
            if is_reference_of_a_shell(text) {
                expander
                    .notes
                    .push(format!("{place}: passed on as it is; ${{NAME}} is a variable"));
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
    if text.len() < MIN_SECRET
        || text.contains("${")
        || text.contains("{env:")
        || text.split(' ').any(is_reference)
    {
        return false;
    }
    let name = head(name, MAX_QUOTED).to_lowercase();
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

/// A text such as `$TOKEN`, which Gemini CLI takes for a variable.
fn is_reference_of_a_shell(text: &str) -> bool {
    text.strip_prefix('$').is_some_and(|name| {
        let length = name_length(name);
        length > 0 && length == name.len()
    })
}

/// Passes over what another client has written, and says so.
fn pass_over(
    key: &str,
    value: &Value,
    passed_over: &mut Vec<String>,
    notes: &mut Vec<String>,
) -> Result<(), String> {
    match foreign(key) {
        None => {
            let hint = "; one that begins with _ is passed over";
            let is_near = near(key, &KNOWN).is_some();
            return Err(unknown_key(key, &KNOWN) + if is_near { "" } else { hint });
        }
        Some(Foreign::Refused(why)) if asks(value) => return Err(format!("\"{key}\": {why}")),
        Some(Foreign::Instead(what)) if asks(value) => notes.push(format!("\"{key}\": {what}")),
        Some(_) => passed_over.push(quoted(key)),
    }
    Ok(())
}

fn text(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        _ => Err(format!("\"{key}\" is not a text")),
    }
}

/// A value as a process or a server gets it: numbers as they are written.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        Value::Flag(flag) => Some(flag.to_string()),
        Value::List(_) | Value::Table(_) | Value::Other(_) => None,
    }
}

fn texts(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let Value::List(items) = value else { return Err(format!("\"{key}\" is not a list of texts")) };
    let texts = items.iter().map(plain).collect::<Option<_>>();
    texts.ok_or_else(|| format!("\"{key}\" is not a list of texts"))
}

/// Names and values. One that is null is not there, as for VS Code.
fn pairs(key: &str, value: &Value) -> Result<Vec<(String, String)>, String> {
    let problem = || format!("\"{key}\" is not an object of texts");
    let Value::Table(members) = value else { return Err(problem()) };
    let members = members.iter().filter(|member| member.value != Value::Other("null"));
    let pair = |member: &Member| Some((member.key.clone(), plain(&member.value)?));
    members.map(pair).collect::<Option<_>>().ok_or_else(problem)
}

fn patterns(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let patterns = value.texts().ok_or_else(|| format!("\"{key}\" is not a list of texts"))?;
    if patterns.iter().any(String::is_empty) {
        return Err(format!("\"{key}\" has an empty pattern, which no tool matches"));
    }
    Ok(patterns)
}

/// A time in ms, in seconds if it is a low number, or a text with its unit.
fn timeout(key: &str, value: &Value, notes: &mut Vec<String>) -> Result<Duration, String> {
    let millis = match value {
        Value::Number(digits) => digits.parse().ok().map(|number: u64| match number {
            1..LEAST_MS => {
                notes.push(format!("\"{key}\": {number} is taken for seconds; in ms, {number}000"));
                number * 1000
            }
            LEAST_MS..=MOST_SECONDS => {
                notes.push(format!("\"{key}\": {number} is in ms, which is not much"));
                number
            }
            _ => number,
        }),
        Value::Text(text) => with_unit(text),
        _ => None,
    };
    let millis = millis.filter(|millis| (1..=MAX_TIMEOUT_MS).contains(millis));
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| format!("\"{key}\" is not a whole number of ms from 1 to {MAX_TIMEOUT_MS}"))
}

/// The ms of a text such as `500ms`, `30s` or `5m`.
fn with_unit(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
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
    let key = head(key, MAX_QUOTED).to_lowercase();
    let known = known.iter().map(|name| (name.to_lowercase(), *name));
    nearest(&key, known, |name| (name.len() / 3).max(1))
}

fn quoted(name: &str) -> String {
    format!("{:?}", head(name, MAX_QUOTED))
}

/// Puts variables in where a text names them.
struct Expander<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    /// The file that the texts are from.
    file: &'a Path,
    /// Files of variables that may be read; without it, all.
    readable: Option<&'a [PathBuf]>,
    /// `{env:NAME}` is a variable.
    is_of_opencode: bool,
    used: Vec<String>,
    env_files: Vec<PathBuf>,
    warnings: Vec<String>,
    /// Keys of the entry at hand whose values look like secrets.
    secrets: Vec<String>,
    /// What to know of the entry at hand.
    notes: Vec<String>,
}

impl<'a> Expander<'a> {
    fn new(
        variable: &'a dyn Fn(&str) -> Option<String>,
        file: &'a Path,
        readable: Option<&'a [PathBuf]>,
    ) -> Self {
        Self {
            variable,
            file,
            readable,
            is_of_opencode: false,
            used: Vec::new(),
            env_files: Vec::new(),
            warnings: Vec::new(),
            secrets: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Keeps programs from the file of variables of an entry, whatever becomes of the entry:
    /// one that is disabled today may be used after the next start.
    fn close_env_file(&mut self, entry: &Value) {
        let Value::Table(members) = entry else { return };
        for member in members.iter().filter(|member| member.key == "envFile") {
            let Value::Text(text) = &member.value else { continue };
            let Ok(path) = self.env_file_at(text) else { continue };
            // Programs would be kept from all that is in a directory.
            if !path.is_dir() && !self.env_files.contains(&path) {
                self.env_files.push(path);
            }
        }
    }

    /// The place that an entry names, without `.` and `..`.
    fn env_file_at(&mut self, text: &str) -> Result<PathBuf, String> {
        let path = self.path("envFile", text)?;
        let directory = self.file.parent().unwrap_or(Path::new("/"));
        let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        Ok(normalize(&directory.join(path)))
    }

    /// The variables of a file that an entry names.
    fn env_file(&mut self, text: &str) -> Result<env_file::Variables, String> {
        let problem = |problem: String| format!("envFile: {problem}");
        let path = self.env_file_at(text)?;
        self.notes.push(format!("envFile: {text}"));
        if path.is_dir() {
            return Err(problem("not a regular file".to_owned()));
        }
        if let Some(link) = env_file::link_to(&path) {
            let link = link.display();
            return Err(problem(format!(
                "{link} is a link, and who replaces it would say what the file has; name the file \
                 itself"
            )));
        }
        if self.readable.is_some_and(|readable| !readable.contains(&path)) {
            return Err(problem(
                "named since this server was started, and programs are kept from it from the \
                 start on only; start this server again"
                    .to_owned(),
            ));
        }
        let (variables, writers) = env_file::variables(&path).map_err(problem)?;
        self.warnings.extend(writers);
        if variables.iter().any(|(name, text)| is_secret(name, text)) && is_read_by_others(&path) {
            let path = path.display();
            self.warnings.push(format!(
                "others can read {path}, and there is what looks like a secret in it; do chmod \
                 600 {path}"
            ));
        }
        Ok(variables)
    }

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
        self.expand_inside(text, 0)
    }

    /// As [`Self::expand`]; inside of so many placeholders only these are replaced.
    fn expand_inside(&mut self, text: &str, depth: usize) -> Result<String, String> {
        if depth > MAX_NESTING {
            return Err(format!("more than {MAX_NESTING} placeholders inside of one another"));
        }
        let (mut out, mut rest, mut at_word) = (String::new(), text, depth == 0);
        while let Some(next) = rest.chars().next() {
            if at_word && let Some(after) = rest.strip_prefix(VARIABLE) {
                let (name, left) = after.split_at(name_length(after));
                if name.is_empty() {
                    return Err("env: needs the name of a variable, such as env:TOKEN".to_owned());
                }
                out.push_str(&self.lookup(name).ok_or_else(|| not_set(name))?);
                rest = left;
            } else if let Some(after) = rest.strip_prefix("${") {
                let (inside, left) = split_placeholder(after).ok_or(NO_PLACEHOLDER)?;
                out.push_str(&self.placeholder(inside, depth)?);
                rest = left;
            } else if self.is_of_opencode
                && let Some(after) = rest.strip_prefix('{')
                && (after.starts_with(VARIABLE) || after.starts_with("file:"))
            {
                let (inside, left) = after.split_once('}').ok_or(NO_PLACEHOLDER)?;
                out.push_str(&self.placeholder(inside, depth)?);
                rest = left;
            } else {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
            at_word = depth == 0 && next == ' ';
            if out.len() > MAX_TEXT {
                return Err(format!("more than {MAX_TEXT} bytes"));
            }
        }
        Ok(out)
    }

    /// As in a shell, a default is looked at only if it is needed.
    fn placeholder(&mut self, inside: &str, depth: usize) -> Result<String, String> {
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let name = name.strip_prefix(VARIABLE).unwrap_or(name);
        if name.is_empty() || name_length(name) != name.len() {
            return Err(NO_PLACEHOLDER.to_owned());
        }
        if let Some(value) = self.lookup(name).or_else(|| self.of_an_editor(name)) {
            return Ok(value);
        }
        match default {
            Some(default) => self.expand_inside(default, depth + 1),
            None if name == WORKSPACE_FOLDER => Err(NO_WORKSPACE_FOLDER.to_owned()),
            None => Err(not_set(name)),
        }
    }

    /// What VS Code and Cursor have besides variables of the environment.
    fn of_an_editor(&mut self, name: &str) -> Option<String> {
        if name == "userHome" {
            return self.lookup("HOME");
        }
        let directory = self.file.parent().filter(|_| name == WORKSPACE_FOLDER)?;
        let is_of_a_project = OF_PROJECTS.iter().any(|name| directory.ends_with(name));
        let folder = directory.parent().filter(|_| is_of_a_project)?;
        folder.to_str().map(str::to_owned)
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

/// What is inside of a placeholder, with those inside of it, and what is behind.
fn split_placeholder(text: &str) -> Option<(&str, &str)> {
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        if text[at..].starts_with("${") {
            open += 1;
        } else if c == '}' {
            let Some(fewer) = open.checked_sub(1) else {
                return Some((&text[..at], &text[at + 1..]));
            };
            open = fewer;
        }
    }
    None
}

fn not_set(name: &str) -> String {
    format!("the variable {} is not set, or empty", head(name, MAX_QUOTED))
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
        parse_at("/etc/mcp.json", text)
    }

    fn parse_at(path: &str, text: &str) -> Result<ServersFile, String> {
        let expander = Expander::new(&variable, Path::new(path), None);
        ServersFile::parse(text, expander).map_err(|error| error.sentence(Path::new("mcp.json")))
    }

    /// The notes of an entry.
    fn notes(json: &str) -> Vec<String> {
        let file = file(&format!(r#""x": {json}"#));
        file.notes.into_iter().map(|(_, note)| note).collect()
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
        Expander::new(&variable, Path::new("/etc/mcp.json"), None).expand(text)
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
    fn a_file_can_have_comments_and_commas_at_the_end() {
        let text = "{ // mine\n \"servers\": {\n /* one */ \"a\": {\"command\": \"a\", \"args\": \
                    [\"// b\",],},\n },}";
        let file = parse(text).unwrap();
        assert_eq!(file.servers.len(), 1);
        let TransportConfig::Stdio { args, .. } = &file.servers[0].1.as_ref().unwrap().transport
        else {
            panic!("{file:?}")
        };
        assert_eq!(args, &["// b"]);
    }

    #[test]
    fn keys_of_other_clients_are_passed_over_with_a_note() {
        let json = r#"{"command": "a", "gallery": "https://api.mcp.github.com", "version": "1.0.0",
                       "dev": {"watch": "x"}, "alwaysLoad": true, "trust": false, "name": "n",
                       "metadata": {}, "_comment": "c", "$schema": "s", "//": 1, "autoApprove": ["x"],
                       "sandboxEnabled": false, "disabledPrompts": []}"#;
        assert!(entry(json).is_ok(), "{:?}", entry(json));
        let keys = [
            "gallery",
            "version",
            "dev",
            "alwaysLoad",
            "trust",
            "name",
            "metadata",
            "_comment",
            "$schema",
            "//",
            "autoApprove",
            "sandboxEnabled",
            "disabledPrompts",
        ];
        let keys = keys.map(|key| format!("{key:?}")).join(", ");
        assert_eq!(notes(json), [format!("not used here: {keys}")]);
        let json = r#"{"url": "http://a/", "oauth": {"clientId": "x"}, "headersHelper": "/bin/h"}"#;
        assert!(entry(json).is_ok());
        assert_eq!(
            notes(json),
            [
                "\"oauth\": to log in, do `mcp-conductor login` with the server's name",
                "\"headersHelper\": its headers are not sent; write them as \"headers\""
            ]
        );
    }

    #[test]
    fn keys_of_other_clients_that_restrict_are_honoured() {
        for (json, allowed, denied) in [
            (r#""includeTools": ["a"], "excludeTools": ["b"]"#, Some(vec!["a"]), vec!["b"]),
            (r#""tools": ["*"], "disabledTools": ["b"]"#, Some(vec!["*"]), vec!["b"]),
            (r#""deniedTools": ["a"], "disabled_tools": ["b"]"#, None, vec!["a", "b"]),
            (r#""enabledTools": []"#, Some(vec![]), vec![]),
        ] {
            let config = entry(&format!(r#"{{"command": "a", {json}}}"#)).unwrap();
            let texts = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(config.allowed_tools, allowed.map(texts), "{json}");
            assert_eq!(config.denied_tools, texts(denied), "{json}");
        }
        let json = r#"{"command": "a", "excludeTools": ["b"]}"#;
        assert_eq!(notes(json), ["\"excludeTools\" is read as \"deniedTools\""]);
    }

    #[test]
    fn what_restricts_and_cannot_be_honoured_disables_its_entry() {
        for (json, expected) in [
            (
                r#""sandboxEnabled": true"#,
                "\"sandboxEnabled\": servers are started without a sandbox here; remove the key if \
                 this one may be",
            ),
            (
                r#""disabledResources": ["a"]"#,
                "\"disabledResources\": only tools can be restricted here; remove the key if all \
                 prompts and resources may be read",
            ),
            (r#""tools": {"a": false}"#, "\"tools\" is not a list of texts"),
            (r#""excludeTools": "a""#, "\"excludeTools\" is not a list of texts"),
            (r#""enabled": "no""#, "\"enabled\" is not true or false"),
            (
                r#""includeTools": ["a"], "allowedTools": ["a", "b"]"#,
                "\"includeTools\" and \"allowedTools\" both say which tools may be called, keep one",
            ),
        ] {
            assert_eq!(reason(&format!(r#"{{"command": "a", {json}}}"#)), expected);
        }
    }

    #[test]
    fn each_client_s_way_to_turn_an_entry_off_is_known() {
        for json in [r#""disabled": true"#, r#""enabled": false"#, r#""isActive": false"#] {
            let file = file(&format!(r#""a": {{"command": "a", {json}}}"#));
            assert!(file.servers.is_empty() && file.notes.is_empty(), "{json}");
        }
        assert!(entry(r#"{"command": "a", "enabled": true, "isActive": true}"#).is_ok());
    }

    #[test]
    fn entries_of_windsurf_gemini_cline_and_copilot_say_where_a_server_is() {
        for json in [
            r#"{"serverUrl": "https://a.b/mcp"}"#,
            r#"{"httpUrl": "https://a.b/mcp"}"#,
            r#"{"type": "remote", "url": "https://a.b/mcp"}"#,
        ] {
            assert_eq!(http(json).0, "https://a.b/mcp", "{json}");
        }
        assert_eq!(stdio(r#"{"transportType": "stdio", "command": "a"}"#).0, "a");
        assert_eq!(stdio(r#"{"type": "local", "command": "a"}"#).0, "a");
        assert_eq!(
            reason(r#"{"url": "http://a/", "httpUrl": "http://b/"}"#),
            "\"url\" and \"httpUrl\" both say where it is, keep one"
        );
    }

    #[test]
    fn files_of_zed_and_opencode_are_read() {
        let zed =
            r#"{"theme": "x", "context_servers": {"a": {"source": "custom", "command": "a"}}}"#;
        assert!(parse(zed).unwrap().servers[0].1.is_ok());
        let entries = r#""a": {"type": "local", "command": ["npx", "-y", "p"], "enabled": true,
                         "environment": {"A": "{env:TOKEN}"}}, "b": {"type": "local", "command": ["b"]}"#;
        for text in [
            format!(r#"{{"mcp": {{{entries}}}, "tools": {{"b_*": false}}}}"#),
            format!(r#"{{"mcp": {{"servers": {{{entries}}}}}, "permission": {{"b_x": "deny"}}}}"#),
        ] {
            let servers = parse(&text).unwrap().servers;
            let Ok(ServerConfig {
                transport: TransportConfig::Stdio { command, args, env, .. },
                ..
            }) = &servers[0].1
            else {
                panic!("{servers:?}")
            };
            assert_eq!((command.as_str(), args.join(" ")), ("npx", "-y p".to_owned()));
            assert_eq!(env["A"], "canary-1");
            assert!(servers[1].1.as_ref().unwrap_err().contains("only its own client"));
        }
    }

    #[test]
    fn a_server_that_gemini_leaves_out_is_absent() {
        let text = r#"{"mcpServers": {"a": {"command": "a"}, "b": {"command": "b"}},
                       "mcp": {"excluded": ["a"]}}"#;
        let names: Vec<_> =
            parse(text).unwrap().servers.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["b"]);
    }

    #[test]
    fn numbers_and_flags_are_texts_for_a_process() {
        let json = r#"{"command": "a", "args": ["-p", 3000, true],
                       "env": {"PORT": 3000, "RATE": 1.50, "ON": true, "GONE": null, "K": "$TOKEN"}}"#;
        let (_, args, env, _) = stdio(json);
        assert_eq!(args, ["-p", "3000", "true"]);
        let expected =
            [pair("K", "$TOKEN"), pair("ON", "true"), pair("PORT", "3000"), pair("RATE", "1.50")];
        assert_eq!(env, expected);
        assert_eq!(notes(json), ["env \"K\": passed on as it is; ${NAME} is a variable"]);
    }

    #[test]
    fn a_file_of_variables_lies_beside_the_file_and_the_entry_counts_more() {
        let directory = super::super::fixture::Directory::new();
        let path = directory.0.join("mcp.json");
        let text =
            r#"{"mcpServers": {"a": {"command": "a", "envFile": "a.env", "env": {"A": "1"}}}}"#;
        std::fs::write(&path, text).unwrap();
        let env_file = directory.0.join("a.env");
        std::fs::write(&env_file, "A=2\nB=3\nB=$A").unwrap();
        let read = |known: Option<&[PathBuf]>| {
            let file = ServersFile::read(&path, &variable, known).unwrap();
            assert_eq!(file.env_files, [env_file.as_path()]);
            file.servers.into_iter().next().unwrap().1
        };
        let Ok(ServerConfig { transport: TransportConfig::Stdio { env, .. }, .. }) = read(None)
        else {
            panic!("{:?}", read(None))
        };
        assert_eq!(env.into_iter().collect::<Vec<_>>(), [pair("A", "1"), pair("B", "$A")]);
        assert!(read(Some(std::slice::from_ref(&env_file))).is_ok());
        assert!(read(Some(&[])).unwrap_err().contains("start this server again"));
        std::fs::write(&env_file, "A=2\ncanary").unwrap();
        assert_eq!(read(None).unwrap_err(), "envFile: line 2: not NAME=value");
        std::fs::remove_file(&env_file).unwrap();
        assert!(read(None).unwrap_err().starts_with("envFile: cannot be read: No such file"));
    }

    #[test]
    fn a_file_of_variables_behind_a_link_is_refused() {
        let directory = super::super::fixture::Directory::new();
        std::fs::create_dir(directory.0.join("real")).unwrap();
        std::fs::write(directory.0.join("real/a.env"), "A=1").unwrap();
        std::os::unix::fs::symlink("real", directory.0.join("linked")).unwrap();
        std::os::unix::fs::symlink("real/a.env", directory.0.join("b.env")).unwrap();
        let path = directory.0.join("mcp.json");
        for (named, is_read) in [
            ("real/a.env", true),
            ("./x/../real/a.env", true),
            ("linked/a.env", false),
            ("b.env", false),
        ] {
            let text =
                format!(r#"{{"mcpServers": {{"a": {{"command": "a", "envFile": "{named}"}}}}}}"#);
            std::fs::write(&path, text).unwrap();
            let file = ServersFile::read(&path, &variable, None).unwrap();
            let read = &file.servers[0].1;
            assert_eq!(read.is_ok(), is_read, "{named}: {read:?}");
            assert!(is_read || read.as_ref().unwrap_err().contains("name the file itself"));
        }
    }

    #[test]
    fn programs_are_kept_from_the_file_of_variables_of_an_entry_that_is_not_used() {
        for members in [
            r#""disabled": true"#,
            r#""comand": "b""#,
            r#""args": ["${NOT_SET}"]"#,
            r#""command": "twice""#,
        ] {
            let text =
                format!(r#""a": {{"command": "a", "envFile": "/nowhere/a.env", {members}}}"#);
            assert_eq!(file(&text).env_files, [Path::new("/nowhere/a.env")], "{members}");
        }
    }

    #[test]
    fn the_line_of_an_entry_that_cannot_be_used_is_noted() {
        let file = parse("{\"mcpServers\": {\n\"a\": {\"comand\": \"a\"},\n\"b\": 1}}").unwrap();
        let note = |name: &str, line| (name.to_owned(), format!("its entry begins in line {line}"));
        assert_eq!(file.notes, [note("a", 2), note("b", 3)]);
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
    fn entries_of_one_name_are_errors_for_one_may_restrict_the_other() {
        let file = file(r#""a": {"command": "one"}, "a": {"command": "two"}, "\u0061": {}"#);
        let twice = || ("a".to_owned(), Err("it is named twice: keep one".to_owned()));
        assert_eq!(file.servers, [twice(), twice(), twice()]);
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
            "the key \"sandbox\\n\" is not known, these are: command, args, env, envFile, cwd, type, \
             transport, url, headers, disabled, timeout, allowedTools, deniedTools, description; \
             one that begins with _ is passed over"
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
            (r#"{"command": "a", "env": {"PORT": [1]}}"#, "\"env\" is not an object of texts"),
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
    }

    #[test]
    fn a_timeout_of_another_unit_is_understood_and_noted() {
        let timeout = |json: &str| {
            let json = format!(r#"{{"command": "a", "timeout": {json}}}"#);
            (entry(&json).unwrap().timeout.unwrap().as_millis(), notes(&json))
        };
        let seconds = "\"timeout\": 60 is taken for seconds; in ms, 60000".to_owned();
        assert_eq!(timeout("60"), (60_000, vec![seconds]));
        let short = "\"timeout\": 1800 is in ms, which is not much".to_owned();
        assert_eq!(timeout("1800"), (1800, vec![short]));
        assert_eq!(timeout("60000"), (60_000, vec![]));
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000)] {
            assert_eq!(timeout(&format!("\"{text}\"")), (millis, vec![]));
        }
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
    fn a_default_can_have_placeholders_as_in_a_shell() {
        for (text, expected) in [
            ("${TOKEN:-${MISSING}}", "canary-1"),
            ("${MISSING:-${TOKEN}/x}:/y", "canary-1/x:/y"),
            ("${MISSING:-a${GONE:-b${env:TOKEN}}c}}", "abcanary-1c}"),
            ("${TOKEN:-${HOME}/.tools}:/x:ro", "canary-1:/x:ro"),
            ("${MISSING:-${EMPTY:-}}", ""),
            ("${MISSING:-${OTHER}}", "env:TOKEN ${TOKEN}"),
        ] {
            assert_eq!(expanded(text), Ok(expected.to_owned()), "{text}");
        }
        let not_set = Err("the variable GONE is not set, or empty".to_owned());
        assert_eq!(expanded("${MISSING:-${GONE}}"), not_set);
        let deep = format!("{}x{}", "${MISSING:-".repeat(1000), "}".repeat(1000));
        let problem = "more than 16 placeholders inside of one another";
        assert_eq!(expanded(&deep), Err(problem.to_owned()));
    }

    #[test]
    fn the_folder_and_the_home_of_an_editor_are_known() {
        let text =
            r#"{"servers": {"a": {"command": "${userHome}/a", "cwd": "${workspaceFolder}"}}}"#;
        let file = parse_at("/srv/project/.vscode/mcp.json", text).unwrap();
        let TransportConfig::Stdio { command, cwd, .. } =
            &file.servers[0].1.as_ref().unwrap().transport
        else {
            panic!("{file:?}")
        };
        assert_eq!(
            (command.as_str(), cwd.as_deref()),
            ("/home/me/a", Some(Path::new("/srv/project")))
        );
        let elsewhere = parse_at("/srv/project/mcp.json", text).unwrap();
        assert_eq!(
            elsewhere.servers[0].1,
            Err("cwd: ${workspaceFolder} is the directory above .vscode or .cursor, where this \
                 file does not lie; write the path"
                .to_owned())
        );
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
        for text in ["${input:token}", "${", "${}", "${A B}", "${1A}", "${A:-${B}", "x${TOKEN"] {
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
        let nothing = |_: &str| None;
        let expander = Expander::new(&nothing, Path::new("/etc/mcp.json"), None);
        let file = ServersFile::parse(text, expander).unwrap();
        assert_eq!(file.servers[0].1, Err("command: ~ needs HOME".to_owned()));
        assert!(file.servers[1].1.is_ok());
    }

    #[test]
    fn a_file_that_cannot_be_used_says_where_or_why() {
        let example =
            r#"write {"mcpServers": {"files": {"command": "npx", "args": ["some-mcp-server"]}}}"#;
        for (text, expected) in [
            ("", "mcp.json, line 1, column 1: not JSON: there is nothing in it".to_owned()),
            (
                "{\n  \"mcpServers\": {,}\n}",
                "mcp.json, line 2, column 18: not JSON: unexpected token in object".to_owned(),
            ),
            ("[]", format!("mcp.json: not an object, {example}")),
            ("\"canary\"", format!("mcp.json: not an object, {example}")),
            ("{}", format!("mcp.json: \"mcpServers\" is missing, {example}")),
            (
                r#"{"mcpserver": {}}"#,
                format!(
                    "mcp.json: \"mcpServers\" is missing (the key \"mcpserver\" is not known, \
                     did you mean \"mcpServers\"?), {example}"
                ),
            ),
            (
                "{\n\"mcpServers\": []}",
                format!("mcp.json, line 2: \"mcpServers\" is not an object of servers, {example}"),
            ),
            (
                "{\"servers\": {},\n \"mcpServers\": {}}",
                "mcp.json, line 2: \"mcpServers\" is there beside \"servers\", keep one".to_owned(),
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
        assert_eq!(
            entries(257).unwrap_err(),
            "mcp.json, line 1: \"mcpServers\" has more than 256 servers"
        );
        let directory = super::super::fixture::Directory::new();
        let path = directory.0.join("mcp.json");
        std::fs::write(&path, " ".repeat(MAX_FILE + 1)).unwrap();
        assert_eq!(
            ServersFile::read(&path, &variable, None).unwrap_err(),
            format!("{}: the file has more than 1048576 bytes", path.display())
        );
    }

    #[test]
    fn a_key_of_the_file_that_is_not_known_is_a_warning() {
        let file = parse(r#"{"theme": 1, "mcpServers": {}}"#).unwrap();
        assert_eq!(
            file.warnings,
            ["the key \"theme\" is not known, these are: mcpServers, servers, context_servers"]
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
