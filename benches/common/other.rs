//! This program and another build of it in turn, as whole programs: over stdio, with standby
//! workers and without, and `run` from its start to its end. For "is it slower than before?".

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::stdio::Server;
use super::{PROGRAM, percentile};

/// Names another `mcp-conductor`, to be measured in the same run.
const OTHER_VARIABLE: &str = "CONDUCTOR_BENCH_OTHER";

/// Samples of each program over stdio, and of `run`, which takes a hundred times as long.
const SAMPLES: usize = 400;
const STARTS: usize = 40;

/// Before each sample: a standby worker that was used is replaced within 10 ms.
const PAUSE: Duration = Duration::from_millis(15);

/// Compares, if another program is named; whether it was.
pub fn compare() -> bool {
    let Some(other) = std::env::var_os(OTHER_VARIABLE) else { return false };
    let programs = [PathBuf::from(env!("CARGO_BIN_EXE_mcp-conductor")), PathBuf::from(other)];
    for (name, standby) in [("standby", 2), ("on demand", 0)] {
        let mut servers =
            programs.each_ref().map(|program| Server::start(with_environment(program, standby)));
        for server in &mut servers {
            for _ in 0..20 {
                run(server);
            }
        }
        let samples = in_turn(SAMPLES, |which| {
            std::thread::sleep(PAUSE);
            run(&mut servers[which])
        });
        report(name, samples);
    }
    let file = std::env::temp_dir().join(format!("conductor-bench-{}.ts", std::process::id()));
    std::fs::write(&file, PROGRAM).expect("the temporary directory is writable");
    report("run", in_turn(STARTS, |which| whole_run(&programs[which], &file)));
    let _ = std::fs::remove_file(&file);
    true
}

/// Samples of this program and of the other one, each first as often as second.
fn in_turn(samples: usize, mut sample: impl FnMut(usize) -> Duration) -> [Vec<Duration>; 2] {
    let mut taken = [Vec::new(), Vec::new()];
    for round in 0..samples {
        for which in [round % 2, 1 - round % 2] {
            taken[which].push(sample(which));
        }
    }
    taken
}

fn report(name: &str, [mut this, mut other]: [Vec<Duration>; 2]) {
    let (now, before) = (percentile(&mut this, 0.5), percentile(&mut other, 0.5));
    let (low, high) = (percentile(&mut other, 0.4), percentile(&mut other, 0.6));
    println!(
        "cold_start {name:<10} this {now:>9.2?}  other {before:>9.2?} ({low:.2?} to {high:.2?} for \
         its middle fifth)  {:.3} of the other",
        now.as_secs_f64() / before.as_secs_f64()
    );
}

fn whole_run(program: &Path, file: &Path) -> Duration {
    let start = Instant::now();
    let mut command = with_environment(program, 0);
    let output = command.arg("run").arg(file).stdin(Stdio::null()).output().expect("it starts");
    assert_eq!(output.stdout.trim_ascii(), b"42", "{output:?}");
    start.elapsed()
}

fn with_environment(program: &Path, standby: usize) -> Command {
    let mut command = Command::new(program);
    let set = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    command.env_clear().envs([
        set("HOME", env!("CARGO_TARGET_TMPDIR")),
        set("RUST_LOG", "off"),
        set("MCP_CONDUCTOR_STANDBY", &standby.to_string()),
        set("MCP_CONDUCTOR_WORKSPACE", concat!(env!("CARGO_TARGET_TMPDIR"), "/workspace")),
    ]);
    command
}

/// One run, checked, from the request to the answer.
fn run(server: &mut Server) -> Duration {
    let (value, taken) = server.run(PROGRAM);
    assert_eq!(value, 42);
    taken
}
