//! Servers that break off, talk nonsense, say too much or nothing: an error for
//! the program that called them, and nothing else.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::pipes::Server;
use crate::support::processes::{Family, peak_mebibytes};
use crate::support::snippets::RUN;
use crate::support::upstreams::{is_upstream, only_stub, upstream};
use crate::support::waiting::within;

fn stub() -> Server {
    Server::with(&only_stub())
}

/// The server works as before, and soon does so with `stub` too.
#[track_caller]
fn works(server: &mut Server) {
    assert_eq!(server.value("1 + 1"), 2);
    let echo = "await callTool('stub', 'echo', { text: 'well' })";
    let well = within(Duration::from_secs(10), || server.run(echo)["returnValue"] == "well");
    assert!(well, "{}", server.log());
}

#[test]
fn a_server_that_crashes_fails_its_calls_at_once() {
    let mut server = stub();
    let start = Instant::now();
    let code = "
        const slow = callTool('stub', 'slow', { ms: 60_000 });
        while (await callTool('stub', 'inside') < 1) await new Promise((r) => setTimeout(r, 10));
        const calls = [slow, callTool('stub', 'crash')];
        (await Promise.allSettled(calls)).map(({ status, reason }) => [status, String(reason)])";
    let value = server.value(code);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    for call in [&value[0], &value[1]] {
        assert_eq!(call[0], "rejected", "{value:#}");
        assert!(call[1].as_str().is_some_and(|error| error.contains("\"stub\"")), "{value:#}");
    }
    server.logs(&["stub", "crashing as told"]);
    works(&mut server);
}

#[test]
fn lines_that_are_no_messages_are_passed_over() {
    let mut server = stub();
    for _ in 0..3 {
        assert_eq!(server.value("await callTool('stub', 'garbage')"), "clean again");
    }
    works(&mut server);
}

#[test]
fn a_flood_of_notifications_drowns_nobody() {
    let mut server = stub();
    let call = server.start_call(RUN, json!({ "deno_code": "await callTool('stub', 'flood')" }));
    let start = Instant::now();
    assert_eq!(server.value("1 + 1"), 2);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let result = server.result(call);
    assert_eq!(result["structuredContent"]["returnValue"], "flooded", "{result:#}");
    assert!(peak_mebibytes(server.pid()) < 500, "{} MiB", peak_mebibytes(server.pid()));
    assert!(server.log().len() < 10 << 20, "{} bytes of log", server.log().len());
    works(&mut server);
}

#[test]
fn a_call_without_an_answer_ends_with_its_run_and_the_server_is_told() {
    let mut server = stub();
    server.value("await callTool('stub', 'count')");
    let execution = server.execute("await callTool('stub', 'hang')", json!({ "timeout": 4000 }));
    assert_eq!(execution["errorType"], "timeout", "{execution:#}");
    assert_eq!(execution["error"], "Execution timed out after 4000ms");
    assert_eq!(execution["toolCalls"][0]["tool"], "stub/hang", "{execution:#}");
    let told = || server.run("await callTool('stub', 'cancelled')")["returnValue"] == 1;
    assert!(within(Duration::from_secs(5), told), "{}", server.log());
    // The connection is the same.
    assert_eq!(server.value("await callTool('stub', 'count')"), 2);
}

#[test]
fn a_call_without_an_answer_ends_when_the_client_cancels() {
    let mut server = stub();
    server.value("await callTool('stub', 'count')");
    let code = "console.log('on'); await callTool('stub', 'hang')";
    let call = server.request(
        "tools/call",
        json!({
            "name": RUN,
            "arguments": { "deno_code": code },
            "_meta": { "progressToken": "t" },
        }),
    );
    server.hears("on");
    server.reaches("stub");
    server.notify("notifications/cancelled", json!({ "requestId": call }));
    let told = || server.run("await callTool('stub', 'cancelled')")["returnValue"] == 1;
    assert!(within(Duration::from_secs(5), told), "{}", server.log());
}

#[test]
fn an_entrys_timeout_ends_a_call_before_the_run() {
    let entry = crate::support::upstreams::upstream_with(&["stub"], json!({ "timeout": 2500 }));
    let mut server = Server::with(&json!({ "stub": entry }));
    let (_, message) = server.thrown("callTool('stub', 'hang')");
    assert!(message.contains("\"stub\"") && message.contains("2500"), "{message}");
    // Whoever says how far it is has more time: these steps take 3 s.
    assert_eq!(server.value("await callTool('stub', 'progress', { n: 150 })"), "all steps done");
    works(&mut server);
}

#[test]
fn a_hundred_megabytes_are_an_error_and_no_memory() {
    let mut server = stub();
    let (_, message) = server.thrown("callTool('stub', 'hundred')");
    assert!(message.contains("MCP_CONDUCTOR_MAX_TOOL_RESULT"), "{message}");
    assert!(message.contains("8388608"), "{message}");
    assert!(peak_mebibytes(server.pid()) < 300, "{} MiB", peak_mebibytes(server.pid()));
    works(&mut server);
}

