//! Programs that mean harm, from `hostile.jsonl`: each does something, and each
//! must end as its `must` says.
//!
//! Left out, because they need what this version cannot give:
//! - proto-023, proto-025: a file that may be read;
//! - mod-011: a server that modules may be imported from;
//! - prot-007 to prot-021: an upstream MCP server and its tools.
//!
//! In cases that only need a denial, `@ROOT@` and the ports stand for places
//! that do not exist: a program without grants must not learn even that.

use std::sync::LazyLock;
use std::time::Duration;

use mcp_conductor::{ErrorKind, ExecuteRequest, Execution, Runtime, Status};
use serde::Deserialize;

use super::runtimes::{config, run_on, start, workspace};

/// One runtime for all categories, so that a case could leave something behind.
static TIGHT: LazyLock<Runtime> = LazyLock::new(|| of_cpu_time(Duration::from_secs(1)));

/// Another for cases that time must not end: how much of it they take is the machine's.
static PATIENT: LazyLock<Runtime> = LazyLock::new(|| of_cpu_time(PATIENCE));

/// Several times what any case takes by itself on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn of_cpu_time(limit: Duration) -> Runtime {
    start(config().with_max_cpu_time(limit).with_max_memory(128 << 20))
}

#[derive(Debug, Deserialize)]
struct Case {
    id: String,
    category: String,
    code: String,
    /// Alternatives, separated by `|`.
    must: String,
    why: String,
}

