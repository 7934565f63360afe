use proptest::prelude::*;

use super::fixture_tests::{expanded, file, pair, parse_at, reason, variable};
use super::placeholders::{MAX_TEXT, NO_PLACEHOLDER};
use super::*;

#[test]
fn a_file_of_variables_lies_beside_the_file_and_the_entry_counts_more() {
    let directory = super::super::fixture::Directory::new();
    let path = directory.0.join("mcp.json");
    let text = r#"{"mcpServers": {"a": {"command": "a", "envFile": "a.env", "env": {"A": "1"}}}}"#;
    std::fs::write(&path, text).unwrap();
    let env_file = directory.0.join("a.env");
    std::fs::write(&env_file, "A=2\nB=3\nB=$A").unwrap();
    let read = |known: Option<&[PathBuf]>| {
        let file = ServersFile::read(&path, &variable, known).unwrap();
        assert_eq!(file.env_files, [env_file.as_path()]);
        file.servers.into_iter().next().unwrap().1
    };
    let Ok(ServerConfig { transport: TransportConfig::Stdio { env, .. }, .. }) = read(None) else {
        panic!("{:?}", read(None))
    };
    assert_eq!(env.into_iter().collect::<Vec<_>>(), [pair("A", "1"), pair("B", "$A")]);
    assert!(read(Some(std::slice::from_ref(&env_file))).is_ok());
    assert!(read(Some(&[])).unwrap_err().contains("restart this server"));
    std::fs::write(&env_file, "A=2\ncanary").unwrap();
    assert_eq!(read(None).unwrap_err(), "envFile: line 2: not NAME=value");
    std::fs::remove_file(&env_file).unwrap();
    assert!(read(None).unwrap_err().starts_with("envFile: cannot be read: No such file"));
}

