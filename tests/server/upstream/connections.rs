//! Connections: what the configuration says, what becomes of it, and that a
//! server is connected once and kept.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::home::{CONFIGURATION, Home};
use crate::support::pipes::Server;
use crate::support::processes::Family;
use crate::support::results::entry;
use crate::support::snippets::RUN;
use crate::support::upstreams::{only_stub, stub_bad_and_off, upstream, upstream_with};
use crate::support::waiting::within;

const NAMES: &str = "(await mcpFactory.listServers()).map((server) => server.name)";
const COUNT: &str = "await callTool('stub', 'count')";

/// The reason for which an entry of this configuration is not used.
#[track_caller]
fn reason(entry: Value) -> String {
    let mut server = Server::with(&json!({ "x": entry, "stub": upstream(&["stub"]) }));
    let listed = server.listed("x");
    assert_eq!(listed["tools"], 0, "{listed:#}");
    let reason = listed["error"].as_str().expect("a reason").to_owned();
    // Where the administrator looks: the log. The other entry works.
    server.logs(&["x", reason.split(['"', '\\']).next().unwrap_or_default()]);
    assert_eq!(server.value("await callTool('stub', 'echo', { text: 'a' })"), "a");
    let (_, error) = server.error("await callTool('x', 'echo')");
    assert!(error.contains("MCP server \"x\" failed to connect"), "{error}");
    reason
}

#[test]
fn an_unknown_key_is_named_with_the_one_that_is_near() {
    let reason = reason(json!({ "comand": "cat" }));
    assert!(reason.contains("comand") && reason.contains("command"), "{reason}");
}

#[test]
fn an_entry_is_a_command_or_a_url() {
    let both = reason(json!({ "command": "cat", "url": "https://example.com/mcp" }));
    assert!(both.contains("command") && both.contains("url"), "{both}");
    let neither = reason(json!({ "args": ["x"] }));
    assert!(neither.contains("command") && neither.contains("url"), "{neither}");
}

#[test]
fn a_url_is_http_and_without_a_password() {
    let scheme = reason(json!({ "type": "http", "url": "ftp://example.com/" }));
    assert!(scheme.contains("http"), "{scheme}");
    let password = reason(json!({ "url": "https://user:PASSWORD-CANARY@example.com/mcp" }));
    assert!(password.contains("headers") && !password.contains("CANARY"), "{password}");
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    let reason = reason(json!({ "command": "cat", "env": { "A": "env:NOT_THERE" } }));
    assert!(reason.contains("NOT_THERE"), "{reason}");
}

#[test]
fn values_of_the_wrong_type_are_named() {
    for (entry, member) in [
        (json!({ "command": ["cat"] }), "command"),
        (json!({ "command": "cat", "args": "x" }), "args"),
        (json!({ "command": "cat", "env": { "A": [1] } }), "env"),
        (json!({ "command": "cat", "timeout": "soon" }), "timeout"),
        (json!({ "command": "cat", "timeout": 0 }), "timeout"),
        (json!({ "command": "cat", "allowedTools": "echo" }), "allowedTools"),
        (json!({ "command": "cat", "deniedTools": [1] }), "deniedTools"),
    ] {
        let reason = reason(entry.clone());
        assert!(reason.contains(member), "{entry}: {reason}");
    }
}

#[test]
fn a_directory_that_cannot_be_entered_is_named() {
    for (cwd, why) in [("/not/there", "No such file"), ("/dev/null", "it is not a directory")] {
        let reason = reason(upstream_with(&["stub"], json!({ "cwd": cwd })));
        let named = format!("its \"cwd\" \"{cwd}\" cannot be entered: ");
        assert!(reason.starts_with(&named) && reason.contains(why), "{reason}");
    }
    // A command that is not there is named, wherever it was to run.
    for entry in
        [json!({ "command": "/not/there" }), json!({ "command": "/not/there", "cwd": "/" })]
    {
        let reason = reason(entry);
        assert!(reason.starts_with("cannot start \"/not/there\""), "{reason}");
    }
}

