//! The environment's variables: names, meanings, parsing. The only place that
//! names them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::{Config, ConfigError, MAX_DEPTH};
use crate::policy::Grants;
use crate::protocol::Isolate;

/// One environment variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its meaning, with the unit.
    pub meaning: &'static str,
    /// A value that works.
    pub example: &'static str,
    apply: fn(Config, &str) -> Result<Config, String>,
}

/// Prefix of every variable.
pub(crate) const PREFIX: &str = "MCP_CONDUCTOR_";

pub(crate) const MAX_TIMEOUT: &str = "MCP_CONDUCTOR_MAX_TIMEOUT";
pub(crate) const DEFAULT_TIMEOUT: &str = "MCP_CONDUCTOR_DEFAULT_TIMEOUT";
pub(crate) const MAX_CPU_TIME: &str = "MCP_CONDUCTOR_MAX_CPU_TIME";
pub(crate) const MAX_MEMORY: &str = "MCP_CONDUCTOR_MAX_MEMORY";
pub(crate) const MAX_OUTPUT: &str = "MCP_CONDUCTOR_MAX_OUTPUT_SIZE";
pub(crate) const MAX_RETURN_SIZE: &str = "MCP_CONDUCTOR_MAX_RETURN_SIZE";
pub(crate) const MAX_RETURN_DEPTH: &str = "MCP_CONDUCTOR_MAX_RETURN_DEPTH";
pub(crate) const MAX_CONCURRENT: &str = "MCP_CONDUCTOR_MAX_CONCURRENT";
pub(crate) const MAX_QUEUE: &str = "MCP_CONDUCTOR_MAX_QUEUE";
pub(crate) const RUN_ARGS: &str = "MCP_CONDUCTOR_RUN_ARGS";
pub(crate) const MAX_QUEUE_WAIT: &str = "MCP_CONDUCTOR_MAX_QUEUE_WAIT";
pub(crate) const MAX_WRITE_SIZE: &str = "MCP_CONDUCTOR_MAX_WRITE_SIZE";
pub(crate) const MAX_NEW_FILES: &str = "MCP_CONDUCTOR_MAX_NEW_FILES";
pub(crate) const MAX_OPEN_FILES: &str = "MCP_CONDUCTOR_MAX_OPEN_FILES";
pub(crate) const MAX_FETCH_SIZE: &str = "MCP_CONDUCTOR_MAX_FETCH_SIZE";
pub(crate) const MAX_CONNECTIONS: &str = "MCP_CONDUCTOR_MAX_CONNECTIONS";
pub(crate) const MAX_COMMAND_OUTPUT: &str = "MCP_CONDUCTOR_MAX_COMMAND_OUTPUT";
/// Set in the environment of servers that this one starts.
pub(crate) const UPSTREAM: &str = "MCP_CONDUCTOR_IS_UPSTREAM";
pub(crate) const MCP_CONFIG: &str = "MCP_CONDUCTOR_MCP_CONFIG";
pub(crate) const MAX_TOOL_CALLS: &str = "MCP_CONDUCTOR_MAX_TOOL_CALLS";
pub(crate) const MAX_TOOL_RESULT: &str = "MCP_CONDUCTOR_MAX_TOOL_RESULT";
pub(crate) const WORKSPACE: &str = "MCP_CONDUCTOR_WORKSPACE";
pub(crate) const FETCH_HEADERS: &str = "MCP_CONDUCTOR_FETCH_HEADERS";
pub(crate) const AUDIT_LOG: &str = "MCP_CONDUCTOR_AUDIT_LOG";
pub(crate) const ALLOW_ALL: &str = "MCP_CONDUCTOR_UNSAFE_ALLOW_ALL";
pub(crate) const WITHOUT_LANDLOCK: &str = "MCP_CONDUCTOR_UNSAFE_RUN_WITHOUT_LANDLOCK";

/// Smallest memory limit: a program that does nothing needs about 10 MiB.
pub(super) const MIN_MEMORY_MIB: u64 = 32;

