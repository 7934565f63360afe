//! Ids of requests: whose they are, and how long they may be.

use serde_json::{Value, json};

use crate::support::http::Server;
use crate::support::http_clients::{
    Caller, LegacySession, answer_of, invalid_request, of_both_eras, program,
};
use crate::support::snippets::waiter;
use crate::support::waiting::{PATIENCE, within};
use crate::support::wire::Request;

/// A request as a client sends it, with another id.
fn with_id(caller: &dyn Caller, method: &str, params: Value, id: &Value) -> Request {
    let mut request = caller.request(method, params);
    let mut message: Value = serde_json::from_slice(&request.body).expect("JSON");
    message["id"] = id.clone();
    request.body = message.to_string().into_bytes();
    request
}

#[test]
fn an_id_belongs_to_one_call_at_a_time() {
    let server = Server::start(&[], &[]);
    let (session, other) = (LegacySession::open(&server), LegacySession::open(&server));
    for (file, id) in [("first", json!(4_000_007)), ("second", json!("the same"))] {
        let mut first = server.connect();
        first.send(&with_id(&session, "tools/call", program(&waiter(file)), &id));
        assert_eq!(first.head().expect("an answer").status, 200);
        first.message_where(|message| message["params"]["message"] == "on");
        for (method, params) in [("ping", json!({})), ("tools/call", program("1"))] {
            let response = server.send(&with_id(&session, method, params, &id));
            let message = invalid_request(&response);
            assert!(message.contains("in use"), "{method}: {message}");
        }
        // Whoever does not mean that call has what they ask for.
        let modern = server.client();
        let callers: [&dyn Caller; 2] = [&other, &modern];
        for caller in callers {
            let response = server.send(&with_id(caller, "tools/list", json!({}), &id));
            assert_eq!((response.status, &response.answer()["id"]), (200, &id));
        }
        let unlike = json!(id.to_string());
        let response = server.send(&with_id(&session, "tools/list", json!({}), &unlike));
        assert_eq!((response.status, &response.answer()["id"]), (200, &unlike));

        server.release(file);
        let answer = answer_of(&mut first);
        assert_eq!(answer["id"], id);
        assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
        assert_eq!(first.message().expect("a stream"), None);
        let mut again = server.send(&with_id(&session, "ping", json!({}), &id));
        // The server may notice the end of the stream after its client.
        within(PATIENCE, || {
            if again.status == 400 {
                again = server.send(&with_id(&session, "ping", json!({}), &id));
            }
            again.status != 400
        });
        assert_eq!(again.status, 200, "{}", again.text());
        assert_eq!(again.answer()["id"], id);
    }
}

#[test]
fn a_very_long_id_is_refused() {
    let server = Server::start(&[], &[]);
    for client in of_both_eras(&server) {
        let ask = |id: &Value| server.send(&with_id(&*client, "tools/list", json!({}), id));
        for length in [300, 1 << 20] {
            let message = invalid_request(&ask(&json!("x".repeat(length))));
            assert!(message.contains("id") && message.len() < 500, "{message}");
        }
        let id = json!("x".repeat(200));
        let response = ask(&id);
        assert_eq!((response.status, &response.answer()["id"]), (200, &id));
    }
}
