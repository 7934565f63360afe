//! The file that lists the MCP servers that programs may call, as Claude Desktop,
//! Cursor, VS Code and others write it, with comments and all. An entry that cannot be
//! used is disabled with the reason; the others work. No reason quotes a value, which
//! can be a secret.

mod clients;
mod entry;
#[cfg(test)]
mod entry_tests;
mod env_file;
#[cfg(test)]
mod fixture_tests;
mod limits;
mod names;
mod placeholders;
#[cfg(test)]
mod placeholders_tests;
mod secrets;
#[cfg(test)]
mod secrets_tests;
#[cfg(test)]
mod servers_tests;
mod transport;
#[cfg(test)]
mod transport_tests;
mod values;

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::MAX_FILE_BYTES;
use super::file::read;
use super::jsonc::{self, line_of};
use super::value::{Entry as Member, Value};
use crate::private_file::{check_writers, is_read_by_others};
use crate::text::clip::head;
use clients::is_comment;
use entry::Entry;
use limits::{Limits, Misplaced, Verdict};
use names::{MAX_QUOTED, MAX_UNKNOWN_KEYS, quoted, unknown_key};
use placeholders::Expander;
pub(crate) use transport::TransportConfig;

/// What a file looks like.
const EXAMPLE: &str =
    r#"{"mcpServers": {"files": {"command": "npx", "args": ["some-mcp-server"]}}}"#;

/// The key of the servers, VS Code's and Zed's.
const SERVERS: [&str; 3] = ["mcpServers", "servers", "context_servers"];

/// opencode's key of the servers. Gemini CLI has settings of all servers there.
const OF_OPENCODE: &str = "mcp";

/// Keys of the file that other programs write, for their own use.
const HARMLESS: [&str; 3] = ["inputs", "allowMCPServers", "excludeMCPServers"];

/// Servers in the file: a process has three pipes, and 1024 files are often all
/// that a server may open.
const MAX_SERVERS: usize = 256;

/// Bytes of a server's name: it is in the name of each of its tools, and clients
/// have limits for those.
pub(crate) const MAX_SERVER_NAME: usize = 128;

/// Notes of a file: four for each server.
const MAX_NOTES: usize = 4 * MAX_SERVERS;

/// Values that are warned about as secrets; the others are mended with them.
const MAX_SECRETS: usize = 16;

/// Bytes of a reason, which a model may read.
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

/// What a file says.
#[derive(Debug)]
pub(crate) struct ServersFile {
    /// A name and what its entry says, or why it cannot be used. Disabled ones are
    /// absent; a name that is given twice is here twice, the second time as an error.
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
        let (text, _) = read(path, MAX_FILE_BYTES).map_err(problem)?;
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
                Err("it is given twice: keep one".to_owned())
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
            "other users can read this file, and {}{more} looks like a secret; write env:NAME, or \
             run chmod 600 {}",
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
                    let problem = format!("\"{key}\" and \"{other}\" are both given, keep one");
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

/// The file to read if none is named: the one that the Deno version wrote, under
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
