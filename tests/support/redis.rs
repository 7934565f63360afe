//! A Redis or Valkey server of a test's own, which keeps what it acknowledged.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;

use super::directory::Directory;

/// Attempts to find a port that nobody else takes meanwhile.
const ATTEMPTS: usize = 10;

/// Each change is on the disk before it is acknowledged.
const DURABLE: [&str; 6] =
    ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"];

/// A server, killed at the end of its test.
pub struct Redis {
    process: Option<Child>,
    port: u16,
    directory: Directory,
}

impl Redis {
    /// A server; none where there is no program, which is said, and is a failure where CI is
    /// set.
    #[track_caller]
    pub fn start() -> Option<Self> {
        program()?;
        let mut this = Self { process: None, port: 0, directory: Directory::new("redis") };
        for _ in 0..ATTEMPTS {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            this.port = free.local_addr().expect("an address").port();
            drop(free);
            if this.begin() {
                return Some(this);
            }
        }
        panic!("no port for a Redis server");
    }

    /// Starts the process, and waits until it can be asked.
    fn begin(&mut self) -> bool {
        let mut command = Command::new(program().expect("a program"));
        command.args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]).args(DURABLE);
        command.arg("--port").arg(self.port.to_string());
        command.current_dir(self.directory.path("")).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let is_ready = |line: std::io::Result<String>| {
            line.is_ok_and(|line| line.contains("Ready to accept connections"))
        };
        let is_ready = lines.any(is_ready);
        // What it says later has to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(process);
        if !is_ready {
            self.kill();
        }
        is_ready
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a child");
            process.wait().expect("a child");
        }
    }

    /// Starts it again, at the same port and with what it had.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.begin(), "the port was taken");
    }

    /// For MCP_CONDUCTOR_STORE.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program, as `.setup/redis` finds it.
fn program() -> Option<PathBuf> {
    static SAID: Once = Once::new();
    let named = || std::env::var_os("MCP_CONDUCTOR_TEST_REDIS").map(PathBuf::from);
    let found = named().or_else(on_path).or_else(unpacked);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no Redis server: run .setup/redis");
        SAID.call_once(|| eprintln!("SKIPPED: no Redis server; run .setup/redis"));
    }
    found
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let at = |program: &str| {
        directories.iter().map(|directory| directory.join(program)).find(|path| path.is_file())
    };
    at("redis-server").or_else(|| at("valkey-server"))
}

fn unpacked() -> Option<PathBuf> {
    let own = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let targets = own.into_iter().chain([Path::new(env!("CARGO_MANIFEST_DIR")).join("target")]);
    targets.map(|target| target.join("redis/redis-server")).find(|path| path.is_file())
}
