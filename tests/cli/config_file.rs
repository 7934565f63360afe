//! One config file: read, refused in one line, shown without secrets.

use std::process::Command;

use crate::support::command::{Ended, binary, conductor, ended};
use crate::support::directory::{Directory, TemporaryFile, set_mode};

const SLEEP: &str = "await new Promise((done) => setTimeout(done, 60_000)); 1";

pub(super) fn check(path: &str) -> Command {
    binary(&["--config", path, "config", "check"])
}

/// The line of a key, with single spaces.
fn line(text: &str, key: &str) -> String {
    let start = format!("{key} = ");
    let line = text.lines().find(|line| line.starts_with(&start)).unwrap_or("none");
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_reads_the_file_that_a_flag_or_a_variable_names() {
    let directory = Directory::in_target("config");
    let path = directory.write("conductor.toml", "default_timeout = 200\n");
    let program = TemporaryFile::new(SLEEP);
    let expected = Some("error: Execution timed out after 200ms");
    for run in [
        ended(&mut binary(&["run", "--config", &path, program.path()])),
        ended(&mut binary(&["--config", &path, "run", program.path()])),
        ended(binary(&["run", program.path()]).env("MCP_CONDUCTOR_CONFIG", &path)),
    ] {
        assert_eq!((run.code, run.stderr.lines().next()), (Some(1), expected));
    }
}

#[test]
fn the_environment_stands_above_the_file() {
    let directory = Directory::in_target("config");
    let path = directory.write("conductor.toml", "default_timeout = 60000\n");
    let program = TemporaryFile::new(SLEEP);
    let mut command = binary(&["--config", &path, "run", program.path()]);
    let run = ended(command.env("MCP_CONDUCTOR_DEFAULT_TIMEOUT", "200"));
    assert_eq!(run.stderr.lines().next(), Some("error: Execution timed out after 200ms"));
}

#[test]
fn the_flag_that_names_the_file_stands_above_the_variable() {
    let directory = Directory::in_target("config");
    let path = directory.write("conductor.toml", "max_queue = 7\n");
    let shown = ended(check(&path).env("MCP_CONDUCTOR_CONFIG", "/nowhere/conductor.toml"));
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    assert_eq!(line(&shown.stdout, "max_queue"), format!("max_queue = 7 # file {path}"));
}

#[test]
fn a_file_with_a_mistake_stops_every_command_with_one_line() {
    let directory = Directory::in_target("config");
    let path = directory.write("conductor.toml", "# a comment\n\nmax_cpu_tmie = 1\n");
    let program = TemporaryFile::new("1");
    let expected = Ended::refused(&format!(
        "{path}, line 3: max_cpu_tmie is not a setting; max_cpu_time is, for example max_cpu_time \
         = \
         10000"
    ));
    for arguments in
        [&["config", "check"][..], &["stdio"], &["http"], &["doctor"], &["run", program.path()]]
    {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--config", &path]);
        assert_eq!(conductor(&arguments), expected, "{arguments:?}");
    }
}

#[test]
fn mistakes_are_told_with_their_place_and_an_example() {
    let directory = Directory::in_target("config");
    for (text, problem) in [
        (
            "max_memory = \"64\"",
            ", line 1: max_memory is a string, and must be an integer between 32 and 16384, for \
             example max_memory = 256",
        ),
        (
            "max_memory = 31",
            ", line 1: max_memory: \"31\" is not an integer between 32 and 16384, for example \
             max_memory = 256",
        ),
        ("port = 1\n\nport = 2", ", line 3: port is given twice, keep one"),
        (
            "[principals.alice]\nbind = \"::1\"",
            ", line 2: principals.alice.bind is a setting of the whole server, not of a \
             principal; write it at the top, for example bind = \"127.0.0.1\"",
        ),
        (
            "max_timeout = 1000\n[principals.alice]\nmax_timeout = 2000",
            ", line 3: principals.alice.max_timeout: 2000 is more than the server's, which is \
             1000, for example max_timeout = 1000",
        ),
    ] {
        let path = directory.write("conductor.toml", text);
        assert_eq!(ended(&mut check(&path)), Ended::refused(&format!("{path}{problem}")));
    }
    let path = directory.write("conductor.json", r#"{"max_cpu_tmie": 1}"#);
    assert_eq!(
        ended(&mut check(&path)),
        Ended::refused(&format!(
            "{path}, line 1: max_cpu_tmie is not a setting; max_cpu_time is, for example \
             \"max_cpu_time\": 10000"
        ))
    );
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let directory = Directory::in_target("config");
    std::fs::create_dir(directory.name("directory.toml")).expect("a directory");
    directory.write("large.toml", "#".repeat(2 << 20));
    directory.write("conductor.yaml", "");
    for (name, problem) in [
        ("missing.toml", "cannot be read: No such file or directory (os error 2)"),
        ("directory.toml", "not a regular file"),
        ("large.toml", "the file has more than 1048576 bytes"),
        ("conductor.yaml", "a config file ends in .toml or .json"),
    ] {
        let path = directory.name(name);
        let example = "--config /etc/mcp-conductor/conductor.toml";
        let expected = Ended::refused(&format!("{path}: {problem}, for example {example}"));
        assert_eq!(ended(&mut check(&path)), expected);
    }
}

#[test]
fn a_json_file_can_have_comments_and_commas_at_the_end() {
    let directory = Directory::in_target("config");
    let text = "{\n  // how many may wait\n  \"max_queue\": 7, /* and how long */\n}\n";
    let path = directory.write("conductor.json", text);
    let shown = ended(&mut check(&path));
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    assert_eq!(line(&shown.stdout, "max_queue"), format!("max_queue = 7 # file {path}"));
    let path = directory.write("conductor.json", "{\n  \"max_queue\": 7\n  \"port\": 1\n}");
    assert_eq!(
        ended(&mut check(&path)),
        Ended::refused(&format!(
            "{path}, line 2, column 17: not JSON: expected comma, for example {{\"max_cpu_time\": \
             10000}}"
        ))
    );
}

#[test]
fn an_empty_file_sets_nothing() {
    let directory = Directory::in_target("config");
    let path = directory.write("conductor.toml", "");
    let shown = ended(&mut check(&path));
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    assert_eq!(shown.stdout, conductor(&["config", "check"]).stdout);
}

#[test]
fn what_is_shown_says_where_it_comes_from_and_has_no_secret() {
    let directory = Directory::in_target("config");
    let text = "max_memory = 64\nmax_queue = 7\n[fetch_headers.\"a.example\"]\n\
        one = \"Bearer canary-1\"\ntwo = \"Bearer env:TOKEN\"\n\
        [principals.alice]\nmax_memory = 32\ntools = [\"mcp__github__*\"]\n\
        [principals.alice.fetch_headers.\"b.example\"]\nthree = \"canary-2\"\n";
    let path = directory.write("conductor.toml", text);
    let shown = ended(check(&path).env("MCP_CONDUCTOR_MAX_QUEUE", "9").env("TOKEN", "canary-3"));
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    assert!(!shown.stdout.contains("canary"), "{}", shown.stdout);
    for (key, expected) in [
        ("max_memory", format!("max_memory = 64 # file {path}")),
        ("max_queue", "max_queue = 9 # environment MCP_CONDUCTOR_MAX_QUEUE".to_owned()),
        ("max_cpu_time", "max_cpu_time = 10000 # default".to_owned()),
        (
            "fetch_headers",
            format!(
                "fetch_headers = {{ \"a.example\" = {{ one = \"***\", two = \"Bearer env:TOKEN\" \
                 }} }} # file {path}"
            ),
        ),
    ] {
        assert_eq!(line(&shown.stdout, key), expected);
    }
    let alice = "\n[principals.alice]\ntools = [\"mcp__github__*\"]\nmax_memory = 32\n\
        fetch_headers = { \"b.example\" = { three = \"***\" } }\n# workspace = ";
    assert!(shown.stdout.contains(alice), "{}", shown.stdout);
}

#[test]
fn what_is_shown_is_a_config_file_again() {
    let directory = Directory::in_target("config");
    let text = "max_memory = 64\nrun_args = [\"allow-net\"]\n[principals.alice]\ntools = []\n";
    let shown = ended(&mut check(&directory.write("one.toml", text))).stdout;
    let again = ended(&mut check(&directory.write("two.toml", &shown)));
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""));
    let settings = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.split(" # ").next()?.trim().to_owned())).collect()
    };
    // What had a default is now of the file.
    assert_eq!(settings(&again.stdout), settings(&shown));
}

