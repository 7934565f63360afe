//! What one principal may take: calls a minute, runs at a time, places in the
//! queue, and how little others feel of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::crowd::{Answer, ROUNDS_PER_MS, Visitor, alone, quantile, say, spinning, success};
use crate::support::home::Home;
use crate::support::http::{Server, add_token, tokens_of};
use crate::support::http_clients::{Caller, answer_of, program};
use crate::support::snippets::{ENDLESS, RUN};
use crate::support::waiting::{PATIENCE, within};
use crate::support::wire::Connection;

/// A server, and the tokens of two principals that have no settings of their own.
fn two_principals(env: &[(&str, &str)]) -> (Server, [String; 2]) {
    let home = Home::empty();
    let tokens = ["alice", "bob"].map(|name| add_token(&home, name));
    let file = tokens_of(&home);
    let env: Vec<_> = env.iter().copied().chain([("MCP_CONDUCTOR_TOKENS", &*file)]).collect();
    (Server::at(home, &env, &[]), tokens)
}

/// The text of a tool's refusal.
#[track_caller]
fn refusal(result: &Value) -> String {
    assert_eq!(result["isError"], true, "{result}");
    result["content"][0]["text"].as_str().expect("text").to_owned()
}

fn sleeping() -> Value {
    json!({ "deno_code": ENDLESS, "timeout": 20_000 })
}

/// A call that waits for its turn, as the only one of its principal.
#[track_caller]
fn start_waiting(client: &impl Caller, params: Value) -> Connection {
    let connection = client.start("tools/call", params);
    let waiting = || client.structured("health", json!({}))["executions"]["waiting"].take();
    assert!(within(PATIENCE, || waiting() == 1), "{} wait", waiting());
    connection
}

#[test]
fn a_principal_beyond_its_rate_is_told_when_to_come_back_and_another_is_not() {
    let _turn = alone();
    let limits = [("MCP_CONDUCTOR_RATE_LIMIT", "6"), ("MCP_CONDUCTOR_RATE_BURST", "5")];
    let (server, [alice, bob]) = two_principals(&limits);
    let (alice, bob) = (server.client_as(&alice), server.client_as(&bob));
    assert_eq!(bob.value("1"), 1);

    // A token comes back every ten seconds: these calls must take less.
    let params = json!({ "name": RUN, "arguments": { "deno_code": "1" } });
    let mut connection = server.connect();
    let start = Instant::now();
    for _ in 0..5 {
        let response = connection.exchange(&alice.request("tools/call", params.clone()));
        assert_eq!(response.answer()["result"]["structuredContent"]["returnValue"], 1);
    }
    let sixth = alice.request("tools/call", params);
    let message: Value = serde_json::from_slice(&sixth.body).expect("JSON");
    let response = connection.exchange(&sixth);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}: a slow machine", start.elapsed());

    let mut answer = response.json();
    let wait = answer["error"]["data"]["retryAfterMs"].as_u64().expect("milliseconds");
    assert!((1..=10_000).contains(&wait), "{wait}");
    answer["error"]["data"].take();
    assert_eq!(response.status, 429);
    // In whole seconds, not too few: of the wait before its fraction of a millisecond
    // was cut off.
    let seconds = response.header("retry-after").and_then(|text| text.parse::<u64>().ok());
    let seconds = seconds.expect("a number");
    assert!((wait.div_ceil(1000)..=wait / 1000 + 1).contains(&seconds), "{seconds} s, {wait} ms");
    assert_eq!(
        answer,
        json!({ "jsonrpc": "2.0", "id": message["id"], "error": {
            "code": -32029,
            "message": format!(
                "Rate limit: more than 6 calls per minute (MCP_CONDUCTOR_RATE_LIMIT). \
                 Try again in {wait} ms"
            ),
            "data": null,
        }})
    );
    assert_eq!(bob.value("2"), 2);
    sleep(Duration::from_millis(wait + 5));
    assert_eq!(alice.value("3"), 3);
    assert_eq!(alice.ask("tools/call", json!({ "name": RUN })).status, 429);
}

#[test]
fn a_principal_has_its_runs_and_its_waiting_runs_and_no_more() {
    let _turn = alone();
    let limits =
        [("MCP_CONDUCTOR_PRINCIPAL_CONCURRENT", "2"), ("MCP_CONDUCTOR_PRINCIPAL_QUEUE", "1")];
    let (server, [alice, bob]) = two_principals(&limits);
    let (alice, bob) = (server.client_as(&alice), server.client_as(&bob));
    let runs = [alice.start_program(ENDLESS), alice.start_program(ENDLESS)];
    let mut third = start_waiting(&alice, program("'third'"));
    assert_eq!(
        refusal(&alice.tool(RUN, sleeping())),
        "Busy: 2 of your programs are running (MCP_CONDUCTOR_PRINCIPAL_CONCURRENT) and 1 are \
         waiting (MCP_CONDUCTOR_PRINCIPAL_QUEUE). Try again later"
    );
    let others = [bob.start_program(ENDLESS), bob.start_program(ENDLESS)];
    drop(others);
    assert_eq!(bob.value("1"), 1);

    // The place of who goes away is the next one's.
    drop(runs);
    assert_eq!(third.head().expect("an answer").status, 200);
    assert_eq!(answer_of(&mut third)["result"]["structuredContent"]["returnValue"], "third");
}

#[test]
fn without_settings_a_principal_has_half_of_the_places() {
    let _turn = alone();
    let (server, [alice, bob]) = two_principals(&[("MCP_CONDUCTOR_MAX_CONCURRENT", "4")]);
    let (alice, bob) = (server.client_as(&alice), server.client_as(&bob));
    let _runs = [alice.start_program(ENDLESS), alice.start_program(ENDLESS)];
    let params = json!({ "name": RUN, "arguments": { "deno_code": "'third'" } });
    let mut third = start_waiting(&alice, params);
    third.patience(Duration::from_millis(200));
    assert!(third.receive().is_err(), "it waits, and is not answered");
    let _others = [bob.start_program(ENDLESS), bob.start_program(ENDLESS)];
}

