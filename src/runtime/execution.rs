//! The result of a run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::check::Diagnostic;
use super::images::Image;
use crate::memory::Charge;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It reached its end. [`Execution::return_value`] holds its value.
    Success,
    /// It did not. [`Execution::error`] says why.
    Error,
}

/// A run that took place, successful or not.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Execution {
    /// How it ended.
    pub status: Status,
    /// Its output, both streams, one entry a line, in the order of arrival.
    pub output: Vec<String>,
    /// Its value; null if it has none, or failed before it was reached.
    pub return_value: Value,
    /// From the program's arrival at its worker to its end.
    pub execution_time: Duration,
    /// Why it failed.
    pub error: Option<ExecutionError>,
    /// Work that was unfinished when its value was reached, and not done when it ended.
    pub unfinished: Vec<UnfinishedWork>,
    /// What was truncated.
    pub truncated: Option<Truncated>,
    /// Tool calls to other servers, in the order of each tool's first call.
    pub tool_calls: Vec<ToolCallSummary>,
    /// The pictures that it made, such as plots, in order.
    pub images: Vec<Image>,
    /// What was left out of the value or of the pictures, and what its conversation has loaded,
    /// in words.
    pub notes: Vec<String>,
    /// What the check of its types has found, errors first.
    pub diagnostics: Vec<Diagnostic>,
    /// Why there is no check although there was to be one.
    pub unchecked: Option<String>,
    /// The handle of the conversation that it ran in.
    pub conversation: Option<String>,
    /// Its charge to the server's memory.
    pub(crate) held: Held,
}

/// Memory that is charged for a result until the last copy of it is gone.
#[derive(Clone, Default)]
pub(crate) struct Held(#[expect(dead_code, reason = "held")] Arc<[Charge]>);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

impl Held {
    pub(super) fn new(charges: impl Into<Arc<[Charge]>>) -> Self {
        Self(charges.into())
    }
}

/// What a result is does not depend on it.
impl PartialEq for Held {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// All calls that a run made of one tool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolCallSummary {
    /// `server/tool`; of a program in Python `mcp__server__tool`, as it calls it.
    pub tool: String,
    /// How many there were.
    pub calls: u32,
    /// How many of them failed.
    pub errors: u32,
    /// From call to answer, all together.
    pub time: Duration,
}

/// Work that a program began and did not await. It was cancelled with the run's end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnfinishedWork {
    /// In words, such as `setInterval` or `fetch https://example.com/`.
    pub what: String,
    /// Line where it was started, from 1.
    pub line: Option<u32>,
    /// Column where it was begun, in UTF-16 units, from 1.
    pub column: Option<u32>,
    /// How many of it there were.
    pub count: u32,
}

/// Where a run's output was truncated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Truncated {
    /// The limit that truncated it: a sentence that names value and variable.
    pub output: String,
}

/// Why a program failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecutionError {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// One sentence.
    pub message: String,
    /// Where and how.
    pub detail: ErrorDetail,
}

/// The kinds of failure, each with the name that clients see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The program does not parse.
    Syntax,
    /// The program threw, rejected, or exited with a code.
    Runtime,
    /// The program did something that is not granted.
    Permission,
    /// The wall time limit was exceeded.
    Timeout,
    /// The CPU time limit was exceeded.
    Cpu,
    /// The memory limit was exceeded.
    Memory,
    /// The program printed far beyond its limit.
    Output,
    /// The value is too large or too deep.
    Value,
    /// The worker died.
    Crash,
    /// A package that the call names is not allowed; the program did not run.
    Dependency,
    /// The check of its types has found an error; the program did not run.
    Type,
}

impl ErrorKind {
    /// The name in results and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Runtime => "runtime",
            Self::Permission => "permission",
            Self::Timeout => "timeout",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Output => "output",
            Self::Value => "value",
            Self::Crash => "crash",
            Self::Dependency => "dependency-not-allowed",
            Self::Type => "type",
        }
    }
}

/// An error's parts. Positions are in the code that the user wrote, from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorDetail {
    /// The error's class.
    pub name: String,
    /// The error's message, with what to do next where we know it.
    pub message: String,
    /// Line.
    pub line: Option<u32>,
    /// Column, in UTF-16 units.
    pub column: Option<u32>,
    /// The lines around the position, with a marker under it.
    pub frame: Option<String>,
    /// The stack; below it, as Deno prints them, the errors that it contains and was caused by.
    pub stack: Option<String>,
    /// What caused it: `Error.cause`. A thrown value that is not an error has its text as the
    /// message.
    pub cause: Option<Box<ErrorDetail>>,
    /// The errors that an `AggregateError` holds.
    pub errors: Vec<ErrorDetail>,
}

impl Execution {
    /// Of a program that did not run.
    pub(super) fn not_run(status: Status, error: Option<ExecutionError>) -> Self {
        Self {
            status,
            output: Vec::new(),
            return_value: Value::Null,
            execution_time: Duration::ZERO,
            error,
            unfinished: Vec::new(),
            truncated: None,
            tool_calls: Vec::new(),
            images: Vec::new(),
            notes: Vec::new(),
            diagnostics: Vec::new(),
            unchecked: None,
            conversation: None,
            held: Held::default(),
        }
    }

    /// `success`, or the error's kind.
    pub(crate) fn outcome_name(&self) -> &'static str {
        self.error.as_ref().map_or("success", |error| error.kind.name())
    }
}
