//! A request for a run, and its validation.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use thiserror::Error;

use super::globals::{GlobalsText, is_definable};
use super::output::OutputEvent;
use super::{Check, Language, python};
use crate::broker::{Rounded, ToolScope};
use crate::config::environment::MAX_TIMEOUT;
use crate::config::{Config, FLOOD_FACTOR};
use crate::conversations::Within;
use crate::packages::allowed::MAX_PACKAGES;
use crate::policy::{Permission, RunTools, Withheld};
use crate::protocol::{Program, ServerMessage};
use crate::telemetry::TraceParent;
use crate::upstream::Caller;

/// Largest program in bytes of UTF-8.
pub const MAX_SOURCE_BYTES: usize = 1 << 20;

/// Packages that a call can name: as many as can be allowed.
const MAX_DEPENDENCIES: usize = MAX_PACKAGES;

/// Largest globals in bytes of JSON text.
pub const MAX_GLOBALS_BYTES: usize = 8 << 20;

/// The global that tells a program what is granted.
pub(super) const PERMISSIONS: &str = "PERMISSIONS";

/// A program and how to run it.
///
/// ```
/// use mcp_conductor::ExecuteRequest;
/// use serde_json::json;
///
/// let request = ExecuteRequest::new("a + b")
///     .with_global("a", json!(1))
///     .with_global("b", json!(2))
///     .with_timeout(std::time::Duration::from_secs(5));
/// ```
#[derive(Debug, Clone)]
pub struct ExecuteRequest {
    language: Language,
    source: String,
    timeout: Option<Duration>,
    globals: Map<String, Value>,
    globals_text: Option<GlobalsText>,
    allowed_tools: Option<Vec<String>>,
    dependencies: Vec<String>,
    caller: Option<CallerOf>,
    trace_parent: Option<TraceParent>,
    conversation: Option<String>,
    withheld: Vec<Grant>,
    log: Option<Log>,
    check: Option<Check>,
}

/// The client that upstream servers may send requests to.
#[derive(Clone)]
struct CallerOf(Arc<dyn Caller>);

impl fmt::Debug for CallerOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caller")
    }
}

/// What an administrator can grant, and a call do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Reading files.
    Read,
    /// Writing files.
    Write,
    /// Requests to hosts.
    Net,
    /// Variables of the environment.
    Env,
    /// Commands.
    Run,
}

impl From<Grant> for Permission {
    fn from(grant: Grant) -> Self {
        match grant {
            Grant::Read => Self::Read,
            Grant::Write => Self::Write,
            Grant::Net => Self::Net,
            Grant::Env => Self::Env,
            Grant::Run => Self::Run,
        }
    }
}

/// What a program's lines are given to as they arrive.
#[derive(Clone)]
pub(super) struct Log(Arc<dyn Fn(&OutputEvent) + Send + Sync>);

impl Log {
    pub(super) fn say(&self, event: &OutputEvent) {
        (self.0)(event);
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

/// A request that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The source is larger than [`MAX_SOURCE_BYTES`].
    #[error("The program has {0} bytes; at most {MAX_SOURCE_BYTES} are accepted")]
    SourceTooLarge(usize),
    /// The globals are larger than [`MAX_GLOBALS_BYTES`].
    #[error("The globals have {0} bytes of JSON; at most {MAX_GLOBALS_BYTES} are accepted")]
    GlobalsTooLarge(usize),
    /// The timeout is zero or above the administrator's maximum.
    #[error("timeout must be from 1 to {max} ms, not {asked} ms (the maximum is {MAX_TIMEOUT})")]
    Timeout {
        /// What was asked for, in ms.
        asked: u128,
        /// The administrator's maximum, in ms.
        max: u128,
    },
    /// A global's name is not an identifier, or cannot be defined.
    #[error("\"{0}\" cannot be the name of a global: a JavaScript identifier is needed")]
    GlobalName(String),
    /// The name of a global of a program in Python is not an identifier, or cannot be defined.
    #[error(
        "\"{0}\" cannot be the name of a global: a Python identifier is needed, without two \
         underscores on both sides"
    )]
    PythonGlobalName(String),
    /// The patterns of tools are too many or too long.
    #[error("allowedTools: {0}")]
    AllowedTools(String),
    /// The conversation is not there for this caller.
    #[error("conversation: {0}")]
    Conversation(String),
    /// There are more dependencies than packages can be allowed.
    #[error("dependencies: {0} packages are more than {MAX_DEPENDENCIES}")]
    Dependencies(usize),
}

