//! Servers over Streamable HTTP: one on a loopback port, in this process, that
//! does as much of the transport as these tests need (MCP 2025-11-25, basic,
//! transports) and remembers what it was sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _, copy, sink};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::ports::ClosedPort;
use crate::support::waiting::within;

const PATIENCE: Duration = Duration::from_secs(10);

/// What a client has to send.
const TOKEN: &str = "TOKEN-CANARY";

const SESSION: &str = "session-1";

/// How requests are answered.
enum Manner {
    /// With JSON, each for itself.
    Json,
    /// With events, to clients that send the session of their handshake.
    Session,
    /// By pointing to another place.
    Redirect(String),
    /// As [`Manner::Json`], and `server/discover` never.
    Hangs,
    /// As [`Manner::Json`], and the end of the handshake with this.
    Initialized(&'static str),
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub authorization: Option<String>,
    pub team: Option<String>,
    session: Option<String>,
    pub message: Value,
}

struct Shared {
    manner: Manner,
    requests: Mutex<Vec<Request>>,
    /// Requests that were never answered, and that the client has given up.
    left: AtomicUsize,
}

/// A server that goes on until the test process ends.
struct Listener {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Listener {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared =
            Arc::new(Shared { manner, requests: Mutex::default(), left: AtomicUsize::new(0) });
        let accepting = shared.clone();
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = accepting.clone();
                // A client may go away before it has read all: its test notices.
                spawn(move || shared.serve(&stream));
            }
        });
        Self { address, shared }
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    fn heard(&self, method: &str) -> bool {
        self.count(method) > 0
    }

    fn count(&self, method: &str) -> usize {
        let requests = self.requests();
        requests.iter().filter(|request| request.message["method"] == method).count()
    }

    /// An entry of the configuration, with the token in a variable.
    fn entry(&self) -> Value {
        let headers = json!({ "Authorization": "Bearer env:UP_TOKEN", "X-Team": "a" });
        json!({ "type": "http", "url": self.url(), "headers": headers })
    }

    /// A server with this one configured as `up`.
    fn client(&self) -> Server {
        Server::at(Home::with(&json!({ "up": self.entry() })), &[("UP_TOKEN", TOKEN)])
    }
}

impl Request {
    /// The next request on a connection; none at its end.
    pub fn read(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut request = Self {
            method: line.split(' ').next().unwrap_or_default().to_owned(),
            path: line.split(' ').nth(1).unwrap_or_default().to_owned(),
            authorization: None,
            team: None,
            session: None,
            message: Value::Null,
        };
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "authorization" => request.authorization = Some(value.to_owned()),
                "x-team" => request.team = Some(value.to_owned()),
                "mcp-session-id" => request.session = Some(value.to_owned()),
                "content-length" => length = value.parse().expect("a number"),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        request.message = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Some(request))
    }
}

pub fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

