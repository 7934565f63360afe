//! Reads the packages' files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn json(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A document in YAML, with anchors and merges resolved.
pub fn yaml(path: &str) -> Value {
    let mut value: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    value.apply_merge().unwrap();
    serde_json::to_value(value).unwrap()
}

pub fn toml(text: &str) -> Value {
    let value: toml::Value = toml::from_str(text).unwrap();
    serde_json::to_value(value).unwrap()
}

/// One of `tests/cli/packages/schemas`.
pub fn schema(name: &str) -> Value {
    json(&format!("tests/cli/packages/schemas/{name}.json"))
}

/// What is wrong, with where.
pub fn problems(schema: &Value, instance: &Value) -> Vec<String> {
    let validator = jsonschema::options().offline().build(schema).expect("a valid schema");
    validator
        .iter_errors(instance)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// The strings of an array.
pub fn strings(value: &Value) -> Vec<&str> {
    let items = value.as_array().unwrap_or_else(|| panic!("an array, not {value}"));
    items.iter().map(|item| item.as_str().unwrap()).collect()
}

/// Names that the server reads from its environment.
pub fn knows(variable: &str) -> bool {
    let own = mcp_conductor::Config::variables().iter().any(|known| known.name == variable);
    // Of the command line, and of its logging.
    own || variable == "MCP_CONDUCTOR_CONFIG" || variable == "RUST_LOG"
}

/// Kubernetes' and Docker's `256Mi` and `256m`, in MiB.
pub fn mebibytes(text: &str) -> u64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().unwrap();
    match &text[digits.len()..] {
        "Mi" | "m" => number,
        "Gi" | "g" => number << 10,
        unit => panic!("unit {unit}"),
    }
}

/// What the server and its zygote need beside the runs, in MiB: about 150 with the
/// zygote, and buffers of messages.
pub const SERVER_MIB: u64 = 512;

/// The most memory of all runs together that a configuration allows, in MiB.
pub fn memory_of_runs(config: &Value) -> u64 {
    config["max_concurrent"].as_u64().unwrap() * config["max_memory"].as_u64().unwrap()
}

/// What `mcp-conductor config check` says of a configuration file.
pub fn check(name: &str, config: &str) -> Output {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("packages");
    std::fs::create_dir_all(&home).unwrap();
    let file = home.join(format!("{name}.toml"));
    std::fs::write(&file, config).unwrap();
    Command::new(env!("CARGO_BIN_EXE_mcp-conductor"))
        .arg("--config")
        .arg(&file)
        .args(["config", "check"])
        .env_clear()
        .env("HOME", &home)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
pub fn assert_accepted(name: &str, config: &str) {
    let output = check(name, config);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

/// A tool of others, if this machine has it. Says so if it has not.
pub fn tool(name: &str) -> Option<Command> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    if !found {
        println!("{name} is not here: its check was skipped");
    }
    found.then(|| Command::new(name))
}
