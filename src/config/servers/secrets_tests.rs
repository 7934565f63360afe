use super::fixture_tests::file;

#[test]
fn values_that_look_like_secrets_are_found_with_their_keys() {
    for (json, expected) in [
        (r#"{"command": "x", "env": {"API_TOKEN": "canary-123"}}"#, "env \"API_TOKEN\""),
        (r#"{"command": "x", "env": {"DB": "postgres://u:canary@h/d"}}"#, "env \"DB\""),
        (r#"{"command": "x", "args": ["-y", "p", "ghp_canary0123"]}"#, "args"),
        (r#"{"command": "x", "args": ["--token=canary0123"]}"#, "args"),
        (r#"{"command": "x", "args": ["Authorization: Bearer canary"]}"#, "args"),
        (
            r#"{"url": "https://a.b/", "headers": {"Authorization": "Bearer canary"}}"#,
            "headers \"Authorization\"",
        ),
        (r#"{"url": "https://a.b/?x=1&api_key=canary012"}"#, "url"),
    ] {
        let secrets = file(&format!(r#""x": {json}"#)).secrets;
        assert_eq!(secrets, [format!("{expected} of \"x\"")], "{json}");
    }
    for json in [
        r#"{"command": "x", "env": {"API_TOKEN": "env:TOKEN", "A_KEY": "${TOKEN}"}}"#,
        r#"{"command": "x", "env": {"MAX_TOKENS": "4096", "TOKEN_FILE": "/run/secrets/a"}}"#,
        r#"{"command": "npx", "args": ["-y", "@scope/some-mcp-server", "/home/me/projects"]}"#,
        r#"{"url": "https://a.b/mcp", "headers": {"Authorization": "Bearer env:TOKEN"}}"#,
        r#"{"url": "https://a.b/mcp", "headers": {"x-region": "eu-central-1"}}"#,
        r#"{"command": "x", "env": {"API_TOKEN": "canary-123"}, "disabled": true}"#,
    ] {
        assert_eq!(file(&format!(r#""x": {json}"#)).secrets, [""; 0], "{json}");
    }
}
