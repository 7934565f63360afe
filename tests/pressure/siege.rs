//! Honest clients among everything that the reviews found to stop a server: answers that
//! nobody reads, floods of connections, servers that say too much, programs that leave
//! work behind, and a log that nobody reads.
//!
//! `make siege` runs it for 30 minutes and holds it to the figures that are promised;
//! `make test` for 20 s, as a look whether it still works.
//!
//! The attackers' own work gives way to everything else: in the field it is done on
//! machines of theirs, and what is measured is what the server lets them cost others.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::crowd::{ROUNDS_PER_MS, Visitor, alone, quantile, say, spinning, success};
use crate::support::home::Home;
use crate::support::http::{add_token, tokens_of};
use crate::support::http_clients::{Caller, Client, initialize};
use crate::support::processes::memory;
use crate::support::snippets::RUN;
use crate::support::upstreams::upstream;
use crate::support::wire::{Connection, Request};

/// Seconds of the siege. MCP_CONDUCTOR_SIEGE_SECONDS changes it.
const SECONDS: u64 = 20;

/// From here on the figures are held to what is promised: shorter ones are of machines
/// that do other things too.
const STRICT: Duration = Duration::from_secs(600);

/// How much slower an honest call may be at its 95th percentile.
const RATIO: f64 = 2.0;

/// The longest answer of `/health`.
const HEALTH: Duration = Duration::from_secs(1);

/// The same where a machine of continuous integration does other things.
const HEALTH_AT_ALL: Duration = Duration::from_secs(15);

/// What the server may hold in all: its budget for others (512 MiB), and its own.
const MEMORY: u64 = 768 << 20;

/// How much the last third of the siege may have beyond the second: memory is flat.
const GROWTH: u64 = 48 << 20;

/// Silent connections a second.
const SILENT: u64 = 50;

/// A server whose log nobody reads, once it listens.
struct Besieged {
    child: Child,
    _log: BufReader<ChildStderr>,
    port: u16,
    _home: Home,
}

impl Besieged {
    fn start(home: Home, env: &[(&str, &str)]) -> Self {
        let mut command = home.command(&["http", "-p", "0"]);
        let mut child = command.envs(env.iter().copied()).spawn().expect("the binary starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert_ne!(log.read_line(&mut line).expect("text"), 0, "it does not listen");
            let Some((_, url)) = line.split_once("listening on http://127.0.0.1:") else {
                continue;
            };
            let digits: String = url.chars().take_while(char::is_ascii_digit).collect();
            break digits.parse().expect("a port");
        };
        Self { child, _log: log, port, _home: home }
    }

    /// Resident bytes.
    fn memory(&self) -> u64 {
        memory(self.child.id(), "VmRSS")
    }
}

impl Drop for Besieged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Threads that go on until they are told that it is enough.
#[derive(Clone, Default)]
struct Enough(Arc<AtomicBool>);

impl Enough {
    fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn say(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Does something again and again, with a pause.
    fn until(
        &self,
        pause: Duration,
        mut act: impl FnMut(usize) + Send + 'static,
    ) -> JoinHandle<()> {
        let enough = self.clone();
        spawn(move || {
            give_way();
            for number in 0.. {
                if enough.is() {
                    return;
                }
                act(number);
                sleep(pause);
            }
        })
    }
}

/// Lets others go before the calling thread where processors are short.
fn give_way() {
    // SAFETY: setpriority(2) takes numbers only and touches no memory of this process.
    let set = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
    assert_eq!(set, 0, "a thread may always be made nicer");
}

/// A server of MCP over HTTP that says more than anybody wants to hear: on each stream
/// that is opened, pings with ids of 256 KiB without end.
struct Shouting {
    port: u16,
    said: Arc<AtomicUsize>,
}

impl Shouting {
    fn start(enough: &Enough) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let said = Arc::new(AtomicUsize::new(0));
        let (counted, enough) = (said.clone(), enough.clone());
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counted, enough) = (counted.clone(), enough.clone());
                spawn(move || {
                    give_way();
                    serve(stream, &counted, &enough)
                });
            }
        });
        Self { port, said }
    }
}

/// Answers requests on one connection until it breaks off.
fn serve(mut stream: TcpStream, said: &AtomicUsize, enough: &Enough) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let is_stream = line.starts_with("GET");
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        if is_stream {
            return shout(&mut stream, said, enough);
        }
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (status, text) = match answer_to(&message) {
            Some(answer) => ("200 OK", answer.to_string()),
            None => ("202 Accepted", String::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nmcp-session-id: siege\r\n\
             content-length: {}\r\n\r\n",
            text.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(text.as_bytes()).ok()?;
    }
}

