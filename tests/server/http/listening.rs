//! A stream that takes up nothing (`GET /mcp`): it neither ends a run nor keeps one.

use std::thread::sleep;
use std::time::Duration;

use mcp_conductor::Timing;

use crate::support::http::Server;
use crate::support::http_clients::{Caller as _, LegacySession, is_done};
use crate::support::snippets::{ENDLESS, sleeper};

/// A client has 3 s to come back to its run, and the machine the rest.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_stream_that_took_up_nothing_ends_no_run_when_it_breaks_off() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    let mut running = session.start_program(&sleeper(6000));
    let mut listening = server.connect();
    listening.send(&session.listen(Some("0")));
    listening.head().expect("an answer");
    drop(listening);
    is_done(&mut running);
    assert_eq!(session.value("1"), 1);
}

#[test]
fn a_stream_that_took_up_nothing_keeps_no_run_whose_client_is_gone() {
    let server = Server::start(&[(Timing::VARIABLE, "resume=1500")], &[]);
    server.works();
    let processes = server.settled_processes(0);
    for first_listens in [true, false] {
        let session = LegacySession::open(&server);
        let connection = session.start_program(ENDLESS);
        server.runs_beside(processes, 1);
        if first_listens {
            server.send(&session.listen(Some("9/999")));
            drop(connection);
        } else {
            drop(connection);
            sleep(Duration::from_millis(500));
            server.send(&session.listen(Some("9/999")));
        }
        server.none_runs_within(processes, SOON);
        assert_eq!(session.value("1"), 1);
        assert_eq!(server.settled_processes(0), processes);
    }
}
