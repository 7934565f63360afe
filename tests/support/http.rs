//! A server on a free port of loopback.

use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::command::ended_in_time;
use super::home::{Home, WORKSPACE};
use super::http_clients::{Caller as _, Client};
use super::processes::Family;
use super::spawned::Spawned;
use super::waiting::{PATIENCE, within};
use super::wire::{Connection, Request, Response};

/// Where [`add_token`] writes, below a home directory.
pub const TOKENS: &str = "tokens.json";

/// A server, killed at the end of its test. Its home goes with it.
pub struct Server {
    process: Spawned,
    pub port: u16,
    pub home: Home,
}

impl Deref for Server {
    type Target = Spawned;

    fn deref(&self) -> &Spawned {
        &self.process
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Spawned {
        &mut self.process
    }
}

impl Server {
    /// A server with an environment of its own, which listens.
    #[track_caller]
    pub fn start(env: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::at(Home::empty(), env, arguments)
    }

    /// The same, with what is in a home directory.
    #[track_caller]
    pub fn at(home: Home, env: &[(&str, &str)], arguments: &[&str]) -> Self {
        match Self::try_at(home, env, arguments) {
            Ok(server) => server,
            Err(said) => panic!("it does not listen:\n{said}"),
        }
    }

    /// The same, or what a server said that does not listen.
    pub fn try_at(home: Home, env: &[(&str, &str)], arguments: &[&str]) -> Result<Self, String> {
        let command = serve(&home, env, arguments);
        Self::listening(home, command)
    }

    /// A server that a command starts, or what it said that does not listen.
    pub fn listening(home: Home, mut command: Command) -> Result<Self, String> {
        let process = Spawned::start(&mut command);
        let mut server = Self { process, port: 0, home };
        let listens = within(PATIENCE, || {
            server.port = port_in(&server.log()).unwrap_or(0);
            server.port != 0 || server.has_ended()
        });
        if listens && server.port != 0 { Ok(server) } else { Err(server.log()) }
    }

    /// A server for which `alice` has a token.
    #[track_caller]
    pub fn with_token(env: &[(&str, &str)]) -> (Self, String) {
        let home = Home::empty();
        let token = add_token(&home, "alice");
        let tokens = tokens_of(&home);
        let env: Vec<_> = env.iter().copied().chain([("MCP_CONDUCTOR_TOKENS", &*tokens)]).collect();
        (Self::at(home, &env, &[]), token)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Sends SIGHUP; what the server says when it has read what there is.
    #[track_caller]
    pub fn read_again(&self) -> String {
        let said = || self.logged(&["the configuration"]);
        let before = said().len();
        self.signal(Signal::SIGHUP);
        assert!(within(PATIENCE, || said().len() > before), "{}", self.log());
        said().pop().expect("a line")
    }

    /// Waits until there are so many processes and, beyond them, those of so many programs.
    #[track_caller]
    pub fn runs_beside(&self, processes: usize, programs: usize) {
        let limit = Duration::from_secs(10);
        let run = within(limit, || self.processes() >= processes + programs);
        assert!(run, "{} processes, not {processes} and {programs}", self.processes());
    }

    /// Waits until there are no more processes than these.
    #[track_caller]
    pub fn none_runs_within(&self, processes: usize, limit: Duration) {
        let gone = within(limit, || self.processes() <= processes);
        assert!(gone, "{} processes, not {processes}\n{}", self.processes(), self.log());
    }

    /// How many processes the server has.
    pub fn processes(&self) -> usize {
        Family::below(self.pid()).len()
    }

    /// How many processes the server has while so many programs run and the worker
    /// stands by that each server of these tests has (see [`serve`]). A program runs
    /// until its process is gone.
    #[track_caller]
    pub fn settled_processes(&self, running: u32) -> usize {
        self.becomes(&[("executions_active", f64::from(running)), ("workers_standby", 1.0)]);
        self.processes()
    }

    /// Waits until series of `/metrics` have these values in one scrape.
    #[track_caller]
    pub fn becomes(&self, expected: &[(&str, f64)]) {
        let mut scrape = String::new();
        let is_so = within(PATIENCE, || {
            scrape = self.get("/metrics").text();
            expected.iter().all(|(name, value)| series(&scrape, name) == Some(*value))
        });
        assert!(is_so, "{expected:?} is not in\n{scrape}");
    }

    /// Writes a file that programs [wait for](awaited).
    #[track_caller]
    pub fn release(&self, file: &str) {
        self.home.write(&format!("{WORKSPACE}/{file}"), "");
    }

    /// Makes a token of this name in the file that [`tokens_of`] names.
    #[track_caller]
    pub fn token(&self, name: &str) -> String {
        add_token(&self.home, name)
    }

    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.port)
    }

