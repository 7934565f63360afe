//! What was wrong once: floods, ends in the middle of something, limits that were
//! passed by, and names that looked like something else.

use std::time::Duration;

use mcp_conductor::{ErrorKind, ExecuteRequest};
use serde_json::{Value, json};

use crate::commands::{self, SHELL};
use crate::fixture::{Fixture, eventually};
use crate::{EVENT_LOOP, Host, WORKSPACE, audit};

/// What the programs here wait for takes 100 s and more, and the default timeout is
/// 30 s; tests run side by side.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Runs a program that asks for a lot, and at the same time another one, which is
/// to be answered all the same; then a third.
#[track_caller]
fn assert_answers_beside(host: &Host, flood: &str, expected: &Value) {
    let quiet = "await Deno.readTextFile('hello.txt')";
    let request = |source: &str| ExecuteRequest::new(host.files.text(source));
    let runtime = host.runtime();
    let both =
        futures::future::try_join(runtime.execute(request(flood)), runtime.execute(request(quiet)));
    let (flooded, beside) = EVENT_LOOP.block_on(both).expect("both are valid");
    assert_eq!((&flooded.error, &flooded.return_value), (&None, expected), "{flood}");
    assert_eq!((&beside.error, &beside.return_value), (&None, &json!("hello")), "{flood}");
    assert!(beside.execution_time < AT_ONCE, "{flood}: {beside:#?}");
    assert_eq!(host.value(quiet), "hello", "{flood}");
}

#[test]
fn a_flood_of_reads_is_answered_and_stops_nobody() {
    let host = Host::of_the_workspace();
    let reads = "for (let i = 0; i < 5000; i++) Deno.readTextFile('hello.txt').catch(() => 0);";
    assert_answers_beside(&host, &format!("{reads} 'ended'"), &json!("ended"));
    assert_answers_beside(&host, &format!("{reads} Deno.exit(0)"), &Value::Null);
    let awaited = "
        const all = Array.from({ length: 5000 }, () => Deno.readTextFile('hello.txt'));
        new Set(await Promise.all(all)).size";
    assert_answers_beside(&host, awaited, &json!(1));
}

/// A socket that is full in one direction is read from, so that the other end goes on;
/// what was read like that is an answer too.
#[test]
fn what_is_asked_for_before_a_lot_is_printed_arrives() {
    let host = Host::of_the_workspace();
    // 900 kB: what is printed beyond 1 MiB is not sent.
    let program = "
        await new Promise((done) => setTimeout(done, 5));
        const text = Deno.readTextFile('hello.txt');
        for (let i = 0; i < 9000; i++) console.log('x'.repeat(99));
        [await text, 'done']";
    for _ in 0..20 {
        assert_eq!(host.value(program), json!(["hello", "done"]));
    }
}

#[test]
fn what_is_read_before_a_change_of_directory_is_of_the_old_one() {
    let host = Host::of_the_workspace();
    for (file, text) in [("ws/who.txt", "outer"), ("ws/x/who.txt", "inner")] {
        std::fs::write(host.files.path(file), text).unwrap();
    }
    let program = "
        const seen = new Set<string>();
        for (let i = 0; i < 100; i++) {
          const reads = Array.from({ length: 40 }, () => Deno.readTextFile('who.txt'));
          Deno.chdir('x');
          for (const text of await Promise.all(reads)) seen.add(text);
          Deno.chdir('..');
        }
        [...seen]";
    assert_eq!(host.value(program), json!(["outer"]));
}

#[test]
fn a_flood_of_reads_that_are_cancelled_stops_nobody() {
    let host = Host::of_the_workspace();
    for abort in ["", "await new Promise((done) => setTimeout(done, 5));"] {
        let program = format!(
            "let settled = 0;
            const count = () => {{ settled++ }};
            const controllers = Array.from({{ length: 5000 }}, () => {{
              const controller = new AbortController(), signal = controller.signal;
              Deno.readTextFile('hello.txt', {{ signal }}).then(count, count);
              return controller;
            }});
            {abort}
            controllers.forEach((controller) => controller.abort());
            while (settled < 5000) await new Promise((done) => setTimeout(done, 1));
            settled"
        );
        assert_answers_beside(&host, &program, &json!(5000));
    }
}

/// A request that was cancelled counts until its answer was taken: the worker has
/// to count it as long.
#[test]
fn requests_after_many_that_were_cancelled_are_made() {
    let (host, server) = Host::with_server(&format!("{WORKSPACE},allow-net=127.0.0.1:@OWN@"));
    let program = format!(
        "const controller = new AbortController(), signal = controller.signal;
        let settled = 0;
        const count = () => {{ settled++ }};
        for (let i = 0; i < 1000; i++) {{
          fetch('http://127.0.0.1:{}/hang', {{ signal }}).then(count, count);
        }}
        await new Promise((done) => setTimeout(done, 100));
        controller.abort();
        const read = Array.from({{ length: 1000 }}, () => Deno.readTextFile('hello.txt'));
        [new Set(await Promise.all(read)).size, settled]",
        server.port
    );
    assert_answers_beside(&host, &program, &json!([1, 1000]));
    assert!(eventually(|| server.open() == 0));
}

