//! What becomes of modules.

use serde_json::json;

use crate::packages::Generation;

#[test]
fn packages_share_what_both_depend_on() {
    let made = Generation::new()
        .package("state", &[("index.js", "exports.only = { once: 'STATE' };")])
        .allowed("a", &[("index.js", "exports.a = require('state').only;")])
        .allowed("b", &[("index.js", "exports.b = require('state').only;")])
        .link("a", "state")
        .link("b", "state")
        .bundle();
    assert_eq!(made.module("npm:a").expect("a")["format"], "commonJs");
    let all = std::fs::read_dir(made.files()).expect("files").flatten();
    let with_state = all.filter(|file| {
        std::fs::read_to_string(file.path()).is_ok_and(|text| text.contains("STATE"))
    });
    assert_eq!(with_state.count(), 1);
}

#[test]
fn conditions_follow_how_a_module_is_asked_for() {
    let both = json!({
        "name": "both", "version": "1.0.0",
        "exports": { "import": "./a.mjs", "require": "./a.cjs" },
    });
    let made = Generation::new()
        .package(
            "both",
            &[
                ("package.json", &both.to_string()),
                ("a.mjs", "export const kind = 'AS-MODULE';"),
                ("a.cjs", "exports.kind = 'AS-COMMONJS';"),
            ],
        )
        .allowed("old", &[("index.js", "exports.kind = require('both').kind;")])
        .allowed("new", &[("index.mjs", ""), ("index.js", "export { kind } from 'both';")])
        .link("old", "both")
        .link("new", "both")
        .bundle();
    assert!(made.code("npm:old").contains("AS-COMMONJS"));
    assert!(made.code("npm:new").contains("AS-MODULE"));
}

#[test]
fn only_exported_subpaths_are_modules() {
    let json = json!({
        "name": "a", "version": "1.0.0",
        "exports": { ".": "./a.js", "./open": "./open.js", "./data": "./data.json", "./p/*": "./parts/*.js", "./p/no": null },
    });
    let made = Generation::new()
        .allowed(
            "a",
            &[
                ("package.json", &json.to_string()),
                ("a.js", "module.exports = 1;"),
                ("open.js", "export const open = 1;"),
                ("closed.js", "export const closed = 1;"),
                ("data.json", "{ \"name\": \"é\" }"),
                ("parts/one.js", "export const one = 1;"),
                ("parts/no.js", "export const no = 1;"),
            ],
        )
        .bundle();
    let mut specifiers: Vec<_> = made.answer["modules"]
        .as_array()
        .expect("modules")
        .iter()
        .map(|module| format!("{} {}", module["specifier"], module["format"]).replace('"', ""))
        .collect();
    specifiers.sort();
    assert_eq!(
        specifiers,
        ["npm:a commonJs", "npm:a/data json", "npm:a/open esm", "npm:a/p/one esm"]
    );
    assert_eq!(made.code("npm:a/data"), "{ \"name\": \"\\u00e9\" }");
    assert_eq!(made.module("npm:a/p/one").expect("one")["preload"], false);
}

#[test]
fn without_exports_files_are_modules_with_and_without_extension() {
    let made = Generation::new()
        .allowed("a", &[("index.js", "exports.a = 1;"), ("lib/b.js", "exports.b = 2;")])
        .bundle();
    let file = |specifier: &str| made.module(specifier).map(|module| module["file"].clone());
    assert!(file("npm:a/lib/b").is_some());
    assert_eq!(file("npm:a/lib/b"), file("npm:a/lib/b.js"));
}

#[test]
fn built_ins_are_external_or_asked_of_the_hidden_function() {
    let made = Generation::new()
        .allowed("old", &[("index.js", "exports.read = require('fs').readFileSync;")])
        .allowed("new", &[("index.js", "export { readFileSync } from 'fs';")])
        .allowed("free", &[("index.js", "module.exports = (name) => require(name);")])
        .bundle();
    let hidden = "globalThis[Symbol.for(\"mcp-conductor.require\")]";
    assert!(
        made.code("npm:old").contains(&format!("{hidden}(\"fs\")")),
        "{}",
        made.code("npm:old")
    );
    assert!(made.code("npm:new").contains("from \"node:fs\""), "{}", made.code("npm:new"));
    assert!(
        made.code("npm:free").contains(&format!("{hidden} ? {hidden}")),
        "{}",
        made.code("npm:free")
    );
}

