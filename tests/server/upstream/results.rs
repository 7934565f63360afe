//! What a call of a tool gives a program, and what it throws.

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::results::text;
use crate::support::snippets::RUN;
use crate::support::upstreams::{only_stub, upstream};

fn stub() -> Server {
    Server::with(&only_stub())
}

fn field() -> Server {
    Server::with(&json!({ "field": upstream(&["field"]) }))
}

/// What a tool gives a program that says this text.
#[track_caller]
fn said(server: &mut Server, text: &str) -> Value {
    server.value(&format!("await callTool('field', 'say', {})", json!({ "text": text })))
}

#[test]
fn results_are_unwrapped() {
    let mut server = stub();
    let code = "
        const s = await mcpFactory.load('stub');
        const results = {};
        for (const tool of ['json', 'num', 'structured', 'two', 'count']) {
          results[tool] = await s.callTool(tool);
        }
        results.echo = await s.callTool('echo', { text: 'hello' });
        results";
    assert_eq!(
        server.value(code),
        json!({
            "json": { "a": [1, 2], "b": "x" },
            "num": "007",
            "structured": { "v": 42 },
            "two": "first\nsecond",
            "count": 1,
            "echo": "hello",
        })
    );
}

#[test]
fn results_without_text_come_as_they_are() {
    let mut server = stub();
    assert_eq!(server.value("await callTool('stub', 'empty')"), json!({ "content": [] }));
    assert_eq!(
        server.value("({ link: (await callTool('stub', 'link')).content })"),
        json!({ "link": [{ "type": "resource_link", "uri": "mem://one", "name": "one" }] })
    );
}

#[test]
fn a_text_that_is_no_object_and_no_list_is_text() {
    let mut server = field();
    for text in
        ["3.10", "1915883588174806058", "1e3", "null", "true", "007", "", " ", "\"a\"", "5 {"]
    {
        assert_eq!(said(&mut server, text), text);
    }
}

#[test]
fn a_text_that_is_an_object_or_a_list_is_its_value() {
    let mut server = field();
    for text in ["{}", " \r\n\t[1, 3.10]", r#"{"a":[9007199254740992,-0.1]}"#] {
        let value: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(said(&mut server, text).to_string(), value.to_string());
    }
    for text in ["{", "[1] and more", "{a: 1}"] {
        assert_eq!(said(&mut server, text), text);
    }
}

#[test]
fn a_text_whose_numbers_would_change_stays_text() {
    let mut server = field();
    for text in [
        r#"{"id":1915883588174806058}"#,
        r#"[{"id": [-9007199254740993]}]"#,
        r#"{"id":1915883588174806016}"#,
        r#"{"huge":1e400}"#,
        r#"{"digits":123456789012345678901234567890}"#,
    ] {
        assert_eq!(said(&mut server, text), text);
    }
    // Nothing is lost of these.
    for text in [
        r#"{"wei":[1000000000000000000,1500000000000000000000]}"#,
        r#"{"id":"1915883588174806058","note":"id: 1915883588174806058"}"#,
        r#"{"ratio":0.12345678901234567890,"big":1e308}"#,
    ] {
        let value: Value = serde_json::from_str(text).expect("JSON");
        let same = format!(
            "JSON.stringify({value}) === JSON.stringify(await callTool('field', 'say', {{ text: `{text}` }}))"
        );
        assert_eq!(server.value(&same), true, "{text}");
    }
}

#[test]
fn an_integer_that_would_change_is_the_text_of_its_digits() {
    let mut server = field();
    let code = "
        const id = await callTool('field', 'structure', { id: 1915883588174806058n, few: [1, 2n] });
        const beyond = await callTool('field', 'beyond');
        [id, beyond, JSON.stringify(id).length, BigInt(id.id) + 1n]";
    assert_eq!(
        server.value(code),
        json!([
            { "id": "1915883588174806058", "few": [1, 2] },
            { "id": "18446744073709551617", "list": ["1e400", 1, 1e20] },
            40,
            "1915883588174806059",
        ])
    );
}

