//! A home with an allow-list and a registry.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::command::{Ended, ended, ended_in_time};
use crate::support::home::Home;
use crate::support::registry::Registry;

/// What makes the program that fetches and bundles.
const ADVICE: &str = "mcp-conductor-installer is not beside mcp-conductor: run `make installer`";

/// A store of one test.
pub struct Store {
    pub home: Home,
    pub registry: Registry,
    pub allowed: String,
}

impl Store {
    /// An empty store, where these packages are allowed.
    pub fn allowing(allowed: &[&str]) -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_mcp-conductor"));
        assert!(program.with_file_name("mcp-conductor-installer").is_file(), "{ADVICE}");
        let (home, registry) = (Home::empty(), Registry::start_blocking());
        Self { home, registry, allowed: allowed.join(",") }
    }

    /// Allows other packages.
    pub fn allow(&mut self, allowed: &[&str]) {
        self.allowed = allowed.join(",");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(arguments);
        command.env("MCP_CONDUCTOR_ALLOWED_PACKAGES", &self.allowed);
        command.envs(self.registry.environment());
        command
    }

    /// Installs what is allowed. An installation has bounds of its own, of minutes.
    pub fn install(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(&[&["install"], arguments].concat()))
    }

    /// Installs, with success. The summary.
    #[track_caller]
    pub fn installed(&self, arguments: &[&str]) -> Value {
        let ended = self.install(&[&["--json"], arguments].concat());
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        serde_json::from_str(&ended.stdout).expect("a summary")
    }

    /// The result of a program, which has nothing but what is installed.
    #[track_caller]
    pub fn run(&self, source: &str) -> Value {
        self.home.write("program.ts", source);
        let program = self.home.name("program.ts");
        let ended = ended_in_time(self.command(&["run", &program, "--json"]));
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr))
    }

    /// The value of a program that succeeds.
    #[track_caller]
    pub fn value(&self, source: &str) -> Value {
        let result = self.run(source);
        assert_eq!(result["status"], "success", "{result}");
        result["returnValue"].clone()
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.home.path(".mcp-conductor/installed/packages").join(below)
    }

    /// The names of what is below `generations`.
    pub fn generations(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("generations")).expect("there are some");
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.expect("an entry").file_name().into_string().expect("ASCII")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    /// What `current` names.
    pub fn current(&self) -> PathBuf {
        std::fs::read_link(self.path("current")).expect("something is installed")
    }
}
