//! Workers, zygotes and upstream servers are killed and stopped while clients call:
//! it costs the calls that they worked for, and no others.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::crowd::{
    Answer, Figures, ROUNDS_PER_MS, Random, STANDBY, Visitor, all, alone, at_rest, say, settled,
    spinning, success,
};
use crate::support::home::Home;
use crate::support::http::Server;
use crate::support::processes::living;
use crate::support::upstreams::{is_upstream, only_stub};
use crate::support::waiting::within;

const CLIENTS: usize = 16;

const LASTS: Duration = Duration::from_secs(15);

/// Longest time of a program: as long as one takes whose worker was stopped.
const TIMEOUT_MS: u64 = 2000;

/// Longest call: two workers that are stopped while they start (10 s each), then
/// one that is stopped while it runs.
const LONGEST: Duration = Duration::from_secs(25);

/// Between two zygotes that are killed: they start within half a second.
const BETWEEN_ZYGOTES: Duration = Duration::from_secs(3);

/// Calls that come back between two hits, whatever the machine can do: a hit costs one
/// or two, and most calls are to be right.
const CALLS_A_HIT: usize = 4;

/// What the server's processes are for.
#[derive(Default)]
struct Kin {
    zygotes: Vec<i32>,
    workers: Vec<i32>,
    upstreams: Vec<i32>,
}

impl Kin {
    /// Below a server are zygotes and upstream servers, below a zygote is the one
    /// that forks, and below that are workers.
    fn of(server: i32) -> Self {
        let living = living();
        let parent_of = |pid: u32| living.get(&pid).map_or(0, |process| process.parent);
        let server = server.cast_unsigned();
        let mut kin = Self::default();
        for process in living.values() {
            let (pid, parent) = (process.pid.cast_signed(), process.parent);
            if parent == server && is_upstream(process.pid) {
                kin.upstreams.push(pid);
            } else if parent == server {
                kin.zygotes.push(pid);
            } else if parent_of(parent_of(parent)) == server {
                kin.workers.push(pid);
            }
        }
        kin
    }
}

/// Sends signals to processes of a server until it is told to stop.
struct Vandal {
    server: i32,
    random: Random,
    stopped: Vec<i32>,
    done: HashMap<&'static str, usize>,
}

impl Vandal {
    fn new(server: &Server) -> Self {
        let server = server.pid().cast_signed();
        Self { server, random: Random::new(7), stopped: Vec::new(), done: HashMap::new() }
    }

    /// `calls` counts those that came back.
    fn rage(mut self, enough: &AtomicBool, calls: &AtomicUsize) -> HashMap<&'static str, usize> {
        let mut zygote_next = Instant::now() + BETWEEN_ZYGOTES / 2;
        let mut calls_next = 0;
        while !enough.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(30 + self.random.below(90)));
            if calls.load(Ordering::Relaxed) < calls_next {
                continue;
            }
            calls_next = calls.load(Ordering::Relaxed) + CALLS_A_HIT;
            let family = Kin::of(self.server);
            if Instant::now() > zygote_next {
                zygote_next = Instant::now() + BETWEEN_ZYGOTES;
                self.hit("zygotes killed", &family.zygotes, Signal::SIGKILL);
                continue;
            }
            match self.random.below(10) {
                0..7 => self.hit("workers killed", &family.workers, Signal::SIGKILL),
                7 => self.hit("workers stopped", &family.workers, Signal::SIGSTOP),
                _ => self.hit("upstreams killed", &family.upstreams, Signal::SIGKILL),
            }
        }
        // One of them may stand by, and would cost a call its time later.
        let family = Kin::of(self.server);
        for pid in self.stopped.iter().filter(|pid| family.workers.contains(pid)) {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        self.done
    }

    fn hit(&mut self, what: &'static str, pids: &[i32], signal: Signal) {
        let Some(&pid) = pids.get(self.random.below(pids.len().max(1) as u64) as usize) else {
            return;
        };
        if kill(Pid::from_raw(pid), signal).is_ok() {
            *self.done.entry(what).or_default() += 1;
        }
        if signal == Signal::SIGSTOP {
            self.stopped.push(pid);
        }
    }
}

