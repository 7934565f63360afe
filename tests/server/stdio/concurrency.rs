//! Calls at the same time, the queue before them, and cancellation.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::pipes::Server;
use crate::support::processes::{Family, busy_below};
use crate::support::results::{execution, refusal, value};
use crate::support::snippets::{Gate, RUN};
use crate::support::waiting::until;

/// Less than the 10 s of CPU time that a run may use.
const SOON: Duration = Duration::from_secs(8);

#[test]
fn calls_run_at_the_same_time() {
    let mut server = Server::ready(&[]);
    let gate = Gate::closed();
    let ids: Vec<u64> = (0..4).map(|_| server.start_program(&gate.waiter())).collect();
    gate.open();
    for id in ids {
        assert_eq!(execution(&server.result(id))["returnValue"], "done");
    }
}

#[test]
fn a_quick_call_does_not_wait_for_a_busy_one() {
    let mut server = Server::ready(&[]);
    let busy = server.start_program("while (true) {}");
    assert_eq!(server.outcome("1"), value(json!(1)));
    assert_eq!(server.other_answers().len(), 0, "the busy one still runs");
    server.notify("notifications/cancelled", json!({ "requestId": busy }));
}

/// More than there are threads for, if each of their reads had one.
#[test]
fn programs_that_do_not_take_their_answers_hold_nobody_up() {
    const PROGRAMS: usize = 34;
    let many = [("MCP_CONDUCTOR_MAX_CONCURRENT", "40"), ("MCP_CONDUCTOR_MAX_QUEUE", "40")];
    let mut server = Server::ready(&many);
    let directory = format!("unread-{}", std::process::id());
    let written = server.outcome(&format!(
        "Deno.mkdirSync('{directory}'); Deno.writeFileSync('{directory}/file', new Uint8Array(8e6))"
    ));
    assert_eq!(written["status"], "success", "{written}");
    for number in 0..PROGRAMS {
        let code = format!(
            "for (let i = 0; i < 16; i++) Deno.readFile('{directory}/file').catch(() => {{}});
            Deno.writeTextFileSync('{directory}/{number}', '');
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200_000);"
        );
        server.start_call(RUN, json!({ "deno_code": code, "timeout": 200_000 }));
    }
    let asleep = format!("[...Deno.readDirSync('{directory}')].length - 1");
    while server.outcome(&asleep)["returnValue"] != PROGRAMS {}
    assert_eq!(server.outcome("40 + 2"), value(json!(42)));
    let read = format!("Deno.readFileSync('{directory}/file').length");
    assert_eq!(server.outcome(&read), value(json!(8_000_000)));
    assert_eq!(server.other_answers().len(), 0, "they still sleep");
    server.outcome(&format!("Deno.removeSync('{directory}', {{ recursive: true }})"));
}

#[test]
fn the_queue_ends_and_says_so_at_once() {
    let one = [("MCP_CONDUCTOR_MAX_CONCURRENT", "1"), ("MCP_CONDUCTOR_MAX_QUEUE", "1")];
    let mut server = Server::ready(&one);
    let gate = Gate::closed();
    let runs = server.start_program(&gate.waiter());
    let mut others: Vec<u64> =
        (0..2).map(|_| server.start_call(RUN, json!({ "deno_code": "'done'" }))).collect();
    // Which of two requests comes first is the server's to decide.
    let answer = server.answer_where(|answer| answer["id"] != runs).expect("an answer");
    assert_eq!(
        refusal(&answer["result"]),
        "Busy: 1 programs are running (MCP_CONDUCTOR_MAX_CONCURRENT) and 1 are waiting \
         (MCP_CONDUCTOR_MAX_QUEUE). \
         Try again later"
    );
    others.retain(|id| answer["id"] != *id);
    gate.open();
    assert_eq!(execution(&server.result(runs))["returnValue"], "done");
    assert_eq!(execution(&server.result(others[0])), value(json!("done")));
    assert_eq!(server.outcome("1"), value(json!(1)));
}

fn cancellation_kills(server: &mut Server) {
    // With no worker standing by, an idle server has always the same number of
    // processes.
    assert_eq!(server.outcome("1"), value(json!(1)));
    server.becomes(0, 0);
    let idle = Family::below(server.pid()).len();

    let id = server.start_program("while (true) {}");
    let busy = busy_below(server.pid());
    let start = Instant::now();
    server.notify("notifications/cancelled", json!({ "requestId": id, "reason": "enough" }));
    // The only place is free again.
    assert_eq!(server.outcome("2"), value(json!(2)));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    until(SOON, "the cancelled worker is gone", || busy.is_gone());
    until(SOON, "no worker is left", || Family::below(server.pid()).len() == idle);
    // The specification: no answer to a cancelled request.
    assert_eq!(server.other_answers().len(), 0);
}

const ONE_PLACE: [(&str, &str); 2] =
    [("MCP_CONDUCTOR_MAX_CONCURRENT", "1"), ("MCP_CONDUCTOR_STANDBY", "0")];

#[test]
fn cancellation_kills_a_busy_run_at_once() {
    cancellation_kills(&mut Server::ready(&ONE_PLACE));
}

#[test]
fn cancellation_kills_in_the_stateless_protocol_too() {
    let mut server = Server::silent(&ONE_PLACE);
    server.modern();
    cancellation_kills(&mut server);
}

#[test]
fn cancellation_of_a_waiting_call_frees_its_place_in_the_queue() {
    let one = [("MCP_CONDUCTOR_MAX_CONCURRENT", "1"), ("MCP_CONDUCTOR_MAX_QUEUE", "1")];
    let mut server = Server::ready(&one);
    let gate = Gate::closed();
    let runs = server.start_program(&gate.waiter());
    let waits = server.start_call(RUN, json!({ "deno_code": "'cancelled'" }));
    server.becomes(1, 1);
    server.notify("notifications/cancelled", json!({ "requestId": waits }));
    server.becomes(1, 0);
    let next = server.start_call(RUN, json!({ "deno_code": "'next'" }));
    server.becomes(1, 1);
    gate.open();
    assert_eq!(execution(&server.result(next)), value(json!("next")));
    assert_eq!(execution(&server.result(runs))["returnValue"], "done");
    assert_eq!(server.other_answers().len(), 0);
}

#[test]
fn cancellation_of_what_does_not_run_is_ignored() {
    let mut server = Server::ready(&[]);
    for id in [json!(999), json!("x"), json!(null), json!({})] {
        server.notify("notifications/cancelled", json!({ "requestId": id }));
    }
    assert_eq!(server.outcome("1"), value(json!(1)));
}