#[test]
fn a_name_that_comes_twice_is_a_problem_of_both() {
    let home = Home::empty();
    let stub = upstream(&["stub"]);
    home.write(
        CONFIGURATION,
        &format!(r#"{{"mcpServers": {{"a": {stub}, "a": {{"command": "cat"}}}}}}"#),
    );
    let mut server = Server::at(home, &[]);
    let list = server.structured("list_mcp_servers", json!({}));
    assert!(list.to_string().contains("given twice"), "{list:#}");
    let error = server.run("await callTool('a', 'echo', { text: 'first' })")["error"].to_string();
    assert!(error.contains("given twice"), "{error}");
}

#[test]
fn a_server_that_ends_at_once_is_an_error_that_says_so() {
    let mut server = Server::with(&json!({ "gone": upstream(&["dies"]) }));
    let listed = server.listed("gone");
    assert!(listed["error"].is_string(), "{listed:#}");
    server.logs(&["gone", "cannot start: the licence is missing"]);
    let (kind, error) = server.error("await callTool('gone', 'echo')");
    assert_eq!(kind, "runtime");
    assert!(error.contains("MCP server \"gone\" failed to connect"), "{error}");
}

#[test]
fn a_disabled_server_is_nowhere() {
    let mut server = Server::with(&stub_bad_and_off());
    assert_eq!(server.value(NAMES), json!(["stub", "bad"]));
    let (_, error) = server.error("await mcpFactory.load('off')");
    assert!(error.contains("MCP server \"off\" not found"), "{error}");
    let list = server.structured("list_mcp_servers", json!({}));
    assert_eq!(entry(&list, "off"), None);
}

/// Whether `stdio` starts with this configuration; what it says.
fn starts(text: &str) -> (Option<i32>, String) {
    let home = Home::empty();
    home.write(CONFIGURATION, text);
    let ended = Command::new(env!("CARGO_BIN_EXE_mcp-conductor"))
        .arg("stdio")
        .env_clear()
        .env("HOME", home.root())
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts");
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

#[test]
fn a_file_that_is_no_configuration_stops_the_start_with_one_line() {
    for text in ["{\n  \"mcpServers\": {,}\n}", "", "[]", "{}", r#"{"mcpServers": []}"#] {
        let (code, said) = starts(text);
        assert_eq!(code, Some(3), "{text:?}: {said}");
        assert!(said.contains("mcp.json") && said.trim_end().lines().count() == 1, "{said}");
    }
    let (_, said) = starts("{\n  \"mcpServers\": {,}\n}");
    assert!(said.contains("line 2"), "{said}");
    assert_eq!(starts(r#"{"mcpServers": {}}"#).0, Some(0));
}

#[test]
fn files_of_other_programs_are_read() {
    let stub = upstream_with(&["stub"], json!({ "autoApprove": [], "icon": "x" }));
    for text in [
        json!({ "servers": { "stub": stub }, "inputs": [] }).to_string(),
        format!("\u{feff}{}", json!({ "mcpServers": { "stub": stub }, "$schema": "x" })),
    ] {
        let home = Home::empty();
        home.write(CONFIGURATION, &text);
        let mut server = Server::at(home, &[]);
        assert_eq!(server.listed("stub")["error"], Value::Null, "{text}");
    }
}

#[test]
fn the_file_can_be_anywhere_and_has_two_names() {
    for (file, variable) in [
        ("elsewhere.json", Some("MCP_CONDUCTOR_MCP_CONFIG")),
        ("elsewhere.json", Some("MCP_CONDUCTOR_PROXY_CONFIG")),
        (".mcp-conductor/mcp-config.json", None),
    ] {
        let home = Home::empty();
        home.write(file, &json!({ "mcpServers": only_stub() }).to_string());
        let path = home.path(file).display().to_string();
        let variables: Vec<_> = variable.map(|name| (name, path.as_str())).into_iter().collect();
        let mut server = Server::at(home, &variables);
        assert_eq!(server.value(NAMES), json!(["stub"]), "{variable:?}");
    }
}

#[test]
fn one_connection_serves_all_runs() {
    let mut server = Server::with(&only_stub());
    assert_eq!([server.value(COUNT), server.value(COUNT), server.value(COUNT)], [1, 2, 3]);
}

#[test]
fn a_server_that_crashed_is_connected_again() {
    let mut server = Server::with(&only_stub());
    assert_eq!(server.value(COUNT), 1);
    let (kind, error) = server.error("await callTool('stub', 'crash')");
    assert_eq!(kind, "runtime");
    assert!(error.contains("stub"), "{error}");
    let again = within(Duration::from_secs(10), || server.run(COUNT)["returnValue"] == 1);
    assert!(again, "{}", server.log());
}

#[test]
fn a_server_that_says_nothing_keeps_nobody_waiting() {
    let start = Instant::now();
    let mut server =
        Server::with(&json!({ "silent": upstream(&["silent"]), "stub": upstream(&["stub"]) }));
    assert_eq!(server.value("1 + 1"), 2);
    assert_eq!(server.value(COUNT), 1);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    // A call of it ends with the run that made it.
    let arguments = json!({ "timeout": 500 });
    let execution = server.execute("await callTool('silent', 'echo')", arguments);
    assert_eq!(execution["errorType"], "timeout", "{execution:#}");
    // The list comes all the same, with what is known of the others.
    let list = server.structured("list_mcp_servers", json!({}));
    let silent = entry(&list, "silent").expect("it is listed");
    assert!(silent["tools"] == 0 && silent["error"].is_string(), "{silent:#}");
    assert_eq!(entry(&list, "stub").expect("it is listed")["error"], Value::Null);
}

#[test]
fn a_changed_file_is_read_again() {
    let mut server = Server::with(&only_stub());
    assert_eq!(server.value(COUNT), 1);
    let mut servers = only_stub();
    servers["later"] = upstream(&["up"]);
    server.home().configure(&servers);
    let limit = Duration::from_secs(10);
    assert!(within(limit, || server.value(NAMES) == json!(["stub", "later"])), "{}", server.log());
    assert_eq!(server.value("await callTool('later', 'echo', { a: 1 })"), json!({ "a": 1 }));
    // What did not change stays connected.
    assert_eq!(server.value(COUNT), 2);
    server.home().configure(&json!({ "later": upstream(&["up"]) }));
    assert!(within(limit, || server.value(NAMES) == json!(["later"])), "{}", server.log());
}

#[test]
fn a_file_of_variables_that_changes_is_read_again_and_one_that_is_new_waits() {
    let home = Home::empty();
    home.write("a.env", "A=1");
    let stub = |file: &str| upstream_with(&["stub"], json!({ "envFile": file }));
    home.configure(&json!({ "stub": stub("../a.env") }));
    let mut server = Server::at(home, &[]);
    const A: &str = "(await callTool('stub', 'env')).A";
    assert_eq!(server.value(A), "1");
    server.home().write("a.env", "A=2");
    assert!(within(Duration::from_secs(10), || server.run(A)["returnValue"] == "2"));
    server.home().write("b.env", "A=3");
    server.home().configure(&json!({ "stub": stub("../b.env") }));
    server.logs(&["stub", "restart this server"]);
    let (_, error) = server.error(A);
    assert!(error.contains("MCP server \"stub\" failed to connect"), "{error}");
}

#[test]
fn a_file_that_became_unusable_changes_nothing_and_is_told_of() {
    let mut server = Server::with(&only_stub());
    assert_eq!(server.value(COUNT), 1);
    server.home().write(CONFIGURATION, "{ this is no JSON");
    server.logs(&["mcp.json", "line 1"]);
    assert_eq!(server.value(COUNT), 2);
    let health = server.say("health", json!({}));
    assert!(health.contains("mcp.json"), "{health}");
    server.home().configure(&only_stub());
    let mended = || !server.say("health", json!({})).contains("mcp.json");
    assert!(within(Duration::from_secs(10), mended), "the problem is over");
}

#[test]
fn lists_in_pages_are_read_to_their_end() {
    let mut server = Server::with(&json!({ "many": upstream(&["many", "--pages"]) }));
    assert_eq!(server.listed("many")["tools"], 1000);
    let value = server.value("await callTool('many', 'export_invoices', { customer: 'c' })");
    assert_eq!(value["tool"], "export_invoices");
}

#[test]
fn a_list_ends_where_its_cursor_repeats_itself() {
    let mut server = Server::with(&json!({ "field": upstream(&["field"]) }));
    let listed = server.listed("field");
    assert_eq!((&listed["tools"], &listed["error"]), (&json!(5), &Value::Null), "{listed:#}");
    // Each page of these is the same.
    assert_eq!(listed["resources"], 2);
    server.logs(&["field", "tools", "nextCursor", "repeats"]);
    let said = server.value("await callTool('field', 'say', { text: 'pong' })");
    assert_eq!(said, "pong");
    assert_eq!(
        server.value("await callTool('field', 'openapi', { repo: 'r' })"),
        "got {\"repo\":\"r\"}"
    );
}

#[test]
fn a_list_that_changes_is_listed_again() {
    let mut server = Server::with(&only_stub());
    let (_, error) = server.error("await callTool('stub', 'added')");
    assert!(error.contains("not found"), "{error}");
    server.value("await callTool('stub', 'relist')");
    let limit = Duration::from_secs(10);
    let added = || server.run("await callTool('stub', 'added')")["status"] == "success";
    assert!(within(limit, added), "the new tool can be called");
    let declared = server.say("get_tools", json!({ "server": "stub", "tools": ["added"] }));
    assert!(declared.contains("Was not there before"), "{declared}");
}

#[test]
fn a_server_of_the_stateless_protocol_is_spoken_to_in_it() {
    let mut server = Server::with(&json!({ "stub": upstream(&["stub", "--modern", "--pages"]) }));
    assert_eq!(server.listed("stub")["error"], Value::Null);
    assert_eq!(server.value(COUNT), 1);
    assert_eq!(server.value("await callTool('stub', 'structured')"), json!({ "v": 42 }));
    let value = server.value("await callTool('stub', 'echo', { text: 'modern' })");
    assert_eq!(value, "modern");
}

#[test]
fn what_a_server_says_on_stderr_is_logged_under_its_name() {
    let said = "hello from \u{1b}[31mthe child";
    let mut server = Server::with(&json!({ "noisy": upstream(&["stub", "--stderr", said]) }));
    server.listed("noisy");
    server.logs(&["noisy", "the child"]);
    assert!(!server.log().contains('\u{1b}'), "{:?}", server.log());
}

#[test]
fn a_server_ends_with_everything_that_it_started() {
    let mut server = Server::with(&json!({ "a": upstream(&["stub"]), "b": upstream(&["up"]) }));
    server.value("await Promise.all([callTool('a', 'count'), callTool('b', 'echo')])");
    let hanging = server.start_call(RUN, json!({ "deno_code": "callTool('a', 'hang')" }));
    server.reaches("a");
    let processes = Family::below(server.pid());
    assert!(processes.len() >= 3, "a zygote and two servers: {processes:?}");
    server.notify("notifications/cancelled", json!({ "requestId": hanging }));
    assert_eq!(server.close().code(), Some(0));
    let gone = || processes.is_gone();
    assert!(within(Duration::from_secs(5), gone), "something is left of {processes:?}");
}
