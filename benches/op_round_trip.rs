//! What an operation costs that goes through the broker: files and a fetch, beside
//! `deno run -A` of the same program when CONDUCTOR_BENCH_DENO names one.
//!
//! A program does its operation many times and measures itself, so that the start
//! of a process does not count. The runs alternate. The first lines printed are
//! medians and ratios; criterion follows.
//!
//! Cargo.toml has to hold, at its end beside the other two: `[[bench]]` with
//! `name = "op_round_trip"` and `harness = false`.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{PEER_VARIABLE, percentile};
use criterion::{Criterion, criterion_group, criterion_main};
use mcp_conductor::{Config, ExecuteRequest, Runtime};

/// Runs of each kind and measurement.
const ROUNDS: usize = 25;

/// Operations before the clock starts: the first fetch connects.
const WARM_UP: u64 = 10;

const SMALL: usize = 1 << 10;
const MEDIUM: usize = 1 << 20;
const LARGE: usize = 100_000_000;

/// Of a run: five buffers of [`LARGE`] fit.
const MEMORY: u64 = 512 << 20;

/// Of a run, wall and CPU: far above what any takes.
const TIME: Duration = Duration::from_secs(60);

/// The same text for both. The peer's number is what it prints, ours the value.
const PROGRAM: &str = r#"
const directory: string = @DIRECTORY@;
const url: string = "http://@ADDRESS@/";
const small: string = "x".repeat(@SMALL@);
const expect = (length: number, expected: number): void => {
  if (length !== expected) throw new Error(`length ${length}, not ${expected}`);
};
const operation = async (): Promise<void> => {
  @OPERATION@
};
for (let i = 0; i < @WARM_UP@; i++) await operation();
const start: number = performance.now();
for (let i = 0; i < @COUNT@; i++) await operation();
const micros: number = ((performance.now() - start) * 1000) / @COUNT@;
console.log(micros);
micros
"#;

struct Measurement {
    name: &'static str,
    operation: &'static str,
    /// Operations in a run.
    count: u64,
    /// One operation that takes long: nothing is warmed up, and the time from the
    /// start of the process to its end counts too.
    whole: bool,
}

const MEASUREMENTS: [Measurement; 5] = [
    Measurement {
        name: "read 1 KiB",
        operation: "expect((await Deno.readTextFile(`${directory}/small`)).length, @SMALL@);",
        count: 1000,
        whole: false,
    },
    Measurement {
        name: "read 1 MiB",
        operation: "expect((await Deno.readFile(`${directory}/medium`)).length, @MEDIUM@);",
        count: 100,
        whole: false,
    },
    Measurement {
        name: "read 100 MB",
        operation: "expect((await Deno.readFile(`${directory}/large`)).length, @LARGE@);",
        count: 1,
        whole: true,
    },
    Measurement {
        name: "fetch 1 KiB",
        operation: "expect((await (await fetch(url)).text()).length, @SMALL@);",
        count: 1000,
        whole: false,
    },
    Measurement {
        name: "write 1 KiB",
        operation: "await Deno.writeTextFile(`${directory}/written`, small);",
        count: 1000,
        whole: false,
    },
];

/// What the programs work on; removed at the end.
struct Fixture {
    directory: PathBuf,
    server: Server,
}

impl Fixture {
    fn new() -> Self {
        let temporary = std::env::temp_dir().canonicalize().expect("a temporary directory");
        let directory = temporary.join(format!("conductor-bench-ops-{}", std::process::id()));
        std::fs::create_dir(&directory).expect("the temporary directory is writable");
        let fixture = Self { directory, server: Server::start() };
        for (name, size) in [("small", SMALL), ("medium", MEDIUM), ("large", LARGE)] {
            std::fs::write(fixture.directory.join(name), vec![b'x'; size]).expect("room for files");
        }
        fixture
    }

    /// Without standby workers, whose refill would share the machine with the peer.
    async fn runtime(&self) -> Runtime {
        let directory = self.directory.display();
        let address = self.server.address;
        let grants = format!("allow-read={directory},allow-write={directory},allow-net={address}");
        let config = Config::default()
            .with_executable(env!("CARGO_BIN_EXE_mcp-conductor"))
            .with_workspace(&self.directory)
            .with_run_args(grants.as_str())
            .with_max_memory(MEMORY)
            .with_default_timeout(TIME)
            .with_max_cpu_time(TIME)
            .with_standby(0);
        Runtime::new(config).await.expect("the runtime starts")
    }

    fn program(&self, measurement: &Measurement, count: u64) -> String {
        let warm_up = if measurement.whole { 0 } else { WARM_UP };
        // A string of JSON is one of JavaScript (ECMA-262, from 2019 on).
        let directory = serde_json::Value::from(self.directory.to_string_lossy()).to_string();
        PROGRAM
            .replace("@OPERATION@", measurement.operation)
            .replace("@ADDRESS@", &self.server.address.to_string())
            .replace("@SMALL@", &SMALL.to_string())
            .replace("@MEDIUM@", &MEDIUM.to_string())
            .replace("@LARGE@", &LARGE.to_string())
            .replace("@WARM_UP@", &warm_up.to_string())
            .replace("@COUNT@", &count.to_string())
            .replace("@DIRECTORY@", &directory)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// HTTP/1.1 on a loopback port, for requests without a body. Connections are kept.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = connections.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                accepted.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || serve(&stream));
            }
        });
        Self { address, connections }
    }
}