#[test]
fn an_integer_goes_to_the_next_tool_with_all_its_digits() {
    let mut server = field();
    let code = "
        const { id } = await callTool('field', 'structure', { id: 1915883588174806058n });
        [await callTool('field', 'number', { id }),
         await callTool('field', 'number', { id: BigInt(id) }),
         await callTool('field', 'say', { text: id }),
         await callTool('field', 'say', { text: BigInt(id) })]";
    assert_eq!(
        server.value(code),
        json!([
            "got {\"id\":1915883588174806058}",
            "got {\"id\":1915883588174806058}",
            "1915883588174806058",
            "1915883588174806058",
        ])
    );
    let (name, message) = server.thrown("callTool('field', 'number', { id: 10n ** 30n })");
    assert_eq!(name, "TypeError");
    assert!(message.contains("\"1000000000000000000000000000000\" is not of type"), "{message}");
}

#[test]
fn an_integer_that_the_program_itself_has_rounded_is_not_sent() {
    let mut server = field();
    let (name, message) = server.thrown("callTool('field', 'number', { id: 1915883588174806058 })");
    assert_eq!(name, "TypeError");
    assert!(message.contains("1915883588174806000"), "{message}");
    assert!(message.contains("write 1915883588174806058n or \"1915883588174806058\""), "{message}");
    let told = server.value("await callTool('field', 'number', { id: '1915883588174806058' })");
    assert_eq!(told, "got {\"id\":1915883588174806058}");
}

