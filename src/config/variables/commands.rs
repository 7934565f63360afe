//! What programs may read from commands that they start.

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, Integer, Unit, at};

group! {
    /// What programs may read from commands that they start.
    Commands as commands {
        /// Bytes that a run may read from one pipe of a command. 16 MiB.
        max_command_output, with_max_command_output: u64;
    }
}

entries! {
    MAX_COMMAND_OUTPUT = "MCP_CONDUCTOR_MAX_COMMAND_OUTPUT" {
        meaning: "Bytes that a run may read from one pipe of a command",
        example: "16777216",
        scope: Scope::Principal,
        applies: Applies::AtReload,
        default: Standard::Number(16 << 20),
        form: Form::Number {
            min: 1,
            // A worker takes both pipes of a command in one frame of 64 MiB.
            max: 24 << 20,
            unit: Unit::Bytes,
            at: Integer::U64(at!(commands.max_command_output)),
        },
    }
}
