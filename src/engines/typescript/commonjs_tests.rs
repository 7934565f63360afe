//! What becomes of programs that are written for Node.

use deno_ast::ModuleSpecifier;

use super::super::flavor::Flavor;
use super::super::meta::Home;
use super::super::transpile::transpile_program;

fn of_flavor(source: &str, flavor: Flavor) -> String {
    let main = ModuleSpecifier::parse("file:///main.ts").unwrap();
    match transpile_program(&main, source, &Home::new("/srv/work"), flavor) {
        Ok(transpiled) => transpiled.code,
        Err(error) => error.message,
    }
}

fn code(source: &str) -> String {
    of_flavor(source, Flavor::Node)
}

/// What a program of one statement becomes, without what is around it.
fn body(source: &str) -> String {
    let code = code(source);
    let (_, rest) = code.split_once("let __value;\n").unwrap_or_default();
    let (body, _) = rest.rsplit_once("  return ").unwrap_or_default();
    body.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_required_package_is_an_import_and_its_value_what_node_returns() {
    let code = code("const { z } = require('npm:zod');");
    assert!(
        code.starts_with("import * as __value_required0_ from 'npm:zod';\n"),
        "an import at the top: {code}"
    );
    assert_eq!(
        body("const { z } = require('npm:zod');"),
        "let __value_required0 = ()=>__value_required0_; const { z } = \"module.exports\" in \
         __value_required0() ? __value_required0()[\"module.exports\"] : __value_required0();"
    );
}

#[test]
fn what_is_required_twice_is_imported_once() {
    let code = code("require('a'); require(`a`).b; require('c')");
    assert_eq!(code.matches("import * as").count(), 2, "{code}");
}

#[test]
fn json_is_imported_as_json() {
    let code = code("const data = require('./data.json')");
    assert!(
        code.contains("from './data.json' with {") && code.contains("type: \"json\""),
        "{code}"
    );
    assert!(code.contains("const data = __value_required0().default;"), "{code}");
}

#[test]
fn a_built_in_and_a_computed_name_are_left_to_the_global_function() {
    for source in ["require('fs')", "require('node:path')", "require(name)", "require.resolve('a')"]
    {
        let code = code(source);
        assert!(code.contains(&format!("__value = {source};")), "{code}");
        assert!(!code.contains("import"), "{code}");
    }
}

#[test]
fn what_is_required_in_a_try_block_may_fail_there() {
    let code = code("let a; try { a = require('a') } catch { a = null }");
    assert!(!code.contains("import *"), "{code}");
    let attempt = "let __value_required0 = await import('a').then((m)=>()=>m, (e)=>()=>{";
    assert!(code.contains(attempt), "{code}");
    for source in [
        "try { require('a') } catch {} require('a')",
        "try { f() } catch { require('a') }",
        "try { require('a') } finally {}",
    ] {
        assert!(self::code(source).starts_with("import * as"), "{source}");
    }
}

#[test]
fn what_is_required_where_it_may_not_be_run_may_fail_there() {
    for source in [
        "const f = globalThis.fetch ?? require('a')",
        "a && require('a')",
        "a || require('a')",
        "a ? require('a') : 1",
        "let b; b ??= require('a')",
        "if (a) require('a')",
        "if (a) {} else { require('a') }",
        "switch (a) { case 1: require('a') }",
        "for (const b of c) require('a')",
        "while (a) { require('a') }",
        "function lazy() { return require('a') }",
        "const lazy = () => require('a')",
        "class A { b() { return require('a') } }",
        "class A { constructor() { require('a') } }",
        "({ get a() { return require('a') } })",
    ] {
        let code = code(source);
        assert!(!code.contains("import *"), "{source}: {code}");
        assert!(code.contains("await import('a')"), "{source}: {code}");
    }
    for source in [
        "if (require('a')) {}",
        "require('a') ?? 1",
        "require('a') + require('a')",
        "do { require('a') } while (a)",
        "if (a) { require('a') } require('a')",
        "f(function () { return require('a') }, require('a'))",
    ] {
        assert!(code(source).starts_with("import * as"), "{source}: {}", code(source));
    }
}

#[test]
fn import_equals_is_the_same() {
    let code = code("import a = require('a'); import fs = require('fs'); a(fs)");
    assert!(code.starts_with("import * as __value_required0_ from 'a';\n"), "{code}");
    assert!(code.contains("const fs = require('fs');"), "{code}");
}

#[test]
fn a_require_of_the_programs_own_is_left_alone() {
    for source in [
        "const require = createRequire(import.meta.url); require('a')",
        "function require(name) { return name } require('a')",
        "import { require } from 'npm:x'; require('a')",
        "function f(require) { return require('a') }",
        "const f = (require) => require('a')",
        "function f() { const require = g; return require('a') }",
    ] {
        assert!(code(source).contains("require('a')"), "{}", code(source));
    }
    let other = code("const f = (require) => require('a'); require('b')");
    assert!(other.contains("require('a')") && other.contains("from 'b'"), "{other}");
    assert!(code("declare const require: any; require('a')").contains("from 'a'"));
}

#[test]
fn module_and_exports_exist_where_they_are_mentioned() {
    assert_eq!(
        body("module.exports = { a: 1 };"),
        "let module = globalThis.module ?? { exports: {}, id: \".\", filename: \"/srv/work/main.ts\" }; __value = \
         module.exports = { a: 1 };"
    );
    let code = code("exports.a = 1; exports.b = 2");
    assert!(code.contains("let exports = globalThis.exports ?? module.exports;"), "{code}");
    assert!(code.contains("__value = module.exports;"), "the whole is the value: {code}");
    let code = self::code("if (require.main === module) main(); function main() {}");
    assert!(code.contains("if (module === module)"), "{code}");
}

#[test]
fn a_function_that_is_exported_is_called_as_one_that_is_the_value() {
    let code = code("module.exports = async () => 1");
    assert!(code.ends_with("  return await __value();\n});\n"), "{code}");
}

#[test]
fn names_of_the_programs_own_are_left_alone() {
    for source in
        ["const module = { exports: 1 }; module.exports", "let exports = {}; exports.a = 1"]
    {
        let code = code(source);
        assert!(!code.contains("let module"), "{code}");
    }
    let code = code("f((module) => module.name); module.exports = 1");
    assert!(code.contains("let module = globalThis.module ?? {"), "{code}");
}

#[test]
fn the_place_of_the_program_is_the_workspace() {
    let code = code("[__dirname, __filename]");
    assert!(code.contains("let __dirname = \"/srv/work\";"), "{code}");
    assert!(code.contains("let __filename = \"/srv/work/main.ts\";"), "{code}");
}

#[test]
fn other_programs_and_those_of_the_plain_kind_are_what_they_were() {
    for source in [
        "const add = (a: number) => a + 1; add(1)",
        "import fs from 'node:fs'; fs.readFileSync('a')",
        "// a module that requires nothing\n1",
        "type A = { module: 1, exports: 2, require: 3 }; const a: A = b; a.require",
    ] {
        assert_eq!(code(source), of_flavor(source, Flavor::Plain), "{source}");
    }
    let source = "const fs = require('a'); module.exports = __dirname";
    let plain = of_flavor(source, Flavor::Plain);
    assert!(plain.contains("require('a')") && !plain.contains("let module"), "{plain}");
}
