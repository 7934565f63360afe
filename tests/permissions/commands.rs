//! `Deno.Command`: what is granted runs, as in Deno. Without Landlock no command
//! can be granted, and these tests are skipped.

use mcp_conductor::ErrorKind;

use crate::fixture::Fixture;
use crate::support::waiting::eventually;
use crate::{Host, WORKSPACE, landlock};

const RUN: &str = "allow-run=sh,cat,sleep,echo,true,env,pwd,ls,yes";

/// A server that runs some commands, and reads and writes its workspace.
pub fn host(more: &str) -> Option<Host> {
    let variables = [
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("FOO", "foo-value".to_owned()),
        ("SECRET", "ENV-CANARY".to_owned()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let grants = format!("{WORKSPACE},{RUN}{more}");
    landlock().then(|| Host::with(&grants, |config| config.with_environment(variables.to_vec())))
}

/// Another server beside one, in its turn.
pub fn host_of_the_same_turn(_beside: &Host) -> Option<Host> {
    let path = ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default());
    let adjust = |config: mcp_conductor::Config| config.with_environment(vec![path]);
    let files = Fixture::in_the_same_turn();
    landlock().then(|| Host::over(files, &format!("{WORKSPACE},{RUN}"), adjust))
}

/// A command of the shell, as `[code, stdout, stderr]`.
pub const SHELL: &str = r#"
    const sh = async (script: string, options: any = {}) => {
      const o = await new Deno.Command("sh", { args: ["-c", script], ...options }).output();
      return [o.code, text(o.stdout), text(o.stderr)];
    };
    const shows = (o: any) => [o.code, o.signal, o.success, text(o.stdout), text(o.stderr)];
"#;

/// Whether everything that a program started is gone.
pub fn nothing_is_left(host: &Host) -> bool {
    eventually(|| host.files.strays().is_empty())
}

#[test]
fn a_command_runs_to_its_end_and_shows_what_it_printed() {
    let Some(host) = host("") else { return };
    host.gives(
        &format!(
            r#"{SHELL}
        const run = async (...args: string[]) => {{
          const command = new Deno.Command("sh", {{ args: ["-c", ...args] }});
          const a = shows(await command.output()), s = shows(command.outputSync());
          return JSON.stringify(a) === JSON.stringify(s) ? a : [a, s];
        }};
        return {{
          "run echo out; echo err >&2; exit 3": await run("echo out; echo err >&2; exit 3"),
          "run echo out; kill -9 $$": await run("echo out; kill -9 $$"),
          "run printf %s| $@, name, a b, , $x, ü": await run("printf '%s|' \"$@\"", "name", "a b", "", "$x", "ü"),
          "run exit 0": await run("exit 0"),
          "new Command cat, {{ args: [hello.txt] }} .output .success": (await new Deno.Command("cat", {{ args: ["hello.txt"] }}).output()).success,
        }};"#
        ),
        r#"{
            "run echo out; echo err >&2; exit 3": [3, null, false, "out\n", "err\n"],
            "run echo out; kill -9 $$": [137, "SIGKILL", false, "out\n", ""],
            "run printf %s| $@, name, a b, , $x, ü": [0, null, true, "a b||$x|ü|", ""],
            "run exit 0": [0, null, true, "", ""],
            "new Command cat, { args: [hello.txt] } .output .success": true
        }"#,
    );
}

