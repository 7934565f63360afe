//! Lists of MCP servers for tests, read in an environment that is given.

use std::path::{Path, PathBuf};

use super::placeholders::Expander;
use super::{ServerConfig, ServersFile, TransportConfig};

pub(super) fn variable(name: &str) -> Option<String> {
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

pub(super) fn parse(text: &str) -> Result<ServersFile, String> {
    parse_at("/etc/mcp.json", text)
}

pub(super) fn parse_at(path: &str, text: &str) -> Result<ServersFile, String> {
    let expander = Expander::new(&variable, Path::new(path), None);
    ServersFile::parse(text, expander).map_err(|error| error.sentence(Path::new("mcp.json")))
}

/// The notes of an entry.
pub(super) fn notes(json: &str) -> Vec<String> {
    let file = file(&format!(r#""x": {json}"#));
    file.notes.into_iter().map(|(_, note)| note).collect()
}

pub(super) fn file(entries: &str) -> ServersFile {
    parse(&format!(r#"{{"mcpServers": {{{entries}}}}}"#)).unwrap()
}

pub(super) fn entry(json: &str) -> Result<ServerConfig, String> {
    file(&format!(r#""x": {json}"#)).servers.remove(0).1
}

pub(super) fn reason(json: &str) -> String {
    entry(json).unwrap_err()
}

#[allow(clippy::type_complexity)]
pub(super) fn stdio(json: &str) -> (String, Vec<String>, Vec<(String, String)>, Option<PathBuf>) {
    match entry(json).unwrap().transport {
        TransportConfig::Stdio { command, args, env, cwd } => {
            (command, args, env.into_iter().collect(), cwd)
        }
        TransportConfig::Http { .. } => panic!("{json}"),
    }
}

pub(super) fn http(json: &str) -> (String, Vec<(String, String)>) {
    match entry(json).unwrap().transport {
        TransportConfig::Http { url, headers } => (url.to_string(), headers),
        TransportConfig::Stdio { .. } => panic!("{json}"),
    }
}

pub(super) fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The text as it comes out in an argument.
pub(super) fn expanded(text: &str) -> Result<String, String> {
    Expander::new(&variable, Path::new("/etc/mcp.json"), None).expand(text)
}
