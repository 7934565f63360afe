//! Everything that an administrator can set, in one validated [`Config`], from the
//! command line, the environment and a file. The environment's names stand in
//! `environment.rs` and nowhere else.

pub(crate) mod credentials;
pub(crate) mod environment;
mod file;
mod fixed;
#[cfg(test)]
pub(crate) mod fixture;
mod http;
mod jsonc;
mod lists;
mod principals;
mod schema;
pub(crate) mod servers;
mod settings;
mod shown;
mod time_zone;
mod variables;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::private_file::lock_of;
pub use http::HttpConfig;
use lists::Lists;
pub(crate) use principals::Principal;
use principals::Principals;
pub use settings::Sources;
pub use variables::Variable;

pub use crate::protocol::Isolate;

/// Limits and choices of a [`crate::Runtime`].
///
/// ```
/// use std::time::Duration;
/// use mcp_conductor::Config;
///
/// let config = Config::default()
///     .with_default_timeout(Duration::from_secs(5))
///     .with_max_memory(128 << 20);
/// assert_eq!(config.default_timeout(), Duration::from_secs(5));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    default_timeout: Duration,
    max_timeout: Duration,
    unfinished_grace: Duration,
    max_cpu_time: Duration,
    max_memory: u64,
    max_output: u64,
    max_return_size: u32,
    max_return_depth: u32,
    max_concurrent: usize,
    max_queue: usize,
    max_queue_wait: Duration,
    standby: usize,
    isolate: Isolate,
    time_zone: Option<String>,
    max_write_size: u64,
    max_new_files: u64,
    max_open_files: usize,
    max_fetch_size: u64,
    max_connections: usize,
    max_command_output: u64,
    max_tool_calls: u32,
    max_tool_result: u64,
    mcp_config: Option<PathBuf>,
    unsafe_allow_all: bool,
    unsafe_run_without_landlock: bool,
    workspace: PathBuf,
    run_args: Option<String>,
    fetch_headers: Option<String>,
    audit_log: Option<PathBuf>,
    environment: Option<Vec<(String, String)>>,
    executable: Option<PathBuf>,
    http: HttpConfig,
    config_file: Option<PathBuf>,
    principals: Arc<Principals>,
    lists: Arc<Lists>,
    without: Vec<String>,
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}: {problem}{}", for_example(.example))]
pub struct ConfigError {
    /// Where it stands: the environment variable, the flag, or the file and the line.
    pub place: String,
    /// What is wrong with its value.
    pub problem: String,
    /// A setting that works, as it is written at that place; empty if there is none.
    pub example: String,
}

impl ConfigError {
    fn new(place: String, problem: impl Into<String>, example: String) -> Self {
        Self { place, problem: problem.into(), example }
    }

    /// Of a variable of the environment, with a value that works.
    pub(crate) fn variable(name: &str, problem: impl Into<String>, example: &str) -> Self {
        Self::new(name.to_owned(), problem, format!("{name}={example}"))
    }
}

fn for_example(example: &str) -> String {
    if example.is_empty() { String::new() } else { format!(", for example {example}") }
}

/// Deepest value: serde_json, in which most clients' JSON is parsed, stops at 128.
const MAX_DEPTH: u32 = 100;

/// Smallest memory limit: a program that does nothing needs about 10 MiB.
const MIN_MEMORY_MIB: u64 = 32;

/// Standby workers for each core. One is used while the next is made.
const STANDBY_PER_CORE: usize = 2;

