//! The tool in the list, with its arguments, and what is said where it is absent.

use serde_json::{Map, Value, json};

use super::{TOOL, server};
use crate::support::pipes::Server;
use crate::support::python::install_directory;
use crate::support::results::{execution, refusal, value};
use crate::support::snippets::RUN;

fn listed(server: &mut Server) -> Option<Value> {
    let id = server.request("tools/list", json!({}));
    let mut tools = server.result(id)["tools"].take();
    let tools = tools.as_array_mut().expect("an array");
    let index = tools.iter().position(|tool| tool["name"] == TOOL)?;
    Some(tools.swap_remove(index))
}

/// What a call is told of a tool that is not there, as an error or as a result.
fn told(server: &mut Server) -> String {
    let id = server.start_call(TOOL, json!({ "code": "1" }));
    server.answer(id).to_string()
}

#[test]
fn the_tool_is_listed_where_python_is_installed() {
    let Some(mut server) = server() else { return };
    let tool = listed(&mut server).expect("it is listed");
    assert_eq!(tool["title"], "Run Python");
    let hints = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"]
        .map(|hint| tool["annotations"][hint].clone());
    assert_eq!(json!(hints), json!([false, true, false, false]));
}

#[test]
fn the_description_is_as_long_as_clients_show_and_says_what_is_inside() {
    let Some(mut server) = server() else { return };
    let tool = listed(&mut server).expect("it is listed");
    let description = tool["description"].as_str().expect("a description");
    assert!((800..=1800).contains(&description.len()), "{} bytes", description.len());
    for word in ["pandas", "numpy", "matplotlib", "call_mcp_tool", "globals", "await", "30 s"] {
        assert!(description.contains(word), "{word}: {description}");
    }
}

#[test]
fn only_the_code_is_required() {
    let Some(mut server) = server() else { return };
    let schema = listed(&mut server).expect("it is listed")["inputSchema"].take();
    let properties = schema["properties"].as_object().expect("an object").iter();
    let types: Map<_, _> =
        properties.map(|(name, property)| (name.clone(), property["type"].clone())).collect();
    assert_eq!(
        Value::from(types),
        json!({
            "code": "string",
            "timeout": "integer",
            "globals": "object",
            "allowedTools": "array",
            "dependencies": "array",
            "conversation": "string",
        })
    );
    assert_eq!(schema["required"], json!(["code"]));
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn an_argument_that_does_not_exist_is_named() {
    let Some(mut server) = server() else { return };
    let text = refusal(&server.call(TOOL, json!({ "code": "1", "cwd": "/" })));
    let start = "MCP error -32602: Invalid arguments for tool execute_python:";
    assert!(text.starts_with(start) && text.contains("`cwd`"), "{text}");
}

#[test]
fn a_call_without_code_is_told_what_is_missing() {
    let Some(mut server) = server() else { return };
    assert_eq!(
        refusal(&server.call(TOOL, json!({ "timeout": 5 }))),
        "MCP error -32602: Invalid arguments for tool execute_python: missing field `code`"
    );
}

#[test]
fn arguments_that_can_mean_one_thing_only_are_taken() {
    let Some(mut server) = server() else { return };
    for (arguments, result) in [
        (json!({ "python_code": "1 + 1" }), json!(2)),
        (json!({ "pythonCode": "1 + 1", "timeoutMs": "20000" }), json!(2)),
        (json!({ "script": "1 + 1" }), json!(2)),
        (json!({ "program": "1 + 1" }), json!(2)),
        (json!({ "code": "rows[1]['n']", "globals": r#"{"rows": [1, {"n": 2}]}"# }), json!(2)),
        (json!({ "code": "1", "timeout": null, "globals": null, "allowedTools": null }), json!(1)),
        (json!({ "code": "1", "allowed_tools": "mcp__a__*" }), json!(1)),
    ] {
        let found = server.call(TOOL, arguments.clone());
        assert_eq!(execution(&found), value(result), "{arguments}");
    }
}

#[test]
fn a_timeout_beyond_the_maximum_runs_nothing() {
    let Some(mut server) = server() else { return };
    let text = refusal(&server.call(TOOL, json!({ "code": "1", "timeout": 300_001 })));
    assert!(text.contains("MCP_CONDUCTOR_MAX_TIMEOUT"), "{text}");
}

#[test]
fn without_python_there_is_no_tool_and_a_call_is_told_how_to_get_it() {
    let mut server = Server::ready(&[("MCP_CONDUCTOR_INSTALL_DIR", "/nonexistent/installed")]);
    assert_eq!(listed(&mut server), None);
    let told = told(&mut server);
    assert!(told.contains("mcp-conductor install python"), "{told}");
    assert_eq!(server.value("6 * 7"), 42);
}

#[test]
fn where_python_is_off_there_is_no_tool_and_a_call_is_told_the_setting() {
    let Some(directory) = install_directory() else { return };
    let mut server = Server::ready(&[
        ("MCP_CONDUCTOR_INSTALL_DIR", &*directory.to_string_lossy()),
        ("MCP_CONDUCTOR_PYTHON", "off"),
    ]);
    assert_eq!(listed(&mut server), None);
    let told = told(&mut server);
    assert!(told.contains("MCP_CONDUCTOR_PYTHON"), "{told}");
}

#[test]
fn a_value_of_the_setting_that_means_nothing_stops_the_server() {
    let mut server = Server::silent(&[("MCP_CONDUCTOR_PYTHON", "maybe")]);
    assert_eq!(server.close().code(), Some(3));
    server.logs(&["MCP_CONDUCTOR_PYTHON", "maybe", "off", "lazy", "start"]);
}

#[test]
fn programs_in_both_languages_run_on_one_server() {
    let Some(mut server) = server() else { return };
    assert_eq!(
        execution(&server.call(TOOL, json!({ "code": "[i for i in (1, 2)]" })))["returnValue"],
        json!([1, 2])
    );
    assert_eq!(
        execution(&server.call(RUN, json!({ "deno_code": "[1, 2]" })))["returnValue"],
        json!([1, 2])
    );
}

#[test]
fn the_guide_says_when_to_use_which_language() {
    let Some(mut server) = server() else { return };
    let id = server.request("prompts/get", json!({ "name": "usage_guide" }));
    let guide = server.result(id)["messages"][0]["content"]["text"].to_string();
    assert!(guide.contains(TOOL) && guide.contains(RUN), "{guide}");
}
