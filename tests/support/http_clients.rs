//! Clients of a server on Streamable HTTP, of both eras.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::http::Server;
use super::results::caught;
use super::snippets::{RUN, catching};
use super::wire::{Connection, Request, Response};

/// The version without sessions.
pub const MODERN: &str = "2026-07-28";

/// The last version with sessions.
pub const LEGACY: &str = "2025-11-25";

/// Of JSON-RPC 2.0, section 5.1.
const INVALID_REQUEST: i32 = -32600;

/// One client of each era.
#[track_caller]
pub fn of_both_eras(server: &Server) -> [Box<dyn Caller>; 2] {
    [Box::new(server.client()), Box::new(LegacySession::open(server))]
}

fn next_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// What a client of either era can do.
pub trait Caller {
    fn port(&self) -> u16;

    /// A request as this client sends it.
    fn request(&self, method: &str, params: Value) -> Request;

    /// Sends a request over a connection of its own and reads the answer.
    #[track_caller]
    fn ask(&self, method: &str, params: Value) -> Response {
        Connection::open(self.port()).exchange(&self.request(method, params))
    }

    /// Sends a request; nothing is read yet.
    #[track_caller]
    fn start(&self, method: &str, params: Value) -> Connection {
        let mut connection = Connection::open(self.port());
        connection.send(&self.request(method, params));
        connection
    }

    /// The result of a request that was understood.
    #[track_caller]
    fn result(&self, method: &str, params: Value) -> Value {
        let response = self.ask(method, params);
        let mut answer = response.answer();
        assert_eq!((response.status, answer.get("error")), (200, None), "{answer:#}");
        answer["result"].take()
    }

    /// The result of a tool's call.
    #[track_caller]
    fn tool(&self, name: &str, arguments: Value) -> Value {
        self.result("tools/call", json!({ "name": name, "arguments": arguments }))
    }

    /// What a tool returns that succeeds.
    #[track_caller]
    fn structured(&self, name: &str, arguments: Value) -> Value {
        let result = self.tool(name, arguments);
        assert_ne!(result["isError"], true, "{result:#}");
        result["structuredContent"].clone()
    }

    /// Runs a program; its execution.
    #[track_caller]
    fn call(&self, code: &str) -> Value {
        self.structured(RUN, json!({ "deno_code": code }))
    }

    /// The value of a program that must succeed.
    #[track_caller]
    fn value(&self, code: &str) -> Value {
        let execution = self.call(code);
        assert_eq!(execution["status"], "success", "{execution:#}");
        execution["returnValue"].clone()
    }

    /// What a program catches when it evaluates an expression that must throw:
    /// the error's name and message.
    #[track_caller]
    fn thrown(&self, expression: &str) -> (String, String) {
        caught(&self.value(&catching(expression)))
    }

    /// Starts a program, and waits until it runs: it has printed `on`. Its
    /// answer is what comes next on the connection that has no method.
    #[track_caller]
    fn start_program(&self, code: &str) -> Connection {
        let mut connection = self.start("tools/call", program(code));
        assert_eq!(connection.head().expect("an answer").status, 200);
        connection.message_where(|message| message["params"]["message"] == "on");
        connection
    }
}

/// Parameters of a call that prints `on` first and reports progress.
pub fn program(code: &str) -> Value {
    let arguments = json!({ "deno_code": format!("console.log('on'); {code}"), "timeout": 60_000 });
    json!({ "name": RUN, "arguments": arguments, "_meta": { "progressToken": next_id() } })
}

/// The answer at the end of a call's stream.
#[track_caller]
pub fn answer_of(connection: &mut Connection) -> Value {
    connection.message_where(|message| message.get("method").is_none())
}

/// The program of a call has returned `"done"`.
#[track_caller]
pub fn is_done(connection: &mut Connection) {
    let answer = answer_of(connection);
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
}

/// The message of a request that was no good.
#[track_caller]
pub fn invalid_request(response: &Response) -> String {
    assert_eq!(response.status, 400, "{}", response.text());
    let answer = response.answer();
    assert_eq!(answer["error"]["code"], INVALID_REQUEST, "{answer}");
    answer["error"]["message"].as_str().expect("a text").to_owned()
}

