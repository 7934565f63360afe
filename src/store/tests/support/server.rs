//! A Redis or Valkey server of a test's own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Once};

use mcp_conductor_store::{RedisAddress, RedisSettings, Store, Tls, redis};
use tempfile::TempDir;

/// Attempts to find a port that nobody else takes meanwhile.
const ATTEMPTS: usize = 10;

pub struct Server {
    process: Option<Child>,
    pub port: u16,
    arguments: Vec<String>,
    directory: TempDir,
}

impl Server {
    /// A server, with arguments of redis-server; none where there is no program, which is said,
    /// and is a failure where CI is set.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        program()?;
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let directory = TempDir::new().unwrap();
        let mut this = Self { process: None, port: 0, arguments, directory };
        for _ in 0..ATTEMPTS {
            this.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if this.begin() {
                return Some(this);
            }
        }
        panic!("no port for a server");
    }

    /// Starts the process, and waits until it can be asked.
    fn begin(&mut self) -> bool {
        let mut command = Command::new(program().unwrap());
        let is_tls = self.arguments.iter().any(|argument| argument == "--tls-port");
        let port = if is_tls { 0 } else { self.port };
        command.args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]);
        command.arg("--port").arg(port.to_string());
        for argument in &self.arguments {
            command.arg(argument.replace("PORT", &self.port.to_string()));
        }
        command.current_dir(self.directory.path()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let is_ready = lines.any(|line| line.unwrap().contains("Ready to accept connections"));
        // What it says later has to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(process);
        if !is_ready {
            self.kill();
        }
        is_ready
    }

    /// Starts it again, at the same port.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.begin(), "the port was taken");
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// `-STOP` or `-CONT`.
    pub fn signal(&self, name: &str) {
        let process = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A store by this server; `parameters` end the address.
    pub async fn store(&self, parameters: &str) -> Arc<dyn Store> {
        store_at(&format!("{}{parameters}", self.url()), None, no_tls()).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub async fn store_at(url: &str, password: Option<&str>, tls: Tls) -> Arc<dyn Store> {
    let address = RedisAddress::parse(url).unwrap();
    let password = password.map(str::to_owned);
    redis(RedisSettings { address, password, tls }).await.unwrap()
}

pub fn no_tls() -> Tls {
    Arc::new(|| Box::pin(async { Err("this test has no TLS".to_owned()) }))
}

/// The program, as `.setup/redis` finds it.
fn program() -> Option<PathBuf> {
    static SAID: Once = Once::new();
    let found = named().or_else(on_path).or_else(unpacked);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no Redis server: run .setup/redis");
        SAID.call_once(|| eprintln!("SKIPPED: no Redis server; run .setup/redis"));
    }
    found
}

fn named() -> Option<PathBuf> {
    std::env::var_os("MCP_CONDUCTOR_TEST_REDIS").map(PathBuf::from)
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let programs = ["redis-server", "valkey-server"];
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    programs.iter().find_map(|program| {
        directories.iter().map(|directory| directory.join(program)).find(|path| path.is_file())
    })
}

fn unpacked() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let own = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let targets = own.into_iter().chain([root.join("target")]);
    targets.map(|target| target.join("redis/redis-server")).find(|path| path.is_file())
}
