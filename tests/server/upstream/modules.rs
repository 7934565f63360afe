//! `import … from "mcp:server"`: each tool as a function.

use serde_json::json;

use crate::support::pipes::Server;
use crate::support::upstreams::{only_stub, upstream};

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

#[test]
fn a_function_that_is_misspelt_is_an_error_that_names_those_that_are_near() {
    let mut server = Server::with(&json!({
        "stub": upstream(&["stub"]), "bad list": upstream(&["badlist"]),
    }));
    for (code, end) in [
        (
            "import * as stub from 'mcp:stub'; await stub.strcutured()",
            "stub.strcutured is not a function. Did you mean \"structured\"?",
        ),
        (
            "const { ecko } = await import('mcp:stub'); await ecko({ text: 'a' })",
            "ecko is not a function. Did you mean \"echo\"?",
        ),
        (
            "import bad from 'mcp:bad list'; await bad.dotedName({})",
            "bad.dotedName is not a function. Did you mean \"dottedName\" or \"dotted.name\"?",
        ),
        (
            "import { ehco } from 'mcp:stub'; await ehco({ text: 'a' })",
            "does not provide an export named 'ehco'. Did you mean \"echo\"?",
        ),
        // Nothing is near, or no server has to do with it.
        (
            "import * as stub from 'mcp:stub'; await stub.frobnicate()",
            "stub.frobnicate is not a function",
        ),
        ("const o = {}; o.ecko()", "o.ecko is not a function"),
    ] {
        let (_, error) = server.error(code);
        assert!(error.ends_with(end), "{code}: {error}");
    }
}

#[test]
fn a_method_of_a_loaded_server_that_is_none_names_the_call() {
    let mut server = Server::with(&only_stub());
    for (call, end) in [
        ("s.calTool('echo')", "s.calTool is not a function. Did you mean \"callTool\"?"),
        ("s.echo({ text: 'a' })", "s.echo is not a function. Did you mean callTool(\"echo\", …)?"),
        (
            "s.strcutured()",
            "s.strcutured is not a function. Did you mean callTool(\"structured\", …)?",
        ),
        ("mcpFactory.laod('stub')", "mcpFactory.laod is not a function. Did you mean \"load\"?"),
    ] {
        // Its tools are known then.
        let code =
            format!("const s = await mcpFactory.load('stub'); await s.listTools(); await {call}");
        let execution = server.run(&code);
        let error = execution["error"].as_str().unwrap_or_default();
        assert!(error.ends_with(end), "{call}: {error}");
        let message = execution["errorDetail"]["message"].as_str().unwrap_or_default();
        assert!(message.ends_with(end), "{execution:#}");
    }
}

#[test]
fn a_tool_that_a_run_may_not_call_is_not_near() {
    let mut server = Server::with(&json!({ "up": upstream(&["up"]) }));
    let code = "import * as up from 'mcp:up'; await up.secrte()";
    let execution = server.execute(code, json!({ "allowedTools": ["mcp__up__echo"] }));
    let error = execution["error"].as_str().unwrap_or_default();
    assert!(error.ends_with("up.secrte is not a function"), "{error}");
}
