//! What the benches share: a runtime under test, a peer beside it, medians.

#![allow(dead_code, reason = "each bench uses a part of it")]

pub mod other;
pub mod stdio;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mcp_conductor::{Config, ExecuteRequest, Runtime};

/// Trivial, and TypeScript: it has to be transpiled.
pub const PROGRAM: &str = "const add = (a: number, b: number): number => a + b;\nadd(20, 22)";

/// Names a `deno` binary to be measured in the same run.
pub const PEER_VARIABLE: &str = "CONDUCTOR_BENCH_DENO";

/// A runtime with `standby` workers kept ready, everything else as by default.
pub async fn runtime(standby: usize) -> Runtime {
    let config = Config::default()
        .with_executable(env!("CARGO_BIN_EXE_mcp-conductor"))
        .with_workspace(concat!(env!("CARGO_TARGET_TMPDIR"), "/workspace"))
        .with_standby(standby);
    Runtime::new(config).await.expect("the runtime starts")
}

/// One run of [`PROGRAM`], checked.
pub async fn execute(runtime: &Runtime) {
    let execution = runtime.execute(ExecuteRequest::new(PROGRAM)).await.expect("a run");
    assert_eq!(execution.return_value, 42, "{execution:?}");
}

/// Waits until a standby worker is ready.
pub async fn until_ready(runtime: &Runtime, workers: usize) {
    while runtime.standing_by() < workers {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

/// The peer, if one is named: `deno run` of the same program, as a whole process.
pub struct Peer {
    deno: PathBuf,
    file: PathBuf,
}

impl Peer {
    pub fn from_env() -> Option<Self> {
        let deno = PathBuf::from(std::env::var_os(PEER_VARIABLE)?);
        let file = std::env::temp_dir().join(format!("conductor-bench-{}.ts", std::process::id()));
        std::fs::write(&file, PROGRAM.replace("\nadd(", "\nconsole.log(add(") + ")")
            .expect("the temporary directory is writable");
        Some(Self { deno, file })
    }

    /// One run, checked.
    pub fn run(&self) -> Duration {
        let start = Instant::now();
        let output = Command::new(&self.deno)
            .args(["run", "--no-config", "--no-lock", "--no-remote"])
            .arg(&self.file)
            .env("NO_COLOR", "1")
            .env("DENO_NO_UPDATE_CHECK", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .expect("deno starts");
        assert_eq!(output.stdout, b"42\n");
        start.elapsed()
    }

    /// Runs a second with `in_flight` at once.
    pub fn rate(&self, in_flight: usize, total: usize) -> f64 {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..in_flight {
                scope.spawn(|| {
                    for _ in 0..total / in_flight {
                        self.run();
                    }
                });
            }
        });
        (total / in_flight * in_flight) as f64 / start.elapsed().as_secs_f64()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// The value at a rank from 0 to 1.
pub fn percentile(samples: &mut [Duration], rank: f64) -> Duration {
    samples.sort_unstable();
    samples[((samples.len() - 1) as f64 * rank) as usize]
}
