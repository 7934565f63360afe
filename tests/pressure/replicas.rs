//! Three servers with one store behind a round-robin proxy, under load, while one of them is
//! killed and the store is started again: no answer is wrong, no call is made twice, every
//! conversation goes on, and limits hold.
//!
//! A client repeats what breaks off with the same idempotency key. Where it is told that nobody
//! knows whether its call was made, it makes it with a new key, as a client with a harmless
//! program may; both cases are allowed for in what is expected then.
//!
//! `MCP_CONDUCTOR_REPLICAS_SECONDS=120` runs it for two minutes; `make test` for 12 s and for as
//! long as it takes until the dead replica is known to be dead.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::crowd::{alone, say};
use crate::support::home::Home;
use crate::support::http::{Server, add_token, tokens_of};
use crate::support::http_clients::{Caller, Client};
use crate::support::redis::Redis;
use crate::support::snippets::RUN;
use crate::support::waiting::within;
use crate::support::wire::{Connection, Response};

/// Seconds of the load. MCP_CONDUCTOR_REPLICAS_SECONDS changes it.
const SECONDS: u64 = 12;

/// Conversations at the same time: more than the machine has processors, and few enough that each
/// makes a call a second.
const CLIENTS: usize = 6;

/// Calls that are answered before something happens, and after it.
const BETWEEN: usize = 30;

/// From one event to [`BETWEEN`] answers after it: a store that was away is asked again after 5 s
/// at most, a dead replica is known as such after 15 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Calls a second that bob may make, in all.
const RATE: u64 = 10;

/// What each server counts alone while the store is away, and until it asks it again.
const ALONE: u64 = 20;

/// Sends each connection to the next server that takes it.
struct Proxy {
    port: u16,
}

impl Proxy {
    fn start(servers: Vec<u16>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        spawn(move || {
            for (turn, client) in listener.incoming().flatten().enumerate() {
                let mut next = (0..servers.len()).map(|add| servers[(turn + add) % servers.len()]);
                let server =
                    next.find_map(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
                if let Some(server) = server {
                    join(&client, &server);
                    join(&server, &client);
                }
            }
        });
        Self { port }
    }
}

/// Passes on what comes from one side, and its end.
fn join(from: &TcpStream, to: &TcpStream) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
    spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
    });
}

/// What happened, of all clients.
#[derive(Default)]
struct Counts {
    answered: AtomicUsize,
    broken: AtomicUsize,
    running: AtomicUsize,
    unknown: AtomicUsize,
    no_store: AtomicUsize,
    store_in_program: AtomicUsize,
}

impl Counts {
    fn say(&self) {
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        say(&format!(
            "  {} answered; broken off {}, still running {}, unknown {}, refused without the \
             store {}, without it in the program {}",
            of(&self.answered),
            of(&self.broken),
            of(&self.running),
            of(&self.unknown),
            of(&self.no_store),
            of(&self.store_in_program),
        ));
    }
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What a call with one key came to.
enum Came {
    Value(Value),
    /// Perhaps it was made.
    Unknown,
}

/// One conversation: it counts its own calls in a value that is kept.
struct Talk {
    client: Client,
    name: String,
    handle: String,
    counts: Arc<Counts>,
    /// Keys that were used.
    keys: usize,
    /// Calls that were made, and those of which it is not known.
    made: u64,
    perhaps: u64,
}

impl Talk {
    fn begin(port: u16, token: &str, number: usize, counts: Arc<Counts>) -> Self {
        let client = Client { port, token: Some(token.to_owned()) };
        let begun = client.structured(RUN, json!({ "deno_code": "1", "conversation": "new" }));
        let handle = begun["conversation"].as_str().expect("a handle").to_owned();
        let name = format!("talk{number}");
        Self { client, name, handle, counts, keys: 0, made: 0, perhaps: 0 }
    }

    /// Adds one to the number that is kept; what was there before is what this client knows.
    fn step(&mut self) {
        let name = self.name.clone();
        let code = format!(
            "const was = (await session.get('count')) ?? 0; \
             await session.set('count', was + 1); ['{name}', was]"
        );
        match self.made_with_a_key(&code) {
            Came::Value(value) => {
                let was = value[1].as_u64().expect("a number");
                assert_eq!(value[0], self.name, "an answer of another's");
                self.is_right(was);
                // From here on it is known again.
                (self.made, self.perhaps) = (was + 1, 0);
                count(&self.counts.answered);
            }
            Came::Unknown => self.perhaps += 1,
        }
    }

    #[track_caller]
    fn is_right(&self, count: u64) {
        let known = self.made..=self.made + self.perhaps;
        assert!(known.contains(&count), "{}: {count} is not in {known:?}", self.name);
    }

    /// The number at the end, read without a key, once the store is asked again.
    fn ends(&self) {
        let code = "(await session.get('count')) ?? 0";
        let arguments = json!({ "deno_code": code, "conversation": self.handle });
        let mut run = Value::Null;
        let is_read = within(PATIENCE, || {
            run = self.client.tool(RUN, arguments.clone())["structuredContent"].take();
            run["status"] == "success"
        });
        assert!(is_read, "{}: {run:#}", self.name);
        self.is_right(run["returnValue"].as_u64().expect("a number"));
    }

