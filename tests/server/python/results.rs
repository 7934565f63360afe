//! Results of programs in Python: the same object as those of TypeScript have.

use serde_json::{Value, json};

use super::{TOOL, call, run, server, value};
use crate::stdio::schema::mismatches;
use crate::support::results::{execution, refusal};

#[test]
fn a_result_is_structured_content_and_the_same_json_as_text() {
    let Some(mut server) = server() else { return };
    let code = "import sys\nprint('a\\nb')\nprint('c', file=sys.stderr)\n{'n': 2, 's': 'é\\n'}";
    assert_eq!(
        execution(&call(&mut server, code)),
        json!({
            "status": "success",
            "output": ["a", "b", "c"],
            "returnValue": { "n": 2, "s": "é\n" },
        })
    );
}

#[test]
fn a_failed_program_is_no_failed_call() {
    let Some(mut server) = server() else { return };
    let code = "def f(x):\n    return 1 / x\n\nprint('out')\nf(0)";
    let mut result = execution(&call(&mut server, code));
    let mut detail = result["errorDetail"].take();
    assert_eq!(
        result,
        json!({
            "status": "error",
            "output": ["out"],
            "returnValue": null,
            "error": "ZeroDivisionError: division by zero",
            "errorType": "runtime",
            "errorDetail": null,
        })
    );
    let stack = detail["stack"].take();
    let stack = stack.as_str().expect("a stack");
    assert!(stack.contains("line 5") && stack.contains("line 2, in f"), "{stack}");
    assert_eq!(
        [&detail["name"], &detail["message"], &detail["line"], &detail["column"]],
        [&json!("ZeroDivisionError"), &json!("division by zero"), &json!(2), &json!(12)]
    );
    assert_eq!(
        detail["frame"],
        "  1 | def f(x):\n> 2 |     return 1 / x\n    |            ^\n  3 |\n  4 | print('out')"
    );
}

#[test]
fn a_syntax_error_is_no_failed_call() {
    let Some(mut server) = server() else { return };
    let result = run(&mut server, "print('never')\ny = = 2");
    assert_eq!(
        [&result["status"], &result["errorType"], &result["output"], &result["error"]],
        [&json!("error"), &json!("syntax"), &json!([]), &json!("SyntaxError: invalid syntax")]
    );
    assert_eq!(result["errorDetail"]["frame"], "  1 | print('never')\n> 2 | y = = 2\n    |     ^");
}

#[test]
fn results_are_of_the_output_schema() {
    let Some(mut server) = server() else { return };
    let id = server.request("tools/list", json!({}));
    let mut tools = server.result(id)["tools"].take();
    let tools = tools.as_array_mut().expect("an array");
    let tool = tools.iter_mut().find(|tool| tool["name"] == TOOL).expect("it is listed");
    let schema = tool["outputSchema"].take();
    assert_eq!(schema["type"], "object");
    let mut found = Vec::new();
    for code in [
        "{'a': [1]}",
        "",
        "raise TypeError('x')",
        "raise ExceptionGroup('g', [ValueError('a'), KeyError('b')])",
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('v') from e",
        "y = = 2",
        "import sys; sys.exit(3)",
        "call_mcp_tool('mcp__stub__echo', {'text': 'x'})",
        "open('/etc/passwd')",
        "for i in range(200_000): print('x' * 100)",
        "import matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1))",
    ] {
        let result = run(&mut server, code);
        let problems = mismatches(&schema, &result);
        found.extend(problems.into_iter().map(|problem| format!("{code}: {problem}")));
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn globals_are_variables_of_one_call() {
    let Some(mut server) = server() else { return };
    let arguments = json!({ "code": "[rows[1]['n'], name, no]", "globals": { "rows": [1, { "n": 2 }], "name": "é", "no": null } });
    assert_eq!(execution(&server.call(TOOL, arguments))["returnValue"], json!([2, "é", null]));
    assert_eq!(run(&mut server, "rows")["errorDetail"]["name"], "NameError");
}

#[test]
fn a_global_that_is_a_word_of_python_is_refused_and_named() {
    let Some(mut server) = server() else { return };
    for name in ["a-b", "1a", "", "class", "None", "lambda"] {
        let arguments = json!({ "code": "1", "globals": { name: 1 } });
        let text = refusal(&server.call(TOOL, arguments));
        assert!(text.contains(&format!("\"{name}\" cannot be the name of a global")), "{text}");
    }
}

#[test]
fn a_timeout_ends_the_program_and_keeps_its_output() {
    let Some(mut server) = server() else { return };
    let code = "import time\nprint('before')\ntime.sleep(60)";
    let result = execution(&server.call(TOOL, json!({ "code": code, "timeout": 3000 })));
    assert_eq!(result["output"], json!(["before"]));
    assert_eq!(result["errorType"], "timeout");
    assert_eq!(result["error"], "Execution timed out after 3000ms");
}

#[test]
fn a_call_reports_what_is_printed_and_ends_when_it_is_cancelled() {
    let Some(mut server) = server() else { return };
    let arguments = json!({ "code": "print('on')\nwhile True:\n    pass", "timeout": 60_000 });
    let token = json!("python is cancelled");
    let id = server.request(
        "tools/call",
        json!({ "name": TOOL, "arguments": arguments, "_meta": { "progressToken": token } }),
    );
    server.hears_of(&token, "on");
    server.notify("notifications/cancelled", json!({ "requestId": id }));
    server.becomes(0, 0);
    assert_eq!(value(&mut server, "1 + 1"), 2);
}

#[test]
fn tool_calls_of_a_program_are_counted() {
    let Some(mut server) = server() else { return };
    let code = "for i in range(3):\n    call_mcp_tool('mcp__stub__echo', {'text': str(i)})\n\
                try:\n    call_mcp_tool('mcp__stub__fail', {})\nexcept McpToolError:\n    pass";
    let result = run(&mut server, code);
    let calls: Vec<_> = result["toolCalls"]
        .as_array()
        .expect("calls")
        .iter()
        .map(|call| json!([call["tool"], call["calls"], call["errors"]]))
        .collect();
    assert_eq!(Value::from(calls), json!([["mcp__stub__echo", 3, 0], ["mcp__stub__fail", 1, 1]]));
}

#[test]
fn allowed_tools_of_a_call_hold_in_python() {
    let Some(mut server) = server() else { return };
    let run = |server: &mut crate::support::pipes::Server, code: &str| {
        let arguments = json!({ "code": code, "allowedTools": ["mcp__stub__echo"] });
        server.call(TOOL, arguments)["structuredContent"].take()
    };
    let echo = run(&mut server, "call_mcp_tool('mcp__stub__echo', {'text': 'x'})");
    assert_eq!(echo["returnValue"], "x");
    let json = run(&mut server, "call_mcp_tool('mcp__stub__json', {})");
    assert_eq!(json["status"], "error");
    assert!(json["error"].as_str().is_some_and(|text| text.contains("allowedTools")), "{json}");
}
