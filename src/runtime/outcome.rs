//! What a run came to, in the words that its author reads.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::Language;
use super::execution::{
    ErrorDetail, ErrorKind, Execution, ExecutionError, Held, Status, ToolCallSummary, Truncated,
    UnfinishedWork,
};
use super::images::Kept;
use super::output::{Collector, Cut};
use crate::config::environment::{
    MAX_CPU_TIME, MAX_MEMORY, MAX_OUTPUT, MAX_RETURN_DEPTH, MAX_RETURN_SIZE, MAX_TIMEOUT,
};
use crate::config::{Config, FLOOD_FACTOR};
use crate::memory::{Charge, NoMemory};
use crate::protocol::{
    ExitReport, Limit, MAX_UNFINISHED, MAX_UNFINISHED_TEXT, Outcome, ProgramError,
    ProgramErrorKind, Unfinished,
};
use crate::text::clip::truncate;
use crate::worker::{
    EXIT_INTERPRETER, EXIT_LOST, EXIT_MEMORY, EXIT_PANIC, EXIT_STACK, EXIT_THROWN,
};

/// The limits of one run, for its errors.
pub(super) struct Limits {
    timeout: Duration,
    max_timeout: Duration,
    /// For what a program leaves behind.
    pub grace: Duration,
    pub cpu: Duration,
    pub memory: u64,
    /// So much of it, beyond what its zygote gave a worker, that a failed allocation explains its
    /// end.
    full: u64,
    output: u64,
    value_size: u32,
    value_depth: u32,
}

impl Limits {
    pub(super) fn new(config: &Config, timeout: Duration, language: Language) -> Self {
        let full = match language {
            Language::TypeScript => config.max_memory() / 2,
            // A growing array asks for twice of what it has, and has that until it is copied.
            Language::Python => config.max_memory() / 4,
        };
        Self {
            timeout,
            max_timeout: config.max_timeout(),
            grace: config.unfinished_grace(),
            cpu: config.max_cpu_time(),
            memory: config.max_memory(),
            full,
            output: config.max_output(),
            value_size: config.max_return_size(),
            value_depth: config.max_return_depth(),
        }
    }
}

/// Why a run ended.
pub(super) enum Cause {
    /// The worker said so.
    Outcome(Box<Outcome>),
    /// It had its value before, and what it left behind is done, or was stopped.
    Left,
    /// The server stopped it.
    Timeout,
    CpuLimit,
    /// What the server did for it counts as well.
    ServerLimit,
    MemoryLimit,
    OutputLimit,
    /// The program came to its end, and the server cannot keep its value.
    NoMemory(NoMemory),
    /// As above, with the place where the program was.
    Stopped(Box<Cause>, String),
    /// The worker's process ended by itself.
    Died {
        running: bool,
    },
}

impl Cause {
    /// What the worker still said when it was stopped: where it was.
    pub(super) fn with_stack_of(self, outcome: Outcome) -> Self {
        match outcome {
            Outcome::Stopped { stack: Some(stack) } => Self::Stopped(Box::new(self), stack),
            _ => self,
        }
    }

    /// The message of the program's error.
    pub(super) fn message_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Outcome(outcome) => match &mut **outcome {
                Outcome::Error(error) => Some(&mut error.message),
                _ => None,
            },
            _ => None,
        }
    }

    /// Bytes that the value takes, as a tree and as texts.
    pub(super) fn value_bytes(&self) -> usize {
        match self {
            Self::Outcome(outcome) => match &**outcome {
                Outcome::Value(json) => value_bytes(json),
                _ => 0,
            },
            _ => 0,
        }
    }
}

/// Bytes of a value in a tree: serde_json's is 72 with ordered members, and a list has
/// up to twice the places that it needs.
const NODE_BYTES: usize = 144;

/// Copies of a value's text at the same time: the worker's, what is in strings of the
/// tree, and the text of the result.
const VALUE_COPIES: usize = 3;

/// What a text takes when it is parsed, at most: each value stands before or after one
/// of these characters, and each member of an object has two.
pub(super) fn value_bytes(json: &str) -> usize {
    let nodes = json.bytes().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count();
    json.len() * VALUE_COPIES + (nodes + 1) * NODE_BYTES
}

/// The end of a run, as the session saw it.
pub(super) struct Ended {
    pub cause: Cause,
    /// A value that was reached before.
    pub reached: Option<String>,
    /// What the worker says is not done.
    pub unfinished: Vec<Unfinished>,
    pub report: Option<ExitReport>,
}