fn answer_to(message: &Value) -> Option<Value> {
    let id = message.get("id")?;
    let method = message["method"].as_str()?;
    let tool = json!({ "name": "shout", "inputSchema": { "type": "object" } });
    let result = match method {
        "initialize" => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": { "listChanged": true } },
            "serverInfo": { "name": "shouting", "version": "1" },
        }),
        "tools/list" => json!({ "tools": [tool] }),
        "tools/call" => json!({ "content": [{ "type": "text", "text": "x".repeat(200_000) }] }),
        _ => {
            let error = json!({ "code": -32601, "message": "no such method" });
            return Some(json!({ "jsonrpc": "2.0", "id": id, "error": error }));
        }
    };
    Some(json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

/// Bytes of one ping's id.
const PING: usize = 256 << 10;

fn shout(stream: &mut TcpStream, said: &AtomicUsize, enough: &Enough) -> Option<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nretry: 0\n\n";
    stream.write_all(head.as_bytes()).ok()?;
    let id = "i".repeat(PING);
    while !enough.is() {
        let ping = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
        stream.write_all(format!("data: {ping}\n\n").as_bytes()).ok()?;
        said.fetch_add(1, Ordering::Relaxed);
        // 25 MiB a second: what this costs here is not to be measured there.
        sleep(Duration::from_millis(10));
    }
    Some(())
}

/// Programs that hold something of the server, or leave work behind.
const PROGRAMS: [&str; 6] = [
    // Answers that nobody takes.
    "Deno.writeFileSync('big', new Uint8Array(8e6)); \
     for (let i = 0; i < 16; i++) Deno.readFile('big').catch(() => {}); \
     Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)",
    // A line for each byte.
    "for (let i = 0; i < 16; i++) console.log('\\n'.repeat(65_000))",
    // Paths that cost more to follow than to make.
    "const deep = 'd/'.repeat(100); try { Deno.mkdirSync(deep, { recursive: true }); \
     for (let i = 0; i < 38; i++) Deno.symlinkSync(`${Deno.cwd()}/${deep}l${i + 1}`, deep + 'l' + i) } \
     catch {} Deno.mkdir(deep + 'l0/' + 'x/'.repeat(50), { recursive: true }).catch(() => {}); \
     Deno.exit(0)",
    // A value that is more in memory than as text.
    "Array.from({ length: 100_000 }, () => 0)",
    // The shouting server's tool, many times at once.
    "await Promise.allSettled(Array.from({ length: 64 }, () => callTool('shouting', 'shout', {})))",
    // The noisy one's flood.
    "await callTool('stub', 'flood')",
];

/// Everything hostile at once.
struct Siege {
    enough: Enough,
    threads: Vec<JoinHandle<()>>,
    connections: Arc<AtomicUsize>,
    shouting: Shouting,
}

impl Siege {
    fn begin(port: u16, mallory: &str, enough: Enough, shouting: Shouting) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        let mut threads = vec![flood(port, &enough, connections.clone())];
        for number in 0..4 {
            threads.push(programs(port, mallory, &enough, number));
        }
        threads.push(unread(port, mallory, &enough));
        threads.push(sessions(port, mallory, &enough));
        Self { enough, threads, connections, shouting }
    }

    fn end(self) -> (usize, usize) {
        self.enough.say();
        for thread in self.threads {
            thread.join().expect("attackers do not panic");
        }
        let shouted = self.shouting.said.load(Ordering::Relaxed);
        (self.connections.load(Ordering::Relaxed), shouted)
    }
}

/// Connections that say nothing, each for 20 s.
fn flood(port: u16, enough: &Enough, count: Arc<AtomicUsize>) -> JoinHandle<()> {
    let mut held = std::collections::VecDeque::new();
    enough.until(Duration::from_millis(1000 / SILENT), move |_| {
        let address = (Ipv4Addr::LOCALHOST, port).into();
        // One that has no room to wait for is not waited for.
        if let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            held.push_back(stream);
            count.fetch_add(1, Ordering::Relaxed);
        }
        if held.len() > 20 * SILENT as usize {
            held.pop_front();
        }
    })
}

/// One after the other, of all kinds. What becomes of them is not looked at.
fn programs(port: u16, token: &str, enough: &Enough, first: usize) -> JoinHandle<()> {
    let client = Client { port, token: Some(token.to_owned()) };
    enough.until(Duration::from_millis(50), move |number| {
        let code = PROGRAMS[(first + number) % PROGRAMS.len()];
        let params = json!({ "name": RUN, "arguments": { "deno_code": code, "timeout": 3000 } });
        if let Ok(mut connection) = Connection::try_open(port) {
            connection.patience(Duration::from_secs(10));
            connection.send(&client.request("tools/call", params));
            let _ = connection.receive();
        }
    })
}

/// Results that nobody reads: 60 connections, each with one of 200 KB.
fn unread(port: u16, token: &str, enough: &Enough) -> JoinHandle<()> {
    let client = Client { port, token: Some(token.to_owned()) };
    let mut held = std::collections::VecDeque::new();
    enough.until(Duration::from_millis(200), move |_| {
        let code = "'x'.repeat(200_000)";
        let params = json!({ "name": RUN, "arguments": { "deno_code": code } });
        if let Ok(mut connection) = Connection::try_open(port) {
            connection.send(&client.request("tools/call", params));
            held.push_back(connection);
        }
        if held.len() > 60 {
            held.pop_front();
        }
    })
}

