//! The bundle for MCP clients.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::files::{json, knows, problems, root, schema, tool};

fn manifest() -> Value {
    json("deploy/mcpb/manifest.json")
}

fn server() -> Value {
    manifest()["server"]["mcp_config"].clone()
}

#[test]
fn the_manifest_is_valid() {
    assert_eq!(problems(&schema("mcpb"), &manifest()), Vec::<String>::new());
}

#[test]
fn the_schema_finds_a_typo() {
    let mut manifest = manifest();
    manifest["user_config"]["memory"]["requierd"] = true.into();
    assert_eq!(problems(&schema("mcpb"), &manifest).len(), 1);
}

#[test]
fn the_manifest_is_of_this_version() {
    assert_eq!(manifest()["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest()["license"], env!("CARGO_PKG_LICENSE"));
}

#[test]
fn every_variable_is_known() {
    for variable in server()["env"].as_object().unwrap().keys() {
        assert!(knows(variable), "{variable}");
    }
}

/// A reference to no setting would reach the server as it stands.
#[test]
fn every_setting_of_the_user_is_one_variable() {
    let manifest = manifest();
    let settings = manifest["user_config"].as_object().unwrap();
    let references: Vec<_> = settings.keys().map(|k| format!("${{user_config.{k}}}")).collect();
    let server = server();
    let values: Vec<_> = server["env"].as_object().unwrap().values().collect();
    assert_eq!(values, references.iter().collect::<Vec<_>>());
}

/// One that is not required and has no default would reach the server as the text
/// of the reference, and not be a setting of it.
#[test]
fn every_setting_of_the_user_has_a_value() {
    for (name, setting) in manifest()["user_config"].as_object().unwrap() {
        assert!(setting["required"] == true || !setting["default"].is_null(), "{name}");
    }
}

/// Files of a zip archive and their modes, from its central directory
/// (APPNOTE.TXT 6.3, section 4.3.12).
fn files(archive: &[u8]) -> BTreeMap<String, u32> {
    let number = |at: usize, bytes: usize| {
        archive[at..at + bytes].iter().rev().fold(0, |n: usize, byte| n << 8 | usize::from(*byte))
    };
    // The end of the directory: 22 bytes, if there is no comment.
    let end = archive.len() - 22;
    assert_eq!(&archive[end..end + 4], b"PK\x05\x06");
    let mut at = number(end + 16, 4);
    let mut files = BTreeMap::new();
    for _ in 0..number(end + 10, 2) {
        assert_eq!(&archive[at..at + 4], b"PK\x01\x02");
        let name = &archive[at + 46..at + 46 + number(at + 28, 2)];
        let mode = number(at + 38, 4) >> 16;
        files.insert(String::from_utf8(name.to_vec()).unwrap(), mode as u32);
        at += 46 + number(at + 28, 2) + number(at + 30, 2) + number(at + 32, 2);
    }
    files
}

#[test]
fn the_bundle_has_the_programs_and_they_can_be_executed() {
    if tool("strip").is_none() || (tool("zip").is_none() && tool("python3").is_none()) {
        return;
    }
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages.mcpb");
    // Any program: ours takes long to strip.
    let status = Command::new(root().join("deploy/mcpb/build.sh"))
        .args(["/bin/true".as_ref(), out.as_os_str(), "/bin/true".as_ref()])
        .status()
        .unwrap();
    assert!(status.success());
    let files = files(&std::fs::read(&out).unwrap());
    let program = manifest()["server"]["entry_point"].as_str().unwrap().to_owned();
    let expected = [("LICENSE".to_owned(), 0o100_644), ("manifest.json".into(), 0o100_644)];
    let programs = [(program.clone(), 0o100_755), (format!("{program}-installer"), 0o100_755)];
    assert_eq!(files, expected.into_iter().chain(programs).collect());
    assert_eq!(server()["command"], format!("${{__dirname}}/{program}"));
}
