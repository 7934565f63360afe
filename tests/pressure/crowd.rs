//! Clients of both eras that call on and on, each over a connection that it keeps,
//! what became of their calls, and how long they took.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{Server, series};
use crate::support::http_clients::{Caller, Client, LegacySession};
use crate::support::snippets::RUN;
use crate::support::waiting::{PATIENCE, within};
use crate::support::wire::{Connection, Request, Response};

/// Tests of this binary take turns.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a line past what the test harness captures: figures are for people.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// What became of a call.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// The program ran: its execution, without what differs from run to run.
    Ran(Value),
    /// The tool refused to run it, in these words.
    Refused(String),
    /// Something else than a tool's result came, or nothing.
    Failed(String),
}

/// A client that keeps its connection between calls.
pub struct Visitor {
    era: Era,
    connection: Option<Connection>,
}

enum Era {
    Modern(Client),
    Legacy(LegacySession),
}

impl Visitor {
    /// A client without sessions.
    pub fn modern(port: u16, token: Option<&str>) -> Self {
        let client = Client { port, token: token.map(str::to_owned) };
        Self { era: Era::Modern(client), connection: None }
    }

    /// A client with a session, which it opens.
    pub fn legacy(port: u16, token: Option<&str>) -> Self {
        let session = LegacySession::open_with(port, token, &json!({}));
        Self { era: Era::Legacy(session), connection: None }
    }

    /// One or the other, in turns.
    pub fn nth(index: usize, port: u16) -> Self {
        match index % 2 {
            0 => Self::modern(port, None),
            _ => Self::legacy(port, None),
        }
    }

    fn caller(&self) -> &dyn Caller {
        match &self.era {
            Era::Modern(client) => client,
            Era::Legacy(session) => session,
        }
    }

    /// Calls the tool and waits for its result.
    pub fn call(&mut self, arguments: Value) -> Answer {
        let request = self.request(arguments);
        match self.exchange(&request) {
            Ok(response) => answer_in(&response, &id_of(&request)),
            Err(error) => Answer::Failed(format!("the connection: {error}")),
        }
    }

    /// Starts a program that would not end by itself, and leaves it alone after a
    /// time: with a notification, or by closing the connection only.
    pub fn abandon(&self, code: &str, after: Duration, politely: bool) {
        let request = self.request(json!({ "deno_code": code, "timeout": 20_000 }));
        let mut connection = Connection::open(self.caller().port());
        connection.send(&request);
        sleep(after);
        if let (Era::Legacy(session), true) = (&self.era, politely) {
            let params = json!({ "requestId": id_of(&request), "reason": "enough" });
            assert_eq!(session.notify("notifications/cancelled", params), 202);
        }
    }

    /// Ends the session, if there is one.
    pub fn leave(self) {
        let Era::Legacy(session) = self.era else { return };
        let closed = session.close();
        assert!((200..300).contains(&closed.status), "{} {}", closed.status, closed.text());
        let later = session.ask("tools/list", json!({}));
        assert_eq!(later.status, 404, "a session that was closed: {}", later.text());
    }

    fn request(&self, arguments: Value) -> Request {
        self.caller().request("tools/call", json!({ "name": RUN, "arguments": arguments }))
    }

    fn exchange(&mut self, request: &Request) -> io::Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::try_open(self.caller().port())?,
        };
        connection.send(request);
        let response = connection.receive()?;
        if response.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(response)
    }
}

fn id_of(request: &Request) -> Value {
    let message: Value = serde_json::from_slice(&request.body).expect("a message of ours");
    message["id"].clone()
}

fn answer_in(response: &Response, id: &Value) -> Answer {
    let is_answer = |message: &Value| message.get("method").is_none();
    let Some(mut answer) = response.messages().into_iter().find(is_answer) else {
        return Answer::Failed(format!("no answer: {} {}", response.status, response.text()));
    };
    if answer["id"] != *id || !answer["result"].is_object() {
        return Answer::Failed(format!("to {id}: {} {answer}", response.status));
    }
    let mut result = answer["result"].take();
    if result["isError"] == true {
        return Answer::Refused(result["content"][0]["text"].as_str().unwrap_or("?").to_owned());
    }
    let mut execution = result["structuredContent"].take();
    let Some(members) = execution.as_object_mut() else {
        return Answer::Failed(format!("no execution: {result}"));
    };
    // Both say how long something took.
    members.remove("executionTime");
    members.remove("toolCalls");
    Answer::Ran(execution)
}

/// A program that succeeded with this value after it had printed this.
pub fn success(output: &[&str], value: Value) -> Answer {
    Answer::Ran(json!({ "status": "success", "output": output, "returnValue": value }))
}

/// Of the generator in "Numerical Recipes", with 32 bits.
const FACTOR: u32 = 1_664_525;
const SUMMAND: u32 = 1_013_904_223;

