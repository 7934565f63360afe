//! What a run costs in counts that a machine's noise does not touch: system calls, page
//! faults, frames and bytes, for trivial programs in a steady state. `cargo bench --bench
//! budget` prints them, and a test holds them to a bound.

#![allow(dead_code, reason = "the bench and the test each use a part of it")]

pub mod library;
mod sys;
pub mod trace;

use std::fs;
use std::path::{Path, PathBuf};

use nix::libc;
use serde_json::{Value, json};

use trace::{Calls, Counted, Cpus, Traced, Unavailable};

/// Runs of each program before it counts: caches, connections and lazy statics are there
/// after the second.
const WARM_UP: usize = 3;

/// Runs that count: odd, for the median, and on a machine with four times the work that it
/// can do, one in five was not disturbed by a timer.
const RUNS: usize = 15;

/// A program, and its value as JSON.
pub struct Program {
    pub name: &'static str,
    source: &'static str,
    value: &'static str,
}

pub const PROGRAMS: [Program; 3] = [
    Program { name: "1+1", source: "1+1", value: "2" },
    Program {
        name: "file",
        source: "(await Deno.readTextFile('small.txt')).length",
        value: "1024",
    },
    Program {
        name: "tool",
        source: "(await callTool('echo', 'echo', { text: 'x' })).length",
        value: "1",
    },
];

/// A server of one tool, as small as one can be, so that it costs nothing to build.
const ECHO: &str = r#"
while read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case $line in
    *'"initialize"'*) result='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}' ;;
    *'"tools/list"'*) result='{"tools":[{"name":"echo","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}}]}' ;;
    *'"tools/call"'*) result='{"content":[{"type":"text","text":"x"}]}' ;;
    *'"id":'*) echo '{"jsonrpc":"2.0","id":'$id',"error":{"code":-32601,"message":"Method not found"}}'; continue ;;
    *) continue ;;
  esac
  echo '{"jsonrpc":"2.0","id":'$id',"result":'$result'}'
done
"#;

/// The way a program comes to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    Stdio,
    /// `Runtime::execute` in a process of its own.
    Library,
}

/// What is counted of a run, in this order. `server`, `zygote` and `worker` are system
/// calls; a worker's are those from its fork to its exit.
pub const COLUMNS: [&str; 13] = [
    "server",
    "futex",
    "read",
    "write",
    "epoll",
    "openat",
    "zygote",
    "worker",
    "faults",
    "frames out",
    "bytes out",
    "frames in",
    "bytes in",
];

/// One value for each of [`COLUMNS`].
pub type Cost = [u64; COLUMNS.len()];

const FUTEX: &[libc::c_long] = &[libc::SYS_futex];
const READ: &[libc::c_long] =
    &[libc::SYS_read, libc::SYS_readv, libc::SYS_pread64, libc::SYS_recvfrom, libc::SYS_recvmsg];
const WRITE: &[libc::c_long] =
    &[libc::SYS_write, libc::SYS_writev, libc::SYS_sendto, libc::SYS_sendmsg];
#[cfg(target_arch = "x86_64")]
const EPOLL: &[libc::c_long] = &[libc::SYS_epoll_wait, libc::SYS_epoll_pwait];
#[cfg(not(target_arch = "x86_64"))]
const EPOLL: &[libc::c_long] = &[libc::SYS_epoll_pwait];
const OPENAT: &[libc::c_long] = &[libc::SYS_openat, libc::SYS_openat2];

/// A server that is measured, with `standby` workers kept ready.
pub struct Measured {
    pub face: Face,
    pub standby: usize,
    traced: Traced,
    last_id: u64,
    directory: Directory,
}

/// What the runs of a program cost.
pub struct Runs {
    /// Of each run.
    costs: Vec<Cost>,
    /// The system calls of the last run.
    pub server: Calls,
    pub worker: Calls,
}

impl Runs {
    /// What a run usually costs.
    pub fn median(&self) -> Cost {
        self.ranked(self.costs.len() / 2)
    }

    /// What a run costs that nothing disturbed. A busy machine only adds: while a worker
    /// runs, the server looks at its clock and its memory every few milliseconds.
    pub fn least(&self) -> Cost {
        self.ranked(0)
    }

    fn ranked(&self, rank: usize) -> Cost {
        std::array::from_fn(|column| {
            let mut values: Vec<u64> = self.costs.iter().map(|cost| cost[column]).collect();
            values.sort_unstable();
            values[rank]
        })
    }
}

