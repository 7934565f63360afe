//! Settings from the environment: used, or refused in one line.

use crate::support::command::{Ended, binary, conductor, ended};
use crate::support::directory::TemporaryFile;

fn run_with(variables: &[(&str, &str)], source: &str) -> Ended {
    let program = TemporaryFile::new(source);
    ended(binary(&["run", program.path()]).envs(variables.iter().copied()))
}

#[test]
fn a_value_that_cannot_be_used_stops_with_one_line() {
    for (variable, value, line) in [
        (
            "MCP_CONDUCTOR_MAX_CPU_TIME",
            "ten",
            "MCP_CONDUCTOR_MAX_CPU_TIME: \"ten\" is not an integer between 1 and 86400000, for \
             example MCP_CONDUCTOR_MAX_CPU_TIME=10000",
        ),
        (
            "MCP_CONDUCTOR_DEFAULT_TIMEOUT",
            "0",
            "MCP_CONDUCTOR_DEFAULT_TIMEOUT: \"0\" is not an integer between 1 and 86400000, for \
             example MCP_CONDUCTOR_DEFAULT_TIMEOUT=30000",
        ),
        (
            "MCP_CONDUCTOR_MAX_MEMORY",
            "1",
            "MCP_CONDUCTOR_MAX_MEMORY: \"1\" is not an integer between 32 and 16384, for example \
             MCP_CONDUCTOR_MAX_MEMORY=256",
        ),
        (
            "MCP_CONDUCTOR_STANDBY",
            "-1",
            "MCP_CONDUCTOR_STANDBY: \"-1\" is not an integer between 0 and 1000, for example \
             MCP_CONDUCTOR_STANDBY=4",
        ),
        (
            "MCP_CONDUCTOR_ISOLATE",
            "hot",
            "MCP_CONDUCTOR_ISOLATE: \"hot\" is neither warm nor fresh, for example \
             MCP_CONDUCTOR_ISOLATE=warm",
        ),
        (
            "MCP_CONDUCTOR_WORKSPACE",
            "relative/path",
            "MCP_CONDUCTOR_WORKSPACE: \"relative/path\" is not an absolute path, for example \
             MCP_CONDUCTOR_WORKSPACE=/srv/workspace",
        ),
    ] {
        assert_eq!(
            run_with(&[(variable, value)], "1"),
            Ended::new(3, "", &format!("mcp-conductor: {line}\n"))
        );
    }
}

#[test]
fn the_server_and_the_doctor_stop_with_the_same_line() {
    for command in ["stdio", "doctor"] {
        assert_eq!(
            ended(binary(&[command]).env("MCP_CONDUCTOR_MAX_QUEUE", "many")),
            Ended::new(
                3,
                "",
                "mcp-conductor: MCP_CONDUCTOR_MAX_QUEUE: \"many\" is not an integer between 0 and \
                 100000, for example MCP_CONDUCTOR_MAX_QUEUE=256\n"
            )
        );
    }
}

#[test]
fn a_default_timeout_above_the_maximum_is_refused() {
    let variables =
        [("MCP_CONDUCTOR_DEFAULT_TIMEOUT", "5000"), ("MCP_CONDUCTOR_MAX_TIMEOUT", "1000")];
    assert_eq!(
        run_with(&variables, "1"),
        Ended::new(
            3,
            "",
            "mcp-conductor: MCP_CONDUCTOR_DEFAULT_TIMEOUT: 5000 ms is more than \
             MCP_CONDUCTOR_MAX_TIMEOUT, which is 1000 ms, for example \
             MCP_CONDUCTOR_DEFAULT_TIMEOUT=1000\n"
        )
    );
}

#[test]
fn the_default_timeout_is_used() {
    let source = "await new Promise((done) => setTimeout(done, 60_000)); 1";
    let done = run_with(&[("MCP_CONDUCTOR_DEFAULT_TIMEOUT", "200")], source);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.stderr.lines().next(), Some("error: Execution timed out after 200ms"));
}

#[test]
fn the_grace_of_what_is_left_behind_is_used() {
    let variables = [("MCP_CONDUCTOR_UNFINISHED_GRACE", "60000")];
    let source = "setTimeout(() => console.log('late'), 1500); 1";
    assert_eq!(run_with(&variables, source), Ended::new(0, "1\n", "late\n"));
}

