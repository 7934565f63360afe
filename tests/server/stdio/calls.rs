//! Calls: results, failures of programs, and arguments that are refused.

use serde_json::{Value, json};

use crate::support::pipes::Server;
use crate::support::results::{execution, refusal, value};
use crate::support::snippets::RUN;

#[test]
fn a_result_is_structured_content_and_the_same_json_as_text() {
    let mut server = Server::ready(&[]);
    let code = "console.log('a\\nb'); console.error('c'); const n: number = 2; ({ n, s: 'é\\n' })";
    let result = server.call(RUN, json!({ "deno_code": code }));
    let text = result["content"][0]["text"].as_str().expect("text");
    assert_eq!(serde_json::from_str::<Value>(text).expect("JSON"), result["structuredContent"]);
    assert_eq!(
        execution(&result),
        json!({
            "status": "success",
            "output": ["a", "b", "c"],
            "returnValue": { "n": 2, "s": "é\n" },
        })
    );
}

#[test]
fn a_failed_program_is_no_failed_call() {
    let mut server = Server::ready(&[]);
    assert_eq!(
        server.outcome("console.log('out'); throw new TypeError('bad')"),
        json!({
            "status": "error",
            "output": ["out"],
            "returnValue": null,
            "error": "TypeError: bad",
            "errorType": "runtime",
            "errorDetail": {
                "name": "TypeError",
                "message": "bad",
                "line": 1,
                "column": 27,
                "frame": "> 1 | console.log('out'); throw new TypeError('bad')\n    \
                    |                           ^",
                "stack": "TypeError: bad\n    at file:///main.ts:1:27",
            },
        })
    );
}

#[test]
fn a_failed_program_tells_causes_and_what_an_aggregate_error_holds() {
    let mut server = Server::ready(&[]);
    let result = server.outcome("throw new AggregateError(['a'], 'many', { cause: 'b' })");
    let below = |text: &str| json!({ "name": "Error", "message": text });
    assert_eq!(result["errorDetail"]["errors"], json!([below("\"a\"")]));
    assert_eq!(result["errorDetail"]["cause"], below("\"b\""));
    assert_eq!(
        result["errorDetail"]["stack"],
        "AggregateError: many\n    \"a\"\n    at file:///main.ts:1:7\nCaused by: \"b\""
    );
}

#[test]
fn a_syntax_error_is_no_failed_call() {
    let mut server = Server::ready(&[]);
    assert_eq!(
        server.outcome("const y = = 2;"),
        json!({
            "status": "error",
            "output": [],
            "returnValue": null,
            "error": "SyntaxError: Expression expected",
            "errorType": "syntax",
            "errorDetail": {
                "name": "SyntaxError",
                "message": "Expression expected",
                "line": 1,
                "column": 11,
                "frame": "> 1 | const y = = 2;\n    |           ^",
            },
        })
    );
}

#[test]
fn an_empty_program_has_no_value() {
    let mut server = Server::ready(&[]);
    assert_eq!(server.outcome(""), value(json!(null)));
}

#[test]
fn globals_are_variables_of_the_program() {
    let mut server = Server::ready(&[]);
    let result = server.call(
        RUN,
        json!({
            "deno_code": "[rows.length, rows[1].n, name, no, $_1]",
            "globals": { "rows": [{ "n": 1 }, { "n": 2 }], "name": "é", "no": null, "$_1": 1.5 },
        }),
    );
    assert_eq!(execution(&result), value(json!([2, 2, "é", null, 1.5])));
    // They are those of one call.
    assert_eq!(server.outcome("typeof rows"), value(json!("undefined")));
}

#[test]
fn a_timeout_ends_the_program_and_keeps_its_output() {
    let mut server = Server::ready(&[]);
    let code = "console.log('before'); await new Promise((r) => setTimeout(r, 60_000))";
    let result = execution(&server.call(RUN, json!({ "deno_code": code, "timeout": 3000 })));
    assert_eq!(result["status"], "error");
    assert_eq!(result["output"], json!(["before"]));
    assert_eq!(result["errorType"], "timeout");
    assert_eq!(result["error"], "Execution timed out after 3000ms");
}

