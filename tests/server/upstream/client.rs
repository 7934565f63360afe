//! A server over pipes, and a client that takes nothing for granted.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;

use serde_json::{Value, json};

use super::fixture::{Home, within};

pub const RUN: &str = "run_deno_code";

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, killed at the end of its test. Its home goes with it.
pub struct Server {
    child: Child,
    /// To the thread that writes to the server's stdin. None: closed.
    input: Option<Sender<Vec<u8>>>,
    /// From the thread that reads the server's stdout.
    lines: Receiver<String>,
    log: Arc<Mutex<String>>,
    /// Answers that nobody has asked for yet.
    answers: VecDeque<Value>,
    notifications: Vec<Value>,
    last_id: u64,
    /// What the server said of itself.
    pub information: Value,
    pub home: Home,
}

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

    pub fn start(home: Home, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-conductor"))
            .args(arguments)
            .env_clear()
            .env("HOME", home.root())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("MCP_CONDUCTOR_STANDBY", "1")
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let input = writer(&mut child);
        let lines = reader(&mut child);
        let log = logged(&mut child);
        let mut server = Self {
            child,
            input: Some(input),
            lines,
            log,
            answers: VecDeque::new(),
            notifications: Vec::new(),
            last_id: 0,
            information: Value::Null,
            home,
        };
        server.information = server.initialize();
        server
    }

    fn initialize(&mut self) -> Value {
        let client = json!({ "name": "tests", "version": "1" });
        let id = self.request(
            "initialize",
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }),
        );
        let result = self.result(id);
        self.notify("notifications/initialized", json!({}));
        result
    }

    fn send(&mut self, message: &Value) {
        let input = self.input.as_ref().expect("stdin is open");
        let _ = input.send(format!("{message}\n").into_bytes());
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Sends a request and does not wait for its answer.
    pub fn request(&mut self, method: &str, params: Value) -> u64 {
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

    /// Starts a call and does not wait for its end.
    pub fn start_call(&mut self, tool: &str, arguments: Value) -> u64 {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// Calls a tool; the call's `result`.
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

    /// The value of a program that must succeed.
    #[track_caller]
    pub fn value(&mut self, code: &str) -> Value {
        let execution = self.run(code);
        assert_eq!(execution["status"], "success", "{execution:#}\n{}", self.log());
        execution["returnValue"].clone()
    }

    /// Waits until no program runs and the one worker stands by that each server of
    /// these tests has; and for what has ended to be gone.
    #[track_caller]
    pub fn rests(&mut self) {
        let mut last = Value::Null;
        let rests = within(PATIENCE, || {
            last = serde_json::from_str(&self.say("health", json!({}))).expect("JSON");
            last["executions"]["active"] == 0 && last["standbyWorkers"] == 1
        });
        assert!(rests, "{last:#}");
        std::thread::sleep(Duration::from_millis(200));
    }

    /// Waits until a call of `slow` or `hang` has come to a server that is the fixture.
    #[track_caller]
    pub fn reaches(&mut self, server: &str) {
        let code = format!("await callTool('{server}', 'inside')");
        let reached = within(PATIENCE, || self.value(&code) == 1);
        assert!(reached, "no call has come to {server}:\n{}", self.log());
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
        let code = format!(
            "try {{ const got = await ({expression}); ['nothing was thrown', JSON.stringify(got)] }} \
             catch (e) {{ [e.name, e.message] }}"
        );
        let value = self.value(&code);
        let word = |index: usize| value[index].as_str().unwrap_or_default().to_owned();
        (word(0), word(1))
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

    /// The answer to a request.
    #[track_caller]
    pub fn answer(&mut self, id: u64) -> Value {
        loop {
            if let Some(index) = self.answers.iter().position(|answer| answer["id"] == id) {
                return self.answers.remove(index).expect("it is there");
            }
            assert!(self.receive(), "the server ended before answer {id}:\n{}", self.log());
        }
    }

    /// The result of a request that was understood; see [`Server::start_call`].
    #[track_caller]
    pub fn result(&mut self, id: u64) -> Value {
        let mut answer = self.answer(id);
        assert_eq!(answer.get("error"), None, "{answer:#}");
        answer["result"].take()
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
            self.notifications.push(message);
        } else {
            self.answers.push_back(message);
        }
        true
    }

    /// Closes the server's stdin and waits for its end.
    pub fn close(&mut self) -> ExitStatus {
        self.input = None;
        let mut status = None;
        let ended = within(PATIENCE, || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        assert!(ended, "the server does not end:\n{}", self.log());
        status.expect("it ended")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the server wrote to stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log has a line with all of these words.
    #[track_caller]
    pub fn logs(&self, words: &[&str]) {
        let logged = || {
            let log = self.log();
            log.lines().any(|line| words.iter().all(|word| line.contains(word)))
        };
        assert!(within(PATIENCE, logged), "{words:?} are not in one line of\n{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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

fn logged(child: &mut Child) -> Arc<Mutex<String>> {
    let mut stderr = child.stderr.take().expect("a pipe");
    let log = Arc::new(Mutex::new(String::new()));
    let logged = log.clone();
    spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stderr.read(&mut buffer) {
            logged.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    });
    log
}

/// The first text of a tool's result.
#[track_caller]
pub fn text(result: &Value) -> String {
    let first = &result["content"][0];
    first["text"].as_str().unwrap_or_else(|| panic!("no text: {result:#}")).to_owned()
}

/// A server's entry in what `list_mcp_servers` returns.
pub fn entry<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list["servers"].as_array()?.iter().find(|entry| entry["name"] == name)
}