/// In the order of the README's table.
pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: DEFAULT_TIMEOUT,
        meaning: "Wall time in ms of a run that asks for none",
        example: "30000",
        apply: |config, text| Ok(config.with_default_timeout(millis(text)?)),
    },
    Variable {
        name: MAX_TIMEOUT,
        meaning: "Most wall time in ms that a run may ask for",
        example: "300000",
        apply: |config, text| Ok(config.with_max_timeout(millis(text)?)),
    },
    Variable {
        name: MAX_CPU_TIME,
        meaning: "CPU time in ms of a run",
        example: "10000",
        apply: |config, text| Ok(config.with_max_cpu_time(millis(text)?)),
    },
    Variable {
        name: MAX_MEMORY,
        meaning: "Memory in MiB of a run, heap and off-heap together",
        example: "256",
        apply: |config, text| {
            let mib = number(text, MIN_MEMORY_MIB, 16 << 10)?;
            Ok(config.with_max_memory(mib << 20))
        },
    },
    Variable {
        name: MAX_OUTPUT,
        meaning: "Bytes of output that are kept; 256 times as much ends the run",
        example: "1048576",
        apply: |config, text| Ok(config.with_max_output(number(text, 1, 64 << 20)?)),
    },
    Variable {
        name: MAX_RETURN_SIZE,
        meaning: "Bytes of a value's JSON text",
        example: "262144",
        apply: |config, text| Ok(config.with_max_return_size(number(text, 1, 64 << 20)?)),
    },
    Variable {
        name: MAX_RETURN_DEPTH,
        meaning: "Levels of nesting in a value",
        example: "100",
        apply: |config, text| Ok(config.with_max_return_depth(number(text, 1, MAX_DEPTH)?)),
    },
    Variable {
        name: MAX_CONCURRENT,
        meaning: "Runs at the same time",
        example: "32",
        apply: |config, text| Ok(config.with_max_concurrent(number(text, 1, 10_000)?)),
    },
    Variable {
        name: MAX_QUEUE,
        meaning: "Runs that wait for a place; one more is refused",
        example: "256",
        apply: |config, text| Ok(config.with_max_queue(number(text, 0, 100_000)?)),
    },
    Variable {
        name: MAX_QUEUE_WAIT,
        meaning: "Longest wait for a place in ms",
        example: "60000",
        apply: |config, text| Ok(config.with_max_queue_wait(millis(text)?)),
    },
    Variable {
        name: "MCP_CONDUCTOR_STANDBY",
        meaning: "Workers kept ready, forked and sealed; 0 forks each on demand",
        example: "4",
        apply: |config, text| Ok(config.with_standby(number(text, 0, 1_000)?)),
    },
    Variable {
        name: "MCP_CONDUCTOR_ISOLATE",
        meaning: "warm: made once, copied by fork; fresh: made in each worker, slower, nothing shared",
        example: "warm",
        apply: |config, text| match text {
            "warm" => Ok(config.with_isolate(Isolate::Warm)),
            "fresh" => Ok(config.with_isolate(Isolate::Fresh)),
            other => Err(format!("\"{other}\" is neither warm nor fresh")),
        },
    },
    Variable {
        name: WORKSPACE,
        meaning: "The directory that programs work in; made if it does not exist",
        example: "/srv/workspace",
        apply: |config, text| Ok(config.with_workspace(absolute(text)?)),
    },
    Variable {
        name: RUN_ARGS,
        meaning: "What programs may do, as Deno's flags; none for nothing. \
                  Unset: read and write the workspace",
        example: "allow-read=/data,allow-net=api.example.com",
        apply: |config, text| {
            Grants::parse(text).map_err(|error| error.to_string())?;
            Ok(config.with_run_args(text))
        },
    },
    Variable {
        name: FETCH_HEADERS,
        meaning: "Headers that the server adds to requests to a host, JSON; programs do not \
                  see them; env:NAME stands for a variable's value",
        example: r#"{"api.example.com": {"authorization": "Bearer env:PATH"}}"#,
        apply: |config, text| Ok(config.with_fetch_headers(text)),
    },
    Variable {
        name: AUDIT_LOG,
        meaning: "File that gets a line of JSON for each run and each refusal",
        example: "/var/log/mcp-conductor.jsonl",
        apply: |config, text| Ok(config.with_audit_log(absolute(text)?)),
    },
    Variable {
        name: MAX_WRITE_SIZE,
        meaning: "Bytes that a run may write to files",
        example: "536870912",
        apply: |config, text| Ok(config.with_max_write_size(number(text, 0, 1 << 50)?)),
    },
    Variable {
        name: MAX_NEW_FILES,
        meaning: "Files and directories that a run may make",
        example: "10000",
        apply: |config, text| Ok(config.with_max_new_files(number(text, 0, 1 << 32)?)),
    },
    Variable {
        name: MAX_OPEN_FILES,
        meaning: "Files, response bodies, pipes and commands that a run may have open",
        example: "256",
        apply: |config, text| Ok(config.with_max_open_files(number(text, 1, 100_000)?)),
    },
    Variable {
        name: MAX_FETCH_SIZE,
        meaning: "Bytes of all bodies that a run may fetch, decoded, and of all that it may send",
        example: "268435456",
        apply: |config, text| Ok(config.with_max_fetch_size(number(text, 0, 1 << 50)?)),
    },
    Variable {
        name: MAX_CONNECTIONS,
        meaning: "Requests of a run at the same time",
        example: "32",
        apply: |config, text| Ok(config.with_max_connections(number(text, 1, 10_000)?)),
    },
    Variable {
        name: MAX_COMMAND_OUTPUT,
        meaning: "Bytes that a run may read from one pipe of a command",
        example: "16777216",
        // A worker takes both pipes of a command in one frame of 64 MiB.
        apply: |config, text| Ok(config.with_max_command_output(number(text, 1, 24 << 20)?)),
    },
    Variable {
        name: "MCP_CONDUCTOR_PROXY_CONFIG",
        meaning: "As MCP_CONDUCTOR_MCP_CONFIG, which wins",
        example: "/etc/mcp-conductor/mcp.json",
        apply: |config, text| Ok(config.with_mcp_config(absolute(text)?)),
    },
    Variable {
        name: MCP_CONFIG,
        meaning: "The file that lists the MCP servers that programs may call. Unset: \
                  ~/.mcp-conductor/mcp.json, if there is one",
        example: "/etc/mcp-conductor/mcp.json",
        apply: |config, text| Ok(config.with_mcp_config(absolute(text)?)),
    },
    Variable {
        name: MAX_TOOL_CALLS,
        meaning: "Calls of tools of other servers that a run may make",
        example: "1000",
        apply: |config, text| Ok(config.with_max_tool_calls(number(text, 0, 1_000_000)?)),
    },
    Variable {
        name: MAX_TOOL_RESULT,
        meaning: "Bytes of one result of another server",
        example: "8388608",
        // A worker takes it in one frame of 64 MiB.
        apply: |config, text| Ok(config.with_max_tool_result(number(text, 1 << 10, 32 << 20)?)),
    },
    Variable {
        name: ALLOW_ALL,
        meaning: "1 accepts allow-all, which gives programs all that the server's user may do",
        example: "1",
        apply: |config, text| Ok(config.with_unsafe_allow_all(flag(text)?)),
    },
    Variable {
        name: WITHOUT_LANDLOCK,
        meaning: "1 accepts allow-run where the kernel has no Landlock: commands are not confined",
        example: "1",
        apply: |config, text| Ok(config.with_unsafe_run_without_landlock(flag(text)?)),
    },
];

