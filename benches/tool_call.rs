//! What a call of another MCP server's tool costs from inside a program, beside
//! the same call made directly: rmcp's client to a server process of its own.
//!
//! A program makes its calls and measures itself, so that the start of a process
//! does not count. The two alternate. The first lines printed are medians and
//! ratios; criterion follows.
//!
//! The server is the fixture of the tests, which has to be there:
//! `cargo build --release --example upstream_fixture`.

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::percentile;
use criterion::{Criterion, criterion_group, criterion_main};
use futures::future::join_all;
use mcp_conductor::{Config, ExecuteRequest, Runtime};
use rmcp::model::{CallToolRequestParams, JsonObject};
use rmcp::service::RunningService;
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _, RoleClient};
use serde_json::json;

/// Runs of each kind and measurement.
const ROUNDS: usize = 25;

/// Before the clock starts, each time: the first call of all connects.
const WARM_UP: u64 = 10;

/// What the tool is given and gives back.
const TEXT: &str = "x";

/// Of a run, wall and CPU: far above what any takes.
const TIME: Duration = Duration::from_secs(60);

const PROGRAM: &str = r#"
const call = async (): Promise<void> => {
  const said: string = await callTool("stub", "echo", { text: "@TEXT@" });
  if (said !== "@TEXT@") throw new Error(`said ${said}`);
};
const operation = async (): Promise<void> => {
  @OPERATION@
};
for (let i = 0; i < @WARM_UP@; i++) await operation();
const start: number = performance.now();
for (let i = 0; i < @COUNT@; i++) await operation();
((performance.now() - start) * 1000) / @COUNT@
"#;

struct Measurement {
    name: &'static str,
    operation: &'static str,
    /// Calls in an operation.
    at_once: usize,
    /// Operations in a run.
    count: u64,
}

const MEASUREMENTS: [Measurement; 2] = [
    Measurement { name: "one call", operation: "await call();", at_once: 1, count: 200 },
    Measurement {
        name: "32 at once",
        operation: "await Promise.all(Array.from({ length: 32 }, () => call()));",
        at_once: 32,
        count: 20,
    },
];

impl Measurement {
    fn program(&self, count: u64) -> String {
        PROGRAM
            .replace("@OPERATION@", self.operation)
            .replace("@TEXT@", TEXT)
            .replace("@WARM_UP@", &WARM_UP.to_string())
            .replace("@COUNT@", &count.to_string())
    }
}

/// The server's executable.
fn fixture() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_mcp-conductor"));
    let command = built.with_file_name("examples").join("upstream_fixture");
    let how = "cargo build --release --example upstream_fixture";
    assert!(command.is_file(), "{} is missing: {how}", command.display());
    command
}

/// What the runtime works in; removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let temporary = std::env::temp_dir().canonicalize().expect("a temporary directory");
        let directory = temporary.join(format!("conductor-bench-tools-{}", std::process::id()));
        std::fs::create_dir(&directory).expect("the temporary directory is writable");
        let servers = json!({ "stub": { "command": fixture(), "args": ["stub"] } });
        let configuration = json!({ "mcpServers": servers }).to_string();
        std::fs::write(directory.join("mcp.json"), configuration).expect("room for a file");
        Self(directory)
    }

    async fn runtime(&self) -> Runtime {
        let config = Config::default()
            .with_executable(env!("CARGO_BIN_EXE_mcp-conductor"))
            .with_workspace(self.0.join("workspace"))
            .with_mcp_config(self.0.join("mcp.json"))
            .with_max_tool_calls(u32::MAX)
            .with_default_timeout(TIME)
            .with_max_cpu_time(TIME)
            .with_standby(0);
        Runtime::new(config).await.expect("the runtime starts")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One run: the mean of its operations, as the program says.
async fn in_program(runtime: &Runtime, program: &str) -> Duration {
    let execution = runtime.execute(ExecuteRequest::new(program)).await.expect("a run");
    let Some(micros) = execution.return_value.as_f64() else { panic!("{execution:?}") };
    assert!(micros > 0.0, "the program's clock stands still");
    Duration::from_secs_f64(micros / 1e6)
}

/// A client of a server process of its own.
struct Direct(RunningService<RoleClient, ()>);

impl Direct {
    async fn connect() -> Self {
        let mut command = tokio::process::Command::new(fixture());
        command.arg("stub");
        let transport = TokioChildProcess::new(command).expect("the fixture starts");
        let connecting = ().serve_with_lifecycle(transport, ClientLifecycleMode::Initialize);
        Self(connecting.await.expect("a handshake"))
    }

    async fn call(&self) {
        let mut arguments = JsonObject::new();
        arguments.insert("text".to_owned(), TEXT.into());
        let params = CallToolRequestParams::new("echo").with_arguments(arguments);
        let result = self.0.call_tool(params).await.expect("a result");
        let said = result.content.first().and_then(|block| block.as_text());
        assert_eq!(said.map(|block| block.text.as_str()), Some(TEXT));
    }

    async fn operation(&self, measurement: &Measurement) {
        join_all((0..measurement.at_once).map(|_| self.call())).await;
    }

    /// As many operations as a program makes: their mean.
    async fn run(&self, measurement: &Measurement) -> Duration {
        for _ in 0..WARM_UP {
            self.operation(measurement).await;
        }
        let start = Instant::now();
        for _ in 0..measurement.count {
            self.operation(measurement).await;
        }
        start.elapsed().div_f64(measurement.count as f64)
    }
}

fn compare(_: &mut Criterion) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let directory = Directory::new();
    tokio.block_on(async {
        let (runtime, direct) = (directory.runtime().await, Direct::connect().await);
        for measurement in &MEASUREMENTS {
            let program = measurement.program(measurement.count);
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                ours.push(in_program(&runtime, &program).await);
                theirs.push(direct.run(measurement).await);
            }
            report(measurement.name, &mut ours, &mut theirs);
        }
        let _ = direct.0.cancel().await;
    });
}

fn report(name: &str, ours: &mut [Duration], theirs: &mut [Duration]) {
    let base = percentile(theirs, 0.5);
    for (who, times) in [("program", ours), ("direct", theirs)] {
        let (median, p95) = (percentile(times, 0.5), percentile(times, 0.95));
        let ratio = median.as_secs_f64() / base.as_secs_f64();
        println!(
            "tool_call {name:<10} {who:<7} median {median:>9.2?}  p95 {p95:>9.2?}  {ratio:.2} of direct"
        );
    }
}

/// One run of as many operations as criterion asks for.
fn tool_call(criterion: &mut Criterion) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let directory = Directory::new();
    let runtime = tokio.block_on(directory.runtime());
    let mut group = criterion.benchmark_group("tool_call");
    group.sample_size(10);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    for measurement in &MEASUREMENTS {
        group.bench_function(measurement.name, |bencher| {
            bencher.iter_custom(|iterations| {
                let program = measurement.program(iterations);
                tokio.block_on(in_program(&runtime, &program)).mul_f64(iterations as f64)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, compare, tool_call);
criterion_main!(benches);