    /// Sends bytes; what comes until the server closes or is silent for 5 s.
    #[track_caller]
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut connection = self.connect();
        connection.patience(Duration::from_secs(5));
        let _ = connection.write(bytes);
        String::from_utf8_lossy(&connection.rest()).into_owned()
    }

    /// Sends a request over a connection of its own.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Response {
        self.connect().exchange(request)
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.send(&Request::new("GET", path))
    }

    /// Posts a message to `/mcp`, as it is.
    #[track_caller]
    pub fn post(&self, message: &Value) -> Response {
        self.send(&Request::post(message.to_string()))
    }

    /// A client without sessions and without a token.
    pub fn client(&self) -> Client {
        Client { port: self.port, token: None }
    }

    pub fn client_as(&self, token: &str) -> Client {
        Client { port: self.port, token: Some(token.to_owned()) }
    }

    /// Runs a program; its execution.
    #[track_caller]
    pub fn call(&self, code: &str) -> Value {
        self.client().call(code)
    }

    /// The server still does what it is for.
    #[track_caller]
    pub fn works(&self) {
        assert_eq!(self.client().value("40 + 2"), 42);
    }
}

fn serve(home: &Home, env: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut all = vec!["http"];
    if !arguments.iter().any(|argument| matches!(*argument, "-p" | "--port")) {
        all.extend(["-p", "0"]);
    }
    all.extend(arguments);
    let mut command = home.command(&all);
    command.env("MCP_CONDUCTOR_STANDBY", "1").envs(env.iter().copied());
    command
}

/// A server that must not start: its exit code and what it says, without warnings
/// that belong to the machine.
#[track_caller]
pub fn refused(home: &Home, env: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = serve(home, &[("RUST_LOG", "error")], arguments);
    command.envs(env.iter().copied());
    let ended = ended_in_time(command);
    (ended.code, ended.stderr)
}

/// Makes a token of this name.
#[track_caller]
pub fn add_token(home: &Home, name: &str) -> String {
    let tokens = tokens_of(home);
    let done = ended_in_time(home.command(&["token", "add", name, "--tokens", &tokens]));
    assert_eq!(done.code, Some(0), "{done:?}");
    done.stdout.trim().to_owned()
}

/// Takes a token back.
#[track_caller]
pub fn remove_token(home: &Home, name: &str) {
    let tokens = tokens_of(home);
    let done = ended_in_time(home.command(&["token", "remove", name, "--tokens", &tokens]));
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// For MCP_CONDUCTOR_TOKENS.
pub fn tokens_of(home: &Home) -> String {
    home.name(TOKENS)
}

/// The value of one series of a scrape, with its labels. Nothing if there is none.
pub fn series(scrape: &str, name: &str) -> Option<f64> {
    let lines = scrape.lines().filter_map(|line| line.strip_prefix("mcp_conductor_"));
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next().and_then(|value| value.parse().ok())
}

/// How often a server is started on a port that another may take before it.
const TRIES: usize = 3;

/// A server on the port of one that has ended, which `option` names.
#[track_caller]
pub fn on_the_port_of(ended: impl Fn() -> u16, env: &[(&str, &str)], option: &str) -> Server {
    let mut said = String::new();
    for _ in 0..TRIES {
        let port = ended();
        match Server::try_at(Home::empty(), env, &[option, &port.to_string()]) {
            Ok(server) => {
                assert_eq!(server.port, port);
                return server;
            }
            Err(text) => said = text,
        }
    }
    panic!("it does not listen:\n{said}");
}

/// The port in `listening on http://ADDRESS:PORT/mcp`.
fn port_in(log: &str) -> Option<u16> {
    let (_, url) = log.split_once("listening on http://")?;
    let (address, _) = url.split_once("/mcp")?;
    address.rsplit(':').next()?.parse().ok()
}
