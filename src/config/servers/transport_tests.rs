use super::fixture_tests::{file, http, pair, reason, stdio};
use super::transport::MAX_HEADERS;
use super::*;

#[test]
fn a_command_has_arguments_variables_and_a_directory() {
    let json = r#"{"type": "stdio", "command": "~/bin/up", "args": ["-t", "${TOKEN}"],
                   "env": {"B": "env:TOKEN", "A": ""}, "cwd": "~"}"#;
    let expected = (
        "/home/me/bin/up".to_owned(),
        vec!["-t".to_owned(), "canary-1".to_owned()],
        vec![pair("A", ""), pair("B", "canary-1")],
        Some(PathBuf::from("/home/me")),
    );
    assert_eq!(stdio(json), expected);
}

#[test]
fn a_url_has_headers() {
    let headers = r#""headers": {"Authorization": "Bearer env:TOKEN", "X-A": "b"}"#;
    for kind in ["http", "streamable-http", "streamableHttp"] {
        let json = format!(r#"{{"type": "{kind}", "url": "https://a.b/mcp", {headers}}}"#);
        let expected = vec![pair("authorization", "Bearer canary-1"), pair("x-a", "b")];
        assert_eq!(http(&json), ("https://a.b/mcp".to_owned(), expected));
    }
    assert_eq!(http(r#"{"url": "http://localhost:1/${TOKEN}"}"#).0, "http://localhost:1/canary-1");
    assert_eq!(http(r#"{"transport": "http", "url": "http://a/"}"#).0, "http://a/");
}

#[test]
fn an_entry_is_either_a_command_or_a_url_with_what_goes_with_it() {
    for (json, expected) in [
        (
            r#"{"command": "a", "url": "http://a/"}"#,
            "both \"command\" and \"url\" are given: keep \"command\" to start a server, or \
             \"url\" to use a running one",
        ),
        (
            r#"{"args": ["a"]}"#,
            "neither \"command\" nor \"url\" is given, write {\"command\": \"npx\"} or \
             {\"url\": \"https://example.com/mcp\"}",
        ),
        (
            r#"{"type": "http", "command": "a"}"#,
            "\"type\" is http, which goes with \"url\" and not with \"command\"",
        ),
        (
            r#"{"type": "stdio", "url": "http://a/"}"#,
            "\"type\" is stdio, which goes with \"command\" and not with \"url\"",
        ),
        (
            r#"{"command": "a", "headers": {"a": "b"}}"#,
            "\"headers\" go with \"url\"; for \"command\" there is \"env\"",
        ),
        (
            r#"{"url": "http://a/", "env": {"A": "b"}}"#,
            "\"args\", \"env\" and \"cwd\" go with \"command\"; for \"url\" there are \
             \"headers\"",
        ),
        (r#"{"type": "http", "transport": "stdio"}"#, "\"type\" and \"transport\" differ"),
        (r#"{"type": "websocket"}"#, "\"type\" is neither \"stdio\" nor \"http\""),
        (r#"{"command": "a", "command": "b"}"#, "the key \"command\" is given twice"),
    ] {
        assert_eq!(reason(json), expected, "{json}");
    }
}

#[test]
fn the_older_transport_is_reached_by_its_url_as_the_newer_is() {
    let older = r#"{"type": "sse", "url": "http://a/sse"}"#;
    assert_eq!(http(older), http(r#"{"url": "http://a/sse"}"#));
    assert_eq!(
        reason(r#"{"type": "sse", "command": "a"}"#),
        "\"type\" is http, which goes with \"url\" and not with \"command\""
    );
}

#[test]
fn a_url_is_http_and_has_no_password() {
    for (url, expected) in [
        ("ftp://canary/", "url: only http:// and https:// can be used"),
        ("canary", "url: relative URL without a base"),
        (
            "https://user:canary@a.b/",
            "url: it must not contain user and password, write \"headers\": {\"Authorization\": \
             \"Bearer env:TOKEN\"}",
        ),
    ] {
        assert_eq!(reason(&format!(r#"{{"url": "{url}"}}"#)), expected);
    }
    assert!(reason(r#"{"url": "https://canary@a.b/"}"#).contains("must not contain user"));
}

#[test]
fn headers_that_cannot_be_sent_are_refused_without_the_value() {
    for (headers, expected) in [
        (r#""a b": "canary""#, "headers \"a b\": \"a b\" is not the name of a header"),
        (
            r#""Host": "canary""#,
            "headers \"Host\": the header host belongs to the connection and cannot be set",
        ),
        (
            r#""Mcp-Session-Id": "canary""#,
            "headers \"Mcp-Session-Id\": the protocol sets it itself",
        ),
        (r#""a": " ""#, "headers \"a\": the value is empty"),
        (
            r#""a": "env:BROKEN""#,
            "headers \"a\": the value is not a single line of ASCII; does the variable end with a \
             line break?",
        ),
        (r#""a": "canary", "A": "b""#, "headers \"a\": given twice"),
    ] {
        let json = format!(r#"{{"url": "http://a/", "headers": {{{headers}}}}}"#);
        assert_eq!(reason(&json), expected);
    }
    let many: Vec<_> = (0..=MAX_HEADERS).map(|n| format!(r#""h{n}": "v""#)).collect();
    let json = format!(r#"{{"url": "http://a/", "headers": {{{}}}}}"#, many.join(","));
    assert_eq!(reason(&json), "headers: more than 100");
}

#[test]
fn debug_shows_no_value() {
    let file = file(
        r#""a": {"command": "a", "args": ["${TOKEN}"], "env": {"A": "env:TOKEN"}},
           "b": {"url": "https://a.b/${TOKEN}", "headers": {"C": "env:TOKEN"}}"#,
    );
    let shown = format!("{:?}", file.servers);
    assert_eq!(
        shown,
        "[(\"a\", Ok(ServerConfig { transport: Stdio { command: \"a\", args: 1, env: [\"A\"], \
         cwd: None }, timeout: None, allowed_tools: None, denied_tools: [], description: None \
         })), (\"b\", Ok(ServerConfig { transport: Http { host: Some(\"a.b\"), headers: \
         [\"c\"] }, timeout: None, allowed_tools: None, denied_tools: [], description: None \
         }))]"
    );
}