impl Measured {
    /// Starts one. `library` is how this executable is told to be [`library::main`].
    ///
    /// # Errors
    /// This machine does not let one process trace another.
    pub fn start(
        face: Face,
        standby: usize,
        cpus: Cpus,
        library: &[&str],
    ) -> Result<Self, Unavailable> {
        let directory = Directory::new();
        let own = std::env::current_exe().expect("this executable has a path");
        let own = own.to_str().expect("a path that is text");
        let library: Vec<&str> = std::iter::once(own).chain(library.iter().copied()).collect();
        let command = match face {
            Face::Stdio => vec![env!("CARGO_BIN_EXE_mcp-conductor"), "stdio"],
            Face::Library => library,
        };
        let workers = standby.to_string();
        let (home, workspace) = (directory.path(""), directory.path("workspace"));
        let servers = directory.path("mcp.json");
        let env = [
            ("HOME", &*home),
            ("RUST_LOG", "off"),
            (library::STANDBY, &*workers),
            (library::WORKSPACE, &*workspace),
            (library::MCP_CONFIG, &*servers),
        ];
        let traced = Traced::start(&command, &env, cpus, face == Face::Library)?;
        let mut measured = Self { face, standby, traced, last_id: 0, directory };
        if face == Face::Stdio {
            measured.shake_hands();
        }
        Ok(measured)
    }

    fn shake_hands(&mut self) {
        let client = json!({ "name": "budget", "version": "1" });
        let params =
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        self.request("initialize", &params);
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        self.traced.tell(&initialized.to_string());
    }

    fn request(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let parsed = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_default();
        let answer = self.traced.ask(&request.to_string(), |line| parsed(line)["id"] == id);
        parsed(&answer)["result"].take()
    }

    /// The runs of a program in a steady state, one after the other.
    pub fn runs(&mut self, program: &Program) -> Runs {
        for _ in 0..WARM_UP {
            self.run(program);
        }
        let mut before = self.traced.at_rest(self.standby);
        let (mut costs, mut server, mut worker) = (Vec::new(), Calls::default(), Calls::default());
        for _ in 0..RUNS {
            self.run(program);
            let now = self.traced.at_rest(self.standby);
            costs.push(cost(&before, &now));
            server = now.server.since(&before.server);
            worker = now.workers.last().map(|life| life.calls.clone()).unwrap_or_default();
            before = now;
        }
        Runs { costs, server, worker }
    }

    /// One run, checked.
    fn run(&mut self, program: &Program) {
        let expected: Value = serde_json::from_str(program.value).expect("JSON");
        let value = match self.face {
            Face::Stdio => {
                let arguments = json!({ "code": program.source });
                let params = json!({ "name": "run_deno_code", "arguments": arguments });
                self.request("tools/call", &params)["structuredContent"].take()
            }
            Face::Library => {
                let line = self.traced.ask(program.source, |line| line.starts_with(library::VALUE));
                let value = line.trim_start_matches(library::VALUE);
                json!({ "returnValue": serde_json::from_str::<Value>(value).expect("JSON") })
            }
        };
        let directory = &self.directory.0;
        assert_eq!(value["returnValue"], expected, "{}: {value} in {directory:?}", program.name);
    }
}

/// What one run cost.
fn cost(before: &Counted, now: &Counted) -> Cost {
    let server = now.server.since(&before.server);
    let ended = &now.workers[before.workers.len()..];
    let [life] = ended else { panic!("{} workers ended in one run", ended.len()) };
    let zygote = now.zygote.since(&before.zygote);
    [
        server.total(),
        server.of(FUTEX),
        server.of(READ),
        server.of(WRITE),
        server.of(EPOLL),
        server.of(OPENAT),
        zygote.total(),
        life.calls.total(),
        life.faults,
        life.to_server.frames,
        life.to_server.bytes,
        life.from_server.frames,
        life.from_server.bytes,
    ]
}

/// The server's home, workspace and list of servers; removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Always as long: a program's frame has the path of its workspace, several times.
        let name = format!("conductor-budget-{:07}-{number:02}", std::process::id());
        let directory = Self(Path::new("/tmp").join(name));
        let write = |name: &str, text: &str| {
            fs::write(directory.path(name), text).expect("the directory is writable");
        };
        fs::create_dir_all(directory.path("workspace")).expect("the directory is writable");
        write("workspace/small.txt", &"x".repeat(1024));
        write("echo.sh", ECHO);
        let echo = json!({ "command": "/bin/sh", "args": [directory.path("echo.sh")] });
        write("mcp.json", &json!({ "mcpServers": { "echo": echo } }).to_string());
        directory
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path that is text").to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
