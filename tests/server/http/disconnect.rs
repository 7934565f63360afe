//! Clients that go away while their program runs: it ends, and nobody else's does.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::http::Server;
use crate::support::http_clients::{Caller, LegacySession, answer_of, program};
use crate::support::snippets::{ENDLESS, RUN, sleeper};
use crate::support::waiting::within;

/// Without sessions a dropped connection is a cancellation (MCP 2026-07-28,
/// transports): this much is for the machine, less than a client with a session has.
const AT_ONCE: Duration = Duration::from_millis(2900);

/// With a session a client may come back to its stream: it has 3 s, and the
/// machine the rest.
const SOON: Duration = Duration::from_secs(10);

/// A server at rest, and how many processes it has then.
fn at_rest() -> (Server, usize) {
    let server = Server::start(&[], &[]);
    server.works();
    let processes = server.settled_processes(0);
    (server, processes)
}

#[track_caller]
fn one_more_runs(server: &Server, processes: usize) {
    let runs = within(Duration::from_secs(10), || server.processes() > processes);
    assert!(runs, "{} processes", server.processes());
    assert_eq!(server.settled_processes(1), processes + 1);
}

fn endless() -> serde_json::Value {
    json!({ "name": RUN, "arguments": { "deno_code": ENDLESS, "timeout": 60_000 } })
}

#[test]
fn a_stateless_client_that_goes_away_ends_its_run_at_once() {
    let (server, processes) = at_rest();
    for code in [ENDLESS, "while (true) {}"] {
        let connection = server.client().start_program(code);
        one_more_runs(&server, processes);
        drop(connection);
        server.none_runs_within(processes, AT_ONCE);
        server.works();
    }
}

#[test]
fn a_stateless_client_that_has_heard_nothing_yet_ends_its_run_too() {
    let (server, processes) = at_rest();
    let connection = server.client().start("tools/call", endless());
    one_more_runs(&server, processes);
    drop(connection);
    server.none_runs_within(processes, AT_ONCE);
    server.works();
}

#[test]
fn a_client_with_a_session_that_goes_away_ends_its_run_after_some_time() {
    let (server, processes) = at_rest();
    let session = LegacySession::open(&server);
    let connection = session.start_program(ENDLESS);
    one_more_runs(&server, processes);
    let gone = Instant::now();
    drop(connection);
    server.none_runs_within(processes, SOON);
    assert!(gone.elapsed() >= Duration::from_secs(2), "{:?}", gone.elapsed());
    // The session is there for other calls.
    assert_eq!(session.value("1 + 1"), 2);
}

#[test]
fn a_client_with_a_session_that_comes_back_has_its_result() {
    let (server, processes) = at_rest();
    let session = LegacySession::open(&server);
    let request = session.request("tools/call", program(&sleeper(5000)));
    let mut connection = server.connect();
    connection.send(&request);
    assert_eq!(connection.head().expect("an answer").status, 200);
    let mut last = None;
    loop {
        let event = connection.event().expect("a stream").expect("it goes on");
        last = event.id.clone().or(last);
        if event.message().is_some_and(|message| message["params"]["message"] == "on") {
            break;
        }
    }
    drop(connection);
    // The scrape's own: the server has noticed that the other is gone.
    server.becomes(&[("http_connections", 1.0)]);
    let mut again = server.connect();
    again.send(&session.listen(last.as_deref()));
    assert_eq!(again.head().expect("an answer").status, 200);
    // The run takes longer than the time that a client has to come back.
    let answer = answer_of(&mut again);
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
    let message: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
    assert_eq!(answer["id"], message["id"]);
    server.none_runs_within(processes, SOON);
}

#[test]
fn a_client_that_comes_back_and_goes_again_ends_its_run() {
    let (server, processes) = at_rest();
    let session = LegacySession::open(&server);
    let mut connection = session.start("tools/call", program(ENDLESS));
    connection.head().expect("an answer");
    let mut last = None;
    loop {
        let event = connection.event().expect("a stream").expect("it goes on");
        last = event.id.clone().or(last);
        if event.message().is_some_and(|message| message["params"]["message"] == "on") {
            break;
        }
    }
    drop(connection);
    let mut again = server.connect();
    again.send(&session.listen(last.as_deref()));
    assert_eq!(again.head().expect("an answer").status, 200);
    sleep(Duration::from_secs(4));
    assert!(server.processes() > processes, "somebody listens");
    drop(again);
    server.none_runs_within(processes, SOON);
}

#[test]
fn another_client_cannot_keep_the_run_by_listening_elsewhere() {
    let (server, processes) = at_rest();
    let (session, other) = (LegacySession::open(&server), LegacySession::open(&server));
    let connection = session.start_program(ENDLESS);
    let mut listening = server.connect();
    listening.send(&other.listen(Some("0/1")));
    drop(connection);
    server.none_runs_within(processes, SOON);
}

#[test]
fn runs_of_others_go_on() {
    let (server, _) = at_rest();
    let (first, second) = (LegacySession::open(&server), LegacySession::open(&server));
    let mut kept = [
        second.start_program(&sleeper(5000)),
        first.start_program(&sleeper(5000)),
        server.client().start_program(&sleeper(5000)),
    ];
    drop(first.start_program(ENDLESS));
    drop(server.client().start_program(ENDLESS));
    for connection in &mut kept {
        let answer = answer_of(connection);
        assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
    }
}

#[test]
fn a_run_that_is_cancelled_by_its_client_ends_at_once() {
    let (server, processes) = at_rest();
    let session = LegacySession::open(&server);
    let request = session.request("tools/call", program(ENDLESS));
    let message: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
    let mut connection = server.connect();
    connection.send(&request);
    connection.head().expect("an answer");
    connection.message_where(|message| message["params"]["message"] == "on");
    one_more_runs(&server, processes);
    let params = json!({ "requestId": message["id"], "reason": "enough" });
    assert_eq!(session.notify("notifications/cancelled", params), 202);
    server.none_runs_within(processes, SOON);
    assert_eq!(session.value("1"), 1);
}

#[test]
fn a_run_ends_with_its_session() {
    let (server, processes) = at_rest();
    let session = LegacySession::open(&server);
    let _connection = session.start_program(ENDLESS);
    one_more_runs(&server, processes);
    session.close();
    server.none_runs_within(processes, SOON);
    server.works();
}

#[test]
fn a_client_that_reads_nothing_delays_nobody() {
    let (server, processes) = at_rest();
    let code = "for (let i = 0; i < 20_000; i++) console.log('x'.repeat(40)); 'end'";
    let silent: Vec<_> =
        (0..4).map(|_| server.client().start("tools/call", program(code))).collect();
    for number in 0..5 {
        assert_eq!(server.client().value(&format!("{number}")), number);
    }
    drop(silent);
    server.none_runs_within(processes, Duration::from_secs(10));
}

#[test]
fn connections_that_break_in_the_middle_of_a_request_leave_nothing() {
    let (server, processes) = at_rest();
    let bytes = server.client().request("tools/call", endless()).bytes(server.port);
    for cut in [1, 10, bytes.len() / 2, bytes.len() - 20, bytes.len() - 1] {
        let mut connection = server.connect();
        connection.write(&bytes[..cut]).expect("sent");
        drop(connection);
    }
    server.works();
    assert_eq!(server.settled_processes(0), processes);
}
