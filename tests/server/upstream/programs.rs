//! The globals with which a program finds and calls tools.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::snippets::RUN;
use crate::support::upstreams::{only_stub, stub_bad_and_off, upstream};

fn stub() -> Server {
    Server::with(&only_stub())
}

fn names(listed: &Value) -> Vec<&str> {
    let servers = listed.as_array().expect("a list").iter();
    servers.map(|server| server["name"].as_str().expect("a name")).collect()
}

#[test]
fn a_server_has_tools_resources_and_prompts() {
    let mut server = stub();
    let code = "
        const s = await mcpFactory.load('stub');
        const tools = await s.listTools();
        const echo = tools.find((tool) => tool.name === 'echo');
        ({
          name: s.name,
          echo: [echo.description, Object.keys(echo.inputSchema.properties)],
          resources: (await s.listResources()).map((resource) => resource.uri),
          resource: (await s.readResource('mem://one')).contents[0].text,
          prompts: (await s.listPrompts()).map((prompt) => prompt.name),
          prompt: (await s.getPrompt('p', { who: 'Ada' })).messages[0].content.text,
        })";
    assert_eq!(
        server.value(code),
        json!({
            "name": "stub",
            "echo": ["Echo", ["text", "n"]],
            "resources": ["mem://one"],
            "resource": "resource body",
            "prompts": ["p"],
            "prompt": "hi Ada",
        })
    );
}

#[test]
fn what_a_server_does_not_have_is_its_error() {
    let mut server = stub();
    for (call, part) in
        [("s.readResource('mem://two')", "mem://two"), ("s.getPrompt('q')", "Prompt not found")]
    {
        let (_, message) = server.thrown(&format!("mcpFactory.load('stub').then((s) => {call})"));
        assert!(message.contains(part) && message.contains("stub"), "{message}");
    }
}

#[test]
fn tools_are_called_by_their_qualified_names() {
    let mut server = Server::with(&json!({
        "stub": upstream(&["stub"]), "a__b": upstream(&["up"]), "a": upstream(&["stub"]),
    }));
    let code = "
        [await callMCPTool('mcp__stub__echo', { text: 'hello' }),
         await callMCPTool('mcp__a__b__echo', { n: 1 })]";
    assert_eq!(server.value(code), json!(["hello", { "n": 1 }]));
    for name in ["mcp__stub__ecko", "mcp__stubb__echo", "stub__echo", "mcp__stub", "", "__proto__"]
    {
        let (error, message) = server.thrown(&format!("callMCPTool('{name}', {{}})"));
        assert!(error.ends_with("Error") && !message.is_empty(), "{name}: {error} {message}");
    }
}

#[test]
fn tools_are_found_from_inside() {
    let mut server = stub();
    let code = "
        const found = await discoverMCPTools({ search: 'echo' });
        const all = await discoverMCPTools();
        const two = await discoverMCPTools({ limit: 2 });
        const searched = await searchTools('text that is JSON', 3);
        ({
          first: found[0],
          all: all.length,
          two: two.length,
          searched: [searched.length, searched[0].name],
          schema: await getToolSchema('mcp__stub__echo'),
          none: [await getToolSchema('mcp__stub__nothing'), await getToolSchema('nonsense')],
        })";
    let value = server.value(code);
    let echo = json!({
        "name": "mcp__stub__echo",
        "description": "Echo",
        "parameters": {
            "type": "object",
            "properties": { "text": { "type": "string" }, "n": { "type": "number" } },
            "required": ["text"],
        },
    });
    assert_eq!(value["first"], echo);
    assert_eq!(value["schema"], echo);
    assert_eq!(value["none"], json!([null, null]));
    assert_eq!(value["two"], 2);
    assert_eq!(value["searched"], json!([3, "mcp__stub__json"]));
    assert!(value["all"].as_u64() > Some(20), "{value:#}");
}

#[test]
fn calls_run_at_the_same_time() {
    let mut server = stub();
    let code = "
        const start = Date.now();
        await Promise.all(Array.from({ length: 20 }, () => callTool('stub', 'slow', { ms: 300 })));
        Date.now() - start";
    let took = server.value(code);
    assert!(took.as_u64() < Some(5500), "20 calls of 300 ms took {took} ms");
}

