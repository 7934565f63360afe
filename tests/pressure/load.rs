//! A minute with sixty-four clients: every answer is right and its own, and
//! nothing is left behind.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::crowd::{
    Answer, Figures, ROUNDS_PER_MS, Random, STANDBY, Visitor, all, alone, at_rest, say, settled,
    spinning, success,
};
use crate::support::http::Server;
use crate::support::processes::{descriptors, memory};
use crate::support::snippets::ENDLESS;
use crate::support::waiting::within;

const CLIENTS: usize = 64;

/// Seconds of the load. MCP_CONDUCTOR_LOAD_SECONDS changes it.
const SECONDS: u64 = 60;

/// From the end of the load to the last answer: the longest program runs for 20 s,
/// if its client's going away is not noticed.
const LAST_ANSWERS: Duration = Duration::from_secs(40);

/// What the server may hold on to: buffers, and what the allocator keeps. It was 6 MiB at
/// most. A minute makes some 8000 calls: a leak of 2 KiB a call is above it.
const MEMORY_SLACK: u64 = 16 << 20;

/// Descriptors that may come and go by themselves: a connection that is just being
/// closed, a worker that is just being forked.
const DESCRIPTOR_SLACK: usize = 4;

/// Numbers that are sent with a program: 49 KB as JSON.
const UPLOADED: u64 = 10_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Quick,
    Busy,
    Failing,
    Looping,
    Waiting,
    Cancelled,
    Upload,
}

impl Kind {
    /// What a client does next, of a hundred times.
    fn any(random: &mut Random) -> Self {
        match random.below(100) {
            0..52 => Self::Quick,
            52..67 => Self::Busy,
            67..79 => Self::Failing,
            79..81 => Self::Looping,
            81..85 => Self::Waiting,
            85..92 => Self::Cancelled,
            _ => Self::Upload,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Busy => "30 ms of CPU time",
            Self::Failing => "failing",
            Self::Looping => "looping for 200 ms",
            Self::Waiting => "waiting for 200 ms",
            Self::Cancelled => "left after 20 to 150 ms",
            Self::Upload => "with 49 KB of globals",
        }
    }
}

/// A client, and what it has done.
struct Guest {
    visitor: Visitor,
    index: usize,
    random: Random,
    calls: usize,
    figures: Figures,
}

impl Guest {
    fn new(port: u16, index: usize) -> Self {
        Self {
            visitor: Visitor::nth(index, port),
            index,
            random: Random::new(index as u64),
            calls: 0,
            figures: Figures::default(),
        }
    }

    /// Does one thing and checks what came of it.
    fn act(&mut self) {
        self.calls += 1;
        let kind = Kind::any(&mut self.random);
        let nonce = format!("client {} call {}", self.index, self.calls);
        let start = Instant::now();
        match kind {
            Kind::Quick => self.quick(&nonce),
            Kind::Busy => self.busy(),
            Kind::Failing => self.failing(&nonce),
            Kind::Looping => self.late(&nonce, "while (true) {}"),
            Kind::Waiting => self.late(&nonce, ENDLESS),
            Kind::Cancelled => self.leave_one(),
            Kind::Upload => self.upload(&nonce),
        }
        self.figures.add(kind.name(), start.elapsed());
    }

    fn quick(&mut self, nonce: &str) {
        let code = format!("console.log('{nonce}'); ({{ nonce: '{nonce}', value: 21 * 2 }})");
        let answer = self.visitor.call(json!({ "deno_code": code }));
        assert_eq!(answer, success(&[nonce], json!({ "nonce": nonce, "value": 42 })));
    }

    fn busy(&mut self) {
        let seed = u32::try_from(self.index * 1_000_000 + self.calls).expect("a small number");
        let (code, value) = spinning(seed, 30 * ROUNDS_PER_MS);
        assert_eq!(self.visitor.call(json!({ "deno_code": code })), success(&[], json!(value)));
    }

