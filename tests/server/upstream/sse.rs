//! Servers of HTTP+SSE, the transport of MCP 2024-11-05: one on a loopback port, in this
//! process, that answers on its stream whatever comes to the address that it names there.

use std::io::{BufReader, Write as _, copy, sink};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{Request, answer, response};
use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::processes::peak_mebibytes;
use crate::support::snippets::RUN;
use crate::support::upstreams::upstream;
use crate::support::waiting::within;

const PATIENCE: Duration = Duration::from_secs(60);

const ENDPOINT: &str = "/messages?session=1";

const NOT_ALLOWED: &str =
    "HTTP/1.1 405 Method Not Allowed\r\nallow: GET\r\ncontent-length: 0\r\n\r\n";

const ECHO: &str = "await callTool('up', 'echo', { text: 'hello' })";

/// Writes on the stream instead of an answer to a call of `hang`.
type Hang = fn(&mut TcpStream) -> std::io::Result<()>;

#[derive(Clone)]
struct Manner {
    endpoint: String,
    /// What a message to the URL of the stream is answered with; nothing: with a stream.
    post: Option<&'static str>,
    hang: Hang,
}

struct Shared {
    manner: Manner,
    requests: Mutex<Vec<Request>>,
    stream: Mutex<Option<TcpStream>>,
    /// Streams that were opened, and that the client has closed.
    opened: Mutex<usize>,
    closed: Mutex<usize>,
}

/// A server that goes on until the test process ends.
struct Old {
    address: SocketAddr,
    shared: Arc<Shared>,
}

fn plain() -> Manner {
    Manner { endpoint: ENDPOINT.to_owned(), post: Some(NOT_ALLOWED), hang: |_| Ok(()) }
}

impl Old {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            manner,
            requests: Mutex::default(),
            stream: Mutex::default(),
            opened: Mutex::default(),
            closed: Mutex::default(),
        });
        let accepting = shared.clone();
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = accepting.clone();
                spawn(move || shared.serve(&stream));
            }
        });
        Self { address, shared }
    }

    fn entry(&self, members: Value) -> Value {
        let mut entry = json!({ "url": format!("http://{}/sse", self.address) });
        let members = members.as_object().cloned().expect("an object");
        entry.as_object_mut().expect("an object").extend(members);
        entry
    }

    /// A server with this one configured as `up`, beside another that works.
    fn client(&self) -> Server {
        let stub = upstream(&["stub"]);
        Server::with(&json!({ "up": self.entry(json!({})), "stub": stub }))
    }

    fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Requests of a method of HTTP to the URL of the stream.
    fn to_stream(&self, method: &str) -> usize {
        let is_it = |request: &&Request| request.path == "/sse" && request.method == method;
        self.requests().iter().filter(is_it).count()
    }

    fn heard(&self, method: &str) -> bool {
        self.requests().iter().any(|request| request.message["method"] == method)
    }

    fn opened(&self) -> usize {
        *self.shared.opened.lock().unwrap()
    }

    fn is_closed(&self) -> bool {
        *self.shared.closed.lock().unwrap() > 0
    }

    fn end_stream(&self) {
        let stream = self.shared.stream.lock().unwrap().take().expect("a stream");
        stream.shutdown(Shutdown::Both).expect("it is open");
    }
}

impl Shared {
    fn serve(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = Request::read(&mut reader)? {
            self.requests.lock().unwrap().push(request.clone());
            let post = self.manner.post.filter(|_| request.method != "GET");
            match (request.path.as_str(), post) {
                ("/sse", None) => {
                    self.open(stream)?;
                    let _ = copy(&mut reader, &mut sink());
                    *self.closed.lock().unwrap() += 1;
                    return Ok(());
                }
                ("/sse", Some(response)) => stream.write_all(response.as_bytes())?,
                (ENDPOINT, _) => {
                    let accepted = "content-type: text/plain\r\n";
                    stream.write_all(response("202 Accepted", accepted, "Accepted").as_bytes())?;
                    self.answer(&request.message)?;
                }
                _ => stream.write_all(response("404 Not Found", "", "").as_bytes())?,
            }
        }
        Ok(())
    }

