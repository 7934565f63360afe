//! The store, as the command line shows it.

use std::path::Path;

use crate::support::command::{Ended, binary, ended};
use crate::support::directory::{Directory, TemporaryFile, mode};

fn with_store(command: &[&str], store: &str) -> Ended {
    let env = [("MCP_CONDUCTOR_STORE", store), ("MCP_CONDUCTOR_REPLICA", "10.0.3.7")];
    ended(binary(command).envs(env))
}

/// The lines of doctor's section, without what depends on the machine's speed.
fn section(doctor: &Ended) -> Vec<&str> {
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    let (_, section) = doctor.stdout.split_once("\nStore:\n").expect("a section of the store");
    let lines = section.lines().take_while(|line| !line.is_empty());
    lines.filter(|line| !line.contains("answered in")).collect()
}

#[test]
fn the_doctor_says_which_store_is_in_force() {
    let directory = Directory::new("doctor-store");
    let store = directory.name("store");
    let doctor = with_store(&["doctor"], &store);
    assert_eq!(
        section(&doctor),
        [
            &format!("  kept             embedded, {store}/store.redb"),
            "  version          format 1",
            "  entries          0",
            "  bytes            0 of 268435456",
            "  replica          10.0.3.7",
            "  shared           no (MCP_CONDUCTOR_STORE=redis://… for several replicas)",
        ]
    );
    assert_eq!(mode(Path::new(&store)) & 0o777, 0o700);
    let doctor = with_store(&["doctor"], "memory");
    assert_eq!(section(&doctor)[0], "  kept             memory, this process");
}

#[test]
fn a_store_that_is_away_is_said_by_the_doctor_and_keeps_no_program_from_running() {
    let away = "redis://127.0.0.1:1";
    let doctor = with_store(&["doctor"], away);
    let line = section(&doctor)[0];
    assert!(line.starts_with("  Not available: The store is unavailable"), "{line}");
    assert!(line.contains("redis://127.0.0.1:1/0"), "{line}");
    assert_eq!(
        section(&doctor)[1..],
        [
            "  replica          10.0.3.7",
            "  shared           by all servers with this store and prefix",
        ]
    );
    let program = TemporaryFile::new("1 + 1");
    assert_eq!(with_store(&["run", program.path()], away), Ended::new(0, "2\n", ""));
}

#[test]
fn a_program_that_uses_no_store_makes_none() {
    let directory = Directory::new("no-store");
    let store = directory.name("store");
    let program = TemporaryFile::new("1 + 1");
    assert_eq!(with_store(&["run", program.path()], &store), Ended::new(0, "2\n", ""));
    assert!(!Path::new(&store).exists());
}

#[test]
fn a_password_that_is_written_out_is_refused_and_not_repeated() {
    let refused = with_store(&["doctor"], "redis://:s3cret@127.0.0.1");
    assert_eq!(refused.code, Some(3));
    assert!(refused.stderr.starts_with("mcp-conductor: MCP_CONDUCTOR_STORE: "), "{refused:?}");
    assert!(refused.stderr.contains("env:"), "{refused:?}");
    assert!(!refused.stderr.contains("s3cret"), "{refused:?}");
}

#[test]
fn a_password_whose_variable_is_not_set_stops_the_start() {
    let refused = with_store(&["doctor"], "redis://:env:REDIS_PASSWORD@127.0.0.1");
    assert_eq!(refused.code, Some(3));
    assert!(refused.stderr.contains("REDIS_PASSWORD"), "{refused:?}");
}
