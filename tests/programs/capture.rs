//! Which of a program's values is its value: the top-level `return`, else
//! `export default`, else the completion value of the last statement.

use serde_json::{Value, json};

use super::runtimes::{output, run, value, value_of};

/// Statements whose completion value V8 computes itself, in `eval`.
const STATEMENTS: &[&str] = &[
    "1; 2",
    "1;",
    "1;;;",
    "1; var x = 2;",
    "1; let x = 2;",
    "1; function f() {}",
    "1; class A {}",
    "'use strict'",
    "1\n+2",
    "var a = [1]\n;[2]",
    "{ 1; { 2 } }",
    "1; {}",
    "if (true) 1; else 2",
    "if (false) 1; else { 2; 3 }",
    "1; if (false) 2",
    "1; if (true) {}",
    "if (true) { if (false) { 1 } else { 2 } }",
    "try { 1 } catch { 2 }",
    "try { throw 3 } catch (e) { e }",
    "try { 1 } finally { 2 }",
    "switch (2) { case 1: 'a'; break; case 2: 'b'; break; default: 'c' }",
    "switch (2) { case 1: 'a'; case 2: 'b'; case 3: 'c' }",
    "switch (9) { case 1: 'a'; break; default: 'c' }",
    "switch (9) { case 1: 'a' }",
    "switch (1) { case 1: 'a'; { 'b'; break } }",
    "for (var i = 0; i < 3; i++) i * 2",
    "for (var i = 0; i < 3; i++) { var j = i }",
    "1; for (var i = 0; i < 0; i++) i",
    "for (var i = 0; i < 5; i++) { if (i == 3) { 'stop'; break } i }",
    "for (const x of ['a', 'b']) x",
    "for (const x in { a: 1, b: 2 }) x",
    "while (true) { 'once'; break }",
    "while (false) 1",
    "var n = 0; do { n++; n } while (n < 3)",
    "a: { 1; break a; 2 }",
    "`a;${1};`",
    "/a;b/.source",
    "(1, 2)",
    "void 0",
    "42 // a; b",
    "42 /* a; b */\n// c\n",
];

/// As above: the branch that was taken last has no value, and hides the one
/// before it.
const EMPTY_BRANCHES: &[&str] = &[
    "try { 1; throw 2 } catch { }",
    "for (var i = 0; i < 5; i++) { i; if (i == 3) continue }",
    "for (var i = 0; i < 5; i++) { i; if (i > 2) continue; 'low' }",
    "a: for (const x of [1, 2]) { for (const y of [3, 4]) { if (x == 2) break a; x * y } }",
    "a: for (const x of [1, 2]) { for (const y of [3, 4]) { x * y; if (y == 3) continue a } }",
];

