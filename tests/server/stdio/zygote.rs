//! The zygote dies: calls in flight fail, the next ones do not.

use std::time::Duration;

use serde_json::json;

use crate::support::pipes::Server;
use crate::support::processes::{Family, kill_zygote};
use crate::support::results::{execution, value};
use crate::support::snippets::sleeper;
use crate::support::waiting::until;

const FIVE_SECONDS: Duration = Duration::from_secs(5);

fn is_crash_with(execution: &serde_json::Value, output: &[&str]) {
    assert_eq!(execution["status"], "error", "{execution}");
    assert_eq!(execution["errorType"], "crash", "{execution}");
    assert_eq!(execution["output"], json!(output), "{execution}");
    assert_eq!(execution["returnValue"], json!(null), "{execution}");
    assert!(execution["error"].as_str().is_some_and(|text| !text.is_empty()), "{execution}");
}

#[test]
fn a_call_after_the_zygotes_death_succeeds() {
    let mut server = Server::ready(&[]);
    assert_eq!(server.outcome("1"), value(json!(1)));
    for round in 0..2 {
        let family = Family::of(server.pid());
        kill_zygote(server.pid());
        until(FIVE_SECONDS, "the workers end with their zygote", || family.is_gone());
        assert_eq!(server.outcome(&format!("{round}")), value(json!(round)));
    }
}

/// The workers that stand by die at the same time, and the call may have got
/// one of them.
#[test]
fn a_call_at_the_zygotes_death_is_answered_and_the_next_one_succeeds() {
    let mut server = Server::ready(&[]);
    assert_eq!(server.outcome("1"), value(json!(1)));
    kill_zygote(server.pid());
    let first = server.outcome("2");
    if first != value(json!(2)) {
        is_crash_with(&first, &[]);
    }
    assert_eq!(server.outcome("3"), value(json!(3)));
}

#[test]
fn a_run_that_dies_with_its_zygote_is_a_crash_and_the_next_one_succeeds() {
    let mut server = Server::ready(&[]);
    for code in [&sleeper(30_000), "while (true) {}"] {
        let id = server.start_program(code);
        let family = Family::of(server.pid());
        kill_zygote(server.pid());
        is_crash_with(&execution(&server.result(id)), &["on"]);
        until(FIVE_SECONDS, "the workers end with their zygote", || family.is_gone());
        assert_eq!(server.outcome("1"), value(json!(1)));
    }
}

#[test]
fn every_run_in_flight_is_answered_when_the_zygote_dies() {
    let mut server = Server::ready(&[]);
    let ids: Vec<u64> = (0..3).map(|_| server.start_program(&sleeper(30_000))).collect();
    kill_zygote(server.pid());
    for id in ids {
        is_crash_with(&execution(&server.result(id)), &["on"]);
    }
    assert_eq!(server.outcome("1"), value(json!(1)));
}
