//! Limits of principals over several servers with one Redis server.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::home::Home;
use crate::support::http::{Server, add_token, tokens_of};
use crate::support::http_clients::{Caller, Client, answer_of, program};
use crate::support::redis::Redis;
use crate::support::snippets::{ENDLESS, RUN, waiter};
use crate::support::waiting::{PATIENCE, within};

/// Servers with one store and one file of tokens.
struct Replicas {
    servers: Vec<Server>,
    alice: String,
    bob: String,
    _keys: Home,
}

impl Replicas {
    /// So many, whose limits hold over all of them.
    #[track_caller]
    fn start(redis: &Redis, count: usize, limits: &[(&str, &str)]) -> Self {
        let keys = Home::empty();
        let [alice, bob] = ["alice", "bob"].map(|name| add_token(&keys, name));
        let (url, tokens) = (redis.url(), tokens_of(&keys));
        let own = [("MCP_CONDUCTOR_STORE", &*url), ("MCP_CONDUCTOR_TOKENS", &*tokens)];
        let env: Vec<_> = own.into_iter().chain(limits.iter().copied()).collect();
        let servers = (0..count).map(|_| Server::at(Home::empty(), &env, &[])).collect();
        let this = Self { servers, alice, bob, _keys: keys };
        for at in 0..count {
            // With it the connection to the store is made.
            assert_eq!(this.client(at, &this.bob).value("1"), 1);
            this.servers[at].becomes(&[("limits_alone", 0.0)]);
        }
        this
    }

    fn client(&self, at: usize, token: &str) -> Client {
        Client { port: self.servers[at].port, token: Some(token.to_owned()) }
    }

    fn alice(&self, at: usize) -> Client {
        self.client(at, &self.alice)
    }
}

/// What a server logs that has not heard from the store in time.
const ALONE: &str = "hold on this replica alone";

/// The most times that a test is begun.
const ATTEMPTS: usize = 6;

/// Tests some servers with one store, and begins again with others if it fails and one of them has
/// been alone more often than it should: on a machine that stops processes the store's answer is
/// late, and then each server keeps its own limits for some seconds, as it is to.
#[track_caller]
fn undisturbed(
    count: usize,
    limits: &[(&str, &str)],
    alone: usize,
    test: impl Fn(&mut Redis, &mut Replicas),
) {
    for attempt in 1.. {
        let Some(mut redis) = Redis::start() else { return };
        let mut replicas = Replicas::start(&redis, count, limits);
        let tested = catch_unwind(AssertUnwindSafe(|| test(&mut redis, &mut replicas)));
        let Err(failure) = tested else { return };
        let is_disturbed = |server: &Server| server.logged(&[ALONE]).len() > alone;
        if attempt == ATTEMPTS || !replicas.servers.iter().any(is_disturbed) {
            resume_unwind(failure);
        }
        eprintln!("disturbed, and begun again");
    }
}

/// Calls that are cheap, one after the other, until `end`; how many were granted.
fn load(client: &Client, end: Instant) -> u32 {
    let mut granted = 0;
    while Instant::now() < end {
        let response = client.ask("tools/call", json!({ "name": "health", "arguments": {} }));
        match response.status {
            200 => granted += 1,
            429 => {
                let answer = response.json();
                let wait = answer["error"]["data"]["retryAfterMs"].as_u64().expect("a number");
                sleep(Duration::from_millis(wait.min(20)));
            }
            status => panic!("{status}: {}", response.text()),
        }
    }
    granted
}

#[test]
fn three_servers_together_keep_a_principal_s_rate_within_a_tenth() {
    let limits = [("MCP_CONDUCTOR_RATE_LIMIT", "6000"), ("MCP_CONDUCTOR_RATE_BURST", "10")];
    undisturbed(3, &limits, 0, |_, replicas| {
        let start = Instant::now();
        let end = start + Duration::from_secs(5);
        // Two clients at each.
        let loads: Vec<_> = (0..6)
            .map(|at| replicas.alice(at % 3))
            .map(|client| spawn(move || load(&client, end)))
            .collect();
        let granted: u32 = loads.into_iter().map(|load| load.join().expect("it ends")).sum();
        let allowed = 10.0 + 100.0 * start.elapsed().as_secs_f64();
        let part = f64::from(granted) / allowed;
        eprintln!("{granted} calls of {allowed:.0}");
        // A busy machine does not ask for all that it may have.
        assert!((0.5..=1.1).contains(&part), "{granted} of {allowed}");
    });
}

