//! Programs that try to get more than they were granted, from `grants.jsonl`.
//! Each must end as its `must` says, and leave everything as it was.

use std::time::{Duration, Instant};

use mcp_conductor::{Config, ErrorKind, ExecuteRequest, Execution, Status};
use serde::Deserialize;

use super::is_apart;
use crate::fixture::{Fixture, alone, has_git};
use crate::servers::{P1, P2};
use crate::support::processes::{own_descendants, own_descriptors};
use crate::support::waiting::eventually;
use crate::{Host, landlock};

#[derive(Debug, Deserialize)]
struct Case {
    id: String,
    category: String,
    grants: String,
    code: String,
    /// Alternatives, separated by `|`.
    must: String,
    why: String,
}

fn cases(category: &str) -> Vec<Case> {
    include_str!("grants.jsonl")
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
    /// The command ran, or was refused; what it found is looked for elsewhere.
    Confined,
    /// `ls -l /proc/self/fd` succeeded, and nothing but the standard streams and
    /// the directory itself was open.
    StandardStreams,
}

impl Case {
    /// The text of a case with what this machine has not got put right.
    fn local(&self, text: &str) -> String {
        match self.id.as_str() {
            // Where there is a network, example.com answers. RFC 2606, section 2:
            // names below invalid never do.
            "net-009-backslash" => text.replace("example.com", "example.invalid"),
            // Time must not end what is to be refused.
            _ => text.replace("AbortSignal.timeout(1500)", "AbortSignal.timeout(60_000)"),
        }
    }

    /// An alternative without a kind has that of the one before it.
    fn ends(&self) -> Vec<End<'_>> {
        let must: &str = match self.id.as_str() {
            "run-035-inherited-fds" => return vec![End::StandardStreams],
            // No resolver that changes its mind is had here, and how long the
            // machine's own looks for the name is not ours.
            "net-059-rebind" => "denied:NotCapable|TypeError|killed:time",
            _ if self.must == "denied:by-child-sandbox" => return vec![End::Confined],
            _ => &self.must,
        };
        let mut kind = "";
        must.split('|')
            .map(|alternative| {
                let what = match alternative.split_once(':') {
                    Some((k, what)) if ["ok", "denied", "killed"].contains(&k) => {
                        kind = k;
                        what
                    }
                    _ => alternative,
                };
                match kind {
                    "ok" => End::Ok(what),
                    "denied" => End::Denied(what),
                    "killed" => End::Killed(what),
                    _ => panic!("{}: {}", self.id, self.must),
                }
            })
            .collect()
    }

    fn timeout(&self) -> Duration {
        let seconds = match &*self.must {
            must if must.contains("killed:time") => 3,
            must if must.contains("killed:") => 8,
            // Time must not end it: how much it takes is the machine's.
            _ => 60,
        };
        Duration::from_secs(seconds)
    }

    fn host(&self) -> Host {
        let mut files = Fixture::in_the_same_turn();
        if self.category == "run" {
            files = files.with_repository();
        }
        let secret = files.text("ENV-CANARY-@MARK@");
        let audit = files.path("audit.jsonl");
        Host::over(files, &self.local(&self.grants), |config| {
            limits(config).with_environment(environment(&secret)).with_audit_log(audit)
        })
    }

    /// Whether the grants name P1.
    fn may_connect(&self) -> bool {
        self.grants.contains("allow-net=127.0.0.1:@P1@")
    }
}

/// Small enough to be reached within the time that a case has.
fn limits(config: Config) -> Config {
    config
        .with_max_cpu_time(Duration::from_secs(6))
        .with_max_write_size(64 << 20)
        .with_max_new_files(1000)
        .with_max_fetch_size(16 << 20)
        .with_max_connections(16)
}

fn environment(secret: &str) -> Vec<(String, String)> {
    let path = std::env::var("PATH").unwrap_or_default();
    [("FOO", "foo-value"), ("SBX_SECRET", secret), ("FOO_SECRET", secret), ("PATH", path.as_str())]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

impl End<'_> {
    fn is_that_of(self, execution: &Execution) -> bool {
        let kind = execution.error.as_ref().map(|error| error.kind);
        let printed = |start: &str| execution.output.iter().any(|line| line.starts_with(start));
        match self {
            Self::Ok(text) => {
                execution.status == Status::Success
                    && (execution.output.iter().any(|line| line.contains(text))
                        || execution.return_value.to_string().contains(text))
            }
            Self::Denied(class) => {
                let class = if class == "Error" { "" } else { class };
                printed(&format!("DENIED:{class}"))
                    || execution.error.as_ref().is_some_and(|error| {
                        matches!(error.kind, ErrorKind::Runtime | ErrorKind::Permission)
                            && error.detail.name.starts_with(class)
                    })
            }
            Self::Killed("time") => kind == Some(ErrorKind::Timeout),
            Self::Killed("memory") => kind == Some(ErrorKind::Memory),
            Self::Killed("limit") => matches!(
                kind,
                Some(ErrorKind::Cpu | ErrorKind::Timeout | ErrorKind::Memory | ErrorKind::Output)
            ),
            Self::Killed(other) => panic!("unknown limit {other}"),
            Self::Confined => {
                printed("OUT:") || printed("DENIED:NotCapable") || printed(ONLY_THE_PATH)
            }
            Self::StandardStreams => execution.output.iter().any(|line| {
                let words: Vec<_> = line.split_whitespace().collect();
                let mut named = words.windows(2).filter(|pair| pair[1] == "->");
                line.starts_with("OUT:0")
                    && named.all(|pair| ["0", "1", "2", "3"].contains(&pair[0]))
                    && line.contains(" 0 -> /dev/null")
            }),
        }
    }
}

