use proptest::prelude::*;

use super::fixture_tests::{file, parse, variable};
use super::*;

#[test]
fn files_of_other_programs_can_be_used() {
    let text = "\u{feff}{\"$schema\": \"s\", \"inputs\": [], \"servers\": {\"a\": {\"command\": \
                \"a\", \"autoApprove\": [], \"alwaysAllow\": [], \"icon\": null}}}";
    let file = parse(text).unwrap();
    assert_eq!(file.servers.len(), 1);
    assert!(file.servers[0].1.is_ok() && file.warnings.is_empty());
}

#[test]
fn a_file_can_have_comments_and_commas_at_the_end() {
    let text = "{ // mine\n \"servers\": {\n /* one */ \"a\": {\"command\": \"a\", \"args\": \
                [\"// b\",],},\n },}";
    let file = parse(text).unwrap();
    assert_eq!(file.servers.len(), 1);
    let TransportConfig::Stdio { args, .. } = &file.servers[0].1.as_ref().unwrap().transport else {
        panic!("{file:?}")
    };
    assert_eq!(args, &["// b"]);
}

#[test]
fn files_of_zed_and_opencode_are_read() {
    let zed = r#"{"theme": "x", "context_servers": {"a": {"source": "custom", "command": "a"}}}"#;
    assert!(parse(zed).unwrap().servers[0].1.is_ok());
    let entries = r#""a": {"type": "local", "command": ["npx", "-y", "p"], "enabled": true,
                     "environment": {"A": "{env:TOKEN}"}}, "b": {"type": "local", "command": ["b"]}"#;
    for text in [
        format!(r#"{{"mcp": {{{entries}}}, "tools": {{"b_*": false}}}}"#),
        format!(r#"{{"mcp": {{"servers": {{{entries}}}}}, "permission": {{"b_x": "deny"}}}}"#),
    ] {
        let servers = parse(&text).unwrap().servers;
        let Ok(ServerConfig {
            transport: TransportConfig::Stdio { command, args, env, .. }, ..
        }) = &servers[0].1
        else {
            panic!("{servers:?}")
        };
        assert_eq!((command.as_str(), args.join(" ")), ("npx", "-y p".to_owned()));
        assert_eq!(env["A"], "canary-1");
        assert!(servers[1].1.as_ref().unwrap_err().contains("only its own client"));
    }
}

#[test]
fn a_server_that_gemini_leaves_out_is_absent() {
    let text = r#"{"mcpServers": {"a": {"command": "a"}, "b": {"command": "b"}},
                   "mcp": {"excluded": ["a"]}}"#;
    let names: Vec<_> = parse(text).unwrap().servers.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn the_line_of_an_entry_that_cannot_be_used_is_noted() {
    let file = parse("{\"mcpServers\": {\n\"a\": {\"comand\": \"a\"},\n\"b\": 1}}").unwrap();
    let note = |name: &str, line| (name.to_owned(), format!("its entry begins in line {line}"));
    assert_eq!(file.notes, [note("a", 2), note("b", 3)]);
}

#[test]
fn a_disabled_server_is_absent_whatever_else_it_says() {
    let file = file(r#""a": {"disabled": true, "nonsense": 1}, "b": {"command": "b"}"#);
    let names: Vec<_> = file.servers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn servers_stay_in_order_and_one_bad_entry_disables_itself_only() {
    let file = file(r#""z": {"command": "z"}, "b": {}, "a": {"command": "a"}"#);
    let names: Vec<_> =
        file.servers.iter().map(|(name, read)| (name.as_str(), read.is_ok())).collect();
    assert_eq!(names, [("z", true), ("b", false), ("a", true)]);
}

#[test]
fn a_name_may_be_any_text_without_control_characters() {
    for name in ["my server", "a/b", "a__b", "🚀", "a.b-c", &"n".repeat(128)] {
        let file = file(&format!(r#""{name}": {{"command": "a"}}"#));
        assert!(file.servers[0].0 == name && file.servers[0].1.is_ok(), "{name}");
    }
    for (name, shown) in [("", ""), ("a\\nb", "a\\nb"), (&*"n".repeat(129), &*"n".repeat(64))] {
        let file = file(&format!(r#""{name}": {{"command": "a"}}"#));
        let reason = "a name has 1 to 128 bytes and no control characters".to_owned();
        assert_eq!(file.servers, [(shown.to_owned(), Err(reason))]);
    }
}

#[test]
fn entries_of_one_name_are_errors_for_one_may_restrict_the_other() {
    let file = file(r#""a": {"command": "one"}, "a": {"command": "two"}, "\u0061": {}"#);
    let twice = || ("a".to_owned(), Err("it is given twice: keep one".to_owned()));
    assert_eq!(file.servers, [twice(), twice(), twice()]);
}

#[test]
fn a_file_that_cannot_be_used_says_where_or_why() {
    let example =
        r#"write {"mcpServers": {"files": {"command": "npx", "args": ["some-mcp-server"]}}}"#;
    for (text, expected) in [
        ("", "mcp.json, line 1, column 1: not JSON: it is empty".to_owned()),
        (
            "{\n  \"mcpServers\": {,}\n}",
            "mcp.json, line 2, column 18: not JSON: unexpected token in object".to_owned(),
        ),
        ("[]", format!("mcp.json: not an object, {example}")),
        ("\"canary\"", format!("mcp.json: not an object, {example}")),
        ("{}", format!("mcp.json: \"mcpServers\" is missing, {example}")),
        (
            r#"{"mcpserver": {}}"#,
            format!(
                "mcp.json: \"mcpServers\" is missing (the key \"mcpserver\" is not known, \
                 did you mean \"mcpServers\"?), {example}"
            ),
        ),
        (
            "{\n\"mcpServers\": []}",
            format!("mcp.json, line 2: \"mcpServers\" is not an object of servers, {example}"),
        ),
        (
            "{\"servers\": {},\n \"mcpServers\": {}}",
            "mcp.json, line 2: \"mcpServers\" and \"servers\" are both given, keep one".to_owned(),
        ),
    ] {
        assert_eq!(parse(text).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn a_file_has_limits() {
    let entries = |count| {
        let entries: Vec<_> = (0..count).map(|n| format!(r#""s{n}": {{}}"#)).collect();
        parse(&format!(r#"{{"mcpServers": {{{}}}}}"#, entries.join(",")))
    };
    assert_eq!(entries(256).unwrap().servers.len(), 256);
    assert_eq!(
        entries(257).unwrap_err(),
        "mcp.json, line 1: \"mcpServers\" has more than 256 servers"
    );
    let directory = super::super::fixture::Directory::new();
    let path = directory.0.join("mcp.json");
    std::fs::write(&path, " ".repeat(MAX_FILE_BYTES as usize + 1)).unwrap();
    assert_eq!(
        ServersFile::read(&path, &variable, None).unwrap_err(),
        format!("{}: the file has more than 1048576 bytes", path.display())
    );
}

#[test]
fn a_key_of_the_file_that_is_not_known_is_a_warning() {
    let file = parse(r#"{"theme": 1, "mcpServers": {}}"#).unwrap();
    assert_eq!(
        file.warnings,
        ["the key \"theme\" is not known, known keys are: mcpServers, servers, context_servers"]
    );
}

#[test]
fn the_first_file_that_is_there_is_the_default() {
    let home = std::env::temp_dir().join(format!("conductor-servers-{}", std::process::id()));
    let directory = home.join(".mcp-conductor");
    std::fs::create_dir_all(&directory).unwrap();
    assert_eq!(default_file(&home), None);
    std::fs::write(directory.join("mcp-config.json"), "").unwrap();
    assert_eq!(default_file(&home), Some(directory.join("mcp-config.json")));
    std::fs::write(directory.join("mcp.json"), "").unwrap();
    assert_eq!(default_file(&home), Some(directory.join("mcp.json")));
    assert_eq!(default_file(Path::new("/dev/null")), None);
    std::fs::remove_dir_all(&home).unwrap();
}

proptest! {
    #[test]
    fn any_text_is_a_file_or_an_error_and_no_reason_shows_a_value(
        key in "command|args|env|url|headers|type|timeout|cwd",
        json in "\"?[\\[\\]{}a:/]{0,3}\"?canary[\\[\\]{}a:\"/]{0,6}",
    ) {
        let text = format!(r#"{{"mcpServers": {{"x": {{"{key}": {json}}}}}}}"#);
        match parse(&text) {
            Err(problem) => prop_assert!(!problem.contains("canary")),
            Ok(file) => for (_, read) in file.servers {
                prop_assert!(!read.err().unwrap_or_default().contains("canary"));
            },
        }
    }
}
