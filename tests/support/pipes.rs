//! A server over pipes, and a JSON-RPC client that takes nothing for granted: it sends
//! what it is told to, and reads only lines that are JSON-RPC messages.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{sleep, spawn};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::command::binary;
use super::home::Home;
use super::results::{caught, entry, execution, refusal, text};
use super::snippets::{RUN, catching};
use super::spawned::Spawned;
use super::waiting::{PATIENCE, until, within};

/// A server, killed at the end of its test.
pub struct Server {
    process: Spawned,
    /// To the thread that writes to the server's stdin. None: closed.
    input: Option<Sender<Vec<u8>>>,
    /// From the thread that reads the server's stdout.
    lines: Receiver<String>,
    /// Answers that nobody has asked for yet.
    answers: VecDeque<Value>,
    notifications: Vec<Value>,
    last_id: u64,
    /// What every request of the stateless protocol carries.
    meta: Map<String, Value>,
    /// What the server said of itself in the handshake of [`Server::start`].
    pub information: Value,
    /// Its home directory, if it has one of its own.
    home: Option<Home>,
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

/// How it starts.
impl Server {
    /// A server with these servers configured, after the handshake.
    pub fn with(servers: &Value) -> Self {
        Self::at(Home::with(servers), &[])
    }

    /// A server without a configuration.
    pub fn plain() -> Self {
        Self::at(Home::empty(), &[])
    }

    pub fn at(home: Home, env: &[(&str, &str)]) -> Self {
        Self::start(home, &["stdio"], env)
    }

    /// With one worker that stands by, after the handshake of the older protocol.
    pub fn start(home: Home, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = home.command(arguments);
        command.env("MCP_CONDUCTOR_STANDBY", "1").envs(env.iter().copied());
        let mut server = Self::of(&mut command);
        server.home = Some(home);
        server.information = server.initialize("2025-11-25");
        server
    }

    /// With an environment of its own, at the home that all tests share, after the
    /// handshake of the older protocol.
    pub fn ready(env: &[(&str, &str)]) -> Self {
        let mut server = Self::silent(env);
        server.initialize("2025-11-25");
        server
    }

    /// The same before it has said anything.
    pub fn silent(env: &[(&str, &str)]) -> Self {
        Self::of(binary(&["stdio"]).envs(env.iter().copied()).stderr(Stdio::piped()))
    }

    /// What a command starts, before it has said anything.
    pub fn of(command: &mut Command) -> Self {
        let mut process = Spawned::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        Self {
            input: Some(writer(process.child())),
            lines: reader(process.child()),
            process,
            answers: VecDeque::new(),
            notifications: Vec::new(),
            last_id: 0,
            meta: Map::new(),
            information: Value::Null,
            home: None,
        }
    }

    /// The older protocol's handshake; what the server says of itself.
    pub fn initialize(&mut self, version: &str) -> Value {
        let client = json!({ "name": "tests", "version": "1" });
        let id = self.request(
            "initialize",
            json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client }),
        );
        let result = self.result(id);
        self.notify("notifications/initialized", json!({}));
        result
    }

    /// The stateless protocol from now on; what the server says of itself.
    pub fn modern(&mut self) -> Value {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        self.meta = meta.as_object().cloned().expect("an object");
        let id = self.request("server/discover", json!({}));
        self.result(id)
    }

    /// The home directory of a server that was started in one of its own.
    pub fn home(&self) -> &Home {
        self.home.as_ref().expect("a home of its own")
    }
}

/// Messages as they are.
impl Server {
    pub fn send_line(&mut self, line: &[u8]) {
        let input = self.input.as_ref().expect("stdin is open");
        let _ = input.send([line, b"\n"].concat());
    }