/// A client of the protocol without sessions (2026-07-28).
#[derive(Clone, Debug)]
pub struct Client {
    pub port: u16,
    pub token: Option<String>,
}

impl Caller for Client {
    fn port(&self) -> u16 {
        self.port
    }

    fn request(&self, method: &str, mut params: Value) -> Request {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        for (key, value) in params["_meta"].as_object().cloned().unwrap_or_default() {
            meta[key] = value;
        }
        params["_meta"] = meta;
        // SEP-2243: what is called, for machines between that read no bodies.
        let name = params["name"].as_str().or_else(|| params["uri"].as_str());
        let name = name.map(str::to_owned);
        let message = message(method, params);
        let mut request = Request::post(message.to_string())
            .header("MCP-Protocol-Version", MODERN)
            .header("Mcp-Method", method);
        if let Some(name) = name {
            request = request.header("Mcp-Name", &name);
        }
        authorized(request, self.token.as_deref())
    }
}

fn message(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": next_id(), "method": method, "params": params })
}

fn authorized(request: Request, token: Option<&str>) -> Request {
    match token {
        Some(token) => request.bearer(token),
        None => request,
    }
}

/// A client with a session (2025-11-25 and before).
#[derive(Clone, Debug)]
pub struct LegacySession {
    pub port: u16,
    pub token: Option<String>,
    pub id: String,
}

impl LegacySession {
    #[track_caller]
    pub fn open(server: &Server) -> Self {
        Self::open_with(server.port, None, &json!({}))
    }

    #[track_caller]
    pub fn open_as(server: &Server, token: &str) -> Self {
        Self::open_with(server.port, Some(token), &json!({}))
    }

    /// With what the client says that it can do.
    #[track_caller]
    pub fn open_with(port: u16, token: Option<&str>, capabilities: &Value) -> Self {
        let request = authorized(initialize(capabilities), token);
        let response = Connection::open(port).exchange(&request);
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.answer()["result"]["protocolVersion"], LEGACY);
        let id = response.header("mcp-session-id").expect("a session").to_owned();
        let session = Self { port, token: token.map(str::to_owned), id };
        assert_eq!(session.notify("notifications/initialized", json!({})), 202);
        session
    }

    /// Another client that knows the session and has this token.
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// With the headers that every request of the session has.
    pub fn within_session(&self, request: Request) -> Request {
        let request =
            request.header("MCP-Protocol-Version", LEGACY).header("Mcp-Session-Id", &self.id);
        authorized(request, self.token.as_deref())
    }

    /// Sends a notification; the status of the answer.
    #[track_caller]
    pub fn notify(&self, method: &str, params: Value) -> u16 {
        self.post(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).status
    }

    /// Posts a message, as it is.
    #[track_caller]
    pub fn post(&self, message: &Value) -> Response {
        let request = self.within_session(Request::post(message.to_string()));
        Connection::open(self.port).exchange(&request)
    }

    /// `GET /mcp`: the stream of what belongs to no request, or, after an event, the
    /// rest of the stream that it came from.
    pub fn listen(&self, last_event: Option<&str>) -> Request {
        let request = Request::new("GET", "/mcp").header("Accept", "text/event-stream");
        let request = match last_event {
            Some(id) => request.header("Last-Event-ID", id),
            None => request,
        };
        self.within_session(request)
    }

    /// Ends the session.
    #[track_caller]
    pub fn close(&self) -> Response {
        let request = self.within_session(Request::new("DELETE", "/mcp"));
        Connection::open(self.port).exchange(&request)
    }
}

impl Caller for LegacySession {
    fn port(&self) -> u16 {
        self.port
    }

    fn request(&self, method: &str, params: Value) -> Request {
        self.within_session(Request::post(message(method, params).to_string()))
    }
}

/// The first request of a session.
pub fn initialize(capabilities: &Value) -> Request {
    let client = json!({ "name": "tests", "version": "1" });
    let params = json!({
        "protocolVersion": LEGACY, "capabilities": capabilities, "clientInfo": client,
    });
    Request::post(message("initialize", params).to_string())
}
