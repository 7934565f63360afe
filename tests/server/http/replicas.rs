//! Several servers with one store. Sessions of older clients belong to one of them.

use serde_json::json;

use crate::support::home::Home;
use crate::support::http::{Server, add_token, tokens_of};
use crate::support::http_clients::{Caller, LegacySession, answer_of};
use crate::support::redis::Redis;
use crate::support::snippets::{RUN, waiter};
use crate::support::waiting::{PATIENCE, within};
use crate::support::wire::Response;

const OWNER: &str = "Mcp-Conductor-Replica";

/// Servers of these names with one file of tokens.
struct Replicas {
    store: String,
    keys: Home,
}

impl Replicas {
    fn new(store: &str) -> Self {
        Self { store: store.to_owned(), keys: Home::empty() }
    }

    fn start(&self, name: &str) -> Server {
        let tokens = tokens_of(&self.keys);
        let env = [
            ("MCP_CONDUCTOR_STORE", &*self.store),
            ("MCP_CONDUCTOR_REPLICA", name),
            ("MCP_CONDUCTOR_TOKENS", &tokens),
        ];
        Server::at(Home::empty(), &env, &[])
    }
}

/// The same session, asked for at another server.
fn at(session: &LegacySession, server: &Server) -> Response {
    LegacySession { port: server.port, ..session.clone() }.ask("tools/list", json!({}))
}

#[test]
fn another_replica_says_who_has_a_session_until_it_ends() {
    let Some(redis) = Redis::start() else { return };
    let replicas = Replicas::new(&redis.url());
    let alice = add_token(&replicas.keys, "alice");
    let (one, other) = (replicas.start("one"), replicas.start("other"));
    let session = LegacySession::open_as(&one, &alice);
    let owner_is = |name: Option<&str>| {
        within(PATIENCE, || {
            let response = at(&session, &other);
            assert_eq!(response.status, 404, "{}", response.text());
            response.header(OWNER) == name
        })
    };
    assert!(owner_is(Some("one")), "{}", one.log());
    assert_eq!(session.value("1"), 1);
    session.close();
    assert!(owner_is(None), "{}", one.log());
    // Where it was, nobody else has it.
    assert_eq!(at(&session, &one).header(OWNER), None);
}

#[test]
fn a_session_of_another_principal_is_answered_as_an_invented_one() {
    let Some(redis) = Redis::start() else { return };
    let replicas = Replicas::new(&redis.url());
    let [alice, bob] = ["alice", "bob"].map(|name| add_token(&replicas.keys, name));
    let (one, other) = (replicas.start("one"), replicas.start("other"));
    let session = LegacySession::open_as(&one, &alice);
    let known = within(PATIENCE, || at(&session, &other).header(OWNER) == Some("one"));
    assert!(known, "{}", one.log());
    let his = session.with_token(Some(&bob));
    let invented =
        LegacySession { id: "00000000-0000-4000-8000-000000000000".into(), ..his.clone() };
    let (stolen, invented) = (at(&his, &other), at(&invented, &other));
    assert_eq!((stolen.status, stolen.text()), (invented.status, invented.text()));
    assert_eq!((stolen.header(OWNER), invented.header(OWNER)), (None, None));
}

#[test]
fn sessions_go_on_without_the_store_and_others_are_not_found() {
    let Some(mut redis) = Redis::start() else { return };
    let replicas = Replicas::new(&redis.url());
    let alice = add_token(&replicas.keys, "alice");
    let (one, other) = (replicas.start("one"), replicas.start("other"));
    let session = LegacySession::open_as(&one, &alice);
    redis.kill();
    assert_eq!(session.value("1"), 1);
    let response = at(&session, &other);
    assert_eq!((response.status, response.header(OWNER)), (404, None));
    assert_eq!(LegacySession::open_as(&other, &alice).value("2"), 2);
}

#[test]
fn any_replica_goes_on_with_a_conversation() {
    let Some(redis) = Redis::start() else { return };
    let replicas = Replicas::new(&redis.url());
    let alice = add_token(&replicas.keys, "alice");
    let servers = ["one", "two", "three"].map(|name| replicas.start(name));
    let mut handle = "new".to_owned();
    for number in 0..6 {
        let client = servers[number % 3].client_as(&alice);
        let code = "const n = (await session.get('n')) ?? 0; await session.set('n', n + 1); n";
        let run = client.structured(RUN, json!({ "deno_code": code, "conversation": handle }));
        assert_eq!(run["returnValue"], number, "{run:#}");
        handle = run["conversation"].as_str().unwrap_or(&handle).to_owned();
    }
}

#[test]
fn a_server_that_drains_sends_calls_and_connections_elsewhere() {
    let mut server = Server::start(&[], &[]);
    let mut running = server.client().start_program(&waiter("go"));
    let mut kept = server.connect();
    assert_eq!(
        kept.exchange(&server.client().request("tools/list", json!({}))).header("connection"),
        None
    );
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(within(PATIENCE, || server.get("/ready").status == 503));
    let call = json!({ "name": RUN, "arguments": { "deno_code": "'taken'" } });
    let refused = kept.exchange(&server.client().request("tools/call", call));
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.header("connection"), Some("close"));
    assert!(refused.header("retry-after").is_some());
    server.release("go");
    let answer = answer_of(&mut running);
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done", "{answer}");
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
}
