//! Entries of the configuration for the server above which the tests' servers run:
//! `tests/fixtures/upstream.rs`.

use std::path::Path;

use serde_json::{Value, json};

/// The fixture with these arguments.
pub fn upstream(arguments: &[&str]) -> Value {
    let built = Path::new(env!("CARGO_BIN_EXE_mcp-conductor"));
    let command = built.with_file_name("examples").join("upstream_fixture");
    let how = "cargo build --release --example upstream_fixture";
    assert!(command.is_file(), "{} is missing: {how}", command.display());
    json!({ "command": command, "args": arguments })
}

/// The same, with more members.
pub fn upstream_with(arguments: &[&str], members: Value) -> Value {
    let Value::Object(mut entry) = upstream(arguments) else { unreachable!("an object") };
    entry.extend(members.as_object().cloned().expect("an object"));
    entry.into()
}

/// The configuration that the case collection speaks of.
pub fn stub_bad_and_off() -> Value {
    json!({
        "stub": upstream_with(&["stub"], json!({ "env": { "K": "secret-token" } })),
        "bad": { "command": "/nonexistent/bin", "args": [] },
        "off": upstream_with(&["stub"], json!({ "disabled": true })),
    })
}

pub fn only_stub() -> Value {
    json!({ "stub": upstream(&["stub"]) })
}

/// Whether a process is the fixture.
pub fn is_upstream(pid: u32) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).contains("upstream_fixture")
}
