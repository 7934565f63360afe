//! The entry for the MCP registry.

use serde_json::{Value, json as value};

use super::files::{json, knows, problems, schema, yaml};

fn entry() -> Value {
    json("server.json")
}

#[test]
fn the_entry_is_valid() {
    assert_eq!(problems(&schema("server"), &entry()), Vec::<String>::new());
}

#[test]
fn the_schema_finds_a_description_that_is_too_long() {
    let mut entry = entry();
    entry["description"] = "x".repeat(101).into();
    assert_eq!(problems(&schema("server"), &entry).len(), 1);
}

#[test]
fn the_entry_names_the_schema_that_it_is_checked_with() {
    assert_eq!(entry()["$schema"], schema("server")["$id"]);
}

#[test]
fn the_entry_is_of_this_version() {
    let entry = entry();
    assert_eq!(entry["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(entry["description"], env!("CARGO_PKG_DESCRIPTION"));
    let identifier = entry["packages"][0]["identifier"].as_str().unwrap();
    let image = identifier.rsplit('/').next().unwrap();
    let compose = yaml("docker-compose.yml");
    assert_eq!(compose["services"]["mcp-conductor"]["image"], image);
}

#[test]
fn the_image_is_started_for_one_client() {
    let package = entry()["packages"][0].clone();
    assert_eq!(package["transport"], value!({"type": "stdio"}));
    assert_eq!(package["packageArguments"], value!([{"type": "positional", "value": "stdio"}]));
}

#[test]
fn every_variable_is_known() {
    for variable in entry()["packages"][0]["environmentVariables"].as_array().unwrap() {
        assert!(knows(variable["name"].as_str().unwrap()), "{variable}");
    }
}