    fn open(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        *self.stream.lock().unwrap() = Some(stream.try_clone()?);
        *self.opened.lock().unwrap() += 1;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n";
        let endpoint = &self.manner.endpoint;
        let first = format!("{head}\r\n: hello\n\nevent: endpoint\ndata: {endpoint}\n\n");
        stream.write_all(first.as_bytes())
    }

    fn answer(&self, message: &Value) -> std::io::Result<()> {
        let stream = self.stream.lock().unwrap();
        let Some(mut stream) = stream.as_ref().and_then(|stream| stream.try_clone().ok()) else {
            return Ok(());
        };
        if message["params"]["name"] == "hang" {
            return (self.manner.hang)(&mut stream);
        }
        let answer = answer(message).filter(|_| !message["id"].is_null());
        let Some(answer) = answer else { return Ok(()) };
        stream.write_all(format!("event: message\ndata: {answer}\n\n").as_bytes())
    }
}

/// The server works, and has not taken much memory.
#[track_caller]
fn is_well(server: &mut Server) {
    assert_eq!(server.value("await callTool('stub', 'echo', { text: 'well' })"), "well");
    let peak = peak_mebibytes(server.pid());
    assert!(peak < 300, "{peak} MiB");
    assert!(server.log().len() < 1 << 20, "{} bytes of log", server.log().len());
}

#[test]
fn tools_are_listed_and_called_with_the_configured_headers() {
    let up = Old::start(plain());
    let headers = json!({ "Authorization": "Bearer env:UP_TOKEN", "X-Team": "a" });
    let home = Home::with(&json!({ "up": up.entry(json!({ "headers": headers })) }));
    let mut server = Server::at(home, &[("UP_TOKEN", "TOKEN-CANARY")]);
    let listed = server.listed("up");
    assert_eq!((&listed["tools"], &listed["error"]), (&json!(3), &Value::Null), "{listed:#}");
    assert_eq!(server.value(ECHO), "hello");
    for request in up.requests() {
        assert_eq!(request.authorization.as_deref(), Some("Bearer TOKEN-CANARY"), "{request:?}");
        assert_eq!(request.team.as_deref(), Some("a"), "{request:?}");
    }
    assert!(!server.log().contains("CANARY"), "{}", server.log());
}

#[test]
fn the_newer_transport_is_tried_first() {
    let up = Old::start(plain());
    let mut server = up.client();
    assert_eq!(server.value(ECHO), "hello");
    let requests = up.requests();
    let first: Vec<_> = requests.iter().map(|request| request.method.as_str()).take(3).collect();
    assert_eq!(first, ["POST", "POST", "GET"]);
    assert_eq!(requests[0].message["method"], "server/discover");
    assert_eq!(requests[1].message["method"], "initialize");
    assert_eq!(requests[1].message["params"]["protocolVersion"], "2025-11-25");
}

