//! The audit log: a line for each execution and for each refusal, and never what
//! a program read, printed or was made of.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use mcp_conductor::ExecuteRequest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::fixture::Fixture;
use crate::support::waiting::eventually;
use crate::{EVENT_LOOP, Host, WORKSPACE, start};

fn host() -> Host {
    let files = Fixture::new();
    let log = files.path("audit.jsonl");
    let canary = ("SECRET".to_owned(), files.text("ENV-CANARY-@MARK@"));
    Host::over(files, WORKSPACE, |config| config.with_audit_log(log).with_environment(vec![canary]))
}

/// The lines that are written to their end: a file grows page by page under one write(2).
pub fn read(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// The lines, once there are so many: a thread of its own writes them.
#[track_caller]
fn lines(host: &Host, count: usize) -> Vec<Value> {
    let log = host.files.path("audit.jsonl");
    let complete = eventually(|| read(&log).len() >= count);
    let lines = read(&log);
    assert!(complete && lines.len() == count, "{lines:#?}");
    lines
}

fn names(line: &Value) -> Vec<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn each_execution_has_a_line() {
    let host = host();
    let source = "console.log('printed'); 'value'";
    host.run(source);
    host.run("throw new Error('thrown')");
    host.run("syntax error");
    host.execute(ExecuteRequest::new("for (;;);").with_timeout(Duration::from_millis(200)));
    let mut lines = lines(&host, 4);
    // They come when the processes are gone.
    lines.sort_by_key(|line| line["execution"].as_u64());
    let first = &lines[0];
    assert_eq!(
        names(first),
        [
            "timestamp",
            "kind",
            "execution",
            "language",
            "codeSha256",
            "codeBytes",
            "grants",
            "tools",
            "durationMs",
            "cpuMs",
            "peakMemoryBytes",
            "outcome",
            "refusals",
            "client"
        ]
    );
    let hash = Sha256::digest(source.as_bytes());
    let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(first["kind"], "execution");
    assert_eq!(first["language"], "typescript");
    assert_eq!(first["codeSha256"], json!(hash));
    assert_eq!(first["codeBytes"], source.len());
    let grants = host.files.tokens(&first["grants"]);
    assert_eq!(grants, "--allow-read=@ROOT@/ws --allow-write=@ROOT@/ws");
    assert_eq!(first["tools"], json!([]));
    assert_eq!(first["refusals"], 0);
    assert_eq!(first["client"], Value::Null);
    assert!(first["peakMemoryBytes"].is_u64(), "{first:#}");
    assert!(lines[3]["durationMs"].as_f64() >= Some(200.0), "{:#}", lines[3]);
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["success", "runtime", "syntax", "timeout"]);
    for (line, next) in lines.iter().zip(&lines[1..]) {
        assert!(next["execution"].as_u64() > line["execution"].as_u64(), "{lines:#?}");
        assert!(next["timestamp"].as_str() >= line["timestamp"].as_str(), "{lines:#?}");
    }
    let timestamp = first["timestamp"].as_str().unwrap();
    // RFC 3339 in UTC, with milliseconds.
    assert!(timestamp.len() == 24 && timestamp.ends_with('Z'), "{timestamp}");
}

/// Its process is gone before it could be measured.
#[test]
fn of_a_short_run_the_line_has_what_the_kernel_counted() {
    let host = host();
    for _ in 0..5 {
        host.run("new Uint8Array(16 << 20).fill(1).length");
    }
    for line in lines(&host, 5) {
        assert!(line["cpuMs"].as_f64() > Some(0.0), "{line:#}");
        let peak = line["peakMemoryBytes"].as_u64().unwrap_or_default();
        // The array, and V8's own; what a worker has before its program is not the run's.
        assert!((12 << 20..48 << 20).contains(&peak), "{line:#}");
    }
}

