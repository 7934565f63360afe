//! Globals that come with the call are variables.

use mcp_conductor::ExecuteRequest;
use serde_json::{Value, json};

use super::super::runtimes::value_of;
use super::{Python, python};

#[track_caller]
fn value_with(python: Python, globals: Value, source: &str) -> Value {
    let Value::Object(globals) = globals else { panic!("an object") };
    value_of(python.request(ExecuteRequest::python(source).with_globals(globals)))
}

#[test]
fn json_of_every_kind_arrives_unchanged() {
    let Some(python) = python() else { return };
    let globals = json!({
        "a": null,
        "b": true,
        "c": -1.5,
        "d": "\u{0}ä😀\"\\\n\u{2028}",
        "e": [1, [2, []]],
        "f": { "g": { "__proto__": 1, "": 2 } },
    });
    let source = "dict(a=a, b=b, c=c, d=d, e=e, f=f)";
    assert_eq!(value_with(python, globals.clone(), source), globals);
}

#[test]
fn an_integer_keeps_all_its_digits() {
    let Some(python) = python() else { return };
    let globals = json!({ "n": 1_915_883_588_174_806_058_u64 });
    assert_eq!(
        value_with(python, globals, "[n + 0, int(n) + 1]"),
        json!(["1915883588174806058", "1915883588174806059"])
    );
}

#[test]
fn globals_are_seen_in_functions_and_can_be_assigned() {
    let Some(python) = python() else { return };
    let source = "def f():\n    global n\n    n += 1\n    return n\nf()\nn";
    assert_eq!(value_with(python, json!({ "n": 1 }), source), 2);
}

#[test]
fn a_global_shadows_a_builtin_of_this_run_only() {
    let Some(python) = python() else { return };
    assert_eq!(
        value_with(python, json!({ "list": [1], "print": "p" }), "[list, print]"),
        json!([[1], "p"])
    );
    assert_eq!(python.value("[list((1,)), print is not None]"), json!([[1], true]));
}

#[test]
fn the_text_of_a_global_is_data_and_no_code() {
    let Some(python) = python() else { return };
    let text = "'; import os; os._exit(9); '\\\n\"\"\"{x!r}";
    assert_eq!(value_with(python, json!({ "text": text }), "text"), text);
}

#[test]
fn large_globals_arrive() {
    let Some(python) = python() else { return };
    let rows: Vec<Value> =
        (0..50_000).map(|n| json!({ "n": n, "name": format!("row {n}") })).collect();
    assert_eq!(
        value_with(python, json!({ "rows": rows }), "sum(row['n'] for row in rows)"),
        1_249_975_000
    );
}

#[test]
fn globals_of_one_run_are_not_in_the_next() {
    let Some(python) = python() else { return };
    assert_eq!(value_with(python, json!({ "only_once": 1 }), "only_once"), 1);
    assert_eq!(python.value("'only_once' in globals()"), false);
}

#[test]
fn a_program_has_the_names_of_a_script() {
    let Some(python) = python() else { return };
    assert_eq!(
        python.value(
            "[__name__, globals() is locals(), __import__('__main__').__dict__ is globals()]"
        ),
        json!(["__main__", true, true])
    );
}
