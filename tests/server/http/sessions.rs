//! Sessions of the protocol before 2026-07-28.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::Server;
use crate::support::http_clients::{Caller as _, LegacySession, initialize, is_done, of_both_eras};
use crate::support::snippets::{ENDLESS, sleeper};
use crate::support::wire::Request;

/// A run that has nobody left ends at once; the machine has the rest.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_session_ends_when_its_client_deletes_it() {
    let server = Server::start(&[], &[]);
    let (kept, ended) = (LegacySession::open(&server), LegacySession::open(&server));
    assert_eq!(ended.value("1"), 1);
    assert!(matches!(ended.close().status, 200 | 202 | 204));
    // MCP 2025-11-25, transports: 404, so that the client opens another one.
    assert_eq!(ended.ask("tools/list", json!({})).status, 404);
    assert_eq!(server.send(&ended.listen(None)).status, 404);
    assert_eq!(kept.value("2"), 2);
}

#[test]
fn a_session_that_never_was_is_not_found() {
    let server = Server::start(&[], &[]);
    let real = LegacySession::open(&server);
    let near = real.id.replace(|c: char| c.is_ascii_digit(), "0");
    let long = "a".repeat(5000);
    for id in [near.as_str(), "x", "../../etc/passwd", "%00", long.as_str()] {
        let other = LegacySession { id: id.to_owned(), ..real.clone() };
        assert_eq!(other.ask("tools/list", json!({})).status, 404, "{id}");
        assert_eq!(server.send(&other.listen(None)).status, 404, "{id}");
        assert_eq!(other.notify("notifications/initialized", json!({})), 404, "{id}");
    }
    assert_eq!(real.value("1"), 1);
}

#[test]
fn a_request_of_a_session_without_its_id_is_refused() {
    let server = Server::start(&[], &[]);
    for method in ["tools/list", "tools/call", "ping"] {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": {} });
        assert_eq!(server.post(&message).status, 400, "{method}");
    }
    let session = LegacySession::open(&server);
    assert_eq!(server.send(&session.listen(None).without("mcp-session-id")).status, 400);
}

#[test]
fn ids_of_sessions_cannot_be_guessed() {
    let server = Server::start(&[], &[]);
    let ids: Vec<String> = (0..20).map(|_| LegacySession::open(&server).id).collect();
    for (index, id) in ids.iter().enumerate() {
        // 122 random bits of a UUID and more: MCP 2025-11-25, security best practices.
        assert!(id.len() >= 32 && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
        assert!(!ids[..index].contains(id), "{id} twice");
        let shared = ids[0].bytes().zip(id.bytes()).take_while(|(a, b)| a == b).count();
        assert!(index == 0 || shared < 12, "{id} begins as {}", ids[0]);
    }
}

#[test]
fn a_session_survives_calls_that_fail() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    let unknown = session.ask("tools/call", json!({ "name": "nothing" })).answer();
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    let unknown = session.ask("no/such", json!({})).answer();
    assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
    let failed = session.call("throw new Error('no')");
    assert_eq!(failed["errorType"], "runtime");
    let killed = session.call("const all = []; while (true) all.push(new Array(1e6).fill(1))");
    assert_eq!(killed["status"], "error", "{killed:#}");
    assert_eq!(session.value("'still there'"), "still there");
}

#[test]
fn a_principal_has_so_many_sessions_and_no_more() {
    let server = Server::start(&[("MCP_CONDUCTOR_MAX_SESSIONS", "2")], &[]);
    let (first, second) = (LegacySession::open(&server), LegacySession::open(&server));
    let refused = server.send(&initialize(&json!({})));
    assert_eq!(refused.status, 503, "{}", refused.text());
    let wait: u32 = refused.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
    assert!(refused.text().contains("MCP_CONDUCTOR_MAX_SESSIONS"), "{}", refused.text());
    // Those who have one keep it, and those who need none are served.
    assert_eq!((first.value("1"), second.value("2")), (json!(1), json!(2)));
    server.works();
    first.close();
    let third = LegacySession::open(&server);
    assert_eq!(third.value("3"), 3);
}