impl Shared {
    fn serve(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = Request::read(&mut reader)? {
            self.requests.lock().unwrap().push(request.clone());
            match self.respond(&request) {
                Some(response) => stream.write_all(response.as_bytes())?,
                // Nothing is said until the client goes.
                None => {
                    let _ = copy(&mut reader, &mut sink());
                    self.left.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        Ok(())
    }

    fn respond(&self, request: &Request) -> Option<String> {
        if let Manner::Redirect(place) = &self.manner {
            let headers = format!("location: {place}\r\n");
            return Some(response("307 Temporary Redirect", &headers, ""));
        }
        if request.authorization.as_deref() != Some("Bearer TOKEN-CANARY") {
            // RFC 9110, 15.5.2: with a challenge.
            let headers = "www-authenticate: Bearer realm=\"up\"\r\n";
            return Some(response("401 Unauthorized", headers, ""));
        }
        if request.method != "POST" {
            return Some(response("405 Method Not Allowed", "allow: POST\r\n", ""));
        }
        let method = request.message["method"].as_str().unwrap_or_default();
        let has_session = matches!(self.manner, Manner::Session);
        let is_first = matches!(method, "initialize" | "server/discover");
        if has_session && !is_first && request.session.as_deref() != Some(SESSION) {
            return Some(response("400 Bad Request", "", "no session"));
        }
        let id = &request.message["id"];
        match &self.manner {
            Manner::Hangs if method == "server/discover" => return None,
            Manner::Initialized(said) if method == "notifications/initialized" => {
                return Some((*said).to_owned());
            }
            _ => {}
        }
        if id.is_null() {
            return Some(response("202 Accepted", "", ""));
        }
        let answer = answer(&request.message)?;
        let session = match (has_session, method) {
            (true, "initialize") => format!("mcp-session-id: {SESSION}\r\n"),
            _ => String::new(),
        };
        Some(if has_session {
            let headers = format!("content-type: text/event-stream\r\n{session}");
            response("200 OK", &headers, &format!("event: message\ndata: {answer}\n\n"))
        } else {
            response("200 OK", "content-type: application/json\r\n", &answer.to_string())
        })
    }
}

/// The answer to a request; none if it is never answered.
pub fn answer(request: &Value) -> Option<Value> {
    let method = request["method"].as_str().unwrap_or_default();
    let mut answer = outcome(method, &request["params"])?;
    answer["jsonrpc"] = json!("2.0");
    answer["id"] = request["id"].clone();
    Some(answer)
}

/// The result or error of a request.
fn outcome(method: &str, params: &Value) -> Option<Value> {
    let text = |text: &str| json!({ "content": [{ "type": "text", "text": text }] });
    let result = match method {
        "initialize" => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "up", "version": "1" },
        }),
        "tools/list" => {
            let tool = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
            json!({ "tools": [tool("echo"), tool("big"), tool("hang")] })
        }
        "tools/call" => match params["name"].as_str()? {
            "echo" => text(params["arguments"]["text"].as_str().unwrap_or_default()),
            "big" => {
                let bytes = params["arguments"]["bytes"].as_u64().unwrap_or_default();
                text(&"x".repeat(usize::try_from(bytes).expect("64 bits")))
            }
            _ => return None,
        },
        _ => return Some(json!({ "error": { "code": -32601, "message": "Method not found" } })),
    };
    Some(json!({ "result": result }))
}

#[test]
fn tools_are_listed_and_called_with_the_configured_headers() {
    let up = Listener::start(Manner::Json);
    let mut server = up.client();
    let listed = server.listed("up");
    assert_eq!((&listed["tools"], &listed["error"]), (&json!(3), &Value::Null), "{listed:#}");
    let tools = server.structured("get_tools", json!({ "server": "up" }));
    let names: Vec<&Value> =
        tools["tools"].as_array().expect("tools").iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["echo", "big", "hang"]);
    let code = "import * as up from 'mcp:up'; await up.echo({ text: 'é' })";
    assert_eq!(server.value(code), "é");
    assert!(up.heard("tools/call"));
    for request in up.requests() {
        assert_eq!(request.authorization.as_deref(), Some("Bearer TOKEN-CANARY"), "{request:?}");
        assert_eq!(request.team.as_deref(), Some("a"), "{request:?}");
    }
    assert!(!server.log().contains("CANARY"), "{}", server.log());
}

#[test]
fn a_session_is_kept_and_events_are_read() {
    let up = Listener::start(Manner::Session);
    let mut server = up.client();
    for text in ["one", "two"] {
        let code = format!("await callTool('up', 'echo', {{ text: '{text}' }})");
        assert_eq!(server.value(&code), text);
    }
    assert_eq!((up.count("initialize"), up.count("tools/call")), (1, 2));
}

#[test]
fn a_wrong_token_is_shown_as_one_that_wants_authorization() {
    let up = Listener::start(Manner::Json);
    let home = Home::with(&json!({ "up": up.entry() }));
    let mut server = Server::at(home, &[("UP_TOKEN", "WRONG-CANARY")]);
    let listed = server.listed("up");
    assert_eq!(listed["tools"], 0);
    let reason = listed["error"].as_str().expect("a reason");
    assert!(reason.contains("authorization") && reason.contains("login"), "{reason}");
    let (kind, error) = server.error("await callTool('up', 'echo', { text: 'a' })");
    assert_eq!(kind, "runtime");
    assert!(error.contains("MCP server \"up\" failed to connect"), "{error}");
    let told = format!("{listed}{error}{}", server.log());
    assert!(!told.contains("CANARY"), "{told}");
}

