//! The conformance suite of the protocol's authors, `@modelcontextprotocol/conformance`,
//! over HTTP: against this server, which has other tools than the suite asks for, and
//! against a server that has them, behind the same transport.
//!
//! `make conformance` installs the suite below target/, with a Node that is new enough
//! for it. Without it these tests say so and pass. MCP_CONDUCTOR_CONFORMANCE names
//! another directory of npm, which must have it.
//!
//! The files of expected failures say why each is expected. The suite fails, too, if one
//! of them passes.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::Duration;

use crate::support::home::Home;
use crate::support::http::Server;
use crate::support::http_clients::{LEGACY, MODERN};
use crate::support::waiting::PATIENCE;

/// Of one scenario, in milliseconds. Most take less than 100.
const SCENARIO_MS: &str = "20000";

/// Of the whole suite, which has some forty scenarios.
const SUITE: Duration = Duration::from_secs(180);

/// The first that has what the suite imports.
const NODE_MAJOR: u32 = 22;

/// How much of what the suite says is shown if it fails.
const SHOWN: usize = 8000;

/// Node, and the suite's program.
struct Suite {
    node: PathBuf,
    program: PathBuf,
}

impl Suite {
    /// None if it has not been installed.
    fn find() -> Option<Self> {
        let named = std::env::var_os("MCP_CONDUCTOR_CONFORMANCE").map(PathBuf::from);
        let is_named = named.is_some();
        let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/conformance");
        let modules = named.unwrap_or(usual).join("node_modules");
        let program = modules.join("@modelcontextprotocol/conformance/dist/index.js");
        let own = modules.join("node/bin/node");
        let node = if own.is_file() { own } else { "node".into() };
        let problem = match (program.is_file(), major(&node)) {
            (false, _) => format!("{} is missing", program.display()),
            (_, None) => format!("{} does not run", node.display()),
            (_, Some(major)) if major < NODE_MAJOR => format!("Node {major} is too old"),
            _ => return Some(Self { node, program }),
        };
        assert!(!is_named, "MCP_CONDUCTOR_CONFORMANCE: {problem}");
        let _ = writeln!(io::stderr(), "conformance: skipped, {problem}: make conformance");
        None
    }

    /// Runs all scenarios of a version against a server.
    #[track_caller]
    fn run(&self, url: &str, version: &str, expected: &str) {
        let home = Home::empty();
        let expected =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/http").join(expected);
        let mut command = Command::new(&self.node);
        command
            .arg(&self.program)
            .args(["server", "--url", url, "--suite", "all", "--spec-version", version])
            .args(["--timeout", SCENARIO_MS, "--expected-failures"])
            .arg(&expected)
            .env_clear()
            .env("HOME", home.root())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(home.root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().expect("node starts");
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        let (sender, receiver) = channel();
        spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(SUITE) else {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            panic!("the suite does not end");
        };
        let output = output.expect("its output");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let start = said.floor_char_boundary(said.len().saturating_sub(SHOWN));
        assert!(output.status.success(), "{version}, {}:\n{}", expected.display(), &said[start..]);
    }
}

/// The major version of a Node.
fn major(node: &Path) -> Option<u32> {
    let output = Command::new(node).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// The server with the suite's tools, killed at the end of its test.
struct Fixture {
    child: Child,
    url: String,
    _home: Home,
}

impl Fixture {
    fn start() -> Self {
        let home = Home::empty();
        let built = Path::new(env!("CARGO_BIN_EXE_mcp-conductor"));
        let command = built.with_file_name("examples").join("conformance_fixture");
        let how = "cargo build --release --example conformance_fixture";
        assert!(command.is_file(), "{} is missing: {how}", command.display());
        let mut child = Command::new(command)
            .env_clear()
            .env("HOME", home.root())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the fixture starts");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (sender, urls) = channel();
        spawn(move || {
            // Read to the end, so that it can go on writing.
            for line in stderr.lines().map_while(Result::ok) {
                if let Some((_, url)) = line.split_once("listening on ") {
                    let _ = sender.send(url.trim().to_owned());
                }
            }
        });
        let url = urls.recv_timeout(PATIENCE);
        let mut fixture = Self { child, url: String::new(), _home: home };
        fixture.url = url.expect("it listens");
        fixture
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What fails because this server has other tools, resources and prompts.
const OTHER_TOOLS: &str = "conformance-baseline.yml";

/// What fails although everything is there.
const NOTHING: &str = "conformance-fixture-baseline.yml";

#[test]
fn this_server_conforms_with_sessions() {
    let Some(suite) = Suite::find() else { return };
    let server = Server::start(&[], &[]);
    suite.run(&server.url(), LEGACY, OTHER_TOOLS);
}

#[test]
fn this_server_conforms_without_sessions() {
    let Some(suite) = Suite::find() else { return };
    let server = Server::start(&[], &[]);
    suite.run(&server.url(), MODERN, OTHER_TOOLS);
}

#[test]
fn the_transport_conforms_with_sessions() {
    let Some(suite) = Suite::find() else { return };
    let server = Fixture::start();
    suite.run(&server.url, LEGACY, NOTHING);
}

#[test]
fn the_transport_conforms_without_sessions() {
    let Some(suite) = Suite::find() else { return };
    let server = Fixture::start();
    suite.run(&server.url, MODERN, NOTHING);
}