/// Cases of started commands take the word "canary" for the canary. The path of
/// the file has it too, and stands in the command's complaint that it may not read
/// the file: `LEAK:1 cat: …/outside/canary.txt: Permission denied`. What the file
/// holds is looked for apart from that, in everything (see `leaks`).
const ONLY_THE_PATH: &str = "LEAK:";

fn only_names_the_path(case: &Case, line: &str) -> bool {
    case.ends().iter().any(|end| matches!(end, End::Confined))
        && line.contains("outside/canary.txt")
        && line.contains("Permission denied")
}

/// What is wrong with how a case ended, and with what it left behind.
fn problems(case: &Case) -> Vec<String> {
    let host = case.host();
    host.run("1 + 1");
    // The kind with Node's built-ins is loaded when it is first needed.
    host.run("process.pid");
    let rests = || host.runtime().active() == 0 && host.runtime().standing_by() == 2;
    let mut problems = Vec::new();
    if !eventually(rests) {
        problems.push("the server never came to rest".to_owned());
    }
    let (open, processes) = (own_descriptors(), own_descendants());
    let connections = P1.connections();

    let code = host.files.text(&case.local(&case.code));
    let execution = host.execute(ExecuteRequest::new(code).with_timeout(case.timeout()));

    if !case.ends().into_iter().any(|end| end.is_that_of(&execution)) {
        problems.push(format!("must {}", case.must));
    }
    problems.extend(leaks(case, &host, &execution));
    if P1.connections() != connections && !case.may_connect() {
        problems.push("P1 was connected to".to_owned());
    }
    problems.extend(still_lives(&host));
    let as_before = || rests() && own_descriptors() <= open && own_descendants() <= processes;
    if !eventually(as_before) {
        let (files, children) = (own_descriptors(), own_descendants());
        problems.push(format!(
            "left over: {files} descriptors of {open}, {children} processes of {processes}"
        ));
    }
    if !eventually(|| P2.open() == 0 && host.files.strays().is_empty()) {
        problems.push(format!("left: {} of P2, {:?}", P2.open(), host.files.strays()));
    }
    problems.extend(host.files.changes_outside());
    if !problems.is_empty() {
        problems.push(format!("{execution:#?}").chars().take(4000).collect());
    }
    problems
}

fn leaks(case: &Case, host: &Host, execution: &Execution) -> Vec<String> {
    let seen = format!("{execution:?}");
    let audit = std::fs::read_to_string(host.files.path("audit.jsonl")).unwrap_or_default();
    let mut leaks = Vec::new();
    for canary in host.files.canaries() {
        for (place, text) in [("result", &seen), ("audit log", &audit)] {
            if text.contains(&canary) {
                leaks.push(format!("{canary} in the {place}"));
            }
        }
    }
    let printed = execution
        .output
        .iter()
        .any(|line| line.starts_with("LEAK") && !only_names_the_path(case, line));
    if printed || execution.return_value.to_string().contains("LEAK:") {
        leaks.push(format!("{} printed LEAK", case.id));
    }
    leaks
}

/// The default timeout ends what hangs after 30 s.
const BEFORE_THE_TIMEOUT: Duration = Duration::from_secs(20);

fn still_lives(host: &Host) -> Option<String> {
    let start = Instant::now();
    let execution = host.run("1 + 1");
    let took = start.elapsed();
    let lives = execution.return_value == 2 && execution.output.is_empty();
    (!lives || took > BEFORE_THE_TIMEOUT).then(|| format!("after {took:?}: {execution:?}"))
}

#[track_caller]
fn check<T>(test: T, category: &str, count: usize) {
    if !is_apart(test) {
        return;
    }
    let cases = cases(category);
    assert_eq!(cases.len(), count, "cases of {category}");
    // What a server makes once, when it is first needed, is no leftover.
    let (confined, git) = (landlock(), has_git());
    let _turn = alone();
    let runnable = |case: &&Case| {
        let runs = confined || !case.grants.contains("allow-run");
        let found = git || !case.grants.contains("git");
        if !runs || !found {
            eprintln!("skipped: {}: it needs Landlock, and perhaps git", case.id);
        }
        runs && found
    };
    if let Some(first) = cases.iter().find(runnable) {
        let _ = problems(first);
    }
    let failures: Vec<_> = cases
        .iter()
        .filter(runnable)
        .map(|case| (case, problems(case)))
        .filter(|(_, problems)| !problems.is_empty())
        .map(|(case, problems)| format!("{} ({}):\n{}", case.id, case.why, problems.join("\n")))
        .collect();
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn no_program_reaches_files_beyond_its_grant() {
    check(no_program_reaches_files_beyond_its_grant, "fs", 48);
}

#[test]
fn no_program_reaches_hosts_beyond_its_grant() {
    check(no_program_reaches_hosts_beyond_its_grant, "net", 47);
}

#[test]
fn no_program_learns_variables_beyond_its_grant() {
    check(no_program_learns_variables_beyond_its_grant, "env", 7);
}

#[test]
fn no_program_runs_commands_beyond_its_grant() {
    check(no_program_runs_commands_beyond_its_grant, "run", 23);
}

#[test]
fn no_buffer_of_a_program_confuses_an_operation() {
    check(no_buffer_of_a_program_confuses_an_operation, "proto", 2);
}

#[test]
fn no_module_comes_from_a_server() {
    check(no_module_comes_from_a_server, "loader", 1);
}