#[test]
fn one_bad_server_spoils_no_other() {
    let mut server = Server::with(&json!({
        "stub": upstream(&["stub"]),
        "bad": upstream(&["up"]),
        "gone": upstream(&["dies"]),
    }));
    let code = "
        const caught = (call) => call.then(() => 'fine', () => 'failed');
        const bad = ['crash', 'hundred', 'flood', 'garbage'].map((tool) => caught(callTool('bad', tool)));
        const gone = caught(callTool('gone', 'echo'));
        const good = [];
        for (let n = 0; n < 50; n++) good.push(await callTool('stub', 'echo', { text: '' + n }));
        [good.every((text, n) => text === n || text === '' + n), await gone, (await Promise.all(bad)).length]";
    assert_eq!(server.value(code), json!([true, "failed", 4]));
    works(&mut server);
}

#[test]
fn nothing_of_a_crashed_server_is_left() {
    let mut server = stub();
    server.value("await callTool('stub', 'count')");
    server.rests();
    let before = Family::below(server.pid()).len();
    for _ in 0..5 {
        server.run("await callTool('stub', 'crash')");
        works(&mut server);
    }
    server.rests();
    let counts = || (upstreams(&server), Family::below(server.pid()).len());
    let as_before = within(Duration::from_secs(5), || counts().0 == 1 && counts().1 <= before);
    assert!(as_before, "(fixtures, processes) are {:?}, {before} processes before", counts());
}

/// Processes of the fixture below a server.
fn upstreams(server: &Server) -> usize {
    Family::below(server.pid()).pids().into_iter().filter(|pid| is_upstream(*pid)).count()
}

#[test]
fn a_server_that_closes_its_output_and_lives_is_ended() {
    let script = "exec 1>&-; echo alive >&2; sleep 600";
    let mut server =
        Server::with(&json!({ "deaf": { "command": "/bin/sh", "args": ["-c", script] } }));
    let listed = server.listed("deaf");
    assert!(listed["error"].is_string(), "{listed:#}");
    let processes = Family::below(server.pid());
    assert_eq!(server.close().code(), Some(0));
    let gone = || processes.is_gone();
    assert!(within(Duration::from_secs(8), gone), "something is left of {processes:?}");
}

#[test]
fn names_of_any_length_cost_nothing() {
    let mut server = stub();
    let code = "
        const long = 'x'.repeat(900_000);
        const errors = [];
        for (let i = 0; i < 40; i++) {
          for (const call of [() => callTool(long + i, 't'), () => callTool('stub', long + i),
                              () => callMCPTool('mcp__' + long)]) {
            try { await call() } catch (e) { errors.push(e.name) }
          }
        }
        [errors.length, new Set(errors).size, await getToolSchema('mcp__stub__' + long),
         (await searchTools(long)).length]";
    let execution = server.run(code);
    assert_eq!(execution["returnValue"], json!([120, 1, null, 0]), "{execution:#.300}");
    assert!(execution.to_string().len() < 1000, "{} bytes", execution.to_string().len());
}

#[test]
fn a_bad_list_is_one_line_of_the_log() {
    let server = Server::with(&json!({ "bad": upstream(&["nameless"]) }));
    server.logs(&["bad", "10000 without a usable name"]);
    assert_eq!(server.log().matches("usable name").count(), 1, "{}", server.log());
}

#[test]
fn a_server_that_mutters_is_heard_for_some_lines_a_second() {
    let mut server = Server::with(&json!({ "odd": upstream(&["hostile"]) }));
    let start = Instant::now();
    assert_eq!(server.value("await callTool('odd', 'mutter')"), "muttered");
    server.logs(&["odd", "muttering 0"]);
    let lines = server.log().matches("muttering").count() as u64;
    assert!(lines <= 100 * (start.elapsed().as_secs() + 2), "{lines} lines");
    assert!(!server.log().contains('\u{202e}'));
}

/// What nobody sees, a model could obey.
#[test]
fn what_is_not_visible_is_not_shown() {
    let mut server = Server::with(&json!({ "odd": upstream(&["hostile"]) }));
    let listed = server.listed("odd");
    assert_eq!(listed["tools"], 3, "{listed:#}");
    let mut shown = listed.to_string();
    for format in ["json", "typescript", "python"] {
        let arguments = json!({ "server": "odd", "format": format });
        shown += &server.call("get_tools", arguments).to_string();
    }
    for detail in ["brief", "detailed", "full"] {
        let arguments = json!({ "query": "reads a file", "detail": detail });
        shown += &server.call("search_tools", arguments).to_string();
    }
    shown += &server.value("await mcpFactory.load('odd').then((s) => s.listTools())").to_string();
    let (_, message) = server.thrown("callTool('odd', 'ech\\u{202e}\\u{200b}')");
    shown += &message;
    assert!(shown.matches("Reads a file").count() >= 6, "{shown}");
    for hidden in ['\u{202e}', '\u{200b}', '\u{e0041}'] {
        assert!(!shown.contains(hidden), "{hidden:?} in {shown}");
    }
}

#[test]
fn a_schema_that_takes_long_to_read_holds_nobody_up() {
    let mut server = Server::with(&json!({ "heavy": upstream(&["heavy"]) }));
    assert_eq!(server.listed("heavy")["tools"], 1);
    let start = Instant::now();
    let arguments = json!({ "server": "heavy", "format": "typescript" });
    let shown = server.call("get_tools", arguments);
    let text = crate::support::results::text(&shown);
    assert!(text.contains("export function heavy(args"), "{text:.500}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
