//! What a run may give back.

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, Integer, Unit, at};

/// Deepest value: serde_json, in which most clients' JSON is parsed, stops at 128.
pub(in crate::config) const MAX_DEPTH: u32 = 100;

/// A program that prints this many times [`Config::max_output`] is ended. Far
/// above the limit, because to cut a long log off costs less than to lose the
/// program's value.
pub const FLOOD_FACTOR: u64 = 256;

group! {
    /// What a run may give back.
    Output as output {
        /// Bytes of output that are kept. More is dropped, and
        /// [`FLOOD_FACTOR`] times as much ends the run. 1 MiB.
        max_output, with_max_output: u64;
        /// Bytes of a value's JSON text. 256 KiB.
        max_return_size, with_max_return_size: u32;
        /// Levels of nesting in a value. 100; readers of JSON often stop at 128.
        max_return_depth, with_max_return_depth: u32;
    }
}

entries! {
    MAX_OUTPUT = "MCP_CONDUCTOR_MAX_OUTPUT_SIZE" {
        meaning: "Bytes of output that are kept, in at most a line for each 8 of them; 256 times \
                  as much ends the run",
        example: "1048576",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(1 << 20),
        form: Form::Number {
            min: 1,
            max: 64 << 20,
            unit: Unit::Bytes,
            at: Integer::U64(at!(output.max_output)),
        },
    }
    MAX_RETURN_SIZE = "MCP_CONDUCTOR_MAX_RETURN_SIZE" {
        meaning: "Bytes of a value's JSON text",
        example: "262144",
        scope: Scope::Principal,
        applies: Applies::ToProcesses,
        default: Standard::Number(256 << 10),
        form: Form::Number {
            min: 1,
            max: 64 << 20,
            unit: Unit::Bytes,
            at: Integer::U32(at!(output.max_return_size)),
        },
    }
    MAX_RETURN_DEPTH = "MCP_CONDUCTOR_MAX_RETURN_DEPTH" {
        meaning: "Levels of nesting in a value",
        example: "100",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(MAX_DEPTH as u64),
        form: Form::Number {
            min: 1,
            max: MAX_DEPTH as u64,
            unit: Unit::One,
            at: Integer::U32(at!(output.max_return_depth)),
        },
    }
}