#[test]
fn an_older_client_is_answered_in_its_version() {
    let server = Server::start(&[], &[]);
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut message: Value =
            serde_json::from_slice(&initialize(&json!({})).body).expect("JSON");
        message["params"]["protocolVersion"] = json!(version);
        let response = server.post(&message);
        assert_eq!(response.status, 200, "{version}");
        assert_eq!(response.answer()["result"]["protocolVersion"], version);
        assert!(response.header("mcp-session-id").is_some());
    }
}

#[test]
fn a_version_that_nobody_speaks_is_refused_with_those_that_it_speaks() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    let request = session.request("tools/list", json!({})).header("MCP-Protocol-Version", "1999");
    assert_eq!(server.send(&request).status, 400);
    let modern = server.client().request("tools/list", json!({}));
    let response = server.send(&modern.header("MCP-Protocol-Version", "2999-01-01"));
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!(session.value("1"), 1);
}

/// SEP-2243: machines between decide by the headers, which must not say otherwise.
#[test]
fn headers_that_contradict_the_body_are_refused() {
    let server = Server::start(&[], &[]);
    let request = server.client().request("tools/call", json!({ "name": "nothing" }));
    for (name, value) in [("Mcp-Method", "tools/list"), ("Mcp-Name", "health")] {
        let response = server.send(&request.clone().header(name, value));
        assert_eq!(response.status, 400, "{name}: {}", response.text());
        let response = server.send(&request.clone().without(name));
        assert_eq!(response.status, 400, "{name}: {}", response.text());
    }
    server.works();
}

#[test]
fn notifications_are_accepted_without_an_answer() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    let cancelled = json!({ "requestId": 4711, "reason": "nothing of that id" });
    assert_eq!(session.notify("notifications/cancelled", cancelled), 202);
    assert_eq!(session.notify("notifications/nothing", json!({})), 202);
    assert_eq!(session.value("1"), 1);
}

#[test]
fn the_stream_of_a_session_is_open_and_says_nothing_unasked() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    let mut stream = server.connect();
    stream.send(&session.listen(None));
    let head = stream.head().expect("an answer");
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(session.value("console.log('not there'); 1"), 1);
    sleep(Duration::from_millis(200));
    session.close();
    // It ends with the session, and there was no message on it.
    assert_eq!(stream.message().expect("a stream"), None);
}

#[test]
fn tools_are_listed_alike_in_both_eras() {
    let server = Server::start(&[], &[]);
    let [modern, legacy] = of_both_eras(&server);
    let names = |list: Value| -> Vec<Value> {
        let tools = list["tools"].as_array().cloned().expect("tools");
        tools.iter().map(|tool| tool["name"].clone()).collect()
    };
    let tools = names(modern.result("tools/list", json!({})));
    assert_eq!(tools.len(), 8);
    assert_eq!(tools, names(legacy.result("tools/list", json!({}))));
}

#[test]
fn a_session_that_was_never_completed_disturbs_nobody() {
    let server = Server::start(&[], &[]);
    for _ in 0..10 {
        assert_eq!(server.send(&initialize(&json!({}))).status, 200);
    }
    // A client that goes away in the middle of it.
    let mut connection = server.connect();
    connection.send(&initialize(&json!({})));
    drop(connection);
    assert_eq!(LegacySession::open(&server).value("1"), 1);
}

#[test]
fn a_session_id_on_a_stateless_request_means_nothing() {
    let server = Server::start(&[], &[]);
    let request = server.client().request("tools/list", json!({}));
    let response = server.send(&request.header("Mcp-Session-Id", "nothing"));
    assert_eq!(response.status, 200, "{}", response.text());
    let health = Request::new("GET", "/health").header("Mcp-Session-Id", "nothing");
    assert_eq!(server.send(&health).status, 200);
}

#[test]
fn the_end_of_a_session_is_answered_with_204_and_ends_its_run() {
    let server = Server::start(&[], &[]);
    server.works();
    let processes = server.settled_processes(0);
    let (ended, kept) = (LegacySession::open(&server), LegacySession::open(&server));
    let _running = ended.start_program(ENDLESS);
    server.runs_beside(processes, 1);
    let response = ended.close();
    assert_eq!((response.status, response.text()), (204, String::new()));
    server.none_runs_within(processes, SOON);
    assert_eq!(ended.ask("tools/list", json!({})).status, 404);

    // Another session's run is its own.
    let mut running = kept.start_program(&sleeper(2000));
    let ended = LegacySession::open(&server);
    assert_eq!(ended.close().status, 204);
    is_done(&mut running);
}