#[test]
fn timers_are_those_of_node_unless_a_module_has_its_own() {
    let made = Generation::new()
        .allowed("a", &[("index.js", "exports.later = (f) => setTimeout(f, 1).unref();")])
        .allowed(
            "b",
            &[("index.js", "function setTimeout(f) { f(); } exports.now = (f) => setTimeout(f);")],
        )
        .bundle();
    assert!(made.code("npm:a").contains("from \"node:timers\""), "{}", made.code("npm:a"));
    assert!(!made.code("npm:b").contains("node:timers"), "{}", made.code("npm:b"));
}

#[test]
fn a_module_knows_where_its_file_will_be() {
    let made = Generation::new()
        .allowed("a", &[("index.js", "exports.file = __dirname + '/data.txt';")])
        .allowed("b", &[("index.js", "export const url = import.meta.url;")])
        .bundle();
    let place = "/place/node_modules/.store";
    let code = made.code("npm:a");
    assert!(code.contains(&format!("\"{place}/a@1.0.0/node_modules/a")), "{code}");
    let url = format!("\"file://{place}/b@1.0.0/node_modules/b/index.js\"");
    assert!(made.code("npm:b").contains(&url));
}

#[test]
fn output_is_ascii() {
    let made = Generation::new()
        .allowed("a", &[("index.js", "/* ü */ export const é = 'ß', r = /[à-ü]/;")])
        .bundle();
    let code = made.code("npm:a");
    assert!(code.is_ascii() && code.contains("\\u00df"), "{code}");
}

#[test]
fn what_is_not_installed_throws_when_it_is_asked_for() {
    let made = Generation::new()
        .allowed(
            "a",
            &[("index.js", "try { exports.b = require('missing'); } catch { exports.b = 0; }")],
        )
        .bundle();
    assert!(made.code("npm:a").contains("a needs missing, which is not installed"));
}

#[test]
fn a_native_addon_is_named_as_one() {
    let made = Generation::new()
        .allowed(
            "a",
            &[("index.js", "exports.f = () => require('./b.node');"), ("b.node", "\u{7f}ELF")],
        )
        .allowed("gyp", &[("index.js", ""), ("binding.gyp", "{}")])
        .bundle();
    assert!(made.code("npm:a").contains("a needs b.node, a native addon"));
    assert!(made.reason("npm:gyp").contains("gyp is a native addon"));
}

#[test]
fn types_alone_are_a_reason() {
    let made = Generation::new().allowed("a", &[("index.d.ts", "export type A = 1;")]).bundle();
    assert!(made.reason("npm:a").contains("has types only"));
}

#[test]
fn exports_of_nothing_but_types_are_a_reason() {
    let json = r#"{ "name": "a", "exports": { ".": { "types": "./index.d.ts" } } }"#;
    let files = [("package.json", json), ("index.d.ts", "export type A = 1;")];
    let made = Generation::new().allowed("a", &files).bundle();
    assert!(made.reason("npm:a").contains("has types only"));
}

#[test]
fn a_package_that_cannot_be_parsed_fails_alone() {
    let made = Generation::new()
        .allowed("good", &[("index.js", "exports.good = 1;")])
        .allowed("bad", &[("index.js", "const = ;")])
        .allowed(
            "lazy",
            &[("index.js", "exports.f = () => require('./bad.js');"), ("bad.js", "if (")],
        )
        .bundle();
    assert!(made.module("npm:good").is_some());
    assert!(made.reason("npm:bad").contains("cannot be read"));
    assert!(made.module("npm:lazy").is_some());
}

#[test]
fn cycles_between_packages_are_fine() {
    let made = Generation::new()
        .allowed("a", &[("index.js", "exports.name = 'A'; exports.b = () => require('b').name;")])
        .allowed("b", &[("index.js", "exports.name = 'B'; exports.a = () => require('a').name;")])
        .link("a", "b")
        .link("b", "a")
        .bundle();
    assert!(made.module("npm:a").is_some() && made.module("npm:b").is_some());
}
