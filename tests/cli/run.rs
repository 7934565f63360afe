//! `mcp-conductor run`: the value on stdout, output on stderr, exit codes.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::command::{Ended, conductor, ended, piped};
use crate::support::directory::TemporaryFile;

#[test]
fn the_value_goes_to_stdout_and_output_to_stderr() {
    let program = TemporaryFile::new("console.log('log'); console.error('err'); ({ a: [1, 'x'] })");
    assert_eq!(
        conductor(&["run", program.path()]),
        Ended::new(0, "{\n  \"a\": [\n    1,\n    \"x\"\n  ]\n}\n", "log\nerr\n")
    );
}

/// A worker's own limit of processes is higher.
#[test]
fn a_limit_that_the_shell_has_set_stays_and_programs_run() {
    let program = TemporaryFile::new("20 + 22");
    let mut shell = Command::new("bash");
    let script = "ulimit -u 1000; exec \"$0\" run \"$1\"";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_mcp-conductor"), program.path()]);
    shell.env_clear().env("HOME", env!("CARGO_TARGET_TMPDIR"));
    assert_eq!(ended(&mut shell), Ended::new(0, "42\n", ""));
}

#[test]
fn a_dash_reads_the_program_from_standard_input() {
    assert_eq!(piped(&["run", "-"], "const n: number = 20; n + 22"), Ended::new(0, "42\n", ""));
}

#[test]
fn a_program_without_a_value_prints_null() {
    for source in ["", "\n", "// nothing", "undefined"] {
        assert_eq!(piped(&["run", "-"], source), Ended::new(0, "null\n", ""), "{source:?}");
    }
}

#[test]
fn a_failed_program_is_described_on_stderr_and_ends_with_one() {
    assert_eq!(
        piped(&["run", "-"], "type A = 1;\nconsole.log('out');\nthrow new Error('boom');"),
        Ended::new(
            1,
            "",
            "out\n\
             error: Error: boom\n\
             \x20 at line 3, column 7\n\
             \x20 1 | type A = 1;\n\
             \x20 2 | console.log('out');\n\
             > 3 | throw new Error('boom');\n\
             \x20   |       ^\n\
             Error: boom\n\
             \x20   at file:///main.ts:3:7\n"
        )
    );
}

#[test]
fn a_syntax_error_ends_with_one() {
    assert_eq!(
        piped(&["run", "-"], "const y = = 2;"),
        Ended::new(
            1,
            "",
            "error: SyntaxError: Expression expected\n\
             \x20 at line 1, column 11\n\
             > 1 | const y = = 2;\n\
             \x20   |           ^\n"
        )
    );
}

#[test]
fn exit_codes_of_programs_become_one() {
    assert_eq!(
        piped(&["run", "-"], "Deno.exit(7)"),
        Ended::new(1, "", "error: Process exited with code 7\n")
    );
    assert_eq!(piped(&["run", "-"], "Deno.exit(0)"), Ended::new(0, "null\n", ""));
}

fn without_time(done: &Ended) -> Value {
    let mut result: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let time = result.as_object_mut().and_then(|object| object.remove("executionTime"));
    assert!(time.is_some_and(|time| time.is_u64()), "{result}");
    result
}

#[test]
fn json_prints_the_whole_result_and_nothing_else() {
    let done = piped(&["run", "--json", "-"], "console.log('out'); console.error('err'); 5");
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        without_time(&done),
        json!({ "status": "success", "output": ["out", "err"], "returnValue": 5 })
    );
}

#[test]
fn json_describes_a_failure_and_ends_with_one() {
    let done = piped(&["run", "--json", "-"], "console.log('out'); throw new TypeError('bad')");
    assert_eq!((done.code, done.stderr.as_str()), (Some(1), ""));
    assert_eq!(
        without_time(&done),
        json!({
            "status": "error",
            "output": ["out"],
            "returnValue": null,
            "error": "TypeError: bad",
            "errorType": "runtime",
            "errorDetail": {
                "name": "TypeError",
                "message": "bad",
                "line": 1,
                "column": 27,
                "frame": "> 1 | console.log('out'); throw new TypeError('bad')\n    \
                    |                           ^",
                "stack": "TypeError: bad\n    at file:///main.ts:1:27",
            },
        })
    );
}