    /// Makes a call, with repetitions for as long as these may have an answer.
    fn made_with_a_key(&mut self, code: &str) -> Came {
        self.keys += 1;
        let key = format!("{}-{}", self.name, self.keys);
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "{key} has no answer");
            let Ok(response) = self.asked(&key, code) else {
                count(&self.counts.broken);
                sleep(Duration::from_millis(50));
                continue;
            };
            match response.status {
                200 => return self.came(&response),
                409 => count(&self.counts.running),
                410 => {
                    count(&self.counts.unknown);
                    return Came::Unknown;
                }
                503 => count(&self.counts.no_store),
                status => panic!("{key}: {status} {}", response.text()),
            }
            sleep(Duration::from_millis(200));
        }
    }

    fn asked(&self, key: &str, code: &str) -> io::Result<Response> {
        let arguments = json!({ "deno_code": code, "conversation": self.handle });
        let params = json!({ "name": RUN, "arguments": arguments });
        let request = self.client.request("tools/call", params).header("Idempotency-Key", key);
        let mut connection = Connection::try_open(self.client.port)?;
        connection.send(&request);
        let response = connection.receive()?;
        // A stream that a killed server began has no end, or no answer.
        let has_answer = |message: &Value| message.get("method").is_none();
        match response.messages().iter().any(has_answer) {
            true => Ok(response),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// What a program came to that was run. Without the store it says so, and has changed what
    /// it keeps or not.
    fn came(&self, response: &Response) -> Came {
        let mut answer = response.answer();
        let execution = answer["result"]["structuredContent"].take();
        if execution["status"] == "success" {
            return Came::Value(execution["returnValue"].clone());
        }
        let text = format!("{answer}{execution}");
        assert!(text.contains("store"), "{text}");
        count(&self.counts.store_in_program);
        sleep(Duration::from_millis(200));
        Came::Unknown
    }
}

/// Bob calls what costs nothing as fast as he may; how often he was answered.
fn hammer(port: u16, token: String, enough: Arc<AtomicBool>) -> u64 {
    let client = Client { port, token: Some(token) };
    let mut admitted = 0;
    while !enough.load(Ordering::Relaxed) {
        let params = json!({ "name": "health", "arguments": {} });
        let Ok(mut connection) = Connection::try_open(port) else { continue };
        connection.send(&client.request("tools/call", params));
        match connection.receive().map(|response| response.status) {
            Ok(200) => admitted += 1,
            // Not for the processors' sake alone: the limit is what is to be seen.
            Ok(429) => sleep(Duration::from_millis(20)),
            Ok(503) | Err(_) => sleep(Duration::from_millis(50)),
            Ok(status) => panic!("{status}"),
        }
    }
    admitted
}

/// A server with this name, and tokens and settings that all have.
fn replica(name: &str, shared: &Home, store: &str, settings: &str) -> Server {
    let tokens = tokens_of(shared);
    let env = [
        ("MCP_CONDUCTOR_STORE", store),
        ("MCP_CONDUCTOR_REPLICA", name),
        ("MCP_CONDUCTOR_TOKENS", &tokens),
    ];
    Server::at(Home::empty(), &env, &["--config", settings])
}

fn lasts() -> Duration {
    let text = std::env::var("MCP_CONDUCTOR_REPLICAS_SECONDS").ok();
    let seconds = text.map_or(SECONDS, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

#[test]
fn replicas_answer_right_while_one_is_killed_and_the_store_starts_again() {
    let _turn = alone();
    let Some(mut redis) = Redis::start() else { return };
    let shared = Home::empty();
    let [alice, bob] = ["alice", "bob"].map(|name| add_token(&shared, name));
    let limited = format!("[principals.bob]\nrate_limit = {}\nrate_burst = {RATE}\n", RATE * 60);
    let settings = shared.settings(&limited);
    let mut servers: Vec<Server> = ["one", "two", "three"]
        .iter()
        .map(|name| replica(name, &shared, &redis.url(), &settings))
        .collect();
    let proxy = Proxy::start(servers.iter().map(|server| server.port).collect());

    let (start, lasts) = (Instant::now(), lasts());
    let (enough, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
    let hammering = {
        let (port, enough) = (proxy.port, enough.clone());
        spawn(move || hammer(port, bob, enough))
    };
    let talking: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut talk = Talk::begin(proxy.port, &alice, number, counts.clone());
            let enough = enough.clone();
            spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    talk.step();
                }
                talk
            })
        })
        .collect();

    let more_are_answered = |what: &str| {
        let before = counts.answered.load(Ordering::Relaxed);
        let more = || counts.answered.load(Ordering::Relaxed) >= before + BETWEEN;
        assert!(within(PATIENCE, more), "no answers {what}");
    };
    let until = |part: u32| sleep((lasts * part / 3).saturating_sub(start.elapsed()));
    more_are_answered("at the beginning");
    until(1);
    servers[0].child().kill().expect("a child");
    servers[0].child().wait().expect("a child");
    more_are_answered("after a replica was killed");
    until(2);
    redis.restart();
    more_are_answered("after the store was started again");
    until(3);
    enough.store(true, Ordering::Relaxed);
    let talks: Vec<Talk> =
        talking.into_iter().map(|talk| talk.join().expect("right answers")).collect();
    let (admitted, lasted) = (hammering.join().expect("a count"), start.elapsed());

    say(&format!(
        "replicas: {:.0} s, three servers, {CLIENTS} conversations",
        lasted.as_secs_f64()
    ));
    counts.say();
    let (alone, shared) = (ALONE * 2 * RATE, RATE + lasted.as_secs() * RATE * 11 / 10);
    say(&format!(
        "  bob: {admitted} calls, of {shared} that are allowed and {alone} without the store"
    ));
    for talk in &talks {
        assert!(talk.made > 0, "{} has come to nothing", talk.name);
        talk.ends();
    }
    assert!(admitted <= shared + alone, "{admitted} calls, {shared} and {alone}");
}
