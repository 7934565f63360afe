//! Calls with an idempotency key: each is made once, whoever is asked, and however often.

use serde_json::{Value, json};

use crate::support::directory::Directory;
use crate::support::home::{Home, WORKSPACE};
use crate::support::http::{Server, add_token, tokens_of};
use crate::support::http_clients::{Caller, LegacySession};
use crate::support::snippets::{RUN, waiter};
use crate::support::waiting::{PATIENCE, within};
use crate::support::wire::{Connection, Request, Response};

/// The key's name in `_meta`.
const META: &str = "mcp-conductor/idempotencyKey";

/// Another one each time.
const UNIQUE: &str = "crypto.randomUUID()";

fn call(code: &str) -> Value {
    json!({ "name": RUN, "arguments": { "deno_code": code } })
}

fn request(caller: &dyn Caller, key: &str, code: &str) -> Request {
    let key = format!("\"{key}\"");
    caller.request("tools/call", call(code)).header("Idempotency-Key", &key)
}

#[track_caller]
fn ask(caller: &dyn Caller, key: &str, code: &str) -> Response {
    Connection::open(caller.port()).exchange(&request(caller, key, code))
}

#[track_caller]
fn value(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    let answer = response.answer();
    assert_eq!(answer["result"]["structuredContent"]["status"], "success", "{answer:#}");
    answer["result"]["structuredContent"]["returnValue"].clone()
}

/// The status, the reason in the error's data and the error's text.
#[track_caller]
fn refusal(response: &Response) -> (u16, String, String) {
    let error = response.answer()["error"].clone();
    assert_eq!(error["code"], -32009, "{error}");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (response.status, text(&error["data"]["reason"]), text(&error["message"]))
}

#[test]
fn a_repeated_call_gets_the_kept_answer_and_is_not_made_again() {
    let server = Server::start(&[], &[]);
    let client = server.client();
    let first = value(&ask(&client, "k-1", UNIQUE));
    assert_eq!(value(&ask(&client, "k-1", UNIQUE)), first);
    assert_ne!(value(&ask(&client, "k-2", UNIQUE)), first);
    // Without a key each is a call of its own.
    assert_ne!(client.value(UNIQUE), client.value(UNIQUE));
}

#[test]
fn the_answer_to_a_repetition_has_its_id_and_all_of_the_result() {
    let server = Server::start(&[], &[]);
    let client = server.client();
    let requests = [0, 1].map(|_| request(&client, "k", "console.log('a'); [1, { b: null }]"));
    let answers = requests.each_ref().map(|request| server.send(request).answer());
    for (request, answer) in requests.iter().zip(&answers) {
        let message: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(answer["id"], message["id"]);
    }
    assert_eq!(answers[0]["result"], answers[1]["result"]);
}

#[test]
fn a_key_can_be_in_meta_and_of_a_client_with_a_session() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    let mut params = call(UNIQUE);
    params["_meta"] = json!({ META: "k" });
    let in_meta = value(&server.client().ask("tools/call", params));
    assert_eq!(value(&ask(&server.client(), "k", UNIQUE)), in_meta);
    assert_eq!(value(&ask(&session, "k", UNIQUE)), in_meta);
}

#[test]
fn a_key_of_another_call_and_a_key_that_is_none_are_refused() {
    let server = Server::start(&[], &[]);
    let client = server.client();
    value(&ask(&client, "k", "1"));
    let (status, reason, text) = refusal(&ask(&client, "k", "2"));
    assert_eq!((status, &*reason), (422, "idempotency_other_call"));
    assert!(text.contains("Use a new key"), "{text}");
    for key in ["", "a b", &"k".repeat(300)] {
        let (status, reason, _) = refusal(&ask(&client, key, "1"));
        assert_eq!((status, &*reason), (400, "idempotency_key"), "{key}");
    }
}

#[test]
fn a_call_goes_on_when_its_client_goes_away_and_a_repetition_waits_for_it() {
    let server = Server::start(&[], &[]);
    let code = format!("console.log('on'); {}", waiter("go"));
    let sessions: [Box<dyn Caller>; 2] =
        [Box::new(server.client()), Box::new(LegacySession::open(&server))];
    for (number, caller) in sessions.iter().enumerate() {
        let _ = std::fs::remove_file(server.home.path(&format!("{WORKSPACE}/go")));
        let key = format!("k{number}");
        let mut connection = Connection::open(server.port);
        connection.send(&request(&**caller, &key, &code));
        server.becomes(&[("executions_active", 1.0)]);
        drop(connection);
        let running = ask(&**caller, &key, &code);
        assert_eq!(running.header("retry-after"), Some("1"));
        let (status, reason, _) = refusal(&running);
        assert_eq!((status, &*reason), (409, "idempotency_running"));
        server.release("go");
        let mut last = running;
        let answered = within(PATIENCE, || {
            last = ask(&**caller, &key, &code);
            last.status != 409
        });
        assert!(answered, "{}", last.text());
        assert_eq!(value(&last), "done");
        server.becomes(&[("executions_active", 0.0)]);
    }
}