#[track_caller]
fn assert_as_in_eval(list: &[&str]) {
    let mut wrong = Vec::new();
    for statements in list {
        let expected = value(format!("(0, eval)({})", Value::from(*statements)));
        let execution = run(*statements);
        if execution.error.is_some() || execution.return_value != expected {
            wrong.push(format!("{statements}\n  expected {expected}, got {execution:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_completion_value_is_the_one_that_eval_gives() {
    assert_as_in_eval(STATEMENTS);
}

#[test]
fn a_branch_without_a_value_has_none_as_in_eval() {
    assert_as_in_eval(EMPTY_BRANCHES);
}

#[test]
fn a_loop_with_await_has_a_value() {
    assert_eq!(value("for await (const x of [Promise.resolve(1), 2]) x * 10"), 20);
    assert_eq!(value("let i = 0; while (i < 3) { await null; i++ }"), 2);
}

#[test]
fn a_return_in_a_block_ends_the_program() {
    let execution = run("for (const x of [1, 2, 3]) { if (x === 2) return x; }\nconsole.log('no')");
    assert_eq!(execution.output, [""; 0]);
    assert_eq!(value_of(execution), 2);
}

#[test]
fn a_return_over_several_lines_is_one_value() {
    assert_eq!(value("return {\n  a: 1,\n  b: [2],\n};"), json!({ "a": 1, "b": [2] }));
}

#[test]
fn a_return_without_a_value_is_null() {
    assert_eq!(value("return\n5"), Value::Null);
}

#[test]
fn a_return_that_is_not_reached_leaves_the_completion_value() {
    assert_eq!(value("if (false) return 1; 2"), 2);
}

#[test]
fn an_exported_default_wins_over_the_last_statement() {
    assert_eq!(value("export const a = 1; export default a + 1; 99"), 2);
}

#[test]
fn a_default_that_is_exported_by_name_is_the_value() {
    assert_eq!(value("const a = 5; export { a as default }; 6"), 5);
}

#[test]
fn exported_functions_and_classes_are_declared_and_are_the_value() {
    assert_eq!(
        value("const r = f(); export default function f() { return 1 } console.log(r);"),
        "[Function: f]"
    );
    assert_eq!(output("export default class A { a = 1 } console.log(new A().a)"), ["1"]);
}

#[test]
fn a_function_without_a_name_gets_none() {
    for source in [
        "(a) => 1",
        "(function (a) {})",
        "(class {})",
        "export default (a) => 1",
        "export default class {}",
        "export default function (a) {}",
    ] {
        let found = value(source);
        assert!(found == "[Function]" || found == "[Function: default]", "{source}: {found}");
    }
}

#[test]
fn declarations_have_no_value() {
    for source in [
        "function f() { return 1 } function g() { return 2 }",
        "class A {}",
        "const a = 1",
        "enum E { A }",
        "namespace N { export const a = 1 }",
        "interface I { a: 1 }",
        "type T = 1",
        "export const a = 1",
        "export {}",
    ] {
        assert_eq!(value(source), Value::Null, "{source}");
    }
}

#[test]
fn type_declarations_do_not_hide_the_value_before_them() {
    assert_eq!(value("5\ninterface A { a: 1 }"), 5);
    assert_eq!(value("5\ntype A = 1"), 5);
    assert_eq!(value("5; enum E { A }"), 5);
    assert_eq!(value("5; namespace N { export const a = 1 }"), 5);
}

#[test]
fn a_promise_is_awaited() {
    assert_eq!(value("(async () => 5)()"), 5);
    assert_eq!(value("async function f() { await null; return 5 } f()"), 5);
    assert_eq!(value("export default Promise.resolve(5)"), 5);
    assert_eq!(value("return Promise.resolve(Promise.resolve(5))"), 5);
}

#[test]
fn a_thenable_is_awaited() {
    assert_eq!(value("({ then(resolve: any) { resolve(5) } })"), 5);
    assert_eq!(value("class T { then(r: any) { setTimeout(() => r('c'), 5) } } new T()"), "c");
}

#[test]
fn a_dynamic_import_gives_its_namespace() {
    assert_eq!(
        value("import('data:text/javascript,export const a = 1; export default 42')"),
        json!({ "a": 1, "default": 42 })
    );
}

#[test]
fn resources_are_disposed_of_after_the_value_was_computed() {
    let execution = run("using x = { [Symbol.dispose]() { console.log('disposed') } };
        await using y = { async [Symbol.asyncDispose]() { console.log('first') } };
        console.log('body'); 5");
    assert_eq!(execution.output, ["body", "first", "disposed"]);
    assert_eq!(value_of(execution), 5);
}

#[test]
fn template_strings_keep_their_semicolons_and_lines() {
    assert_eq!(value("`a;${[1, 2].map((x) => `${x};`).join('')}\nb;`"), "a;1;2;\nb;");
}

#[test]
fn names_that_the_capture_uses_stay_free() {
    assert_eq!(value("var __value = 3; let __value_ = 4; __value + __value_"), 7);
    assert_eq!(value("typeof (globalThis as any).__value"), "undefined");
}

#[test]
fn functions_are_hoisted_and_this_is_undefined() {
    assert_eq!(
        value("const r = h(); function h() { return 7 } [r, this === undefined]"),
        json!([7, true])
    );
}

#[test]
fn a_first_line_for_the_shell_and_a_byte_order_mark_are_ignored() {
    assert_eq!(value("#!/usr/bin/env -S deno run\n5"), 5);
    assert_eq!(value("\u{feff}5"), 5);
}