#[test]
fn what_a_program_left_behind_is_in_its_result() {
    let mut server = Server::ready(&[]);
    let code = "for (let i = 0; i < 2; i++)\n  setInterval(() => {}, 1000);\n5";
    let result = execution(&server.call(RUN, json!({ "deno_code": code })));
    assert_eq!((&result["status"], &result["returnValue"]), (&json!("success"), &json!(5)));
    let expected = json!([{ "what": "setInterval", "line": 2, "column": 3, "count": 2 }]);
    assert_eq!(result["unfinished"], expected, "{result:#}");
    assert_eq!(execution(&server.call(RUN, json!({ "deno_code": "5" }))).get("unfinished"), None);
}

#[test]
fn optional_arguments_may_be_null_and_whole_numbers_written_as_floats() {
    let mut server = Server::ready(&[]);
    let absent = json!({
        "deno_code": "1",
        "timeout": null,
        "globals": null,
        "allowedTools": null,
        "dependencies": null,
    });
    assert_eq!(execution(&server.call(RUN, absent)), value(json!(1)));
    let result = server.call(RUN, json!({ "deno_code": "2", "timeout": 5000.0 }));
    assert_eq!(execution(&result), value(json!(2)));
}

const INVALID: &str = "MCP error -32602: Invalid arguments for tool run_deno_code:";

#[test]
fn a_call_without_code_is_told_what_is_missing() {
    let mut server = Server::ready(&[]);
    for arguments in [json!({}), json!({ "timeout": 5 })] {
        assert_eq!(server.refused_run(arguments), format!("{INVALID} missing field `deno_code`"));
    }
    let id = server.request("tools/call", json!({ "name": RUN }));
    let text = refusal(&server.result(id));
    assert_eq!(text, format!("{INVALID} missing field `deno_code`"));
}

#[test]
fn an_argument_of_the_wrong_type_is_named_with_what_is_expected() {
    let mut server = Server::ready(&[]);
    let code = "deno_code must be a string, the program, not";
    let timeout = "timeout must be an integer, milliseconds between 1 and the maximum in the \
                   tool's description, not";
    let globals = "globals must be an object, such as {\"rows\": [1, 2]}, not";
    let tools = "allowedTools must be a list of patterns, such as [\"mcp__github__*\"], not";
    for (arguments, problem) in [
        (json!({ "deno_code": 1 }), format!("{code} 1")),
        (json!({ "deno_code": null }), "missing field `deno_code`".to_owned()),
        (json!({ "deno_code": ["1"] }), format!("{code} a list")),
        (json!({ "deno_code": "1", "timeout": "5 s" }), format!("{timeout} \"5 s\"")),
        (json!({ "deno_code": "1", "timeout": true }), format!("{timeout} true")),
        (json!({ "deno_code": "1", "globals": [1] }), format!("{globals} a list")),
        (json!({ "deno_code": "1", "globals": "rows" }), format!("{globals} \"rows\"")),
        (
            json!({ "deno_code": "1", "globals": "{\"a\": 1" }),
            format!(
                "{globals} a string that is not JSON: EOF while parsing an object at line 1 \
                 column 7"
            ),
        ),
        (json!({ "deno_code": "1", "allowedTools": "a, b" }), format!("{tools} \"a, b\"")),
        (
            json!({ "deno_code": "1", "dependencies": [1] }),
            "dependencies must be a list of packages, such as [\"npm:zod\"], not a list".to_owned(),
        ),
    ] {
        assert_eq!(server.refused_run(arguments), format!("{INVALID} {problem}"));
    }
    assert_eq!(server.outcome("1"), value(json!(1)));
}