/// The limit is 8 MiB, and rmcp's own on a body of JSON 16 MiB.
#[test]
fn a_body_that_is_too_large_is_an_error_that_says_so() {
    let up = Listener::start(Manner::Json);
    let mut server = up.client();
    for bytes in [12_000_000, 20_000_000] {
        let code = format!("await callTool('up', 'big', {{ bytes: {bytes} }})");
        let (kind, error) = server.error(&code);
        assert_eq!(kind, "runtime", "{error}");
        assert!(error.contains("MCP server \"up\"") && error.contains("bytes"), "{error}");
        // How it is made helps nobody who reads it.
        assert!(!error.contains("rmcp::"), "{error}");
    }
    let code = "(await callTool('up', 'big', { bytes: 1_000_000 })).length";
    assert_eq!(server.value(code), 1_000_000);
}

#[test]
fn a_redirect_is_not_followed_and_takes_no_headers_elsewhere() {
    let elsewhere = Listener::start(Manner::Json);
    let up = Listener::start(Manner::Redirect(elsewhere.url()));
    let mut server = up.client();
    let listed = server.listed("up");
    let reason = listed["error"].as_str().expect("a reason");
    assert!(reason.contains("307") && !reason.contains("rmcp::"), "{reason}");
    assert!(up.heard("server/discover") || up.heard("initialize"));
    assert!(elsewhere.requests().is_empty(), "{:?}", elsewhere.requests());
}

#[test]
fn a_call_that_hangs_ends_with_its_run_and_is_cancelled() {
    let up = Listener::start(Manner::Json);
    let mut server = up.client();
    server.listed("up");
    let execution = server.execute("await callTool('up', 'hang')", json!({ "timeout": 4000 }));
    assert_eq!(execution["errorType"], "timeout", "{execution:#}");
    assert!(within(PATIENCE, || up.heard("notifications/cancelled")), "{:?}", up.requests());
    assert_eq!(server.value("await callTool('up', 'echo', { text: 'next' })"), "next");
}

#[test]
fn a_server_that_is_not_there_is_an_error_of_its_own() {
    let closed = ClosedPort::take();
    let url = format!("http://127.0.0.1:{}/mcp", closed.number);
    let up = Listener::start(Manner::Json);
    let home = Home::with(&json!({ "gone": { "url": url }, "up": up.entry() }));
    let mut server = Server::at(home, &[("UP_TOKEN", TOKEN)]);
    let listed = server.listed("gone");
    let reason = listed["error"].as_str().expect("a reason");
    let origin = url.trim_end_matches("/mcp");
    assert!(reason.contains(origin) && !reason.contains("/mcp"), "{reason}");
    assert!(!reason.contains("rmcp::"), "{reason}");
    assert_eq!(server.value("await callTool('up', 'echo', { text: 'a' })"), "a");
}

/// Of a URL that was answered under one name the era is known under the next.
#[test]
fn a_server_that_leaves_the_probe_open_is_connected_and_probed_once() {
    let up = Listener::start(Manner::Hangs);
    let mut server = up.client();
    let echo = |name: &str| format!("await callTool('{name}', 'echo', {{ text: 'hello' }})");
    let listed = server.listed("up");
    assert_eq!(listed["error"], Value::Null, "{listed:#}");
    assert_eq!(server.value(&echo("up")), "hello");
    // What nobody waits for any more is closed.
    assert!(within(PATIENCE, || up.shared.left.load(Ordering::SeqCst) == 1));
    server.home().configure(&json!({ "again": up.entry() }));
    let again = || server.run(&echo("again"))["returnValue"] == "hello";
    assert!(within(PATIENCE, again), "{}", server.log());
    assert_eq!((up.count("server/discover"), up.count("initialize")), (1, 2));
}

#[test]
fn whatever_answers_the_end_of_the_handshake_with_success_connects() {
    for said in [
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\nnull",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
         0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
         0\r\n\r\n",
        "HTTP/1.1 201 Created\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok",
    ] {
        let up = Listener::start(Manner::Initialized(said));
        let mut server = up.client();
        let listed = server.listed("up");
        assert_eq!((&listed["tools"], &listed["error"]), (&json!(3), &Value::Null), "{said}");
    }
}

#[test]
fn a_refusal_at_the_end_of_the_handshake_is_the_reason() {
    let said = "HTTP/1.1 400 Bad Request\r\ncontent-length: 8\r\n\r\nnot so\r\n";
    let up = Listener::start(Manner::Initialized(said));
    let mut server = up.client();
    let listed = server.listed("up");
    let reason = listed["error"].as_str().expect("a reason");
    assert!(reason.contains("400") && reason.contains("not so"), "{reason}");
}