/// What is closed is not waited for, and has no place among the requests that are.
#[test]
fn files_are_closed_while_many_requests_wait() {
    let (host, server) = Host::with_server(&format!("{WORKSPACE},allow-net=127.0.0.1:@OWN@"));
    let program = format!(
        "const controller = new AbortController(), signal = controller.signal;
        for (let i = 0; i < 1024; i++) {{
          fetch('http://127.0.0.1:{}/hang', {{ signal }}).catch(() => 0);
        }}
        await new Promise((done) => setTimeout(done, 100));
        for (let i = 0; i < 200; i++) Deno.openSync('hello.txt').close();
        const files = Array.from({{ length: 100 }}, () => Deno.openSync('hello.txt'));
        for (const file of files) file.close();
        const {{ size }} = Deno.statSync('hello.txt');
        controller.abort();
        size",
        server.port
    );
    assert_answers_beside(&host, &program, &json!(5));
}

fn lines(host: &Host) -> Vec<Value> {
    audit::read(&host.files.path("audit.jsonl"))
}

#[test]
fn refusals_before_an_exit_are_in_the_audit_log() {
    for program in [
        "await Deno.readTextFile('/etc/one').catch(() => 0);
        await Deno.readTextFile('/etc/two').catch(() => 0);
        Deno.exit(0)",
        "const reads = ['/etc/one', '/etc/two'].map((path) => Deno.readTextFile(path));
        await Promise.allSettled(reads);
        Deno.exit(0)",
        "for (const path of ['/etc/one', '/etc/two']) {
          try { Deno.readTextFileSync(path) } catch { /* goes on */ }
        }
        Deno.exit(0)",
    ] {
        let files = Fixture::new();
        let log = files.path("audit.jsonl");
        let host = Host::over(files, WORKSPACE, |config| config.with_audit_log(log));
        assert_eq!(host.run(program).error, None, "{program}");
        let complete = eventually(|| lines(&host).len() == 3);
        let lines = lines(&host);
        assert!(complete, "{program}: {lines:#?}");
        let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
        let mut targets: Vec<_> =
            of("refusal").into_iter().map(|line| line["target"].as_str().unwrap()).collect();
        targets.sort_unstable();
        assert_eq!(targets, ["/etc/one", "/etc/two"], "{program}");
        assert_eq!(of("execution")[0]["refusals"], 2, "{program}");
    }
}

#[test]
fn a_copy_counts_as_written_and_ends_at_the_limit() {
    let limit = 20_000_000;
    let host = Host::with(WORKSPACE, |config| config.with_max_write_size(limit));
    for (program, file) in [
        ("Deno.copyFileSync('sparse', 'a')", "ws/a"),
        ("await Deno.copyFile('sparse', 'b')", "ws/b"),
    ] {
        let (kind, message) = host.error(program);
        assert_eq!(kind, ErrorKind::Runtime, "{message}");
        let expected = "Error: The run may write 20000000 bytes, all files together \
            (MCP_CONDUCTOR_MAX_WRITE_SIZE): copy 'sparse' -> '";
        assert!(message.starts_with(expected), "{message}");
        let size = host.files.path(file).metadata().unwrap().len();
        assert!(size <= limit, "{size}");
    }
    let source = std::fs::File::create(host.files.path("ws/half")).unwrap();
    source.set_len(9_000_000).unwrap();
    host.gives(
        r#"
        const start = (said: string) => said.split(",")[0];
        const seen = [];
        for (const name of ["c", "d", "e"]) seen.push(start(await t(() => Deno.copyFile("half", name))));
        return [...seen, ["c", "d", "e"].map((name) => Deno.statSync(name).size),
          await t(() => Deno.writeFileSync("f", new Uint8Array(1_000_000))),
          start(await t(() => Deno.writeFileSync("f", new Uint8Array(1_100_000))))];"#,
        r#"[
            "done",
            "done",
            "Error: The run may write 20000000 bytes",
            [9000000, 9000000, 0],
            "done",
            "Error: The run may write 20000000 bytes"
        ]"#,
    );
}