#[test]
fn a_package_that_is_not_allowed_ends_the_call_with_what_is() {
    let packages = ("MCP_CONDUCTOR_ALLOWED_PACKAGES", "npm:axios@^1,npm:zod@^3");
    let mut server = Server::ready(&[packages]);
    let run = |server: &mut Server, dependencies: Value| {
        let arguments = json!({ "deno_code": "1 + 1", "dependencies": dependencies });
        execution(&server.call(RUN, arguments))
    };
    assert_eq!(run(&mut server, json!(["npm:zod"])), value(json!(2)));
    let refused = run(&mut server, json!(["npm:zod", "npm:express"]));
    let told = ["status", "errorType", "error", "returnValue"].map(|member| &refused[member]);
    let error = "Not in allowlist: npm:express. MCP_CONDUCTOR_ALLOWED_PACKAGES decides: allowed \
                 are npm:axios@^1, npm:zod@^3";
    let expected = [json!("error"), json!("dependency-not-allowed"), json!(error), Value::Null];
    assert_eq!(told, expected.each_ref());
}

#[test]
fn arguments_that_can_mean_one_thing_only_are_taken() {
    let mut server = Server::ready(&[]);
    let rows = r#"{"rows": [1, {"n": 2}], "größe": "é", "WORKSPACE_DIR": 3}"#;
    for (arguments, result) in [
        (json!({ "code": "1 + 1" }), json!(2)),
        (json!({ "denoCode": "1 + 1", "timeoutMs": "5000" }), json!(2)),
        (json!({ "deno_code": "1", "timeout": " 5000.0 " }), json!(1)),
        (
            json!({ "deno_code": "[rows[1].n, größe, WORKSPACE_DIR]", "globals": rows }),
            json!([2, "é", 3]),
        ),
        (json!({ "deno_code": "typeof ROOT_DIR", "globals": "{}" }), json!("string")),
        (json!({ "deno_code": "1", "allowedTools": "mcp__a__*" }), json!(1)),
        (json!({ "deno_code": "1", "allowed_tools": "[\"mcp__a__*\"]" }), json!(1)),
        (json!({ "deno_code": "1", "dependencies": "[]" }), json!(1)),
    ] {
        let found = server.call(RUN, arguments.clone());
        assert_eq!(execution(&found), value(result), "{arguments}");
    }
}

#[test]
fn large_globals_as_text_are_read() {
    let mut server = Server::ready(&[]);
    let rows = format!("{{\"rows\": [{}0]}}", "0,".repeat(300_000));
    let arguments = json!({ "deno_code": "rows.length", "globals": rows });
    assert_eq!(execution(&server.call(RUN, arguments)), value(json!(300_001)));
    let rows = format!("{{\"rows\": \"{}\"}}", "x".repeat(8 << 20));
    let text = server.refused_run(json!({ "deno_code": "1", "globals": rows }));
    assert!(text.starts_with(&format!("{INVALID} The globals have 83")), "{text}");
}

#[test]
fn an_argument_under_two_names_is_refused() {
    let mut server = Server::ready(&[]);
    assert_eq!(
        server.refused_run(json!({ "deno_code": "1", "code": "2" })),
        format!("{INVALID} deno_code and code are both given for deno_code: give deno_code only")
    );
}

#[test]
fn the_other_tools_take_arguments_that_can_mean_one_thing_only() {
    let root = std::env::temp_dir().join(format!("conductor-given-{}", std::process::id()));
    let workspace = root.join("workspace").display().to_string();
    let mut server = Server::ready(&[("MCP_CONDUCTOR_WORKSPACE", &workspace)]);
    for (tool, arguments) in [
        ("search_tools", json!({ "q": 404, "maxResults": "3", "detail": "FULL" })),
        ("get_playbook", json!({ "folderName": "playbook-creator" })),
        ("get_playbook", json!({ "folder": "playbook-creator" })),
        (
            "create_playbook",
            json!({
                "folder": "made", "name": "n", "description": "d", "content": "c",
                "version": 2, "tags": "one",
            }),
        ),
    ] {
        let result = server.call(tool, arguments.clone());
        assert_ne!(result["isError"], true, "{arguments}: {result}");
    }
    let text = refusal(&server.call("search_tools", json!({ "query": "a", "limit": "few" })));
    assert_eq!(
        text,
        "MCP error -32602: Invalid arguments for tool search_tools: limit must be an integer \
         between 1 and 100, not \"few\""
    );
    let text = refusal(&server.call("get_tools", json!({ "server": "a", "format": "yaml" })));
    assert!(
        text.ends_with("format must be \"json\", \"typescript\" or \"python\", not \"yaml\""),
        "{text}"
    );
    let _ = std::fs::remove_dir_all(root);
}

