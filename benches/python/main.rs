//! Python programs over stdio from standby workers, beside a fresh `python3` of the machine;
//! runs a second through the library; memory of a worker and of the zygote.
//!
//! Python is that of MCP_CONDUCTOR_INSTALL_DIR (`mcp-conductor install python`). The native one
//! is `python3`, or what CONDUCTOR_BENCH_PYTHON names; the program with pandas is compared where
//! it has pandas.
//!
//! Samples of all kinds alternate, so that noise of the machine meets all alike. A bar of issue
//! 15 that is missed is marked and fails the bench.

#[path = "../common/mod.rs"]
mod common;
mod memory;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::percentile;
use common::stdio::Server;
use mcp_conductor::{Config, ExecuteRequest, Runtime};

const INSTALL_DIR: &str = "MCP_CONDUCTOR_INSTALL_DIR";
const NATIVE: &str = "CONDUCTOR_BENCH_PYTHON";
const TOOL: &str = "execute_python";

/// Samples of each program: a noisy machine needs some dozens for a median.
const SAMPLES: usize = 60;

/// Before each of ours: a standby worker that was used is replaced within 15 ms.
const PAUSE: Duration = Duration::from_millis(30);

/// Runs at once and in all, for runs a second.
const IN_FLIGHT: usize = 4;
const RUNS: usize = 1000;

/// Runs a second on two cores (issue 15).
const MIN_RATE: f64 = 250.0;

/// Bytes of the zygote (issue 15).
const MAX_ZYGOTE: u64 = 320 << 20;

/// A program, and what it is compared with.
struct Case {
    name: &'static str,
    program: &'static str,
    /// As JSON.
    value: &'static str,
    /// Milliseconds from standby, the part of a fresh native one that it may take, and private
    /// dirty bytes (issue 15).
    bound: (f64, f64, u64),
}

const CASES: [Case; 2] = [
    Case { name: "1+1", program: "1+1", value: "2", bound: (4.0, 1.0 / 4.0, 3 << 20) },
    Case {
        name: "pandas",
        program: "import pandas as pd\n\
                  rows = pd.DataFrame({'g': [i % 7 for i in range(10000)],\n\
                  \x20                    'v': [float(i) for i in range(10000)]})\n\
                  sums = rows.groupby('g').agg({'v': ['sum', 'mean', 'max']})\n\
                  int(sums['v']['max'].sum())",
        value: "69972",
        bound: (25.0, 1.0 / 20.0, 9 << 20),
    },
];

fn main() {
    // cargo test starts benches that have no harness too, to see that they start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let Some(store) = std::env::var_os(INSTALL_DIR) else {
        println!("python: {INSTALL_DIR} does not say where Python is installed; skipped");
        return;
    };
    let mut missed = times(store.as_ref());
    let tokio = tokio::runtime::Runtime::new().expect("a runtime");
    missed += tokio.block_on(through_the_library(store.as_ref()));
    assert_eq!(missed, 0, "bars are missed");
}

/// Prints how long each program takes; how many bars it missed.
fn times(store: &Path) -> usize {
    let mut server = Server::start(conductor(store));
    let native = std::env::var_os(NATIVE).unwrap_or_else(|| "python3".into());
    let mut ours = [const { Vec::new() }; CASES.len()];
    let mut theirs = ours.clone();
    let compared = CASES.each_ref().map(|case| fresh(&native, case).is_some());
    for round in 0..=SAMPLES {
        for (at, case) in CASES.iter().enumerate() {
            std::thread::sleep(PAUSE);
            let (value, taken) = server.call(TOOL, case.program);
            assert_eq!(value.to_string(), case.value, "{}", case.name);
            // The first loads what the others find loaded.
            if round > 0 {
                ours[at].push(taken);
                theirs[at].extend(compared[at].then(|| fresh(&native, case)).flatten());
            }
        }
    }
    CASES.iter().zip(ours.iter_mut().zip(&mut theirs)).map(report).sum()
}

fn report((case, (ours, theirs)): (&Case, (&mut Vec<Duration>, &mut Vec<Duration>))) -> usize {
    let millis = |samples: &mut Vec<Duration>, rank| percentile(samples, rank).as_secs_f64() * 1e3;
    let (most, part, _) = case.bound;
    let (p10, p50) = (millis(ours, 0.1), millis(ours, 0.5));
    let fresh = if theirs.is_empty() { None } else { Some(millis(theirs, 0.5)) };
    let is_slow = p50 > most || fresh.is_some_and(|fresh| p50 > fresh * part);
    let beside = fresh.map_or_else(
        || "no native one to compare with".to_owned(),
        |fresh| format!("native {fresh:.1} ms, {:.1} times", fresh / p50),
    );
    let mark = if is_slow { "  MISSED" } else { "" };
    println!(
        "python {:<7} p50 {p50:>7.2} ms (at most {most}), p10 {p10:>7.2} ms; {beside}{mark}",
        case.name
    );
    usize::from(is_slow)
}

/// How long a fresh native interpreter takes for a program. None where it cannot run it.
fn fresh(native: &OsString, case: &Case) -> Option<Duration> {
    let start = Instant::now();
    let mut command = Command::new(native);
    command.arg("-c").arg(case.program).stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then(|| start.elapsed())
}

/// Runs a second and memory, through the library.
async fn through_the_library(store: &Path) -> usize {
    let config = Config::default()
        .with_executable(env!("CARGO_BIN_EXE_mcp-conductor"))
        .with_workspace(concat!(env!("CARGO_TARGET_TMPDIR"), "/workspace"))
        .with_install_dir(store)
        .with_standby(IN_FLIGHT);
    let runtime = Runtime::new(config).await.expect("the runtime starts");
    run(&runtime, CASES[0].program).await;
    let start = Instant::now();
    let tasks = (0..IN_FLIGHT).map(|_| {
        let runtime = runtime.clone();
        tokio::spawn(async move {
            for _ in 0..RUNS / IN_FLIGHT {
                run(&runtime, CASES[0].program).await;
            }
        })
    });
    futures::future::try_join_all(tasks).await.expect("no run fails");
    let rate = RUNS as f64 / start.elapsed().as_secs_f64();
    let mut missed = usize::from(rate < MIN_RATE);
    let mark = if rate < MIN_RATE { "  MISSED" } else { "" };
    println!("python {IN_FLIGHT} in flight: {rate:.0} runs/s (at least {MIN_RATE}){mark}");
    for case in &CASES {
        missed += memory::of_a_worker(&runtime, case.name, case.program, case.bound.2).await;
    }
    missed + memory::of_the_zygote(MAX_ZYGOTE)
}

async fn run(runtime: &Runtime, program: &str) {
    let execution = runtime.execute(ExecuteRequest::python(program)).await.expect("a run");
    assert!(execution.error.is_none(), "{execution:?}");
}

/// The program, with nothing set but where Python is.
fn conductor(store: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-conductor"));
    command.env_clear().envs([
        ("HOME", env!("CARGO_TARGET_TMPDIR").into()),
        ("PATH", std::env::var_os("PATH").unwrap_or_default()),
        ("RUST_LOG", "off".into()),
        ("MCP_CONDUCTOR_STANDBY", "2".into()),
        ("MCP_CONDUCTOR_WORKSPACE", concat!(env!("CARGO_TARGET_TMPDIR"), "/workspace").into()),
        (INSTALL_DIR, store.as_os_str().to_owned()),
    ]);
    command
}
