//! Settings of runs: what they may do and use, and where.

use super::super::environment::{
    ALLOW_ALL, AUDIT_LOG, DEFAULT_TIMEOUT, FETCH_HEADERS, ISOLATE, MAX_COMMAND_OUTPUT,
    MAX_CONCURRENT, MAX_CONNECTIONS, MAX_CPU_TIME, MAX_FETCH_SIZE, MAX_MEMORY, MAX_NEW_FILES,
    MAX_OPEN_FILES, MAX_OUTPUT, MAX_QUEUE, MAX_QUEUE_WAIT, MAX_RETURN_DEPTH, MAX_RETURN_SIZE,
    MAX_TIMEOUT, MAX_TOOL_CALLS, MAX_TOOL_RESULT, MAX_WRITE_SIZE, MCP_CONFIG, PROXY_CONFIG,
    RUN_ARGS, STANDBY, TIME_ZONE, UNFINISHED_GRACE, WITHOUT_LANDLOCK, WORKSPACE,
};
use super::super::{Config, MAX_DEPTH, MIN_MEMORY_MIB, time_zone};
use super::{Form, Scope, Variable};
use crate::protocol::Isolate;

pub(super) const RUNS: &[Variable] = &[
    Variable {
        name: DEFAULT_TIMEOUT,
        meaning: "Wall time in ms of a run that asks for none",
        example: "30000",
        scope: Scope::Principal,
        form: Form::Millis { get: Config::default_timeout, set: Config::with_default_timeout },
    },
    Variable {
        name: MAX_TIMEOUT,
        meaning: "Most wall time in ms that a run may ask for",
        example: "300000",
        scope: Scope::Principal,
        form: Form::Millis { get: Config::max_timeout, set: Config::with_max_timeout },
    },
    Variable {
        name: UNFINISHED_GRACE,
        meaning: "Time in ms for what a program left behind when its value was reached, within \
                  its wall time",
        example: "1000",
        scope: Scope::Principal,
        form: Form::Millis { get: Config::unfinished_grace, set: Config::with_unfinished_grace },
    },
    Variable {
        name: MAX_CPU_TIME,
        meaning: "CPU time in ms of a run",
        example: "10000",
        scope: Scope::Principal,
        form: Form::Millis { get: Config::max_cpu_time, set: Config::with_max_cpu_time },
    },
    Variable {
        name: MAX_MEMORY,
        meaning: "Memory in MiB of a run, heap and off-heap together",
        example: "256",
        scope: Scope::Principal,
        form: Form::Number {
            min: MIN_MEMORY_MIB,
            max: 16 << 10,
            get: |config| config.max_memory() >> 20,
            set: |config, mib| config.with_max_memory(mib << 20),
        },
    },
    Variable {
        name: MAX_OUTPUT,
        meaning: "Bytes of output that are kept; 256 times as much ends the run",
        example: "1048576",
        scope: Scope::Principal,
        form: Form::Number {
            min: 1,
            max: 64 << 20,
            get: Config::max_output,
            set: Config::with_max_output,
        },
    },
    Variable {
        name: MAX_RETURN_SIZE,
        meaning: "Bytes of a value's JSON text",
        example: "262144",
        scope: Scope::Principal,
        form: Form::Number {
            min: 1,
            max: 64 << 20,
            get: |config| config.max_return_size().into(),
            set: |config, bytes| config.with_max_return_size(bytes as u32),
        },
    },
    Variable {
        name: MAX_RETURN_DEPTH,
        meaning: "Levels of nesting in a value",
        example: "100",
        scope: Scope::Principal,
        form: Form::Number {
            min: 1,
            max: MAX_DEPTH as u64,
            get: |config| config.max_return_depth().into(),
            set: |config, levels| config.with_max_return_depth(levels as u32),
        },
    },
    Variable {
        name: MAX_CONCURRENT,
        meaning: "Runs at the same time",
        example: "32",
        scope: Scope::Server,
        form: Form::Number {
            min: 1,
            max: 10_000,
            get: |config| config.max_concurrent() as u64,
            set: |config, runs| config.with_max_concurrent(runs as usize),
        },
    },
    Variable {
        name: MAX_QUEUE,
        meaning: "Runs that wait for a place; one more is refused",
        example: "256",
        scope: Scope::Server,
        form: Form::Number {
            min: 0,
            max: 100_000,
            get: |config| config.max_queue() as u64,
            set: |config, runs| config.with_max_queue(runs as usize),
        },
    },
    Variable {
        name: MAX_QUEUE_WAIT,
        meaning: "Longest wait for a place in ms",
        example: "60000",
        scope: Scope::Server,
        form: Form::Millis { get: Config::max_queue_wait, set: Config::with_max_queue_wait },
    },
    Variable {
        name: STANDBY,
        meaning: "Workers kept ready, forked and sealed; 0 forks each on demand",
        example: "4",
        scope: Scope::Server,
        form: Form::Number {
            min: 0,
            max: 1_000,
            get: |config| config.standby() as u64,
            set: |config, workers| config.with_standby(workers as usize),
        },
    },
    Variable {
        name: ISOLATE,
        meaning: "warm: made once, copied by fork; fresh: made in each worker, slower, nothing shared",
        example: "warm",
        scope: Scope::Server,
        form: Form::Choice {
            of: &["warm", "fresh"],
            get: |config| match config.isolate() {
                Isolate::Warm => "warm",
                Isolate::Fresh => "fresh",
            },
            set: |config, word| {
                let fresh = word == "fresh";
                config.with_isolate(if fresh { Isolate::Fresh } else { Isolate::Warm })
            },
        },
    },
    Variable {
        name: TIME_ZONE,
        meaning: "The time zone of programs, a name of the IANA database. Unset: the server's TZ, \
                  else UTC",
        example: "Europe/Berlin",
        scope: Scope::Server,
        form: Form::Text {
            get: |config| config.time_zone().map(str::to_owned),
            set: |config, name| time_zone::known(name).map(|zone| config.with_time_zone(zone)),
        },
    },
    Variable {
        name: WORKSPACE,
        meaning: "The directory that programs work in; made if it does not exist",
        example: "/srv/workspace",
        scope: Scope::Principal,
        form: Form::Path {
            get: |config| Some(config.workspace()),
            set: |config, path| config.with_workspace(path),
        },
    },
    Variable {
        name: RUN_ARGS,
        meaning: "What programs may do, as Deno's flags; none for nothing. \
                  Unset: read and write the workspace",
        example: "allow-read=/data,allow-net=api.example.com",
        scope: Scope::Principal,
        form: Form::Grants,
    },
    Variable {
        name: FETCH_HEADERS,
        meaning: "Headers that the server adds to requests to a host, JSON; programs do not \
                  see them; env:NAME stands for a variable's value",
        example: r#"{"api.example.com": {"authorization": "Bearer env:PATH"}}"#,
        scope: Scope::Principal,
        form: Form::Headers,
    },
    Variable {
        name: AUDIT_LOG,
        meaning: "File that gets a line of JSON for each run, each refusal and each rejected request",
        example: "/var/log/mcp-conductor.jsonl",
        scope: Scope::Server,
        form: Form::Path {
            get: Config::audit_log,
            set: |config, path| config.with_audit_log(path),
        },
    },
    Variable {
        name: MAX_WRITE_SIZE,
        meaning: "Bytes that a run may write to files",
        example: "536870912",
        scope: Scope::Principal,
        form: Form::Number {
            min: 0,
            max: 1 << 50,
            get: Config::max_write_size,
            set: Config::with_max_write_size,
        },
    },
    Variable {
        name: MAX_NEW_FILES,
        meaning: "Files and directories that a run may make",
        example: "10000",
        scope: Scope::Principal,
        form: Form::Number {
            min: 0,
            max: 1 << 32,
            get: Config::max_new_files,
            set: Config::with_max_new_files,
        },
    },
    Variable {
        name: MAX_OPEN_FILES,
        meaning: "Files, response bodies, pipes and commands that a run may have open",
        example: "256",
        scope: Scope::Principal,
        form: Form::Number {
            min: 1,
            max: 100_000,
            get: |config| config.max_open_files() as u64,
            set: |config, files| config.with_max_open_files(files as usize),
        },
    },
    Variable {
        name: MAX_FETCH_SIZE,
        meaning: "Bytes of all bodies that a run may fetch, decoded, and of all that it may send",
        example: "268435456",
        scope: Scope::Principal,
        form: Form::Number {
            min: 0,
            max: 1 << 50,
            get: Config::max_fetch_size,
            set: Config::with_max_fetch_size,
        },
    },
    Variable {
        name: MAX_CONNECTIONS,
        meaning: "Requests of a run at the same time",
        example: "32",
        scope: Scope::Principal,
        form: Form::Number {
            min: 1,
            max: 10_000,
            get: |config| config.max_connections() as u64,
            set: |config, requests| config.with_max_connections(requests as usize),
        },
    },
    Variable {
        name: MAX_COMMAND_OUTPUT,
        meaning: "Bytes that a run may read from one pipe of a command",
        example: "16777216",
        scope: Scope::Principal,
        form: Form::Number {
            min: 1,
            // A worker takes both pipes of a command in one frame of 64 MiB.
            max: 24 << 20,
            get: Config::max_command_output,
            set: Config::with_max_command_output,
        },
    },
    Variable {
        name: PROXY_CONFIG,
        meaning: "As MCP_CONDUCTOR_MCP_CONFIG, which wins",
        example: "/etc/mcp-conductor/mcp.json",
        scope: Scope::Alias(MCP_CONFIG),
        form: Form::Path {
            get: Config::mcp_config,
            set: |config, path| config.with_mcp_config(path),
        },
    },
    Variable {
        name: MCP_CONFIG,
        meaning: "The file that lists the MCP servers that programs may call. Unset: \
                  ~/.mcp-conductor/mcp.json, if there is one",
        example: "/etc/mcp-conductor/mcp.json",
        scope: Scope::Principal,
        form: Form::Path {
            get: Config::mcp_config,
            set: |config, path| config.with_mcp_config(path),
        },
    },
    Variable {
        name: MAX_TOOL_CALLS,
        meaning: "Calls of tools of other servers that a run may make",
        example: "1000",
        scope: Scope::Principal,
        form: Form::Number {
            min: 0,
            max: 1_000_000,
            get: |config| config.max_tool_calls().into(),
            set: |config, calls| config.with_max_tool_calls(calls as u32),
        },
    },
    Variable {
        name: MAX_TOOL_RESULT,
        meaning: "Bytes of one result of another server",
        example: "8388608",
        scope: Scope::Principal,
        form: Form::Number {
            min: 1 << 10,
            // A worker takes it in one frame of 64 MiB.
            max: 32 << 20,
            get: Config::max_tool_result,
            set: Config::with_max_tool_result,
        },
    },
    Variable {
        name: ALLOW_ALL,
        meaning: "1 accepts allow-all, which gives programs all that the server's user may do",
        example: "1",
        scope: Scope::Server,
        form: Form::Flag { get: Config::unsafe_allow_all, set: Config::with_unsafe_allow_all },
    },
    Variable {
        name: WITHOUT_LANDLOCK,
        meaning: "1 accepts allow-run where the kernel has no Landlock: commands are not confined",
        example: "1",
        scope: Scope::Server,
        form: Form::Flag {
            get: Config::unsafe_run_without_landlock,
            set: Config::with_unsafe_run_without_landlock,
        },
    },
];
