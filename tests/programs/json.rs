//! How a value becomes JSON: what JSON cannot hold becomes something readable,
//! never a failure.

use mcp_conductor::{ErrorKind, ExecuteRequest};
use serde_json::{Value, json};

use super::runtimes::{config, error, error_of, run_with, value, value_of};

#[test]
fn json_values_stay_as_they_are() {
    assert_eq!(
        value("({ b: 1, a: [true, null, 'x', 1.5, -2e-7], 1: {}, 0: [] })").to_string(),
        r#"{"0":[],"1":{},"b":1,"a":[true,null,"x",1.5,-2e-7]}"#
    );
}

#[test]
fn undefined_is_left_out_of_objects_and_null_in_arrays() {
    assert_eq!(
        value("[undefined, { a: undefined, b: null }, [, 1], new Map([['x', undefined]])]"),
        json!([null, { "b": null }, [null, 1], {}])
    );
}

#[test]
fn numbers_that_json_lacks_are_null_and_negative_zero_is_zero() {
    assert_eq!(value("[NaN, Infinity, -Infinity]"), json!([null, null, null]));
    assert_eq!(value("[-0]").to_string(), "[0]");
}

#[test]
fn a_map_with_string_keys_is_an_object_and_another_one_a_list_of_pairs() {
    assert_eq!(
        value(
            "[new Map([['a', 1], ['b', new Map()]]), new Map<any, any>([['a', 1], [2, { c: 3 }]])]"
        ),
        json!([{ "a": 1, "b": {} }, [["a", 1], [2, { "c": 3 }]]])
    );
}

#[test]
fn a_set_is_an_array() {
    assert_eq!(value("new Set([1, 'x', new Set([2])])"), json!([1, "x", [2]]));
}

#[test]
fn an_error_has_name_message_stack_cause_and_its_own_fields() {
    let source = "class Wrong extends Error { code = 5; name = 'Wrong' }\n\
        const e = new Wrong('outer', { cause: new TypeError('inner') });\n\
        delete e.stack; delete (e.cause as Error).stack; e";
    assert_eq!(
        value(source),
        json!({
            "name": "Wrong",
            "message": "outer",
            "cause": { "name": "TypeError", "message": "inner" },
            "code": 5,
        })
    );
}

#[test]
fn the_stack_of_an_error_names_lines_of_the_program() {
    assert_eq!(
        value("interface A { a: 1 }\n\nnew Error('x')"),
        json!({
            "name": "Error",
            "message": "x",
            "stack": "Error: x\n    at file:///main.ts:3:1",
        })
    );
}

#[test]
fn an_aggregate_error_has_its_errors() {
    let source = "const e = new AggregateError([1, 'two'], 'many'); e.stack = 'S'; e";
    assert_eq!(
        value(source),
        json!({ "name": "AggregateError", "message": "many", "stack": "S", "errors": [1, "two"] })
    );
}

#[test]
fn a_bigint_is_its_digits() {
    assert_eq!(
        value("[10n ** 30n, -1n, Object(2n)]"),
        json!(["1000000000000000000000000000000", "-1", "2"])
    );
}

#[test]
fn a_date_is_iso_8601_and_an_invalid_one_null() {
    assert_eq!(value("[new Date(0), new Date(NaN)]"), json!(["1970-01-01T00:00:00.000Z", null]));
}

#[test]
fn typed_arrays_and_buffers_are_arrays() {
    assert_eq!(
        value(
            "[new Uint8Array([1, 255]), new Float32Array([1.5, NaN]), new BigInt64Array([1n]),
              new ArrayBuffer(2), new Int8Array(new SharedArrayBuffer(1)), new Uint8Array()]"
        ),
        json!([[1, 255], [1.5, null], ["1"], [0, 0], [0], []])
    );
}

#[test]
fn a_reference_to_an_enclosing_value_is_circular_and_a_second_one_is_not() {
    let source = "const a: any = { x: 1 }; a.self = a; a.list = [a]; const shared = { s: 1 };\n\
        ({ a, one: shared, two: shared })";
    assert_eq!(
        value(source),
        json!({
            "a": { "x": 1, "self": "[Circular]", "list": ["[Circular]"] },
            "one": { "s": 1 },
            "two": { "s": 1 },
        })
    );
}

#[test]
fn a_getter_that_throws_is_shown_in_its_place() {
    assert_eq!(
        value(
            "[{ get bad() { throw new Error('no') }, ok: 1 }, { get bad() { throw null } },
              { toJSON() { throw new Error('tj') } }]"
        ),
        json!([{ "bad": "[Thrown: Error: no]", "ok": 1 }, { "bad": "[Thrown: null]" },
            "[Thrown: Error: tj]"])
    );
}

#[test]
fn to_json_replaces_a_value() {
    assert_eq!(
        value(
            "({ a: { toJSON(key: string) { return ['from', key] } }, u: new URL('https://a.b') })"
        ),
        json!({ "a": ["from", "a"], "u": "https://a.b/" })
    );
}

