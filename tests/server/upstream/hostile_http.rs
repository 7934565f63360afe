//! Servers over HTTP that say too much, or nothing that has an end.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Request, answer, response};
use crate::support::pipes::Server;
use crate::support::processes::peak_mebibytes;
use crate::support::upstreams::upstream;
use crate::support::waiting::within;

const PATIENCE: Duration = Duration::from_secs(60);

const SESSION: &str = "mcp-session-id: s1\r\n";

/// Writes until nobody reads any more.
type Body = fn(&mut TcpStream, &Value) -> std::io::Result<()>;

/// What it does with a stream that is opened, and with a call of a tool.
#[derive(Clone, Copy)]
struct Manner {
    session: &'static str,
    stream: Body,
    call: Body,
}

/// A server of sessions that goes on until the test process ends.
struct Hostile {
    address: SocketAddr,
    /// When streams were opened, and how many were closed by who reads them.
    opened: Arc<Mutex<Vec<Instant>>>,
    closed: Arc<Mutex<usize>>,
}

impl Hostile {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let hostile = Self { address, opened: Arc::default(), closed: Arc::default() };
        let (opened, closed) = (hostile.opened.clone(), hostile.closed.clone());
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let (opened, closed) = (opened.clone(), closed.clone());
                spawn(move || serve(&stream, manner, &opened, &closed));
            }
        });
        hostile
    }

    fn client(&self) -> Server {
        let url = format!("http://{}/mcp", self.address);
        Server::with(&json!({ "up": { "url": url }, "stub": upstream(&["stub"]) }))
    }

    fn is_closed(&self) -> bool {
        *self.closed.lock().unwrap() > 0
    }
}

fn serve(
    stream: &TcpStream,
    manner: Manner,
    opened: &Mutex<Vec<Instant>>,
    closed: &Mutex<usize>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream.try_clone()?;
    while let Some(request) = Request::read(&mut reader)? {
        let body = match request.method.as_str() {
            "GET" => {
                opened.lock().unwrap().push(Instant::now());
                manner.stream
            }
            "POST" if request.message["method"] == "tools/call" => manner.call,
            "POST" => {
                writer.write_all(simple(&request.message, manner.session).as_bytes())?;
                continue;
            }
            _ => {
                writer.write_all(response("405 Method Not Allowed", "", "").as_bytes())?;
                continue;
            }
        };
        if body(&mut writer, &request.message).is_err() {
            *closed.lock().unwrap() += 1;
        }
        return stream.shutdown(std::net::Shutdown::Both);
    }
    Ok(())
}

fn simple(message: &Value, session: &str) -> String {
    if message["id"].is_null() {
        return response("202 Accepted", "", "");
    }
    let answer = answer(message).expect("an answer");
    let session = if message["method"] == "initialize" { session } else { "" };
    let headers = format!("content-type: application/json\r\n{session}");
    response("200 OK", &headers, &answer.to_string())
}

fn begin(writer: &mut TcpStream, kind: &str) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
    writer.write_all(head.as_bytes())
}

fn without_end(writer: &mut TcpStream, kind: &str, text: &str) -> std::io::Result<()> {
    begin(writer, kind)?;
    loop {
        writer.write_all(text.as_bytes())?;
    }
}

/// An event whose last line has no end.
fn endless_event(writer: &mut TcpStream, start: &str) -> std::io::Result<()> {
    begin(writer, "text/event-stream")?;
    writer.write_all(start.as_bytes())?;
    loop {
        writer.write_all(&[b'x'; 65536])?;
    }
}

/// A stream that says nothing and stays.
fn quiet(writer: &mut TcpStream, _: &Value) -> std::io::Result<()> {
    begin(writer, "text/event-stream")?;
    loop {
        std::thread::sleep(Duration::from_millis(100));
        writer.write_all(b": quiet\n\n")?;
    }
}

fn hangs(_: &mut TcpStream, _: &Value) -> std::io::Result<()> {
    std::thread::sleep(PATIENCE);
    Ok(())
}

fn message(text: &str) -> String {
    format!("data: {text}\n\n")
}

const PLAIN: Manner = Manner { session: SESSION, stream: quiet, call: hangs };

/// The server works, and has not taken much memory.
#[track_caller]
fn is_well(server: &mut Server) {
    assert_eq!(server.value("1 + 1"), 2);
    assert_eq!(server.value("await callTool('stub', 'echo', { text: 'well' })"), "well");
    let peak = peak_mebibytes(server.pid());
    eprintln!("peak: {peak} MiB, log: {} bytes", server.log().len());
    assert!(peak < 300, "{peak} MiB");
    assert!(server.log().len() < 1 << 20, "{} bytes of log", server.log().len());
}