/// The result of a run.
pub(super) fn execution(
    ended: Ended,
    limits: &Limits,
    collector: Collector,
    images: Kept,
    value: Charge,
    execution_time: Duration,
    tool_calls: Vec<ToolCallSummary>,
) -> Execution {
    let truncated = collector.cut().map(|cut| Truncated { output: cut_text(cut, limits) });
    let unfinished = ended.unfinished.into_iter().take(MAX_UNFINISHED).map(unfinished).collect();
    let (return_value, error) = value_and_error(ended.cause, ended.reached, ended.report, limits);
    let status = if error.is_none() { Status::Success } else { Status::Error };
    let (output, printed) = collector.finish();
    let Kept { images, notes, charge } = images;
    let held = Held::new([value, printed, charge]);
    Execution {
        status,
        output,
        return_value,
        execution_time,
        error,
        unfinished,
        truncated,
        tool_calls,
        images,
        notes,
        diagnostics: Vec::new(),
        unchecked: None,
        conversation: None,
        held,
    }
}

/// The result of a run that did not begin, because a package that it needs is not allowed.
pub(super) fn without_dependency(problem: String) -> Execution {
    let error = simple(ErrorKind::Dependency, "NotCapable", problem);
    Execution::not_run(Status::Error, Some(error))
}

/// A value that was reached stays, whatever came of the rest.
fn value_and_error(
    cause: Cause,
    reached: Option<String>,
    report: Option<ExitReport>,
    limits: &Limits,
) -> (Value, Option<ExecutionError>) {
    let reached = match reached.map(|json| value(&json, limits)).transpose() {
        Ok(reached) => reached,
        Err(error) => return (Value::Null, Some(error)),
    };
    match result(cause, report, limits) {
        Ok(value) => (value.or(reached).unwrap_or_default(), None),
        Err(error) => (reached.unwrap_or_default(), Some(error)),
    }
}

fn unfinished(Unfinished { mut what, line, column, count }: Unfinished) -> UnfinishedWork {
    truncate(&mut what, MAX_UNFINISHED_TEXT);
    UnfinishedWork { what, line, column, count }
}

fn cut_text(cut: Cut, limits: &Limits) -> String {
    match cut {
        Cut::Bytes => format!("after {} bytes ({MAX_OUTPUT})", limits.output),
        Cut::Lines(lines) => format!(
            "after {lines} lines, as many as {} bytes have of 8 bytes each ({MAX_OUTPUT})",
            limits.output
        ),
        Cut::Memory(bytes) => format!("after {bytes} bytes: {NoMemory}"),
    }
}

/// The value that an end comes with, if it comes with one.
fn result(
    cause: Cause,
    report: Option<ExitReport>,
    limits: &Limits,
) -> Result<Option<Value>, ExecutionError> {
    match cause {
        Cause::Outcome(outcome) => worker_outcome(*outcome, limits),
        Cause::Left => Ok(None),
        Cause::Timeout => Err(timeout(limits)),
        Cause::CpuLimit => Err(cpu(limits)),
        Cause::ServerLimit => Err(server(limits)),
        Cause::NoMemory(error) => Err(simple(ErrorKind::Value, "ValueLimitError", no_room(error))),
        Cause::MemoryLimit => Err(memory(limits)),
        Cause::OutputLimit => Err(output(limits)),
        Cause::Stopped(cause, stack) => {
            let mut error = result(*cause, report, limits).err();
            if let Some(error) = &mut error {
                error.detail.stack = Some(stack);
            }
            error.map_or(Ok(None), Err)
        }
        Cause::Died { running } => Err(died(running, report, limits)),
    }
}

fn worker_outcome(outcome: Outcome, limits: &Limits) -> Result<Option<Value>, ExecutionError> {
    match outcome {
        Outcome::Value(json) => value(&json, limits).map(Some),
        Outcome::Left(_) | Outcome::Exit(0) => Ok(None),
        Outcome::Exit(code) => {
            Err(simple(ErrorKind::Runtime, "Exit", format!("Process exited with code {code}")))
        }
        Outcome::Error(error) => Err(program_error(*error)),
        Outcome::Exceeded { limit, stack } => {
            let mut error = match limit {
                Limit::Memory => memory(limits),
                Limit::Output => output(limits),
                Limit::ValueSize => value_size(limits),
                Limit::ValueDepth => value_depth(limits),
            };
            error.detail.stack = stack;
            Err(error)
        }
        // Nobody asked it to stop.
        Outcome::Stopped { .. } => Err(simple(
            ErrorKind::Crash,
            "WorkerError",
            "The worker stopped without being asked to".to_owned(),
        )),
    }
}

