//! A JSON-RPC client over pipes that takes nothing for granted: it sends what
//! it is told to, and reads only lines that are JSON-RPC messages.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Map, Value, json};

use super::processes::within;

/// The one tool.
pub const TOOL: &str = "run_deno_code";

/// Longest wait, for whatever it may be.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often something is looked at that does not say when it changes.
pub const TURN: Duration = Duration::from_millis(10);

/// A server, killed at the end of its test.
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
    /// What every request of the stateless protocol carries.
    meta: Map<String, Value>,
}

impl Server {
    /// Starts a server with an environment of its own and says nothing yet.
    pub fn start(env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-conductor"))
            .arg("stdio")
            .env_clear()
            .env("HOME", env!("CARGO_TARGET_TMPDIR"))
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let (input, written) = channel::<Vec<u8>>();
        spawn(move || {
            for bytes in written {
                // The server may be gone: its test notices.
                let _ = stdin.write_all(&bytes);
            }
        });
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
        let mut stderr = child.stderr.take().expect("a pipe");
        let log = Arc::new(Mutex::new(String::new()));
        let logged = log.clone();
        spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut buffer) {
                logged.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Self {
            child,
            input: Some(input),
            lines,
            log,
            answers: VecDeque::new(),
            notifications: Vec::new(),
            last_id: 0,
            meta: Map::new(),
        }
    }

    /// A server after the handshake of the older protocol.
    pub fn ready(env: &[(&str, &str)]) -> Self {
        let mut server = Self::start(env);
        server.initialize("2025-11-25");
        server
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

    /// Starts a call and does not wait for its end.
    pub fn start_call(&mut self, name: &str, arguments: Value) -> u64 {
        self.request("tools/call", json!({ "name": name, "arguments": arguments }))
    }

    /// Starts a call with a progress token.
    pub fn start_call_with_token(&mut self, arguments: Value, token: Value) -> u64 {
        let meta = json!({ "progressToken": token });
        self.request("tools/call", json!({ "name": TOOL, "arguments": arguments, "_meta": meta }))
    }

    /// Starts a program and waits until it runs: it has printed `on`.
    pub fn start_program(&mut self, code: &str) -> u64 {
        let arguments =
            json!({ "deno_code": format!("console.log('on'); {code}"), "timeout": 60_000 });
        let token = json!(format!("token of {}", self.last_id + 1));
        let id = self.start_call_with_token(arguments, token.clone());
        self.hears(&token, "on");
        id
    }

    /// Waits until a call's progress is this message.
    pub fn hears(&mut self, token: &Value, message: &str) {
        let fits = |notification: &Value| {
            let params = &notification["params"];
            params["progressToken"] == *token && params["message"] == message
        };
        while !self.notifications.iter().any(fits) {
            assert!(self.receive(), "the server ended:\n{}", self.log());
        }
    }

    /// Calls a tool; the call's `result`.
    pub fn call(&mut self, name: &str, arguments: Value) -> Value {
        let id = self.start_call(name, arguments);
        self.result(id)
    }

    /// Runs a program; its result.
    pub fn run(&mut self, code: &str) -> Value {
        execution(&self.call(TOOL, json!({ "deno_code": code })))
    }

    /// Calls the tool with arguments that it refuses; what it says.
    pub fn refusal(&mut self, arguments: Value) -> String {
        refusal(&self.call(TOOL, arguments))
    }

    /// Waits until the server says that so many programs run and so many wait. A
    /// program runs until its process is gone.
    #[track_caller]
    pub fn becomes(&mut self, active: u64, waiting: u64) {
        within(PATIENCE, &format!("{active} run and {waiting} wait"), || {
            let health = self.call("health", json!({}));
            let executions = &health["structuredContent"]["executions"];
            executions["active"] == active && executions["waiting"] == waiting
        });
    }

    /// The answer to a request.
    pub fn answer(&mut self, id: u64) -> Value {
        self.answer_where(|answer| answer["id"] == id)
            .unwrap_or_else(|| panic!("the server ended before answer {id}:\n{}", self.log()))
    }

    /// The answer to a request that was understood.
    pub fn result(&mut self, id: u64) -> Value {
        let mut answer = self.answer(id);
        assert_eq!(answer.get("error"), None);
        answer["result"].take()
    }

    /// The next error that belongs to no request.
    pub fn error_without_request(&mut self) -> Value {
        let mut answer = self.answer_where(|answer| answer["id"].is_null()).expect("an answer");
        answer["error"].take()
    }

    /// The first answer that fits; None at the end of the server's output.
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

    /// Reads one message; false at the end of the server's output.
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
            assert_eq!(message["method"], "notifications/progress", "{line}");
            assert!(message.get("id").is_none(), "{line}");
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

    /// The server's end, waited for.
    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < end, "the server does not end:\n{}", self.log());
            sleep(TURN);
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("the server lives");
    }

    /// What the server wrote to stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The execution in a tool result, without the time that it took.
pub fn execution(result: &Value) -> Value {
    assert_eq!(result["isError"], false, "{result}");
    let mut execution = result["structuredContent"].clone();
    let text = execution.to_string();
    assert_eq!(result["content"], json!([{ "type": "text", "text": text }]));
    let time = execution.as_object_mut().and_then(|object| object.remove("executionTime"));
    assert!(time.is_some_and(|time| time.is_u64()), "{result}");
    execution
}

/// The text of a tool result that is an error and nothing else.
pub fn refusal(result: &Value) -> String {
    let text = result["content"][0]["text"].as_str().expect("text").to_owned();
    assert_eq!(result["content"], json!([{ "type": "text", "text": text }]));
    assert_eq!(result["isError"], true, "{result}");
    assert_eq!(result.get("structuredContent"), None);
    text
}

/// A program that succeeded, printed nothing and has this value.
pub fn value(value: Value) -> Value {
    json!({ "status": "success", "output": [], "returnValue": value })
}

/// A program that waits and returns `"done"`.
pub fn sleeper(millis: u32) -> String {
    format!("await new Promise((resolve) => setTimeout(resolve, {millis})); 'done'")
}

/// A file that programs wait for, in the workspace of all servers of these tests.
pub struct Gate(PathBuf);

impl Gate {
    /// The file is not there yet.
    pub fn closed() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let workspace = Path::new(env!("CARGO_TARGET_TMPDIR")).join(".mcp-conductor/workspace");
        let path = workspace.join(format!("gate-{}-{count}", std::process::id()));
        // Pids are used again, and a process that is killed leaves its files.
        let _ = fs::remove_file(&path);
        Self(path)
    }

    /// Writes the file. The server that runs programs has made their workspace.
    pub fn open(&self) {
        fs::write(&self.0, "").expect("a file");
    }

    /// A statement that waits for the file.
    pub fn awaited(&self) -> String {
        let file = self.0.file_name().expect("a name").display();
        format!(
            "while (!(await Deno.stat('{file}').then(() => true, () => false))) \
             await new Promise((resolve) => setTimeout(resolve, 20));"
        )
    }

    /// A program that waits for the file and returns `"done"`.
    pub fn waiter(&self) -> String {
        format!("{} 'done'", self.awaited())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