#[test]
fn both_kinds_of_isolate_run_programs() {
    for isolate in ["warm", "fresh"] {
        let variables = [("MCP_CONDUCTOR_ISOLATE", isolate)];
        assert_eq!(
            run_with(&variables, "[1, 2].map((n) => n * 2).join()"),
            Ended::new(0, "\"2,4\"\n", "")
        );
    }
}

#[test]
fn the_workspace_is_the_working_directory() {
    let variables = [("MCP_CONDUCTOR_WORKSPACE", "/srv/work")];
    assert_eq!(run_with(&variables, "Deno.cwd()"), Ended::new(0, "\"/srv/work\"\n", ""));
}

const ZONE: &str = "Intl.DateTimeFormat().resolvedOptions().timeZone";

#[test]
fn the_time_zone_is_the_setting_or_that_of_the_system_or_utc() {
    let setting = ("MCP_CONDUCTOR_TIME_ZONE", "America/New_York");
    for (variables, zone) in [
        (&[][..], "UTC"),
        (&[("TZ", "Europe/Berlin")], "Europe/Berlin"),
        (&[("TZ", ":/usr/share/zoneinfo/Asia/Tokyo")], "Asia/Tokyo"),
        (&[setting], "America/New_York"),
        (&[setting, ("TZ", "Mars/Base")], "America/New_York"),
    ] {
        assert_eq!(run_with(variables, ZONE), Ended::new(0, &format!("\"{zone}\"\n"), ""));
    }
}

#[test]
fn a_time_zone_that_does_not_exist_stops_with_one_line() {
    for variable in ["MCP_CONDUCTOR_TIME_ZONE", "TZ"] {
        let line = format!(
            "mcp-conductor: {variable}: \"Mars/Base\" is not a time zone of the IANA database, for \
             example {variable}=Europe/Berlin\n"
        );
        assert_eq!(run_with(&[(variable, "Mars/Base")], "1"), Ended::new(3, "", &line));
    }
}

#[test]
fn a_rule_of_the_system_that_names_no_time_zone_is_warned_of() {
    let variables = [("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")];
    let done = run_with(&variables, ZONE);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "\"UTC\"\n"));
    assert!(done.stderr.contains("Set MCP_CONDUCTOR_TIME_ZONE"), "{}", done.stderr);
}

fn warnings(variables: &[(&str, &str)]) -> Vec<String> {
    let done = run_with(variables, "1");
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "1\n"), "{}", done.stderr);
    // Before the level stands the time.
    let warning = |line: &str| Some(line.split_once(" WARN ")?.1.split_once(": ")?.1.to_owned());
    done.stderr.lines().filter_map(warning).filter(|line| line.contains("MCP_CONDUCTOR")).collect()
}

#[test]
fn a_variable_that_means_nothing_is_warned_of() {
    assert_eq!(
        warnings(&[("MCP_CONDUCTOR_MAX_TIMOUT", "5"), ("RUST_LOG", "warn")]),
        ["MCP_CONDUCTOR_MAX_TIMOUT is set but unknown to this version"]
    );
}

#[test]
fn grants_that_cannot_be_given_are_warned_of() {
    assert_eq!(
        warnings(&[("MCP_CONDUCTOR_RUN_ARGS", "allow-ffi"), ("RUST_LOG", "warn")]),
        ["MCP_CONDUCTOR_RUN_ARGS: allow-ffi grants nothing here: programs do without"]
    );
    assert_eq!(warnings(&[("MCP_CONDUCTOR_RUN_ARGS", "none"), ("RUST_LOG", "warn")]), [""; 0]);
}

#[test]
fn warnings_are_shown_without_being_asked_for() {
    assert_eq!(
        warnings(&[("MCP_CONDUCTOR_MAX_TIMOUT", "5")]),
        ["MCP_CONDUCTOR_MAX_TIMOUT is set but unknown to this version"]
    );
}

#[test]
fn help_and_version_are_printed() {
    let version = conductor(&["--version"]);
    let expected = format!("mcp-conductor {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(version, Ended::new(0, &expected, ""));
    let help = conductor(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for command in ["stdio", "run", "doctor"] {
        assert!(help.stdout.contains(&format!("\n  {command}")), "{}", help.stdout);
    }
}