#[test]
fn globals_come_from_a_file() {
    let globals = TemporaryFile::new(r#"{ "x": 10, "rows": [{ "n": 1 }] }"#);
    assert_eq!(
        piped(&["run", "-", "--globals", globals.path()], "x + rows[0].n"),
        Ended::new(0, "11\n", "")
    );
}

#[test]
fn globals_may_have_half_of_a_surrogate_pair_and_a_byte_order_mark() {
    let globals = TemporaryFile::new("\u{feff}{ \"x\": \"cut \\ud83d\" }");
    assert_eq!(
        piped(
            &["run", "-", "--globals", globals.path()],
            "[...x].map((c) => c.codePointAt(0)).at(-1)"
        ),
        Ended::new(0, "65533\n", "")
    );
}

#[test]
fn globals_of_a_file_have_all_their_digits() {
    let globals = TemporaryFile::new(r#"{ "ids": [1915883588174806058, 18446744073709551617] }"#);
    assert_eq!(
        piped(&["run", "-", "--globals", globals.path()], "ids.join()"),
        Ended::new(0, "\"1915883588174806058,18446744073709551617\"\n", "")
    );
}

#[test]
fn globals_that_are_no_object_are_refused() {
    for (text, problem) in [
        ("[1]", "invalid type: sequence, expected a map at line 1 column 0"),
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{", "EOF while parsing an object at line 1 column 1"),
    ] {
        let globals = TemporaryFile::new(text);
        let path = globals.path();
        assert_eq!(
            piped(&["run", "-", "--globals", path], "1"),
            Ended::new(
                3,
                "",
                &format!("mcp-conductor: {path} does not contain a JSON object: {problem}\n")
            )
        );
    }
}

#[test]
fn a_global_that_cannot_be_named_is_refused() {
    let globals = TemporaryFile::new(r#"{ "a-b": 1 }"#);
    assert_eq!(
        piped(&["run", "-", "--globals", globals.path()], "1"),
        Ended::new(
            3,
            "",
            "mcp-conductor: \"a-b\" cannot be the name of a global: a JavaScript identifier is \
             needed\n"
        )
    );
}

#[test]
fn a_program_that_is_no_utf8_is_refused() {
    assert_eq!(
        piped(&["run", "-"], b"const a = '\xff'; 1"),
        Ended::new(3, "", "mcp-conductor: - is not UTF-8: invalid byte at offset 11\n")
    );
}

#[test]
fn a_file_that_does_not_exist_is_named() {
    assert_eq!(
        conductor(&["run", "/nowhere/program.ts"]),
        Ended::new(
            3,
            "",
            "mcp-conductor: /nowhere/program.ts: No such file or directory (os error 2)\n"
        )
    );
}

#[test]
fn a_directory_is_no_program() {
    assert_eq!(
        conductor(&["run", "/"]),
        Ended::new(3, "", "mcp-conductor: /: Is a directory (os error 21)\n")
    );
}

#[test]
fn a_program_of_two_mebibytes_is_refused() {
    let done = piped(&["run", "-"], "1;".repeat(1 << 20));
    assert_eq!((done.code, done.stdout.as_str()), (Some(3), ""));
    assert!(
        done.stderr.starts_with("mcp-conductor: ")
            && done.stderr.contains("at most 1048576")
            && done.stderr.lines().count() == 1,
        "{}",
        done.stderr
    );
}

#[test]
fn a_timeout_ends_the_program() {
    assert_eq!(
        piped(
            &["run", "-", "--timeout", "3000"],
            "console.log('before');\nawait new Promise((r) => setTimeout(r, 60_000))"
        ),
        Ended::new(
            1,
            "",
            "before\n\
             error: Execution timed out after 3000ms\n\
             The program ran 3000 ms of wall time. Do less in one run, or pass a larger timeout: \
             up to 300000 ms (MCP_CONDUCTOR_MAX_TIMEOUT). Output so far is kept\n"
        )
    );
}

#[test]
fn what_a_program_left_behind_is_named_on_standard_error() {
    assert_eq!(
        piped(&["run", "-"], "console.log('out');\nsetInterval(() => {}, 1000);\n5"),
        Ended::new(0, "5\n", "out\nunfinished: setInterval of line 2, column 1\n")
    );
}

#[test]
fn a_timeout_of_zero_or_beyond_the_maximum_is_refused() {
    for timeout in ["0", "300001", "18446744073709551615"] {
        assert_eq!(
            piped(&["run", "-", "--timeout", timeout], "1"),
            Ended::new(
                3,
                "",
                &format!(
                    "mcp-conductor: timeout must be from 1 to 300000 ms, not {timeout} ms (the \
                     maximum is MCP_CONDUCTOR_MAX_TIMEOUT)\n"
                )
            )
        );
    }
}

#[test]
fn arguments_that_mean_nothing_end_with_two() {
    for arguments in [
        &["run", "-", "--timeout", "-1"][..],
        &["run", "-", "--timeout", "soon"],
        &["run", "-", "--timeout", "99999999999999999999999"],
        &["run", "-", "--nope"],
        &["run"],
        &["nope"],
    ] {
        let done = conductor(arguments);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
    }
}

#[test]
fn nothing_of_the_shells_environment_reaches_the_program() {
    let mut command = crate::support::command::binary(&["run", "-"]);
    command.env("SECRET", "canary");
    let source = TemporaryFile::new("try { Deno.env.toObject() } catch (e) { (e as Error).name }");
    let done: Ended = command
        .stdin(std::fs::File::open(source.path()).expect("a file"))
        .output()
        .expect("the binary starts")
        .into();
    assert_eq!(done, Ended::new(0, "\"NotCapable\"\n", ""));
}