#[test]
fn a_command_that_is_spawned_has_streams_and_a_status() {
    let Some(host) = host("") else { return };
    host.gives(
        &format!(
            r#"{SHELL}
        const start = (name: string, options: any = {{}}) => new Deno.Command(name, options).spawn();
        const cat = start("cat", {{ stdin: "piped", stdout: "piped" }});
        const writer = cat.stdin.getWriter();
        await writer.write(bytes("in"));
        await writer.close();
        const got = await new Response(cat.stdout).text(), status = await cat.status;
        const big = start("cat", {{ stdin: "piped", stdout: "piped" }});
        const sent = new Blob(["0123456789".repeat(30_000)]).stream().pipeTo(big.stdin);
        const back = (await big.output()).stdout.length;
        await sent;
        const plain = start("true");
        const echo = start("echo", {{ args: ["x"], stdout: "piped" }});
        return {{
          "got": got,
          "status": status,
          "back": back,
          "plain.stdout": await t(() => plain.stdout),
          "plain.stdin": await t(() => plain.stdin),
          "plain.stderr": await t(() => plain.stderr),
          "typeof plain.pid": typeof plain.pid,
          "plain.status": await plain.status,
          "text echo.output .stdout": text((await echo.output()).stdout),
          "new Command sh, {{ stdin: piped }} .outputSync": await t(() => new Deno.Command("sh", {{ stdin: "piped" }}).outputSync()),
        }};"#
        ),
        r#"{
            "got": "in",
            "status": {"success": true, "code": 0, "signal": null},
            "back": 300000,
            "plain.stdout": "TypeError: Cannot get 'stdout': 'stdout' is not piped",
            "plain.stdin": "TypeError: Cannot get 'stdin': 'stdin' is not piped",
            "plain.stderr": "TypeError: Cannot get 'stderr': 'stderr' is not piped",
            "typeof plain.pid": "number",
            "plain.status": {"success": true, "code": 0, "signal": null},
            "text echo.output .stdout": "x\n",
            "new Command sh, { stdin: piped } .outputSync": "TypeError: Piped stdin is not supported for this function, use 'Deno.Command.spawn()' instead"
        }"#,
    );
    assert!(nothing_is_left(&host));
}

/// A server whose programs have 64 MiB of memory.
fn small_host() -> Option<Host> {
    let path = ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default());
    let adjust = |config: mcp_conductor::Config| {
        config.with_environment(vec![path]).with_max_memory(64 << 20)
    };
    landlock().then(|| Host::with(&format!("{WORKSPACE},{RUN}"), adjust))
}

#[test]
fn many_short_lines_of_a_command_take_no_more_than_they_hold() {
    let Some(host) = small_host() else { return };
    host.gives(
        r#"
        const lines = "i=0; while [ $i -lt 20000 ]; do echo line $i; echo line $i >&2; i=$((i+1)); done";
        const command = new Deno.Command("sh", { args: ["-c", lines], stdout: "piped", stderr: "piped" });
        const shows = (o: Deno.CommandOutput) => [o.code, o.stdout.length, o.stderr.length];
        return [
          shows(await command.output()), shows(command.outputSync()),
          shows(await command.spawn().output()),
        ];"#,
        "[[0, 208890, 208890], [0, 208890, 208890], [0, 208890, 208890]]",
    );
}

#[test]
fn pieces_of_a_pipe_and_of_a_file_keep_no_more_than_they_hold() {
    let Some(host) = small_host() else { return };
    host.gives(
        r#"
        const cat = new Deno.Command("cat", { stdin: "piped", stdout: "piped" }).spawn();
        const writer = cat.stdin.getWriter(), reader = cat.stdout.getReader();
        const kept: Uint8Array[] = [];
        for (let i = 0; i < 1200; i++) {
          await writer.write(bytes("x"));
          kept.push((await reader.read()).value!);
        }
        await writer.close();
        const { done } = await reader.read();
        await cat.status;
        for await (const piece of (await Deno.open("hello.txt")).readable) kept.push(piece);
        return [done, kept.length, kept.every((piece) => piece.length === piece.buffer.byteLength)];"#,
        "[true, 1201, true]",
    );
}

/// V8 gives up in a callback when its collections free nothing any more, which every third
/// run comes to at least; the others fail at an allocation.
#[test]
fn a_run_without_memory_ends_whatever_it_waits_for() {
    let Some(host) = small_host() else { return };
    let program = r#"
        const cat = new Deno.Command("cat", { stdin: "piped", stdout: "piped" }).spawn();
        const writer = cat.stdin.getWriter(), reader = cat.stdout.getReader({ mode: "byob" });
        const large = new ReadableStream({ type: "bytes", autoAllocateChunkSize: 65_536,
          async pull(c: any) {
            await writer.write(new Uint8Array([120]));
            await reader.read(new Uint8Array(1));
            c.byobRequest.respond(1);
          } }).getReader();
        for (const kept: unknown[] = [];;) kept.push(await large.read());"#;
    for _ in 0..8 {
        let (kind, message) = host.error(program);
        assert_eq!(kind, ErrorKind::Memory, "{message}");
    }
}