fn serve(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {SMALL}");
    let response = format!("{head}\r\n\r\n{}", "x".repeat(SMALL));
    let (mut requests, mut line) = (BufReader::new(stream), String::new());
    while requests.read_line(&mut line)? > 0 {
        if line == "\r\n" {
            stream.write_all(response.as_bytes())?;
        }
        line.clear();
    }
    Ok(())
}

/// Of one run: the mean of its operations, and from the program to its value.
struct Sample {
    operation: Duration,
    wall: Duration,
}

impl Sample {
    fn new(micros: f64, wall: Duration) -> Self {
        assert!(micros > 0.0, "the program's clock stands still");
        Self { operation: Duration::from_secs_f64(micros / 1e6), wall }
    }
}

async fn in_conductor(runtime: &Runtime, program: &str) -> Sample {
    let start = Instant::now();
    let execution = runtime.execute(ExecuteRequest::new(program)).await.expect("a run");
    let wall = start.elapsed();
    let Some(micros) = execution.return_value.as_f64() else { panic!("{execution:?}") };
    Sample::new(micros, wall)
}

fn in_deno(deno: &Path, directory: &Path, program: &str) -> Sample {
    let file = directory.join("program.ts");
    std::fs::write(&file, program).expect("room for the program");
    let start = Instant::now();
    let output = Command::new(deno)
        .args(["run", "-A", "--no-config", "--no-lock", "--no-remote"])
        .arg(&file)
        .env("NO_COLOR", "1")
        .env("DENO_NO_UPDATE_CHECK", "1")
        // Else HTTP_PROXY holds for loopback too (deno_fetch 0.284, proxy.rs).
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .output()
        .expect("deno starts");
    let wall = start.elapsed();
    let printed = String::from_utf8_lossy(&output.stdout);
    let Ok(micros) = printed.trim().parse::<f64>() else {
        panic!("{printed}{}", String::from_utf8_lossy(&output.stderr))
    };
    Sample::new(micros, wall)
}

fn compare(_: &mut Criterion) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let fixture = Fixture::new();
    let deno = std::env::var_os(PEER_VARIABLE).map(PathBuf::from);
    let runtime = tokio.block_on(fixture.runtime());
    for measurement in &MEASUREMENTS {
        let program = fixture.program(measurement, measurement.count);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(tokio.block_on(in_conductor(&runtime, &program)));
            theirs.extend(deno.as_ref().map(|deno| in_deno(deno, &fixture.directory, &program)));
        }
        report(measurement.name, &ours, &theirs, |sample| sample.operation);
        if measurement.whole {
            report("  whole run", &ours, &theirs, |sample| sample.wall);
        }
    }
    let runs = if deno.is_some() { 2 * ROUNDS } else { ROUNDS };
    let connections = fixture.server.connections.load(Ordering::Relaxed);
    println!("op_round_trip fetch used {connections} connections in {runs} runs");
}

fn report(name: &str, ours: &[Sample], theirs: &[Sample], time: fn(&Sample) -> Duration) {
    let times = |samples: &[Sample]| samples.iter().map(time).collect::<Vec<_>>();
    let base = (!theirs.is_empty()).then(|| percentile(&mut times(theirs), 0.5));
    for (who, samples) in [("ours", ours), ("deno run", theirs)] {
        let mut times = times(samples);
        if times.is_empty() {
            continue;
        }
        let (median, p95) = (percentile(&mut times, 0.5), percentile(&mut times, 0.95));
        let ratio = base.map_or(String::new(), |base| {
            format!("  {:.2} of deno run", median.as_secs_f64() / base.as_secs_f64())
        });
        println!("op_round_trip {name:<11} {who:<8} median {median:>9.2?}  p95 {p95:>9.2?}{ratio}");
    }
}

/// One run of as many operations as criterion asks for. [`LARGE`] is left out: many
/// in a run would measure the garbage collector.
fn op_round_trip(criterion: &mut Criterion) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let fixture = Fixture::new();
    let runtime = tokio.block_on(fixture.runtime());
    let mut group = criterion.benchmark_group("op_round_trip");
    group.sample_size(10);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    for measurement in MEASUREMENTS.iter().filter(|measurement| !measurement.whole) {
        group.bench_function(measurement.name, |bencher| {
            bencher.iter_custom(|iterations| {
                let program = fixture.program(measurement, iterations);
                let sample = tokio.block_on(in_conductor(&runtime, &program));
                sample.operation.mul_f64(iterations as f64)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, compare, op_round_trip);
criterion_main!(benches);
