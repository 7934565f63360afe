//! A server whose names, descriptions and schemas make trouble.

use serde_json::{Value, json};

use crate::support::pipes::Server;
use crate::support::upstreams::upstream;

fn bad() -> Server {
    Server::with(&json!({ "bad list": upstream(&["badlist"]) }))
}

#[test]
fn all_of_its_tools_can_be_called_by_their_names() {
    let mut server = bad();
    let listed = server.listed("bad list");
    assert_eq!((&listed["tools"], &listed["error"]), (&json!(17), &Value::Null), "{listed:#}");
    let code = "
        const s = await mcpFactory.load('bad list');
        const names = (await s.listTools()).map((tool) => tool.name);
        const args = {
          'get-file': { text: 'a' }, get_file: { text: 'a' }, comment: { '*/': '*/' },
          loop: { node: { next: { next: {} } } },
        };
        const called = [];
        for (const name of names) {
          try { called.push((await s.callTool(name, Object.hasOwn(args, name) ? args[name] : {})).tool) }
          catch (e) { called.push(`${name}: ${e.message}`) }
        }
        [names, called]";
    let value = server.value(code);
    assert_eq!(value[0].as_array().map(Vec::len), Some(17), "{value:#}");
    assert_eq!(value[0], value[1]);
}

#[test]
fn identifiers_that_collide_keep_apart() {
    let mut server = bad();
    let code = "
        import * as bad from 'mcp:bad list';
        import { 'get-file' as dashed, 'with space' as spaced, 'emoji 🎉 tool' as emoji } from 'mcp:bad list';
        const args = { text: 'a' };
        const tools = [
          await bad.getFile(args), await bad.get_file(args), await dashed(args),
          await spaced({}), await emoji({}), await bad.dottedName({}), await bad['délète']({}),
          await bad.delete_({}), await bad._2fa({}),
          await bad.default['get-file'](args), await bad.default.get_file(args),
          await bad.default['🎉']({}), await bad.default.then({}), await bad.default.delete({}),
        ];
        tools.map((result) => result.tool)";
    assert_eq!(
        server.value(code),
        json!([
            "get-file",
            "get_file",
            "get-file",
            "with space",
            "emoji 🎉 tool",
            "dotted.name",
            "délète",
            "delete",
            "2fa",
            "get-file",
            "get_file",
            "🎉",
            "then",
            "delete",
        ])
    );
}

/// A module with an export `then` would be one that nobody can await.
#[test]
fn a_tool_called_then_does_not_make_the_module_a_promise() {
    let mut server = bad();
    let code = "
        const bad = await import('mcp:bad list');
        [typeof bad.then, (await bad.mute()).tool,
         Object.getPrototypeOf(bad.default) === Object.prototype]";
    assert_eq!(server.value(code), json!(["undefined", "mute", true]));
}

#[test]
fn declarations_are_typescript_whatever_the_server_says() {
    let mut server = bad();
    let arguments = json!({ "server": "bad list", "format": "typescript" });
    let told = server.call("get_tools", arguments);
    let declarations = told["structuredContent"]["declarations"].as_str().expect("declarations");
    assert_eq!(server.value(&format!("{declarations}\n'parsed'")), "parsed");
    // The module ends where it should: nothing stands outside of it.
    let body = declarations.strip_prefix("declare module \"mcp:bad list\" {\n").expect("a module");
    let body = body.strip_suffix('}').expect("an end");
    assert!(!body.lines().any(|line| line.starts_with(|c: char| !c.is_whitespace())), "{body}");
    assert!(!declarations.contains("*/ export const hacked"), "{declarations}");
    assert!(!declarations.contains(['\u{1b}', '\u{2028}', '\r']), "{declarations:?}");
}

#[test]
fn what_a_server_says_of_itself_stays_one_line_of_a_list() {
    let mut server = bad();
    let listed = server.listed("bad list");
    for sample in listed["sample_tools"].as_array().expect("samples") {
        let sample = sample.as_str().expect("text");
        assert!(!sample.contains(['\n', '\r', '\u{1b}', '\u{2028}']), "{sample:?}");
    }
}

#[test]
fn a_schema_that_is_none_checks_nothing() {
    let mut server = bad();
    for tool in ["five", "mute"] {
        let code = format!("(await callTool('bad list', '{tool}', {{ any: [1] }})).arguments.any");
        assert_eq!(server.value(&code), json!([1]), "{tool}");
    }
    let (_, message) = server.thrown("callTool('bad list', 'loop', { node: { next: 5 } })");
    assert!(message.contains("not of type"), "{message}");
}

#[test]
fn a_schema_that_is_no_object_spoils_no_other_tool() {
    let mut server = Server::with(&json!({ "odd": upstream(&["stringlist"]) }));
    let listed = server.listed("odd");
    assert_eq!(listed["error"], Value::Null, "{listed:#}");
    assert_eq!(server.value("(await callTool('odd', 'good')).tool"), "good");
}