#[test]
fn many_short_pieces_are_written_without_more_memory_than_they_hold() {
    let Some(host) = small_host() else { return };
    host.gives(
        r#"
        const piece = bytes("line\n");
        const all = <T>(f: () => T) => Promise.all(Array.from({ length: 4000 }, f));
        using file = await Deno.open("written", { write: true, create: true });
        await all(() => file.write(piece));
        const cat = new Deno.Command("cat", { stdin: "piped", stdout: "piped" }).spawn();
        const writer = cat.stdin.getWriter();
        const [, back] = await Promise.all([
          all(() => writer.write(piece)).then(() => writer.close()), cat.output(),
        ]);
        return [Deno.statSync("written").size, back.stdout.length];"#,
        "[20000, 20000]",
    );
}

#[test]
fn a_command_can_be_killed() {
    let Some(host) = host("") else { return };
    host.gives(
        r#"
        const sleep = (options = {}) => new Deno.Command("sleep", { args: ["100"], ...options }).spawn();
        const killed = async (signal?: Deno.Signal) => {
          const child = sleep();
          child.kill(signal);
          return [await child.status, await t(() => child.kill())];
        };
        const controller = new AbortController(), aborted = sleep({ signal: controller.signal });
        controller.abort();
        const odd = sleep(), wrong = await t(() => odd.kill("SIGNOPE" as any));
        odd.kill("SIGINT");
        return {
          "killed": await killed(),
          "killed SIGKILL": await killed("SIGKILL"),
          "aborted.status": await aborted.status,
          "wrong": wrong,
          "odd.status .signal": (await odd.status).signal,
        };"#,
        r#"{
            "killed": [{"success": false, "code": 143, "signal": "SIGTERM"}, "TypeError: Child process has already terminated"],
            "killed SIGKILL": [{"success": false, "code": 137, "signal": "SIGKILL"}, "TypeError: Child process has already terminated"],
            "aborted.status": {"success": false, "code": 143, "signal": "SIGTERM"},
            "wrong": "TypeError: Invalid signal: SIGNOPE",
            "odd.status .signal": "SIGINT"
        }"#,
    );
}

#[test]
fn a_command_that_is_not_granted_is_refused_by_name() {
    let Some(host) = host("") else { return };
    host.gives(
        r#"
        const refused = async (name: string, options?: any) => {
          const command = new Deno.Command(name, options);
          return [...new Set([await t(() => command.output()), await t(() => command.outputSync()),
            await t(() => command.spawn())])].join(" | ");
        };
        return {
          "rm": await refused("rm"),
          "refused /bin/rm": await refused("/bin/rm"),
          "refused ./ls": await refused("./ls"),
          "refused ../ls": await refused("../ls"),
          "refused /ws/tool.sh": await refused("@ROOT@/ws/tool.sh"),
          "refused no-such-command": await refused("no-such-command"),
          "ls { env: { LD_PRELOAD: x } }": (await refused("ls", { env: { LD_PRELOAD: "x" } })).split(":")[0],
          "ls { env: { GIT_SSH_COMMAND: x } }": (await refused("ls", { env: { GIT_SSH_COMMAND: "x" } })).split(":")[0],
          "ls { cwd: /etc }": (await refused("ls", { cwd: "/etc" })).split(":")[0],
          "ls { cwd: linkdir_out }": (await refused("ls", { cwd: "linkdir_out" })).split(":")[0],
          "ls { cwd: nope }": (await refused("ls", { cwd: "nope" })).split(":")[0],
          "ls { args: [a0b] }": (await refused("ls", { args: ["a\0b"] })).split(":").slice(0, 1)[0],
        };"#,
        r#"{
            "rm": "NotCapable: Requires run access to \"rm\", run again with the --allow-run flag",
            "refused /bin/rm": "NotCapable: Requires run access to \"/bin/rm\", run again with the --allow-run flag",
            "refused ./ls": "NotCapable: Requires run access to \"./ls\", run again with the --allow-run flag",
            "refused ../ls": "NotCapable: Requires run access to \"../ls\", run again with the --allow-run flag",
            "refused /ws/tool.sh": "NotCapable: Requires run access to \"@ROOT@/ws/tool.sh\", run again with the --allow-run flag",
            "refused no-such-command": "NotCapable: Requires run access to \"no-such-command\", run again with the --allow-run flag",
            "ls { env: { LD_PRELOAD: x } }": "NotCapable",
            "ls { env: { GIT_SSH_COMMAND: x } }": "NotCapable",
            "ls { cwd: /etc }": "NotCapable",
            "ls { cwd: linkdir_out }": "NotCapable",
            "ls { cwd: nope }": "NotFound",
            "ls { args: [a0b] }": "TypeError"
        }"#,
    );
}

