//! Packages of a store that is made by hand: what is imported, and what an error says.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::LazyLock;

use mcp_conductor::{ErrorKind, ExecuteRequest, Execution, Runtime};
use serde_json::{Value, json};

use crate::runtimes::{config, error_of, run_on, start, value_of};
use crate::support::directory::Directory;

/// Files of a bundle, as the bundler writes them.
const BUNDLE: [(&str, &str); 6] = [
    ("a.mjs", "import { shared } from './chunk.mjs'; export const name = 'a'; export { shared };"),
    ("a_sub.mjs", "import { shared } from './chunk.mjs'; export default { sub: true, shared };"),
    (
        "chunk.mjs",
        "globalThis.evaluated = (globalThis.evaluated ?? 0) + 1; export const shared = {};",
    ),
    ("a_data.json", "{ \"a\": 1 }"),
    ("peer.mjs", "export const found = await import('nosuch').catch((e) => e.message);"),
    ("path.mjs", "export const join = (...parts) => parts.join('/');"),
];

fn manifest() -> Value {
    let entry = |file: &str, media_type: &str, preload: bool| json!({ "file": file, "mediaType": media_type, "preload": preload });
    let package = |specifier: &str, requested: &str, version: &str| {
        json!({
            "specifier": specifier, "requested": requested, "version": version, "license": "MIT",
            "bytes": 1, "directory": "node_modules/x", "docs": null,
        })
    };
    json!({
        "format": 1,
        "packages": [
            package("npm:a", "npm:a@^1", "1.2.3"),
            package("npm:peer", "npm:peer", "1.0.0"),
            package("jsr:@std/path", "jsr:@std/path", "1.1.0"),
            package("npm:other", "npm:other", "1.0.0"),
        ],
        "modules": {
            "npm:a": entry("a.mjs", "javaScript", true),
            "npm:a/sub": entry("a_sub.mjs", "javaScript", false),
            "npm:a/data.json": entry("a_data.json", "json", false),
            "npm:peer": entry("peer.mjs", "javaScript", true),
            "jsr:@std/path": entry("path.mjs", "javaScript", true),
            "npm:other": entry("path.mjs", "javaScript", true),
        },
        "failed": [{ "specifier": "npm:native", "reason": "it needs the native addon x.node" }],
    })
}

/// A store with one generation, and a workspace whose import map names some of it.
struct Store {
    runtime: Runtime,
    _directories: [Directory; 2],
}

static STORE: LazyLock<Store> = LazyLock::new(|| {
    let (install, workspace) = (Directory::new("store"), Directory::new("store-ws"));
    let generation = install.path("packages/generations/1");
    fs::create_dir_all(generation.join("bundle")).expect("a directory");
    for (name, text) in BUNDLE {
        fs::write(generation.join("bundle").join(name), text).expect("a file");
    }
    fs::write(generation.join("manifest.json"), manifest().to_string()).expect("a file");
    symlink("generations/1", install.path("packages/current")).expect("a link");
    workspace.write("deno.json", r#"{ "imports": { "mapped": "npm:a@^1" } }"#);
    workspace.write("package.json", r#"{ "dependencies": { "a": "^1.2" } }"#);
    workspace
        .write("lib.ts", "export { name } from 'mapped'; export * as path from 'jsr:@std/path';");
    let allowed = ["npm:a@^1", "npm:peer", "npm:native", "npm:absent", "jsr:@std/path"];
    let config = config()
        .with_workspace(workspace.root())
        .with_install_dir(install.root())
        .with_allowed_packages(&allowed)
        .expect("a list");
    Store { runtime: start(config), _directories: [install, workspace] }
});

fn run(source: &str) -> Execution {
    run_on(&STORE.runtime, ExecuteRequest::new(source))
}

#[test]
fn packages_are_imported_by_every_name_that_they_have() {
    let source = "import { name, shared } from 'npm:a'; import * as again from 'npm:a@1.2';\n\
                  import sub from 'npm:a@^1/sub'; import { join } from 'jsr:@std/path@1';\n\
                  import { name as mapped } from 'mapped'; import * as dependency from 'a';\n\
                  import { name as local, path } from './lib.ts';\n\
                  import data from 'npm:a/data.json' with { type: 'json' };\n\
                  const later = await import('npm:a');\n\
                  [name, shared === sub.shared, again.name === later.name, join('x', 'y'), mapped,\n\
                   dependency.shared === shared, local, path.join('z'), data, globalThis.evaluated]";
    assert_eq!(
        value_of(run(source)),
        json!(["a", true, true, "x/y", "a", true, "a", "z", { "a": 1 }, 1])
    );
}

#[test]
fn no_code_of_a_package_has_run_before_it_is_imported() {
    let source = "const before = globalThis.evaluated ?? 0; await import('npm:a');\n\
                  [before, globalThis.evaluated]";
    assert_eq!(value_of(run(source)), json!([0, 1]));
}

#[test]
fn what_the_bundler_left_is_an_error_that_names_the_module() {
    let message = value_of(run("(await import('npm:peer')).found"));
    let message = message.as_str().expect("a text");
    assert!(message.contains("\"nosuch\" of the package module peer.mjs"), "{message}");
}

#[test]
fn files_of_the_store_are_not_imported_by_their_urls() {
    for url in ["package:///a.mjs", "package:///../manifest.json"] {
        for source in [format!("await import('{url}')"), format!("import '{url}'; 5")] {
            let message = error_of(run(&source)).message;
            assert!(message.contains("a package is imported by its name"), "{message}");
        }
    }
}

#[test]
fn an_import_that_is_not_allowed_or_not_there_says_what_is() {
    for (specifier, kind, expected) in [
        ("npm:other", ErrorKind::Permission, "allowed are npm:a@^1, npm:peer"),
        ("npm:%61", ErrorKind::Permission, "Requires import access"),
        ("npm:a@npm:other@1", ErrorKind::Permission, "Requires import access"),
        ("npm:a@^2", ErrorKind::Runtime, "version 1.2.3 is installed, of npm:a@^1"),
        ("npm:a/nosuch", ErrorKind::Runtime, "npm:a has no such export"),
        ("npm:native", ErrorKind::Runtime, "it needs the native addon x.node"),
        ("npm:absent", ErrorKind::Runtime, "allowed and not installed"),
        ("npm:a/data.json", ErrorKind::Runtime, "type: \"json\""),
    ] {
        let error = error_of(run(&format!("await import('{specifier}')")));
        assert_eq!(error.kind, kind, "{specifier}: {error:#?}");
        assert!(error.message.contains(expected), "{specifier}: {}", error.message);
    }
}

#[test]
fn what_a_package_is_resolved_to_is_its_specifier() {
    let source = "[import.meta.resolve('mapped'), import.meta.resolve('npm:a@1/sub')]";
    assert_eq!(value_of(run(source)), json!(["npm:a@^1", "npm:a@1/sub"]));
}
