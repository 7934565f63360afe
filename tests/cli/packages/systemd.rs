//! The systemd unit.

use std::path::Path;

use super::files::{knows, text, tool};

const UNIT: &str = "deploy/systemd/mcp-conductor.service";

/// Values of a key in the unit, in order.
fn values(key: &str) -> Vec<String> {
    let text = text(UNIT);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.filter(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).collect()
}

fn value(key: &str) -> String {
    match values(key).as_slice() {
        [value] => value.clone(),
        other => panic!("{key} is set once, not {other:?}"),
    }
}

fn variable(name: &str) -> Option<String> {
    let pairs = values("Environment");
    pairs.iter().find_map(|pair| Some(pair.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

#[test]
fn each_line_is_a_section_a_setting_or_a_comment() {
    for line in text(UNIT).lines() {
        let is_section = ["[Unit]", "[Service]", "[Install]"].contains(&line);
        let is_setting = line.split_once('=').is_some_and(|(key, _)| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric())
        });
        assert!(is_section || is_setting || line.is_empty() || line.starts_with('#'), "{line}");
    }
}

#[test]
fn the_unit_gives_the_server_nothing_to_gain() {
    let expected = [
        ("User", "mcp-conductor"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("AmbientCapabilities", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("SystemCallArchitectures", "native"),
        ("StateDirectoryMode", "0700"),
    ];
    let found = expected.map(|(key, _)| (key, value(key)));
    assert_eq!(found, expected.map(|(key, value)| (key, value.to_owned())));
}

/// With any of these the sandbox or V8 does not work, or the server does not start.
#[test]
fn the_unit_leaves_the_sandbox_what_it_needs() {
    assert_eq!(value("MemoryDenyWriteExecute"), "no");
    assert_eq!(value("RestrictNamespaces"), "no");
    assert_eq!(value("RestrictSUIDSGID"), "no");
    assert_eq!(value("ProtectProc"), "default");
    assert_eq!(values("ProcSubset"), Vec::<String>::new());
    assert_eq!(values("PrivateUsers"), Vec::<String>::new());
}

#[test]
fn the_system_calls_of_the_sandbox_are_allowed() {
    let allowed = values("SystemCallFilter").join(" ");
    let allowed: Vec<_> = allowed.split(' ').collect();
    // Beyond @system-service, as strace shows them for a run with a command.
    let needed = [
        "@system-service",
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
        "seccomp",
        "mount",
        "umount2",
        "pivot_root",
        "@pkey",
    ];
    assert_eq!(allowed, needed);
}

#[test]
fn the_unit_is_stopped_later_than_the_server_drains() {
    let stop: u64 = value("TimeoutStopSec").parse().unwrap();
    let drain: u64 = variable("MCP_CONDUCTOR_DRAIN_TIMEOUT").unwrap().parse().unwrap();
    assert!(stop * 1000 > drain);
    assert_eq!(value("KillMode"), "mixed");
    assert_eq!(value("ExecReload"), "/bin/kill -HUP $MAINPID");
}

#[test]
fn the_files_of_the_unit_are_in_its_directory() {
    let state = format!("/var/lib/{}/", value("StateDirectory"));
    assert!(variable("MCP_CONDUCTOR_WORKSPACE").unwrap().starts_with(&state));
    assert!(variable("MCP_CONDUCTOR_TOKENS").unwrap().starts_with(&state));
}

#[test]
fn every_variable_of_the_unit_and_of_its_example_is_known() {
    let example = text("deploy/systemd/mcp-conductor.env");
    // Settings that are commented out count: `#NAME=`, without a space.
    let settings = example.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
    let settings = settings.filter(|line| !line.is_empty() && !line.starts_with(' '));
    let pairs: Vec<_> = settings.map(String::from).chain(values("Environment")).collect();
    for pair in &pairs {
        let (name, _) = pair.split_once('=').unwrap_or_else(|| panic!("{pair}"));
        assert!(knows(name), "{name}");
    }
    assert!(pairs.len() > 5);
}

#[test]
fn the_user_of_the_unit_is_made() {
    let user = format!("u {} - ", value("User"));
    assert!(text("deploy/systemd/mcp-conductor.sysusers").contains(&user));
}

#[test]
fn systemd_finds_nothing_wrong() {
    let Some(mut analyze) = tool("systemd-analyze") else { return };
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages-systemd");
    std::fs::create_dir_all(&directory).unwrap();
    let unit = directory.join("mcp-conductor.service");
    let binary = env!("CARGO_BIN_EXE_mcp-conductor");
    std::fs::write(&unit, text(UNIT).replace("/usr/local/bin/mcp-conductor", binary)).unwrap();
    let output = analyze.args(["verify", "--man=no"]).arg(&unit).output().unwrap();
    // It is content with a key that it does not know, but says so.
    let stderr = String::from_utf8_lossy(&output.stderr);
    let about: Vec<_> = stderr.lines().filter(|line| line.contains("mcp-conductor")).collect();
    assert_eq!((output.status.success(), about), (true, Vec::<&str>::new()));
}
