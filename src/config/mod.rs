//! Everything that an administrator can set, in one validated [`Config`], from the
//! command line, the environment and a file. A setting is an entry of the tables in
//! `variables`, with a field beside it.

pub(crate) mod credentials;
#[cfg(test)]
mod documentation_tests;
mod embedded;
mod entry;
pub(crate) mod environment;
mod file;
#[cfg(test)]
pub(crate) mod fixture_tests;
mod form;
mod http;
mod jsonc;
mod lists;
mod precedence;
mod principals;
#[cfg(test)]
mod principals_tests;
mod reload;
mod schema;
mod sections;
pub(crate) mod servers;
mod settings;
#[cfg(test)]
mod settings_tests;
mod shown;
mod surroundings;
mod time_zone;
mod value;
mod variables;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::private_file::lock_of;
use embedded::Embedded;
pub use entry::Variable;
#[cfg(test)]
pub(crate) use fixture_tests as fixture;
pub use http::HttpConfig;
use lists::Lists;
pub use precedence::Sources;
pub(crate) use principals::Principal;
use principals::Principals;
pub use variables::output::FLOOD_FACTOR;
pub use variables::workers::{CheckSetting, PythonLoad};

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
    limits: variables::limits::Limits,
    output: variables::output::Output,
    queue: variables::queue::Queue,
    workers: variables::workers::Workers,
    permissions: variables::permissions::Permissions,
    files: variables::files::Files,
    network: variables::network::Network,
    commands: variables::commands::Commands,
    tools: variables::tools::Tools,
    conversations: variables::conversations::Conversations,
    packages: variables::packages::Packages,
    search: variables::search::Search,
    audit: variables::audit::Audit,
    kept: variables::store::Kept,
    http: HttpConfig,
    embedded: Embedded,
    config_file: Option<PathBuf>,
    principals: Arc<Principals>,
    lists: Arc<Lists>,
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}: {problem}{}", for_example(.example))]
pub struct ConfigError {
    /// Its location: the environment variable, the flag, or the file and the line.
    pub place: String,
    /// What is wrong with its value.
    pub problem: String,
    /// A valid setting, as it is written there; empty if there is none.
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

/// Bytes of a file of the configuration: a thousand principals of 1 KiB, 256 servers of 4 KiB.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 20;

impl Default for Config {
    fn default() -> Self {
        let mut config = Self::unset();
        for variable in variables::all() {
            // It would stay unset; a test sets each.
            let _ = variable.set_default(&mut config);
        }
        config
    }
}

impl Config {
    /// Without the defaults that the entries have.
    fn unset() -> Self {
        Self {
            limits: Default::default(),
            output: Default::default(),
            queue: Default::default(),
            workers: Default::default(),
            permissions: Default::default(),
            files: Default::default(),
            network: Default::default(),
            commands: Default::default(),
            tools: Default::default(),
            conversations: Default::default(),
            packages: Default::default(),
            search: Default::default(),
            audit: Default::default(),
            kept: Default::default(),
            http: HttpConfig::unset(),
            embedded: Embedded::default(),
            config_file: None,
            principals: Arc::default(),
            lists: Arc::default(),
        }
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

    /// The file that these settings come from.
    pub fn config_file(&self) -> Option<&Path> {
        self.config_file.as_deref()
    }

    /// Files of the server that no program may read or write, whoever runs it.
    pub(crate) fn own_files(&self) -> Vec<PathBuf> {
        let http = &self.http;
        let keys = http.oauth_jwks.as_ref().map(PathBuf::from).filter(|path| path.is_absolute());
        let locks = http.tokens.iter().map(|path| lock_of(path));
        let own =
            [&self.audit.audit_log, &self.tools.mcp_config, &self.config_file, &http.tokens, &keys];
        let lists = self.lists.files.iter().cloned().chain(self.principals.files());
        own.into_iter().flatten().cloned().chain(locks).chain(lists).collect()
    }

    /// Whether programs are run and kept apart just as with another configuration.
    pub(crate) fn is_same_for_programs(&self, other: &Self) -> bool {
        let without_others = |config: &Self| Self { principals: Arc::default(), ..config.clone() };
        self.own_files() == other.own_files() && without_others(self) == without_others(other)
    }

    /// The default settings and what the environment sets; [`Self::load`] without a
    /// file and without flags.
    ///
    /// # Errors
    /// The first variable whose value cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::load(&Sources::default())
    }

    /// Whether the settings are consistent; setters take any value.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        use environment::{
            DEFAULT_TIMEOUT, MAX_CONCURRENT, MAX_CPU_TIME, MAX_MEMORY, MAX_RETURN_DEPTH, TIME_ZONE,
        };
        use variables::{limits::MIN_MEMORY_MIB, output::MAX_DEPTH};
        if let Some(Err(problem)) = self.time_zone().map(time_zone::known) {
            return Err(unusable(TIME_ZONE, problem));
        }
        if self.default_timeout().is_zero() || self.default_timeout() > self.max_timeout() {
            Err(unusable(DEFAULT_TIMEOUT, "zero, or more than the maximum"))
        } else if self.max_cpu_time().is_zero() {
            Err(unusable(MAX_CPU_TIME, "zero"))
        } else if self.max_memory() < MIN_MEMORY_MIB << 20 {
            Err(unusable(MAX_MEMORY, format!("less than {MIN_MEMORY_MIB} MiB")))
        } else if !(1..=MAX_DEPTH).contains(&self.max_return_depth()) {
            Err(unusable(MAX_RETURN_DEPTH, format!("not from 1 to {MAX_DEPTH}")))
        } else if self.max_concurrent() == 0 {
            Err(unusable(MAX_CONCURRENT, "zero"))
        } else {
            Ok(())
        }
    }

    /// Every environment variable, for documentation.
    pub fn variables() -> &'static [Variable] {
        variables::all()
    }

    /// Variables with the server's prefix that are set and unknown to it.
    pub fn unknown_variables() -> Vec<String> {
        environment::unknown(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
    }
}

/// A problem with a setting, with the example that its entry has.
fn unusable(name: &str, problem: impl Into<String>) -> ConfigError {
    let example = variables::named(name).map_or("", |variable| variable.example);
    ConfigError::variable(name, problem, example)
}