#[test]
fn a_file_of_variables_behind_a_link_is_refused() {
    let directory = super::super::fixture::Directory::new();
    std::fs::create_dir(directory.0.join("real")).unwrap();
    std::fs::write(directory.0.join("real/a.env"), "A=1").unwrap();
    std::os::unix::fs::symlink("real", directory.0.join("linked")).unwrap();
    std::os::unix::fs::symlink("real/a.env", directory.0.join("b.env")).unwrap();
    let path = directory.0.join("mcp.json");
    for (named, is_read) in [
        ("real/a.env", true),
        ("./x/../real/a.env", true),
        ("linked/a.env", false),
        ("b.env", false),
    ] {
        let text =
            format!(r#"{{"mcpServers": {{"a": {{"command": "a", "envFile": "{named}"}}}}}}"#);
        std::fs::write(&path, text).unwrap();
        let file = ServersFile::read(&path, &variable, None).unwrap();
        let read = &file.servers[0].1;
        assert_eq!(read.is_ok(), is_read, "{named}: {read:?}");
        assert!(is_read || read.as_ref().unwrap_err().contains("name the file itself"));
    }
}

#[test]
fn programs_are_kept_from_the_file_of_variables_of_an_entry_that_is_not_used() {
    for members in [
        r#""disabled": true"#,
        r#""comand": "b""#,
        r#""args": ["${NOT_SET}"]"#,
        r#""command": "twice""#,
    ] {
        let text = format!(r#""a": {{"command": "a", "envFile": "/nowhere/a.env", {members}}}"#);
        assert_eq!(file(&text).env_files, [Path::new("/nowhere/a.env")], "{members}");
    }
}

#[test]
fn variables_are_put_in_in_each_form() {
    for (text, expected) in [
        ("env:TOKEN", "canary-1"),
        ("Bearer env:TOKEN", "Bearer canary-1"),
        ("env:TOKEN-x env:TOKEN", "canary-1-x canary-1"),
        ("xenv:TOKEN", "xenv:TOKEN"),
        ("a${TOKEN}b${env:TOKEN}", "acanary-1bcanary-1"),
        ("${MISSING:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${TOKEN:-d}", "canary-1"),
        ("${MISSING:-}", ""),
        ("${env:MISSING:-env:TOKEN}", "env:TOKEN"),
        ("$TOKEN $ { } é", "$TOKEN $ { } é"),
    ] {
        assert_eq!(expanded(text), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn a_default_can_have_placeholders_as_in_a_shell() {
    for (text, expected) in [
        ("${TOKEN:-${MISSING}}", "canary-1"),
        ("${MISSING:-${TOKEN}/x}:/y", "canary-1/x:/y"),
        ("${MISSING:-a${GONE:-b${env:TOKEN}}c}}", "abcanary-1c}"),
        ("${TOKEN:-${HOME}/.tools}:/x:ro", "canary-1:/x:ro"),
        ("${MISSING:-${EMPTY:-}}", ""),
        ("${MISSING:-${OTHER}}", "env:TOKEN ${TOKEN}"),
    ] {
        assert_eq!(expanded(text), Ok(expected.to_owned()), "{text}");
    }
    let not_set = Err("the variable GONE is not set, or empty".to_owned());
    assert_eq!(expanded("${MISSING:-${GONE}}"), not_set);
    let deep = format!("{}x{}", "${MISSING:-".repeat(1000), "}".repeat(1000));
    let problem = "placeholders nested more than 16 deep";
    assert_eq!(expanded(&deep), Err(problem.to_owned()));
}

#[test]
fn the_folder_and_the_home_of_an_editor_are_known() {
    let text = r#"{"servers": {"a": {"command": "${userHome}/a", "cwd": "${workspaceFolder}"}}}"#;
    let file = parse_at("/srv/project/.vscode/mcp.json", text).unwrap();
    let TransportConfig::Stdio { command, cwd, .. } =
        &file.servers[0].1.as_ref().unwrap().transport
    else {
        panic!("{file:?}")
    };
    assert_eq!((command.as_str(), cwd.as_deref()), ("/home/me/a", Some(Path::new("/srv/project"))));
    let elsewhere = parse_at("/srv/project/mcp.json", text).unwrap();
    assert_eq!(
        elsewhere.servers[0].1,
        Err("cwd: ${workspaceFolder} is the directory above .vscode or .cursor, where this file \
             is not; write the path"
            .to_owned())
    );
}

#[test]
fn what_was_put_in_is_not_looked_at_again() {
    assert_eq!(expanded("env:OTHER"), Ok("env:TOKEN ${TOKEN}".to_owned()));
    assert_eq!(expanded("${OTHER}"), Ok("env:TOKEN ${TOKEN}".to_owned()));
}

#[test]
fn a_variable_that_is_not_set_is_named_with_its_place() {
    for (json, place) in [
        (r#"{"command": "${MISSING}"}"#, "command"),
        (r#"{"command": "a", "args": ["--token=${MISSING}"]}"#, "args"),
        (r#"{"command": "a", "env": {"A": "env:MISSING"}}"#, "env \"A\""),
        (r#"{"command": "a", "cwd": "${env:MISSING}/x"}"#, "cwd"),
        (r#"{"url": "${MISSING}"}"#, "url"),
        (r#"{"url": "http://a/", "headers": {"B": "x env:MISSING"}}"#, "headers \"B\""),
    ] {
        let expected = format!("{place}: the variable MISSING is not set, or empty");
        assert_eq!(reason(json), expected);
    }
    assert_eq!(expanded("env:EMPTY"), Err("the variable EMPTY is not set, or empty".to_owned()));
}

#[test]
fn what_looks_like_a_placeholder_and_is_none_is_an_error() {
    for text in ["${input:token}", "${", "${}", "${A B}", "${1A}", "${A:-${B}", "x${TOKEN"] {
        assert_eq!(expanded(text), Err(NO_PLACEHOLDER.to_owned()), "{text}");
    }
    assert_eq!(
        expanded("env:"),
        Err("env: needs the name of a variable, such as env:TOKEN".to_owned())
    );
}

#[test]
fn substitution_does_not_grow_without_end() {
    assert_eq!(expanded("${LONG}${LONG}"), Err("more than 131072 bytes".to_owned()));
}

#[test]
fn the_variables_that_were_used_are_known_except_the_system_s() {
    let file = file(
        r#""a": {"command": "~/a", "args": ["${OTHER}"], "env": {"A": "env:TOKEN"}},
           "b": {"command": "${HOME}", "env": {"A": "env:TOKEN", "B": "${EMPTY:-x}"}}"#,
    );
    assert_eq!(file.variables, ["OTHER", "TOKEN"]);
}

#[test]
fn a_home_directory_that_is_not_known_is_an_error() {
    let text = r#"{"mcpServers": {"a": {"command": "~/a"}, "b": {"command": "~b/c"}}}"#;
    let nothing = |_: &str| None;
    let expander = Expander::new(&nothing, Path::new("/etc/mcp.json"), None);
    let file = ServersFile::parse(text, expander).unwrap();
    assert_eq!(file.servers[0].1, Err("command: ~ needs HOME".to_owned()));
    assert!(file.servers[1].1.is_ok());
}

proptest! {
    #[test]
    fn any_text_is_expanded_or_an_error(text in "(?s)(env:|\\$\\{|TOKEN|:-|\\}| |.){0,12}") {
        if let Ok(out) = expanded(&text) {
            prop_assert!(out.len() <= MAX_TEXT);
        }
    }
}
