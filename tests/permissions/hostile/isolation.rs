//! Programs from `isolation.jsonl` that try to get out by names, links, races and modes, or
//! to hold the server up. `holds_if` says in words how to judge one; [`own_problems`] does
//! it, beside what holds for all: nothing printed as a leak, nothing changed outside of the
//! grants, nothing left behind, and a server that works.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mcp_conductor::{Config, ErrorKind, ExecuteRequest, Execution, Runtime};
use serde::Deserialize;

use super::is_apart;
use crate::fixture::alone;
use crate::support::directory::Directory;
use crate::support::processes::{own_descendants, own_descriptors};
use crate::support::waiting::eventually;
use crate::{EVENT_LOOP, config, landlock};

#[derive(Debug, Deserialize)]
struct Case {
    id: String,
    category: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// A shell command, run in the directory that has `ws/` and `outside/`.
    #[serde(default)]
    setup: String,
    program: String,
    holds_if: String,
}

fn cases(category: &str) -> Vec<Case> {
    include_str!("isolation.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Case>(line).expect("a case"))
        .filter(|case| case.category == category)
        .collect()
}

/// What a program must not read, whichever file has it.
const CANARY: &str = "FS-CANARY";

/// A time of its own for what is outside, to see it changed: 2001-09-09.
const OLD: u64 = 1_000_000_000;

/// Modes beyond those of reading, writing and executing.
const SPECIAL_BITS: u32 = 0o7000;

/// A fresh directory with `ws/` and `outside/`, removed at the end.
struct Place(Directory);

impl Place {
    fn new(setup: &str) -> Self {
        let place = Self(Directory::new("hostile"));
        fs::create_dir_all(place.path("outside")).unwrap();
        fs::create_dir_all(place.path("ws")).unwrap();
        fs::write(place.path("ws/hello.txt"), "hello").unwrap();
        for (file, text) in [("canary.txt", CANARY), ("victim.txt", "VICTIM")] {
            let path = place.path("outside").join(file);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let old = std::time::UNIX_EPOCH + Duration::from_secs(OLD);
            fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        }
        let done =
            Command::new("sh").args(["-c", setup]).current_dir(place.0.root()).status().unwrap();
        assert!(done.success(), "{setup}");
        place
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path(below)
    }

    fn text(&self, text: &str) -> String {
        text.replace("@WS@", &self.path("ws").to_string_lossy())
            .replace("@OUT@", &self.path("outside").to_string_lossy())
    }

    /// Names, modes, times and hashed contents of all that is outside of the workspace.
    fn outside(&self) -> Vec<(PathBuf, u32, i64, u64)> {
        let mut found = Vec::new();
        walk(&self.path("outside"), &mut |path| {
            let about = fs::symlink_metadata(path).unwrap();
            let content = if about.is_file() { fs::read(path).unwrap() } else { Vec::new() };
            let content = BuildHasherDefault::<DefaultHasher>::default().hash_one(content);
            found.push((path.to_owned(), about.mode(), about.mtime(), content));
        });
        found
    }

    /// Bytes of all files in the workspace, and those of their modes that are special.
    fn workspace(&self) -> (u64, Vec<String>) {
        let (mut bytes, mut special) = (0, Vec::new());
        walk(&self.path("ws"), &mut |path| {
            let about = fs::symlink_metadata(path).unwrap();
            bytes += if about.is_file() { about.len() } else { 0 };
            if about.mode() & SPECIAL_BITS != 0 && !about.is_symlink() {
                special.push(format!("{} has mode {:o}", path.display(), about.mode() & 0o7777));
            }
        });
        (bytes, special)
    }

    /// Processes of commands: each has its working directory in here.
    fn strays(&self) -> Vec<String> {
        let own = std::process::id().to_string();
        let here = |process: &Path| {
            fs::read_link(process.join("cwd")).is_ok_and(|place| place.starts_with(self.0.root()))
        };
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_name() != *own && here(&entry.path()))
            .map(|entry| {
                let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&words).replace('\0', " ")
            })
            .collect()
    }
}

/// All that is in a directory, itself included; links are not followed.
fn walk(path: &Path, see: &mut impl FnMut(&Path)) {
    see(path);
    let about = fs::symlink_metadata(path).unwrap();
    if about.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path).unwrap().flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        entries.iter().for_each(|entry| walk(&entry.path(), see));
    }
}

/// A server for one case.
struct Host(Option<Runtime>);

impl Host {
    fn new(case: &Case, place: &Place) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut config = config()
            .with_workspace(place.path("ws"))
            .with_environment([("PATH".to_owned(), path)])
            .with_audit_log(place.path("audit.jsonl"));
        for (name, value) in &case.env {
            config = set(config, name, &place.text(value));
        }
        Self(Some(EVENT_LOOP.block_on(Runtime::new(config)).expect("the settings are valid")))
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is dropped last")
    }

    fn run(&self, code: String) -> Execution {
        let request = ExecuteRequest::new(code).with_timeout(RUN_TIME);
        EVENT_LOOP.block_on(self.runtime().execute(request)).expect("the request is valid")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _guard = EVENT_LOOP.enter();
        self.0.take();
    }
}