/// Runs in flight for each core: programs wait for tools more than they compute.
const CONCURRENT_PER_CORE: usize = 16;

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            default_timeout: Duration::from_secs(30),
            max_timeout: Duration::from_secs(300),
            unfinished_grace: Duration::from_secs(1),
            max_cpu_time: Duration::from_secs(10),
            max_memory: 256 << 20,
            max_output: 1 << 20,
            max_return_size: 256 << 10,
            max_return_depth: MAX_DEPTH,
            max_concurrent: CONCURRENT_PER_CORE * cores,
            max_queue: 256,
            max_queue_wait: Duration::from_secs(60),
            standby: STANDBY_PER_CORE * cores,
            isolate: Isolate::default(),
            time_zone: None,
            max_write_size: 512 << 20,
            max_new_files: 10_000,
            max_open_files: 256,
            max_fetch_size: 256 << 20,
            max_connections: 32,
            max_command_output: 16 << 20,
            max_tool_calls: 1000,
            max_tool_result: 8 << 20,
            mcp_config: None,
            unsafe_allow_all: false,
            unsafe_run_without_landlock: false,
            workspace: default_workspace(),
            run_args: None,
            fetch_headers: None,
            audit_log: None,
            environment: None,
            executable: None,
            http: HttpConfig::default(),
            config_file: None,
            principals: Arc::default(),
            lists: Arc::default(),
            without: Vec::new(),
        }
    }
}

fn default_workspace() -> PathBuf {
    let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
    home.join(".mcp-conductor/workspace")
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident, $with:ident: $type:ty;)*) => {
        impl Config {
            $(
                $(#[$doc])*
                pub fn $name(&self) -> $type {
                    self.$name
                }

                #[doc = concat!("Sets [`Self::", stringify!($name), "`].")]
                #[must_use]
                pub fn $with(mut self, $name: $type) -> Self {
                    self.$name = $name;
                    self
                }
            )*
        }
    };
}

settings! {
    /// Wall time of a run that asks for none. 30 s.
    default_timeout, with_default_timeout: Duration;
    /// The most wall time that a run may ask for. 5 min.
    max_timeout, with_max_timeout: Duration;
    /// Time for what a program left behind when its value was reached, within its wall
    /// time. 1 s.
    unfinished_grace, with_unfinished_grace: Duration;
    /// CPU time of a run, whatever its wall time. 10 s.
    max_cpu_time, with_max_cpu_time: Duration;
    /// Bytes of memory of a run, heap and off-heap together. 256 MiB.
    max_memory, with_max_memory: u64;
    /// Bytes of output that are kept. More is dropped, and
    /// [`FLOOD_FACTOR`] times as much ends the run. 1 MiB.
    max_output, with_max_output: u64;
    /// Bytes of a value's JSON text. 256 KiB.
    max_return_size, with_max_return_size: u32;
    /// Levels of nesting in a value. 100; readers of JSON often stop at 128.
    max_return_depth, with_max_return_depth: u32;
    /// Runs at the same time. 16 for each core.
    max_concurrent, with_max_concurrent: usize;
    /// Runs that wait for a place. 256.
    max_queue, with_max_queue: usize;
    /// How long a run waits for a place. 60 s.
    max_queue_wait, with_max_queue_wait: Duration;
    /// Workers kept ready, forked and sealed. 2 for each core; 0 forks each
    /// when it is needed.
    standby, with_standby: usize;
    /// Where isolates are made.
    isolate, with_isolate: Isolate;
    /// Bytes that a run may write, all files together. 512 MiB.
    max_write_size, with_max_write_size: u64;
    /// Files, directories and links that a run may make. 10,000.
    max_new_files, with_max_new_files: u64;
    /// Files, response bodies and pipes that a run has open. 256.
    max_open_files, with_max_open_files: usize;
    /// Bytes of all bodies that a run fetches, decoded, and of all that it sends.
    /// 256 MiB.
    max_fetch_size, with_max_fetch_size: u64;
    /// Requests of a run that have a connection. 32.
    max_connections, with_max_connections: usize;
    /// Bytes that a run may read from one pipe of a command. 16 MiB.
    max_command_output, with_max_command_output: u64;
    /// Calls of tools of other servers that a run may make. 1000.
    max_tool_calls, with_max_tool_calls: u32;
    /// Bytes of one result of another server. 8 MiB.
    max_tool_result, with_max_tool_result: u64;
    /// Whether `allow-all` is accepted. No.
    unsafe_allow_all, with_unsafe_allow_all: bool;
    /// Whether commands run where the kernel has no Landlock to confine them. No.
    unsafe_run_without_landlock, with_unsafe_run_without_landlock: bool;
}

