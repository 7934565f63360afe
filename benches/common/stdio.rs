//! A server over stdio, with a client that waits for each answer.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A server over stdio; it ends when its stdin does.
pub struct Server {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    child: Child,
    last_id: u64,
}

impl Server {
    /// Starts it, with what the command says of its environment.
    pub fn start(mut command: Command) -> Self {
        let command = command.arg("stdio").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut server = Self { stdin, stdout, child, last_id: 0 };
        let client = json!({ "name": "bench", "version": "1" });
        server.request(
            "initialize",
            &json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }),
        );
        server.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        server
    }

    fn tell(&mut self, message: &Value) {
        self.stdin.write_all(format!("{message}\n").as_bytes()).expect("the server reads");
    }

    fn request(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        self.tell(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let mut line = String::new();
            self.stdout.read_line(&mut line).expect("the server answers");
            let mut message: Value = serde_json::from_str(&line).expect("JSON");
            if message["id"] == id {
                return message["result"].take();
            }
        }
    }

    /// The value of a program, and the time from the request to the answer.
    pub fn run(&mut self, program: &str) -> (Value, Duration) {
        self.call("run_deno_code", program)
    }

    /// As [`Self::run`], of a program for one of the server's tools.
    pub fn call(&mut self, tool: &str, program: &str) -> (Value, Duration) {
        let start = Instant::now();
        let arguments = json!({ "code": program });
        let params = json!({ "name": tool, "arguments": arguments });
        let result = self.request("tools/call", &params);
        let taken = start.elapsed();
        assert!(!result["isError"].as_bool().unwrap_or_default(), "{result}");
        (result["structuredContent"]["returnValue"].clone(), taken)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