/// Sessions that are never closed, whose first message is as large as may be.
fn sessions(port: u16, token: &str, enough: &Enough) -> JoinHandle<()> {
    let token = token.to_owned();
    enough.until(Duration::from_millis(500), move |number| {
        let large = "c".repeat(if number % 2 == 0 { 4 << 20 } else { 32 << 10 });
        let request = initialize(&json!({ "experimental": { "large": { "x": large } } }));
        if let Ok(mut connection) = Connection::try_open(port) {
            connection.patience(Duration::from_secs(10));
            connection.send(&request.bearer(&token));
            let _ = connection.receive();
        }
    })
}

/// Times of an honest principal's calls, and of the probe.
#[derive(Default)]
struct Times {
    calls: Vec<Duration>,
    health: Vec<Duration>,
}

/// Calls and probes for a while, one of each in turns.
fn measure(visitor: &mut Visitor, port: u16, lasts: Duration) -> Times {
    let (mut times, end) = (Times::default(), Instant::now() + lasts);
    for number in 0.. {
        if Instant::now() > end {
            break;
        }
        let (code, value) = spinning(number, 20 * ROUNDS_PER_MS);
        let start = Instant::now();
        let answer = visitor.call(json!({ "deno_code": code }));
        times.calls.push(start.elapsed());
        assert_eq!(answer, success(&[], json!(value)));
        times.health.push(health(port));
        sleep(Duration::from_millis(20));
    }
    times.calls.sort_unstable();
    times.health.sort_unstable();
    times
}

/// How long `/health` takes, over a connection of its own, as a container engine asks.
fn health(port: u16) -> Duration {
    let start = Instant::now();
    let response = Connection::open(port).exchange(&Request::new("GET", "/health"));
    assert_eq!(response.status, 200, "{}", response.text());
    start.elapsed()
}

fn lasts() -> Duration {
    let text = std::env::var("MCP_CONDUCTOR_SIEGE_SECONDS").ok();
    let seconds = text.map_or(SECONDS, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

#[test]
fn honest_clients_hardly_feel_a_siege() {
    let _turn = alone();
    let (enough, lasts) = (Enough::default(), lasts());
    let shouting = Shouting::start(&enough);
    let home = Home::with(&json!({
        "shouting": { "url": format!("http://127.0.0.1:{}/mcp", shouting.port) },
        "stub": upstream(&["stub"]),
    }));
    let [alice, mallory] = ["alice", "mallory"].map(|name| add_token(&home, name));
    let tokens = tokens_of(&home);
    let server = Besieged::start(
        home,
        &[("MCP_CONDUCTOR_TOKENS", &tokens), ("RUST_LOG", "debug"), ("MCP_CONDUCTOR_STANDBY", "2")],
    );
    let mut visitor = Visitor::modern(server.port, Some(&alice));
    measure(&mut visitor, server.port, Duration::from_secs(2));
    let calm = measure(&mut visitor, server.port, (lasts / 6).min(Duration::from_secs(60)));
    let calm_p95 = quantile(&calm.calls, 950);
    say(&format!("  calm: p50 {:.1?}, p95 {calm_p95:.1?}", quantile(&calm.calls, 500)));

    let siege = Siege::begin(server.port, &mallory, enough, shouting);
    let turns = u32::try_from((lasts.as_secs() / 60).max(6)).expect("some minutes");
    let (mut memory, mut all) = (Vec::new(), Times::default());
    for turn in 1..=turns {
        let times = measure(&mut visitor, server.port, lasts / turns);
        memory.push(server.memory());
        say(&format!(
            "  {turn:>2} of {turns}: {} calls, p50 {:.1?}, p95 {:.1?}, max {:.1?}; health max {:.1?}; {} MiB resident",
            times.calls.len(),
            quantile(&times.calls, 500),
            quantile(&times.calls, 950),
            quantile(&times.calls, 1000),
            quantile(&times.health, 1000),
            memory[memory.len() - 1] >> 20,
        ));
        all.calls.extend(times.calls);
        all.health.extend(times.health);
    }
    let (connections, shouted) = siege.end();
    all.calls.sort_unstable();
    all.health.sort_unstable();
    let (p95, slowest) = (quantile(&all.calls, 950), quantile(&all.health, 1000));
    let ratio = p95.as_secs_f64() / calm_p95.as_secs_f64();
    say(&format!(
        "  siege of {lasts:?}: p95 {p95:.1?}, {ratio:.2} times; health {slowest:.1?} at most; \
         {connections} silent connections, {shouted} pings of 256 KiB"
    ));

    let most = memory.iter().copied().max().unwrap_or_default();
    assert!(most < MEMORY, "{} MiB resident", most >> 20);
    assert!(slowest < HEALTH_AT_ALL, "/health took {slowest:?}");
    assert!(connections > 0 && shouted > 0, "nobody besieged it");
    if lasts >= STRICT {
        let third = memory.len() / 3;
        let middle = memory[third..2 * third].iter().max().expect("some minutes");
        let last = memory[2 * third..].iter().max().expect("some minutes");
        assert!(last.saturating_sub(*middle) < GROWTH, "memory grows: {memory:?}");
        assert!(slowest < HEALTH, "/health took {slowest:?}");
        assert!(ratio <= RATIO, "honest calls took {ratio:.2} times as long");
    }
}
