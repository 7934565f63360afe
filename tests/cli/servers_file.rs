//! The list of MCP servers as other clients write it, and what is said of it.

use crate::support::command::{Ended, binary, ended};
use crate::support::directory::{Directory, TemporaryFile, set_mode};

/// A home with this list at its usual place.
fn home(list: &str) -> Directory {
    let home = Directory::in_target("servers");
    std::fs::create_dir_all(home.name(".mcp-conductor/workspace")).expect("directories");
    home.write(".mcp-conductor/mcp.json", list);
    home
}

fn run(home: &Directory, source: &str) -> Ended {
    let program = TemporaryFile::new(source);
    ended(binary(&["run", program.path()]).env("HOME", home.name("")))
}

/// What doctor says of the servers, with single spaces.
fn doctor(home: &Directory) -> Vec<String> {
    let said = ended(binary(&["doctor"]).env("HOME", home.name("")));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let (_, servers) = said.stdout.split_once("\nMCP servers:\n").expect("servers");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    servers.lines().map(words).collect()
}

#[test]
fn a_list_can_have_comments_and_commas_at_the_end() {
    let home = home("{ // my servers\n \"servers\": {\n /* none */ },\n}");
    assert_eq!(run(&home, "42"), Ended::new(0, "42\n", ""));
}

#[test]
fn a_list_that_is_not_json_is_told_of_with_its_place_and_no_variable() {
    let home = home("{\n  \"mcpServers\": {\"a\": canary}\n}");
    let path = format!("{}.mcp-conductor/mcp.json", home.name(""));
    let problem = format!(
        "mcp-conductor: the list of MCP servers: {path}, line 2, column 23: not JSON: unexpected \
         token\n"
    );
    assert_eq!(run(&home, "42"), Ended::new(3, "", &problem));
}

#[test]
fn the_variable_that_names_a_list_is_named() {
    let directory = Directory::in_target("servers");
    let path = directory.write("mcp.json", "[]");
    let program = TemporaryFile::new("42");
    let mut command = binary(&["run", program.path()]);
    let refused = ended(command.env("MCP_CONDUCTOR_PROXY_CONFIG", &path));
    let start =
        format!("mcp-conductor: MCP_CONDUCTOR_PROXY_CONFIG: {path}: not an object, write {{");
    assert!(refused.stderr.starts_with(&start), "{}", refused.stderr);
    assert_eq!(refused.code, Some(3));
}

#[test]
fn the_doctor_notes_what_it_passes_over() {
    let home = home(
        r#"{"mcpServers": {
            "a": {"command": "/nowhere/a", "gallery": true, "excludeTools": ["x"], "timeout": 60},
            "b": {"comand": "b"}
        }}"#,
    );
    let said = doctor(&home);
    assert!(said[0].starts_with("a "), "{said:?}");
    assert_eq!(
        said[1..],
        [
            "\"excludeTools\" is read as \"deniedTools\"",
            "\"timeout\": 60 is taken as seconds; in ms: 60000",
            "ignored here: \"gallery\"",
            "b the key \"comand\" is not known, did you mean \"command\"?",
            "its entry begins in line 3",
        ]
    );
}

#[test]
fn a_file_of_variables_that_everybody_can_write_is_not_read() {
    let home = home(r#"{"mcpServers": {"a": {"command": "/nowhere/a", "envFile": "a.env"}}}"#);
    let path = home.write(".mcp-conductor/a.env", "A=canary");
    set_mode(&path, 0o646);
    let said = doctor(&home);
    assert!(
        said[0].contains("envFile: every user of this machine can write this file"),
        "{said:?}"
    );
    set_mode(&path, 0o600);
    assert!(doctor(&home)[0].contains("cannot start"));
}

#[test]
fn programs_neither_read_nor_write_a_file_of_variables() {
    let home =
        home(r#"{"mcpServers": {"a": {"command": "/nowhere/a", "envFile": "workspace/a.env"}}}"#);
    home.write(".mcp-conductor/workspace/a.env", "A=canary");
    let tried = run(
        &home,
        "const tried = [];
         for (const act of [
           () => Deno.readTextFileSync('a.env'),
           () => Deno.writeTextFileSync('a.env', 'B=1'),
           () => Deno.removeSync('a.env'),
           () => Deno.renameSync('a.env', 'b.env'),
         ]) {
           try { tried.push(act() ?? 'done') } catch (e) { tried.push(e.name) }
         }
         tried.join()",
    );
    assert_eq!(tried.stdout, "\"NotCapable,NotCapable,NotCapable,NotCapable\"\n");
}
