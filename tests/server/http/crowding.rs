//! More connections than there are places: who is answered all the same, who waits,
//! who goes.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use serde_json::json;

use crate::support::http::Server;
use crate::support::http_clients::{Caller, LegacySession};
use crate::support::snippets::RUN;
use crate::support::waiting::{PATIENCE, within};
use crate::support::wire::{Connection, Request};

/// Places, for the tests that fill them.
const PLACES: &str = "4";

/// More than the places and those beyond them for probes.
const FLOOD: usize = 200;

fn is_silence(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Whether the server has closed a connection on which it has said nothing.
fn is_closed(silent: &mut Connection) -> bool {
    silent.patience(Duration::from_millis(100));
    silent.head().is_err_and(|error| !is_silence(&error))
}

/// Whether a stream goes on.
fn is_open(stream: &mut Connection) -> bool {
    stream.patience(Duration::from_millis(100));
    match stream.piece() {
        Ok(piece) => !piece.is_empty(),
        Err(error) => is_silence(&error),
    }
}

#[track_caller]
fn probes_are_answered(server: &Server) {
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn silent_connections_keep_neither_probes_nor_callers_out() {
    let server = Server::start(&[("MCP_CONDUCTOR_MAX_CLIENTS", PLACES)], &[]);
    let mut silent: Vec<_> = (0..FLOOD).map(|_| server.connect()).collect();
    probes_are_answered(&server);
    server.works();
    assert!(within(PATIENCE, || is_closed(&mut silent[0])), "the oldest stays");
    server.logs(&["rejection", "crowd"]);
}

#[test]
fn half_a_head_keeps_no_place_from_who_has_a_token() {
    let (server, token) = Server::with_token(&[("MCP_CONDUCTOR_MAX_CLIENTS", PLACES)]);
    let halves: Vec<_> = (0..FLOOD)
        .map(|_| {
            let mut connection = server.connect();
            // The server may have closed it already.
            let _ = connection.write(b"POST /mcp HTTP/1.1\r\nHost: ");
            connection
        })
        .collect();
    probes_are_answered(&server);
    assert_eq!(server.client_as(&token).value("40 + 2"), 42);
    server.logs(&["rejection", "crowd"]);
    drop(halves);
}

#[test]
fn who_has_been_refused_keeps_no_place_from_who_has_a_token() {
    let (server, token) = Server::with_token(&[("MCP_CONDUCTOR_MAX_CLIENTS", PLACES)]);
    let mut refused: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for connection in &mut refused {
        connection.send(&Request::post("{}"));
        assert_eq!(connection.receive().expect("an answer").status, 401);
    }
    assert_eq!(server.client_as(&token).value("40 + 2"), 42);
}

#[test]
fn callers_past_the_limit_wait_until_there_is_room_and_probes_do_not() {
    let server = Server::start(&[("MCP_CONDUCTOR_MAX_CLIENTS", PLACES)], &[]);
    let session = LegacySession::open(&server);
    let mut streams: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = server.connect();
            stream.send(&session.listen(None));
            assert_eq!(stream.head().expect("a stream").status, 200);
            stream
        })
        .collect();
    probes_are_answered(&server);
    let program = json!({ "name": RUN, "arguments": { "deno_code": "40 + 2" } });
    let mut fifth = server.client().start("tools/call", program);
    fifth.patience(Duration::from_millis(500));
    assert!(fifth.receive().is_err(), "there is no place");
    // It is in line all the same.
    streams.truncate(3);
    fifth.patience(PATIENCE);
    let answer = fifth.receive().expect("an answer").answer();
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], 42);
    // Who is known has stayed.
    assert!(streams.iter_mut().all(is_open));
}

#[test]
fn a_probe_gets_one_answer_and_its_connection_is_closed() {
    let server = Server::start(&[], &[]);
    let mut connection = server.connect();
    connection.send(&Request::new("GET", "/health"));
    let answer = connection.receive().expect("an answer");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    let head = server.raw(b"HEAD /health?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    // Byte by byte, and as one of several.
    let slow = server.raw(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(slow.starts_with("HTTP/1.1 404 "), "{slow}");
}