/// Reads every variable through `get`.
pub(super) fn read(get: impl Fn(&str) -> Option<OsString>) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    for variable in VARIABLES {
        let Some(value) = get(variable.name) else { continue };
        let error = |problem| ConfigError {
            variable: variable.name,
            problem,
            example: variable.example.to_owned(),
        };
        let text = value.to_str().ok_or_else(|| error("the value is no UTF-8".into()))?;
        config = (variable.apply)(config, text.trim()).map_err(error)?;
    }
    if config.default_timeout > config.max_timeout {
        // The one that was not set follows the one that was.
        if get(DEFAULT_TIMEOUT).is_none() {
            config.default_timeout = config.max_timeout;
        } else {
            return Err(ConfigError {
                variable: DEFAULT_TIMEOUT,
                problem: format!(
                    "{} ms is more than {MAX_TIMEOUT}, which is {} ms",
                    config.default_timeout.as_millis(),
                    config.max_timeout.as_millis()
                ),
                example: config.max_timeout.as_millis().to_string(),
            });
        }
    }
    Ok(config)
}

/// Names with the server's prefix that it does not know.
pub(super) fn unknown(names: impl Iterator<Item = String>) -> Vec<String> {
    let known =
        |name: &String| name == UPSTREAM || VARIABLES.iter().any(|variable| variable.name == name);
    let mut found: Vec<_> = names.filter(|n| n.starts_with(PREFIX) && !known(n)).collect();
    found.sort();
    found
}