#[test]
fn a_write_over_the_limit_leaves_the_file_as_it_was() {
    let host = Host::with(WORKSPACE, |config| config.with_max_write_size(1000));
    host.gives(
        r#"
        for (const x of ["a", "s"]) Deno.writeTextFileSync(`kept${x}`, "before");
        const big = new Uint8Array(1001), start = (said: string) => said.split(",")[0];
        return [
          start(await both("writeFile", "kept*", big)), read("kept*"),
          start(await both("writeFile", "kept*", big, { append: true })), read("kept*"),
          start(await both("writeTextFile", "kept*", "x".repeat(1001))), read("kept*"),
          start(await both("writeFile", "new*", big)),
          (await both("stat", "newa")).split(" (")[0], (await both("stat", "news")).split(" (")[0],
          await both("writeTextFile", "kept*", "after"), read("kept*"),
        ];"#,
        r#"[
            "Error: The run may write 1000 bytes",
            "before",
            "Error: The run may write 1000 bytes",
            "before",
            "Error: The run may write 1000 bytes",
            "before",
            "Error: The run may write 1000 bytes",
            "NotFound: No such file or directory",
            "NotFound: No such file or directory",
            "done",
            "after"
        ]"#,
    );
}

/// renameat(2) needs no right to read what it moves; the new name would be one
/// that may be read.
#[test]
fn a_file_that_may_not_be_read_gets_no_other_name() {
    let grants = "allow-read=@ROOT@/ws;deny-read=@ROOT@/ws/secret;allow-write=@ROOT@/ws";
    let host = Host::with_grants(grants);
    host.gives(
        r#"
        const start = (said: string) => said.split(", run")[0];
        return [
          start(await both("rename", "secret/s.txt", "open*")), start(await both("rename", "secret", "open*")),
          start(await both("link", "secret/s.txt", "open*")), start(await both("copyFile", "secret/s.txt", "open*")),
          start(await both("symlink", "secret/s.txt", "open*")),
          [...Deno.readDirSync(".")].some((entry) => entry.name.startsWith("open")),
          await t(() => Deno.renameSync("hello.txt", "moved")), await both("readTextFile", "moved"),
        ];"#,
        r#"[
            "NotCapable: Requires read access to \"secret/s.txt\"",
            "NotCapable: Requires read access to \"secret\"",
            "NotCapable: Requires read access to \"secret/s.txt\"",
            "NotCapable: Requires read access to \"secret/s.txt\"",
            "NotCapable: Requires read access to \"secret/s.txt\"",
            false,
            "done",
            "hello"
        ]"#,
    );
    assert_eq!(host.files.read("ws/secret/s.txt"), host.files.text("SECRET-CANARY-@MARK@"));
}

#[test]
fn a_command_gives_no_other_name_to_what_may_not_be_read() {
    let Some(host) = commands::host(",deny-read=@ROOT@/ws/secret/s.txt") else { return };
    let shell = format!("{}{SHELL}", include_str!("prelude.ts"));
    let execution = host.run(&format!(
        "{shell} return [
          await sh('mv secret/s.txt open || ln secret/s.txt open || cp secret/s.txt open'),
          await sh('mv secret open; cat open/s.txt open'), await sh('cat hello.txt'),
        ].map(([code, out]) => [code === 0, out])"
    ));
    assert_eq!(execution.error, None);
    assert_eq!(execution.return_value, json!([[false, ""], [false, ""], [true, "hello"]]));
    assert_eq!(host.files.read("ws/secret/s.txt"), host.files.text("SECRET-CANARY-@MARK@"));
}

