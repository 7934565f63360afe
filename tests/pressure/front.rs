//! Probes while clients do what they can to keep the server busy.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use serde_json::json;

use super::crowd::{alone, say};
use crate::support::http::Server;
use crate::support::http_clients::{Caller, LegacySession};
use crate::support::snippets::RUN;
use crate::support::wire::{Connection, Request, Response};

/// How long the pressure lasts.
const TIME: Duration = Duration::from_secs(10);

/// A probe is given up after a second by some who ask; machines that run tests stop
/// processes for as long besides.
const LATEST: Duration = Duration::from_secs(3);

/// A message of as many values as one may have.
fn heaviest(id: usize) -> String {
    let values = "0,".repeat(480_000);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping","params":{{"a":[{values}0]}}}}"#)
}

/// The longest wait for `/health` while clients do something until it is over.
fn latest_health(server: &Server, clients: &[&(dyn Fn(&AtomicBool) + Sync)]) -> Duration {
    let over = AtomicBool::new(false);
    let mut latest = Duration::ZERO;
    scope(|scope| {
        let _over = SetAtTheEnd(&over);
        for client in clients {
            scope.spawn(|| client(&over));
        }
        let start = Instant::now();
        while start.elapsed() < TIME {
            let asked = Instant::now();
            while !is_healthy(server) {
                assert!(asked.elapsed() < LATEST, "nobody is told for {:?}", asked.elapsed());
            }
            latest = latest.max(asked.elapsed());
            sleep(Duration::from_millis(20));
        }
    });
    latest
}

/// Clients go on until it is over, also where the test has failed.
struct SetAtTheEnd<'a>(&'a AtomicBool);

impl Drop for SetAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whether a probe is told. One that was stopped before it had sent anything may have lost
/// its place to others.
fn is_healthy(server: &Server) -> bool {
    answered(server, &Request::new("GET", "/health")).is_some()
}

fn answered(server: &Server, request: &Request) -> Option<Response> {
    let mut connection = Connection::try_open(server.port).ok()?;
    connection.patience(LATEST);
    connection.send(request);
    connection.receive().ok().filter(|response| response.status == 200)
}

#[test]
fn health_does_not_wait_for_messages_that_are_read() {
    let _turn = alone();
    let server = Server::start(&[], &[]);
    let post = |over: &AtomicBool| {
        let session = LegacySession::open(&server);
        for id in 0.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            // There may be no memory for it.
            let request = session.within_session(Request::post(heaviest(id)));
            let _ = Connection::open(server.port).exchange(&request);
        }
    };
    let post: &(dyn Fn(&AtomicBool) + Sync) = &post;
    let latest = latest_health(&server, &[post; 8]);
    say(&format!("/health, beside 8 clients that send the heaviest messages: {latest:?} at most"));
    assert!(latest < LATEST, "{latest:?}");
    server.works();
}

#[test]
fn health_does_not_wait_for_silent_connections() {
    let _turn = alone();
    let (server, token) = Server::with_token(&[("MCP_CONDUCTOR_MAX_CLIENTS", "64")]);
    let flood = |over: &AtomicBool| {
        let mut held = std::collections::VecDeque::new();
        while !over.load(Ordering::Relaxed) {
            // Of two kinds: silent, and with half a head.
            for half in [false, true] {
                let Ok(mut connection) = Connection::try_open(server.port) else { continue };
                if half {
                    let _ = connection.write(b"POST /mcp HTTP/1.1\r\nHost:");
                }
                held.push_back(connection);
            }
            held.drain(..held.len().saturating_sub(400));
            sleep(Duration::from_millis(10));
        }
    };
    let client = server.client_as(&token);
    let calls = AtomicUsize::new(0);
    let caller = |over: &AtomicBool| {
        let params = json!({ "name": RUN, "arguments": { "deno_code": "40 + 2" } });
        while !over.load(Ordering::Relaxed) {
            if let Some(response) = answered(&server, &client.request("tools/call", params.clone()))
            {
                let result = &response.answer()["result"]["structuredContent"];
                assert_eq!(result["returnValue"], 42, "{result}");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let latest = latest_health(&server, &[&flood, &flood, &caller]);
    let calls = calls.into_inner();
    say(&format!(
        "/health, beside 400 new silent connections a second: {latest:?} at most, {calls} calls"
    ));
    assert!(latest < LATEST && calls > 0, "{latest:?}, {calls} calls");
    assert_eq!(server.client_as(&token).structured("health", json!({}))["healthy"], true);
}
