//! `execute_python` as a client sees it. A zygote of Python takes seconds to load, so the
//! tests here share one server, and take turns.

mod cases;
mod expectations;
mod packages;
mod pictures;
mod results;
mod tool;
mod zygote;

use std::fs;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::support::home::{Home, WORKSPACE};
use crate::support::pipes::Server;
use crate::support::python::{install_directory, loaded};
use crate::support::upstreams::only_stub;

/// The tool that runs programs in Python.
pub const TOOL: &str = "execute_python";

/// In the server's environment, and nowhere in what a program sees.
const SECRET: (&str, &str) = ("SBX_SECRET", "canary-31337");

/// With the fixture above it as `stub`. None where Python is not installed.
static SHARED: LazyLock<Option<Mutex<Server>>> = LazyLock::new(|| {
    let directory = install_directory()?;
    let home = Home::kept("python-server");
    home.configure(&only_stub());
    let directory = directory.to_string_lossy();
    let environment = [("MCP_CONDUCTOR_INSTALL_DIR", &*directory), SECRET];
    let mut server = Server::at(home, &environment);
    loaded(|| {
        let execution = run(&mut server, "1 + 1");
        if execution["returnValue"] == 2 { Ok(()) } else { Err(execution.to_string()) }
    });
    Some(Mutex::new(server))
});

/// The shared server, with an empty workspace.
#[track_caller]
pub fn server() -> Option<MutexGuard<'static, Server>> {
    let Some(shared) = SHARED.as_ref() else {
        // Says once more why.
        assert_eq!(install_directory(), None);
        return None;
    };
    let server = shared.lock().unwrap_or_else(PoisonError::into_inner);
    empty_workspace(&server);
    Some(server)
}

pub fn empty_workspace(server: &Server) {
    let workspace = server.home().path(WORKSPACE);
    for entry in fs::read_dir(workspace).expect("a workspace").flatten() {
        let path = entry.path();
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_directory { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.expect("it can be removed");
    }
}

/// Calls the tool with a program and nothing else; the whole result.
#[track_caller]
pub fn call(server: &mut Server, code: &str) -> Value {
    server.call(TOOL, json!({ "code": code }))
}

/// The execution of a program.
#[track_caller]
pub fn run(server: &mut Server, code: &str) -> Value {
    call(server, code)["structuredContent"].take()
}

/// The value of a program that must succeed.
#[track_caller]
pub fn value(server: &mut Server, code: &str) -> Value {
    let mut execution = run(server, code);
    assert_eq!(execution["status"], "success", "{execution:#}");
    execution["returnValue"].take()
}
