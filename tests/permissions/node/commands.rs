//! `node:child_process` over the broker's commands. Without Landlock no command can be
//! granted, and these tests are skipped.

use super::NODE;
use crate::commands::host;

const PROCESSES: &str = r#"
    const { exec, execFile, execFileSync, execSync, fork, spawn, spawnSync } = require("node:child_process");
    const { promisify } = require("node:util");
"#;

#[track_caller]
fn gives(program: &str, expected: &str) {
    gives_with("", program, expected);
}

#[track_caller]
fn gives_with(grants: &str, program: &str, expected: &str) {
    let Some(host) = host(grants) else { return };
    host.gives(&format!("{NODE}{PROCESSES}{program}"), expected);
}

#[test]
fn a_process_has_streams_and_ends_with_its_code() {
    gives(
        r#"
        const child = spawn("sh", ["-c", "cat; echo err >&2; exit 3"]);
        let out = "", err = "";
        child.stdout.on("data", (data: Buffer) => out += data);
        child.stderr.on("data", (data: Buffer) => err += data);
        child.stdin.end("through");
        const events: unknown[] = [];
        child.on("spawn", () => events.push("spawn"));
        child.on("exit", (code: number) => events.push(["exit", code]));
        await new Promise((done) => child.on("close", done));
        return [out, err, events, child.exitCode, typeof child.pid];"#,
        r#"["through", "err\n", ["spawn", ["exit", 3]], 3, "number"]"#,
    );
}

#[test]
fn commands_are_run_to_their_end_in_every_form() {
    gives(
        r#"
        const sync = spawnSync("echo", ["a b"], { encoding: "utf8" });
        return [
          execFileSync("echo", ["one"]).toString(),
          (await promisify(execFile)("echo", ["two"])).stdout,
          [sync.status, sync.stdout],
          await failure(() => execFileSync("sh", ["-c", "exit 4"])),
        ];"#,
        r#"["one\n", "two\n", [0, "a b\n"], "undefined Command failed: sh -c exit 4"]"#,
    );
}

#[test]
fn a_process_is_killed_and_has_the_environment_that_it_is_given() {
    gives_with(
        ",allow-env=WORD",
        r#"
        const child = spawn("sleep", ["60"]);
        const ended = new Promise((done) => child.on("exit", (...how: unknown[]) => done(how)));
        const killed = child.kill("SIGKILL");
        const printed = execFileSync("sh", ["-c", "echo $WORD"], { env: { WORD: "given" } }).toString();
        return [killed, await ended, printed];"#,
        r#"[true, [null, "SIGKILL"], "given\n"]"#,
    );
}

#[test]
fn a_process_inherits_what_the_program_made_of_process_env() {
    gives_with(
        ",allow-env=FOO,WORD",
        r#"
        const ECHO = ["-c", "echo $FOO,$WORD"];
        const printed = (options?: object) => execFileSync("sh", ECHO, options).toString().trim();
        const all = [printed()];
        process.env.WORD = "set"; all.push(printed());
        process.env.FOO = "changed"; all.push(printed());
        all.push(printed({ env: { WORD: "given" } }));
        delete process.env.FOO; all.push(printed(), (await promisify(execFile)("sh", ECHO)).stdout.trim());
        return all;"#,
        r#"["foo-value,", "foo-value,set", "changed,set", ",given", ",set", ",set"]"#,
    );
}

#[test]
fn a_variable_that_is_not_granted_is_refused_to_a_process_that_would_inherit_it() {
    gives(
        r#"
        process.env.SECRET = "of the program";
        const refused = (await failure(() => execFileSync("echo", ["x"]))).split(",")[0];
        delete process.env.SECRET;
        return [refused, execFileSync("echo", ["x"]).toString()];"#,
        r#"["EACCES Requires env access to \"SECRET\"", "x\n"]"#,
    );
}

#[test]
fn what_is_not_granted_is_an_error_of_the_process() {
    gives(
        r#"
        const error: any = await new Promise((done) => spawn("rm", ["x"]).on("error", done));
        const sync = spawnSync("rm", ["x"]);
        return [error.code, error.message.split(",")[0], sync.error.code, sync.status];"#,
        r#"["EACCES", "Requires run access to \"rm\"", "EACCES", null]"#,
    );
}

#[test]
fn there_are_no_channels_and_no_input_without_a_stream() {
    gives(
        r#"return [
          (await failure(() => fork("x.js"))).split(":")[0],
          await failure(() => execFileSync("cat", { input: "x" })),
        ];"#,
        r#"[
            "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM A channel to a child process (fork, ipc) is not available here",
            "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM Input of a command is available with spawn(), not in the synchronous forms"
        ]"#,
    );
}
