//! The `Deno` namespace.

use mcp_conductor::ExecuteRequest;
use serde_json::json;

use super::runtimes::{config, run_with, value, value_of};

#[test]
fn it_describes_the_run() {
    let source = "
        ({
          versions: Object.keys(Deno.version), os: Deno.build.os, args: Deno.args,
          pid: typeof Deno.pid, cwd: Deno.cwd(), noColor: Deno.noColor,
          mainModule: Deno.mainModule,
        })";
    let place = std::env::temp_dir().canonicalize().expect("a directory for temporary files");
    let place = place.join("mcp-conductor-tests/described");
    let execution = run_with(config().with_workspace(place.clone()), ExecuteRequest::new(source));
    assert_eq!(
        value_of(execution),
        json!({
            "versions": ["deno", "v8", "typescript"],
            "os": "linux",
            "args": [],
            "pid": "number",
            "cwd": place,
            "noColor": true,
            "mainModule": format!("file://{}/main.ts", place.display()),
        })
    );
}

#[test]
fn inspect_formats() {
    let inspected = value("Deno.inspect({ a: [1, { b: 'x' }] })");
    assert_eq!(inspected, "{ a: [ 1, { b: \"x\" } ] }");
}

#[test]
fn errors_are_classes() {
    let source = "
        const e = new Deno.errors.NotFound('gone');
        [e instanceof Error, e.name, e.message,
          await fetch('http://x/').catch((e) => e instanceof Deno.errors.NotCapable)]";
    assert_eq!(value(source), json!([true, "NotFound", "gone", true]));
}

#[test]
fn permissions_answer_without_asking() {
    let source = "
        const names = ['read', 'write', 'net', 'env', 'sys', 'run', 'ffi', 'import'] as const;
        const { permissions } = Deno;
        [...new Set(names.map((name) => permissions.querySync({ name }).state)),
          ...new Set(names.map((name) => permissions.requestSync({ name }).state)),
          await permissions.query({ name: 'x' } as any).catch((e) => e.name)]";
    assert_eq!(value(source), json!(["prompt", "denied", "TypeError"]));
}

#[test]
fn stdin_is_empty() {
    let source = "
        const chunks = [], buffer = new Uint8Array(4);
        for await (const chunk of Deno.stdin.readable) chunks.push(chunk);
        [await Deno.stdin.read(buffer), Deno.stdin.readSync(buffer), chunks,
          Deno.stdin.isTerminal()]";
    assert_eq!(value(source), json!([null, null, [], false]));
}

#[test]
fn a_timer_that_is_unrefed_does_not_hold_the_run() {
    assert_eq!(value("Deno.unrefTimer(setInterval(() => {}, 1000)); 5"), 5);
}

#[test]
fn files_environment_and_commands_are_denied_in_denos_words() {
    let source = "
        const tries: Record<string, () => unknown> = {
          read: () => Deno.readTextFileSync('/etc/passwd'),
          write: () => Deno.writeTextFileSync('/x', 'y'),
          env: () => Deno.env.get('HOME'),
          all: () => Deno.env.toObject(),
          run: () => new Deno.Command('ls').outputSync(),
        };
        const seen: any = {};
        for (const [name, attempt] of Object.entries(tries)) {
          try { attempt() } catch (e) { seen[name] = `${e}` }
        }
        seen";
    let denied = |access: &str, flag: &str| {
        format!("NotCapable: Requires {access}, run again with the --allow-{flag} flag")
    };
    assert_eq!(
        value(source),
        json!({
            "read": denied("read access to \"/etc/passwd\"", "read"),
            "write": denied("write access to \"/x\"", "write"),
            "env": denied("env access to \"HOME\"", "env"),
            "all": denied("env access", "env"),
            "run": denied("run access to \"ls\"", "run"),
        })
    );
}