/// Rounds that V8 does in about one millisecond: 20 million took 23 ms.
pub const ROUNDS_PER_MS: u32 = 870_000;

/// A program that uses the processor, and its value.
pub fn spinning(seed: u32, rounds: u32) -> (String, i32) {
    let code = format!(
        "let x = {seed}; for (let i = 0; i < {rounds}; i++) \
         x = (Math.imul(x, {FACTOR}) + {SUMMAND}) | 0; x"
    );
    (code, spun(seed, rounds))
}

/// The same in few steps: powers of two of the function, composed.
fn spun(seed: u32, rounds: u32) -> i32 {
    let (mut factor, mut summand, mut x, mut left) = (FACTOR, SUMMAND, seed, rounds);
    while left > 0 {
        if left & 1 == 1 {
            x = x.wrapping_mul(factor).wrapping_add(summand);
        }
        summand = factor.wrapping_mul(summand).wrapping_add(summand);
        factor = factor.wrapping_mul(factor);
        left >>= 1;
    }
    x.cast_signed()
}

/// Numbers that differ enough and are the same in every run (xorshift64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// Lets clients work, each in a thread, and fails if one fails or does not end.
pub fn all<T: Send + 'static>(
    count: usize,
    limit: Duration,
    work: impl Fn(usize) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let work = Arc::new(work);
    let (sender, results) = channel();
    for index in 0..count {
        let (work, sender) = (work.clone(), sender.clone());
        spawn(move || {
            let _ = sender.send(work(index));
        });
    }
    drop(sender);
    let end = Instant::now() + limit;
    let next = |got: usize| {
        let left = end.saturating_duration_since(Instant::now());
        results.recv_timeout(left).unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => panic!("{} of {count} clients hang", count - got),
            RecvTimeoutError::Disconnected => panic!("{} of {count} clients failed", count - got),
        })
    };
    (0..count).map(next).collect()
}

/// How long calls took, by their kind.
#[derive(Default)]
pub struct Figures(BTreeMap<&'static str, Vec<Duration>>);

impl Figures {
    pub fn add(&mut self, kind: &'static str, took: Duration) {
        self.0.entry(kind).or_default().push(took);
    }

    pub fn merge(all: Vec<Self>) -> Self {
        let mut merged = Self::default();
        for (kind, times) in all.into_iter().flat_map(|figures| figures.0) {
            merged.0.entry(kind).or_default().extend(times);
        }
        merged
    }

    pub fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    pub fn of(&self, kind: &str) -> usize {
        self.0.get(kind).map_or(0, Vec::len)
    }

    /// Prints rates and percentiles.
    pub fn print(&mut self, title: &str, lasted: Duration) {
        let seconds = lasted.as_secs_f64();
        let count = self.count();
        say(&format!("{title}: {count} calls, {:.0} a second", count as f64 / seconds));
        for (kind, times) in &mut self.0 {
            times.sort_unstable();
            let times: &[Duration] = times;
            let at = |per_mille: usize| format!("{:.1?}", quantile(times, per_mille));
            say(&format!(
                "  {kind:<24} {:>6} calls {:>6.1}/s  p50 {:>9}  p90 {:>9}  p99 {:>9}  max {:>9}",
                times.len(),
                times.len() as f64 / seconds,
                at(500),
                at(900),
                at(990),
                at(1000),
            ));
        }
    }
}

/// The smallest time that so many thousandths of all are at most (nearest rank).
pub fn quantile(sorted: &[Duration], per_mille: usize) -> Duration {
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// For the servers that [`settled`] and [`at_rest`] are asked about.
pub const STANDBY: (&str, &str) = ("MCP_CONDUCTOR_STANDBY", "2");

/// Whether no program runs, and all workers stand by that are to.
fn rests(server: &Server) -> bool {
    let scrape = server.get("/metrics").text();
    series(&scrape, "executions_active") == Some(0.0)
        && series(&scrape, "workers_standby") == STANDBY.1.parse().ok()
}

/// How many processes a server has when those that come and go have gone.
pub fn settled(server: &Server) -> usize {
    let mut last = 0;
    let settled = within(PATIENCE, || {
        sleep(Duration::from_millis(500));
        // In this order: a worker that comes after the count is one too few in it.
        let rests = rests(server);
        let before = std::mem::replace(&mut last, server.processes());
        rests && before == last
    });
    assert!(settled, "processes come and go:\n{}", server.log());
    last
}

/// Waits until a server has the processes of an idle one.
pub fn at_rest(server: &Server, idle: usize) {
    let is_idle = || rests(server) && server.processes() <= idle;
    let rests = within(Duration::from_secs(20), is_idle);
    assert!(rests, "{} processes, not {idle}:\n{}", server.processes(), server.log());
}