#[test]
fn another_server_with_the_same_store_gives_the_answer_of_the_first() {
    let directory = Directory::new("shared-store");
    let store = directory.name("store");
    let env = [("MCP_CONDUCTOR_STORE", &*store)];
    let (one, other) = (Server::start(&env, &[]), Server::start(&env, &[]));
    let first = value(&ask(&one.client(), "k", UNIQUE));
    assert_eq!(value(&ask(&other.client(), "k", UNIQUE)), first);
}

#[test]
fn of_a_server_that_was_killed_it_is_said_that_nobody_knows() {
    let directory = Directory::new("shared-store");
    let store = directory.name("store");
    let start = |name| {
        let env = [("MCP_CONDUCTOR_STORE", &*store), ("MCP_CONDUCTOR_REPLICA", name)];
        Server::start(&env, &[])
    };
    let (mut one, other) = (start("one"), start("other"));
    let code = waiter("never");
    let mut connection = Connection::open(one.port);
    connection.send(&request(&one.client(), "k", &code));
    one.becomes(&[("executions_active", 1.0)]);
    one.child().kill().expect("a child");
    let mut last = ask(&other.client(), "k", &code);
    // Its last sign of life is believed for 15 s.
    let known = within(PATIENCE, || {
        last = ask(&other.client(), "k", &code);
        last.status != 409
    });
    assert!(known, "{}", last.text());
    let (status, reason, text) = refusal(&last);
    assert_eq!((status, &*reason), (410, "idempotency_unknown"));
    assert!(text.contains("one") && text.contains("new key"), "{text}");
    // And it was not made here.
    other.becomes(&[("executions_active", 0.0)]);
}

#[test]
fn principals_do_not_see_each_other_s_keys() {
    let home = Home::empty();
    let tokens = tokens_of(&home);
    let [alice, bob] = ["alice", "bob"].map(|name| add_token(&home, name));
    let server = Server::at(home, &[("MCP_CONDUCTOR_TOKENS", &tokens)], &[]);
    let (alice, bob) = (server.client_as(&alice), server.client_as(&bob));
    let hers = value(&ask(&alice, "k", UNIQUE));
    assert_ne!(value(&ask(&bob, "k", UNIQUE)), hers);
    assert_eq!(value(&ask(&bob, "k2", "1")), 1);
    assert_eq!(value(&ask(&alice, "k2", "2")), 2);
}

#[test]
fn without_a_store_calls_with_a_key_are_refused_and_others_are_made() {
    let server = Server::start(&[("MCP_CONDUCTOR_STORE", "redis://127.0.0.1:1")], &[]);
    let refused = ask(&server.client(), "k", "1");
    assert!(refused.header("retry-after").is_some());
    let (status, reason, text) = refusal(&refused);
    assert_eq!((status, &*reason), (503, "idempotency_store"));
    assert!(text.contains("MCP_CONDUCTOR_STORE"), "{text}");
    server.works();
}

#[test]
fn a_call_that_found_no_slot_can_be_repeated_with_its_key() {
    let env = [("MCP_CONDUCTOR_MAX_CONCURRENT", "1"), ("MCP_CONDUCTOR_MAX_QUEUE_WAIT", "100")];
    let server = Server::start(&env, &[]);
    let mut running = server.client().start_program(&waiter("go"));
    let busy = ask(&server.client(), "k", UNIQUE).answer();
    assert_eq!(busy["result"]["isError"], true, "{busy:#}");
    server.release("go");
    crate::support::http_clients::is_done(&mut running);
    let mut last = ask(&server.client(), "k", UNIQUE);
    // The note of it is removed behind the answer.
    let made = within(PATIENCE, || {
        let is_made = last.status == 200 && last.answer()["result"]["isError"] != true;
        if !is_made {
            last = ask(&server.client(), "k", UNIQUE);
        }
        is_made
    });
    assert!(made, "{}", last.text());
    let first = value(&last);
    assert_eq!(value(&ask(&server.client(), "k", UNIQUE)), first);
}

#[test]
fn a_request_that_never_comes_to_the_tool_leaves_nothing_behind_its_key() {
    let server = Server::start(&[], &[]);
    let client = server.client();
    let wrong = request(&client, "k", "1").header("Mcp-Name", "health");
    assert_eq!(server.send(&wrong).status, 400);
    let mut last = ask(&client, "k", "1");
    let made = within(PATIENCE, || {
        if last.status != 200 {
            last = ask(&client, "k", "1");
        }
        last.status == 200
    });
    assert!(made, "{}", last.text());
    assert_eq!(value(&last), 1);
}