#[test]
fn timeouts_that_mean_nothing_are_refused() {
    let mut server = Server::ready(&[]);
    for (timeout, problem) in [
        (
            json!(0),
            "timeout must be from 1 to 300000 ms, not 0 ms (the maximum is \
             MCP_CONDUCTOR_MAX_TIMEOUT)",
        ),
        (
            json!(-1),
            "timeout must be an integer, milliseconds between 1 and the maximum in the tool's \
             description, not -1",
        ),
        (
            json!(1.5),
            "timeout must be an integer, milliseconds between 1 and the maximum in the tool's \
             description, not 1.5",
        ),
        (
            json!(1_000_000_000),
            "timeout must be from 1 to 300000 ms, not 1000000000 ms (the maximum is \
             MCP_CONDUCTOR_MAX_TIMEOUT)",
        ),
    ] {
        let arguments = json!({ "deno_code": "1", "timeout": timeout });
        assert_eq!(server.refused_run(arguments), format!("{INVALID} {problem}"));
    }
    for timeout in [json!(u64::MAX), json!(i64::MIN), json!(1e300), json!(-0.5)] {
        let text = server.refused_run(json!({ "deno_code": "1", "timeout": timeout }));
        assert!(text.starts_with(&format!("{INVALID} timeout must be")), "{text}");
    }
}

#[test]
fn a_program_of_two_mebibytes_is_refused_and_one_of_one_runs() {
    let mut server = Server::ready(&[]);
    assert_eq!(
        server.refused_run(json!({ "deno_code": "1;".repeat(1 << 20) })),
        format!("{INVALID} The program has 2097152 bytes; at most 1048576 are accepted")
    );
    let longest = format!("7;{}", " ".repeat((1 << 20) - 2));
    assert_eq!(server.outcome(&longest), value(json!(7)));
}

#[test]
fn an_argument_that_does_not_exist_is_named() {
    let mut server = Server::ready(&[]);
    assert_eq!(
        server.refused_run(json!({ "deno_code": "1", "cwd": "2" })),
        format!(
            "{INVALID} unknown field `cwd`, expected one of `deno_code`, `timeout`, `globals`, \
             `allowedTools`, `dependencies`, `conversation`, `check`"
        )
    );
}

#[test]
fn globals_that_cannot_be_named_are_refused() {
    let mut server = Server::ready(&[]);
    for name in ["a-b", "1a", "", "if", "undefined", "a b"] {
        assert_eq!(
            server.refused_run(json!({ "deno_code": "1", "globals": { name: 1 } })),
            format!(
                "{INVALID} \"{name}\" cannot be the name of a global: a JavaScript identifier is \
                 needed"
            )
        );
    }
}

#[test]
fn a_tool_that_does_not_exist_is_an_error_that_names_those_that_do() {
    let mut server = Server::ready(&[]);
    let id = server.start_call("run_python", json!({ "code": "1" }));
    assert_eq!(
        server.answer(id),
        json!({
            "jsonrpc": "2.0",
            "id": id,
            "error": {
                "code": -32602,
                "message": "Unknown tool: run_python. Available tools: run_deno_code, \
                 list_mcp_servers, \
                    get_tools, search_tools, list_playbooks, get_playbook, create_playbook, health",
            },
        })
    );
}

#[test]
fn a_method_that_does_not_exist_is_an_error() {
    let mut server = Server::ready(&[]);
    let id = server.request("nothing/here", json!({}));
    assert_eq!(server.answer(id)["error"]["code"], -32601);
}

/// `tools/call` exists: what is wrong with these are the parameters.
#[test]
fn parameters_of_the_wrong_shape_are_invalid_parameters() {
    let mut server = Server::ready(&[]);
    for params in [
        json!({ "name": RUN, "arguments": [1] }),
        json!({ "name": RUN, "arguments": "1" }),
        json!({ "name": 5 }),
        json!({}),
    ] {
        let id = server.request("tools/call", params.clone());
        let answer = server.answer(id);
        assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
    }
    assert_eq!(server.outcome("1"), value(json!(1)));
}