#[test]
fn a_flood_of_requests_ends_the_connection() {
    let stream = |writer: &mut TcpStream, _: &Value| -> std::io::Result<()> {
        let id = "x".repeat(200_000);
        let ping = format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"ping"}}"#);
        without_end(writer, "text/event-stream", &message(&ping))
    };
    let up = Hostile::start(Manner { stream, ..PLAIN });
    let mut server = up.client();
    assert!(within(PATIENCE, || up.is_closed()), "{}", server.log());
    server.logs(&["up", "disconnected"]);
    is_well(&mut server);
}

#[test]
fn small_requests_without_end_end_the_connection_too() {
    let stream = |writer: &mut TcpStream, _: &Value| -> std::io::Result<()> {
        let ping = message(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        without_end(writer, "text/event-stream", &ping)
    };
    let up = Hostile::start(Manner { stream, ..PLAIN });
    let mut server = up.client();
    assert!(within(PATIENCE, || up.is_closed()), "{}", server.log());
    is_well(&mut server);
}

#[test]
fn a_flood_of_notifications_on_a_stream_drowns_nobody() {
    let stream = |writer: &mut TcpStream, _: &Value| -> std::io::Result<()> {
        let token = "t".repeat(100_000);
        let params = json!({ "progressToken": token, "progress": 1 });
        let progress = json!({
            "jsonrpc": "2.0", "method": "notifications/progress", "params": params,
        });
        begin(writer, "text/event-stream")?;
        for _ in 0..1000 {
            writer.write_all(message(&progress.to_string()).as_bytes())?;
        }
        Err(std::io::ErrorKind::Other.into())
    };
    let up = Hostile::start(Manner { stream, ..PLAIN });
    let mut server = up.client();
    assert!(within(PATIENCE, || up.is_closed()), "{}", server.log());
    assert_eq!(server.listed("up")["tools"], 3);
    is_well(&mut server);
}

#[test]
fn an_event_without_end_is_none() {
    let stream = |writer: &mut TcpStream, _: &Value| endless_event(writer, "data: ");
    let up = Hostile::start(Manner { stream, ..PLAIN });
    let mut server = up.client();
    assert!(within(PATIENCE, || up.is_closed()), "{}", server.log());
    assert_eq!(server.listed("up")["tools"], 3);
    is_well(&mut server);
}

#[test]
fn a_body_without_end_is_an_error_of_its_call() {
    let call = |writer: &mut TcpStream, _: &Value| -> std::io::Result<()> {
        without_end(writer, "application/json", &" ".repeat(65536))
    };
    let up = Hostile::start(Manner { call, ..PLAIN });
    let mut server = up.client();
    let (_, message) = server.thrown("callTool('up', 'echo', { text: 'a' })");
    assert!(message.contains("8388608 bytes"), "{message}");
    is_well(&mut server);
}

#[test]
fn an_answer_that_is_too_long_is_an_error_of_its_call_on_a_stream_too() {
    let id_first = |writer: &mut TcpStream, request: &Value| -> std::io::Result<()> {
        let id = &request["id"];
        let head = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text""#);
        endless_event(writer, &format!("id: 1\ndata: {head},\"text\":\""))
    };
    // As the SDK for TypeScript writes it, with an event from which to go on.
    let id_last = |writer: &mut TcpStream, _: &Value| -> std::io::Result<()> {
        let head = r#"{"result":{"content":[{"type":"text","text":""#;
        endless_event(writer, &format!("id: 1\ndata:\n\ndata: {head}"))
    };
    for call in [id_first as Body, id_last] {
        let up = Hostile::start(Manner { call, ..PLAIN });
        let mut server = up.client();
        let (_, message) = server.thrown("callTool('up', 'echo', { text: 'a' })");
        assert!(message.contains("8388608 bytes"), "{message}");
        is_well(&mut server);
    }
}

#[test]
fn a_stream_that_ends_is_opened_again_after_a_second_whatever_the_server_wishes() {
    let stream = |writer: &mut TcpStream, _: &Value| -> std::io::Result<()> {
        begin(writer, "text/event-stream")?;
        writer.write_all(b"id: 1\nretry: 0\ndata:\n\n")
    };
    let broken = |writer: &mut TcpStream, _: &Value| -> std::io::Result<()> {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9\r\n\r\n";
        writer.write_all(head.as_bytes())
    };
    for stream in [stream as Body, broken] {
        let up = Hostile::start(Manner { stream, ..PLAIN });
        let mut server = up.client();
        let opened = || up.opened.lock().unwrap().clone();
        assert!(within(PATIENCE, || opened().len() >= 3), "{}", server.log());
        let times = opened();
        assert!(times[2] - times[0] >= Duration::from_millis(1900), "{times:?}");
        is_well(&mut server);
    }
}

#[test]
fn a_name_of_a_session_has_an_end() {
    let session: &'static str =
        Box::leak(format!("mcp-session-id: {}\r\n", "s".repeat(2000)).into_boxed_str());
    let up = Hostile::start(Manner { session, ..PLAIN });
    let mut server = up.client();
    let listed = server.listed("up");
    let reason = listed["error"].as_str().expect("a reason");
    assert!(reason.contains("mcp-session-id"), "{reason}");
    is_well(&mut server);
}