fn cases(category: &str) -> Vec<Case> {
    include_str!("hostile.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Case>(line).expect("a case"))
        .filter(|case| case.category == category)
        .collect()
}

/// One way in which a case may end.
#[derive(Debug, Clone, Copy)]
enum End<'a> {
    /// Success, and output or value contain this.
    Ok(&'a str),
    /// The program saw this class of error, or failed with it.
    Denied(&'a str),
    /// A limit ended it.
    Killed(&'a str),
}

impl Case {
    fn must(&self) -> &str {
        match self.id.as_str() {
            // See `may_print`.
            "int-019-import-meta" => "ok:virtual|main.ts",
            // Words for what `output.rs` and `random.rs` assert.
            "prot-003-ansi-osc" | "state-004-crypto-random" => "ok:",
            // Memory is tighter here than the cases suppose: V8's parser takes more than
            // 400 MiB for this one,
            "res-033-deep-json" => "ok:SyntaxError|RangeError|killed:memory",
            // and an object with a million properties may be too large.
            "res-041-output-inspect-bomb" => "killed:output|killed:cpu|killed:memory",
            _ => &self.must,
        }
    }

    /// An alternative without a kind has that of the one before it.
    fn ends(&self) -> Vec<End<'_>> {
        let mut kind = "";
        self.must()
            .split('|')
            .map(|alternative| {
                let what = match alternative.split_once(':') {
                    Some((k, what)) if ["ok", "denied", "killed"].contains(&k) => {
                        kind = k;
                        what
                    }
                    _ => alternative,
                };
                let first_word = what.split(' ').next().unwrap_or_default();
                match kind {
                    "ok" => End::Ok(what),
                    "denied" => End::Denied(first_word),
                    "killed" => End::Killed(first_word),
                    _ => panic!("{}: {}", self.id, self.must),
                }
            })
            .collect()
    }

    /// Where it runs, and for how long at most.
    fn limits(&self) -> (&'static Runtime, Duration) {
        let time = |end| matches!(end, End::Killed("cpu" | "time" | "limit"));
        if self.ends().into_iter().any(time) {
            (&TIGHT, Duration::from_secs(2))
        } else {
            (&PATIENT, PATIENCE)
        }
    }

    fn may_print(&self, line: &str) -> bool {
        // Deno.addSignalListener accepts a listener that is never called: programs
        // that register a clean-up handler run unchanged. The case's point, that a
        // listener delays nothing, holds.
        let listens = self.id == "sig-007-signal-listener" && line == "LEAK:listening";
        // A program stands in its workspace, which is under /tmp here: it finds files by
        // `import.meta.url`, and is told no more than by Deno.cwd().
        let stands = self.id == "int-019-import-meta"
            && line == format!("LEAK:file://{}/main.ts", workspace().display());
        listens || stands || !line.starts_with("LEAK")
    }
}

impl End<'_> {
    fn is_that_of(self, execution: &Execution) -> bool {
        let kind = execution.error.as_ref().map(|error| error.kind);
        match self {
            Self::Ok(text) => {
                let value = &execution.return_value;
                execution.status == Status::Success
                    && (execution.output.iter().any(|line| line.contains(text))
                        || value.to_string().contains(text)
                        || value.as_str().is_some_and(|value| value.contains(text)))
            }
            Self::Denied(class) => {
                let class = if class == "Error" { "" } else { class };
                let seen = |line: &String| line.starts_with(&format!("DENIED:{class}"));
                execution.output.iter().any(seen)
                    || execution.error.as_ref().is_some_and(|error| {
                        let thrown = matches!(
                            error.kind,
                            ErrorKind::Runtime | ErrorKind::Syntax | ErrorKind::Permission
                        );
                        thrown
                            && (error.message.starts_with(class)
                                || error.detail.name.starts_with(class))
                    })
            }
            Self::Killed("cpu") => matches!(kind, Some(ErrorKind::Cpu | ErrorKind::Timeout)),
            Self::Killed("time") => kind == Some(ErrorKind::Timeout),
            Self::Killed("memory") => kind == Some(ErrorKind::Memory),
            Self::Killed("output") => kind == Some(ErrorKind::Output),
            Self::Killed("crash") => kind == Some(ErrorKind::Crash),
            Self::Killed("limit") => matches!(
                kind,
                Some(ErrorKind::Cpu | ErrorKind::Timeout | ErrorKind::Memory | ErrorKind::Output)
            ),
            Self::Killed(other) => panic!("unknown limit {other}"),
        }
    }
}

/// What is wrong with how a case ended.
fn failure(case: &Case) -> Option<String> {
    let (runtime, timeout) = case.limits();
    let code = case.code.replace("@ROOT@", "/nowhere").replace("@P1@", "9").replace("@P2@", "7");
    let mut execution = run_on(runtime, ExecuteRequest::new(code).with_timeout(timeout));
    let leaks = execution.output.iter().any(|line| !case.may_print(line));
    let ends = case.ends().into_iter().any(|end| end.is_that_of(&execution));
    let after = run_on(runtime, ExecuteRequest::new("1 + 1"));
    let lives = after.return_value == 2 && after.output.is_empty();
    if ends && !leaks && lives {
        return None;
    }
    execution.output.truncate(5);
    Some(format!(
        "{} must {} ({})\n{execution:#?}{}",
        case.id,
        case.must,
        case.why,
        if lives { String::new() } else { format!("\nafterwards: {after:#?}") }
    ))
}

#[track_caller]
fn check(category: &str, count: usize) {
    let cases = cases(category);
    assert_eq!(cases.len(), count, "cases of {category}");
    let failures: Vec<_> = cases.iter().filter_map(failure).collect();
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn no_program_uses_more_than_its_limits() {
    check("resource", 32);
}

#[test]
fn no_program_turns_the_languages_own_objects_against_the_host() {
    check("proto", 14);
}

#[test]
fn no_program_reaches_what_is_behind_the_platform() {
    check("internals", 14);
}

#[test]
fn no_program_leaves_anything_to_the_next() {
    check("state", 7);
}

#[test]
fn no_program_sends_or_traps_a_signal() {
    check("signal", 6);
}

#[test]
fn no_program_loads_what_is_outside() {
    check("loader", 14);
}

#[test]
fn no_program_forges_a_result() {
    check("protocol", 5);
}