/// Longest time that can be set: a day.
const MAX_MILLIS: u64 = 24 * 60 * 60 * 1000;

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err(format!("\"{text}\" is no absolute path")) }
}

fn flag(text: &str) -> Result<bool, String> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        other => Err(format!("\"{other}\" is neither 0 nor 1")),
    }
}

fn millis(text: &str) -> Result<Duration, String> {
    number(text, 1, MAX_MILLIS).map(Duration::from_millis)
}

fn number<T>(text: &str, min: T, max: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    match text.parse::<T>() {
        Ok(number) if number >= min && number <= max => Ok(number),
        _ => Err(format!("\"{text}\" is no whole number from {min} to {max}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Config, String> {
        read(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_example_is_accepted() {
        for variable in VARIABLES {
            with(&[(variable.name, variable.example)]).unwrap();
        }
    }

    #[test]
    fn a_value_that_is_no_number_stops_with_variable_problem_and_example() {
        assert_eq!(
            with(&[(MAX_CPU_TIME, "ten")]).unwrap_err(),
            "MCP_CONDUCTOR_MAX_CPU_TIME: \"ten\" is no whole number from 1 to 86400000, for \
             example MCP_CONDUCTOR_MAX_CPU_TIME=10000"
        );
    }

    #[test]
    fn zero_negative_and_empty_values_are_refused() {
        for value in ["0", "-1", "", "1e3", "9999999999999999999999"] {
            assert!(with(&[(DEFAULT_TIMEOUT, value)]).is_err(), "{value}");
        }
    }

    #[test]
    fn a_default_timeout_above_the_maximum_is_refused() {
        assert_eq!(
            with(&[(DEFAULT_TIMEOUT, "5000"), (MAX_TIMEOUT, "1000")]).unwrap_err(),
            "MCP_CONDUCTOR_DEFAULT_TIMEOUT: 5000 ms is more than MCP_CONDUCTOR_MAX_TIMEOUT, which \
             is 1000 ms, for example MCP_CONDUCTOR_DEFAULT_TIMEOUT=1000"
        );
    }

    #[test]
    fn a_maximum_below_the_default_lowers_the_default() {
        let config = with(&[(MAX_TIMEOUT, "1000")]).unwrap();
        assert_eq!(config.default_timeout(), Duration::from_secs(1));
    }

    #[test]
    fn grants_that_are_none_are_refused_with_an_example() {
        assert!(with(&[(RUN_ARGS, "allow-read=/x;deny-net")]).is_ok());
        let message = with(&[(RUN_ARGS, "allow-nte")]).unwrap_err();
        assert!(message.starts_with("MCP_CONDUCTOR_RUN_ARGS: "), "{message}");
        assert!(
            message.ends_with("MCP_CONDUCTOR_RUN_ARGS=allow-read=/data,allow-net=api.example.com")
        );
    }

    #[test]
    fn names_with_the_prefix_that_mean_nothing_are_found() {
        let names = ["MCP_CONDUCTOR_MAX_TIMOUT", "MCP_CONDUCTOR_MAX_TIMEOUT", "PATH"];
        assert_eq!(unknown(names.map(str::to_owned).into_iter()), ["MCP_CONDUCTOR_MAX_TIMOUT"]);
    }
}
