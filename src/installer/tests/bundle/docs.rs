//! Documentation from declarations.

use serde_json::{Value, json};

use crate::packages::Generation;

/// The symbols of a package with these declarations.
fn symbols(files: &[(&str, &str)]) -> Value {
    let mut all = vec![("index.js", "exports.a = 1;")];
    all.extend(files);
    Generation::new().allowed("a", &all).bundle().docs()["symbols"].clone()
}

#[test]
fn a_function_has_its_signatures_and_its_comment() {
    let found = symbols(&[(
        "index.d.ts",
        "/** Adds.\n * @param a one */\nexport declare function add(a: number): number;\n\
         export declare function add(a: string): string;\n",
    )]);
    assert_eq!(
        found,
        json!([{
            "name": "add",
            "kind": "function",
            "subpath": null,
            "declaration": "function add(a: number): number\nfunction add(a: string): string",
            "doc": "Adds.\n@param a one",
        }])
    );
}

#[test]
fn re_exports_are_followed() {
    let found = symbols(&[
        ("index.d.ts", "export * from './b.js';\nexport { C as D } from './c';"),
        ("b.d.ts", "export interface B { x: 1; }\nexport default B;"),
        ("c/index.d.ts", "export declare class C { private no: 1; yes(): void; }"),
    ]);
    let named: Vec<_> = found
        .as_array()
        .expect("symbols")
        .iter()
        .map(|symbol| format!("{} {}", symbol["name"], symbol["kind"]).replace('"', ""))
        .collect();
    assert_eq!(named, ["D class", "B interface"]);
    let class = found[0]["declaration"].as_str().expect("text");
    assert!(class.contains("yes(): void") && !class.contains("no: 1"), "{class}");
}

#[test]
fn export_assignment_has_the_members_of_its_namespace_and_type() {
    let found = symbols(&[(
        "index.d.ts",
        "export = _;\ndeclare const _: _.Static;\ndeclare namespace _ {\n\
         interface Static { /** Splits. */ chunk<T>(list: T[]): T[][]; }\n type Many<T> = T | T[];\n}",
    )]);
    let names: Vec<_> =
        found.as_array().expect("symbols").iter().map(|symbol| symbol["name"].clone()).collect();
    assert_eq!(names, ["default", "Static", "Many", "chunk"]);
    assert_eq!(found[3]["doc"], "Splits.");
}

#[test]
fn declarations_in_a_circle_end() {
    let found = symbols(&[
        ("index.d.ts", "export * from './b';\nexport declare const a: 1;"),
        ("b.d.ts", "export * from './index';\nexport { x } from './b';"),
    ]);
    assert_eq!(found[0]["name"], "a");
}

#[test]
fn what_subpaths_have_beside_the_entry_is_shown_as_theirs() {
    let json = json!({
        "name": "a", "version": "1.0.0",
        "exports": {
            ".": { "types": "./index.d.ts", "default": "./index.js" },
            "./more": { "types": "./more.d.ts", "default": "./more.js" },
        },
    });
    let found = symbols(&[
        ("package.json", &json.to_string()),
        ("index.d.ts", "export declare const a: 1;"),
        ("more.d.ts", "export { a } from './index.js'; export declare const b: 2;"),
        ("more.js", "exports.b = 2;"),
    ]);
    assert_eq!(found.as_array().expect("symbols").len(), 2);
    assert_eq!(found[1]["subpath"], "/more");
}

#[test]
fn members_of_a_namespace_have_its_name() {
    let found = symbols(&[(
        "index.d.ts",
        "export declare class A {}\nexport declare namespace A { interface B { b: 1 } }",
    )]);
    assert_eq!([&found[0]["name"], &found[1]["name"]], ["A", "A.B"]);
}
