//! How many runs there are at a time, and how many wait.

use std::time::Duration;

use super::super::Config;
use super::super::entry::{Applies, Scope, Standard, Variable, entries, group};
use super::super::form::{Form, Integer, Unit, at};

/// Runs in flight for each core: programs wait for tools more than they compute.
const CONCURRENT_PER_CORE: u64 = 16;

group! {
    /// How many runs there are at a time, and how many wait.
    Queue as queue {
        /// Concurrent runs. 16 for each core.
        max_concurrent, with_max_concurrent: usize;
        /// Runs in the queue. 256.
        max_queue, with_max_queue: usize;
        /// How long a run waits for a place. 60 s.
        max_queue_wait, with_max_queue_wait: Duration;
    }
}

entries! {
    MAX_CONCURRENT = "MCP_CONDUCTOR_MAX_CONCURRENT" {
        meaning: "Concurrent runs",
        example: "32",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::PerCore(CONCURRENT_PER_CORE),
        form: Form::Number {
            min: 1,
            max: 10_000,
            unit: Unit::One,
            at: Integer::Usize(at!(queue.max_concurrent)),
        },
    }
    MAX_QUEUE = "MCP_CONDUCTOR_MAX_QUEUE" {
        meaning: "Runs that wait in the queue for a slot; one more is refused",
        example: "256",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Number(256),
        form: Form::Number {
            min: 0,
            max: 100_000,
            unit: Unit::One,
            at: Integer::Usize(at!(queue.max_queue)),
        },
    }
    MAX_QUEUE_WAIT = "MCP_CONDUCTOR_MAX_QUEUE_WAIT" {
        meaning: "Longest wait for a slot in ms",
        example: "60000",
        scope: Scope::Server,
        applies: Applies::AtStart,
        default: Standard::Number(60_000),
        form: Form::Millis(at!(queue.max_queue_wait)),
    }
}
