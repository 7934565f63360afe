//! Globals that come with the call.

use mcp_conductor::ExecuteRequest;
use serde_json::{Value, json};

use super::runtimes::{run_request, value_of};

#[track_caller]
fn value_with(globals: Value, source: &str) -> Value {
    let Value::Object(globals) = globals else { panic!("an object") };
    value_of(run_request(ExecuteRequest::new(source).with_globals(globals)))
}

#[test]
fn json_of_every_kind_arrives_unchanged() {
    let globals = json!({
        "a": null,
        "b": true,
        "c": -1.5,
        "d": "\u{0}ä😀\"\\\n\u{2028}",
        "e": [1, [2, []]],
        "f": { "g": { "__proto__": 1, "": 2 } },
    });
    assert_eq!(value_with(globals.clone(), "({ a, b, c, d, e, f })"), globals);
}

#[test]
fn an_integer_that_would_be_rounded_is_the_text_of_its_digits() {
    let globals = json!({
        "ids": [1_915_883_588_174_806_058_u64, -9_007_199_254_740_993_i64, 9_007_199_254_740_992_u64],
        "few": { "n": 2.5, "text": "id: 1915883588174806058" },
    });
    assert_eq!(
        value_with(globals, "({ ids, few, next: BigInt(ids[0]) + 1n })"),
        json!({
            "ids": ["1915883588174806058", "-9007199254740993", 9_007_199_254_740_992_u64],
            "few": { "n": 2.5, "text": "id: 1915883588174806058" },
            "next": "1915883588174806059",
        })
    );
}

#[test]
fn a_global_is_a_property_of_the_global_object() {
    assert_eq!(
        value_with(
            json!({ "x": 1 }),
            "[globalThis.x, 'x' in globalThis, Object.keys(globalThis).at(-1)]"
        ),
        json!([1, true, "x"])
    );
}

#[test]
fn a_declaration_shadows_a_global() {
    assert_eq!(
        value_with(json!({ "x": 1, "y": 2 }), "const x = 5; let y = 6; [x, y, globalThis.x]"),
        json!([5, 6, 1])
    );
}

#[test]
fn a_global_can_be_assigned() {
    assert_eq!(value_with(json!({ "x": 1 }), "x += 1; [x, (globalThis as any).x]"), json!([2, 2]));
}

#[test]
fn globals_are_ordinary_objects_of_the_programs_own_realm() {
    assert_eq!(
        value_with(
            json!({ "list": [1, 2], "object": {} }),
            "[list instanceof Array, list.map((x: number) => x + 1), object instanceof Object]"
        ),
        json!([true, [2, 3], true])
    );
}

#[test]
fn a_global_may_have_the_name_of_a_built_in() {
    assert_eq!(
        value_with(
            json!({ "JSON": 1, "Promise": 2, "Deno": 3, "console": 4, "Object": 5 }),
            "[JSON, Promise, Deno, console, Object]"
        ),
        json!([1, 2, 3, 4, 5])
    );
}

#[test]
fn names_are_any_identifier() {
    assert_eq!(
        value_with(
            json!({ "größe": 1, "日本": 2, "$": 3, "_": 4, "async": 5, "of": 6, "a1": 7 }),
            "[größe, 日本, $, _, async, of, a1]"
        ),
        json!([1, 2, 3, 4, 5, 6, 7])
    );
}

#[test]
fn a_global_named_proto_sets_no_prototype() {
    assert_eq!(
        value_with(
            json!({ "__proto__": { "x": 1 }, "constructor": { "prototype": { "y": 2 } } }),
            "[({} as any).x, ({} as any).y, typeof x]"
        ),
        json!([null, null, "undefined"])
    );
}

#[test]
fn a_large_global_arrives_whole() {
    let globals = json!({ "rows": vec![json!({ "id": 1, "name": "x".repeat(100) }); 20_000] });
    assert_eq!(value_with(globals, "[rows.length, rows.at(-1).name.length]"), json!([20_000, 100]));
}

#[test]
fn globals_of_one_run_are_unknown_to_the_next() {
    assert_eq!(value_with(json!({ "secret": 1 }), "secret"), 1);
    assert_eq!(value_with(json!({}), "typeof secret"), "undefined");
}

#[test]
fn nothing_but_the_platform_and_the_directories_are_global_without_them() {
    let source = "const data = (name: string) =>
          !['object', 'function'].includes(typeof (globalThis as any)[name]);
        [Object.keys(globalThis).filter(data), performance.getEntries().length]";
    assert_eq!(
        value_with(json!({}), source),
        json!([["WORKSPACE_DIR", "ROOT_DIR", "PLAYBOOKS_DIR"], 0])
    );
}
