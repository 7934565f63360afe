//! What the administrator grants, and nothing else: files, network, environment
//! and commands of programs, through the library.
//!
//! A test that takes a [`Host`] has a server and directories of its own. Most
//! run side by side; those that count descriptors or processes run alone.

mod audit;
mod commands;
mod confinement;
mod environment;
mod escapes;
mod exits;
mod fetch;
mod file_grants;
mod files;
mod fixture;
mod floods;
mod grants;
mod hostile;
mod limits;
mod names;
mod node;
mod packages;
mod paths;
mod profiles;
mod python;
mod races;
mod reach;
mod servers;
mod store;
mod tree;
mod withheld;
mod write_limit;

#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::sync::LazyLock;

use mcp_conductor::{Config, ErrorKind, ExecuteRequest, Execution, Runtime, StartError};
use serde_json::Value;

use fixture::Fixture;
use servers::Loopback;

/// A [`Runtime`] lives in the event loop that it was made in, so all tests of
/// this binary share one.
pub static EVENT_LOOP: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().expect("an event loop"));

/// What a server reads and writes if it is told nothing else.
pub const WORKSPACE: &str = "allow-read=@ROOT@/ws,allow-write=@ROOT@/ws";

/// Names another copy of the binary, for [`profiles`].
pub const TEST_BINARY: &str = "MCP_CONDUCTOR_TEST_BINARY";

/// The built binary, or that copy.
pub fn binary() -> PathBuf {
    let other = std::env::var_os(TEST_BINARY).map(PathBuf::from);
    other.unwrap_or_else(|| env!("CARGO_BIN_EXE_mcp-conductor").into())
}

/// The default settings, the built binary as the zygote, and one worker that
/// stands by: each test starts a server.
pub fn config() -> Config {
    Config::default().with_executable(binary()).with_standby(1)
}

/// A server with directories of its own. `@ROOT@`, `@P1@`, `@P2@` and `@P3@`
/// stand for them and for the ports of [`servers`], in grants and in programs.
pub(crate) struct Host {
    runtime: Option<Runtime>,
    pub(crate) files: Fixture,
}

impl Host {
    pub(crate) fn of_the_workspace() -> Self {
        Self::with_grants(WORKSPACE)
    }

    pub(crate) fn with_grants(grants: &str) -> Self {
        Self::with(grants, |config| config)
    }

    pub(crate) fn with(grants: &str, adjust: impl FnOnce(Config) -> Config) -> Self {
        Self::over(Fixture::new(), grants, adjust)
    }

    pub(crate) fn over(
        files: Fixture,
        grants: &str,
        adjust: impl FnOnce(Config) -> Config,
    ) -> Self {
        let runtime = start(&files, grants, adjust).expect("the grants are valid");
        Self { runtime: Some(runtime), files }
    }

    /// With a loopback server of the test's own: `@OWN@` stands for its port in the grants.
    pub(crate) fn with_server(grants: &str) -> (Self, Loopback) {
        // First the turn: the server is a descriptor more.
        let files = Fixture::new();
        let server = Loopback::start("P2");
        let grants = grants.replace("@OWN@", &server.port.to_string());
        (Self::over(files, &grants, |config| config), server)
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is dropped last")
    }

    pub(crate) fn run(&self, source: &str) -> Execution {
        self.execute(ExecuteRequest::new(self.files.text(source)))
    }

    pub(crate) fn execute(&self, request: ExecuteRequest) -> Execution {
        EVENT_LOOP.block_on(self.runtime().execute(request)).expect("the request is valid")
    }

    /// The value of a program that must succeed, with the tokens put back in it.
    #[track_caller]
    pub(crate) fn value(&self, source: &str) -> Value {
        let execution = self.run(source);
        assert!(execution.error.is_none(), "the program failed: {execution:#?}");
        self.files.tokens(&execution.return_value)
    }

    /// Asserts the value of a program that may use `prelude.ts`, as JSON text.
    #[track_caller]
    pub(crate) fn gives(&self, program: &str, expected: &str) {
        let expected: Value = serde_json::from_str(expected).expect("JSON is expected");
        let value = self.value(&format!("{}{program}", include_str!("prelude.ts")));
        assert_eq!(value, expected, "{value:#}");
    }

    /// The kind and the sentence of a program that must fail.
    #[track_caller]
    pub(crate) fn error(&self, source: &str) -> (ErrorKind, String) {
        let execution = self.run(source);
        match execution.error {
            Some(error) => {
                let message = self.files.tokens(&Value::String(error.message));
                (error.kind, message.as_str().unwrap_or_default().to_owned())
            }
            None => panic!("the program succeeded: {execution:#?}"),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _guard = EVENT_LOOP.enter();
        self.runtime.take();
    }
}

/// A server over these directories, or why there is none.
pub fn start(
    files: &Fixture,
    grants: &str,
    adjust: impl FnOnce(Config) -> Config,
) -> Result<Runtime, StartError> {
    let config = config()
        .with_workspace(files.path("ws"))
        .with_run_args(files.text(grants))
        .with_environment(Vec::<(String, String)>::new());
    EVENT_LOOP.block_on(Runtime::new(adjust(config)))
}

/// Whether commands can be confined here. Without it `allow-run` starts no server.
pub fn landlock() -> bool {
    static ENFORCED: LazyLock<bool> = LazyLock::new(|| {
        let runtime = EVENT_LOOP.block_on(Runtime::new(config().with_run_args("none")));
        let _guard = EVENT_LOOP.enter();
        runtime.expect("the sandbox works on this machine").sandbox().enforces("landlock")
    });
    if !*ENFORCED {
        eprintln!("skipped: the kernel has no Landlock, without which allow-run is refused");
    }
    *ENFORCED
}
