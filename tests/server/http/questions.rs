//! Questions of upstream servers on the streams of calls, byte for byte, and streams
//! of several calls that are taken up again (MCP 2025-11-25, Transports).

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::http::{Server, add_token, tokens_of};
use crate::support::http_clients::{LegacySession, answer_of, of_both_eras};
use crate::support::snippets::{RUN, awaited};
use crate::support::upstreams::upstream;
use crate::support::wire::{Connection, Request};

/// An id that no other request of these tests has.
const ID: u32 = 1_000_100;

/// What a program does that has a server ask something.
fn asks(upstream: &str) -> String {
    format!("await callTool('{upstream}', 'elicit')")
}

/// `stub` asks with a request of its own, `modern` with the result of a call.
fn home() -> Home {
    Home::with(&json!({ "stub": upstream(&["stub"]), "modern": upstream(&["stub", "--modern"]) }))
}

/// A session of a client that can be asked.
#[track_caller]
fn session(server: &Server, token: Option<&str>) -> LegacySession {
    LegacySession::open_with(server.port, token, &json!({ "elicitation": {} }))
}

/// Starts a program with a call of this id; its stream has begun.
#[track_caller]
fn call(session: &LegacySession, id: &Value, code: &str) -> Connection {
    let params = json!({ "name": RUN, "arguments": { "deno_code": code, "timeout": 60_000 } });
    let message = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
    let mut connection = Connection::open(session.port);
    connection.send(&session.within_session(Request::post(message.to_string())));
    assert_eq!(connection.head().expect("an answer").status, 200);
    connection
}

/// The question that comes on a stream before the answer.
#[track_caller]
fn question(connection: &mut Connection) -> Value {
    let message = connection.message_where(|message| message.get("id").is_some());
    assert_eq!(message["method"], "elicitation/create", "{message:#}");
    let text = message["params"]["message"].as_str().unwrap_or_default();
    assert!(text.contains("Who are you?"), "{message:#}");
    message
}

/// Answers a question with a name.
#[track_caller]
fn answer(session: &LegacySession, question: &Value, name: &str) {
    let response = session.post(&json!({
        "jsonrpc": "2.0", "id": question["id"], "result": accepted(name),
    }));
    assert_eq!(response.status, 202, "{}", response.text());
}

fn accepted(name: &str) -> Value {
    json!({ "action": "accept", "content": { "name": name } })
}

/// The call of this id ends on this stream with this value.
#[track_caller]
fn returns(connection: &mut Connection, id: &Value, value: &Value) {
    let answer = answer_of(connection);
    let returned = &answer["result"]["structuredContent"]["returnValue"];
    assert_eq!((&answer["id"], returned), (id, value), "{answer:#}");
}

#[test]
fn a_question_comes_on_the_stream_of_its_call_whatever_the_calls_id_is() {
    let server = Server::at(home(), &[], &[]);
    for id in [json!(ID), json!("abc")] {
        for upstream in ["stub", "modern"] {
            let session = session(&server, None);
            let mut connection = call(&session, &id, &asks(upstream));
            let asked = question(&mut connection);
            answer(&session, &asked, "Ada");
            returns(&mut connection, &id, &accepted("Ada"));
        }
    }
}

/// Both have a call in flight, of the same id, when the second is answered first.
#[track_caller]
fn each_is_asked_its_own(first: &LegacySession, second: &LegacySession, upstream: &str) {
    let id = json!(ID);
    let mut hers = call(first, &id, &asks(upstream));
    let mut his = call(second, &id, &asks(upstream));
    let for_her = question(&mut hers);
    let for_him = question(&mut his);
    answer(second, &for_him, "Bob");
    returns(&mut his, &id, &accepted("Bob"));
    answer(first, &for_her, "Ada");
    returns(&mut hers, &id, &accepted("Ada"));
}

#[test]
fn two_sessions_are_each_asked_their_own_question() {
    let server = Server::at(home(), &[], &[]);
    let (first, second) = (session(&server, None), session(&server, None));
    each_is_asked_its_own(&first, &second, "modern");
}

#[test]
fn sessions_of_two_principals_are_each_asked_their_own_question() {
    let home = home();
    let (alice, bob) = (add_token(&home, "alice"), add_token(&home, "bob"));
    let tokens = tokens_of(&home);
    let server = Server::at(home, &[("MCP_CONDUCTOR_TOKENS", tokens.as_str())], &[]);
    for upstream in ["stub", "modern"] {
        let (first, second) = (session(&server, Some(&alice)), session(&server, Some(&bob)));
        each_is_asked_its_own(&first, &second, upstream);
    }
}

/// Before 2026-07-28 a request of a server on stdio does not say which call it is for,
/// and the sessions of a principal share a connection.
#[test]
fn a_question_that_may_be_for_another_session_is_declined() {
    let server = Server::at(home(), &[], &[]);
    let (first, second) = (session(&server, None), session(&server, None));
    let id = json!(ID);
    let mut hers = call(&first, &id, &asks("stub"));
    let for_her = question(&mut hers);
    let mut his = call(&second, &id, &asks("stub"));
    let message = his.message_where(|message| message.get("id").is_some());
    let declined = &message["result"]["structuredContent"]["returnValue"]["action"];
    assert_eq!(declined, "decline", "{message:#}");
    answer(&first, &for_her, "Ada");
    returns(&mut hers, &id, &accepted("Ada"));
}

#[test]
fn a_session_that_cannot_be_asked_declines() {
    let server = Server::at(home(), &[], &[]);
    for client in of_both_eras(&server) {
        let arguments = json!({ "deno_code": asks("stub") });
        let params = json!({ "name": RUN, "arguments": arguments });
        let response = client.ask("tools/call", params);
        let answer = response.answer();
        let returned = &answer["result"]["structuredContent"]["returnValue"];
        assert_eq!(returned["action"], "decline", "{answer:#}");
        assert!(!response.text().contains("elicitation/create"), "{}", response.text());
    }
}

/// The id of the first event of a stream, which has nothing else for the client.
#[track_caller]
fn first_event(connection: &mut Connection) -> String {
    let event = connection.event().expect("a stream").expect("it goes on");
    assert_eq!(event.message(), None);
    event.id.expect("an id")
}

#[test]
fn two_calls_whose_streams_broke_are_both_taken_up() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    let returns_after = |file: &str| format!("{} '{file}'", awaited(file));
    let (first_id, second_id) = (json!(ID), json!("abc"));
    let mut first = call(&session, &first_id, &returns_after("one"));
    let mut second = call(&session, &second_id, &returns_after("two"));
    let (first_last, second_last) = (first_event(&mut first), first_event(&mut second));
    assert_ne!(first_last, second_last);
    drop(first);
    drop(second);
    let mut streams = Vec::new();
    for last in [&first_last, &second_last] {
        let mut connection = server.connect();
        connection.send(&session.listen(Some(last.as_str())));
        assert_eq!(connection.head().expect("an answer").status, 200);
        streams.push(connection);
    }
    server.release("one");
    returns(&mut streams[0], &first_id, &json!("one"));
    // Longer than the 3 s that a client has to come back.
    sleep(Duration::from_secs(4));
    server.release("two");
    returns(&mut streams[1], &second_id, &json!("two"));
}
