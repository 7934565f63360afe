//! An upstream server that is a process of ours, spoken to through its standard
//! streams.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{AccessFlags, Pid, access};
use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::error::shown;
use super::quiet::Quiet;
use crate::config::environment::UPSTREAM;

/// Variables of the server that its upstreams have: what MCP's own SDKs pass on,
/// which `npx` and `uvx` need to find their programs and caches.
const INHERITED: [&str; 9] =
    ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];

/// Longest line of standard error that goes to the log, in bytes.
const MAX_LOG_LINE: u64 = 8 << 10;

/// From the end of its input to SIGTERM, and from there to SIGKILL (MCP
/// specification 2025-11-25, lifecycle, shutdown).
const GRACE: Duration = Duration::from_secs(2);

/// How to start a server.
pub(super) struct Launch<'a> {
    pub command: &'a str,
    pub args: &'a [String],
    pub env: &'a BTreeMap<String, String>,
    pub cwd: Option<&'a PathBuf>,
    pub environment: &'a std::collections::HashMap<String, String>,
}

/// Processes that have not ended, by their groups.
#[derive(Clone, Default)]
pub(super) struct Groups(Arc<Mutex<All>>);

#[derive(Default)]
struct All {
    groups: BTreeSet<i32>,
    closed: bool,
}

impl Groups {
    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock()
    }

    /// Whether nothing is started any more.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Starts no more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    /// Waits until all have ended whose connections were closed, and kills the rest.
    pub(super) async fn end(&self) {
        let until = tokio::time::Instant::now() + GRACE;
        while !self.lock().groups.is_empty() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for group in &self.lock().groups {
            let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
        }
    }
}

/// A process that ends when this is dropped: its input is closed by then, and it
/// is signalled if that was not enough.
pub(super) struct ServerProcess {
    child: Option<Child>,
    group: Option<i32>,
    groups: Groups,
}

pub(super) struct Streams {
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
}

impl ServerProcess {
    pub(super) fn start(
        name: &str,
        launch: &Launch<'_>,
        groups: &Groups,
        quiet: Arc<Quiet>,
    ) -> Result<(Self, Streams), String> {
        let inherited = INHERITED.iter().filter_map(|&name| {
            launch.environment.get(name).map(|value| (name.to_owned(), value.clone()))
        });
        let mut command = Command::new(launch.command);
        command
            .args(launch.args)
            .env_clear()
            .envs(inherited)
            .env(UPSTREAM, "1")
            .envs(launch.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // The terminal's signals are for the server, which ends its own.
            .process_group(0)
            .kill_on_drop(true);
        if let Some(cwd) = launch.cwd {
            command.current_dir(cwd);
        }
        let mut child = command.spawn().map_err(|error| not_started(launch, &error))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("it has no standard streams".to_owned());
        };
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log(name.to_owned(), stderr, quiet));
        }
        let group = child.id().map(u32::cast_signed);
        let mut all = groups.lock();
        if all.closed {
            return Err("the server is shutting down".to_owned());
        }
        all.groups.extend(group);
        drop(all);
        let process = Self { child: Some(child), group, groups: groups.clone() };
        Ok((process, Streams { stdin, stdout }))
    }

    /// How it ended, if it has, for an error text.
    pub(super) async fn ended(&mut self) -> Option<String> {
        let child = self.child.as_mut()?;
        let status = tokio::time::timeout(Duration::from_millis(200), child.wait()).await;
        status.ok()?.ok().map(|status| status.to_string())
    }

    /// Ends it, and waits for that. It goes on if nobody waits any more.
    pub(super) async fn end(mut self) {
        let Some(child) = self.child.take() else { return };
        let _ = tokio::spawn(end(child, self.group, self.groups.clone())).await;
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let Some(child) = self.child.take() else { return };
        // Outside of a runtime the child is killed by its own drop.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(end(child, self.group, self.groups.clone()));
        }
    }
}

/// Why a process was not started: the kernel's error does not say whether it is about the
/// program or the directory.
fn not_started(launch: &Launch<'_>, error: &std::io::Error) -> String {
    let command = launch.command;
    let Some(cwd) = launch.cwd else { return format!("cannot start \"{command}\": {error}") };
    let entered = match std::fs::metadata(cwd) {
        Ok(found) if !found.is_dir() => Err("it is not a directory".to_owned()),
        Ok(_) => access(cwd, AccessFlags::X_OK).map_err(|errno| errno.desc().to_owned()),
        Err(error) => Err(error.to_string()),
    };
    match entered {
        Ok(()) => format!("cannot start \"{command}\" in \"{}\": {error}", cwd.display()),
        Err(why) => format!("its \"cwd\" \"{}\" cannot be entered: {why}", cwd.display()),
    }
}

async fn end(mut child: Child, group: Option<i32>, groups: Groups) {
    let Some(group) = group else { return };
    end_group(&mut child, Pid::from_raw(group)).await;
    groups.lock().groups.remove(&group);
}

async fn end_group(child: &mut Child, group: Pid) {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        if tokio::time::timeout(GRACE, child.wait()).await.is_ok() {
            // What it has started may have outlived it. The group's name is nobody
            // else's while a member lives.
            let _ = killpg(group, Signal::SIGKILL);
            return;
        }
        let _ = killpg(group, signal);
    }
    let _ = child.wait().await;
}

/// Passes what a server says on standard error to the log.
async fn log(name: String, stderr: ChildStderr, quiet: Arc<Quiet>) {
    let mut input = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut input).take(MAX_LOG_LINE).read_until(b'\n', &mut line).await {
            Ok(1..) => {
                if !quiet.allows(&name) {
                    continue;
                }
                let text = String::from_utf8_lossy(line.trim_ascii_end());
                tracing::info!(target: "upstream", server = %name, "{}", shown(&text));
            }
            Ok(0) | Err(_) => return,
        }
    }
}
