//! What the server keeps in memory for a client: answers that nobody reads, sessions,
//! what a request says of itself. Each is bounded, for one principal without another.

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::http::{Server, TOKENS, add_token};
use crate::support::http_clients::{Caller, LEGACY, LegacySession, of_both_eras};
use crate::support::snippets::RUN;
use crate::support::waiting::{PATIENCE, within};
use crate::support::wire::{Connection, Request};

/// Bytes that a program may print in these tests: more than sockets take.
const OUTPUT: &str = "4194304";

/// Prints as much, in lines of 1 MiB less their ends.
const LOUD: &str = "for (let i = 0; i < 4; i++) console.log('x'.repeat(1024 * 1024 - 1)); 'done'";

/// Calls that nobody reads: more than memory has room for, those that wait included.
const UNREAD: usize = 12;

fn loud() -> Value {
    json!({ "name": RUN, "arguments": { "deno_code": LOUD } })
}

/// The answer of a call: what it returned, or why it has nothing.
fn outcome(connection: &mut Connection) -> String {
    let answer = connection.receive().expect("an answer").answer();
    let result = &answer["result"];
    let value = result["structuredContent"]["returnValue"].as_str();
    value.or(result["content"][0]["text"].as_str()).unwrap_or_default().to_owned()
}

#[test]
fn answers_that_nobody_reads_are_bounded_and_are_no_matter_of_others() {
    let home = Home::empty();
    let [alice, bob] = ["alice", "bob"].map(|name| add_token(&home, name));
    let tokens = home.name(TOKENS);
    let env = [("MCP_CONDUCTOR_TOKENS", &*tokens), ("MCP_CONDUCTOR_MAX_OUTPUT_SIZE", OUTPUT)];
    let server = Server::at(home, &env, &[]);
    let (alice, bob) = (server.client_as(&alice), server.client_as(&bob));
    // Who reads gets all of them.
    for _ in 0..UNREAD / 2 {
        assert_eq!(outcome(&mut alice.start("tools/call", loud())), "done");
    }
    let mut unread: Vec<_> = (0..UNREAD).map(|_| alice.start("tools/call", loud())).collect();
    let ran = (UNREAD + UNREAD / 2) as f64;
    server.becomes(&[("executions_total{language=\"typescript\",outcome=\"success\"}", ran)]);
    assert_eq!(bob.value("40 + 2"), 42);
    let outcomes: Vec<_> = unread.iter_mut().map(outcome).collect();
    let lost = outcomes.iter().filter(|text| text.contains("that you have not read yet")).count();
    let whole = outcomes.iter().filter(|text| *text == "done").count();
    assert!(lost > 0 && whole > 0 && lost + whole == UNREAD, "{outcomes:?}");
    // Who has read is as before.
    assert_eq!(outcome(&mut alice.start("tools/call", loud())), "done");
}

/// A first message whose parameters have this in them.
fn hello(extra: &str) -> Request {
    Request::post(format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"{LEGACY}",
        "capabilities":{{"experimental":{{"a":{{"b":{extra}}}}}}},
        "clientInfo":{{"name":"tests","version":"1"}}}}}}"#
    ))
}

#[test]
fn a_first_message_that_is_too_large_to_keep_is_refused() {
    let server = Server::start(&[], &[]);
    let text = |length: usize| format!("\"{}\"", "x".repeat(length));
    let refused = server.send(&hello(&text(64 << 10)));
    let answer = refused.json();
    assert_eq!((refused.status, &answer["id"]), (400, &json!(1)), "{answer}");
    let message = answer["error"]["message"].as_str().expect("a text");
    assert!(message.contains("initialize has more than 65536 bytes"), "{message}");
    assert_eq!(server.send(&hello(&text(32 << 10))).status, 200);
}

#[test]
fn sessions_have_a_part_of_the_memory_and_give_it_back() {
    let (server, alice) = Server::with_token(&[]);
    let bob = server.token("bob");
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.logs(&["the configuration was reloaded"]);
    // Some megabytes each, as rmcp reads them.
    let many = format!("[{}0]", "0,".repeat(30_000));
    let opened = || server.send(&hello(&many).bearer(&alice));
    let mut ids = Vec::new();
    let refused = loop {
        let response = opened();
        if response.status != 200 {
            break response;
        }
        ids.push(response.header("mcp-session-id").expect("a session").to_owned());
        assert!(ids.len() < 100, "there is no end");
    };
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("No memory"), "{}", refused.text());
    let usual = LegacySession::open_as(&server, &bob);
    assert_eq!(usual.value("1"), 1);
    let last = ids.pop().expect("some");
    let session = LegacySession { port: server.port, token: Some(alice.clone()), id: last };
    assert!((200..300).contains(&session.close().status));
    assert!(within(PATIENCE, || opened().status == 200), "no memory came free");
}

#[test]
fn a_long_progress_token_is_refused_for_its_request() {
    let server = Server::start(&[], &[]);
    for client in of_both_eras(&server) {
        let ask = |length: usize| {
            let meta = json!({ "progressToken": "t".repeat(length) });
            let arguments = json!({ "deno_code": "1" });
            client
                .ask("tools/call", json!({ "name": RUN, "arguments": arguments, "_meta": meta }))
                .answer()
        };
        let refused = ask(2 << 10);
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
        let message = refused["error"]["message"].as_str().expect("a text");
        assert!(message.contains("progressToken has more than 1024 bytes"), "{message}");
        assert_eq!(ask(1 << 10)["result"]["structuredContent"]["returnValue"], 1);
    }
}

#[test]
fn an_error_quotes_little_of_a_large_request() {
    let server = Server::start(&[], &[]);
    let long = "x".repeat(1 << 20);
    let session = LegacySession::open(&server);
    for (method, params) in [
        (long.as_str(), json!({})),
        ("tools/call", json!({ "name": long, "arguments": {} })),
        ("tools/call", json!({ "name": RUN, "arguments": { "deno_code": "1", long.as_str(): 1 } })),
        ("tools/call", json!({ "name": RUN, "arguments": { "deno_code": [long] } })),
        ("prompts/get", json!({ "name": long })),
        ("resources/read", json!({ "uri": long })),
    ] {
        let response = session.ask(method, params);
        let length = response.body.len();
        assert!(length < 16 << 10, "{:.20}: {length} bytes", method);
    }
    assert_eq!(session.value("1"), 1);
}
