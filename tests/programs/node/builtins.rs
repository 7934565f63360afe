//! Every built-in loads, in each of the ways in which programs and packages ask for one.

use serde_json::json;

use crate::runtimes::{error, value};

#[test]
fn every_built_in_can_be_imported_and_required() {
    let source = r#"
        import module from "node:module";
        const bad: string[] = [];
        for (const name of module.builtinModules) {
          const namespace = await import(`node:${name}`);
          if (Object.keys(namespace).length === 0) bad.push(name);
          const required = module.createRequire(import.meta.url)(name);
          if (required !== (namespace.default ?? namespace)) bad.push(`require ${name}`);
          if (process.getBuiltinModule(`node:${name}`) !== required) bad.push(`get ${name}`);
        }
        ({ enough: module.builtinModules.length > 50, bad })"#;
    assert_eq!(value(source), json!({ "enough": true, "bad": [] }));
}

#[test]
fn names_are_imported_from_built_ins_as_from_nodes() {
    let source = r#"
        import fs, { readFileSync } from "node:fs";
        import { join } from "node:path";
        import { EventEmitter } from "node:events";
        import { inspect, promisify } from "node:util";
        import { createHash } from "node:crypto";
        import { fileURLToPath } from "node:url";
        import { gzipSync } from "node:zlib";
        import { createRequire } from "node:module";
        [
          fs.readFileSync === readFileSync, join("a", "..", "b"), typeof EventEmitter,
          inspect({ a: [1] }), typeof promisify, createHash("md5").update("").digest("hex"),
          fileURLToPath("file:///a%20b"), gzipSync("").length > 0,
          createRequire("file:///x")("fs") === fs,
        ]"#;
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    let expected =
        json!([true, "b", "function", "{ a: [ 1 ] }", "function", md5, "/a b", true, true]);
    assert_eq!(value(source), expected);
}

#[test]
fn the_globals_of_node_are_there_and_are_not_listed() {
    let source = r#"
        const names = ["process", "Buffer", "global", "setImmediate", "clearImmediate", "require"];
        const listed = Object.keys(globalThis);
        [
          names.filter((name) => !(name in globalThis)),
          names.filter((name) => listed.includes(name)),
          global === globalThis,
        ]"#;
    assert_eq!(value(source), json!([[], [], true]));
}

#[test]
fn a_computed_require_says_what_it_finds() {
    let error = error("const name = 'lod' + 'ash'; require(name); process.pid");
    let expected =
        "Error: Cannot find module 'lodash': a computed require() finds node: built-ins only";
    assert!(error.message.starts_with(expected), "{error:?}");
}

#[test]
fn a_built_in_that_does_not_exist_is_named() {
    let error = error("const name = 'node:' + 'nothing'; require(name); process.pid");
    assert_eq!(error.message, "Error: No such built-in module: node:nothing");
}

#[test]
fn what_of_nodes_internals_is_asked_for_is_refused() {
    let source = r#"
        const refused = (name: string) => {
          try { (process as any).binding(name); return "given"; } catch (e: any) { return e.code; }
        };
        ["crypto", "fs", "spawn_sync", "tcp_wrap", "contextify"].map(refused)"#;
    assert_eq!(value(source), json!(vec!["ERR_INVALID_MODULE"; 5]));
}