#[test]
fn each_refusal_has_a_line_that_says_what_and_where() {
    let host = host();
    let source = "const path: string = '/etc/passwd';
try { await Deno.readTextFile(path) } catch { /* goes on */ }
try {
  Deno.writeTextFileSync('../outside/x', 'CONTENT-CANARY');
} catch { /* goes on */ }
await fetch('http://user:URL-CANARY@127.0.0.1:@P1@/URL-CANARY?q=URL-CANARY').catch(() => 0);
try { Deno.env.get('SECRET') } catch { /* goes on */ }
new Deno.Command('rm', { args: ['ARGUMENT-CANARY'] }).outputSync()";
    let execution = host.run(source);
    assert!(execution.error.is_some());
    let lines = lines(&host, 6);
    let (run, refusals) = lines.split_last().unwrap();
    assert_eq!((&run["outcome"], &run["refusals"]), (&json!("permission"), &json!(5)));
    let expected = [
        "timestamp",
        "kind",
        "execution",
        "permission",
        "target",
        "flag",
        "operation",
        "reason",
        "line",
        "column",
        "client",
    ];
    assert!(refusals.iter().all(|line| names(line) == expected), "{refusals:#?}");
    assert!(refusals.iter().all(|line| line["execution"] == run["execution"]), "{refusals:#?}");
    let seen: Vec<_> = refusals
        .iter()
        .map(|line| {
            let line = host.files.tokens(line);
            json!([line["kind"], line["permission"], line["target"], line["flag"], line["line"]])
        })
        .collect();
    let target = |line: usize| host.files.tokens(&refusals[line]["target"]);
    assert_eq!(
        seen,
        [
            json!(["refusal", "read", "/etc/passwd", "--allow-read", 2]),
            json!(["refusal", "write", target(1), "--allow-write", 4]),
            json!(["refusal", "net", "127.0.0.1:@P1@", "--allow-net", 6]),
            json!(["refusal", "env", "SECRET", "--allow-env", 7]),
            json!(["refusal", "run", "rm", "--allow-run", 8]),
        ]
    );
    assert!(target(1).as_str().unwrap().ends_with("outside/x"), "{}", target(1));
    // The call itself, in the user's TypeScript.
    assert_eq!(refusals[0]["column"], 18);
    assert_eq!(refusals[1]["column"], 8);
}

#[test]
fn what_matters_is_not_hidden_behind_a_thousand_refusals() {
    let host = host();
    let source = "
        const no = (path) => { try { Deno.readTextFileSync(path) } catch { /* goes on */ } };
        for (let i = 0; i < 1000; i++) no('/nowhere/' + i % 10);
        no('/etc/shadow'); no('/etc/shadow'); no('/nowhere/1');
        for (let i = 0; i < 500; i++) no('/elsewhere/' + i);
        no('/etc/gshadow');
        await fetch('http://127.0.0.1:@P1@/').catch(() => 0);
        try { Deno.statSync('/etc/\\u{202e}x') } catch { /* goes on */ }";
    let execution = host.run(source);
    assert_eq!(execution.error, None);
    // 1000, of reading 16 and the number of the others, two kinds more, and the run.
    let lines = lines(&host, 1000 + 17 + 2 + 1);
    let (run, refusals) = lines.split_last().unwrap();
    assert_eq!(run["refusals"], 1000 + 3 + 500 + 1 + 2);
    let (own, more) = refusals.split_at(1000);
    assert!(own.iter().all(|line| line.get("count").is_none()), "{own:#?}");
    let count = |target: &str| {
        let of_target = |line: &&Value| host.files.tokens(&line["target"]) == target;
        more.iter().find(of_target).map(|line| line["count"].as_u64().unwrap())
    };
    assert_eq!(count("/etc/shadow"), Some(2));
    assert_eq!((count("/elsewhere/0"), count("/elsewhere/499")), (Some(1), Some(1)));
    assert_eq!((count("/etc/gshadow"), count("127.0.0.1:@P1@")), (Some(1), Some(1)));
    assert_eq!(count("/etc/\u{202e}x"), Some(1));
    let others = more.iter().find(|line| line["target"].is_null()).unwrap();
    // One that has a line among the thousand is among them.
    assert_eq!((&others["operation"], &others["count"]), (&json!("readFile"), &json!(487)));
    let all: u64 = more.iter().map(|line| line["count"].as_u64().unwrap()).sum();
    assert_eq!(all, 3 + 500 + 1 + 2);
    let text = std::fs::read_to_string(host.files.path("audit.jsonl")).unwrap();
    assert!(!text.contains('\u{202e}'));
}