#[test]
fn a_secret_in_a_file_that_others_can_read_is_refused() {
    let directory = Directory::in_target("config");
    let text = "[fetch_headers.\"a.example\"]\nauthorization = \"Bearer canary\"\n";
    let path = directory.write("conductor.toml", text);
    set_mode(&path, 0o644);
    let refused = ended(&mut check(&path));
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(3), ""));
    assert!(refused.stderr.contains("chmod 600"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("canary"), "{}", refused.stderr);
    set_mode(&path, 0o600);
    assert_eq!(ended(&mut check(&path)).code, Some(0));
}

/// The answer to a program that needs the list of MCP servers.
fn with_servers(path: &str) -> Ended {
    let program = TemporaryFile::new("42");
    ended(binary(&["run", program.path()]).env("MCP_CONDUCTOR_MCP_CONFIG", path))
}

#[test]
fn files_that_everybody_can_write_are_refused_with_what_mends_them() {
    let directory = Directory::in_target("config");
    let config = directory.write("conductor.toml", "max_queue = 7\n");
    let servers = directory.write("mcp.json", r#"{"mcpServers": {}}"#);
    let named =
        directory.write("named.toml", format!("[principals.alice]\nmcp_config = \"{servers}\"\n"));
    for path in [&config, &servers] {
        set_mode(path, 0o646);
    }
    let problem = |path: &str| {
        format!(
            "{path}: every user of this machine can write this file, and so decide what the \
             server does; run chmod o-w {path}"
        )
    };
    assert_eq!(ended(&mut check(&config)), Ended::refused(&problem(&config)));
    let of_servers = with_servers(&servers);
    assert_eq!((of_servers.code, of_servers.stdout.as_str()), (Some(3), ""));
    assert!(of_servers.stderr.contains(&problem(&servers)), "{}", of_servers.stderr);
    let of_alice = ended(&mut check(&named));
    assert_eq!(of_alice.code, Some(3));
    assert!(of_alice.stderr.contains(&problem(&servers)), "{}", of_alice.stderr);
    for path in [&config, &servers] {
        set_mode(path, 0o644);
    }
    assert_eq!(ended(&mut check(&config)).code, Some(0));
    assert_eq!(with_servers(&servers), Ended::new(0, "42\n", ""));
    assert_eq!(ended(&mut check(&named)).code, Some(0));
}

#[test]
fn a_directory_that_everybody_can_write_is_warned_of() {
    let directory = Directory::in_target("config");
    let path = directory.write("conductor.toml", "max_queue = 7\n");
    set_mode(directory.name(""), 0o777);
    let shown = ended(&mut check(&path));
    assert_eq!(shown.code, Some(0));
    let warning = "every user of this machine can write ";
    assert!(shown.stderr.contains(warning), "{}", shown.stderr);
    set_mode(directory.name(""), 0o1777);
    assert_eq!(ended(&mut check(&path)).stderr, "");
}

#[test]
fn a_secret_in_a_list_of_servers_that_others_can_read_is_warned_of() {
    let directory = Directory::in_target("config");
    let text = r#"{"mcpServers": {"a": {"url": "http://127.0.0.1:9/",
        "headers": {"authorization": "Bearer canary-0123"}}}}"#;
    let path = directory.write("mcp.json", text);
    set_mode(&path, 0o644);
    let warned = with_servers(&path);
    let warning = format!(
        "{path}: other users can read this file, and headers \"authorization\" of \"a\" looks \
         like a \
         secret; write env:NAME, or run chmod 600 {path}\n"
    );
    assert!(warned.stderr.contains(&warning), "{}", warned.stderr);
    assert!(!warned.stderr.contains("canary"), "{}", warned.stderr);
    assert_eq!(warned.code, Some(0));
    set_mode(&path, 0o600);
    assert!(!with_servers(&path).stderr.contains("secret"));
}

