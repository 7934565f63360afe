//! Which tools may be called: what the configuration allows, cut down further by
//! what a call allows its own program.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::home::{AUDIT_LOG, Home};
use crate::support::pipes::Server;
use crate::support::processes::{Family, descriptors};
use crate::support::snippets::RUN;
use crate::support::upstreams::{only_stub, upstream, upstream_with};
use crate::support::waiting::within;

/// `up` with these rules, and an audit log.
fn up(rules: Value) -> Server {
    audited(&json!({ "up": upstream_with(&["up"], rules) }))
}

fn audited(servers: &Value) -> Server {
    let home = Home::with(servers);
    let log = home.path(AUDIT_LOG).display().to_string();
    Server::at(home, &[("MCP_CONDUCTOR_AUDIT_LOG", &log)])
}

/// Which tools of `up` a program can call, and which it is shown, in three ways.
const REACH: &str = "
    const names = ['echo', 'secret', 'evil'];
    const called = [];
    for (const name of names) {
      try { await callTool('up', name, {}); called.push(name) }
      catch (e) { if (e.name !== 'NotCapable') called.push(String(e)) }
    }
    const listed = (await (await mcpFactory.load('up')).listTools()).map((tool) => tool.name);
    const found = (await discoverMCPTools()).map((tool) => tool.name);
    const schemas = [];
    for (const name of names) if (await getToolSchema('mcp__up__' + name)) schemas.push(name);
    const module = Object.keys((await import('mcp:up')).default);
    const shown = (list, prefix) => names.filter((name) => list.includes(prefix + name));
    [called, shown(listed, ''), shown(found, 'mcp__up__'), schemas, shown(module, '')]";

#[test]
fn a_program_calls_and_sees_what_the_configuration_allows() {
    for (rules, expected) in [
        (json!({}), json!(["echo", "secret", "evil"])),
        (json!({ "allowedTools": ["echo"] }), json!(["echo"])),
        (json!({ "allowedTools": ["e*"] }), json!(["echo", "evil"])),
        (json!({ "deniedTools": ["secret"] }), json!(["echo", "evil"])),
        (json!({ "deniedTools": ["?cho", "s*t"] }), json!(["evil"])),
        (json!({ "allowedTools": ["*"], "deniedTools": ["e*"] }), json!(["secret"])),
        (json!({ "allowedTools": ["ECHO", "ech", "[e]cho", "ech.", "echo*o"] }), json!([])),
    ] {
        let mut server = up(rules.clone());
        assert_eq!(server.value(REACH), Value::Array(vec![expected; 5]), "{rules}");
    }
}

#[test]
fn models_are_shown_what_programs_may_call() {
    let mut server = up(json!({ "deniedTools": ["secret"] }));
    let listed = server.listed("up");
    let told = [
        listed.to_string(),
        server.say("get_tools", json!({ "server": "up" })),
        server.say("get_tools", json!({ "server": "up", "format": "typescript" })),
        server.say("search_tools", json!({ "query": "secret", "limit": 100 })),
        server.information["instructions"].to_string(),
    ];
    for text in told {
        assert!(!text.contains("secret"), "{text}");
    }
    let refusal = server.refusal("get_tools", json!({ "server": "up", "tools": ["secret"] }));
    assert!(refusal.contains("not found"), "{refusal}");
}

#[test]
fn a_call_allows_its_program_fewer_tools_and_never_more() {
    let mut server = up(json!({ "deniedTools": ["evil"] }));
    for (allowed, expected) in [
        (json!(["mcp__up__echo"]), json!(["echo"])),
        (json!(["up/echo"]), json!(["echo"])),
        (json!(["mcp__up__*"]), json!(["echo", "secret"])),
        (json!(["mcp__*__secret", "mcp__nothing__*"]), json!(["secret"])),
        (json!(["mcp__up__evil"]), json!([])),
        (json!(["down/echo", "mcp__down__echo", "mcp__up__ECHO"]), json!([])),
    ] {
        let arguments = json!({ "allowedTools": allowed });
        let called = "
            const called = [];
            for (const name of ['echo', 'secret', 'evil']) {
              try { await callTool('up', name, {}); called.push(name) }
              catch (e) { if (e.name !== 'NotCapable') called.push(String(e)) }
            }
            const seen = (await discoverMCPTools()).map((tool) => tool.name.slice('mcp__up__'.length));
            [called, seen.filter((name) => ['echo', 'secret', 'evil'].includes(name))]";
        let execution = server.execute(called, arguments);
        assert_eq!(execution["returnValue"], json!([expected, expected]), "{allowed}");
    }
    let none = server.execute("await callTool('up', 'echo', {})", json!({ "allowedTools": [] }));
    assert_eq!(none["errorType"], "permission", "{none:#}");
}