    fn send(&mut self, message: &Value) {
        self.send_line(message.to_string().as_bytes());
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Sends a request and does not wait for its answer.
    pub fn request(&mut self, method: &str, mut params: Value) -> u64 {
        if !self.meta.is_empty() {
            let own = params["_meta"].as_object().cloned().unwrap_or_default();
            params["_meta"] = self.meta.clone().into_iter().chain(own).collect();
        }
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// Sends a request and waits for its result.
    #[track_caller]
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        self.result(id)
    }

    /// The answer to a request.
    #[track_caller]
    pub fn answer(&mut self, id: u64) -> Value {
        self.answer_where(|answer| answer["id"] == id)
            .unwrap_or_else(|| panic!("the server ended before answer {id}:\n{}", self.log()))
    }

    /// The result of a request that was understood.
    #[track_caller]
    pub fn result(&mut self, id: u64) -> Value {
        let mut answer = self.answer(id);
        assert_eq!(answer.get("error"), None, "{answer:#}");
        answer["result"].take()
    }

    /// The next error that belongs to no request.
    #[track_caller]
    pub fn error_without_request(&mut self) -> Value {
        let mut answer = self.answer_where(|answer| answer["id"].is_null()).expect("an answer");
        answer["error"].take()
    }

    /// The first answer that fits; None at the end of the server's output.
    #[track_caller]
    pub fn answer_where(&mut self, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        loop {
            if let Some(index) = self.answers.iter().position(&fits) {
                return self.answers.remove(index);
            }
            if !self.receive() {
                return None;
            }
        }
    }

    /// Answers that came and that nobody has asked for.
    pub fn other_answers(&self) -> &VecDeque<Value> {
        &self.answers
    }

    /// Parameters of the progress notifications that came so far: when an
    /// answer has been returned, those before it and no others.
    pub fn notifications(&self) -> Vec<&Value> {
        self.notifications.iter().map(|notification| &notification["params"]).collect()
    }

    /// Messages of progress notifications so far, in order.
    pub fn progress(&self) -> Vec<String> {
        let messages = self.notifications.iter().filter_map(|notification| {
            notification["params"]["message"].as_str().map(str::to_owned)
        });
        messages.collect()
    }

    /// Waits until a notification of progress says something.
    #[track_caller]
    pub fn hears(&mut self, message: &str) {
        while !self.progress().iter().any(|heard| heard.contains(message)) {
            assert!(self.receive(), "the server ended:\n{}", self.log());
        }
    }

    /// Waits until the progress of the call with this token is this message.
    #[track_caller]
    pub fn hears_of(&mut self, token: &Value, message: &str) {
        let fits = |notification: &Value| {
            let params = &notification["params"];
            params["progressToken"] == *token && params["message"] == message
        };
        while !self.notifications.iter().any(fits) {
            assert!(self.receive(), "the server ended:\n{}", self.log());
        }
    }

    /// Reads one message; false at the end of the server's output.
    #[track_caller]
    fn receive(&mut self) -> bool {
        let line = match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => panic!("no message in time:\n{}", self.log()),
        };
        let message: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("stdout carries what is no JSON ({error}): {line}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        if message["method"].is_string() {
            // This client can do nothing: it may not be asked for anything.
            assert!(message.get("id").is_none(), "{line}");
            assert_eq!(message["method"], "notifications/progress", "{line}");
            self.notifications.push(message);
        } else {
            assert!(message["result"].is_object() != message["error"].is_object(), "{line}");
            self.answers.push_back(message);
        }
        true
    }

    /// Reads to the end of the server's output.
    pub fn drain(&mut self) {
        while self.receive() {}
    }

    pub fn close_stdin(&mut self) {
        self.input = None;
    }

    /// Closes the server's stdin and waits for its end.
    #[track_caller]
    pub fn close(&mut self) -> ExitStatus {
        self.close_stdin();
        self.wait(PATIENCE)
    }
}

/// Tools and programs.
impl Server {
    /// Starts a call and does not wait for its end.
    pub fn start_call(&mut self, tool: &str, arguments: Value) -> u64 {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// Starts a call with a progress token.
    pub fn start_call_with_token(&mut self, arguments: Value, token: Value) -> u64 {
        let meta = json!({ "progressToken": token });
        self.request("tools/call", json!({ "name": RUN, "arguments": arguments, "_meta": meta }))
    }

    /// Starts a program and waits until it runs: it has printed `on`.
    #[track_caller]
    pub fn start_program(&mut self, code: &str) -> u64 {
        let arguments =
            json!({ "deno_code": format!("console.log('on'); {code}"), "timeout": 60_000 });
        let token = json!(format!("token of {}", self.last_id + 1));
        let id = self.start_call_with_token(arguments, token.clone());
        self.hears_of(&token, "on");
        id
    }

    /// Calls a tool; the call's `result`.
    #[track_caller]
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.start_call(tool, arguments);
        self.result(id)
    }

