//! Calls: results, failures of programs, and arguments that are refused.

use serde_json::{Value, json};

use super::raw::{Server, TOOL, execution, value};

#[test]
fn a_result_is_structured_content_and_the_same_json_as_text() {
    let mut server = Server::ready(&[]);
    let code = "console.log('a\\nb'); console.error('c'); const n: number = 2; ({ n, s: 'é\\n' })";
    let result = server.call(TOOL, json!({ "deno_code": code }));
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
        server.run("console.log('out'); throw new TypeError('bad')"),
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
    let result = server.run("throw new AggregateError(['a'], 'many', { cause: 'b' })");
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
        server.run("const y = = 2;"),
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
    assert_eq!(server.run(""), value(json!(null)));
}

#[test]
fn globals_are_variables_of_the_program() {
    let mut server = Server::ready(&[]);
    let result = server.call(
        TOOL,
        json!({
            "deno_code": "[rows.length, rows[1].n, name, no, $_1]",
            "globals": { "rows": [{ "n": 1 }, { "n": 2 }], "name": "é", "no": null, "$_1": 1.5 },
        }),
    );
    assert_eq!(execution(&result), value(json!([2, 2, "é", null, 1.5])));
    // They are those of one call.
    assert_eq!(server.run("typeof rows"), value(json!("undefined")));
}

#[test]
fn a_timeout_ends_the_program_and_keeps_its_output() {
    let mut server = Server::ready(&[]);
    let code = "console.log('before'); await new Promise((r) => setTimeout(r, 60_000))";
    let result = execution(&server.call(TOOL, json!({ "deno_code": code, "timeout": 3000 })));
    assert_eq!(result["status"], "error");
    assert_eq!(result["output"], json!(["before"]));
    assert_eq!(result["errorType"], "timeout");
    assert_eq!(result["error"], "Execution timed out after 3000ms");
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
    assert_eq!(execution(&server.call(TOOL, absent)), value(json!(1)));
    let result = server.call(TOOL, json!({ "deno_code": "2", "timeout": 5000.0 }));
    assert_eq!(execution(&result), value(json!(2)));
}

const INVALID: &str = "MCP error -32602: Invalid arguments for tool run_deno_code:";

#[test]
fn a_call_without_code_is_told_what_is_missing() {
    let mut server = Server::ready(&[]);
    for arguments in [json!({}), json!({ "timeout": 5 })] {
        assert_eq!(server.refusal(arguments), format!("{INVALID} missing field `deno_code`"));
    }
    let id = server.request("tools/call", json!({ "name": TOOL }));
    let text = super::raw::refusal(&server.result(id));
    assert_eq!(text, format!("{INVALID} missing field `deno_code`"));
}

#[test]
fn arguments_of_the_wrong_type_are_refused() {
    let mut server = Server::ready(&[]);
    for (arguments, problem) in [
        (json!({ "deno_code": 1 }), "invalid type: integer `1`, expected a string"),
        (json!({ "deno_code": null }), "invalid type: null, expected a string"),
        (json!({ "deno_code": ["1"] }), "invalid type: sequence, expected a string"),
        (
            json!({ "deno_code": "1", "timeout": "5" }),
            "invalid type: string \"5\", expected a JSON number",
        ),
        (
            json!({ "deno_code": "1", "timeout": true }),
            "invalid type: boolean `true`, expected a JSON number",
        ),
        (json!({ "deno_code": "1", "globals": [1] }), "invalid type: sequence, expected a map"),
        (
            json!({ "deno_code": "1", "globals": "{}" }),
            "invalid type: string \"{}\", expected a map",
        ),
        (
            json!({ "deno_code": "1", "allowedTools": "mcp__*" }),
            "invalid type: string \"mcp__*\", expected a sequence",
        ),
        (
            json!({ "deno_code": "1", "dependencies": [1] }),
            "invalid type: integer `1`, expected a string",
        ),
    ] {
        assert_eq!(server.refusal(arguments), format!("{INVALID} {problem}"));
    }
    assert_eq!(server.run("1"), value(json!(1)));
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
            "timeout must be a whole number of milliseconds from 1 to the maximum that the tool's description names, not -1",
        ),
        (
            json!(1.5),
            "timeout must be a whole number of milliseconds from 1 to the maximum that the tool's description names, not 1.5",
        ),
        (
            json!(1_000_000_000),
            "timeout must be from 1 to 300000 ms, not 1000000000 ms (the maximum is \
             MCP_CONDUCTOR_MAX_TIMEOUT)",
        ),
    ] {
        let arguments = json!({ "deno_code": "1", "timeout": timeout });
        assert_eq!(server.refusal(arguments), format!("{INVALID} {problem}"));
    }
    for timeout in [json!(u64::MAX), json!(i64::MIN), json!(1e300), json!(-0.5)] {
        let text = server.refusal(json!({ "deno_code": "1", "timeout": timeout }));
        assert!(text.starts_with(&format!("{INVALID} timeout must be")), "{text}");
    }
}

#[test]
fn a_program_of_two_mebibytes_is_refused_and_one_of_one_runs() {
    let mut server = Server::ready(&[]);
    assert_eq!(
        server.refusal(json!({ "deno_code": "1;".repeat(1 << 20) })),
        format!("{INVALID} The program has 2097152 bytes; at most 1048576 are accepted")
    );
    let longest = format!("7;{}", " ".repeat((1 << 20) - 2));
    assert_eq!(server.run(&longest), value(json!(7)));
}

#[test]
fn an_argument_that_does_not_exist_is_named() {
    let mut server = Server::ready(&[]);
    assert_eq!(
        server.refusal(json!({ "deno_code": "1", "code": "2" })),
        format!(
            "{INVALID} unknown field `code`, expected one of `deno_code`, `timeout`, `globals`, \
             `allowedTools`, `dependencies`"
        )
    );
}

#[test]
fn globals_that_cannot_be_named_are_refused() {
    let mut server = Server::ready(&[]);
    for name in ["a-b", "1a", "", "if", "undefined", "a b"] {
        assert_eq!(
            server.refusal(json!({ "deno_code": "1", "globals": { name: 1 } })),
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
                "message": "Unknown tool: run_python. There are run_deno_code, list_mcp_servers, \
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
        json!({ "name": TOOL, "arguments": [1] }),
        json!({ "name": TOOL, "arguments": "1" }),
        json!({ "name": 5 }),
        json!({}),
    ] {
        let id = server.request("tools/call", params.clone());
        let answer = server.answer(id);
        assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
    }
    assert_eq!(server.run("1"), value(json!(1)));
}
