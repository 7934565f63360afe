//! Ends of the server: whichever it is, nothing stays behind.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use mcp_conductor::Timing;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::pipes::Server;
use crate::support::processes::Family;
use crate::support::results::{execution, refusal, value};
use crate::support::snippets::{Gate, RUN, sleeper};
use crate::support::waiting::{PATIENCE, until};

/// Less than what a worker that is left behind has: 10 s of CPU time, or for ever.
const SOON: Duration = Duration::from_secs(8);

/// The time that runs have after SIGTERM, on a server that was told so: it has 8 s.
const DRAIN: Duration = Duration::from_secs(2);

const SHORT_DRAIN: (&str, &str) = (Timing::VARIABLE, "drain=2000");

/// Uses no CPU time, which other tests need, and never ends.
const ENDLESS: &str = "await new Promise((resolve) => setTimeout(resolve, 600_000))";

#[test]
fn an_idle_server_ends_when_its_client_closes_stdin() {
    let mut server = Server::ready(&[]);
    assert_eq!(server.outcome("1"), value(json!(1)));
    let family = Family::of(server.pid());
    server.close_stdin();
    server.drain();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    until(SOON, "nothing is left", || family.is_gone());
}

#[test]
fn a_client_that_never_said_anything_may_go() {
    let mut server = Server::silent(&[("RUST_LOG", "off")]);
    server.close_stdin();
    server.drain();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    assert_eq!(server.log(), "");
}

#[test]
fn a_run_goes_on_when_stdin_is_closed_and_its_result_is_written() {
    let mut server = Server::ready(&[]);
    let id = server.start_program(&sleeper(500));
    let family = Family::of(server.pid());
    server.close_stdin();
    assert_eq!(execution(&server.result(id))["returnValue"], "done");
    server.drain();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    until(SOON, "nothing is left", || family.is_gone());
}

/// Notifications are not sent any more then, and the result does not wait for them.
#[test]
fn what_is_printed_after_stdin_is_closed_costs_no_result() {
    let mut server = Server::ready(&[]);
    let code = "await new Promise((done) => setTimeout(done, 1000)); console.log('late'); 'done'";
    let id = server.start_program(code);
    server.close_stdin();
    let execution = execution(&server.result(id));
    assert_eq!(
        (&execution["returnValue"], &execution["output"]),
        (&json!("done"), &json!(["on", "late"]))
    );
    server.drain();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
}

/// Slow, about 5 s: the time that rmcp gives to answers in flight.
#[test]
fn slow_an_endless_run_does_not_outlive_the_clients_end_of_stdin() {
    let mut server = Server::ready(&[]);
    let endless = server.start_program(ENDLESS);
    let short = server.start_program(&sleeper(300));
    let family = Family::of(server.pid());
    let start = Instant::now();
    server.close_stdin();
    assert_eq!(execution(&server.result(short))["returnValue"], "done");
    server.drain();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    until(SOON, "nothing is left", || family.is_gone());
    for answer in server.other_answers() {
        assert_eq!(answer["id"], endless);
        refusal(&answer["result"]);
    }
}

#[test]
fn sigterm_and_sigint_end_an_idle_server_with_zero() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Server::ready(&[]);
        let family = Family::of(server.pid());
        server.signal(signal);
        server.drain();
        assert_eq!(server.wait(PATIENCE).code(), Some(0));
        until(SOON, "nothing is left", || family.is_gone());
    }
}

#[test]
fn sigterm_lets_a_run_finish_and_ends_with_zero() {
    let mut server = Server::ready(&[]);
    let id = server.start_program(&sleeper(500));
    let family = Family::of(server.pid());
    server.signal(Signal::SIGTERM);
    assert_eq!(
        execution(&server.result(id)),
        json!({ "status": "success", "output": ["on"], "returnValue": "done" })
    );
    server.drain();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    until(SOON, "nothing is left", || family.is_gone());
}

#[test]
fn a_server_that_was_told_to_end_refuses_new_calls() {
    let mut server = Server::ready(&[]);
    let gate = Gate::closed();
    let id = server.start_program(&gate.waiter());
    server.signal(Signal::SIGTERM);
    // The signal and the pipe are two ways to the server.
    let mut answer = Value::Null;
    until(PATIENCE, "a call is refused", || {
        answer = server.call(RUN, json!({ "deno_code": "1" }));
        answer["isError"] == true
    });
    assert_eq!(refusal(&answer), "The server is shutting down");
    gate.open();
    assert_eq!(execution(&server.result(id))["returnValue"], "done");
    server.drain();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
}

#[test]
fn sigterm_ends_an_endless_run_after_the_drain_time() {
    let mut server = Server::ready(&[SHORT_DRAIN]);
    let id = server.start_program(ENDLESS);
    let family = Family::of(server.pid());
    let start = Instant::now();
    server.signal(Signal::SIGTERM);
    refusal(&server.result(id));
    server.drain();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    let took = start.elapsed();
    assert!(took >= DRAIN && took < Duration::from_secs(20), "{took:?}");
    until(SOON, "nothing is left", || family.is_gone());
}

#[test]
fn sigkill_of_the_server_ends_its_zygote_and_every_worker() {
    let mut server = Server::ready(&[]);
    server.start_program("while (true) {}");
    server.start_program(ENDLESS);
    let family = Family::of(server.pid());
    server.signal(Signal::SIGKILL);
    assert_eq!(server.wait(PATIENCE).signal(), Some(9));
    until(SOON, "zygote and workers vanish", || family.is_gone());
}