    /// What a tool says that succeeds.
    #[track_caller]
    pub fn say(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments);
        assert_ne!(result["isError"], true, "{result:#}");
        text(&result)
    }

    /// What a tool says that fails.
    #[track_caller]
    pub fn refusal(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{result:#}");
        text(&result)
    }

    /// What is said to arguments with which no program is run, and nothing else.
    #[track_caller]
    pub fn refused_run(&mut self, arguments: Value) -> String {
        refusal(&self.call(RUN, arguments))
    }

    /// What a tool returns that succeeds, which is its text too.
    #[track_caller]
    pub fn structured(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        assert_ne!(result["isError"], true, "{result:#}");
        let told: Value = serde_json::from_str(&text(&result)).expect("the text is JSON");
        assert_eq!(told, result["structuredContent"]);
        told
    }

    /// Runs a program with these arguments beside the code; its execution.
    #[track_caller]
    pub fn execute(&mut self, code: &str, arguments: Value) -> Value {
        let mut all = json!({ "deno_code": code });
        for (name, value) in arguments.as_object().expect("an object") {
            all[name] = value.clone();
        }
        let result = self.call(RUN, all);
        assert_ne!(result["isError"], true, "{result:#}");
        result["structuredContent"].clone()
    }

    /// Runs a program; its execution.
    #[track_caller]
    pub fn run(&mut self, code: &str) -> Value {
        self.execute(code, json!({}))
    }

    /// Runs a program; its execution without the time that it took.
    #[track_caller]
    pub fn outcome(&mut self, code: &str) -> Value {
        execution(&self.call(RUN, json!({ "deno_code": code })))
    }

    /// The value of a program that must succeed.
    #[track_caller]
    pub fn value(&mut self, code: &str) -> Value {
        let execution = self.run(code);
        assert_eq!(execution["status"], "success", "{execution:#}\n{}", self.log());
        execution["returnValue"].clone()
    }

    /// The kind of error and the sentence of a program that must fail.
    #[track_caller]
    pub fn error(&mut self, code: &str) -> (String, String) {
        let execution = self.run(code);
        assert_eq!(execution["status"], "error", "{execution:#}");
        let word = |name: &str| execution[name].as_str().unwrap_or_default().to_owned();
        (word("errorType"), word("error"))
    }

    /// What a program catches when it evaluates an expression that must throw:
    /// the error's name and message.
    #[track_caller]
    pub fn thrown(&mut self, expression: &str) -> (String, String) {
        caught(&self.value(&catching(expression)))
    }

    /// Waits until the server says that so many programs run and so many wait. A
    /// program runs until its process is gone.
    #[track_caller]
    pub fn becomes(&mut self, active: u64, waiting: u64) {
        until(PATIENCE, &format!("{active} run and {waiting} wait"), || {
            let health = self.call("health", json!({}));
            let executions = &health["structuredContent"]["executions"];
            executions["active"] == active && executions["waiting"] == waiting
        });
    }

    /// Waits until no program runs and the one worker stands by that each server of
    /// [`Server::start`] has; and for what has ended to be gone.
    #[track_caller]
    pub fn rests(&mut self) {
        let mut last = Value::Null;
        let rests = within(PATIENCE, || {
            last = serde_json::from_str(&self.say("health", json!({}))).expect("JSON");
            last["executions"]["active"] == 0 && last["standbyWorkers"] == 1
        });
        assert!(rests, "{last:#}");
        sleep(Duration::from_millis(200));
    }

    /// Waits until a call of `slow` or `hang` has come to a server that is the fixture.
    #[track_caller]
    pub fn reaches(&mut self, server: &str) {
        let code = format!("await callTool('{server}', 'inside')");
        let reached = within(PATIENCE, || self.value(&code) == 1);
        assert!(reached, "no call has come to {server}:\n{}", self.log());
    }

    /// A server's entry in `list_mcp_servers`, once it has tools or an error that
    /// says more than that it takes its time.
    #[track_caller]
    pub fn listed(&mut self, name: &str) -> Value {
        let mut last = Value::Null;
        let known = within(PATIENCE, || {
            last = self.structured("list_mcp_servers", json!({}));
            let entry = entry(&last, name);
            entry.is_some_and(|entry| {
                let error = &entry["error"];
                entry["tools"] != 0 || !error.is_null() && *error != "it has not answered yet"
            })
        });
        assert!(known, "{name}: {last:#}\n{}", self.log());
        entry(&last, name).cloned().expect("it is known")
    }
}

fn writer(child: &mut Child) -> Sender<Vec<u8>> {
    let mut stdin = child.stdin.take().expect("a pipe");
    let (input, written) = channel::<Vec<u8>>();
    spawn(move || {
        for bytes in written {
            // The server may be gone: its test notices.
            let _ = stdin.write_all(&bytes);
        }
    });
    input
}

fn reader(child: &mut Child) -> Receiver<String> {
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let (sender, lines) = channel();
    spawn(move || {
        for line in stdout.lines() {
            let line = line.unwrap_or_else(|error| format!("not text: {error}"));
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