#[test]
fn more_calls_at_once_than_there_are_places_all_come_back() {
    let mut server = stub();
    let code = "
        const calls = Array.from({ length: 300 }, (_, n) => callTool('stub', 'echo', { text: '#' + n }));
        (await Promise.all(calls)).every((text, n) => text === '#' + n)";
    assert_eq!(server.value(code), true);
}

#[test]
fn time_that_is_waited_is_no_cpu_time() {
    let variables = [("MCP_CONDUCTOR_MAX_CPU_TIME", "300")];
    let mut server = Server::at(Home::with(&only_stub()), &variables);
    assert_eq!(server.value("await callTool('stub', 'slow', { ms: 1000 })"), "done");
}

#[test]
fn runs_at_the_same_time_share_a_server() {
    let mut server = stub();
    let runs: Vec<u64> = (0..6)
        .map(|n| {
            let code = format!(
                "await callTool('stub', 'slow', {{ ms: 200 }});
                 await callTool('stub', 'echo', {{ text: 'run {n}' }})"
            );
            server.start_call(RUN, json!({ "deno_code": code }))
        })
        .collect();
    for (n, id) in runs.into_iter().enumerate() {
        let result = server.result(id);
        assert_eq!(result["structuredContent"]["returnValue"], format!("run {n}"), "{result:#}");
    }
}

#[test]
fn a_value_is_not_lost_to_a_call_that_is_left_behind() {
    let mut server = stub();
    let code = "const slow = callTool('stub', 'slow', { ms: 60_000 });
        while (await callTool('stub', 'inside') < 1) await new Promise((r) => setTimeout(r, 10));
        await Promise.race([slow, 'value'])";
    let execution = server.run(code);
    assert_eq!(
        (&execution["status"], &execution["returnValue"]),
        (&"success".into(), &"value".into())
    );
    let expected = json!([{ "what": "callTool stub/slow", "line": 1, "column": 14 }]);
    assert_eq!(execution["unfinished"], expected, "{execution:#}");
    let cancelled =
        || server.run("await callTool('stub', 'cancelled')")["returnValue"].as_u64() >= Some(1);
    assert!(crate::support::waiting::within(Duration::from_secs(5), cancelled));
}

#[test]
fn a_call_of_a_module_that_is_left_behind_is_named_with_the_program_s_line() {
    let mut server = stub();
    let execution = server.run("import * as stub from 'mcp:stub';\nstub.slow({ ms: 60_000 });\n5");
    assert_eq!(execution["returnValue"], 5, "{execution:#}");
    let unfinished = &execution["unfinished"][0];
    assert_eq!(
        (&unfinished["what"], &unfinished["line"]),
        (&"callTool stub/slow".into(), &2.into())
    );
}

#[test]
fn a_call_outlives_nothing() {
    let mut server = stub();
    let execution = server.run(
        "callTool('stub', 'slow', { ms: 60_000 });
         while (await callTool('stub', 'inside') < 1) await new Promise((r) => setTimeout(r, 10));
         Deno.exit(0)",
    );
    assert_eq!(execution["status"], "success", "{execution:#}");
    let cancelled =
        || server.run("await callTool('stub', 'cancelled')")["returnValue"].as_u64() >= Some(1);
    assert!(crate::support::waiting::within(Duration::from_secs(5), cancelled));
}

