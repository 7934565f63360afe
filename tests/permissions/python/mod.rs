//! What the administrator grants, and nothing else, to programs in Python. A zygote of
//! Python takes seconds to load, so the tests here share one server and its directories.

mod commands;
mod environment;
mod files;
mod net;

use std::sync::{LazyLock, RwLockReadGuard};
use std::time::Duration;

use mcp_conductor::{Config, ErrorKind, ExecuteRequest, Execution};
use serde_json::Value;

use crate::fixture::{Fixture, turn};
use crate::support::python::{install_directory, loaded};
use crate::{Host, landlock};

/// Files but for `secret`, two of three hosts, a variable.
const GRANTS: &str = "allow-read=@ROOT@/ws,deny-read=@ROOT@/ws/secret,allow-write=@ROOT@/ws,\
    deny-write=@ROOT@/ws/secret,allow-net=127.0.0.1:@P2@,127.0.0.1:@P3@,allow-env=FOO";

/// Where commands can be confined.
const COMMANDS: &str = ",allow-run=echo,cat,env,sleep,yes,true,false,pwd";

/// What hostile programs and these may use. `t`, `get` and `told` are in it.
pub const PRELUDE: &str = include_str!("prelude.py");

/// How long a program takes is the machine's.
const PATIENCE: Duration = Duration::from_secs(60);

/// Leaked, for a guard that it could have is no other thread's.
static SHARED: LazyLock<Option<&Host>> =
    LazyLock::new(|| host("python-permissions").map(|host| &*Box::leak(Box::new(host))));

/// A server with directories of this name; None where Python is not installed.
pub(crate) fn host(name: &str) -> Option<Host> {
    let store = install_directory()?;
    let files = Fixture::kept(name);
    let environment = environment(&files.text("ENV-CANARY-@MARK@"));
    let audit = files.path("audit.jsonl");
    let commands = if landlock() { COMMANDS } else { "" };
    let host = Host::over(files, &format!("{GRANTS}{commands}"), |config| {
        limits(config).with_install_dir(store).with_environment(environment).with_audit_log(audit)
    });
    loaded(|| {
        let execution = host.execute(ExecuteRequest::python("1 + 1"));
        if execution.return_value == 2 { Ok(()) } else { Err(format!("{execution:?}")) }
    });
    Some(host)
}

/// Small enough to be reached within the time that a case has; but for processor time,
/// where wall time ends what must be ended.
fn limits(config: Config) -> Config {
    config
        .with_default_timeout(PATIENCE)
        .with_max_cpu_time(PATIENCE)
        .with_max_write_size(64 << 20)
        .with_max_new_files(1000)
        .with_max_fetch_size(16 << 20)
        .with_max_connections(16)
}

fn environment(secret: &str) -> Vec<(String, String)> {
    let path = std::env::var("PATH").unwrap_or_default();
    [("FOO", "foo-value"), ("SBX_SECRET", secret), ("FOO_SECRET", secret), ("PATH", path.as_str())]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

/// The shared server, in the turn of its user.
struct Python(&'static Host, #[expect(dead_code, reason = "held")] RwLockReadGuard<'static, ()>);

/// None where Python is not installed, which was said.
#[track_caller]
fn python() -> Option<Python> {
    let turn = turn();
    let host = *SHARED;
    if host.is_none() {
        assert_eq!(install_directory(), None);
    }
    host.map(|host| Python(host, turn))
}

impl Python {
    /// Runs a program after [`PRELUDE`], with the tokens replaced.
    fn run(&self, source: &str) -> Execution {
        let source = self.0.files.text(&format!("{PRELUDE}\n{source}"));
        self.0.execute(ExecuteRequest::python(source))
    }

    /// The value of a program that must succeed, with the tokens put back in it.
    #[track_caller]
    fn value(&self, source: &str) -> Value {
        let execution = self.run(source);
        assert!(execution.error.is_none(), "the program failed: {execution:#?}");
        self.0.files.tokens(&execution.return_value)
    }

    /// The kind and the sentence of a program that must fail, with the tokens put back.
    #[track_caller]
    fn error(&self, source: &str) -> (ErrorKind, String) {
        let execution = self.run(source);
        let error =
            execution.error.clone().unwrap_or_else(|| panic!("it succeeded: {execution:#?}"));
        let message = self.0.files.tokens(&Value::String(error.message));
        (error.kind, message.as_str().unwrap_or_default().to_owned())
    }

    /// Asserts that a program is denied, in a sentence with these parts.
    #[track_caller]
    fn denies(&self, source: &str, parts: &[&str]) {
        let (kind, message) = self.error(source);
        assert_eq!(kind, ErrorKind::Permission, "{source}: {message}");
        for part in parts {
            assert!(message.contains(part), "{source}: {part}: {message}");
        }
    }
}
