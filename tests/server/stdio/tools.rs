//! The handshake of both eras and the list of tools.

use serde_json::{Map, Value, json};

use super::schema::{mismatches, properties};
use crate::support::pipes::Server;
use crate::support::results::refusal;
use crate::support::snippets::RUN;

fn list(server: &mut Server) -> Value {
    let id = server.request("tools/list", json!({}));
    server.result(id)["tools"].take()
}

fn all_tools() -> Vec<Value> {
    let tools = list(&mut Server::ready(&[]));
    tools.as_array().cloned().expect("an array")
}

/// The one that runs programs, which is the first.
fn the_tool() -> Value {
    let tool = all_tools().swap_remove(0);
    assert_eq!(tool["name"], RUN);
    tool
}

/// The names of the arguments, and their types.
fn arguments(tool: &Value) -> Value {
    let properties = properties(&tool["inputSchema"]).into_iter();
    let types = properties.map(|(name, property)| (name, property["type"].clone()));
    types.collect::<Map<_, _>>().into()
}

#[test]
fn the_older_protocol_gets_the_version_that_it_asks_for() {
    for version in ["2025-06-18", "2025-11-25"] {
        let mut server = Server::silent(&[]);
        let mut result = server.initialize(version);
        let instructions = result["instructions"].take();
        assert!(instructions.as_str().is_some_and(|text| text.contains(RUN) && text.len() < 2048));
        assert_eq!(
            result,
            json!({
                "protocolVersion": version,
                "capabilities": { "tools": {}, "prompts": {}, "resources": {} },
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
    let mut server = Server::silent(&[]);
    let result = server.modern();
    let versions = result["supportedVersions"].as_array().expect("an array");
    for version in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        assert!(versions.contains(&json!(version)), "{result}");
    }
    let capabilities = json!({ "tools": {}, "prompts": {}, "resources": {} });
    assert_eq!(result["capabilities"], capabilities);
    assert!(result["instructions"].as_str().is_some_and(|text| text.contains(RUN)));
}

/// Under the default grant, which lets programs write to the workspace.
#[test]
fn the_tools_have_titles_and_annotations() {
    let tool = |name: &str, title: &str, hints: [bool; 4]| {
        let [read_only, destructive, idempotent, open_world] = hints;
        json!({
            "name": name,
            "title": title,
            "annotations": {
                "title": title,
                "readOnlyHint": read_only,
                "destructiveHint": destructive,
                "idempotentHint": idempotent,
                "openWorldHint": open_world,
            },
        })
    };
    let mut tools = all_tools();
    for tool in &mut tools {
        let tool = tool.as_object_mut().expect("an object");
        for member in ["description", "inputSchema"] {
            assert!(tool.remove(member).is_some(), "{member}: {tool:?}");
        }
    }
    assert!(tools[0].as_object_mut().and_then(|tool| tool.remove("outputSchema")).is_some());
    assert_eq!(
        tools,
        [
            tool(RUN, "Run TypeScript", [false, true, false, false]),
            tool("list_mcp_servers", "List MCP servers", [true, false, true, true]),
            tool("get_tools", "Get tools of an MCP server", [true, false, true, true]),
            tool("search_tools", "Search tools", [true, false, true, true]),
            tool("list_playbooks", "List playbooks", [true, false, true, false]),
            tool("get_playbook", "Get a playbook", [true, false, true, false]),
            tool("create_playbook", "Create a playbook", [false, false, false, false]),
            tool("health", "Health", [true, false, true, false]),
        ]
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
    for tool in all_tools() {
        let schemas = [tool.get("inputSchema"), tool.get("outputSchema")];
        for schema in schemas.into_iter().flatten() {
            assert_eq!(schema["type"], "object", "{tool}");
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
}

#[test]
fn only_the_code_of_a_program_is_required() {
    let tool = the_tool();
    assert_eq!(
        arguments(&tool),
        json!({
            "deno_code": "string",
            "timeout": "integer",
            "globals": "object",
            "allowedTools": "array",
            "dependencies": "array",
            "conversation": "string",
            "check": "string",
        })
    );
    assert_eq!(tool["inputSchema"]["required"], json!(["deno_code"]));
}

#[test]
fn no_tool_takes_an_argument_that_its_schema_does_not_name() {
    let mut server = Server::ready(&[]);
    for tool in all_tools() {
        let name = tool["name"].as_str().expect("a name");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        let text = refusal(&server.call(name, json!({ "no_such_argument": 1 })));
        let invalid = format!("MCP error -32602: Invalid arguments for tool {name}:");
        assert!(text.starts_with(&invalid) && text.contains("`no_such_argument`"), "{text}");
    }
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
        "for (let i = 0; i < 2; i++) setInterval(() => {}, 1000); 1",
    ] {
        let result = server.call(RUN, json!({ "deno_code": code }));
        let problems = mismatches(&schema, &result["structuredContent"]);
        found.extend(problems.into_iter().map(|problem| format!("{code}: {problem}")));
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn both_eras_see_the_same_tools_and_results() {
    let mut old = Server::ready(&[]);
    let mut modern = Server::silent(&[]);
    modern.modern();
    assert_eq!(list(&mut old), list(&mut modern));
    assert_eq!(list(&mut old), list(&mut old));
    for code in ["console.log('x'); ({ a: 1 })", "throw new Error('boom')"] {
        assert_eq!(old.outcome(code), modern.outcome(code));
    }
    assert_eq!(old.refused_run(json!({})), modern.refused_run(json!({})));
}

#[test]
fn every_server_lists_the_same_tools() {
    assert_eq!(all_tools(), all_tools());
}