#[test]
fn whatever_an_entry_calls_it_and_its_server_says_to_the_newer_transport() {
    for (kind, post) in [
        ("sse", NOT_ALLOWED),
        ("http", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        ("http", "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno"),
    ] {
        let up = Old::start(Manner { post: Some(post), ..plain() });
        let mut server = Server::with(&json!({ "up": up.entry(json!({ "type": kind })) }));
        assert_eq!(server.value(ECHO), "hello", "{kind} {post}");
    }
}

/// Some open the stream whatever the method is.
#[test]
fn a_stream_instead_of_an_answer_shows_what_the_server_is() {
    let up = Old::start(Manner { post: None, ..plain() });
    let mut server = up.client();
    assert_eq!(server.value(ECHO), "hello");
}

#[test]
fn nothing_is_sent_to_an_endpoint_elsewhere() {
    let elsewhere = Old::start(plain());
    let endpoint = format!("http://{}{ENDPOINT}", elsewhere.address);
    let up = Old::start(Manner { endpoint, ..plain() });
    let mut server = up.client();
    let listed = server.listed("up");
    let reason = listed["error"].as_str().expect("a reason");
    assert!(reason.contains("endpoint") && reason.contains("nothing is sent to"), "{reason}");
    assert!(reason.contains(&elsewhere.address.to_string()), "{reason}");
    assert!(elsewhere.requests().is_empty(), "{:?}", elsewhere.requests());
    assert!(within(PATIENCE, || up.is_closed()));
}

#[test]
fn a_url_of_neither_transport_is_told_by_what_it_said_first() {
    let up = Old::start(plain());
    let url = format!("http://{}/nothing", up.address);
    let mut server = Server::with(&json!({ "up": { "url": url } }));
    let listed = server.listed("up");
    let reason = listed["error"].as_str().expect("a reason");
    assert!(reason.contains("404") && !reason.contains("rmcp::"), "{reason}");
}

#[test]
fn a_stream_that_ends_fails_its_calls_and_the_next_one_opens_another() {
    let up = Old::start(plain());
    let mut server = up.client();
    assert_eq!(server.value(ECHO), "hello");
    let call = server.start_call(RUN, json!({ "deno_code": "await callTool('up', 'hang')" }));
    let hangs = || up.requests().iter().any(|request| request.message["params"]["name"] == "hang");
    assert!(within(PATIENCE, hangs));
    up.end_stream();
    let result = server.result(call);
    let error = result["structuredContent"]["error"].as_str().expect("an error");
    assert!(error.contains("\"up\" ended or closed the connection"), "{error}");
    let again = || server.run(ECHO)["returnValue"] == "hello";
    assert!(within(PATIENCE, again), "{}", server.log());
    // What it is, is known by then.
    assert_eq!((up.to_stream("POST"), up.to_stream("GET")), (2, 2));
}

#[test]
fn a_call_that_hangs_ends_with_its_run_and_is_cancelled() {
    let up = Old::start(plain());
    let mut server = up.client();
    assert_eq!(server.value(ECHO), "hello");
    let execution = server.execute("await callTool('up', 'hang')", json!({ "timeout": 3000 }));
    assert_eq!(execution["errorType"], "timeout", "{execution:#}");
    assert!(within(PATIENCE, || up.heard("notifications/cancelled")), "{:?}", up.requests());
    assert_eq!(server.value(ECHO), "hello");
}

#[test]
fn a_result_that_is_too_large_is_an_error_of_its_call_only() {
    let up = Old::start(plain());
    let mut server = up.client();
    let (_, message) = server.thrown("callTool('up', 'big', { bytes: 12_000_000 })");
    assert!(message.contains("8388608 bytes"), "{message}");
    let code = "(await callTool('up', 'big', { bytes: 1_000_000 })).length";
    assert_eq!(server.value(code), 1_000_000);
    assert_eq!(up.opened(), 1);
    is_well(&mut server);
}

#[test]
fn an_event_without_end_is_none() {
    let hang = |stream: &mut TcpStream| -> std::io::Result<()> {
        stream.write_all(b"data: {\"result\":\"")?;
        loop {
            stream.write_all(&[b'x'; 65536])?;
        }
    };
    let up = Old::start(Manner { hang, ..plain() });
    let mut server = up.client();
    assert_eq!(server.value(ECHO), "hello");
    let (_, message) = server.thrown("callTool('up', 'hang')");
    assert!(message.contains("\"up\" ended or closed the connection"), "{message}");
    assert!(within(PATIENCE, || up.is_closed()), "{}", server.log());
    is_well(&mut server);
}

#[test]
fn a_flood_of_requests_ends_the_connection() {
    let hang = |stream: &mut TcpStream| -> std::io::Result<()> {
        loop {
            stream.write_all(b"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\n")?;
        }
    };
    let up = Old::start(Manner { hang, ..plain() });
    let mut server = up.client();
    assert_eq!(server.value(ECHO), "hello");
    let (_, message) = server.thrown("callTool('up', 'hang')");
    assert!(message.contains("\"up\""), "{message}");
    server.logs(&["up", "disconnected"]);
    is_well(&mut server);
}

#[test]
fn endpoints_without_end_are_no_messages() {
    let hang = |stream: &mut TcpStream| -> std::io::Result<()> {
        let endpoint = format!("event: endpoint\ndata: /{}\n\n", "x".repeat(100_000));
        for _ in 0..100 {
            stream.write_all(endpoint.as_bytes())?;
        }
        Ok(())
    };
    let up = Old::start(Manner { hang, ..plain() });
    let mut server = up.client();
    assert_eq!(server.value(ECHO), "hello");
    let execution = server.execute("await callTool('up', 'hang')", json!({ "timeout": 1000 }));
    assert_eq!(execution["errorType"], "timeout", "{execution:#}");
    assert_eq!((server.value(ECHO), up.opened()), (json!("hello"), 1));
    is_well(&mut server);
}
