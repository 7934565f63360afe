//! `MCP_CONDUCTOR_RUN_ARGS`: what is no grant stops the start, and programs are
//! told the truth about what is.

use mcp_conductor::ErrorKind;
use serde_json::json;

use crate::fixture::Fixture;
use crate::{Host, start};

fn refusal(grants: &str) -> String {
    let files = Fixture::new();
    let started = start(&files, grants, |config| config);
    started.err().unwrap_or_else(|| panic!("{grants} starts a server")).to_string()
}

#[track_caller]
fn assert_refused(grants: &str, problem: &str) {
    let message = refusal(grants);
    let start = format!("MCP_CONDUCTOR_RUN_ARGS: {problem}");
    assert!(message.starts_with(&start), "{message}");
    assert!(message.contains(", for example MCP_CONDUCTOR_RUN_ARGS="), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn a_flag_that_is_not_known_stops_the_start() {
    assert_refused("allow-raed=/x", "unknown flag \"allow-raed\", did you mean allow-read");
    assert_refused("--deny-nets", "unknown flag \"--deny-nets\", did you mean deny-net");
    assert_refused("allow-read=/x,--nope", "unknown flag \"--nope\"");
}

#[test]
fn a_list_that_is_none_stops_the_start() {
    assert_refused("allow-read=", "nothing follows \"allow-read=\"");
    let problem =
        "allow-run alone means everything and takes no \"git\", did you mean allow-run=git";
    assert_refused("allow-run,git", problem);
    assert_refused("/tmp", "no flag precedes \"/tmp\"");
    assert_refused("none,allow-read", "none must stand alone");
}

#[test]
fn a_value_that_cannot_be_understood_stops_the_start() {
    for grants in [
        "allow-read=~nobody/x",
        "allow-net=https://example.com",
        "allow-net=example.com:0",
        "allow-net=*",
        "allow-env=A=B",
        "allow-env=*A",
        "allow-read=/x\0y",
        "allow-run=no-such-command-anywhere",
        "allow-run=./tool.sh",
    ] {
        let message = refusal(grants);
        assert!(message.starts_with("MCP_CONDUCTOR_RUN_ARGS: "), "{grants:?}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn everything_at_once_is_refused() {
    for grants in ["allow-all", "-A", "--allow-all,allow-read"] {
        assert_refused(grants, "allow-all gives programs everything");
        assert!(refusal(grants).contains("MCP_CONDUCTOR_UNSAFE_ALLOW_ALL=1"));
    }
}

#[test]
fn everything_at_once_is_granted_to_who_asks_for_it_twice() {
    let host = Host::with("allow-all", |config| {
        let path = std::env::var("PATH").unwrap_or_default();
        let config = config.with_unsafe_allow_all(true).with_unsafe_run_without_landlock(true);
        config.with_environment([("PATH".to_owned(), path)])
    });
    let program = "
        const echo = await new Deno.Command('echo', { args: ['x'] }).output();
        [Deno.readTextFileSync('@ROOT@/outside/victim.txt'), Deno.env.has('PATH'),
          new TextDecoder().decode(echo.stdout)]";
    assert_eq!(host.value(program), json!(["victim", true, "x\n"]));
}

#[test]
fn commas_semicolons_and_dashes_all_mean_the_same() {
    let expected = json!(["--allow-read=@ROOT@/ws,@ROOT@/outside", "--allow-write=@ROOT@/ws"]);
    for grants in [
        "allow-read=@ROOT@/ws,@ROOT@/outside,allow-write=@ROOT@/ws",
        "allow-read=@ROOT@/ws;@ROOT@/outside;allow-write=@ROOT@/ws;",
        " --allow-read=@ROOT@/ws ; -allow-read=@ROOT@/outside ,, allow-write=@ROOT@/ws",
        "-W=@ROOT@/ws,-R=@ROOT@/ws,@ROOT@/outside",
    ] {
        let host = Host::with_grants(grants);
        assert_eq!(host.value("PERMISSIONS"), expected, "{grants}");
        let read = host.value("Deno.readTextFileSync('@ROOT@/outside/victim.txt')");
        assert_eq!(read, "victim", "{grants}");
    }
}

#[test]
fn without_arguments_the_workspace_is_read_and_written_and_nothing_else() {
    let files = Fixture::new();
    let config = crate::config().with_workspace(files.path("ws"));
    let runtime = crate::EVENT_LOOP.block_on(mcp_conductor::Runtime::new(config)).unwrap();
    let source = "
        const denied = async (f: () => unknown) => {
          try { await f(); return 'done' } catch (e) { return e.name }
        };
        Deno.writeTextFileSync('f', 'x');
        ({
          permissions: PERMISSIONS, workspace: Deno.readTextFileSync(WORKSPACE_DIR + '/f'),
          outside: await denied(() => Deno.readTextFile('../outside/victim.txt')),
          network: await denied(() => fetch('http://127.0.0.1:@P1@/')),
          environment: await denied(() => Deno.env.get('PATH')),
          commands: await denied(() => new Deno.Command('ls').output()),
        })";
    let request = mcp_conductor::ExecuteRequest::new(files.text(source));
    let execution = crate::EVENT_LOOP.block_on(runtime.execute(request)).unwrap();
    let _guard = crate::EVENT_LOOP.enter();
    drop(runtime);
    assert_eq!(
        files.tokens(&execution.return_value),
        json!({
            "permissions": ["--allow-read=@ROOT@/ws", "--allow-write=@ROOT@/ws"],
            "workspace": "x",
            "outside": "NotCapable",
            "network": "NotCapable",
            "environment": "NotCapable",
            "commands": "NotCapable",
        })
    );
}

#[test]
fn none_is_nothing() {
    let host = Host::with_grants("none");
    assert_eq!(host.value("PERMISSIONS"), json!([]));
    let (_, message) = host.error("Deno.readTextFileSync('hello.txt')");
    assert_eq!(
        message,
        "NotCapable: Requires read access to \"hello.txt\", run again with the --allow-read flag"
    );
}

#[test]
fn the_names_of_the_directories_are_told() {
    let program = "
        [WORKSPACE_DIR, Array.isArray(PERMISSIONS), typeof ROOT_DIR, typeof PLAYBOOKS_DIR]";
    let expected = json!(["@ROOT@/ws", true, "string", "string"]);
    assert_eq!(Host::of_the_workspace().value(program), expected);
}

/// Asks in Deno's two ways. `*` marks a grant with exceptions.
const ASK: &str = r#"
    const ask = async (descriptor: any) => {
      const states = [];
      for (const how of ["query", "request"]) {
        for (const sync of ["", "Sync"]) {
          states.push(await t(async () => {
            const status = await D.permissions[how + sync](descriptor);
            return status.state + (status.partial ? "*" : "");
          }));
        }
      }
      return [...new Set(states)].join(" ");
    };"#;

#[test]
fn permissions_tell_the_truth() {
    let grants = "allow-read=@ROOT@/ws;deny-read=@ROOT@/ws/secret;allow-write=@ROOT@/ws;\
        allow-net=example.com:443;allow-env=FOO,AWS_*";
    Host::with_grants(grants).gives(
        &format!(
            r#"{ASK}
        return {{
          "ask {{ name: read }}": await ask({{ name: "read" }}),
          "ask {{ name: read, path: /ws }}": await ask({{ name: "read", path: "@ROOT@/ws" }}),
          "ask {{ name: read, path: /ws/hello.txt }}": await ask({{ name: "read", path: "@ROOT@/ws/hello.txt" }}),
          "ask {{ name: read, path: hello.txt }}": await ask({{ name: "read", path: "hello.txt" }}),
          "ask {{ name: read, path: /etc }}": await ask({{ name: "read", path: "/etc" }}),
          "ask {{ name: read, path: /ws/secret }}": await ask({{ name: "read", path: "@ROOT@/ws/secret" }}),
          "ask {{ name: read, path: file:///ws/secret/s.txt }}": await ask({{ name: "read", path: new URL("file://@ROOT@/ws/secret/s.txt") }}),
          "ask {{ name: write }}": await ask({{ name: "write" }}),
          "ask {{ name: write, path: /ws }}": await ask({{ name: "write", path: "@ROOT@/ws" }}),
          "ask {{ name: net }}": await ask({{ name: "net" }}),
          "ask {{ name: net, host: example.com }}": await ask({{ name: "net", host: "example.com" }}),
          "ask {{ name: net, host: example.com:443 }}": await ask({{ name: "net", host: "example.com:443" }}),
          "ask {{ name: net, host: evil.com }}": await ask({{ name: "net", host: "evil.com" }}),
          "ask {{ name: env }}": await ask({{ name: "env" }}),
          "ask {{ name: env, variable: FOO }}": await ask({{ name: "env", variable: "FOO" }}),
          "ask {{ name: env, variable: AWS_A }}": await ask({{ name: "env", variable: "AWS_A" }}),
          "ask {{ name: env, variable: BAR }}": await ask({{ name: "env", variable: "BAR" }}),
          "ask {{ name: run }}": await ask({{ name: "run" }}),
          "ask {{ name: run, command: ls }}": await ask({{ name: "run", command: "ls" }}),
          "ask {{ name: sys }}": await ask({{ name: "sys" }}),
          "ask {{ name: sys, kind: hostname }}": await ask({{ name: "sys", kind: "hostname" }}),
          "ask {{ name: ffi }}": await ask({{ name: "ffi" }}),
          "ask {{ name: import }}": await ask({{ name: "import" }}),
          "ask {{ name: x }}": (await ask({{ name: "x" }})).split(":")[0],
          "ask {{}}": (await ask({{}})).split(":")[0],
        }};"#
        ),
        r#"{
            "ask { name: read }": "prompt denied",
            "ask { name: read, path: /ws }": "granted*",
            "ask { name: read, path: /ws/hello.txt }": "granted",
            "ask { name: read, path: hello.txt }": "granted",
            "ask { name: read, path: /etc }": "prompt denied",
            "ask { name: read, path: /ws/secret }": "denied",
            "ask { name: read, path: file:///ws/secret/s.txt }": "denied",
            "ask { name: write }": "prompt denied",
            "ask { name: write, path: /ws }": "granted",
            "ask { name: net }": "prompt denied",
            "ask { name: net, host: example.com }": "prompt denied",
            "ask { name: net, host: example.com:443 }": "granted",
            "ask { name: net, host: evil.com }": "prompt denied",
            "ask { name: env }": "prompt denied",
            "ask { name: env, variable: FOO }": "granted",
            "ask { name: env, variable: AWS_A }": "granted",
            "ask { name: env, variable: BAR }": "prompt denied",
            "ask { name: run }": "prompt denied",
            "ask { name: run, command: ls }": "prompt denied",
            "ask { name: sys }": "prompt denied",
            "ask { name: sys, kind: hostname }": "prompt denied",
            "ask { name: ffi }": "prompt denied",
            "ask { name: import }": "prompt denied",
            "ask { name: x }": "TypeError",
            "ask {}": "TypeError"
        }"#,
    );
}

#[test]
fn a_whole_permission_is_granted_as_a_whole() {
    let host = Host::with_grants("allow-read,allow-env,allow-net;deny-env=SECRET");
    host.gives(
        &format!(
            r#"{ASK}
        return [
          await ask({{ name: "read" }}), await ask({{ name: "read", path: "/etc" }}),
          await ask({{ name: "env" }}), await ask({{ name: "env", variable: "SECRET" }}),
          await ask({{ name: "net" }}), await ask({{ name: "net", host: "example.com" }}), PERMISSIONS,
        ];"#
        ),
        // Files of the server's own are closed in any case.
        r#"[
            "granted*",
            "granted",
            "granted*",
            "denied",
            "granted",
            "granted",
            ["--allow-read", "--allow-net", "--allow-env", "--deny-env=SECRET"]
        ]"#,
    );
}

#[test]
fn what_revoke_answers_holds_afterwards() {
    let program = "
        const descriptor = { name: 'read', path: WORKSPACE_DIR } as const;
        const revoked = (await Deno.permissions.revoke(descriptor)).state;
        let reads = true;
        try { Deno.readTextFileSync('hello.txt') } catch { reads = false }
        const { state } = Deno.permissions.querySync(descriptor);
        [revoked === state, reads === (revoked === 'granted')]";
    let host = Host::of_the_workspace();
    assert_eq!(host.value(program), json!([true, true]));
    assert_eq!(host.value("Deno.readTextFileSync('hello.txt')"), "hello");
}

#[test]
fn an_uncaught_refusal_is_a_permission_error() {
    let host = Host::of_the_workspace();
    assert_eq!(
        host.error("await Deno.readTextFile('/etc/passwd')"),
        (
            ErrorKind::Permission,
            "NotCapable: Requires read access to \"/etc/passwd\", run again with the --allow-read \
             flag"
                .to_owned()
        )
    );
    let (kind, message) = host.error("Deno.readTextFileSync('nope')");
    assert_eq!(kind, ErrorKind::Runtime);
    assert_eq!(message, "NotFound: No such file or directory (os error 2): readfile 'nope'");
}
