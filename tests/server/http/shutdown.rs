//! The end of the server: runs in flight have some time, and nothing stays behind.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::http::{Server, on_the_port_of};
use crate::support::http_clients::{Caller as _, LegacySession, answer_of, of_both_eras};
use crate::support::processes::Family;
use crate::support::snippets::{ENDLESS, RUN, sleeper, waiter};
use crate::support::upstreams::upstream;
use crate::support::waiting::{PATIENCE, within};
use crate::support::wire::{Connection, Request};

/// Less than what a worker that is left behind has: 10 s of CPU time, or for ever.
const SOON: Duration = Duration::from_secs(8);

/// Less than the 8 s that runs have if nothing else is set.
const BEFORE_THE_DEFAULT: Duration = Duration::from_secs(7);

/// Sends SIGTERM and waits until the server has noticed. What `/ready` says then; nothing
/// if nobody listens any more.
#[track_caller]
fn told_to_end(server: &Server) -> Option<(u16, String)> {
    server.signal(Signal::SIGTERM);
    let mut last = None;
    let noticed = within(PATIENCE, || {
        last = status_of(server, &Request::new("GET", "/ready"));
        last.as_ref().is_none_or(|(status, _)| *status != 200)
    });
    assert!(noticed, "it is still ready");
    last
}

#[test]
fn an_idle_server_ends_at_once_with_zero_whoever_is_connected() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Server::start(&[], &[]);
        let session = LegacySession::open(&server);
        let mut stream = server.connect();
        stream.send(&session.listen(None));
        assert_eq!(stream.head().expect("an answer").status, 200);
        let mut kept = server.connect();
        assert_eq!(kept.exchange(&Request::new("GET", "/health")).status, 200);
        let _silent = server.connect();
        let family = Family::below(server.pid());
        assert!(!family.is_empty(), "a server has a zygote");

        let start = Instant::now();
        server.signal(signal);
        assert_eq!(server.wait(PATIENCE).code(), Some(0), "{}", server.log());
        assert!(start.elapsed() < BEFORE_THE_DEFAULT, "{:?}", start.elapsed());
        assert!(within(SOON, || family.is_gone()), "something is left");
        assert!(kept.closes_within(SOON));
    }
}

#[test]
fn a_run_in_flight_is_answered_before_the_end() {
    let mut server = Server::start(&[], &[]);
    let code = waiter("go");
    let mut running: Vec<Connection> =
        of_both_eras(&server).iter().map(|client| client.start_program(&code)).collect();
    // One that has heard nothing yet.
    let quiet = json!({ "name": RUN, "arguments": { "deno_code": code } });
    let mut quiet = server.client().start("tools/call", quiet);
    server.becomes(&[("executions_active", 3.0)]);
    let family = Family::below(server.pid());
    told_to_end(&server);
    server.release("go");
    for connection in &mut running {
        let answer = answer_of(connection);
        assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
    }
    let answer = quiet.receive().expect("an answer").answer();
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
    assert_eq!(server.wait(PATIENCE).code(), Some(0), "{}", server.log());
    assert!(within(SOON, || family.is_gone()), "something is left");
}

#[test]
fn a_server_that_ends_is_not_ready_and_takes_no_calls() {
    let mut server = Server::start(&[], &[]);
    let mut running = server.client().start_program(&sleeper(3000));
    assert_eq!(server.get("/ready").status, 200);
    // It answers while it has runs, so that whoever asks hears why.
    if let Some((status, body)) = told_to_end(&server) {
        assert_eq!(status, 503);
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(body, json!({ "ready": false, "reasons": ["the server is shutting down"] }));
    }
    let call = json!({ "name": RUN, "arguments": { "deno_code": "'taken'" } });
    let refused = status_of(&server, &server.client().request("tools/call", call));
    if let Some((status, body)) = refused {
        assert!(!body.contains("taken"), "{status}: {body}");
        assert!(body.contains("shutting down"), "{status}: {body}");
    }
    let session = status_of(&server, &crate::support::http_clients::initialize(&json!({})));
    assert!(session.is_none_or(|(status, _)| status == 503));
    let answer = answer_of(&mut running);
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
}

/// The status and the body of an answer; none if nobody listens any more.
fn status_of(server: &Server, request: &Request) -> Option<(u16, String)> {
    let mut connection = Connection::try_open(server.port).ok()?;
    connection.send(request);
    let response = connection.receive().ok()?;
    Some((response.status, response.text()))
}

#[test]
fn an_endless_run_ends_with_the_drain_timeout() {
    let mut server = Server::start(&[("MCP_CONDUCTOR_DRAIN_TIMEOUT", "2000")], &[]);
    let mut running: Vec<Connection> =
        of_both_eras(&server).iter().map(|client| client.start_program(ENDLESS)).collect();
    running.push(server.client().start_program("while (true) {}"));
    let family = Family::below(server.pid());
    let start = Instant::now();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(PATIENCE).code(), Some(0), "{}", server.log());
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(2) && took < BEFORE_THE_DEFAULT, "{took:?}");
    assert!(within(SOON, || family.is_gone()), "something is left");
    for connection in &mut running {
        assert!(connection.closes_within(SOON));
    }
}

#[test]
fn a_server_that_waits_for_a_body_ends_all_the_same() {
    let mut server = Server::start(&[], &[]);
    let mut slow = server.connect();
    slow.send(&Request::post("{").header("Content-Length", "1000"));
    let mut headers = server.connect();
    headers.write(b"POST /mcp HTTP/1.1\r\nHost:").expect("sent");
    std::thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(PATIENCE).code(), Some(0), "{}", server.log());
    assert!(start.elapsed() < BEFORE_THE_DEFAULT, "{:?}", start.elapsed());
}

#[test]
fn a_client_that_reads_nothing_does_not_hold_up_the_end() {
    let mut server = Server::start(&[("MCP_CONDUCTOR_DRAIN_TIMEOUT", "1000")], &[]);
    let code =
        "for (let i = 0; ; i++) { console.log('x'.repeat(100)); if (i % 100 === 0) await 0 }";
    let _silent: Vec<Connection> = of_both_eras(&server)
        .iter()
        .map(|client| client.start("tools/call", crate::support::http_clients::program(code)))
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    let family = Family::below(server.pid());
    let start = Instant::now();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(PATIENCE).code(), Some(0), "{}", server.log());
    assert!(start.elapsed() < BEFORE_THE_DEFAULT, "{:?}", start.elapsed());
    assert!(within(SOON, || family.is_gone()), "something is left");
}

#[test]
fn other_servers_end_too() {
    let home = Home::with(&json!({ "wombat": upstream(&["stub"]) }));
    let mut server = Server::at(home, &[], &[]);
    assert_eq!(server.client().value("await callTool('wombat', 'echo', { text: 'hi' })"), "hi");
    let family = Family::below(server.pid());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    assert!(within(SOON, || family.is_gone()), "something is left");
}

#[test]
fn sigkill_of_the_server_leaves_no_process() {
    let mut server = Server::start(&[], &[]);
    let _endless = server.client().start_program(ENDLESS);
    let _busy = server.client().start_program("while (true) {}");
    let family = Family::below(server.pid());
    server.signal(Signal::SIGKILL);
    assert_eq!(server.wait(PATIENCE).signal(), Some(9));
    assert!(within(SOON, || family.is_gone()), "something is left");
}

#[test]
fn the_port_is_free_again() {
    let ended = || {
        let mut server = Server::start(&[], &[]);
        server.works();
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait(PATIENCE).code(), Some(0));
        server.port
    };
    on_the_port_of(ended, &[], "-p").works();
}
