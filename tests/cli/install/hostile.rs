//! Packages that harm: each costs itself only.

use serde_json::{Value, json};

use super::store::Store;
use crate::support::registry::{Fault, Options};

const GOOD: &str = "export const good = true;";

fn module() -> Options {
    Options::manifest(json!({ "type": "module", "exports": "./index.js" }))
}

/// A store with one package that is good, and one with this file.
fn beside_good(file: &str, options: Options) -> Store {
    let store = Store::allowing(&["npm:good", "npm:bad"]);
    store.registry.package("good", "1.0.0", &[("index.js", GOOD)], module());
    store.registry.package("bad", "1.0.0", &[("index.js", file)], options);
    store
}

fn remark(summary: &Value, list: &str, specifier: &str) -> String {
    let all = summary[list].as_array().expect("a list");
    let found = all.iter().find(|remark| remark["specifier"] == specifier);
    found.map(|remark| remark["reason"].to_string()).unwrap_or_default()
}

#[track_caller]
fn good_works(store: &Store) {
    assert_eq!(store.value("import { good } from 'npm:good'; good"), true);
}

#[test]
fn a_package_with_a_wrong_hash_ends_the_installation_and_the_old_one_stays() {
    let mut store = Store::allowing(&["npm:good"]);
    store.registry.package("good", "1.0.0", &[("index.js", GOOD)], module());
    store.installed(&[]);
    store.registry.package("bad", "1.0.0", &[], Options::fault(Fault::WrongIntegrity));
    store.allow(&["npm:good", "npm:bad"]);
    let ended = store.install(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("bad"), "{}", ended.stderr);
    assert_eq!(store.generations(), ["1"]);
    good_works(&store);
}

#[test]
fn a_package_that_never_ends_at_import_costs_its_names_only() {
    let store = beside_good("exports.a = 1; for (;;) {}", Options::default());
    let summary = store.installed(&[]);
    assert!(!remark(&summary, "notes", "npm:bad").is_empty(), "{summary}");
    good_works(&store);
}

#[test]
fn a_package_that_takes_all_memory_at_import_costs_its_names_only() {
    let file =
        "exports.all = 1; const all = []; for (;;) all.push(new Uint8Array(1 << 24).fill(1));";
    let store = beside_good(file, Options::default());
    let summary = store.installed(&[]);
    assert!(!remark(&summary, "notes", "npm:bad").is_empty(), "{summary}");
    good_works(&store);
}

#[test]
fn a_package_that_ends_the_process_at_import_costs_its_names_only() {
    let store = beside_good("exports.name = 1; process.exit(7);", Options::default());
    let summary = store.installed(&[]);
    assert!(!remark(&summary, "notes", "npm:bad").is_empty(), "{summary}");
    good_works(&store);
}

#[test]
fn names_that_are_code_are_not_exported() {
    let file = "exports['x as default }; evil(); export { y'] = 1; exports['\\u2028'] = 2;
        exports.fine = 3;";
    let store = beside_good(file, Options::default());
    store.installed(&[]);
    let keys = "import * as bad from 'npm:bad'; Object.keys(bad).sort()";
    assert_eq!(store.value(keys), json!(["default", "fine", "module.exports"]));
}

#[test]
fn what_a_package_reads_while_it_is_tried_is_not_granted() {
    let file = "const fs = require('fs'); exports.got = (() => {
          try { return fs.readFileSync('/etc/passwd', 'utf8').length; } catch { return 'no'; } })();
        exports[exports.got === 'no' ? 'denied' : 'granted'] = true;";
    let store = beside_good(file, Options::default());
    store.installed(&[]);
    let keys = "import * as bad from 'npm:bad'; Object.keys(bad).includes('denied')";
    assert_eq!(store.value(keys), true);
}

#[test]
fn a_main_outside_of_the_package_is_named_and_left_out() {
    let options = Options::manifest(json!({ "main": format!("{}etc/passwd", "../".repeat(32)) }));
    let store = beside_good("", options);
    let summary = store.installed(&[]);
    assert!(!remark(&summary, "failed", "npm:bad").is_empty(), "{summary}");
    good_works(&store);
}

#[test]
fn scripts_are_reported_and_not_run() {
    let scripts = json!({ "scripts": { "postinstall": "touch $HOME/was-here" } });
    let store = beside_good("exports.a = 1;", Options::manifest(scripts));
    let summary = store.installed(&[]);
    assert_eq!(summary["packages"][1]["hasScripts"], true, "{summary}");
    assert!(!store.home.path("was-here").exists());
}

#[test]
fn a_package_that_cannot_be_parsed_is_named_and_left_out() {
    let store = beside_good("this is (not JavaScript", Options::default());
    let summary = store.installed(&[]);
    assert!(!remark(&summary, "failed", "npm:bad").is_empty(), "{summary}");
    good_works(&store);
    let result = store.run("import 'npm:bad'");
    assert_eq!(result["status"], "error");
}
