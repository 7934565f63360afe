//! `import … from "mcp:server"`: each tool as a function.

use serde_json::json;

use super::client::Server;
use super::fixture::{only_stub, upstream};

#[test]
fn tools_are_functions_of_a_module() {
    let mut server = Server::with(&only_stub());
    for import in [
        "import * as stub from 'mcp:stub';",
        "import * as stub from './mcp/stub';",
        "import stub from 'mcp:stub';",
        "const stub = await import('mcp:stub');",
        "const stub = await import('./mcp/stub');",
    ] {
        let code = format!(
            "{import}
             [await stub.echo({{ text: 'a' }}), await stub.structured(), await stub.json()]"
        );
        let expected = json!(["a", { "v": 42 }, { "a": [1, 2], "b": "x" }]);
        assert_eq!(server.value(&code), expected, "{import}");
    }
    let named = "import { echo, count as times } from 'mcp:stub';
                 [await echo({ text: 'b' }), await times()]";
    assert_eq!(server.value(named), json!(["b", 1]));
}

#[test]
fn functions_throw_what_calls_throw() {
    let mut server = Server::with(&only_stub());
    let code = "
        import { echo, fail } from 'mcp:stub';
        const caught = async (call) => { try { return await call() } catch (e) { return [e.name, e.message] } };
        [await caught(() => fail()), await caught(() => echo({ text: 1 }))]";
    let value = server.value(code);
    assert_eq!(value[0], json!(["McpToolError", "it failed"]));
    assert_eq!(value[1][0], "TypeError");
    assert!(value[1][1].as_str().is_some_and(|text| text.contains("Expected: {text: string")));
}

#[test]
fn a_server_may_have_any_name() {
    let names =
        ["my server", "dots.and-dashes", "emoji 🎉", "a/b", "a__b", "@scope/x", "100%", "MCP"];
    let mut servers = json!({});
    for name in names {
        servers[name] = upstream(&["up"]);
    }
    let mut server = Server::with(&servers);
    for name in names {
        let code = format!(
            "import * as a from 'mcp:{name}';
             const b = await mcpFactory.load('{name}');
             [await a.echo({{ n: 1 }}), await b.callTool('echo', {{ n: 2 }}),
              await callMCPTool('mcp__{name}__echo', {{ n: 3 }})]"
        );
        assert_eq!(server.value(&code), json!([{ "n": 1 }, { "n": 2 }, { "n": 3 }]), "{name}");
    }
}

#[test]
fn a_module_that_does_not_exist_is_an_error_that_names_what_is_near() {
    let mut server = Server::with(&only_stub());
    let (_, error) = server.error("import * as x from 'mcp:stubb'; x");
    assert!(error.contains("MCP server \"stubb\" not found"), "{error}");
    assert!(error.contains("\"stub\""), "{error}");
    let (_, error) = server.error("import { nothing } from 'mcp:stub'; nothing");
    assert!(error.contains("nothing"), "{error}");
    for specifier in ["mcp:", "conductor:tools", "mcp:../stub", "./mcp/", "./other/stub"] {
        let (name, _) = server.thrown(&format!("import('{specifier}')"));
        assert!(name.ends_with("Error"), "{specifier}: {name}");
    }
}

#[test]
fn a_module_of_a_server_that_failed_says_why() {
    let mut server = Server::with(&json!({ "bad": { "command": "/nonexistent/bin" } }));
    let (_, message) = server.thrown("import('mcp:bad')");
    assert!(message.contains("MCP server \"bad\" failed to connect"), "{message}");
}
