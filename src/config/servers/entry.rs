//! An entry of the file as it is written: its keys, and those of other clients.

use std::collections::HashSet;
use std::time::Duration;

use super::super::value::{Entry as Member, Value};
use super::clients::{ALLOWED, DENIED, Foreign, SWITCHES, asks, foreign};
use super::names::{MAX_UNKNOWN_KEYS, near, quoted, unknown_key};
use super::secrets::{has_secret_query, is_secret};
use super::values::{pairs, patterns, text, texts, timeout};

/// What an entry looks like.
pub(super) const EXAMPLE_ENTRY: &str =
    r#"{"command": "npx"} or {"url": "https://example.com/mcp"}"#;

/// Keys of an entry.
pub(super) const KNOWN: [&str; 14] = [
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Stdio,
    Http,
}

/// An entry as it is written.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) kind: Option<Kind>,
    pub(super) command: Option<String>,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) env_file: Option<String>,
    pub(super) cwd: Option<String>,
    /// With its key.
    pub(super) url: Option<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) timeout: Option<Duration>,
    /// With the key that says it.
    pub(super) allowed: Option<(String, Vec<String>)>,
    pub(super) denied_tools: Vec<String>,
    pub(super) description: Option<String>,
}

impl Entry {
    pub(super) fn read(value: &Value, notes: &mut Vec<String>) -> Result<Option<Self>, String> {
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
                return Err(format!("the key {} is given twice", quoted(key)));
            }
            if !entry.set(key, value, notes)? {
                pass_over(key, value, &mut passed_over, notes)?;
            }
        }
        if !passed_over.is_empty() {
            let more = if passed_over.len() > MAX_UNKNOWN_KEYS { " and more" } else { "" };
            passed_over.truncate(MAX_UNKNOWN_KEYS);
            notes.push(format!("ignored here: {}{more}", passed_over.join(", ")));
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
                "\"{other}\" and \"{key}\" both set which tools may be called, keep one"
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
            return Err(format!("\"{other}\" and \"{key}\" both set its address, keep one"));
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
        let command = words.next().ok_or("\"command\" is not a string")?;
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
            return Err("\"type\" and \"transport\" differ".to_owned());
        }
        self.kind = Some(kind);
        Ok(())
    }

    /// Keys whose values look like secrets.
    pub(super) fn secrets(&self) -> Vec<String> {
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
            let hint = "; a key that begins with _ is ignored";
            let is_near = near(key, &KNOWN).is_some();
            return Err(unknown_key(key, &KNOWN) + if is_near { "" } else { hint });
        }
        Some(Foreign::Refused(why)) if asks(value) => return Err(format!("\"{key}\": {why}")),
        Some(Foreign::Instead(what)) if asks(value) => notes.push(format!("\"{key}\": {what}")),
        Some(_) => passed_over.push(quoted(key)),
    }
    Ok(())
}
