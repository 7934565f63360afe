//! A home directory for one test, and what is configured in it.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpSocket;

/// How often something is looked at that does not say when it changes.
const TURN: Duration = Duration::from_millis(20);

/// A home directory, removed at the end of its test.
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// Nothing is configured.
    pub fn empty() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let parent = std::env::temp_dir().canonicalize().expect("a directory for temporary files");
        let root = loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("mcp-conductor-upstream-{}-{count}", std::process::id());
            let root = parent.join(name);
            match fs::create_dir(&root) {
                Ok(()) => break root,
                // Of a killed process that had the same pid.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", root.display()),
            }
        };
        fs::create_dir_all(root.join(".mcp-conductor/workspace")).unwrap();
        Self { root }
    }

    /// With these servers.
    pub fn with(servers: &Value) -> Self {
        let home = Self::empty();
        home.configure(servers);
        home
    }

    pub fn configure(&self, servers: &Value) {
        self.write(CONFIGURATION, &json!({ "mcpServers": servers }).to_string());
    }

    /// Writes a file, and the directories above it, as an editor does: all at once.
    pub fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("a file in a directory")).unwrap();
        let draft = path.with_extension("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, path).unwrap();
    }

    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_default()
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    pub fn root(&self) -> &str {
        self.root.to_str().expect("ASCII")
    }

    pub fn mode(&self, below: &str) -> u32 {
        self.path(below).metadata().expect("it is there").permissions().mode() & 0o7777
    }

    /// Lines of the audit log that [`AUDIT_LOG`] names below this directory.
    pub fn audit(&self) -> Vec<Value> {
        let lines = self.read(AUDIT_LOG);
        lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Where a server looks for other servers if it is told nothing else.
pub const CONFIGURATION: &str = ".mcp-conductor/mcp.json";

pub const WORKSPACE: &str = ".mcp-conductor/workspace";

pub const PLAYBOOKS: &str = ".mcp-conductor/playbooks";

pub const AUDIT_LOG: &str = "audit.jsonl";

/// An entry of the configuration: the fixture with these arguments.
pub fn upstream(arguments: &[&str]) -> Value {
    let built = Path::new(env!("CARGO_BIN_EXE_mcp-conductor"));
    let command = built.with_file_name("examples").join("upstream_fixture");
    let how = "cargo build --release --example upstream_fixture";
    assert!(command.is_file(), "{} is missing: {how}", command.display());
    json!({ "command": command, "args": arguments })
}

/// The same, with more members.
pub fn upstream_with(arguments: &[&str], members: Value) -> Value {
    let Value::Object(mut entry) = upstream(arguments) else { unreachable!("an object") };
    entry.extend(members.as_object().cloned().expect("an object"));
    entry.into()
}

/// The configuration that the case collection speaks of.
pub fn stub_bad_and_off() -> Value {
    json!({
        "stub": upstream_with(&["stub"], json!({ "env": { "K": "secret-token" } })),
        "bad": { "command": "/nonexistent/bin", "args": [] },
        "off": upstream_with(&["stub"], json!({ "disabled": true })),
    })
}

pub fn only_stub() -> Value {
    json!({ "stub": upstream(&["stub"]) })
}

/// Waits until a condition holds, and says whether it ever did.
pub fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        // A thread that was stopped until the end still looks once.
        let is_last = Instant::now() > end;
        if condition() {
            return true;
        }
        if is_last {
            return false;
        }
        std::thread::sleep(TURN);
    }
}

/// A port of loopback at which every connection is refused: its socket has the
/// address, so that nobody else gets it, and does not listen.
pub struct ClosedPort {
    pub number: u16,
    _socket: TcpSocket,
}

impl ClosedPort {
    #[track_caller]
    pub fn take() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a loopback port");
        let number = socket.local_addr().expect("an address").port();
        Self { number, _socket: socket }
    }
}

/// Processes below one, without zombies, each with the time of its start: pids
/// are used again.
pub fn below(pid: u32) -> HashMap<u32, u64> {
    let mut all: HashMap<u32, (u64, u64)> = HashMap::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // proc_pid_stat(5): the name, in brackets, may hold anything.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
        if !matches!(fields.first(), None | Some(&"Z" | &"X")) {
            all.insert(pid, (number(1).unwrap_or(0), number(19).unwrap_or(0)));
        }
    }
    let is_below = |mut process: u32| {
        while let Some((parent, _)) = all.get(&process) {
            process = u32::try_from(*parent).unwrap_or_default();
            if process == pid {
                return true;
            }
        }
        false
    };
    let found = all.iter().filter(|(process, _)| is_below(**process));
    found.map(|(process, (_, started))| (*process, *started)).collect()
}

/// Whether none of these processes is left.
pub fn are_gone(processes: &HashMap<u32, u64>) -> bool {
    processes.iter().all(|(pid, started)| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let same = fields.get(19).is_some_and(|now| *now == started.to_string());
        !same || matches!(fields.first(), Some(&"Z" | &"X"))
    })
}

/// Open descriptors of a process.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}