#[test]
fn a_refusal_over_all_servers_is_the_one_of_a_single_server() {
    let limits = [("MCP_CONDUCTOR_RATE_LIMIT", "2"), ("MCP_CONDUCTOR_RATE_BURST", "2")];
    undisturbed(2, &limits, 0, |_, replicas| {
        let health = || json!({ "name": "health", "arguments": {} });
        for at in [0, 1] {
            assert_eq!(replicas.alice(at).ask("tools/call", health()).status, 200);
        }
        for at in [0, 1] {
            let response = replicas.alice(at).ask("tools/call", health());
            assert_eq!(response.status, 429, "{}", response.text());
            let seconds = response.header("retry-after").expect("seconds");
            let seconds: u64 = seconds.parse().expect("a number");
            assert!((1..=31).contains(&seconds), "{seconds}");
            let text = response.json()["error"]["message"].to_string();
            let said = "Rate limit: more than 2 calls per minute (MCP_CONDUCTOR_RATE_LIMIT)";
            assert!(text.contains(said), "{text}");
            replicas.servers[at].becomes(&[("rate_limited_total", 1.0)]);
        }
    });
}

/// The text of a run that found no slot.
#[track_caller]
fn busy(client: &Client) -> String {
    let result = client.tool(RUN, json!({ "deno_code": "1" }));
    assert_eq!(result["isError"], true, "{result:#}");
    result["content"][0]["text"].as_str().expect("a text").to_owned()
}

#[test]
fn servers_together_have_a_principal_s_slots_and_those_of_a_killed_one_are_free_again() {
    let limits =
        [("MCP_CONDUCTOR_PRINCIPAL_CONCURRENT", "2"), ("MCP_CONDUCTOR_MAX_QUEUE_WAIT", "2000")];
    undisturbed(3, &limits, 0, |_, replicas| {
        let _one = replicas.alice(0).start_program(ENDLESS);
        let mut two = replicas.alice(1).start_program(&waiter("go"));
        assert_eq!(
            busy(&replicas.alice(2)),
            "Busy: no slot among 2 runs (MCP_CONDUCTOR_PRINCIPAL_CONCURRENT) after 2000 ms \
             (MCP_CONDUCTOR_MAX_QUEUE_WAIT). Try again later"
        );
        assert_eq!(replicas.client(2, &replicas.bob).value("1"), 1);
        // A run that ends leaves its slot to another server.
        replicas.servers[1].release("go");
        assert_eq!(answer_of(&mut two)["result"]["structuredContent"]["returnValue"], "done");
        let runs = |client: &Client| {
            let result = client.tool(RUN, json!({ "deno_code": "1" }));
            result["structuredContent"]["returnValue"] == 1
        };
        let third = replicas.alice(2);
        assert!(within(PATIENCE, || runs(&third)));
        let _two = replicas.alice(1).start_program(ENDLESS);
        busy(&third);
        drop(replicas.servers.remove(0));
        assert!(within(PATIENCE, || runs(&third)));
    });
}

#[test]
fn without_the_store_each_server_keeps_its_own_limits_until_it_is_back() {
    let limits = [
        ("MCP_CONDUCTOR_RATE_LIMIT", "1"),
        ("MCP_CONDUCTOR_RATE_BURST", "3"),
        ("MCP_CONDUCTOR_PRINCIPAL_CONCURRENT", "1"),
    ];
    let start = Instant::now();
    undisturbed(2, &limits, 1, |redis, replicas| {
        redis.kill();
        for at in [0, 1] {
            let client = replicas.alice(at);
            let granted = (0..4).filter(|_| client.ask("tools/call", program("1")).status == 200);
            // One more for each minute that a busy machine takes.
            assert!((3..=4).contains(&granted.count()));
            let server = &replicas.servers[at];
            server.becomes(&[("limits_alone", 1.0)]);
            assert_eq!(server.logged(&[ALONE]).len(), 1, "{}", server.log());
        }
        redis.restart();
        for server in &replicas.servers {
            server.becomes(&[("limits_alone", 0.0)]);
        }
        // Of the three calls of all servers together bob has made two.
        let calls = (0..12).map(|at| replicas.client(at % 2, &replicas.bob));
        let calls = calls.map(|client| client.ask("tools/call", program("1")).status);
        let granted = calls.filter(|status| *status == 200).count() as u64;
        let minutes = start.elapsed().as_secs().div_ceil(60);
        assert!((1..=1 + minutes).contains(&granted), "{granted} in {minutes} minutes");
    });
}
