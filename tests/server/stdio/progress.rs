//! Output lines as progress notifications.

use serde_json::{Value, json};

use crate::support::pipes::Server;
use crate::support::results::execution;
use crate::support::snippets::{Gate, RUN};

/// A program that prints lines and does something after the first.
fn lines_around(statement: &str) -> String {
    format!(
        "console.log('line 0'); {statement} \
         for (let i = 1; i < 6; i++) console.log('line ' + i); 'end'"
    )
}

fn lines() -> Vec<String> {
    (0..6).map(|number| format!("line {number}")).collect()
}

/// The messages of a call's notifications, checked for what holds for all.
fn messages(server: &Server, token: &Value) -> Vec<String> {
    let mut last = -1.0;
    let mut messages = Vec::new();
    for notification in server.notifications() {
        assert_eq!(notification["progressToken"], *token);
        let progress = notification["progress"].as_f64().expect("a number");
        // The specification: it MUST increase with each notification.
        assert!(progress > last, "{progress} after {last}");
        last = progress;
        messages.push(notification["message"].as_str().expect("text").to_owned());
    }
    messages
}

fn lines_precede_the_result(server: &mut Server, token: Value) {
    let gate = Gate::closed();
    let arguments = json!({ "deno_code": lines_around(&gate.awaited()) });
    let id = server.start_call_with_token(arguments, token.clone());
    server.hears_of(&token, "line 0");
    assert_eq!(server.other_answers().len(), 0, "lines arrive while the program runs");
    gate.open();
    let result = server.result(id);
    assert_eq!(
        execution(&result),
        json!({ "status": "success", "output": lines(), "returnValue": "end" })
    );
    let messages = messages(server, &token);
    let (first, output) = messages.split_first().expect("one notification at once");
    assert_eq!(first, "running");
    assert_eq!(output.join("\n").lines().collect::<Vec<_>>(), lines());
    // And none follows.
    let id = server.request("tools/list", json!({}));
    server.result(id);
    assert_eq!(server.notifications().len(), messages.len());
}

#[test]
fn output_lines_precede_the_result_in_order() {
    lines_precede_the_result(&mut Server::ready(&[]), json!("a token"));
    lines_precede_the_result(&mut Server::ready(&[]), json!(17));
}

#[test]
fn the_stateless_protocol_gets_the_same_notifications() {
    let mut server = Server::silent(&[]);
    server.modern();
    lines_precede_the_result(&mut server, json!(0));
}

#[test]
fn without_a_token_there_are_none() {
    let mut server = Server::ready(&[]);
    let code = lines_around("await new Promise((resolve) => setTimeout(resolve, 80));");
    assert_eq!(
        execution(&server.call(RUN, json!({ "deno_code": code })))["output"],
        json!(lines())
    );
    assert_eq!(server.notifications().len(), 0);
}

#[test]
fn a_program_that_prints_at_once_is_heard_before_its_result() {
    let mut server = Server::ready(&[]);
    let arguments = json!({ "deno_code": "console.log('a'); console.log('b')" });
    let id = server.start_call_with_token(arguments, json!("t"));
    server.result(id);
    assert_eq!(messages(&server, &json!("t")).join("\n"), "running\na\nb");
}

#[test]
fn a_program_that_prints_a_lot_does_not_drown_its_client() {
    let mut server = Server::ready(&[]);
    let arguments =
        json!({ "deno_code": "for (let i = 0; i < 30000; i++) console.log('line ' + i)" });
    let id = server.start_call_with_token(arguments, json!("t"));
    let result = execution(&server.result(id));
    assert_eq!(result["output"].as_array().map(Vec::len), Some(30_000));
    let messages = messages(&server, &json!("t"));
    let longest = messages.iter().map(String::len).max().expect("a message");
    assert!(messages.len() < 200 && longest < 32 << 10, "{} of {longest}", messages.len());
}

#[test]
fn notifications_of_calls_at_the_same_time_carry_their_own_tokens() {
    let mut server = Server::ready(&[]);
    let ids: Vec<u64> = (0..3)
        .map(|call| {
            let code =
                format!("console.log('from {call}'); await new Promise((r) => setTimeout(r, 100))");
            server.start_call_with_token(json!({ "deno_code": code }), json!(call))
        })
        .collect();
    for id in ids {
        server.result(id);
    }
    for call in 0..3 {
        let messages: Vec<&Value> = server
            .notifications()
            .into_iter()
            .filter(|notification| notification["progressToken"] == call)
            .map(|notification| &notification["message"])
            .collect();
        assert_eq!(messages, ["running", &format!("from {call}")]);
    }
}
