//! What the type checker believes to be here, against what is here: js/checker/declarations.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::runtimes::value;

const RUNTIME: &str = include_str!("../../js/checker/declarations/runtime.d.ts");
const CONDUCTOR: &str = include_str!("../../js/checker/declarations/conductor.d.ts");

const KINDS: [&str; 6] = ["var ", "const ", "function ", "class ", "namespace ", "enum "];

/// ECMAScript's names, which TypeScript's own lib.esnext declares.
const OF_ECMASCRIPT: &str = "
    AggregateError Array ArrayBuffer AsyncDisposableStack Atomics BigInt BigInt64Array
    BigUint64Array Boolean DataView Date DisposableStack Error EvalError FinalizationRegistry
    Float16Array Float32Array Float64Array Function Infinity Int16Array Int32Array Int8Array
    Intl Iterator JSON Map Math NaN Number Object Promise Proxy RangeError ReferenceError
    Reflect RegExp Set SharedArrayBuffer String SuppressedError Symbol SyntaxError Temporal
    TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef
    WeakSet decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval globalThis
    isFinite isNaN parseFloat parseInt undefined unescape";

/// Declared with each program, by its tools (js/checker/03_tools.js).
const OF_TOOLS: [&str; 3] = ["callMCPTool", "callTool", "mcpFactory"];

/// There to throw, with the reason: a program that names them is told before it runs.
const ONLY_THROWS: &str = "
    WebSocket chown chownSync connect connectTls createHttpClient dlopen kill listen
    listenDatagram listenTls openKv resolveDns serve startTls umask upgradeWebSocket watchFs";

fn words(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().collect()
}

/// The names of values in lines that begin so.
fn declared<'t>(text: &'t str, start: &str) -> BTreeSet<&'t str> {
    let name = |line: &'t str| {
        let rest = line.strip_prefix(start)?;
        let rest = KINDS.iter().find_map(|kind| rest.strip_prefix(kind))?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
        Some(&rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())])
    };
    text.lines().filter_map(name).collect()
}

fn globals() -> BTreeSet<&'static str> {
    &declared(RUNTIME, "declare ") | &declared(CONDUCTOR, "declare ")
}

/// Those of the list that an object of the runtime does not have.
fn lacks(object: &str, names: &BTreeSet<&str>) -> Value {
    value(format!("{}.filter((name) => !(name in {object}))", json!(names)))
}

/// Names that an object has and the list does not.
fn has_beside(object: &str, names: &BTreeSet<&str>) -> Value {
    value(format!(
        "Object.getOwnPropertyNames({object}).filter((name) => !{}.includes(name)).sort()",
        json!(names)
    ))
}

#[test]
fn every_global_that_is_declared_is_there() {
    assert!(globals().len() > 80, "{:?}", globals());
    assert_eq!(lacks("globalThis", &globals()), json!([]));
}

#[test]
fn every_member_of_deno_that_is_declared_is_there() {
    let members = declared(RUNTIME, "export ");
    assert!(members.len() > 60, "{members:?}");
    assert_eq!(lacks("Deno", &members), json!([]));
}

#[test]
fn every_global_that_is_there_is_declared() {
    let known = &globals() | &(&words(OF_ECMASCRIPT) | &words(ONLY_THROWS));
    let known = &known | &BTreeSet::from(OF_TOOLS);
    assert_eq!(has_beside("globalThis", &known), json!([]));
}

#[test]
fn every_member_of_deno_that_is_there_is_declared() {
    let known = &declared(RUNTIME, "export ") | &words(ONLY_THROWS);
    assert_eq!(has_beside("Deno", &known), json!([]));
}
