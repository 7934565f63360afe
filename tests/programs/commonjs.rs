//! Programs that are written for Node: `require`, `module`, `exports`, `__dirname`.

use serde_json::json;

use super::runtimes::{error, value};

#[test]
fn built_ins_are_required_by_a_literal_and_by_a_computed_name() {
    assert_eq!(value("const fs = require('fs'); typeof fs.readFileSync"), json!("function"));
    let source = "const { join } = require('node:path'); join('a', '..', 'b')";
    assert_eq!(value(source), json!("b"));
    assert_eq!(value("const name = 'pa' + 'th'; require(name).basename('/a/b')"), json!("b"));
}

#[test]
fn what_a_program_exports_is_its_value() {
    for (source, expected) in [
        ("module.exports = { a: 1 }", json!({ "a": 1 })),
        ("exports.a = 1; exports.b = 2", json!({ "a": 1, "b": 2 })),
        ("exports = module.exports = 3", json!(3)),
        ("module.exports = async () => 4", json!(4)),
        ("module.exports.a = 5;\nfunction f() {}", json!({ "a": 5 })),
        ("module.exports = { a: 6 }; 7", json!(7)),
    ] {
        assert_eq!(value(source), expected, "{source}");
    }
}

#[test]
fn a_program_is_the_main_module_of_its_workspace() {
    let source = "let ran = false; if (require.main === module) ran = true; ran";
    assert_eq!(value(source), json!(true));
    let source = "[__dirname === Deno.cwd(), __filename === __dirname + '/main.ts']";
    assert_eq!(value(source), json!([true, true]));
}

#[test]
fn a_package_that_is_missing_is_an_error_which_a_try_block_catches() {
    assert_eq!(error("const a = require('nowhere-at-all'); a").detail.name, "TypeError");
    let source = "let a; try { a = require('nowhere-at-all') } catch (e) { a = e.name } a";
    assert_eq!(value(source), json!("TypeError"));
}

#[test]
fn a_require_of_the_programs_own_means_what_it_says() {
    let source = "const f = (require) => require('nowhere-at-all'); f((name) => name.length)";
    assert_eq!(value(source), json!(14));
}
