//! A home directory for one test, and what is configured in it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::command::binary;
use super::directory::{Directory, mode};

/// Where a server looks for other servers if it is told nothing else.
pub const CONFIGURATION: &str = ".mcp-conductor/mcp.json";

pub const WORKSPACE: &str = ".mcp-conductor/workspace";

pub const PLAYBOOKS: &str = ".mcp-conductor/playbooks";

pub const AUDIT_LOG: &str = "audit.jsonl";

/// Where [`Home::settings`] writes.
pub const SETTINGS: &str = "conductor.toml";

/// A home directory, removed at the end of its test.
pub struct Home(Directory);

impl Home {
    /// Nothing is configured.
    pub fn empty() -> Self {
        let home = Self(Directory::new("home"));
        fs::create_dir_all(home.path(WORKSPACE)).unwrap();
        home
    }

    /// For a server that a static keeps; see [`Directory::kept`].
    pub fn kept(name: &str) -> Self {
        let home = Self(Directory::kept(name));
        fs::create_dir_all(home.path(WORKSPACE)).unwrap();
        home
    }

    /// With these servers.
    pub fn with(servers: &Value) -> Self {
        let home = Self::empty();
        home.configure(servers);
        home
    }

    pub fn configure(&self, servers: &Value) {
        self.write(CONFIGURATION, &json!({ "mcpServers": servers }).to_string());
    }

    /// Writes a configuration of the server, with `@ROOT@` for this directory. Its path.
    pub fn settings(&self, text: &str) -> String {
        self.write(SETTINGS, &text.replace("@ROOT@", self.root()));
        self.name(SETTINGS)
    }

    /// The binary with this home and the way to programs, and with pipes for its output.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary(arguments);
        command
            .env("HOME", self.root())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Writes a file, and the directories above it, as an editor does: all at once.
    pub fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("a file in a directory")).unwrap();
        let draft = path.with_extension("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, path).unwrap();
    }

    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_default()
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.0.path(below)
    }

    /// A path in it, as a text.
    pub fn name(&self, below: &str) -> String {
        self.0.name(below)
    }

    pub fn root(&self) -> &str {
        self.0.root().to_str().expect("ASCII")
    }

    pub fn mode(&self, below: &str) -> u32 {
        mode(self.path(below))
    }

    /// Lines of the audit log that [`AUDIT_LOG`] names below this directory.
    pub fn audit(&self) -> Vec<Value> {
        let lines = self.read(AUDIT_LOG);
        lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }
}
