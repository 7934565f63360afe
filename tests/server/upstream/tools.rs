//! The tools that show what programs can call.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::processes::memory;
use crate::support::upstreams::{only_stub, upstream, upstream_with};

const TOOLS: [&str; 8] = [
    "run_deno_code",
    "list_mcp_servers",
    "get_tools",
    "search_tools",
    "health",
    "list_playbooks",
    "get_playbook",
    "create_playbook",
];

fn stub() -> Server {
    Server::with(&only_stub())
}

fn names(tools: &Value) -> Vec<&str> {
    let tools = tools["tools"].as_array().expect("tools");
    tools.iter().map(|tool| tool["name"].as_str().expect("a name")).collect()
}

#[test]
fn every_tool_has_a_title_a_description_schemas_and_annotations() {
    let mut server = stub();
    let list = server.ask("tools/list", json!({}));
    let mut found = names(&list);
    for tool in list["tools"].as_array().expect("tools") {
        let name = &tool["name"];
        let length = tool["description"].as_str().map_or(0, str::len);
        assert!((40..=1800).contains(&length), "{name}: {length} bytes");
        assert!(tool["title"].is_string(), "{name}");
        assert_eq!(tool["inputSchema"]["type"], "object", "{name}");
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{name}: {hint}");
        }
        for property in tool["inputSchema"]["properties"].as_object().into_iter().flatten() {
            assert!(property.1["description"].is_string(), "{name}: {property:?}");
        }
    }
    found.sort_unstable();
    let mut expected = TOOLS;
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(list, server.ask("tools/list", json!({})));
}

#[test]
fn a_list_of_servers_counts_what_they_have() {
    let described = json!({ "description": "Stands for any server" });
    let mut server = Server::with(&json!({
        "stub": upstream(&["stub"]), "told": upstream_with(&["up"], described),
    }));
    let stub = server.listed("stub");
    assert_eq!((&stub["resources"], &stub["prompts"]), (&json!(1), &json!(1)), "{stub:#}");
    assert!(stub["tools"].as_u64() > Some(20), "{stub:#}");
    assert!(stub["description"].is_string(), "{stub:#}");
    assert_eq!(server.listed("told")["description"], "Stands for any server");
    assert_eq!(Server::plain().structured("list_mcp_servers", json!({})), json!({ "servers": [] }));
}

#[test]
fn tools_of_a_server_come_with_their_schemas() {
    let mut server = stub();
    let wanted = json!({ "server": "stub", "tools": ["echo", "structured"] });
    let told = server.say("get_tools", wanted);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(names(&told), ["echo", "structured"]);
    let echo = &told["tools"][0];
    assert_eq!(echo["description"], "Echo");
    assert_eq!(
        echo["inputSchema"],
        json!({
            "type": "object",
            "properties": { "text": { "type": "string" }, "n": { "type": "number" } },
            "required": ["text"],
        })
    );
    let all = server.say("get_tools", json!({ "server": "stub" }));
    let all: Value = serde_json::from_str(&all).expect("JSON");
    assert_eq!(
        json!(all["tools"].as_array().expect("tools").len()),
        server.listed("stub")["tools"]
    );
}

#[test]
fn tools_of_a_server_come_as_declarations() {
    let mut server = stub();
    let arguments =
        json!({ "server": "stub", "tools": ["echo", "structured"], "format": "typescript" });
    let told = server.call("get_tools", arguments);
    let declarations = told["structuredContent"]["declarations"].as_str().expect("declarations");
    for part in [
        "declare module \"mcp:stub\" {",
        "export function echo(args: {",
        "text: string",
        "n?: number",
        "export function structured(",
        "v: number",
    ] {
        assert!(declarations.contains(part), "{part}: {declarations}");
    }
    // It is TypeScript.
    assert_eq!(server.value(&format!("{declarations}\n'parsed'")), "parsed");
}

#[test]
fn tools_of_a_server_come_as_calls_of_python() {
    let mut server = stub();
    let arguments = json!({ "server": "stub", "tools": ["echo"], "format": "python" });
    let told = server.call("get_tools", arguments);
    let signatures = told["structuredContent"]["signatures"].as_str().expect("signatures");
    let first = signatures.lines().next().expect("a line");
    assert!(first.starts_with("mcp.stub.echo(text: str, n: "), "{signatures}");
    assert!(!signatures.contains("structured"), "{signatures}");

    let found = |format: &str| json!({ "query": "echo", "detail": "detailed", "limit": 1, "format": format });
    let python = server.call("search_tools", found("python"));
    let signature = &python["structuredContent"]["tools"][0]["signature"];
    assert_eq!(signature, first, "{python:#}");
    let typescript = server.call("search_tools", found("typescript"));
    let signature = typescript["structuredContent"]["tools"][0]["signature"].as_str();
    assert!(signature.is_some_and(|text| text.starts_with("echo(text:string")), "{typescript:#}");
}