/// The value's text as the worker sent it: checked, not believed.
fn value(json: &str, limits: &Limits) -> Result<Value, ExecutionError> {
    if json.len() > limits.value_size as usize {
        return Err(value_size(limits));
    }
    serde_json::from_str(json).map_err(|error| {
        simple(ErrorKind::Crash, "WorkerError", format!("The worker's value is not JSON: {error}"))
    })
}

fn program_error(error: ProgramError) -> ExecutionError {
    let ProgramError { kind, name, message, line, column, frame, stack, related } = error;
    let kind = match kind {
        ProgramErrorKind::Syntax => ErrorKind::Syntax,
        ProgramErrorKind::Runtime => ErrorKind::Runtime,
        ProgramErrorKind::Permission => ErrorKind::Permission,
    };
    let sentence = if message.is_empty() {
        name.clone()
    } else if message.starts_with("Uncaught ") || message == NEVER_RESOLVED {
        message.clone()
    } else {
        format!("{name}: {message}")
    };
    let (cause, errors) = super::related::tree(related);
    let detail = ErrorDetail { name, message, line, column, frame, stack, cause, errors };
    ExecutionError { kind, message: sentence, detail }
}

/// As in the Deno version, without an error class in front.
const NEVER_RESOLVED: &str = "Top-level await promise never resolved";

fn timeout(limits: &Limits) -> ExecutionError {
    let mut error = simple(
        ErrorKind::Timeout,
        "TimeoutError",
        format!("Execution timed out after {}ms", limits.timeout.as_millis()),
    );
    error.detail.message = format!(
        "The program ran {} ms of wall time. Do less in one run, or pass a larger timeout: up to \
         {} ms ({MAX_TIMEOUT}). Output so far is kept",
        limits.timeout.as_millis(),
        limits.max_timeout.as_millis()
    );
    error
}

fn cpu(limits: &Limits) -> ExecutionError {
    let limit = limits.cpu.as_millis();
    simple(
        ErrorKind::Cpu,
        "CpuLimitError",
        format!(
            "CPU time limit exceeded: {limit} ms ({MAX_CPU_TIME}). Look for an endless loop, or \
             split the work over several runs"
        ),
    )
}

fn server(limits: &Limits) -> ExecutionError {
    let limit = limits.cpu.as_millis();
    simple(
        ErrorKind::Cpu,
        "CpuLimitError",
        format!(
            "CPU time limit exceeded: {limit} ms, including what the server did for the program \
             ({MAX_CPU_TIME}). Ask for less of what is large or slow, or split the work over \
             several runs"
        ),
    )
}

fn no_room(error: NoMemory) -> String {
    format!("The return value cannot be kept. {error}")
}

fn memory(limits: &Limits) -> ExecutionError {
    let limit = limits.memory >> 20;
    simple(
        ErrorKind::Memory,
        "MemoryLimitError",
        format!(
            "Memory limit exceeded: {limit} MiB, heap and buffers together ({MAX_MEMORY}). Keep less \
             in memory: process the data in smaller pieces"
        ),
    )
}

fn output(limits: &Limits) -> ExecutionError {
    let limit = limits.output.saturating_mul(FLOOD_FACTOR);
    simple(
        ErrorKind::Output,
        "OutputLimitError",
        format!(
            "Output limit exceeded: {limit} bytes printed, of which the first {} are kept \
             ({MAX_OUTPUT}). Print less",
            limits.output
        ),
    )
}

fn value_size(limits: &Limits) -> ExecutionError {
    simple(
        ErrorKind::Value,
        "ValueLimitError",
        format!(
            "Return value too large: more than {} bytes of JSON ({MAX_RETURN_SIZE}). Return a \
             summary, or the part that is needed",
            limits.value_size
        ),
    )
}

fn value_depth(limits: &Limits) -> ExecutionError {
    simple(
        ErrorKind::Value,
        "ValueLimitError",
        format!(
            "Return value too deep: more than {} levels of nesting ({MAX_RETURN_DEPTH}). Return a \
             flatter value",
            limits.value_depth
        ),
    )
}