#[test]
fn no_secret_and_no_code_is_in_it() {
    let host = host();
    let source = "const CODE_CANARY = 1;
        console.log('OUTPUT-CANARY', Deno.readTextFileSync('secret/s.txt'));
        console.error(await Deno.readTextFile('hello.txt'));
        Deno.writeTextFileSync('f', 'WRITTEN-CANARY');
        try { Deno.env.set('SECRET', 'SET-CANARY') } catch { /* goes on */ }
        const options = { args: ['ARG-CANARY'], env: { A: 'VAR-CANARY' } };
        try { new Deno.Command('rm', options).spawn() } catch { /* goes on */ }
        await fetch('http://u:URL-CANARY@127.0.0.1:@P1@/URL-CANARY#URL-CANARY', {
          method: 'POST', headers: { x: 'HEADER-CANARY' }, body: 'BODY-CANARY' }).catch(() => 0);
        throw new Error('ERROR-CANARY' + CODE_CANARY)";
    host.run(source);
    host.run("'VALUE-CANARY'");
    let lines = lines(&host, 5);
    let text = json!(lines).to_string();
    assert!(!text.contains("CANARY"), "{text}");
    assert!(!text.contains("hello"), "{text}");
}

#[test]
fn a_run_that_is_dropped_is_cancelled() {
    let host = host();
    let runtime = host.runtime().clone();
    let request = ExecuteRequest::new("await new Promise((done) => setTimeout(done, 100_000))");
    let run = EVENT_LOOP.spawn(async move { runtime.execute(request).await });
    assert!(eventually(|| host.runtime().active() == 1));
    run.abort();
    let lines = lines(&host, 1);
    assert_eq!(lines[0]["outcome"], "cancelled", "{lines:#?}");
}

#[test]
fn the_file_is_its_owners_and_is_added_to() {
    let host = host();
    host.run("1");
    lines(&host, 1);
    let log = host.files.path("audit.jsonl");
    let mode = log.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let kept = std::fs::read_to_string(&log).unwrap();
    let _guard = EVENT_LOOP.enter();
    let second = start(&host.files, WORKSPACE, |config| config.with_audit_log(log.clone()));
    let second = second.expect("the file is there already");
    EVENT_LOOP.block_on(second.execute(ExecuteRequest::new("2"))).unwrap();
    lines(&host, 2);
    assert!(std::fs::read_to_string(&log).unwrap().starts_with(&kept));
}

#[test]
fn a_file_that_is_moved_away_is_made_anew() {
    let host = host();
    let log = host.files.path("audit.jsonl");
    host.run("1");
    lines(&host, 1);
    let old = host.files.path("audit.jsonl.1");
    std::fs::rename(&log, &old).unwrap();
    host.run("2");
    lines(&host, 1);
    assert_eq!(read(&old).len(), 1);
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    std::fs::remove_file(&log).unwrap();
    host.run("3");
    lines(&host, 1);
}

#[test]
fn a_log_that_cannot_be_written_stops_the_start() {
    let files = Fixture::new();
    std::os::unix::fs::symlink(files.path("ws/hello.txt"), files.path("link")).unwrap();
    for place in ["ws", "nowhere/audit.jsonl", "link"] {
        let log = files.path(place);
        let started = start(&files, WORKSPACE, |config| config.with_audit_log(log.clone()));
        let message = started.err().unwrap_or_else(|| panic!("{place} is a log")).to_string();
        assert!(message.contains("MCP_CONDUCTOR_AUDIT_LOG"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn no_program_changes_the_log() {
    let files = Fixture::new();
    let log = files.path("ws/audit.jsonl");
    let host = Host::over(files, WORKSPACE, |config| config.with_audit_log(log.clone()));
    let source = "
        const names = [];
        for (const change of [
          () => Deno.writeTextFileSync('audit.jsonl', ''), () => Deno.removeSync('audit.jsonl'),
          () => Deno.truncateSync('audit.jsonl'), () => Deno.renameSync('audit.jsonl', 'a'),
          () => Deno.renameSync('hello.txt', 'audit.jsonl'),
          () => Deno.chmodSync('audit.jsonl', 0o666),
          () => Deno.openSync('audit.jsonl', { append: true }),
          () => Deno.copyFileSync('hello.txt', 'audit.jsonl'),
        ]) {
          try { change(); names.push('done') } catch (e) { names.push(e.name) }
        }
        [...new Set(names)]";
    assert_eq!(host.value(source), json!(["NotCapable"]));
    assert!(eventually(|| read(&log).len() == 9), "{:#?}", read(&log));
}

#[test]
fn many_runs_at_once_write_whole_lines() {
    let host = host();
    let runtime = host.runtime();
    let runs = (0..40).map(|n| {
        runtime.execute(ExecuteRequest::new(format!(
            "await Deno.readTextFile('/etc/{n}').catch(() => 0)"
        )))
    });
    EVENT_LOOP.block_on(futures::future::try_join_all(runs)).unwrap();
    let lines = lines(&host, 80);
    let count = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count();
    assert_eq!((count("execution"), count("refusal")), (40, 40));
}