#[test]
fn without_a_grant_no_command_runs() {
    let program = "await new Deno.Command('echo', { args: ['x'] }).output()";
    let (kind, message) = Host::of_the_workspace().error(program);
    assert_eq!(kind, ErrorKind::Permission);
    let expected = "NotCapable: Requires run access to \"echo\", run again with the --allow-run \
        flag";
    assert_eq!(message, expected);
}

#[test]
fn the_environment_is_small_and_the_directory_is_granted() {
    let Some(host) = host(",allow-env=FOO") else { return };
    host.gives(
        &format!(
            r#"{SHELL}
        const env = async (options: any = {{}}) => {{
          const o = await new Deno.Command("env", options).output();
          return Object.fromEntries(text(o.stdout).trim().split("\n").map((l) => l.split(/=(.*)/s)));
        }};
        const usual = await env();
        const pwd = async (cwd?: any) => text((await new Deno.Command("pwd", {{ cwd }}).output()).stdout).trim();
        return {{
          "Object.keys usual .sort": Object.keys(usual).sort(),
          "usual.FOO": usual.FOO,
          "usual.HOME.startsWith /ws": usual.HOME.startsWith("@ROOT@/ws"),
          "JSON.stringify usual .includes CANARY": JSON.stringify(usual).includes("CANARY"),
          "env {{ env: {{ FOO: changed }} }} .FOO": (await env({{ env: {{ FOO: "changed" }} }})).FOO,
          "pwd": await pwd(),
          "pwd x": await pwd("x"),
          "pwd /ws/swap": await pwd("@ROOT@/ws/swap"),
          "pwd file:///ws/x/": await pwd(new URL("file://@ROOT@/ws/x/")),
        }};"#
        ),
        r#"{
            "Object.keys usual .sort": ["FOO", "HOME", "LANG", "PATH"],
            "usual.FOO": "foo-value",
            "usual.HOME.startsWith /ws": true,
            "JSON.stringify usual .includes CANARY": false,
            "env { env: { FOO: changed } } .FOO": "changed",
            "pwd": "@ROOT@/ws",
            "pwd x": "@ROOT@/ws/x",
            "pwd /ws/swap": "@ROOT@/ws/swap",
            "pwd file:///ws/x/": "@ROOT@/ws/x"
        }"#,
    );
}

#[test]
fn a_command_that_is_left_behind_does_not_take_the_value() {
    let Some(host) = host("") else { return };
    let execution = host.run("new Deno.Command('sleep', { args: ['100'] })\n  .spawn();\n'value'");
    assert_eq!((&execution.error, &execution.return_value), (&None, &"value".into()));
    let [command] = &execution.unfinished[..] else { panic!("{execution:#?}") };
    assert_eq!((&*command.what, command.line), ("command", Some(2)));
    assert!(nothing_is_left(&host), "{:?}", host.files.strays());
}

#[test]
fn inherited_output_is_the_runs_own() {
    let Some(host) = host("") else { return };
    let execution = host.run(
        "const args = ['-c', 'echo to out; echo to err >&2'];
        const options = { args, stdout: 'inherit', stderr: 'inherit' } as const;
        await new Deno.Command('sh', options).spawn().status; console.log('after')",
    );
    assert_eq!(execution.error, None);
    let mut output = execution.output;
    output.sort();
    assert_eq!(output, ["after", "to err", "to out"]);
}
