//! The environment of other servers: what the configuration gives them, and
//! nothing else of this one's.

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::upstreams::upstream_with;

/// What every child has, which MCP's own SDKs pass on too.
const INHERITED: [&str; 9] =
    ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];

const ENV: &str = "await callTool('stub', 'env')";

fn server(members: Value, variables: &[(&str, &str)]) -> Server {
    Server::at(Home::with(&json!({ "stub": upstream_with(&["stub"], members) })), variables)
}

#[test]
fn a_child_sees_what_it_is_given_and_no_secret() {
    let mut server = server(
        json!({ "env": { "GIVEN": "yes" } }),
        &[
            ("SECRET_OF_SERVER", "ENV-CANARY"),
            ("LANG", "C.UTF-8"),
            ("MCP_CONDUCTOR_MAX_QUEUE", "9"),
        ],
    );
    let environment = server.value(ENV);
    let names: Vec<&String> = environment.as_object().expect("an object").keys().collect();
    let expected = |name: &str| {
        ["GIVEN", "MCP_CONDUCTOR_IS_UPSTREAM"].contains(&name) || INHERITED.contains(&name)
    };
    assert!(names.iter().all(|name| expected(name)), "{names:?}");
    assert_eq!(environment["GIVEN"], "yes");
    assert_eq!(environment["LANG"], "C.UTF-8");
    assert_eq!(environment["HOME"], server.home().root());
}

#[test]
fn variables_stand_for_values_of_the_server() {
    let mut server = server(
        json!({ "env": {
            "TOKEN": "env:MY_TOKEN",
            "BEARER": "Bearer env:MY_TOKEN",
            "URL": "${BASE}/x",
            "BOTH": "${env:BASE}-${MY_TOKEN}",
            "DEFAULT": "${NOT_THERE:-fallback}",
            "PLAIN": "environment: $HOME {x}",
        } }),
        &[("MY_TOKEN", "TOKEN-CANARY"), ("BASE", "https://example.com")],
    );
    let environment = server.value(ENV);
    for (name, value) in [
        ("TOKEN", "TOKEN-CANARY"),
        ("BEARER", "Bearer TOKEN-CANARY"),
        ("URL", "https://example.com/x"),
        ("BOTH", "https://example.com-TOKEN-CANARY"),
        ("DEFAULT", "fallback"),
        ("PLAIN", "environment: $HOME {x}"),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    assert_eq!(environment.get("MY_TOKEN"), None);
    assert!(!server.log().contains("CANARY"), "{}", server.log());
    let listed = server.listed("stub");
    assert!(!listed.to_string().contains("CANARY"), "{listed}");
}

#[test]
fn numbers_and_a_file_of_variables_are_in_the_environment() {
    let home = Home::empty();
    home.write(".mcp-conductor/stub.env", "# of the stub\nFROM_FILE='x y'\nPORT=1\n");
    let members = json!({ "env": { "PORT": 3000, "ON": true }, "envFile": "stub.env" });
    home.configure(&json!({ "stub": upstream_with(&["stub"], members) }));
    let mut server = Server::at(home, &[]);
    let environment = server.value(ENV);
    for (name, value) in [("PORT", "3000"), ("ON", "true"), ("FROM_FILE", "x y")] {
        assert_eq!(environment[name], value, "{name}");
    }
}

#[test]
fn arguments_and_commands_take_variables_and_a_home() {
    let home = Home::empty();
    let stub = upstream_with(&["${MODE}"], json!({ "cwd": "~/.mcp-conductor" }));
    home.configure(&json!({ "stub": stub }));
    let mut server = Server::at(home, &[("MODE", "up")]);
    assert_eq!(server.value("await callTool('stub', 'echo', { a: 1 })"), json!({ "a": 1 }));
}

#[test]
fn a_program_sees_nothing_of_the_configuration() {
    let mut server = server(json!({ "env": { "TOKEN": "TOKEN-CANARY" } }), &[]);
    let code = "
        const seen = [];
        for (const path of ['../mcp.json', ROOT_DIR + '/mcp.json']) {
          try { seen.push(Deno.readTextFileSync(path)) } catch (e) { seen.push(e.name) }
        }
        const stub = await mcpFactory.load('stub');
        seen.push(JSON.stringify(stub), Object.keys(stub).join(), String(stub.callTool));
        try { seen.push(Deno.env.get('TOKEN') ?? 'none') } catch (e) { seen.push(e.name) }
        seen";
    let seen = server.value(code);
    assert!(!seen.to_string().contains("CANARY"), "{seen}");
    assert_eq!([&seen[0], &seen[1], &seen[5]], ["NotCapable"; 3]);
}