impl ExecuteRequest {
    /// A request for a program in TypeScript.
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            language: Language::TypeScript,
            source: source.into(),
            timeout: None,
            globals: Map::new(),
            globals_text: None,
            allowed_tools: None,
            dependencies: Vec::new(),
            caller: None,
            trace_parent: None,
            conversation: None,
            withheld: Vec::new(),
            log: None,
            check: None,
        }
    }

    /// A request for a program in Python.
    pub fn python(source: impl Into<String>) -> Self {
        Self::new(source).with_language(Language::Python)
    }

    /// Sets the program's language; without it TypeScript.
    #[must_use]
    pub fn with_language(mut self, language: Language) -> Self {
        self.language = language;
        self
    }

    /// Sets the wall time; without it the configuration's default applies.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Makes a JSON value visible to the program under a name.
    #[must_use]
    pub fn with_global(mut self, name: impl Into<String>, value: Value) -> Self {
        self.globals.insert(name.into(), value);
        self
    }

    /// Makes every member of an object visible to the program.
    #[must_use]
    pub fn with_globals(mut self, globals: Map<String, Value>) -> Self {
        self.globals.extend(globals);
        self
    }

    /// The same, for an object given as JSON text.
    #[must_use]
    pub(crate) fn with_globals_text(mut self, globals: GlobalsText) -> Self {
        self.globals_text = Some(globals);
        self
    }

    /// Restricts the tools of other servers that the program may call, to those that
    /// match a pattern such as `mcp__github__*`. Never more than the configuration
    /// allows.
    #[must_use]
    pub fn with_allowed_tools<T: Into<String>>(
        mut self,
        patterns: impl IntoIterator<Item = T>,
    ) -> Self {
        self.allowed_tools = Some(patterns.into_iter().map(Into::into).collect());
        self
    }

    /// Names packages that the program needs, such as `npm:zod`. If one is not allowed, the
    /// program does not run. Those that are not named can be imported too.
    #[must_use]
    pub fn with_dependencies<T: Into<String>>(
        mut self,
        dependencies: impl IntoIterator<Item = T>,
    ) -> Self {
        self.dependencies = dependencies.into_iter().map(Into::into).collect();
        self
    }

    /// Runs the program within a conversation, by its handle; `"new"` begins one, whose handle
    /// is in the result.
    #[must_use]
    pub fn with_conversation(mut self, handle: impl Into<String>) -> Self {
        self.conversation = Some(handle.into());
        self
    }

    /// Runs the program without some of what the administrator grants. It never has more.
    /// Without one of the others it has no commands either, which would have it.
    #[must_use]
    pub fn without(mut self, grants: impl IntoIterator<Item = Grant>) -> Self {
        self.withheld.extend(grants);
        self
    }

    /// Says what the check of the program's types is for: not less than the administrator wants.
    #[must_use]
    pub fn with_check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// What the check of its types is for, if the request says so.
    pub fn check(&self) -> Option<Check> {
        self.check
    }

    /// Names of the globals that the request itself has.
    pub(super) fn global_names(&self) -> Vec<String> {
        let in_text = self.globals_text.iter().flat_map(GlobalsText::names);
        self.globals.keys().cloned().chain(in_text).collect()
    }

    /// Gives each line that the program prints to a function, as it arrives. For
    /// [`Runtime::execute`](super::Runtime::execute); with
    /// [`Runtime::stream`](super::Runtime::stream) it is not called.
    #[must_use]
    pub fn on_log(mut self, log: impl Fn(&OutputEvent) + Send + Sync + 'static) -> Self {
        self.log = Some(Log(Arc::new(log)));
        self
    }

    pub(super) fn take_log(&mut self) -> Option<Log> {
        self.log.take()
    }

    pub(super) fn conversation(&self) -> Option<&str> {
        self.conversation.as_deref()
    }

    /// Lets the MCP servers that the program calls send requests to a client.
    #[must_use]
    pub(crate) fn with_caller(mut self, caller: Arc<dyn Caller>) -> Self {
        self.caller = Some(CallerOf(caller));
        self
    }

    /// Makes the run part of a trace.
    #[must_use]
    pub(crate) fn with_trace_parent(mut self, parent: Option<TraceParent>) -> Self {
        self.trace_parent = parent;
        self
    }

    pub(super) fn trace_parent(&self) -> Option<TraceParent> {
        self.trace_parent
    }

    /// The program's language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The program.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Checks a request. `given` are globals under the request's own.
    pub(super) fn validate(
        self,
        config: &Config,
        given: &Map<String, Value>,
    ) -> Result<(ValidRequest, ToolScope), InvalidRequest> {
        if self.source.len() > MAX_SOURCE_BYTES {
            return Err(InvalidRequest::SourceTooLarge(self.source.len()));
        }
        let timeout = self.timeout.unwrap_or(config.default_timeout());
        if timeout < Duration::from_millis(1) || timeout > config.max_timeout() {
            return Err(InvalidRequest::Timeout {
                asked: timeout.as_millis(),
                max: config.max_timeout().as_millis(),
            });
        }
        if self.dependencies.len() > MAX_DEPENDENCIES {
            return Err(InvalidRequest::Dependencies(self.dependencies.len()));
        }
        let language = self.language;
        let wrong = self.globals.keys().find(|name| !is_definable(name, language));
        let in_text = || self.globals_text.as_ref().and_then(|text| text.wrong_name(language));
        if let Some(name) = wrong.or_else(in_text).cloned() {
            return Err(match language {
                Language::TypeScript => InvalidRequest::GlobalName(name),
                Language::Python => InvalidRequest::PythonGlobalName(name),
            });
        }
        let withheld = Withheld::of(self.withheld.into_iter().map(Permission::from));
        let mut globals = given.clone();
        if let Some(Value::Array(flags)) = globals.get_mut(PERMISSIONS) {
            flags.extend(withheld.flags(&[]).into_iter().map(Value::from));
        }
        globals.extend(self.globals);
        let globals = match self.globals_text {
            Some(text) => text.after(globals),
            None => Value::Object(globals).to_string(),
        };
        if globals.len() > MAX_GLOBALS_BYTES {
            return Err(InvalidRequest::GlobalsTooLarge(globals.len()));
        }
        let tools = RunTools::parse(self.allowed_tools).map_err(InvalidRequest::AllowedTools)?;
        let caller = self.caller.map(|CallerOf(caller)| caller);
        let rounded = match language {
            Language::TypeScript => Rounded::in_source(&self.source),
            // Its integers have any length.
            Language::Python => Rounded::default(),
        };
        let (source, dependencies) = (self.source, self.dependencies);
        let request = ValidRequest { language, source, globals, timeout, dependencies };
        Ok((request, ToolScope { tools, caller, rounded, conversation: Within::Nothing, withheld }))
    }
}

