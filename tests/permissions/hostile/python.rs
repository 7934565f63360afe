//! Programs in Python that try to get more than they were granted, to hold the server up
//! or to leave something for the next run, from `python.jsonl`. Each must end as its `must`
//! says, print no leak, and leave everything as it was. They share one server, whose zygote
//! takes seconds to load; those that wait for a limit do so side by side.

use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use mcp_conductor::{ErrorKind, ExecuteRequest, Execution, Status};
use serde::Deserialize;

use super::is_apart;
use crate::fixture::alone;
use crate::python::{PRELUDE, host};
use crate::servers::{P1, P2};
use crate::support::processes::{own_descendants, own_descriptors};
use crate::support::waiting::eventually;
use crate::{EVENT_LOOP, Host, landlock};

const CASES: &str = include_str!("python.jsonl");

/// Cases whose end is judged: one that is lost is noticed.
const COUNT: usize = 205;

/// Cases that may end as they like, for the interpreter promises nothing there. What they leave
/// behind is judged.
const OPEN_COUNT: usize = 3;

/// What those have that may end in several ways.
const SOME_TIME: Duration = Duration::from_millis(2500);

/// How many wait for their limit at the same time.
const SIDE_BY_SIDE: usize = 4;

#[derive(Debug, Deserialize)]
struct Case {
    id: String,
    category: String,
    code: String,
    /// A second program, which is the one that is judged.
    then: Option<String>,
    /// Alternatives, separated by `|`, or [`Case::ANY`].
    must: String,
    why: String,
    /// `commands`: only where they can be confined.
    needs: Option<String>,
}

fn cases() -> Vec<Case> {
    CASES.lines().map(|line| serde_json::from_str(line).expect("a case")).collect()
}

/// One way in which a case may end.
#[derive(Debug, Clone, Copy)]
enum End<'a> {
    /// Success, and output or value contain this.
    Ok(&'a str),
    /// The program saw an exception of this class, or failed with it.
    Denied(&'a str),
    /// A limit ended it.
    Killed(&'a str),
}

impl Case {
    /// In place of alternatives: no end is wrong.
    const ANY: &str = "any";

    fn is_open(&self) -> bool {
        self.must == Self::ANY
    }

    /// An alternative without a kind has that of the one before it.
    fn ends(&self) -> Vec<End<'_>> {
        let mut kind = "";
        let alternatives = self.must.split('|').map(|alternative| {
            let what = match alternative.split_once(':') {
                Some((k, what)) if ["ok", "denied", "killed"].contains(&k) => {
                    kind = k;
                    what
                }
                _ => alternative,
            };
            assert!(!what.is_empty(), "{}: every end of this kind: {}", self.id, self.must);
            match kind {
                "ok" => End::Ok(what),
                "denied" => End::Denied(what),
                "killed" => End::Killed(what),
                _ => panic!("{}: {}", self.id, self.must),
            }
        });
        alternatives.collect()
    }

    fn timeout(&self) -> Duration {
        if self.is_open() {
            return SOME_TIME;
        }
        let ends = self.ends();
        let by_time = |end: &End<'_>| matches!(end, End::Killed("time" | "cpu"));
        // Time must not end the others: how much they take is the machine's.
        match ends.iter().filter(|end| by_time(end)).count() {
            0 => Duration::from_secs(60),
            count if count == ends.len() => Duration::from_secs(1),
            _ => SOME_TIME,
        }
    }

    fn can_run(&self) -> bool {
        let runs = self.needs.is_none() || landlock();
        if !runs {
            eprintln!("skipped: {}: it needs Landlock", self.id);
        }
        runs
    }

    async fn run(&self, host: &Host) -> Execution {
        let request = |code: &str| {
            let source = host.files.text(&format!("{PRELUDE}\n{code}"));
            ExecuteRequest::python(source).with_timeout(self.timeout())
        };
        let execute = async |code: &str| {
            host.runtime().execute(request(code)).await.expect("the request is valid")
        };
        let first = execute(&self.code).await;
        match &self.then {
            Some(then) => execute(then).await,
            None => first,
        }
    }

    /// What is wrong with how it ended.
    fn problems(&self, host: &Host, execution: &Execution) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.is_open() && !self.ends().into_iter().any(|end| end.is_that_of(execution)) {
            problems.push(format!("must {}", self.must));
        }
        if execution.output.iter().any(|line| line.starts_with("LEAK")) {
            problems.push("it printed a leak".to_owned());
        }
        let seen = format!("{execution:?}");
        let canaries = host.files.canaries().into_iter().filter(|canary| seen.contains(canary));
        problems.extend(canaries.map(|canary| format!("{canary} in the result")));
        if !problems.is_empty() {
            problems.push(format!("{execution:#?}").chars().take(2000).collect());
            problems.insert(0, format!("{} ({}):", self.id, self.why));
        }
        problems
    }
}

