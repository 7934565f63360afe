//! How the processes of runs are made.

use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, Integer, Unit, at};
use super::super::{Config, time_zone};
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
        time_zone: Option<String>;
    }
}

impl Config {
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