#[test]
fn an_unknown_server_or_tool_is_an_error_that_names_what_is_near() {
    let mut server = stub();
    let unknown =
        |server: &mut Server, name: &str| server.refusal("get_tools", json!({ "server": name }));
    assert_eq!(unknown(&mut server, "zzz"), "MCP server \"zzz\" not found");
    let near = unknown(&mut server, "Stub");
    assert!(near.starts_with("MCP server \"Stub\" not found. Did you mean"), "{near}");
    assert!(near.contains("\"stub\""), "{near}");
    let tool = server.refusal("get_tools", json!({ "server": "stub", "tools": ["ecko"] }));
    assert!(tool.contains("\"ecko\"") && tool.contains("\"echo\""), "{tool}");
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let mut server = stub();
    for (tool, arguments, part) in [
        ("get_tools", json!({}), "server"),
        ("get_tools", json!({ "server": 5 }), "server must be a string"),
        ("get_tools", json!({ "server": "stub", "format": "xml" }), "xml"),
        ("search_tools", json!({}), "query"),
        ("search_tools", json!({ "query": "a", "limit": 0 }), "limit"),
        ("search_tools", json!({ "query": "a", "detail": "all" }), "all"),
        ("health", json!({ "verbose": true }), "verbose"),
        ("list_mcp_servers", json!({ "server": "stub" }), "server"),
    ] {
        let refusal = server.refusal(tool, arguments.clone());
        assert!(refusal.contains(part), "{tool} {arguments}: {refusal}");
    }
}

#[test]
fn a_search_finds_the_tool_among_a_thousand() {
    let mut server =
        Server::with(&json!({ "many": upstream(&["many"]), "stub": upstream(&["stub"]) }));
    server.listed("many");
    server.listed("stub");
    let found = server.structured("search_tools", json!({ "query": "export invoice" }));
    assert_eq!(found["tools"][0]["name"], "export_invoices", "{found:#}");
    assert_eq!(found["tools"][0]["server"], "many");
    let ten = server.structured("search_tools", json!({ "query": "work" }));
    assert_eq!(ten["tools"].as_array().map(Vec::len), Some(10));
    let three = server.structured("search_tools", json!({ "query": "work", "limit": 3 }));
    assert_eq!(three["tools"].as_array().map(Vec::len), Some(3));
    let none = server.structured("search_tools", json!({ "query": "zzzzqqqq" }));
    assert_eq!(none["tools"], json!([]));
    // Most of it is the way there and back.
    let start = Instant::now();
    for _ in 0..20 {
        server.structured("search_tools", json!({ "query": "the work of a customer", "limit": 5 }));
    }
    assert!(start.elapsed() < Duration::from_secs(10), "20 searches took {:?}", start.elapsed());
}

/// Resident memory of a server that has searched the tools of an upstream server.
fn memory_of_a_search(mode: &str, query: &str) -> u64 {
    let mut server = Server::with(&json!({ "up": upstream(&[mode]) }));
    server.listed("up");
    let found = server.structured("search_tools", json!({ "query": query }));
    assert_ne!(found["tools"], json!([]), "{found:#}");
    memory(server.pid(), "RssAnon")
}

#[test]
fn the_catalog_of_a_thousand_tools_takes_less_than_fifteen_megabytes() {
    let few = memory_of_a_search("stub", "echo");
    let many = memory_of_a_search("wide", "make an entry");
    let catalog = many.saturating_sub(few);
    println!("1,000 tools with schemas: {} KiB more than a few ({})", catalog >> 10, few >> 10);
    assert!(catalog < 15 << 20, "{catalog} bytes");
}

#[test]
fn a_search_shows_as_much_as_is_asked_for() {
    let mut server = stub();
    server.listed("stub");
    let mut sizes = Vec::new();
    for detail in ["brief", "detailed", "full"] {
        let query = json!({ "query": "echo", "limit": 1, "detail": detail });
        let found = server.structured("search_tools", query);
        let tool = &found["tools"][0];
        assert_eq!((&tool["server"], &tool["name"]), (&json!("stub"), &json!("echo")), "{found:#}");
        assert_eq!(tool["description"], "Echo");
        assert_eq!(tool["inputSchema"].is_object(), detail == "full", "{found:#}");
        sizes.push(tool.to_string().len());
    }
    assert!(sizes.is_sorted() && sizes[0] < sizes[2], "{sizes:?}");
}

#[test]
fn health_says_how_everything_is() {
    let home = Home::with(&json!({ "stub": upstream(&["stub"]), "gone": upstream(&["dies"]) }));
    let mut server = Server::at(home, &[]);
    server.listed("stub");
    server.listed("gone");
    let health: Value = serde_json::from_str(&server.say("health", json!({}))).expect("JSON");
    assert_eq!(health["healthy"], true, "{health:#}");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["executions"]["active"], 0);
    assert!(health["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
    let servers = health["servers"].as_array().expect("servers");
    let find =
        |name: &str| servers.iter().find(|server| server["name"] == name).expect("it is there");
    assert_eq!(find("stub")["connected"], true, "{health:#}");
    assert_eq!(find("gone")["connected"], false, "{health:#}");
    assert!(find("gone")["error"].is_string(), "{health:#}");
}