impl End<'_> {
    fn is_that_of(self, execution: &Execution) -> bool {
        let kind = execution.error.as_ref().map(|error| error.kind);
        match self {
            Self::Ok(text) => {
                execution.status == Status::Success
                    && (execution.output.iter().any(|line| line.contains(text))
                        || execution.return_value.to_string().contains(text))
            }
            Self::Denied(class) => {
                let printed = format!("DENIED:{class}");
                execution.output.iter().any(|line| line.starts_with(&printed))
                    || execution.error.as_ref().is_some_and(|error| {
                        error.detail.name.starts_with(class)
                            || class == "MemoryError" && error.kind == ErrorKind::Memory
                    })
            }
            Self::Killed("cpu") => matches!(kind, Some(ErrorKind::Cpu | ErrorKind::Timeout)),
            Self::Killed("time") => kind == Some(ErrorKind::Timeout),
            Self::Killed("memory") => kind == Some(ErrorKind::Memory),
            Self::Killed("output") => kind == Some(ErrorKind::Output),
            Self::Killed("value") => kind == Some(ErrorKind::Value),
            Self::Killed("crash") => kind == Some(ErrorKind::Crash),
            Self::Killed("limit") => matches!(
                kind,
                Some(ErrorKind::Cpu | ErrorKind::Timeout | ErrorKind::Memory | ErrorKind::Output)
            ),
            Self::Killed(other) => panic!("unknown limit {other}"),
        }
    }
}

/// What is wrong with how the cases of a category ended, and with what they left behind.
fn problems(host: &Host, category: &str, cases: &[&Case]) -> Vec<String> {
    // Files of the cases before are no hindrance, and what a program needs is there.
    assert!(eventually(|| host.runtime().active() == 0), "the server never came to rest");
    let (open, processes) = (own_descriptors(), own_descendants());
    let connections = P1.connections();
    let together = if category == "res" { SIDE_BY_SIDE } else { 1 };
    let mut problems = Vec::new();
    for some in cases.chunks(together) {
        let runs = join_all(some.iter().map(|case| case.run(host)));
        for (case, execution) in some.iter().zip(EVENT_LOOP.block_on(runs)) {
            problems.extend(case.problems(host, &execution));
        }
        problems.extend(still_lives(host, some));
    }
    if P1.connections() != connections {
        problems.push(format!("{category}: P1 was connected to"));
    }
    let rests = || host.runtime().active() == 0;
    if !eventually(|| rests() && own_descriptors() <= open && own_descendants() <= processes) {
        let (files, children) = (own_descriptors(), own_descendants());
        problems.push(format!(
            "{category} left {files} descriptors of {open}, {children} processes of {processes}"
        ));
    }
    if !eventually(|| P2.open() == 0 && host.files.strays().is_empty()) {
        let strays = host.files.strays();
        problems.push(format!("{category} left {} of P2, {strays:?}", P2.open()));
    }
    let changes = host.files.changes_outside();
    problems.extend(changes.map(|changes| format!("{category}: {changes}")));
    problems.extend(canaries_in(host, &host.files.path("audit.jsonl")));
    problems
}

fn still_lives(host: &Host, after: &[&Case]) -> Option<String> {
    let execution = host.execute(ExecuteRequest::python("1 + 1"));
    let lives = execution.return_value == 2 && execution.output.is_empty();
    let names = || after.iter().map(|case| &*case.id).collect::<Vec<_>>();
    (!lives).then(|| format!("after {:?}: {execution:?}", names()))
}

fn canaries_in(host: &Host, file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let found = host.files.canaries().into_iter().filter(|canary| text.contains(canary));
    found.map(|canary| format!("{canary} in the audit log")).collect()
}

#[test]
fn no_program_in_python_gets_more_than_it_was_granted() {
    if !is_apart(no_program_in_python_gets_more_than_it_was_granted) {
        return;
    }
    let cases = cases();
    let open = cases.iter().filter(|case| case.is_open()).count();
    assert_eq!((cases.len() - open, open), (COUNT, OPEN_COUNT), "cases of python.jsonl");
    let _turn = alone();
    let Some(host) = host("python-hostile") else { return };
    // What a server makes once, when it is first needed, is no leftover.
    for case in cases.iter().filter(|case| case.id.ends_with("-control") && case.can_run()) {
        EVENT_LOOP.block_on(case.run(&host));
    }
    let mut failures = Vec::new();
    for category in ["fs", "net", "env", "run", "door", "int", "state", "res"] {
        let some: Vec<&Case> =
            cases.iter().filter(|case| case.category == category && case.can_run()).collect();
        assert!(!some.is_empty(), "{category}");
        failures.extend(problems(&host, category, &some));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
