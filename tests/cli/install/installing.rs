//! What is installed, and how programs import it.

use serde_json::json;

use super::store::Store;
use crate::support::registry::Options;

const ESM: &str = "export const answer = 42; export default { answer };";

const COMMON_JS: &str = "exports.add = (a, b) => a + b; exports['not-a-name'] = 1;
Object.defineProperty(exports, 'thrower', { enumerable: true, get() { throw new Error('no'); } });";

fn module() -> Options {
    Options::manifest(json!({ "type": "module", "exports": "./index.js" }))
}

#[test]
fn an_installed_package_is_imported_by_static_and_dynamic_imports() {
    let store = Store::allowing(&["npm:answer@^1"]);
    store.registry.package("answer", "1.2.0", &[("index.js", ESM)], module());
    let summary = store.installed(&[]);
    assert_eq!(summary["packages"][0]["version"], "1.2.0");
    assert_eq!(summary["packages"][0]["license"], "MIT");
    let source = "import { answer } from 'npm:answer';
        (await import('npm:answer@^1.0')).answer + answer";
    assert_eq!(store.value(source), 84);
}

#[test]
fn names_of_a_commonjs_module_are_exported_and_those_that_throw_are_not() {
    let store = Store::allowing(&["npm:sums"]);
    store.registry.package("sums", "1.0.0", &[("index.js", COMMON_JS)], Options::default());
    store.installed(&[]);
    let source = "import sums, { add } from 'npm:sums';
        import * as all from 'npm:sums';
        [add(1, 2), sums.add === add, Object.keys(all).sort()]";
    let expected = json!([3, true, ["add", "default", "module.exports"]]);
    assert_eq!(store.value(source), expected);
}

#[test]
fn a_package_of_jsr_is_imported() {
    let store = Store::allowing(&["jsr:@std/path"]);
    let exports =
        json!({ "type": "module", "exports": { ".": "./mod.js", "./join": "./join.js" } });
    let files = [("mod.js", "export * from './join.js';"), ("join.js", "export const join = 'j';")];
    store.registry.package("@jsr/std__path", "1.0.0", &files, Options::manifest(exports));
    store.installed(&[]);
    let source = "import { join } from 'jsr:@std/path/join'; import * as all from 'jsr:@std/path';
        [join, all.join]";
    assert_eq!(store.value(source), json!(["j", "j"]));
}

#[test]
fn two_packages_that_share_a_third_share_its_state() {
    let store = Store::allowing(&["npm:one", "npm:two"]);
    let shared = "let count = 0; exports.next = () => ++count;";
    store.registry.package("shared", "1.0.0", &[("index.js", shared)], Options::default());
    for name in ["one", "two"] {
        let files = [("index.js", "module.exports = require('shared').next;")];
        store.registry.package(name, "1.0.0", &files, Options::dependencies(&[("shared", "1")]));
    }
    let summary = store.installed(&[]);
    assert_eq!(summary["further"].as_array().map(Vec::len), Some(1));
    let source = "import one from 'npm:one'; import two from 'npm:two'; [one(), two(), one()]";
    assert_eq!(store.value(source), json!([1, 2, 3]));
}

#[test]
fn a_second_installation_of_the_same_changes_nothing() {
    let store = Store::allowing(&["npm:answer"]);
    store.registry.package("answer", "1.0.0", &[("index.js", ESM)], module());
    assert_eq!(store.installed(&[])["changed"], true);
    store.registry.asked();
    assert_eq!(store.installed(&[])["changed"], false);
    assert_eq!((store.generations(), store.registry.asked().len()), (vec!["1".to_owned()], 0));
}

#[test]
fn versions_stay_until_they_are_to_be_updated() {
    let mut store = Store::allowing(&["npm:answer"]);
    store.registry.package("answer", "1.0.0", &[("index.js", ESM)], module());
    store.registry.package("other", "1.0.0", &[("index.js", ESM)], module());
    store.installed(&[]);
    store.registry.package("answer", "1.1.0", &[("index.js", ESM)], module());
    store.allow(&["npm:answer", "npm:other"]);
    assert_eq!(store.installed(&[])["packages"][0]["version"], "1.0.0");
    assert_eq!(store.installed(&["--update"])["packages"][0]["version"], "1.1.0");
}

#[test]
fn where_nothing_is_allowed_the_error_says_how_to_allow_something() {
    let store = Store::allowing(&[]);
    let ended = store.install(&[]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("MCP_CONDUCTOR_ALLOWED_PACKAGES=npm:zod"), "{}", ended.stderr);
}

#[test]
fn the_summary_for_people_names_versions_and_licences() {
    let store = Store::allowing(&["npm:answer"]);
    store.registry.package("answer", "1.0.0", &[("index.js", ESM)], module());
    let ended = store.install(&[]);
    assert!(ended.stdout.contains("npm:answer  1.0.0"), "{}", ended.stdout);
    assert!(ended.stdout.contains("Licences: MIT 1"), "{}", ended.stdout);
}

#[test]
fn doctor_names_what_is_installed_and_what_is_missing() {
    let mut store = Store::allowing(&["npm:answer"]);
    store.registry.package("answer", "1.0.0", &[("index.js", ESM)], module());
    store.installed(&[]);
    store.allow(&["npm:answer", "npm:missing@^2"]);
    let ended = crate::support::command::ended_in_time(store.command(&["doctor"]));
    assert!(ended.stdout.contains("installed        npm:answer 1.0.0\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("missing          npm:missing@^2\n"), "{}", ended.stdout);
}