#[test]
fn all_servers_are_listed_with_what_they_have_the_failed_ones_too() {
    let mut server = Server::with(&stub_bad_and_off());
    let listed = server.value("await mcpFactory.listServers()");
    assert_eq!(names(&listed), ["stub", "bad"]);
    let stub = &listed[0];
    assert!(stub["tools"].as_u64() > Some(20), "{stub:#}");
    assert_eq!((&stub["resources"], &stub["prompts"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&stub["description"], &stub["error"]),
        (&json!("The fixture in the mode stub."), &Value::Null)
    );
    let members: Vec<&str> =
        stub.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(members, ["name", "description", "tools", "resources", "prompts", "error"]);
    let bad = &listed[1];
    assert_eq!(
        (&bad["tools"], &bad["resources"], &bad["prompts"]),
        (&json!(0), &json!(0), &json!(0))
    );
    assert!(bad["error"].as_str().is_some_and(|error| error.contains("/nonexistent/bin")), "{bad}");
}

#[test]
fn a_listed_server_stands_for_its_name() {
    let mut server = stub();
    let code = "
        const [server] = await mcpFactory.listServers();
        ({
          text: `${server}`, joined: [server].join(), equals: server == 'stub',
          loaded: (await mcpFactory.load(server)).name,
          called: await callTool(server, 'echo', { text: 'a' }), sample: server.sample_tools[0],
        })";
    let sample = "echo(text:string, n?:number) - Echo";
    assert_eq!(
        server.value(code),
        json!({
            "text": "stub", "joined": "stub", "equals": true, "loaded": "stub", "called": "a",
            "sample": sample,
        })
    );
}

#[test]
fn servers_that_a_run_may_not_use_are_not_listed() {
    let mut server = Server::with(&json!({ "a": upstream(&["up"]), "b": upstream(&["up"]) }));
    for (patterns, expected) in [
        (json!(["mcp__a__*"]), json!(["a"])),
        (json!(["mcp__a__echo", "b/nothing"]), json!(["a"])),
        (json!([]), json!([])),
    ] {
        let arguments = json!({ "allowedTools": patterns });
        let code = "(await mcpFactory.listServers()).map((server) => [server.name, server.tools])";
        let execution = server.execute(code, arguments);
        let listed = execution["returnValue"].as_array().expect("a list");
        let names: Value = listed.iter().map(|server| server[0].clone()).collect();
        assert_eq!(names, expected, "{patterns}: {execution:#}");
    }
}

#[test]
fn a_run_that_has_made_all_its_calls_is_told_no_counts() {
    let limit = [("MCP_CONDUCTOR_MAX_TOOL_CALLS", "0")];
    let mut server = Server::at(Home::with(&only_stub()), &limit);
    let listed = server.value("await mcpFactory.listServers()");
    assert_eq!((&listed[0]["resources"], &listed[0]["prompts"]), (&Value::Null, &Value::Null));
    assert!(listed[0]["tools"].as_u64() > Some(20), "{listed:#}");
}

#[test]
fn without_a_configuration_there_is_no_server() {
    let mut server = Server::plain();
    assert_eq!(server.value("typeof mcpFactory"), "undefined");
    assert_eq!(server.value("await discoverMCPTools()"), json!([]));
    assert_eq!(server.thrown("callTool('x', 'y')").1, "MCP server \"x\" not found");
}

#[test]
fn a_program_cannot_change_what_the_next_one_calls() {
    let mut server = stub();
    let code = "
        globalThis.callTool = () => 'mine';
        const before = mcpFactory.load;
        try { mcpFactory.load = () => 'mine' } catch {}
        const module = await import('mcp:stub');
        [mcpFactory.load === before, await module.echo({ text: 'theirs' })]";
    assert_eq!(server.value(code), json!([true, "theirs"]));
    assert_eq!(server.value("await callTool('stub', 'echo', { text: 'theirs' })"), "theirs");
}

#[test]
fn the_instructions_name_the_servers_and_how_to_find_tools() {
    let server = Server::with(&stub_bad_and_off());
    let instructions = server.information["instructions"].as_str().expect("instructions");
    assert!(instructions.len() < 2048, "{} bytes", instructions.len());
    for word in ["stub", "search_tools", "run_deno_code"] {
        assert!(instructions.contains(word), "{word}: {instructions}");
    }
}

#[test]
fn instructions_stay_short_with_many_servers() {
    let servers: serde_json::Map<String, Value> = (0..200)
        .map(|n| {
            (
                format!("a server with quite a long name, number {n}"),
                json!({ "command": "/nonexistent/bin" }),
            )
        })
        .collect();
    let server = Server::with(&Value::Object(servers));
    let instructions = server.information["instructions"].as_str().expect("instructions");
    assert!(instructions.len() < 2048, "{} bytes", instructions.len());
}
