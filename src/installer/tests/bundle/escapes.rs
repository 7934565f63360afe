//! Packages that ask for files outside of the store.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::packages::Generation;

const SECRET: &str = "TOP-SECRET";

/// A generation with a file beside its `node_modules`.
fn with_secret() -> Generation {
    let generation = Generation::new();
    fs::write(generation.path().join("secret.json"), json!({ "key": SECRET }).to_string())
        .expect("a secret");
    fs::write(generation.path().join("secret.js"), format!("module.exports = '{SECRET}';"))
        .expect("a secret");
    generation
}

/// Nothing that was made has the secret, and the package is named with the path.
fn assert_refused(generation: Generation) {
    let made = generation.bundle();
    let reason = made.reason("npm:a");
    assert!(reason.contains("a asks for") && reason.contains("secret"), "{reason}");
    for file in fs::read_dir(made.files()).expect("files").flatten() {
        let text = fs::read_to_string(file.path()).expect("text");
        assert!(!text.contains(SECRET), "{}", file.path().display());
    }
}

#[test]
fn a_main_outside_of_the_store_is_refused() {
    for file in ["secret.json", "secret.js"] {
        let main = format!("../../../../../{file}");
        let json = json!({ "name": "a", "version": "1.0.0", "main": main }).to_string();
        assert_refused(with_secret().allowed("a", &[("package.json", &json)]));
    }
}

#[test]
fn an_import_outside_of_the_store_is_refused() {
    let code = "exports.secret = require('../../../../../secret.json');";
    assert_refused(with_secret().allowed("a", &[("index.js", code)]));
}

#[test]
fn a_dependencys_import_outside_of_the_store_is_refused() {
    let code = "module.exports = require('../../../../../secret.js');";
    let generation = with_secret()
        .package("b", &[("index.js", code)])
        .allowed("a", &[("index.js", "exports.f = () => require('b');")])
        .link("a", "b");
    let made = generation.bundle();
    assert!(made.reason("npm:a").contains("b asks for"), "{}", made.answer);
}

#[test]
fn a_link_outside_of_the_store_is_refused() {
    let generation =
        with_secret().allowed("a", &[("index.js", "exports.s = require('./link.js');")]);
    symlink("../../../../../secret.js", generation.home("a").join("link.js")).expect("a link");
    assert_refused(generation);
}

#[test]
fn an_absolute_path_is_refused() {
    let generation = with_secret();
    let secret = generation.path().join("secret.js");
    let code = format!("exports.s = require({:?});", secret.to_str().expect("text"));
    assert_refused(generation.allowed("a", &[("index.js", &code)]));
}

#[test]
fn a_package_further_up_on_the_machine_is_not_installed() {
    let generation = with_secret().allowed("a", &[("index.js", "exports.s = require('above');")]);
    let above =
        generation.path().parent().expect("a parent").join("node_modules/above-mcp-conductor");
    assert!(!above.exists());
    assert!(generation.bundle().code("npm:a").contains("a needs above, which is not installed"));
}