/// A program that prints this many times [`Config::max_output`] is ended. Far
/// above the limit, because to cut a long log off costs less than to lose the
/// program's value.
pub const FLOOD_FACTOR: u64 = 256;

impl Config {
    /// The directory that programs work in: `~/.mcp-conductor/workspace`. It is
    /// made if it does not exist.
    pub fn workspace(&self) -> &std::path::Path {
        &self.workspace
    }

    /// Sets [`Self::workspace`].
    #[must_use]
    pub fn with_workspace(mut self, workspace: impl Into<PathBuf>) -> Self {
        self.workspace = workspace.into();
        self
    }

    /// The time zone of programs. Without it: UTC; [`Self::load`] reads `TZ`.
    pub fn time_zone(&self) -> Option<&str> {
        self.time_zone.as_deref()
    }

    /// Sets [`Self::time_zone`], a name of the IANA database such as `Europe/Berlin`.
    #[must_use]
    pub fn with_time_zone(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.time_zone = Some(time_zone::known(&name).unwrap_or(name));
        self
    }

    /// What programs may do, as Deno's flags. Without it: read and write the
    /// workspace.
    pub fn run_args(&self) -> Option<&str> {
        self.run_args.as_deref()
    }

    /// Sets [`Self::run_args`], such as `allow-read=/data,allow-net=example.com`.
    #[must_use]
    pub fn with_run_args(mut self, run_args: impl Into<String>) -> Self {
        self.run_args = Some(run_args.into());
        self
    }

    /// Headers that the server adds to requests of programs, which do not see
    /// them: a JSON object of hosts, each with an object of headers, in whose
    /// values `env:NAME` stands for a variable of the environment.
    #[must_use]
    pub fn with_fetch_headers(mut self, json: impl Into<String>) -> Self {
        self.fetch_headers = Some(json.into());
        self
    }

    pub(crate) fn fetch_headers(&self) -> Option<&str> {
        self.fetch_headers.as_deref()
    }

    /// The file that lists the MCP servers that programs may call. Without it there
    /// are none; the command line looks for `~/.mcp-conductor/mcp.json`.
    pub fn mcp_config(&self) -> Option<&std::path::Path> {
        self.mcp_config.as_deref()
    }

    /// Sets [`Self::mcp_config`].
    #[must_use]
    pub fn with_mcp_config(mut self, path: impl Into<PathBuf>) -> Self {
        self.mcp_config = Some(path.into());
        self
    }

    /// The file of the audit log, one JSON object a line. None by default.
    pub fn audit_log(&self) -> Option<&std::path::Path> {
        self.audit_log.as_deref()
    }

    /// Sets [`Self::audit_log`].
    #[must_use]
    pub fn with_audit_log(mut self, path: impl Into<PathBuf>) -> Self {
        self.audit_log = Some(path.into());
        self
    }

