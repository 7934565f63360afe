//! How the processes of runs are made.

use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, Integer, Unit, at};
use super::super::{Config, time_zone};
use crate::packages::python::PRELOADABLE;
use crate::protocol::Isolate;

/// Standby workers for each core. One is used while the next is made.
const STANDBY_PER_CORE: u64 = 2;

/// When Python is loaded: it takes 5 to 10 s, and 280 MB.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum PythonLoad {
    /// Never: there is no `execute_python`.
    Off,
    /// By the first program that needs it.
    #[default]
    Lazy,
    /// With the server.
    Start,
}

/// Whether programs are checked, and the least that a call can ask for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum CheckSetting {
    /// While they run, where the checker is installed, unless the call says otherwise.
    #[default]
    Auto,
    /// Never: there is no checker.
    Off,
    /// While they run, at the least.
    Warn,
    /// Before they run, at the least.
    Error,
}

group! {
    /// How the processes of runs are made.
    Workers as workers {
        /// Workers kept ready, forked and sealed. 2 for each core; 0 forks each
        /// when it is needed.
        standby, with_standby: usize;
        /// Where isolates are made.
        isolate, with_isolate: Isolate;
        /// When Python is loaded, if `mcp-conductor install python` has installed it. When it is
        /// first needed.
        python, with_python: PythonLoad;
        /// Whether the types of programs in TypeScript are checked, if
        /// `mcp-conductor install checker` has installed what does it. While they run.
        type_check, with_type_check: CheckSetting;
    } and {
        python_preload: Vec<String>;
        time_zone: Option<String>;
    }
}

impl Config {
    /// Packages that Python has imported before a program begins.
    pub fn python_preload(&self) -> &[String] {
        &self.workers.python_preload
    }

    /// Sets [`Self::python_preload`]: `networkx`, `scipy`, `sklearn`, `statsmodels`, `sympy`. Others
    /// are refused when a runtime starts.
    #[must_use]
    pub fn with_python_preload(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.workers.python_preload = names.into_iter().collect();
        self
    }

    /// The time zone of programs. Without it: UTC; [`Self::load`] reads `TZ`.
    pub fn time_zone(&self) -> Option<&str> {
        self.workers.time_zone.as_deref()
    }

    /// Sets [`Self::time_zone`], a name of the IANA database such as `Europe/Berlin`.
    #[must_use]
    pub fn with_time_zone(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.workers.time_zone = Some(time_zone::known(&name).unwrap_or(name));
        self
    }
}

/// Refuses what Python cannot import beforehand.
fn preloadable(name: &str) -> Result<(), String> {
    match PRELOADABLE.contains(&name) {
        true => Ok(()),
        false => Err(format!("{name:?} is not one of {}", PRELOADABLE.join(", "))),
    }
}

entries! {
    STANDBY = "MCP_CONDUCTOR_STANDBY" {
        meaning: "Standby workers, forked and sealed ahead of time; 0 forks each on demand",
        example: "4",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::PerCore(STANDBY_PER_CORE),
        form: Form::Number {
            min: 0,
            max: 1_000,
            unit: Unit::One,
            at: Integer::Usize(at!(workers.standby)),
        },
    }
    ISOLATE = "MCP_CONDUCTOR_ISOLATE" {
        meaning: "`warm`: made once, copied by fork; `fresh`: made in each worker, slower, nothing \
                  shared",
        example: "warm",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Text("warm"),
        form: Form::Choice {
            of: &["warm", "fresh"],
            get: |config| match config.workers.isolate {
                Isolate::Warm => "warm",
                Isolate::Fresh => "fresh",
            },
            set: |config, word| {
                let fresh = word == "fresh";
                config.workers.isolate = if fresh { Isolate::Fresh } else { Isolate::Warm };
            },
        },
    }
    PYTHON = "MCP_CONDUCTOR_PYTHON" {
        meaning: "When Python is loaded, which `mcp-conductor install python` installs: `lazy`: by \
                  the first program that needs it; `start`: with the server; `off`: never",
        example: "start",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Text("lazy"),
        form: Form::Choice {
            of: &["off", "lazy", "start"],
            get: |config| match config.workers.python {
                PythonLoad::Off => "off",
                PythonLoad::Lazy => "lazy",
                PythonLoad::Start => "start",
            },
            set: |config, word| {
                config.workers.python = match word {
                    "off" => PythonLoad::Off,
                    "start" => PythonLoad::Start,
                    _ => PythonLoad::Lazy,
                };
            },
        },
    }
    PYTHON_PRELOAD = "MCP_CONDUCTOR_PYTHON_PRELOAD" {
        meaning: "Packages that Python has imported before a program begins, separated by commas, \
                  out of `networkx`, `scipy`, `sklearn`, `statsmodels` and `sympy`: each takes \
                  memory once, and a second less of the programs that use it",
        example: "scipy,sklearn",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Unset,
        form: Form::List {
            separator: |c| c == ',',
            check: preloadable,
            at: at!(workers.python_preload),
        },
    }
    CHECK = "MCP_CONDUCTOR_CHECK" {
        meaning: "Whether types of programs in TypeScript are checked, which `mcp-conductor install \
                  checker` makes possible: `auto`: while they run, and a call may say otherwise; \
                  `warn`: the same, and a call may not turn it off; `error`: before they run, and \
                  those with errors do not run; `off`: never",
        example: "error",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Text("auto"),
        form: Form::Choice {
            of: &["auto", "off", "warn", "error"],
            get: |config| match config.workers.type_check {
                CheckSetting::Auto => "auto",
                CheckSetting::Off => "off",
                CheckSetting::Warn => "warn",
                CheckSetting::Error => "error",
            },
            set: |config, word| {
                config.workers.type_check = match word {
                    "off" => CheckSetting::Off,
                    "warn" => CheckSetting::Warn,
                    "error" => CheckSetting::Error,
                    _ => CheckSetting::Auto,
                };
            },
        },
    }
    TIME_ZONE = "MCP_CONDUCTOR_TIME_ZONE" {
        meaning: "The time zone of programs, a name of the IANA database. Unset: the server's `TZ`, \
                  else UTC",
        example: "Europe/Berlin",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Means("`TZ`, else `\"UTC\"`"),
        form: Form::Text { check: time_zone::known, at: at!(workers.time_zone) },
    }
}