/// A worker that ended without a word: what the kernel says about it.
fn died(running: bool, report: Option<ExitReport>, limits: &Limits) -> ExecutionError {
    let Some(report) = report else {
        return crash("The worker ended for an unknown reason: the zygote died".to_owned());
    };
    let signal = report.signal.and_then(|number| Signal::try_from(number).ok());
    match (report.code, signal) {
        (Some(EXIT_MEMORY), _) => memory(limits),
        (_, Some(Signal::SIGXCPU)) => cpu(limits),
        // V8 gives up with one of these when even its own structures find no room.
        (_, Some(Signal::SIGABRT | Signal::SIGTRAP | Signal::SIGILL | Signal::SIGSEGV))
            if running && report.max_rss > limits.full =>
        {
            memory(limits)
        }
        // Rust's parser recurses with the source, and has a stack of 64 MiB.
        (_, Some(Signal::SIGSEGV | Signal::SIGABRT)) if !running => simple(
            ErrorKind::Syntax,
            "SyntaxError",
            "The program cannot be parsed: it is nested too deeply".to_owned(),
        ),
        (_, Some(Signal::SIGSYS)) => crash(
            "The worker was ended by SIGSYS: it made a system call that its sandbox forbids"
                .to_owned(),
        ),
        (_, Some(signal)) => crash(format!("The worker was ended by {signal}")),
        // An allocation that failed where the interpreter cannot raise MemoryError.
        (Some(EXIT_INTERPRETER), _) if running && report.max_rss > limits.full => memory(limits),
        (Some(EXIT_INTERPRETER), _) => crash(INTERPRETER_LOST.to_owned()),
        (Some(EXIT_STACK), _) => crash(INTERPRETER_NESTED.to_owned()),
        (Some(EXIT_LOST), _) => crash("The worker lost its connection".to_owned()),
        (Some(EXIT_THROWN), _) => simple(ErrorKind::Runtime, "Error", thrown()),
        (Some(EXIT_PANIC), _) => {
            crash("The worker panicked, which is a bug in mcp-conductor".to_owned())
        }
        (Some(code), None) => crash(format!("The worker ended with code {code} and no result")),
        (None, None) => crash("The worker ended for an unknown reason".to_owned()),
    }
}

/// Of a trap of WebAssembly no more is known than that it was one.
const INTERPRETER_LOST: &str = "The Python interpreter cannot go on: a fatal error of its own ended \
                                it, as code in C, or a program that changes the interpreter's own \
                                names, can cause";

const INTERPRETER_NESTED: &str = "The Python interpreter cannot go on: structures nested many \
                                  thousands of levels deep, or sys.setrecursionlimit beyond what \
                                  its stack holds, end it";

/// Nothing can be told of an error that ended the worker.
fn thrown() -> String {
    "An imported module threw an Error whose message is not a string, or cannot be read, which \
     ends the program. Throw errors with a string as their message"
        .to_owned()
}

fn crash(message: String) -> ExecutionError {
    simple(ErrorKind::Crash, "WorkerError", message)
}

fn simple(kind: ErrorKind, name: &str, message: String) -> ExecutionError {
    let detail = ErrorDetail { name: name.into(), message: message.clone(), ..Default::default() };
    ExecutionError { kind, message, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// What is said of a worker that ended with a code and so much memory of its own.
    fn ended(code: i32, max_rss: u64, language: Language) -> ExecutionError {
        let config = Config::default();
        assert_eq!(config.max_memory(), 256 * MIB);
        let limits = Limits::new(&config, Duration::from_secs(1), language);
        let report = ExitReport { code: Some(code), signal: None, cpu_micros: 0, max_rss };
        died(true, Some(report), &limits)
    }

    #[test]
    fn an_interpreter_that_is_lost_with_much_memory_was_lost_for_it() {
        let error = ended(EXIT_INTERPRETER, 65 * MIB, Language::Python);
        assert_eq!(error.kind, ErrorKind::Memory);
        assert!(error.message.starts_with("Memory limit exceeded: 256 MiB"), "{}", error.message);
    }

    #[test]
    fn an_interpreter_that_is_lost_with_little_memory_is_a_crash() {
        let error = ended(EXIT_INTERPRETER, 64 * MIB, Language::Python);
        assert_eq!(error.kind, ErrorKind::Crash);
    }

    #[test]
    fn an_interpreter_at_the_end_of_its_stack_is_a_crash_whatever_memory_it_has() {
        let error = ended(EXIT_STACK, 200 * MIB, Language::Python);
        assert_eq!(error.kind, ErrorKind::Crash);
        assert!(error.message.contains("nested many thousands"), "{}", error.message);
    }
}
