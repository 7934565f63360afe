//! The audit log: what was not run is in it too, and whose it was.

use serde_json::{Value, json};

use crate::support::home::{AUDIT_LOG, Home};
use crate::support::http::{Server, add_token, tokens_of};
use crate::support::http_clients::{Caller as _, is_done, program};
use crate::support::snippets::waiter;
use crate::support::waiting::{PATIENCE, within};

#[test]
fn a_run_that_finds_no_place_is_in_the_audit_log() {
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let (tokens, log) = (tokens_of(&home), home.name(AUDIT_LOG));
    let env = [
        ("MCP_CONDUCTOR_TOKENS", &*tokens),
        ("MCP_CONDUCTOR_AUDIT_LOG", &*log),
        ("MCP_CONDUCTOR_MAX_CONCURRENT", "1"),
        ("MCP_CONDUCTOR_MAX_QUEUE", "0"),
    ];
    let server = Server::at(home, &env, &[]);
    let alice = server.client_as(&alice);
    let mut running = alice.start_program(&waiter("go"));
    let answer = alice.ask("tools/call", program("1")).text();
    assert!(answer.contains("Busy"), "{answer}");
    server.release("go");
    is_done(&mut running);
    let runs = || -> Vec<Value> {
        let lines = server.home.audit().into_iter();
        lines.filter(|line| line["kind"] == "execution").collect()
    };
    assert!(within(PATIENCE, || runs().len() == 2), "{:#?}", server.home.audit());
    let told: Vec<_> =
        runs().iter().map(|line| [line["outcome"].clone(), line["client"].clone()]).collect();
    assert_eq!(told, [["busy", "alice"], ["success", "alice"]].map(|it| it.map(|it| json!(it))));
}

#[test]
fn rejections_are_of_whom_they_are() {
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let (tokens, log) = (tokens_of(&home), home.name(AUDIT_LOG));
    let env = [
        ("MCP_CONDUCTOR_TOKENS", &*tokens),
        ("MCP_CONDUCTOR_AUDIT_LOG", &*log),
        ("MCP_CONDUCTOR_RATE_LIMIT", "1"),
        ("MCP_CONDUCTOR_RATE_BURST", "1"),
    ];
    let server = Server::at(home, &env, &[]);
    let alice = server.client_as(&alice);
    assert_eq!(alice.value("1"), 1);
    assert_eq!(alice.ask("tools/call", program("2")).status, 429);
    let wrong = server.client_as(&format!("mcpc_{}", "x".repeat(43)));
    assert_eq!(wrong.ask("tools/call", program("3")).status, 401);
    let rejections = || -> Vec<Value> {
        let lines = server.home.audit().into_iter();
        lines.filter(|line| line["kind"] == "rejection").collect()
    };
    assert!(within(PATIENCE, || rejections().len() == 2), "{:#?}", server.home.audit());
    let clients: Vec<_> = rejections().iter().map(|line| line.get("client").cloned()).collect();
    assert_eq!(clients, [Some(json!("alice")), Some(Value::Null)], "{:#?}", rejections());
}