    fn failing(&mut self, nonce: &str) {
        let code = format!("throw new Error('{nonce}')");
        let execution = self.failed(json!({ "deno_code": code }));
        assert_eq!(execution["errorType"], "runtime", "{execution}");
        assert_eq!(execution["error"], format!("Error: {nonce}"));
        assert_eq!(execution["output"], json!([]));
    }

    /// What was printed may not have been: its time may end before it runs.
    fn late(&mut self, nonce: &str, rest: &str) {
        let code = format!("console.log('{nonce}'); {rest}");
        let execution = self.failed(json!({ "deno_code": code, "timeout": 200 }));
        assert_eq!(execution["errorType"], "timeout", "{execution}");
        assert_eq!(execution["error"], "Execution timed out after 200ms");
        let output = &execution["output"];
        assert!(*output == json!([nonce]) || *output == json!([]), "{nonce}: {output}");
    }

    fn upload(&mut self, nonce: &str) {
        let rows: Vec<u64> = (0..UPLOADED).collect();
        let code = "({ nonce, count: rows.length, sum: rows.reduce((a, b) => a + b, 0) })";
        let globals = json!({ "nonce": nonce, "rows": rows });
        let answer = self.visitor.call(json!({ "deno_code": code, "globals": globals }));
        let sum = UPLOADED * (UPLOADED - 1) / 2;
        let value = json!({ "nonce": nonce, "count": UPLOADED, "sum": sum });
        assert_eq!(answer, success(&[], value));
    }

    /// Most say that they go. What a client with a session leaves without a word
    /// goes on for three seconds, so that it may come back.
    fn leave_one(&mut self) {
        let politely = self.random.below(8) > 0;
        let code = if politely && self.random.below(2) == 0 { "while (true) {}" } else { ENDLESS };
        let after = Duration::from_millis(20 + self.random.below(130));
        self.visitor.abandon(code, after, politely);
    }

    #[track_caller]
    fn failed(&mut self, arguments: Value) -> Value {
        match self.visitor.call(arguments) {
            Answer::Ran(execution) if execution["status"] == "error" => execution,
            other => panic!("it must fail: {other:?}"),
        }
    }
}

/// Calls of all clients for a time.
fn load(server: &Server, lasts: Duration) -> Figures {
    let port = server.port;
    let figures = all(CLIENTS, lasts + LAST_ANSWERS, move |index| {
        let mut guest = Guest::new(port, index);
        let end = Instant::now() + lasts;
        while Instant::now() < end {
            guest.act();
        }
        guest.visitor.leave();
        guest.figures
    });
    Figures::merge(figures)
}

fn seconds() -> Duration {
    let text = std::env::var("MCP_CONDUCTOR_LOAD_SECONDS").ok();
    let seconds = text.map_or(SECONDS, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

#[test]
fn sixty_four_clients_get_their_own_answers_and_leave_nothing_behind() {
    let _turn = alone();
    let server = Server::start(&[STANDBY], &[]);
    server.works();
    let idle = settled(&server);
    let lasts = seconds();

    // What is only made once is made, and the allocator has what it needs.
    load(&server, lasts / 6);
    at_rest(&server, idle);
    sleep(Duration::from_secs(1));
    let (files, resident) = (descriptors(server.pid()), memory(server.pid(), "RssAnon"));

    let mut figures = load(&server, lasts);
    figures.print(&format!("{CLIENTS} clients for {lasts:?}"), lasts);

    at_rest(&server, idle);
    let back =
        within(Duration::from_secs(10), || descriptors(server.pid()) <= files + DESCRIPTOR_SLACK);
    let now = descriptors(server.pid());
    assert!(back, "{now} descriptors, and {files} before");
    let grown = memory(server.pid(), "RssAnon").saturating_sub(resident);
    say(&format!("  {now} descriptors, {files} before; {} KiB more memory", grown >> 10));
    assert!(grown < MEMORY_SLACK, "{grown} bytes more than before");
    assert!(!server.log().contains("panicked"), "{}", server.log());
    server.works();
}
