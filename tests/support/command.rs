//! Runs the built binary to its end.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread::spawn;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::waiting::PATIENCE;

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn new(code: i32, stdout: &str, stderr: &str) -> Self {
        Self { code: Some(code), stdout: stdout.into(), stderr: stderr.into() }
    }

    /// Exit code 3 and one line that says why.
    pub fn refused(problem: &str) -> Self {
        Self::new(3, "", &format!("mcp-conductor: {problem}\n"))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// The binary with an environment of its own, in which there is only a home directory
/// that all tests share.
pub fn binary(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-conductor"));
    command.args(arguments).env_clear().env("HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

pub fn conductor(arguments: &[&str]) -> Ended {
    ended(&mut binary(arguments))
}

pub fn ended(command: &mut Command) -> Ended {
    command.stdin(Stdio::null()).output().expect("the binary starts").into()
}

/// A command that may take [`PATIENCE`].
#[track_caller]
pub fn ended_in_time(mut command: Command) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary starts");
    let pid = Pid::from_raw(child.id().cast_signed());
    let (sender, receiver) = channel();
    spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(PATIENCE) else {
        let _ = kill(pid, Signal::SIGKILL);
        panic!("it does not end: {command:?}");
    };
    output.expect("its output").into()
}

/// Runs with standard input.
pub fn piped(arguments: &[&str], input: impl AsRef<[u8]>) -> Ended {
    let mut child = binary(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // The command may stop reading before the end.
    let _ = stdin.write_all(input.as_ref());
    drop(stdin);
    child.wait_with_output().expect("the binary ends").into()
}