fn set(config: Config, name: &str, value: &str) -> Config {
    match name {
        // An empty variable is none.
        "MCP_CONDUCTOR_RUN_ARGS" if value.is_empty() => config,
        "MCP_CONDUCTOR_RUN_ARGS" => config.with_run_args(value),
        "MCP_CONDUCTOR_MAX_WRITE_SIZE" => config.with_max_write_size(value.parse().unwrap()),
        other => panic!("no case has {other}"),
    }
}

/// Races have thousands of operations, and machines of continuous integration little time.
const RUN_TIME: Duration = Duration::from_secs(120);

/// The shortest that a process of a case lives that is left behind (`sleep 38`), less what
/// a case itself takes.
const STRAYS_LIVE: Duration = Duration::from_secs(20);

/// For how long the server's processor time is looked at after a run.
const IDLE_WINDOW: Duration = Duration::from_secs(2);

/// What a server at rest uses in it at most: a new standby worker, the test itself.
const IDLE_CPU: Duration = Duration::from_millis(500);

/// What is wrong with how a case ended, and with what it left behind.
fn problems(case: &Case) -> Vec<String> {
    let place = Place::new(&case.setup);
    let before = place.outside();
    let host = Host::new(case, &place);
    host.run("1 + 1".to_owned());
    // The kind with Node's built-ins is loaded when it is first needed.
    host.run("process.pid".to_owned());
    let rests = || host.runtime().active() == 0 && host.runtime().standing_by() == 2;
    let mut problems = Vec::new();
    if !eventually(rests) {
        problems.push("the server never came to rest".to_owned());
    }
    let (open, processes) = (own_descriptors(), own_descendants());

    let execution = host.run(place.text(&case.program));
    let ended = Instant::now();
    if case.id == "h2a-dos-02-mkdir-outlives-run" {
        problems.extend(still_works_for_it());
    }

    problems.extend(own_problems(case, &place, &execution));
    if execution.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Crash) {
        problems.push("the worker crashed".to_owned());
    }
    let printed = execution.output.join("\n");
    if case.id != ORACLE && printed.contains("LEAK:") {
        problems.push("it printed a leak".to_owned());
    }
    if format!("{execution:?}").contains(CANARY) || has_canary(&place.path("audit.jsonl")) {
        problems.push("it saw what it may not read".to_owned());
    }
    if place.outside() != before {
        problems.push(format!("outside was {before:?} and is {:?}", place.outside()));
    }
    while !place.strays().is_empty() && ended.elapsed() < STRAYS_LIVE {
        std::thread::sleep(Duration::from_millis(10));
    }
    if !place.strays().is_empty() {
        problems.push(format!("left: {:?}", place.strays()));
    }
    let again = host.run("1 + 1".to_owned());
    if again.return_value != 2 {
        problems.push(format!("the server works no more: {again:?}"));
    }
    if !eventually(|| rests() && own_descriptors() <= open && own_descendants() <= processes) {
        let (files, children) = (own_descriptors(), own_descendants());
        problems
            .push(format!("{files} descriptors of {open}, {children} processes of {processes}"));
    }
    if !problems.is_empty() {
        problems.push(format!("{execution:#?}").chars().take(4000).collect());
    }
    problems
}

/// This case says itself whether it learned something.
const ORACLE: &str = "h2a-mt-08-oracle";

fn has_canary(file: &Path) -> bool {
    fs::read_to_string(file).unwrap_or_default().contains(CANARY)
}

/// Processor time of this process, which is the server too.
fn processor_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID;
    nix::time::clock_gettime(clock).expect("a clock").into()
}

/// Whether the server is busy for a run that has ended.
fn still_works_for_it() -> Option<String> {
    std::thread::sleep(Duration::from_secs(1));
    let before = processor_time();
    std::thread::sleep(IDLE_WINDOW);
    let used = processor_time() - before;
    (used > IDLE_CPU).then(|| format!("{used:?} of {IDLE_WINDOW:?} after the run had ended"))
}

