//! Standard error that nobody reads: no run, no call and no end waits for it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};

use crate::support::command::binary;
use crate::support::directory::TemporaryFile;

/// For what takes a moment on a machine that has time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pipe's least room (pipe(7)).
const PAGE: i32 = 4096;

/// A server on stdio whose standard error is a pipe that is not read.
struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    errors: File,
}

impl Server {
    fn start() -> Self {
        let (errors, written) = pipe();
        let mut child = binary(&["stdio"])
            .env("MCP_CONDUCTOR_STANDBY", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(written)
            .spawn()
            .expect("the binary starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut server = Self { child, input, output, errors };
        server.send(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "test", "version": "0"}}}));
        server.receive();
        server.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        server
    }

    fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().expect("not closed");
        writeln!(input, "{message}").expect("the server reads");
    }

    /// The next answer. It hangs where the server does; the test's end is then the
    /// runner's.
    fn receive(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).expect("text") > 0, "the server has ended");
            let message: Value = serde_json::from_str(&line).expect("JSON");
            if message.get("id").is_some() {
                return message;
            }
        }
    }

    fn run(&mut self, program: &str) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "run_deno_code", "arguments": {"deno_code": program}}}));
        self.receive()["result"]["structuredContent"].clone()
    }

    fn end(&mut self) -> ExitStatus {
        self.input = None;
        ended(&mut self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A small one.
fn pipe() -> (File, File) {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    fcntl(&reader, FcntlArg::F_SETPIPE_SZ(PAGE)).expect("a size");
    (File::from(reader), File::from(writer))
}

fn ended(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        assert!(Instant::now() < end, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Each writes its refusals to the log: 300 KiB and more.
const REFUSED: &str = "
    for (let i = 0; i < 900; i++) {
      try { Deno.readTextFileSync(`/nowhere/${'x'.repeat(100)}/${i}`); } catch { /* goes on */ }
    }
    42";

#[test]
fn runs_go_on_while_nobody_reads_the_log_and_what_is_lost_is_told() {
    let mut server = Server::start();
    // The queue has room for a mebibyte.
    for _ in 0..6 {
        let result = server.run(REFUSED);
        assert_eq!(result["returnValue"], 42, "{result:#}");
    }
    // Now somebody reads.
    let (mut log, mut piece) = (String::new(), [0; 1 << 16]);
    while !log.contains("log lines were lost") {
        let read = server.errors.read(&mut piece).expect("the log");
        log.push_str(std::str::from_utf8(&piece[..read]).expect("ASCII"));
        assert!(read > 0, "{log}");
    }
    assert!(log.lines().any(|line| line.contains("\"kind\":\"refusal\"")), "{log}");
    assert_eq!(server.run("20 + 22")["returnValue"], 42);
    assert!(server.end().success());
}

#[test]
fn a_server_ends_while_nobody_reads_the_log() {
    let mut server = Server::start();
    for _ in 0..2 {
        server.run(REFUSED);
    }
    assert!(server.end().success());
}

#[test]
fn a_start_that_fails_ends_though_its_standard_error_is_full() {
    let (_reader, mut writer) = pipe();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("flags");
    while writer.write(&[b'x'; 512]).is_ok() {}
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).expect("flags");
    let mut command = binary(&["stdio"]);
    command.env("MCP_CONDUCTOR_MAX_QUEUE", "many").stdin(Stdio::null()).stderr(writer);
    let mut child = command.spawn().expect("the binary starts");
    assert_eq!(ended(&mut child).code(), Some(3));
}

#[test]
fn a_program_of_the_command_line_ends_in_time_though_nobody_reads_what_it_prints() {
    let program = TemporaryFile::new(
        "for (let i = 0; i < 2000; i++) console.log(i);
         await new Promise((r) => setTimeout(r, 600_000))",
    );
    let (mut errors, written) = pipe();
    let mut child = binary(&["run", program.path(), "--timeout", "500"])
        .stdin(Stdio::null())
        .stderr(written)
        .spawn()
        .expect("the binary starts");
    let mut ready = [PollFd::new(errors.as_fd(), PollFlags::POLLIN)];
    poll(&mut ready, PollTimeout::NONE).expect("the program prints");
    // The zygote is two processes, and the worker is the third.
    let end = Instant::now() + PATIENCE;
    while descendants(child.id()) > 2 {
        assert!(Instant::now() < end, "the program goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
    // The command waits for its reader, who gets all of it.
    let mut text = String::new();
    errors.read_to_string(&mut text).expect("text");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines[0], lines[1999]), ("0", "1999"));
    assert_eq!(lines[2000], "error: Execution timed out after 500ms");
    assert_eq!(ended(&mut child).code(), Some(1));
}

/// Processes below one.
fn descendants(ancestor: u32) -> usize {
    let parents: HashMap<u32, u32> = std::fs::read_dir("/proc")
        .expect("processes")
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // proc_pid_stat(5): the name, in brackets, may hold anything; state and parent
            // follow.
            Some((pid, stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let is_below = |pid: &u32| {
        std::iter::successors(parents.get(pid), |parent| parents.get(parent))
            .any(|parent| *parent == ancestor)
    };
    parents.keys().filter(|pid| is_below(pid)).count()
}
