//! Servers of other eras of MCP than the one that is asked for first: what they do with a
//! question before `initialize`, and that it is put to each of them once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::pipes::Server;
use crate::support::upstreams::upstream;
use crate::support::waiting::within;

const PROBED: &str = "asked before initialize";

fn old(way: &str) -> Server {
    Server::with(&json!({ "old": upstream(&["stub", "--probed", way]) }))
}

/// It is connected, which takes 10 s where the probe is waited for.
#[track_caller]
fn is_connected(server: &mut Server) {
    let listed = server.listed("old");
    assert_eq!(listed["error"], Value::Null, "{listed:#}\n{}", server.log());
    assert_eq!(server.value("await callTool('old', 'echo', { text: 'hello' })"), "hello");
}

/// Ends the connection, and makes another.
#[track_caller]
fn connects_again(server: &mut Server) {
    server.run("await callTool('old', 'crash')");
    let echo = "await callTool('old', 'echo', { text: 'again' })";
    let again = within(Duration::from_secs(30), || server.run(echo)["returnValue"] == "again");
    assert!(again, "{}", server.log());
}

#[test]
fn a_server_that_exits_when_it_is_probed_is_started_again_and_connected() {
    is_connected(&mut old("exits"));
}

#[test]
fn a_server_that_exits_when_it_is_probed_is_probed_once() {
    let mut server = old("exits");
    is_connected(&mut server);
    connects_again(&mut server);
    assert_eq!(server.log().matches(PROBED).count(), 1, "{}", server.log());
}

#[test]
fn a_server_that_says_nothing_to_the_probe_is_probed_once() {
    let mut server = old("says nothing");
    is_connected(&mut server);
    connects_again(&mut server);
    assert_eq!(server.log().matches(PROBED).count(), 1, "{}", server.log());
}

#[test]
fn a_late_answer_to_the_probe_is_no_answer_to_the_handshake() {
    is_connected(&mut old("late"));
}

#[test]
fn a_late_answer_without_an_id_is_no_answer_to_the_handshake() {
    is_connected(&mut old("answers nobody"));
}

/// It ends in each era, and is not started without end.
#[test]
fn a_server_that_ends_in_every_era_is_started_twice_for_a_connection() {
    let mut server = Server::with(&json!({ "old": upstream(&["dies"]) }));
    let listed = server.listed("old");
    let reason = listed["error"].as_str().expect("a reason");
    assert!(reason.contains("ended before it answered: exit status: 1"), "{reason}");
    let starts = || server.log().matches("the licence is missing").count();
    assert!(within(Duration::from_secs(10), || starts() == 2), "{}", server.log());
}
