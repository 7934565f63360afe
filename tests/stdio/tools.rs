//! The handshake of both eras and the list of tools.

use serde_json::{Value, json};

use super::raw::{Server, TOOL};
use super::schema::{mismatches, properties};

fn list(server: &mut Server) -> Value {
    let id = server.request("tools/list", json!({}));
    server.result(id)["tools"].take()
}

fn the_tool() -> Value {
    let mut server = Server::ready(&[]);
    let mut tools = list(&mut server);
    assert_eq!(tools.as_array().map(Vec::len), Some(1));
    tools[0].take()
}

#[test]
fn the_older_protocol_gets_the_version_that_it_asks_for() {
    for version in ["2025-06-18", "2025-11-25"] {
        let mut server = Server::start(&[]);
        let mut result = server.initialize(version);
        let instructions = result["instructions"].take();
        assert!(instructions.as_str().is_some_and(|text| text.contains(TOOL) && text.len() < 2048));
        assert_eq!(
            result,
            json!({
                "protocolVersion": version,
                "capabilities": { "tools": {} },
                "serverInfo": {
                    "name": "mcp-conductor",
                    "title": "MCP Conductor",
                    "version": env!("CARGO_PKG_VERSION"),
                },
                "instructions": null,
            })
        );
    }
}

#[test]
fn the_stateless_protocol_discovers_the_server() {
    let mut server = Server::start(&[]);
    let result = server.modern();
    let versions = result["supportedVersions"].as_array().expect("an array");
    for version in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        assert!(versions.contains(&json!(version)), "{result}");
    }
    assert_eq!(result["capabilities"], json!({ "tools": {} }));
    assert!(result["instructions"].as_str().is_some_and(|text| text.contains(TOOL)));
}

#[test]
fn there_is_one_tool_with_title_and_annotations() {
    let mut tool = the_tool();
    for member in ["description", "inputSchema", "outputSchema"] {
        assert!(tool.as_object_mut().and_then(|tool| tool.remove(member)).is_some(), "{member}");
    }
    assert_eq!(
        tool,
        json!({
            "name": "run_deno_code",
            "title": "Run TypeScript",
            "annotations": {
                "title": "Run TypeScript",
                "readOnlyHint": false,
                "destructiveHint": true,
                "idempotentHint": false,
                "openWorldHint": false,
            },
        })
    );
}

#[test]
fn the_description_is_as_long_as_clients_show() {
    let tool = the_tool();
    let description = tool["description"].as_str().expect("a description");
    assert!((800..=1800).contains(&description.len()), "{} bytes", description.len());
    assert!(!description.contains("{RETURN}") && description.contains("globals"), "{description}");
}

#[test]
fn the_description_names_the_limits_that_are_set() {
    let mut server = Server::ready(&[
        ("MCP_CONDUCTOR_DEFAULT_TIMEOUT", "7000"),
        ("MCP_CONDUCTOR_MAX_TIMEOUT", "77000"),
        ("MCP_CONDUCTOR_MAX_CPU_TIME", "6500"),
        ("MCP_CONDUCTOR_MAX_MEMORY", "123"),
        ("MCP_CONDUCTOR_MAX_RETURN_SIZE", "102400"),
    ]);
    let tools = list(&mut server);
    let description = tools[0]["description"].as_str().expect("a description");
    for limit in ["7 s", "77 s", "6.5 s", "123 MiB", "100 KiB"] {
        assert!(description.contains(limit), "{limit}: {description}");
    }
}

#[test]
fn the_schemas_are_objects_that_every_client_reads() {
    let tool = the_tool();
    for schema in [&tool["inputSchema"], &tool["outputSchema"]] {
        assert_eq!(schema["type"], "object");
        let text = schema.to_string();
        assert!(!text.contains("$ref") && !text.contains("$defs"), "{text}");
        assert!(!text.contains("\"default\":null"), "{text}");
        for (place, property) in properties(schema) {
            // `true` is a schema that the TypeScript SDK refuses.
            assert!(property.is_object(), "{place}: {property}");
            let description = property["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty(), "{place}: {property}");
        }
    }
}

#[test]
fn the_arguments_are_code_timeout_and_globals() {
    let schema = the_tool()["inputSchema"].take();
    let types: Value = properties(&schema)
        .into_iter()
        .map(|(name, property)| (name, property["type"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(types, json!({ "deno_code": "string", "timeout": "integer", "globals": "object" }));
    assert_eq!(schema["required"], json!(["deno_code"]));
    assert_eq!(schema["additionalProperties"], false);
}

/// The specification: a structured result MUST conform to the output schema.
/// Clients check that.
#[test]
fn results_are_of_the_output_schema() {
    let mut server = Server::ready(&[("MCP_CONDUCTOR_MAX_OUTPUT_SIZE", "10")]);
    let schema = list(&mut server)[0]["outputSchema"].take();
    let mut found = Vec::new();
    for code in [
        "({ a: [1] })",
        "",
        "throw new TypeError('x')",
        "throw 1",
        "const y = = 2",
        "Deno.exit(3)",
        "for (const n of [1, 2, 3]) console.log('a line'); 1",
    ] {
        let result = server.call(TOOL, json!({ "deno_code": code }));
        let problems = mismatches(&schema, &result["structuredContent"]);
        found.extend(problems.into_iter().map(|problem| format!("{code}: {problem}")));
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn both_eras_see_the_same_tools_and_results() {
    let mut old = Server::ready(&[]);
    let mut modern = Server::start(&[]);
    modern.modern();
    assert_eq!(list(&mut old), list(&mut modern));
    assert_eq!(list(&mut old), list(&mut old));
    for code in ["console.log('x'); ({ a: 1 })", "throw new Error('boom')"] {
        assert_eq!(old.run(code), modern.run(code));
    }
    assert_eq!(old.refusal(json!({})), modern.refusal(json!({})));
}

#[test]
fn every_server_lists_the_same_tools() {
    assert_eq!(the_tool(), the_tool());
}