/// What this case's `holds_if` asks for beyond what all do.
fn own_problems(case: &Case, place: &Place, execution: &Execution) -> Vec<String> {
    let printed = execution.output.join("\n");
    let error = execution.error.as_ref().map(|error| error.kind);
    let must = |holds: bool| if holds { Vec::new() } else { vec![case.holds_if.clone()] };
    let line = |start: &str| printed.lines().find(|line| line.starts_with(start));
    match case.id.as_str() {
        "h2a-mt-05-link-to-denied" => {
            must(fs::read_dir(place.path("ws/secret")).unwrap().next().is_none())
        }
        "h2a-mt-07-prefix-real-subdir" => must(
            ["sub/", "suffix x/", "suffix ./"].iter().all(|name| {
                let text = line(name).unwrap_or_default();
                text.contains("DENIED") && text.contains("Invalid character in prefix or suffix")
            }) && line("prefix ..").is_some(),
        ),
        ORACLE => {
            let answers = printed.trim_start_matches("LEAK:").split(',').collect::<Vec<_>>();
            must(answers.len() == 3 && answers.iter().all(|one| *one == answers[0]))
        }
        "h2a-ln-02-playbooks-read" => must(error.is_some()),
        "h2a-js-01-call-leaks-core" | "h2a-js-05-object-prototype-accessors" => {
            must(printed == "OK:none")
        }
        "h2a-js-08-compile-streaming" => {
            must(printed == "compiled" || printed.starts_with("DENIED:"))
        }
        "h2a-js-15-prepare-overflow-report" => must(error == Some(ErrorKind::Runtime)),
        "h2a-cmd-01-chown-strips-setuid"
        | "h2a-cmd-03-inode-flags"
        | "h2a-dos-04-blocked-readers"
        | "h2a-dos-11-quota-race" => must(printed.contains("OK:") && error.is_none()),
        "h2a-cmd-12-proc" => must(printed.contains("own: yes")),
        "h2a-cmd-17-names" => {
            const OF_THE_FILE: [&str; 6] = [
                "true",
                "/usr/bin/true",
                "/bin/true",
                "/usr/bin/../bin/true",
                "/usr//bin/true",
                // Of the server's own root.
                "/proc/self/root/usr/bin/true",
            ];
            let ran = |line: &&str| line.contains(" OK:");
            let of_it = |line: &str| OF_THE_FILE.iter().any(|n| line == format!("{n} OK:0"));
            must(printed.lines().filter(ran).all(of_it) && line("true OK:0").is_some())
        }
        "h2a-cmd-23-xattr-acl" => {
            must(error.is_none()).into_iter().chain(place.workspace().1).collect()
        }
        // What was refused to be made is not there for the program to look at.
        "h2a-cmd-24-suid-at-creation" => {
            let refused = execution.error.as_ref().is_some_and(|e| e.detail.name == "NotFound");
            must(error.is_none() || refused).into_iter().chain(place.workspace().1).collect()
        }
        "h2a-cmd-25-landlock-files" => must(printed.trim() == "done"),
        "h2a-dos-08-listing" => must(error.is_none()),
        "h2a-dos-14-handles-with-pending-reads" => must(printed.starts_with("OK:64 ")),
        "h2a-fs-03-modes" => {
            let special = place.workspace().1;
            special.into_iter().filter(|text| !text.contains("/ws/suid ")).collect()
        }
        "h2a-fs-11-utime-handle" => must(printed.lines().all(|line| {
            let refused = line.contains(" DENIED:NotCapable");
            // To truncate without writing makes no sense whatever is granted.
            let senseless = line.contains("'truncate' option requires 'write' to be true");
            refused || senseless || line.is_empty() || line == "read OK:a"
        })),
        _ => match place.workspace().0 {
            // No case may write more.
            bytes if bytes > 64 << 20 => vec![format!("{bytes} bytes in the workspace")],
            _ => Vec::new(),
        },
    }
    .into_iter()
    .chain((case.id == "h2a-dos-11-quota-race").then(|| over_quota(place)).flatten())
    .collect()
}

fn over_quota(place: &Place) -> Option<String> {
    let (bytes, _) = place.workspace();
    // "hello" was there.
    (bytes > (1 << 20) + 5).then(|| format!("{bytes} bytes on the disk"))
}

/// Whether a case can be run here: its commands are there, and can be confined.
fn can_run(case: &Case) -> bool {
    let Some((_, commands)) =
        case.env.get("MCP_CONDUCTOR_RUN_ARGS").and_then(|args| args.split_once("allow-run="))
    else {
        return true;
    };
    let command = commands.split(',').next().unwrap_or_default();
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path.split(':').any(|directory| Path::new(directory).join(command).exists());
    if !found {
        eprintln!("skipped: {}: no {command}", case.id);
    }
    found && landlock()
}

#[track_caller]
fn check<T>(test: T, category: &str, count: usize) {
    if !is_apart(test) {
        return;
    }
    let cases = cases(category);
    assert_eq!(cases.len(), count, "cases of {category}");
    let _turn = alone();
    let runnable: Vec<_> = cases.iter().filter(|case| can_run(case)).collect();
    // What a server makes once, when it is first needed, is no leftover.
    if let Some(first) = runnable.first() {
        let _ = problems(first);
    }
    let failures: Vec<_> = runnable
        .into_iter()
        .map(|case| (case, problems(case)))
        .filter(|(_, problems)| !problems.is_empty())
        .map(|(case, problems)| format!("{}:\n{}", case.id, problems.join("\n")))
        .collect();
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn no_program_gets_out_by_names_links_and_modes() {
    check(no_program_gets_out_by_names_links_and_modes, "fs", 9);
}

#[test]
fn no_program_wins_a_race_against_the_server() {
    check(no_program_wins_a_race_against_the_server, "race", 8);
}

#[test]
fn no_program_holds_the_server_up() {
    check(no_program_holds_the_server_up, "resource", 5);
}

#[test]
fn no_program_reaches_what_is_behind_the_scripts() {
    check(no_program_reaches_what_is_behind_the_scripts, "internals", 6);
}

#[test]
fn no_command_reaches_beyond_the_grants() {
    check(no_command_reaches_beyond_the_grants, "run", 12);
}