    /// Sets what programs and commands are given of, instead of the environment of
    /// this process.
    #[must_use]
    pub fn with_environment<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.environment = Some(pairs.collect());
        self
    }

    /// The environment that `allow-env` chooses from. What is no UTF-8 is left out.
    pub(crate) fn environment(&self) -> std::collections::HashMap<String, String> {
        match &self.environment {
            Some(pairs) => pairs.iter().cloned().collect(),
            None => std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        }
    }

    /// Files of the server that no program may read or write, whoever runs it.
    pub(crate) fn own_files(&self) -> Vec<PathBuf> {
        let http = &self.http;
        let keys = http.oauth_jwks.as_ref().map(PathBuf::from).filter(|path| path.is_absolute());
        let locks = http.tokens.iter().map(|path| lock_of(path));
        let own = [&self.audit_log, &self.mcp_config, &self.config_file, &http.tokens, &keys];
        let lists = self.lists.files.iter().cloned().chain(self.principals.files());
        own.into_iter().flatten().cloned().chain(locks).chain(lists).collect()
    }

    /// Whether programs are run and kept apart just as with another configuration.
    pub(crate) fn is_same_for_programs(&self, other: &Self) -> bool {
        let without_others = |config: &Self| Self { principals: Arc::default(), ..config.clone() };
        self.own_files() == other.own_files() && without_others(self) == without_others(other)
    }

    /// The directory that holds the workspace, if that has the usual name, and
    /// playbooks; else the workspace.
    pub(crate) fn root_directory(&self) -> &std::path::Path {
        let parent = self.workspace.parent().filter(|_| self.workspace.ends_with("workspace"));
        parent.unwrap_or(&self.workspace)
    }

    /// How the server on HTTP serves.
    pub fn http(&self) -> &HttpConfig {
        &self.http
    }

    /// Sets [`Self::http`].
    #[must_use]
    pub fn with_http(mut self, http: HttpConfig) -> Self {
        self.http = http;
        self
    }

    /// The executable that serves as the zygote: this one, if it calls
    /// [`crate::zygote_hook`], else `mcp-conductor` in `PATH`.
    pub fn executable(&self) -> Option<&std::path::Path> {
        self.executable.as_deref()
    }

    /// Sets [`Self::executable`], an `mcp-conductor` or a program that calls
    /// [`crate::zygote_hook`].
    #[must_use]
    pub fn with_executable(mut self, executable: impl Into<PathBuf>) -> Self {
        self.executable = Some(executable.into());
        self
    }

    /// Leaves a layer of the sandbox out, to test that this is noticed.
    #[doc(hidden)]
    #[must_use]
    pub fn without_layer(mut self, layer: &str) -> Self {
        self.without.push(layer.to_owned());
        self
    }

    pub(crate) fn without(&self) -> &[String] {
        &self.without
    }

    /// The default settings and what the environment sets; [`Self::load`] without a
    /// file and without flags.
    ///
    /// # Errors
    /// The first variable whose value cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::load(&Sources::default())
    }

    /// Whether the settings can work together; setters take any value.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let error =
            |name, problem: &str, example| Err(ConfigError::variable(name, problem, example));
        use environment::{
            DEFAULT_TIMEOUT, MAX_CONCURRENT, MAX_CPU_TIME, MAX_MEMORY, MAX_RETURN_DEPTH, TIME_ZONE,
        };
        if let Some(Err(problem)) = self.time_zone().map(time_zone::known) {
            return error(TIME_ZONE, &problem, "Europe/Berlin");
        }
        if self.default_timeout.is_zero() || self.default_timeout > self.max_timeout {
            error(DEFAULT_TIMEOUT, "zero, or more than the maximum", "30000")
        } else if self.max_cpu_time.is_zero() {
            error(MAX_CPU_TIME, "zero", "10000")
        } else if self.max_memory < MIN_MEMORY_MIB << 20 {
            error(MAX_MEMORY, "less than 32 MiB", "256")
        } else if !(1..=MAX_DEPTH).contains(&self.max_return_depth) {
            error(MAX_RETURN_DEPTH, "not from 1 to 100", "100")
        } else if self.max_concurrent == 0 {
            error(MAX_CONCURRENT, "zero", "32")
        } else {
            Ok(())
        }
    }

    /// Every environment variable, for documentation.
    pub fn variables() -> &'static [Variable] {
        variables::all()
    }

    /// Variables of the server's prefix that are set and mean nothing to it.
    pub fn unknown_variables() -> Vec<String> {
        environment::unknown(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
    }
}
