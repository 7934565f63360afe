//! What a run may use of time and memory.

use std::time::Duration;

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, Integer, Unit, at};

/// Smallest memory limit: a program that does nothing needs about 10 MiB.
pub(in crate::config) const MIN_MEMORY_MIB: u64 = 32;

group! {
    /// What a run may use of time and memory.
    Limits as limits {
        /// Wall time of a run that sets no timeout. 30 s.
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
    }
}

entries! {
    DEFAULT_TIMEOUT = "MCP_CONDUCTOR_DEFAULT_TIMEOUT" or "--timeout" {
        meaning: "Wall time in ms of a run that sets no timeout",
        example: "30000",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(30_000),
        form: Form::Millis(at!(limits.default_timeout)),
    }
    MAX_TIMEOUT = "MCP_CONDUCTOR_MAX_TIMEOUT" or "--max-timeout" {
        meaning: "Longest wall time in ms that a run may ask for",
        example: "300000",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(300_000),
        form: Form::Millis(at!(limits.max_timeout)),
    }
    UNFINISHED_GRACE = "MCP_CONDUCTOR_UNFINISHED_GRACE" {
        meaning: "Time in ms for work that is unfinished when the value is reached, within the \
                  wall time",
        example: "1000",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(1000),
        form: Form::Millis(at!(limits.unfinished_grace)),
    }
    MAX_CPU_TIME = "MCP_CONDUCTOR_MAX_CPU_TIME" {
        meaning: "CPU time in ms of a run",
        example: "10000",
        scope: Scope::Principal,
        applies: Applies::ToProcesses,
        default: Standard::Number(10_000),
        form: Form::Millis(at!(limits.max_cpu_time)),
    }
    MAX_MEMORY = "MCP_CONDUCTOR_MAX_MEMORY" {
        meaning: "Memory in MiB of a run, heap and off-heap together",
        example: "256",
        scope: Scope::Principal,
        applies: Applies::ToProcesses,
        default: Standard::Number(256),
        form: Form::Number {
            min: MIN_MEMORY_MIB,
            max: 16 << 10,
            unit: Unit::MiB,
            at: Integer::U64(at!(limits.max_memory)),
        },
    }
}
