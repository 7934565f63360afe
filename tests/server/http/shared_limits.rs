//! Limits of principals over several servers with one Redis server.

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
    let Some(redis) = Redis::start() else { return };
    let limits = [("MCP_CONDUCTOR_RATE_LIMIT", "6000"), ("MCP_CONDUCTOR_RATE_BURST", "10")];
    let replicas = Replicas::start(&redis, 3, &limits);
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
    assert!((0.9..=1.1).contains(&part), "{granted} of {allowed}");
}

#[test]
fn a_refusal_over_all_servers_is_the_one_of_a_single_server() {
    let Some(redis) = Redis::start() else { return };
    let limits = [("MCP_CONDUCTOR_RATE_LIMIT", "2"), ("MCP_CONDUCTOR_RATE_BURST", "2")];
    let replicas = Replicas::start(&redis, 2, &limits);
    let health = || json!({ "name": "health", "arguments": {} });
    for at in [0, 1] {
        assert_eq!(replicas.alice(at).ask("tools/call", health()).status, 200);
    }
    for at in [0, 1] {
        let response = replicas.alice(at).ask("tools/call", health());
        assert_eq!(response.status, 429, "{}", response.text());
        let seconds: u64 = response.header("retry-after").expect("seconds").parse().expect("them");
        assert!((1..=31).contains(&seconds), "{seconds}");
        let text = response.json()["error"]["message"].to_string();
        let said = "Rate limit: more than 2 calls per minute (MCP_CONDUCTOR_RATE_LIMIT)";
        assert!(text.contains(said), "{text}");
        replicas.servers[at].becomes(&[("rate_limited_total", 1.0)]);
    }
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
    let Some(redis) = Redis::start() else { return };
    let limits =
        [("MCP_CONDUCTOR_PRINCIPAL_CONCURRENT", "2"), ("MCP_CONDUCTOR_MAX_QUEUE_WAIT", "300")];
    let mut replicas = Replicas::start(&redis, 3, &limits);
    let _one = replicas.alice(0).start_program(ENDLESS);
    let mut two = replicas.alice(1).start_program(&waiter("go"));
    assert_eq!(
        busy(&replicas.alice(2)),
        "Busy: no slot among 2 runs (MCP_CONDUCTOR_PRINCIPAL_CONCURRENT) after 300 ms \
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
    assert!(within(Duration::from_secs(10), || runs(&third)));
}

#[test]
fn without_the_store_each_server_keeps_its_own_limits_until_it_is_back() {
    let Some(mut redis) = Redis::start() else { return };
    let limits = [
        ("MCP_CONDUCTOR_RATE_LIMIT", "1"),
        ("MCP_CONDUCTOR_RATE_BURST", "3"),
        ("MCP_CONDUCTOR_PRINCIPAL_CONCURRENT", "1"),
    ];
    let replicas = Replicas::start(&redis, 2, &limits);
    redis.kill();
    for at in [0, 1] {
        let client = replicas.alice(at);
        let statuses: Vec<u16> = (0..4)
            .map(|_| {
                let start = Instant::now();
                let status = client.ask("tools/call", program("1")).status;
                assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
                status
            })
            .collect();
        assert_eq!(statuses, [200, 200, 200, 429]);
        let server = &replicas.servers[at];
        server.becomes(&[("limits_alone", 1.0)]);
        assert_eq!(server.logged(&["hold on this replica alone"]).len(), 1, "{}", server.log());
    }
    redis.restart();
    for server in &replicas.servers {
        server.becomes(&[("limits_alone", 0.0)]);
    }
    // Of the three calls of all servers together bob has made two.
    let statuses = [0, 1, 0]
        .map(|at| replicas.client(at, &replicas.bob).ask("tools/call", program("1")).status);
    assert_eq!(statuses, [200, 429, 429]);
}