#[test]
fn patterns_that_are_none_are_refused() {
    let mut server = up(json!({}));
    for allowed in [
        json!("echo"),
        json!([1]),
        json!(["x".repeat(10_000)]),
        Value::Array(vec![json!("x"); 10_000]),
    ] {
        let arguments = json!({ "deno_code": "1", "allowedTools": allowed });
        let refusal = server.refusal(RUN, arguments);
        assert!(refusal.contains("Invalid arguments for tool run_deno_code"), "{refusal}");
    }
}

#[test]
fn a_pattern_made_to_take_long_does_not() {
    let hard = format!("mcp__{}b", "*a".repeat(100));
    let mut server = up(json!({ "deniedTools": [format!("{}b", "*a".repeat(100))] }));
    let start = Instant::now();
    let arguments = json!({ "allowedTools": [hard] });
    let name = "a".repeat(250);
    let code = format!("try {{ await callTool('up', '{name}', {{}}) }} catch (e) {{ e.name }}");
    let execution = server.execute(&code, arguments);
    assert_eq!(execution["returnValue"], "NotCapable", "{execution:#}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_refusal_says_who_refused() {
    for (rules, allowed, part) in [
        (json!({ "deniedTools": ["secret"] }), Value::Null, "deniedTools"),
        (json!({ "allowedTools": ["echo"] }), Value::Null, "allowedTools"),
        (json!({}), json!(["mcp__up__echo"]), "allowedTools"),
    ] {
        let mut server = up(rules);
        let arguments = json!({ "allowedTools": allowed });
        let execution = server.execute("await callTool('up', 'secret', {})", arguments);
        assert_eq!(execution["errorType"], "permission", "{execution:#}");
        let error = execution["error"].as_str().expect("a sentence");
        assert!(error.starts_with("NotCapable: "), "{error}");
        assert!(error.contains("up/secret") && error.contains(part), "{error}");
        assert_eq!(execution["errorDetail"]["line"], 1, "{execution:#}");
    }
}

#[test]
fn refusals_and_calls_are_in_the_audit_log() {
    let mut server = up(json!({ "deniedTools": ["secret"] }));
    let code = "await callTool('up', 'echo', { text: 'ARGUMENT-CANARY' });
try { await callTool('up', 'secret', {}) } catch { /* goes on */ }";
    server.value(code);
    assert!(within(Duration::from_secs(5), || server.home().audit().len() == 2));
    let lines = server.home().audit();
    let refusal = lines.iter().find(|line| line["kind"] == "refusal").expect("a refusal");
    assert_eq!(refusal["permission"], "tool", "{refusal:#}");
    assert_eq!(refusal["target"], "up/secret", "{refusal:#}");
    assert_eq!(refusal["operation"], "callTool", "{refusal:#}");
    assert_eq!(refusal["line"], 2, "{refusal:#}");
    assert!(refusal["reason"].as_str().is_some_and(|reason| reason.contains("deniedTools")));
    let run = lines.iter().find(|line| line["kind"] == "execution").expect("an execution");
    assert_eq!(run["refusals"], 1, "{run:#}");
    assert!(run["tools"].to_string().contains("up/echo"), "{run:#}");
    assert!(!json!(lines).to_string().contains("CANARY"), "{lines:#?}");
}

#[test]
fn a_server_with_nothing_allowed_answers_no_other_question() {
    let mut server = audited(&only_stub());
    let code = "
        const s = await mcpFactory.load('stub');
        const caught = async (question) => { try { return await question() } catch (e) { return e.name } };
        [await caught(() => s.readResource('mem://one')), await caught(() => s.getPrompt('p'))]";
    let execution = server.execute(code, json!({ "allowedTools": ["mcp__other__*"] }));
    assert_eq!(execution["returnValue"], json!(["NotCapable", "NotCapable"]), "{execution:#}");
}

#[derive(Debug, Deserialize)]
struct Case {
    id: String,
    /// `allow-tool=up/echo`: of the server `up`, this tool only.
    grants: String,
    code: String,
    /// Alternatives, separated by `|`; one without a kind has that of the one before.
    must: String,
    why: String,
}

impl Case {
    fn ended_as_it_must(&self, execution: &Value) -> bool {
        let output: Vec<&str> = execution["output"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let error = execution["errorDetail"]["name"].as_str();
        let mut kind = "";
        self.must.split('|').any(|alternative| {
            let (given, what) = alternative.split_once(':').unwrap_or((kind, alternative));
            kind = given;
            if kind == "ok" {
                let value = execution["returnValue"].to_string();
                let mut all = output.iter().copied().chain([value.as_str()]);
                return execution["status"] == "success" && all.any(|line| line.contains(what));
            }
            let class = if what == "Error" { "" } else { what };
            error.is_some_and(|name| name.starts_with(class))
                || output.iter().any(|line| line.starts_with(&format!("DENIED:{class}")))
        })
    }

    /// What is wrong with how it ended, and with what it left behind.
    fn problems(&self) -> Vec<String> {
        let tool = self.grants.strip_prefix("allow-tool=up/").expect("a grant of one tool");
        let mut server = up(json!({ "allowedTools": [tool] }));
        server.listed("up");
        server.value("1 + 1");
        server.rests();
        let before = (descriptors(server.pid()), Family::below(server.pid()).len());

        let execution = server.execute(&self.code, json!({ "timeout": 8000 }));
        let mut problems = Vec::new();
        if !self.ended_as_it_must(&execution) {
            problems.push(format!("must {}", self.must));
        }
        let printed = format!("{} {}", execution["output"], execution["returnValue"]);
        let seen = format!("{execution} {} {}", server.log(), server.home().read(AUDIT_LOG));
        if printed.contains("LEAK:") || seen.contains("TOOL-CANARY") {
            problems.push("it leaked".to_owned());
        }
        let start = Instant::now();
        let lives = server.run("1 + 1")["returnValue"] == 2;
        if !lives || start.elapsed() > Duration::from_secs(4) {
            problems.push(format!("the server took {:?} for the next run", start.elapsed()));
        }
        let pid = server.pid();
        let rests = || descriptors(pid) <= before.0 && Family::below(pid).len() <= before.1;
        if !within(Duration::from_secs(5), rests) {
            let now = (descriptors(pid), Family::below(pid).len());
            problems.push(format!("left over: {now:?} of descriptors and processes {before:?}"));
        }
        if !problems.is_empty() {
            problems.push(format!("{execution:#}").chars().take(2000).collect());
        }
        problems
    }
}

#[test]
fn no_program_calls_tools_beyond_its_grant() {
    let cases: Vec<Case> = include_str!("hostile.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a case"))
        .collect();
    assert_eq!(cases.len(), 9);
    let failures: Vec<String> = cases
        .iter()
        .map(|case| (case, case.problems()))
        .filter(|(_, problems)| !problems.is_empty())
        .map(|(case, problems)| format!("{} ({}):\n{}", case.id, case.why, problems.join("\n")))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_late_answer_reaches_no_other_run() {
    let mut server = Server::with(&json!({ "up": upstream(&["up"]) }));
    let late = "
        callTool('up', 'slow', { ms: 700 });
        await new Promise((resolve) => setTimeout(resolve, 200));
        Deno.exit(0)";
    assert_eq!(server.run(late)["status"], "success");
    let code = "
        const seen = [];
        for (let n = 0; n < 20; n++) {
          seen.push((await callTool('up', 'echo', { n })).n);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        seen.every((got, n) => got === n)";
    assert_eq!(server.value(code), true);
}