#[test]
fn workspaces_inside_of_one_another_are_warned_of() {
    let directory = Directory::in_target("config");
    let text = "[principals.a]\nworkspace = \"/srv/x\"\n[principals.b]\nworkspace = \"/srv/x/y\"\n";
    let shown = ended(&mut check(&directory.write("conductor.toml", text)));
    assert_eq!(shown.code, Some(0));
    let warning = "the workspace of principals.b, /srv/x/y, is inside that of principals.a, \
                   /srv/x: \
                   programs of one can reach the files of the other\n";
    assert!(shown.stderr.contains(warning), "{}", shown.stderr);
    assert_eq!(shown.stderr.lines().count(), 1);
}

#[test]
fn the_schema_is_printed() {
    let schema = conductor(&["config", "schema"]);
    assert_eq!((schema.code, schema.stderr.as_str()), (Some(0), ""));
    let schema: serde_json::Value = serde_json::from_str(&schema.stdout).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["max_memory"]["minimum"], 32);
}

#[test]
fn the_example_is_a_config_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/conductor.toml");
    let shown = ended(check(path).env("TOKEN", "t"));
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    assert!(shown.stdout.contains("\n[principals.alice]\n"), "{}", shown.stdout);
}

#[test]
fn programs_do_not_read_the_config_file() {
    let directory = Directory::in_target("config");
    let workspace = directory.name("workspace");
    std::fs::create_dir(&workspace).expect("a directory");
    let path = directory.name("workspace/conductor.toml");
    let text = format!("workspace = \"{workspace}\"\n");
    assert_eq!(directory.write("workspace/conductor.toml", text), path);
    let program = TemporaryFile::new("Deno.readTextFileSync(\"conductor.toml\")");
    let run = ended(&mut binary(&["--config", &path, "run", program.path()]));
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert!(run.stderr.contains("NotCapable"), "{}", run.stderr);
}
