//! Programs in Python, through the library. Its zygote takes seconds to load: all tests
//! here share one runtime, each with a name of its own for its files.

mod asynchronous;
mod door;
mod errors;
mod exits;
mod files;
mod fresh;
mod globals;
mod isolation;
mod limits;
mod output;
mod session;
mod standard_library;
mod syntax;
mod threads;
mod tools;
mod values;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use mcp_conductor::{ErrorDetail, ErrorKind, ExecuteRequest, Execution, Runtime};
use serde_json::{Value, json};

use super::runtimes::{config, error_of, run_on, start, value_of};
use crate::support::directory::Directory;
use crate::support::python::{install_directory, loaded};
use crate::support::upstreams::only_stub;

/// With the fixture as the MCP server `stub`. None where Python is not installed.
static SHARED: LazyLock<Option<Shared>> = LazyLock::new(|| {
    let store = install_directory()?;
    let files = Directory::kept("python-programs");
    let servers = files.write("mcp.json", json!({ "mcpServers": only_stub() }).to_string());
    let config = config()
        .with_install_dir(store)
        .with_workspace(files.path("workspace"))
        .with_mcp_config(servers)
        // How long a program takes is the machine's, unless that is what is tested.
        .with_default_timeout(PATIENCE)
        .with_max_cpu_time(PATIENCE)
        .with_store("memory")
        .expect("a store");
    let runtime = start(config);
    loaded(|| {
        let execution = run_on(&runtime, ExecuteRequest::python("1 + 1"));
        if execution.return_value == 2 { Ok(()) } else { Err(format!("{execution:?}")) }
    });
    Some(Shared { runtime, files })
});

/// Several times what any program here takes by itself on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Shared {
    runtime: Runtime,
    files: Directory,
}

/// Runs programs in Python.
#[derive(Clone, Copy)]
pub struct Python(&'static Shared);

/// None where Python is not installed, which was said.
#[track_caller]
pub fn python() -> Option<Python> {
    let shared = SHARED.as_ref();
    if shared.is_none() {
        assert_eq!(install_directory(), None);
    }
    shared.map(Python)
}

impl Python {
    pub fn request(self, request: ExecuteRequest) -> Execution {
        run_on(&self.0.runtime, request)
    }

    /// The runtime, for what is more than one program.
    pub fn runtime(self) -> &'static Runtime {
        &self.0.runtime
    }

    pub fn run(self, source: &str) -> Execution {
        self.request(ExecuteRequest::python(source))
    }

    /// Runs a program for so long at most.
    pub fn run_for(self, millis: u64, source: &str) -> Execution {
        let timeout = Duration::from_millis(millis);
        self.request(ExecuteRequest::python(source).with_timeout(timeout))
    }

    /// The value of a program that must succeed.
    #[track_caller]
    pub fn value(self, source: &str) -> Value {
        value_of(self.run(source))
    }

    /// Asserts the values of programs that must succeed.
    #[track_caller]
    pub fn gives(self, programs: &[(&str, Value)]) {
        let wrong: Vec<String> = programs
            .iter()
            .map(|(source, expected)| (source, expected, self.run(source)))
            .filter(|(_, expected, execution)| {
                execution.error.is_some() || execution.return_value != **expected
            })
            .map(|(source, expected, execution)| {
                let (value, error) = (execution.return_value, execution.error);
                format!("{source}\n  must be {expected}, not {value} ({error:?})")
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Kind, sentence and detail of a program that must fail.
    #[track_caller]
    pub fn error(self, source: &str) -> (ErrorKind, String, ErrorDetail) {
        let error = error_of(self.run(source));
        (error.kind, error.message, error.detail)
    }

    /// The sentence of a program that must raise.
    #[track_caller]
    pub fn raised(self, source: &str) -> String {
        let (kind, message, _) = self.error(source);
        assert_eq!(kind, ErrorKind::Runtime, "{message}");
        message
    }

    /// What a program that must succeed printed.
    #[track_caller]
    pub fn output(self, source: &str) -> Vec<String> {
        let execution = self.run(source);
        assert_eq!(execution.error, None, "{execution:#?}");
        execution.output
    }

    /// A directory of the workspace that is one test's, empty; its path for programs, which
    /// is relative.
    pub fn directory(self, name: &str) -> PathBuf {
        let path = self.0.files.path("workspace").join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a directory");
        path
    }
}