/// A request that was checked.
pub(super) struct ValidRequest {
    pub language: Language,
    pub source: String,
    globals: String,
    pub timeout: Duration,
    pub dependencies: Vec<String>,
}

impl ValidRequest {
    /// The packages that its program may import, if that is told of them.
    fn allowed_packages(&self, config: &Config) -> Vec<String> {
        match self.language {
            // Its worker asks about each import.
            Language::TypeScript => Vec::new(),
            Language::Python => python::allowed(config),
        }
    }

    /// What its worker is sent. Where it has no packages, `without_packages` says why.
    pub(super) fn message(
        self,
        config: &Config,
        has_servers: bool,
        without_packages: Option<String>,
    ) -> ServerMessage {
        let allowed_packages = self.allowed_packages(config);
        ServerMessage::Run(Box::new(Program {
            source: self.source,
            globals: self.globals,
            workspace: config.workspace().to_string_lossy().into_owned(),
            has_servers,
            max_output: config.max_output(),
            max_flood: config.max_output().saturating_mul(FLOOD_FACTOR),
            max_value: config.max_return_size(),
            max_depth: config.max_return_depth(),
            grace: config.unfinished_grace(),
            without_packages,
            allowed_packages,
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn invalid(request: ExecuteRequest) -> String {
        request
            .validate(&Config::default(), &Map::new())
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn a_program_of_one_mebibyte_is_accepted_and_one_byte_more_is_not() {
        assert_eq!(invalid(ExecuteRequest::new("a".repeat(MAX_SOURCE_BYTES))), "");
        assert_eq!(
            invalid(ExecuteRequest::new("a".repeat(MAX_SOURCE_BYTES + 1))),
            "The program has 1048577 bytes; at most 1048576 are accepted"
        );
    }

    #[test]
    fn a_timeout_is_from_one_millisecond_to_the_maximum() {
        let with = |ms| ExecuteRequest::new("1").with_timeout(Duration::from_millis(ms));
        assert_eq!(invalid(with(1)), "");
        assert_eq!(invalid(with(300_000)), "");
        let message = "timeout must be from 1 to 300000 ms, not 0 ms (the maximum is \
            MCP_CONDUCTOR_MAX_TIMEOUT)";
        assert_eq!(invalid(with(0)), message);
        assert_eq!(invalid(with(300_001)), message.replace("not 0", "not 300001"));
    }

    #[test]
    fn no_more_packages_are_named_than_can_be_allowed() {
        let with = |count| ExecuteRequest::new("1").with_dependencies(vec!["npm:zod"; count]);
        assert_eq!(invalid(with(1000)), "");
        assert_eq!(invalid(with(1001)), "dependencies: 1001 packages are more than 1000");
    }

    #[test]
    fn a_global_of_python_is_named_by_an_identifier_of_python() {
        let with = |name| invalid(ExecuteRequest::python("1").with_global(name, json!(1)));
        assert_eq!(with("var"), "");
        assert_eq!(with("größe"), "");
        assert_ne!(with("x²"), "", "Python reads x2");
        assert_ne!(with("ﬁt"), "", "Python reads fit");
        assert_eq!(
            with("$a"),
            "\"$a\" cannot be the name of a global: a Python identifier is needed, without two \
             underscores on both sides"
        );
    }

    #[test]
    fn a_global_is_named_by_an_identifier() {
        for name in ["x", "_1", "$a", "größe", "日本"] {
            assert_eq!(invalid(ExecuteRequest::new("1").with_global(name, json!(1))), "", "{name}");
        }
        for name in ["", "1x", "a-b", "a b", "a.b", "class", "await", "undefined", "x;y", "\0"] {
            assert_ne!(invalid(ExecuteRequest::new("1").with_global(name, json!(1))), "", "{name}");
        }
    }
}
