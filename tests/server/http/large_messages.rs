//! Large messages, and messages of very many values: what they take of memory and of the
//! time of others.

use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::Server;
use crate::support::http_clients::{Caller as _, LegacySession, invalid_request, of_both_eras};
use crate::support::processes::peak_mebibytes;
use crate::support::wire::{Connection, Request, Response};

/// Posts a text within a session.
#[track_caller]
fn post(session: &LegacySession, text: &str) -> Response {
    Connection::open(session.port).exchange(&session.within_session(Request::post(text)))
}

/// A message with one large parameter, which is JSON.
fn ping(id: u32, large: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping","params":{{"a":{large}}}}}"#)
}

/// An array of so many values.
fn array_of(value: &str, count: usize) -> String {
    let before = format!("{value},").repeat(count - 1);
    format!("[{before}{value}]")
}

#[test]
fn a_message_of_very_many_values_is_refused_and_a_long_one_is_not() {
    let server = Server::start(&[], &[]);
    for client in of_both_eras(&server) {
        let list = |large: Value| client.ask("tools/list", json!({ "a": large }));
        let message = invalid_request(&list(json!(vec![0; 1_100_000])));
        assert!(message.contains("values"), "{message}");
        for large in [json!(vec![0; 100_000]), json!("x".repeat(8 << 20))] {
            let response = list(large);
            assert_eq!(response.status, 200, "{}", response.text());
            let tools = response.answer()["result"]["tools"].take();
            assert_eq!(tools.as_array().map(Vec::len), Some(8), "{tools}");
        }
    }
}

#[test]
fn values_are_counted_in_messages_of_each_kind() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    let zeros = array_of("0", 1_100_000);
    for kind in [
        r#""id":1000001,"method":"no/such","params""#,
        r#""method":"notifications/nothing","params""#,
        r#""id":1000001,"result""#,
    ] {
        let message = |large: &str| format!(r#"{{"jsonrpc":"2.0",{kind}:{{"a":{large}}}}}"#);
        let refused = invalid_request(&post(&session, &message(&zeros)));
        assert!(refused.contains("values"), "{kind}: {refused}");
        let response = post(&session, &message("[0]"));
        let is_many = response.text().contains("values");
        assert!(!is_many, "{kind}: {} {}", response.status, response.text());
    }
    // Characters within a string are none.
    let long = format!("\"{}\"", "[{,:\\\"".repeat(500_000));
    assert_eq!(post(&session, &ping(1_000_002, &long)).status, 200);
    assert_eq!(session.value("1"), 1);
}

#[test]
fn large_messages_in_parallel_take_neither_the_memory_nor_the_time_of_others() {
    let server = Server::start(&[], &[]);
    let sessions: Vec<_> = (0..3).map(|_| LegacySession::open(&server)).collect();
    let text = format!("\"{}\"", "x".repeat(8 << 20));
    for (round, status, large) in [
        (0, 400, array_of("0", 8_000_000)),
        (1, 400, array_of("{}", 5_000_000)),
        (2, 200, array_of("0", 400_000)),
        (3, 200, text),
    ] {
        let message = ping(1_000_000 + round, &large);
        let message = message.as_str();
        thread::scope(|scope| {
            let posts: Vec<_> = sessions
                .iter()
                .map(|session| scope.spawn(move || post(session, message).status))
                .collect();
            loop {
                let start = Instant::now();
                assert_eq!(server.get("/health").status, 200);
                let waited = start.elapsed();
                assert!(waited < Duration::from_secs(5), "round {round}: {waited:?}");
                if posts.iter().all(thread::ScopedJoinHandle::is_finished) {
                    break;
                }
                sleep(Duration::from_millis(20));
            }
            for post in posts {
                assert_eq!(post.join().expect("an answer"), status, "round {round}");
            }
        });
    }
    let peak = peak_mebibytes(server.pid());
    assert!(peak < 1 << 10, "{peak} MiB");
    server.works();
}