/// ld.so(8): the library is loaded into whatever is started.
#[test]
fn a_variable_of_the_dynamic_linker_reaches_a_command_by_its_very_name_only() {
    const PROGRAM: &str = r#"
        for (const name of ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"]) {
          await t(() => Deno.env.set(name, "@ROOT@/ws/none.so"));
        }
        await t(() => Deno.env.set("FOO", "set"));
        const shown = (o: any) => text(o.stdout).split("\n").filter((l) => /^(LD_|FOO)/.test(l)).sort();
        const env = new Deno.Command("env"), child = new Deno.Command("env", { stdout: "piped" }).spawn();
        const given = new Deno.Command("env", { env: { LD_PRELOAD: "@ROOT@/ws/none.so" } });
        return [
          shown(await env.output()), shown(env.outputSync()), shown(await child.output()),
          await t(async () => shown(await given.output())).then((s: any) => typeof s === "string" ? s.split(":")[0] : s),
        ];"#;
    if let Some(host) = commands::host(",allow-env") {
        host.gives(PROGRAM, r#"[["FOO=set"], ["FOO=set"], ["FOO=set"], "NotCapable"]"#);
    }
    if let Some(host) = commands::host(",allow-env=LD_PRELOAD,FOO") {
        let expected = r#"["FOO=set", "LD_PRELOAD=@ROOT@/ws/none.so"]"#;
        host.gives(PROGRAM, &format!("[{expected}, {expected}, {expected}, {expected}]"));
    }
}

#[test]
fn an_exit_ends_the_run_whatever_is_under_way() {
    let (host, server) = Host::with_server("allow-net=127.0.0.1:@OWN@");
    let hang = format!("fetch('http://127.0.0.1:{}/hang')", server.port);
    let soon = "setTimeout(() => Deno.exit(0), 100);";
    for program in [
        format!("{hang}.catch(() => 0); Deno.exit(0)"),
        format!("{soon} await {hang}"),
        format!("{soon} {hang}.then(() => console.log('late')); 'value'"),
        format!("{soon} await (await fetch('http://127.0.0.1:{}/slow')).text()", server.port),
        format!(
            "{soon} await new Promise((done) => setTimeout(done, 100_000)); console.log('late')"
        ),
        "setTimeout(() => console.log('late'), 100_000); Deno.exit(0)".to_owned(),
    ] {
        let execution = host.run(&program);
        assert_eq!(execution.error, None, "{program}");
        assert!(execution.output.is_empty(), "{program}: {execution:#?}");
        assert!(execution.execution_time < AT_ONCE, "{program}: {execution:#?}");
    }
    let execution = host.run(&format!("setTimeout(() => Deno.exit(3), 100); await {hang}"));
    let error = execution.error.expect("3 is no success");
    assert_eq!((error.kind, &*error.message), (ErrorKind::Runtime, "Process exited with code 3"));
    assert!(execution.execution_time < AT_ONCE, "{:?}", execution.execution_time);
    assert!(eventually(|| server.open() == 0), "{} are open", server.open());
}

#[test]
fn an_exit_ends_a_run_whose_command_is_under_way() {
    let Some(host) = commands::host("") else { return };
    let execution = host.run(
        "setTimeout(() => Deno.exit(0), 200);
        await new Deno.Command('sleep', { args: ['100'] }).spawn().status",
    );
    assert_eq!(execution.error, None);
    assert!(execution.execution_time < AT_ONCE, "{:?}", execution.execution_time);
    assert!(commands::nothing_is_left(&host), "{:?}", host.files.strays());
}

/// proc_pid_fd(5): the kernel adds these words to the name of what was removed.
#[test]
fn a_file_whose_name_says_deleted_is_a_file_like_any_other() {
    let denied = "@ROOT@/ws/y (deleted)";
    let host = Host::with_grants(&format!("{WORKSPACE},deny-read={denied},deny-write={denied}"));
    for (name, text) in [("x (deleted)", "x"), ("y (deleted)", "Y-CANARY")] {
        std::fs::write(host.files.path("ws").join(name), text).unwrap();
    }
    host.gives(
        r#"
        const start = (said: string) => said.split(/ \(os|, run/)[0];
        return [
          await both("readTextFile", "x (deleted)"), Deno.statSync("x (deleted)").size,
          await both("realPath", "x (deleted)"), await both("writeTextFile", "x (deleted)", "changed"),
          await both("readTextFile", "x (deleted)"), start(await both("readTextFile", "y (deleted)")),
          start(await both("writeTextFile", "y (deleted)", "x")), start(await both("rename", "y (deleted)", "z*")),
          start(await both("readTextFile", "y")), await both("writeTextFile", "y", "plain"),
          await both("readTextFile", "y"),
        ];"#,
        r#"[
            "x",
            1,
            "@ROOT@/ws/x (deleted)",
            "done",
            "changed",
            "NotCapable: Requires read access to \"y (deleted)\"",
            "NotCapable: Requires write access to \"y (deleted)\"",
            "NotCapable: Requires read access to \"y (deleted)\"",
            "NotFound: No such file or directory",
            "done",
            "plain"
        ]"#,
    );
    assert_eq!(host.files.read("ws/y (deleted)"), "Y-CANARY");
}

/// opendir(3) of a FIFO that nobody writes would wait for ever.
#[test]
fn to_list_what_is_no_directory_is_an_error_at_once() {
    Host::of_the_workspace().gives(
        r#"
        const list = async (path: string) => { for await (const _ of Deno.readDir(path)); };
        const each = async (path: string) =>
          [await t(() => list(path)), await t(() => [...Deno.readDirSync(path)])];
        return [await each("hello.txt"), await each("nope"), (await each("fifo")).map((said) => said.split(":")[0])];"#,
        r#"[
            [
                "NotADirectory: Not a directory (os error 20): readdir 'hello.txt' [ENOTDIR]",
                "NotADirectory: Not a directory (os error 20): readdir 'hello.txt' [ENOTDIR]"
            ],
            [
                "NotFound: No such file or directory (os error 2): readdir 'nope' [ENOENT]",
                "NotFound: No such file or directory (os error 2): readdir 'nope' [ENOENT]"
            ],
            ["NotADirectory", "NotADirectory"]
        ]"#,
    );
}