#[test]
fn a_proxy_is_what_it_pretends_to_be() {
    assert_eq!(
        value(
            "const { proxy, revoke } = Proxy.revocable({}, {}); revoke();
             [new Proxy({ a: 1 }, {}), new Proxy([1, 2], {}), new Proxy(function f() {}, {}),
              new Proxy({}, { ownKeys() { throw new Error('trap') } }), proxy]"
        ),
        json!([
            { "a": 1 },
            [1, 2],
            "[Function: f]",
            "[Thrown: Error: trap]",
            "[Thrown: TypeError: Cannot perform 'IsArray' on a proxy that has been revoked]",
        ])
    );
}

#[test]
fn functions_and_symbols_are_text() {
    assert_eq!(
        value("[Symbol('s'), Symbol.iterator, function named() {}, class A {}, () => 1, Math.max]"),
        json!([
            "Symbol(s)",
            "Symbol(Symbol.iterator)",
            "[Function: named]",
            "[Function: A]",
            "[Function]",
            "[Function: max]",
        ])
    );
}

#[test]
fn regular_expressions_promises_and_weak_collections_are_text() {
    assert_eq!(
        value("[/a/gi, Promise.resolve(1), new WeakMap(), new WeakSet()]"),
        json!(["/a/gi", "[Promise]", "[WeakMap]", "[WeakSet]"])
    );
}

#[test]
fn boxed_primitives_are_unboxed() {
    assert_eq!(
        value("[new String('s'), new Number(1), new Boolean(false)]"),
        json!(["s", 1, false])
    );
}

#[test]
fn own_enumerable_properties_count() {
    assert_eq!(
        value(
            "class P { a = 1; #b = 2; get c() { return 3 } static s = 1 }
             [new P(), Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true },
              hidden: { value: 3 } }), Object.assign(Object.create(null), { n: 1 })]"
        ),
        json!([{ "a": 1 }, { "own": 2 }, { "n": 1 }])
    );
}

#[test]
fn keys_with_a_meaning_elsewhere_are_data() {
    assert_eq!(
        value(r#"JSON.parse('{"__proto__": 1, "constructor": 2, "then": 3}')"#).to_string(),
        r#"{"__proto__":1,"constructor":2,"then":3}"#
    );
}

#[test]
fn lone_surrogates_are_replaced() {
    assert_eq!(
        value(r"['\ud800', 'a\udc00b', { '\ud800': 1 }, '😀']"),
        json!(["\u{fffd}", "a\u{fffd}b", { "\u{fffd}": 1 }, "😀"])
    );
}

#[test]
fn programs_cannot_redefine_the_conversion() {
    let source = "const value = { a: [1, 2], m: new Map([['k', 1]]), s: new Set([new Date(0)]) };\n\
        JSON.stringify = () => 'forged'; Object.keys = () => [];\n\
        Array.prototype.join = () => 'forged'; Array.prototype.push = () => 0;\n\
        Array.prototype[Symbol.iterator] = function* () {} as any;\n\
        Map.prototype.forEach = Set.prototype.forEach = () => {};\n\
        Date.prototype.toISOString = () => 'forged'; Function.prototype.call = () => 'forged';\n\
        value";
    assert_eq!(
        value(source),
        json!({ "a": [1, 2], "m": { "k": 1 }, "s": ["1970-01-01T00:00:00.000Z"] })
    );
}

fn nested(levels: usize) -> String {
    format!("let v: any = 0; for (let i = 0; i < {levels}; i++) v = [v]; v")
}

#[test]
fn a_value_may_have_a_hundred_levels() {
    let text = value(nested(100)).to_string();
    assert_eq!(text, format!("{}0{}", "[".repeat(100), "]".repeat(100)));
}

#[test]
fn one_level_more_names_the_limit_and_its_variable() {
    let error = error(nested(101));
    assert_eq!(error.kind, ErrorKind::Value);
    assert_eq!(
        error.message,
        "Return value too deep: more than 100 levels of nesting (MCP_CONDUCTOR_MAX_RETURN_DEPTH). \
         Return a flatter value"
    );
}

#[test]
fn a_value_may_fill_its_size_limit_to_the_byte() {
    let config = config().with_max_return_size(1000);
    // Two bytes are the quotes.
    let execution = run_with(config, ExecuteRequest::new("'a'.repeat(998)"));
    assert_eq!(value_of(execution), Value::from("a".repeat(998)));
}

#[test]
fn one_byte_more_names_the_limit_and_its_variable() {
    let config = config().with_max_return_size(1000);
    let error = error_of(run_with(config, ExecuteRequest::new("'a'.repeat(999)")));
    assert_eq!(error.kind, ErrorKind::Value);
    assert_eq!(
        error.message,
        "Return value too large: more than 1000 bytes of JSON (MCP_CONDUCTOR_MAX_RETURN_SIZE). \
         Return a summary, or the part that is needed"
    );
}

#[test]
fn bytes_of_utf8_count_not_characters() {
    let config = config().with_max_return_size(1000);
    let error = error_of(run_with(config, ExecuteRequest::new("'ä'.repeat(500)")));
    assert_eq!(error.kind, ErrorKind::Value);
}

#[test]
fn an_array_far_beyond_the_limit_stops_at_it() {
    assert_eq!(error("const a: any[] = []; a.length = 2 ** 32 - 1; a").kind, ErrorKind::Value);
}