/// What a client asks for, and the only right answer to it.
fn task(random: &mut Random, nonce: &str) -> (Value, Answer) {
    let quoted = json!(nonce);
    let (code, value) = match random.below(10) {
        0..4 => (
            format!("({{ nonce: {quoted}, value: 21 * 2 }})"),
            json!({ "nonce": nonce, "value": 42 }),
        ),
        4..6 => {
            let seed = random.below(1 << 30) as u32;
            let (code, value) = spinning(seed, 20 * ROUNDS_PER_MS);
            (code, json!(value))
        }
        6..8 => {
            let wait = "await new Promise((resolve) => setTimeout(resolve, 150))";
            (format!("{wait}; {quoted}"), quoted.clone())
        }
        _ => {
            (format!("await callMCPTool('mcp__stub__echo', {{ text: {quoted} }})"), quoted.clone())
        }
    };
    (json!({ "deno_code": code, "timeout": TIMEOUT_MS }), success(&[], value))
}

/// What happened to a call that has not its right answer: a text that says so, or
/// the answer, which must not have come.
fn misfortune(answer: &Answer) -> Result<&'static str, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match answer {
        Answer::Ran(execution) if execution["status"] == "error" => {
            let error = text(&execution["error"]);
            match execution["errorType"].as_str() {
                Some("crash") if error.starts_with("The worker ") => Ok("its worker was killed"),
                Some("timeout") if error.contains(&TIMEOUT_MS.to_string()) => {
                    Ok("its worker was stopped")
                }
                Some("runtime") if error.contains("MCP server \"stub\"") => {
                    Ok("its upstream was killed")
                }
                _ => Err(execution.to_string()),
            }
        }
        Answer::Refused(why)
            if ["zygote", "worker", "Workers"].iter().any(|word| why.contains(word)) =>
        {
            Ok("no worker could be had")
        }
        other => Err(format!("{other:?}")),
    }
}

fn call_on(port: u16, index: usize, calls: &AtomicUsize) -> Figures {
    let mut visitor = Visitor::nth(index, port);
    let (mut random, mut figures) = (Random::new(index as u64), Figures::default());
    let end = Instant::now() + LASTS;
    for number in 0.. {
        if Instant::now() > end {
            break;
        }
        let nonce = format!("client {index} call {number}");
        let (arguments, right) = task(&mut random, &nonce);
        let start = Instant::now();
        let answer = visitor.call(arguments);
        let took = start.elapsed();
        calls.fetch_add(1, Ordering::Relaxed);
        assert!(took < LONGEST, "{nonce} took {took:?}: {answer:?}");
        let kind = if answer == right { Ok("right") } else { misfortune(&answer) };
        let kind = kind.unwrap_or_else(|what| panic!("{nonce}: {what}, not {right:?}"));
        figures.add(kind, took);
    }
    visitor.leave();
    figures
}

/// Waits until the server says that it is ready, and an upstream server is there.
fn recovers(server: &Server) {
    let ready = within(Duration::from_secs(20), || server.get("/ready").status == 200);
    assert!(ready, "{}\n{}", server.get("/ready").text(), server.log());
    let code = "await callMCPTool('mcp__stub__echo', { text: 'again' })";
    let mut visitor = Visitor::modern(server.port, None);
    let again = within(Duration::from_secs(20), || {
        visitor.call(json!({ "deno_code": code })) == success(&[], json!("again"))
    });
    assert!(again, "the upstream server does not come back:\n{}", server.log());
}

#[test]
fn killed_processes_cost_their_own_calls_and_the_server_recovers() {
    let _turn = alone();
    let home = Home::with(&only_stub());
    let server = Server::at(home, &[STANDBY], &[]);
    recovers(&server);
    let idle = settled(&server);

    let (enough, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (told, counted) = (enough.clone(), calls.clone());
    let vandal = Vandal::new(&server);
    let vandal = spawn(move || vandal.rage(&told, &counted));
    let port = server.port;
    let figures = all(CLIENTS, LASTS + 2 * LONGEST, move |index| call_on(port, index, &calls));
    enough.store(true, Ordering::Relaxed);
    let done = vandal.join().expect("it only sends signals");

    let mut figures = Figures::merge(figures);
    figures.print(&format!("{CLIENTS} clients for {LASTS:?}"), LASTS);
    say(&format!("  {done:?}"));
    for what in ["workers killed", "workers stopped", "zygotes killed", "upstreams killed"] {
        assert!(done.get(what).is_some_and(|count| *count >= 2), "{done:?}");
    }
    let right = figures.of("right");
    assert!(right * 2 > figures.count(), "{right} of {} calls", figures.count());

    recovers(&server);
    let (mut visitor, mut random) = (Visitor::modern(port, None), Random::new(99));
    for number in 0..50 {
        let (mut arguments, right) = task(&mut random, &format!("call {number} afterwards"));
        // As long as it takes: nothing is stopped any more.
        arguments.as_object_mut().expect("an object").remove("timeout");
        assert_eq!(visitor.call(arguments), right, "{}", server.log());
    }
    at_rest(&server, idle);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
