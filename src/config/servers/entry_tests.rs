use std::collections::BTreeMap;

use super::fixture_tests::{entry, file, http, notes, pair, reason, stdio};
use super::*;

#[test]
fn an_entry_has_rules_a_timeout_and_a_description() {
    let config = entry(
        r#"{"command": "a", "timeout": 5000, "allowedTools": ["get_*"], "deniedTools": ["x"],
            "description": "d", "disabled": false}"#,
    );
    let expected = ServerConfig {
        transport: TransportConfig::Stdio {
            command: "a".into(),
            args: vec![],
            env: BTreeMap::new(),
            cwd: None,
        },
        timeout: Some(Duration::from_secs(5)),
        allowed_tools: Some(vec!["get_*".into()]),
        denied_tools: vec!["x".into()],
        description: Some("d".into()),
    };
    assert_eq!(config, Ok(expected));
}

#[test]
fn no_list_and_an_empty_list_are_not_the_same() {
    assert_eq!(entry(r#"{"command": "a"}"#).unwrap().allowed_tools, None);
    let json = r#"{"command": "a", "allowedTools": []}"#;
    assert_eq!(entry(json).unwrap().allowed_tools, Some(vec![]));
}

#[test]
fn keys_of_other_clients_are_passed_over_with_a_note() {
    let json = r#"{"command": "a", "gallery": "https://api.mcp.github.com", "version": "1.0.0",
                   "dev": {"watch": "x"}, "alwaysLoad": true, "trust": false, "name": "n",
                   "metadata": {}, "_comment": "c", "$schema": "s", "//": 1, "autoApprove": ["x"],
                   "sandboxEnabled": false, "disabledPrompts": []}"#;
    assert!(entry(json).is_ok(), "{:?}", entry(json));
    let keys = [
        "gallery",
        "version",
        "dev",
        "alwaysLoad",
        "trust",
        "name",
        "metadata",
        "_comment",
        "$schema",
        "//",
        "autoApprove",
        "sandboxEnabled",
        "disabledPrompts",
    ];
    let keys = keys.map(|key| format!("{key:?}")).join(", ");
    assert_eq!(notes(json), [format!("ignored here: {keys}")]);
    let json = r#"{"url": "http://a/", "oauth": {"clientId": "x"}, "headersHelper": "/bin/h"}"#;
    assert!(entry(json).is_ok());
    assert_eq!(
        notes(json),
        [
            "\"oauth\": to log in, run `mcp-conductor login` with the server's name",
            "\"headersHelper\": its headers are not sent; write them as \"headers\""
        ]
    );
}

#[test]
fn keys_of_other_clients_that_restrict_are_honoured() {
    for (json, allowed, denied) in [
        (r#""includeTools": ["a"], "excludeTools": ["b"]"#, Some(vec!["a"]), vec!["b"]),
        (r#""tools": ["*"], "disabledTools": ["b"]"#, Some(vec!["*"]), vec!["b"]),
        (r#""deniedTools": ["a"], "disabled_tools": ["b"]"#, None, vec!["a", "b"]),
        (r#""enabledTools": []"#, Some(vec![]), vec![]),
    ] {
        let config = entry(&format!(r#"{{"command": "a", {json}}}"#)).unwrap();
        let texts = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(config.allowed_tools, allowed.map(texts), "{json}");
        assert_eq!(config.denied_tools, texts(denied), "{json}");
    }
    let json = r#"{"command": "a", "excludeTools": ["b"]}"#;
    assert_eq!(notes(json), ["\"excludeTools\" is read as \"deniedTools\""]);
}

#[test]
fn what_restricts_and_cannot_be_honoured_disables_its_entry() {
    for (json, expected) in [
        (
            r#""sandboxEnabled": true"#,
            "\"sandboxEnabled\": servers are started without a sandbox here; remove the key if \
             this one may be",
        ),
        (
            r#""disabledResources": ["a"]"#,
            "\"disabledResources\": only tools can be restricted here; remove the key if all \
             prompts and resources may be read",
        ),
        (r#""tools": {"a": false}"#, "\"tools\" is not a list of strings"),
        (r#""excludeTools": "a""#, "\"excludeTools\" is not a list of strings"),
        (r#""enabled": "no""#, "\"enabled\" is not true or false"),
        (
            r#""includeTools": ["a"], "allowedTools": ["a", "b"]"#,
            "\"includeTools\" and \"allowedTools\" both set which tools may be called, keep one",
        ),
    ] {
        assert_eq!(reason(&format!(r#"{{"command": "a", {json}}}"#)), expected);
    }
}

#[test]
fn each_client_s_way_to_turn_an_entry_off_is_known() {
    for json in [r#""disabled": true"#, r#""enabled": false"#, r#""isActive": false"#] {
        let file = file(&format!(r#""a": {{"command": "a", {json}}}"#));
        assert!(file.servers.is_empty() && file.notes.is_empty(), "{json}");
    }
    assert!(entry(r#"{"command": "a", "enabled": true, "isActive": true}"#).is_ok());
}

#[test]
fn entries_of_windsurf_gemini_cline_and_copilot_say_where_a_server_is() {
    for json in [
        r#"{"serverUrl": "https://a.b/mcp"}"#,
        r#"{"httpUrl": "https://a.b/mcp"}"#,
        r#"{"type": "remote", "url": "https://a.b/mcp"}"#,
    ] {
        assert_eq!(http(json).0, "https://a.b/mcp", "{json}");
    }
    assert_eq!(stdio(r#"{"transportType": "stdio", "command": "a"}"#).0, "a");
    assert_eq!(stdio(r#"{"type": "local", "command": "a"}"#).0, "a");
    assert_eq!(
        reason(r#"{"url": "http://a/", "httpUrl": "http://b/"}"#),
        "\"url\" and \"httpUrl\" both set its address, keep one"
    );
}

#[test]
fn numbers_and_flags_are_texts_for_a_process() {
    let json = r#"{"command": "a", "args": ["-p", 3000, true],
                   "env": {"PORT": 3000, "RATE": 1.50, "ON": true, "GONE": null, "K": "$TOKEN"}}"#;
    let (_, args, env, _) = stdio(json);
    assert_eq!(args, ["-p", "3000", "true"]);
    let expected =
        [pair("K", "$TOKEN"), pair("ON", "true"), pair("PORT", "3000"), pair("RATE", "1.50")];
    assert_eq!(env, expected);
    assert_eq!(notes(json), ["env \"K\": passed on unchanged; ${NAME} is a variable"]);
}

#[test]
fn a_key_that_is_not_known_is_named_with_the_nearest_one() {
    for (key, near) in [
        ("comand", "command"),
        ("allowed_tools", "allowedTools"),
        ("denyTools", "deniedTools"),
        ("Headers", "headers"),
    ] {
        assert_eq!(
            reason(&format!(r#"{{"{key}": 1}}"#)),
            format!("the key \"{key}\" is not known, did you mean \"{near}\"?")
        );
    }
    assert_eq!(
        reason(r#"{"command": "a", "sandbox\n": true}"#),
        "the key \"sandbox\\n\" is not known, known keys are: command, args, env, envFile, cwd, \
         type, \
         transport, url, headers, disabled, timeout, allowedTools, deniedTools, description; a \
         key that begins with _ is ignored"
    );
}

#[test]
fn a_value_of_another_type_is_named_by_its_key() {
    for (json, expected) in [
        (
            "[]",
            "not an object, write {\"command\": \"npx\"} or {\"url\": \
                \"https://example.com/mcp\"}",
        ),
        (r#"{"command": ["a"]}"#, "\"command\" is not a string"),
        (r#"{"command": "a", "cwd": null}"#, "\"cwd\" is not a string"),
        (r#"{"command": "a", "args": "b"}"#, "\"args\" is not a list of strings"),
        (r#"{"command": "a", "env": {"PORT": [1]}}"#, "\"env\" is not an object of strings"),
        (r#"{"url": "http://a/", "headers": []}"#, "\"headers\" is not an object of strings"),
        (r#"{"command": "a", "disabled": "yes"}"#, "\"disabled\" is not true or false"),
        (r#"{"command": "a", "allowedTools": null}"#, "\"allowedTools\" is not a list of strings"),
        (
            r#"{"command": "a", "deniedTools": [""]}"#,
            "\"deniedTools\" has an empty pattern, which no tool matches",
        ),
        (r#"{"command": ""}"#, "command: the value is empty"),
        (r#"{"command": "a", "args": ["\u0000"]}"#, "args: it contains a NUL character"),
        (r#"{"command": "a", "env": {"A=B": ""}}"#, "env \"A=B\": not the name of a variable"),
        (r#"{"command": "a", "env": {"A": "", "A": ""}}"#, "env \"A\": given twice"),
    ] {
        assert_eq!(reason(json), expected, "{json}");
    }
}

#[test]
fn a_timeout_is_a_whole_number_of_milliseconds_up_to_a_day() {
    for text in ["0", "86400001", "1.5", "-1", "\"soon\"", "1e400"] {
        assert_eq!(
            reason(&format!(r#"{{"command": "a", "timeout": {text}}}"#)),
            "\"timeout\" is not an integer between 1 and 86400000 (ms)",
            "{text}"
        );
    }
    let config = entry(r#"{"command": "a", "timeout": 86400000}"#).unwrap();
    assert_eq!(config.timeout, Some(Duration::from_secs(24 * 60 * 60)));
}

#[test]
fn a_timeout_of_another_unit_is_understood_and_noted() {
    let timeout = |json: &str| {
        let json = format!(r#"{{"command": "a", "timeout": {json}}}"#);
        (entry(&json).unwrap().timeout.unwrap().as_millis(), notes(&json))
    };
    let seconds = "\"timeout\": 60 is taken as seconds; in ms: 60000".to_owned();
    assert_eq!(timeout("60"), (60_000, vec![seconds]));
    let short = "\"timeout\": 1800 is in ms, which is very short".to_owned();
    assert_eq!(timeout("1800"), (1800, vec![short]));
    assert_eq!(timeout("60000"), (60_000, vec![]));
    for (text, millis) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000)] {
        assert_eq!(timeout(&format!("\"{text}\"")), (millis, vec![]));
    }
}