#[test]
fn a_run_that_waited_too_long_is_refused() {
    let _turn = alone();
    let limits =
        [("MCP_CONDUCTOR_PRINCIPAL_CONCURRENT", "1"), ("MCP_CONDUCTOR_MAX_QUEUE_WAIT", "300")];
    let (server, [alice, bob]) = two_principals(&limits);
    let (alice, bob) = (server.client_as(&alice), server.client_as(&bob));
    let _run = alice.start_program(ENDLESS);
    let start = Instant::now();
    let text = refusal(&alice.tool(RUN, sleeping()));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(10), "{took:?}");
    assert!(text.starts_with("Busy: no slot among 1 runs "), "{text}");
    assert!(
        text.ends_with(" after 300 ms (MCP_CONDUCTOR_MAX_QUEUE_WAIT). Try again later"),
        "{text}"
    );
    assert_eq!(bob.value("1"), 1);
}

/// Requests that a greedy principal keeps in flight.
const GREEDY: usize = 32;

/// Clients that start programs and go away. They are on the same machine: more would
/// be felt for what they take themselves.
const FICKLE: usize = 8;

/// Calls of a principal that are measured.
const SAMPLES: usize = 60;

/// How much slower a principal's calls may be because of another's.
const RATIO: f64 = 2.0;

/// Other things run on machines of continuous integration.
const ATTEMPTS: usize = 3;

/// A principal that calls from many clients until it is stopped.
struct Greedy {
    enough: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

/// Programs that use the processor for long, and quick ones, in turns.
fn works(visitor: &mut Visitor, number: usize) {
    let rounds = if number.is_multiple_of(2) { 150 * ROUNDS_PER_MS } else { 1 };
    let (code, value) = spinning(number as u32, rounds);
    let answer = visitor.call(json!({ "deno_code": code }));
    assert_eq!(answer, success(&[], json!(value)));
}

/// Goes away as soon as the program has begun.
fn leaves(visitor: &mut Visitor, _: usize) {
    visitor.abandon(ENDLESS, Duration::from_millis(15), false);
}

impl Greedy {
    fn start(port: u16, token: &str, clients: usize, act: fn(&mut Visitor, usize)) -> Self {
        let (enough, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |index: usize| {
            let (enough, calls, token) = (enough.clone(), calls.clone(), token.to_owned());
            spawn(move || {
                let mut visitor = Visitor::modern(port, Some(&token));
                for number in index.. {
                    if enough.load(Ordering::Relaxed) {
                        return;
                    }
                    act(&mut visitor, number);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { enough, calls, clients }
    }

    /// How many calls it made.
    fn stop(self) -> usize {
        self.enough.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("its calls are answered");
        }
        self.calls.load(Ordering::Relaxed)
    }
}

/// The 95th percentile of whole calls with about 20 ms of CPU time, after some that
/// are not counted.
fn p95(visitor: &mut Visitor) -> Duration {
    let mut times: Vec<Duration> = (0..SAMPLES + 5)
        .map(|number| {
            let (code, value) = spinning(number as u32, 20 * ROUNDS_PER_MS);
            let start = Instant::now();
            let answer: Answer = visitor.call(json!({ "deno_code": code }));
            let took = start.elapsed();
            assert_eq!(answer, success(&[], json!(value)));
            took
        })
        .skip(5)
        .collect();
    times.sort_unstable();
    say(&format!(
        "    p50 {:.1?}, p95 {:.1?}, max {:.1?}",
        quantile(&times, 500),
        quantile(&times, 950),
        quantile(&times, 1000)
    ));
    quantile(&times, 950)
}

#[test]
fn a_principal_at_its_limits_slows_another_by_a_factor_of_two_at_most() {
    let _turn = alone();
    let limits =
        [("MCP_CONDUCTOR_PRINCIPAL_CONCURRENT", "4"), ("MCP_CONDUCTOR_PRINCIPAL_QUEUE", "64")];
    another_is_slowed_little(&limits, "32 requests of alice", GREEDY, works);
}

#[test]
fn a_principal_that_starts_and_drops_runs_slows_another_by_a_factor_of_two_at_most() {
    let _turn = alone();
    another_is_slowed_little(&[], "clients of alice that come and go", FICKLE, leaves);
}

fn another_is_slowed_little(
    limits: &[(&str, &str)],
    by: &str,
    clients: usize,
    act: fn(&mut Visitor, usize),
) {
    let (server, [alice, bob]) = two_principals(limits);
    let mut bob = Visitor::modern(server.port, Some(&bob));
    let mut ratios = Vec::new();
    while ratios.len() < ATTEMPTS {
        say("  bob alone:");
        let calm = p95(&mut bob);
        let greedy = Greedy::start(server.port, &alice, clients, act);
        sleep(Duration::from_secs(1));
        say(&format!("  bob beside {by}:"));
        let start = Instant::now();
        let crowded = p95(&mut bob);
        let lasted = start.elapsed().as_secs_f64();
        let calls = greedy.stop();
        let ratio = crowded.as_secs_f64() / calm.as_secs_f64();
        say(&format!("  {ratio:.2} times, and {calls} calls of alice in {lasted:.1} s"));
        assert!(calls > 0, "alice gets nothing");
        if ratio <= RATIO {
            return;
        }
        ratios.push(ratio);
    }
    panic!("bob's calls take {ratios:.2?} times as long beside alice's");
}
