//! What a client is told of installed packages: `describe_package`, the description of
//! `run_deno_code` and the guide. The store is made by hand.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::directory::Directory;
use crate::support::pipes::Server;

/// A store with two packages, of which one has documentation.
fn store() -> Directory {
    let store = Directory::new("described");
    let generation = store.path("packages/generations/1");
    for directory in ["bundle", "docs"] {
        fs::create_dir_all(generation.join(directory)).expect("a directory");
    }
    let package = |specifier: &str, docs: Option<&str>| {
        json!({
            "specifier": specifier, "requested": specifier, "version": "1.2.3", "license": "MIT",
            "bytes": 1, "directory": "node_modules/x", "docs": docs,
        })
    };
    let module = json!({ "file": "a.mjs", "mediaType": "javaScript", "preload": false });
    let manifest = json!({
        "format": 1,
        "packages": [package("npm:a", Some("0.json")), package("npm:other", None)],
        "modules": { "npm:a": module, "npm:a/sub": module, "npm:other": module },
        "failed": [],
    });
    let docs = json!({
        "specifier": "npm:a", "version": "1.2.3", "description": "Adds numbers.",
        "symbols": [{
            "name": "add", "kind": "function", "subpath": null,
            "declaration": "function add(a: number, b: number): number",
            "doc": "Adds two numbers.\n\nIt never fails.",
        }],
    });
    for (name, text) in [
        ("manifest.json", manifest.to_string()),
        ("docs/0.json", docs.to_string()),
        ("bundle/a.mjs", "export const add = (a, b) => a + b;".to_owned()),
    ] {
        fs::write(generation.join(name), text).expect("a file");
    }
    symlink("generations/1", store.path("packages/current")).expect("a link");
    store
}

fn server(store: &Directory) -> Server {
    let directory = store.name("");
    Server::ready(&[
        ("MCP_CONDUCTOR_INSTALL_DIR", directory.trim_end_matches('/')),
        ("MCP_CONDUCTOR_ALLOWED_PACKAGES", "npm:a"),
    ])
}

fn tools(server: &mut Server) -> Vec<Value> {
    let id = server.request("tools/list", json!({}));
    server.result(id)["tools"].as_array().cloned().expect("an array")
}

#[test]
fn a_package_is_described_as_a_whole_and_by_its_symbols() {
    let store = store();
    let mut server = server(&store);
    assert_eq!(
        server.say("describe_package", json!({ "name": "npm:a" })),
        "# npm:a@1.2.3\n\nAdds numbers.\n\nLicence: MIT\nImport: import * as name from \"npm:a\"\n\
         Subpaths: npm:a/sub\n\nExports (1; describe_package with symbol shows one):\n\n\
         - function add: Adds two numbers.\n"
    );
    assert_eq!(
        server.say("describe_package", json!({ "package": "a", "symbol": "add" })),
        "# npm:a@1.2.3\n\n## add\n\nFrom \"npm:a\"\n\n```typescript\n\
         function add(a: number, b: number): number\n```\n\nAdds two numbers.\n\nIt never fails.\n"
    );
    assert_eq!(
        server.refusal("describe_package", json!({ "name": "npm:a", "symbol": "ad" })),
        "npm:a has no export \"ad\": did you mean add?"
    );
}

#[test]
fn a_package_that_is_installed_and_not_allowed_is_not_described() {
    let store = store();
    let mut server = server(&store);
    let refusal = server.refusal("describe_package", json!({ "name": "npm:other" }));
    assert_eq!(
        refusal,
        "Package \"npm:other\" is not installed, or MCP_CONDUCTOR_ALLOWED_PACKAGES does not allow \
         it here. Installed: npm:a"
    );
}

#[test]
fn installed_packages_are_named_where_a_model_reads() {
    let store = store();
    let mut server = server(&store);
    let tools = tools(&mut server);
    let description = tools[0]["description"].as_str().expect("a description");
    assert!(description.contains("Packages: npm:a@1.2.3."), "{description}");
    assert_eq!(tools.last().expect("a tool")["name"], "describe_package");
    let id = server.request("prompts/get", json!({ "name": "usage_guide" }));
    let guide = server.result(id)["messages"][0]["content"]["text"].to_string();
    assert!(guide.contains("npm:a@1.2.3"), "{guide}");
    assert_eq!(server.value("import { add } from 'npm:a'; add(1, 2)"), 3);
}

#[test]
fn without_packages_nothing_describes_them() {
    let mut server = Server::ready(&[]);
    let tools = tools(&mut server);
    assert!(tools.iter().all(|tool| tool["name"] != "describe_package"));
    let description = tools[0]["description"].as_str().expect("a description");
    assert!(description.contains("No packages."), "{description}");
    let id = server.start_call("describe_package", json!({ "name": "npm:a" }));
    let message = server.answer(id)["error"]["message"].to_string();
    assert!(message.contains("Unknown tool: describe_package"), "{message}");
}