#[test]
fn what_openapi_writes_in_a_schema_is_understood() {
    let mut server = field();
    let code = "await callTool('field', 'openapi', { owner: null, repo: 'r', data: [1] })";
    assert_eq!(server.value(code), r#"got {"owner":null,"repo":"r","data":[1]}"#);
    let (_, message) = server.thrown("callTool('field', 'openapi', { owner: 5 })");
    assert!(message.contains("\"repo\" is a required property"), "{message}");
    assert!(message.contains("5 is not of types"), "{message}");
    assert!(
        message.ends_with("{owner?: string | null, repo: string, data?: unknown}"),
        "{message}"
    );
}

#[test]
fn a_tool_that_fails_throws() {
    let mut server = stub();
    let code = "
        try { await callTool('stub', 'fail') } catch (e) {
          ({
            name: e.name, message: e.message, server: e.server, tool: e.tool,
            content: e.content, ofTools: e instanceof McpToolError, isError: e instanceof Error,
          })
        }";
    assert_eq!(
        server.value(code),
        json!({
            "name": "McpToolError",
            "message": "it failed",
            "server": "stub",
            "tool": "fail",
            "content": [{ "type": "text", "text": "it failed" }],
            "ofTools": true,
            "isError": true,
        })
    );
}

#[test]
fn an_error_that_nobody_catches_is_the_runs() {
    let mut server = stub();
    let execution = server.run("console.log('before');\nawait callTool('stub', 'fail');");
    assert_eq!(execution["errorType"], "runtime", "{execution:#}");
    assert_eq!(execution["error"], "McpToolError: it failed");
    assert_eq!(execution["output"], json!(["before"]));
    assert_eq!(execution["errorDetail"]["line"], 2);
}

#[test]
fn names_that_mean_something_to_javascript_change_no_prototype() {
    let mut server = Server::with(&json!({ "up": upstream(&["up"]) }));
    let code = "
        const r = await callTool('up', 'evil');
        const parsed = structuredClone(r);
        [({}).polluted, parsed.polluted, typeof r.then === 'function', JSON.stringify(r).length > 0]";
    assert_eq!(server.value(code), json!([null, null, false, true]));
}

#[test]
fn a_picture_survives() {
    let mut server = stub();
    let code = "
        const r = await callTool('stub', 'img');
        const png = Uint8Array.from(atob(r.content[0].data), (c) => c.charCodeAt(0));
        [r.content.map((block) => block.type), r.content[0].mimeType, [...png.slice(0, 4)]]";
    assert_eq!(
        server.value(code),
        json!([["image", "text"], "image/png", [0x89, 0x50, 0x4e, 0x47]])
    );
}

#[test]
fn blocks_that_a_program_returns_are_blocks_of_its_result() {
    let mut server = stub();
    let result = server.call(RUN, json!({ "deno_code": "await callTool('stub', 'img')" }));
    let content = result["content"].as_array().expect("blocks");
    let image = content.iter().find(|block| block["type"] == "image");
    let image = image.unwrap_or_else(|| panic!("no picture: {result:#}"));
    assert_eq!(image["mimeType"], "image/png");
    assert!(image["data"].as_str().is_some_and(|data| data.starts_with("iVBORw0KGgo")));
    // The first block is the result as before.
    let told: Value = serde_json::from_str(&text(&result)).expect("JSON");
    assert_eq!(told["status"], "success");
    assert_eq!(told, result["structuredContent"]);
}

#[test]
fn blocks_anywhere_in_a_value_are_blocks_of_the_result_and_leave_a_mark() {
    let mut server = stub();
    let code = "
        const shot = () => callTool('stub', 'img');
        return { all: [await shot(), 7], last: { shot: (await shot()).content[0] } };";
    let result = server.call(RUN, json!({ "deno_code": code }));
    let content = result["content"].as_array().expect("blocks");
    let types: Vec<_> = content.iter().map(|block| &block["type"]).collect();
    assert_eq!(types, ["text", "image", "image"]);
    let value = &result["structuredContent"]["returnValue"];
    let mark = |place| json!({ "type": "image", "note": format!("see content block {place}") });
    assert_eq!(value["all"][0]["content"][0], mark(2));
    assert_eq!(value["all"][1], 7);
    assert_eq!(value["last"], json!({ "shot": mark(3) }));
    assert!(!text(&result).contains("iVBORw0KGgo"));
}

#[test]
fn a_link_that_a_program_returns_is_passed_through() {
    let mut server = stub();
    let result = server.call(RUN, json!({ "deno_code": "await callTool('stub', 'link')" }));
    let content = result["content"].as_array().expect("blocks");
    let link = content.iter().find(|block| block["type"] == "resource_link");
    assert_eq!(link.map(|link| &link["uri"]), Some(&json!("mem://one")), "{result:#}");
}

#[test]
fn arguments_are_checked_before_the_call() {
    let mut server = stub();
    for (arguments, problem) in [
        ("", "\"text\" is a required property"),
        ("{}", "\"text\" is a required property"),
        ("{ n: 1 }", "\"text\" is a required property"),
        ("{ text: 5 }", "5 is not of type \"string\""),
        ("{ text: 'a', n: 'b' }", "\"b\" is not of type \"number\""),
    ] {
        let comma = if arguments.is_empty() { "" } else { "," };
        let call = format!("callTool('stub', 'echo'{comma}{arguments})");
        let (name, message) = server.thrown(&call);
        assert_eq!(name, "TypeError", "{message}");
        assert!(message.starts_with("Invalid arguments for stub/echo: "), "{message}");
        assert!(message.contains(problem), "{arguments}: {message}");
        assert!(message.ends_with("Expected: {text: string, n?: number}"), "{message}");
    }
    // No arguments are an empty object.
    assert_eq!(server.value("await callTool('stub', 'json', null)")["b"], "x");
}

#[test]
fn arguments_are_an_object_that_json_holds() {
    let mut server = stub();
    for arguments in ["[1]", "'text'", "5", "{ text: 1n }"] {
        let (name, message) = server.thrown(&format!("callTool('stub', 'echo', {arguments})"));
        assert_eq!(name, "TypeError", "{arguments}: {message}");
    }
    let circular = "(() => { const a = {}; a.a = a; return callTool('stub', 'echo', a) })()";
    assert_eq!(server.thrown(circular).0, "TypeError");
    let huge = "callTool('stub', 'echo', { text: 'x'.repeat(200_000_000) })";
    let execution = server.run(&format!("try {{ await {huge}; 'sent' }} catch (e) {{ e.name }}"));
    assert_ne!(execution["returnValue"], "sent", "{execution:#}");
    assert_eq!(
        server.value("await callTool('stub', 'echo', { text: 'still there' })"),
        "still there"
    );
}

#[test]
fn a_name_that_is_nearly_right_is_told() {
    let mut server = stub();
    let (_, message) = server.thrown("callTool('stub', 'ecko', { text: 'a' })");
    assert!(message.contains("Tool \"ecko\" not found on MCP server \"stub\""), "{message}");
    assert!(message.contains("\"echo\""), "{message}");
    let (_, message) = server.thrown("mcpFactory.load('stubb')");
    assert!(message.starts_with("MCP server \"stubb\" not found"), "{message}");
    assert!(message.contains("\"stub\""), "{message}");
    let (_, message) = server.thrown("callTool('nothing like it', 'echo')");
    assert_eq!(message, "MCP server \"nothing like it\" not found");
}

#[test]
fn a_result_that_is_too_large_is_an_error_that_names_the_limit() {
    let limit = [("MCP_CONDUCTOR_MAX_TOOL_RESULT", "2048")];
    let mut server = Server::at(Home::with(&only_stub()), &limit);
    let short = server.value("(await callTool('stub', 'big', { bytes: 1000 })).length");
    assert_eq!(short, 1000);
    let (_, message) = server.thrown("callTool('stub', 'big', { bytes: 100_000 })");
    assert!(message.contains("MCP_CONDUCTOR_MAX_TOOL_RESULT"), "{message}");
    assert!(message.contains("2048") && message.contains("stub"), "{message}");
}

#[test]
fn calls_are_counted_and_limited() {
    let limit = [("MCP_CONDUCTOR_MAX_TOOL_CALLS", "3")];
    let mut server = Server::at(Home::with(&only_stub()), &limit);
    let code = "
        let made = 0;
        try {
          for (;;) { await callTool('stub', 'count'); made++ }
        } catch (e) {
          [made, e.message]
        }";
    let value = server.value(code);
    assert_eq!(value[0], 3, "{value}");
    let message = value[1].as_str().unwrap_or_default();
    assert!(message.contains('3') && message.contains("MCP_CONDUCTOR_MAX_TOOL_CALLS"), "{message}");
    // Each run has its own.
    assert_eq!(server.value("await callTool('stub', 'count')"), 4);
}

#[test]
fn a_result_says_which_tools_were_called() {
    let mut server = stub();
    let code = "
        await callTool('stub', 'slow', { ms: 50 });
        await Promise.all([1, 2].map((n) => callTool('stub', 'echo', { text: 'a' })));
        try { await callTool('stub', 'fail') } catch {}
        try { await callTool('stub', 'echo', { text: 5 }) } catch {}";
    let execution = server.run(code);
    let mut calls = execution["toolCalls"].clone();
    let times: Vec<Value> = calls
        .as_array_mut()
        .expect("a list")
        .iter_mut()
        .filter_map(|call| call.as_object_mut()?.remove("ms"))
        .collect();
    assert_eq!(
        calls,
        json!([
            { "tool": "stub/slow", "calls": 1, "errors": 0 },
            { "tool": "stub/echo", "calls": 3, "errors": 1 },
            { "tool": "stub/fail", "calls": 1, "errors": 1 },
        ])
    );
    assert!(times.len() == 3 && times[0].as_f64() >= Some(50.0), "{times:?}");
    assert_eq!(server.run("1").get("toolCalls"), None);
}
