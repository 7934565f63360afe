//! What users of the original rely on, and what it got wrong: the calls of the
//! case collection that need no file, upstream server or playbook.

use std::time::{Duration, Instant};

use mcp_conductor::{ErrorKind, ExecuteRequest, Execution, ExecutionError, Status};
use serde_json::{Value, json};

use super::runtimes::{
    config, error, error_of, output, run, run_request, run_with, value, value_of,
};

fn run_for(millis: u64, source: &str) -> Execution {
    run_request(ExecuteRequest::new(source).with_timeout(Duration::from_millis(millis)))
}

fn kind_and_message(error: ExecutionError) -> (ErrorKind, String) {
    (error.kind, error.message)
}

#[test]
fn the_expression_after_a_semicolon_is_the_value() {
    let execution = run("const x = 5 + 3; x");
    assert_eq!(execution.status, Status::Success);
    assert_eq!(execution.return_value, 8);
    assert_eq!(execution.output, [""; 0]);
    assert_eq!(execution.error, None);
    assert_eq!(execution.truncated, None);
}

#[test]
fn typed_code_may_await_at_the_top_level() {
    let source = "const delay = (ms: number) => new Promise(r => setTimeout(r, ms))\n\
        await delay(100)\n'async result'";
    let started = Instant::now();
    assert_eq!(value(source), "async result");
    assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());
}

#[test]
fn an_awaited_promise_that_stands_last_is_the_value() {
    assert_eq!(value("await Promise.resolve(123)"), 123);
}

#[test]
fn a_return_at_the_top_level_gives_the_value() {
    assert_eq!(value("const x = 1; return x;"), 1);
    assert_eq!(value("const x=1; return x"), 1);
}

#[test]
fn undefined_is_null() {
    assert_eq!(value("undefined"), Value::Null);
}

#[test]
fn falsy_values_survive() {
    assert_eq!(value("[0, '', false, null]"), json!([0, "", false, null]));
}

#[test]
fn types_are_stripped_and_not_checked() {
    assert_eq!(value("const x: number = 's' as any; enum A { X = 3 }; [x, A.X]"), json!(["s", 3]));
}

#[test]
fn a_data_url_can_be_imported() {
    let source = "const mod = await import('data:text/javascript,export default 42'); mod.default";
    assert_eq!(value(source), 42);
}

#[test]
fn no_state_passes_from_one_run_to_the_next() {
    let source = "const seen = typeof (globalThis as any).zz; (globalThis as any).zz = 1; seen";
    assert_eq!([value(source), value(source)], ["undefined", "undefined"]);
}

#[test]
fn a_program_that_does_not_parse_is_a_syntax_error() {
    assert_eq!(error("const x = {{{").kind, ErrorKind::Syntax);
}

#[test]
fn a_rejection_that_nobody_handles_fails_the_run() {
    let source = "Promise.reject(new Error('late')); await new Promise(r => setTimeout(r, 50)); 1";
    assert_eq!(kind_and_message(error(source)), (ErrorKind::Runtime, "Error: late".to_owned()));
}

#[test]
fn exit_with_zero_is_a_success_without_a_value() {
    let execution = run("console.log('a'); Deno.exit(0); 5");
    assert_eq!(execution.status, Status::Success);
    assert_eq!(execution.return_value, Value::Null);
    assert_eq!(execution.output, ["a"]);
}

#[test]
fn a_busy_loop_times_out_and_its_output_is_kept() {
    let execution = run_for(3000, "console.log('before')\nwhile (true) {}\n0");
    assert_eq!(execution.output, ["before"]);
    assert!(execution.execution_time >= Duration::from_secs(3), "{execution:?}");
    assert!(execution.execution_time < Duration::from_secs(20), "{execution:?}");
    assert_eq!(
        kind_and_message(error_of(execution)),
        (ErrorKind::Timeout, "Execution timed out after 3000ms".to_owned())
    );
}

#[test]
fn fetch_is_denied() {
    assert_eq!(
        kind_and_message(error("await fetch('https://google.com')")),
        (
            ErrorKind::Permission,
            "NotCapable: Requires net access to \"google.com:443\", run again with the \
             --allow-net flag"
                .to_owned()
        )
    );
}

#[test]
fn fetch_of_this_machine_is_denied() {
    assert_eq!(
        kind_and_message(error("await fetch('http://localhost:8080/')")),
        (
            ErrorKind::Permission,
            "NotCapable: Requires net access to \"localhost:8080\", run again with the --allow-net \
             flag"
                .to_owned()
        )
    );
}

#[test]
fn a_command_is_denied() {
    assert_eq!(
        kind_and_message(error("await new Deno.Command('echo', { args: ['test'] }).output()")),
        (
            ErrorKind::Permission,
            "NotCapable: Requires run access to \"echo\", run again with the --allow-run flag"
                .to_owned()
        )
    );
}

#[test]
fn a_permission_is_never_asked_for() {
    assert_eq!(
        value(
            "[(await Deno.permissions.query({ name: 'read' })).state,
              (await Deno.permissions.request({ name: 'read' })).state,
              prompt('grant?'), confirm('grant?')]"
        ),
        json!(["prompt", "denied", null, false])
    );
}

#[test]
fn a_try_block_that_throws_gives_the_value_of_its_catch() {
    let source = "const x = 1; try { throw new Error('boom') } catch (e) { (e as Error).message }";
    assert_eq!(value(source), "boom");
}

#[test]
fn a_throw_is_a_runtime_error() {
    assert_eq!(
        kind_and_message(error("const x = 1; throw new Error('boom')")),
        (ErrorKind::Runtime, "Error: boom".to_owned())
    );
}

#[test]
fn a_block_before_the_last_expression_is_no_syntax_error() {
    assert_eq!(value("let s = 0;\nif (true) {\n  s = 5\n}\ns"), 5);
    assert_eq!(value("let s = 0;\nif (true) {\n  s = 5\n}"), 5);
}

#[test]
fn a_semicolon_in_a_comment_is_no_code() {
    assert_eq!(value("const a = 1;\na // the; value"), 1);
}

#[test]
fn an_exported_default_is_the_value() {
    assert_eq!(value("export default 42"), 42);
}

#[test]
fn output_without_a_line_break_is_kept_apart_from_the_value() {
    let execution = run("await Deno.stdout.write(new TextEncoder().encode('abc')); 9");
    assert_eq!(execution.output, ["abc"]);
    assert_eq!(value_of(execution), 9);
}

#[test]
fn a_circular_value_is_readable() {
    assert_eq!(value("const a: any = {}; a.a = a; a"), json!({ "a": "[Circular]" }));
}

#[test]
fn an_error_that_speaks_of_requirements_is_no_permission_error() {
    assert_eq!(
        kind_and_message(error("throw new Error('Requires auth')")),
        (ErrorKind::Runtime, "Error: Requires auth".to_owned())
    );
}

#[test]
fn a_signal_listener_does_not_delay_the_end() {
    let execution = run_for(
        1000,
        "Deno.addSignalListener('SIGTERM', () => {}); const e = Date.now() + 60_000; \
         while (Date.now() < e) await new Promise(r => setTimeout(r, 50)); 'survived'",
    );
    assert!(execution.execution_time < Duration::from_secs(20), "{execution:?}");
    assert_eq!(
        kind_and_message(error_of(execution)),
        (ErrorKind::Timeout, "Execution timed out after 1000ms".to_owned())
    );
}

#[test]
fn a_timer_that_is_awaited_beyond_the_default_timeout_ends_the_run() {
    let config = config().with_default_timeout(Duration::from_millis(500));
    let source = "await new Promise((done) => setTimeout(done, 100_000)); 1";
    let execution = run_with(config, ExecuteRequest::new(source));
    assert_eq!(
        kind_and_message(error_of(execution)),
        (ErrorKind::Timeout, "Execution timed out after 500ms".to_owned())
    );
}

#[test]
fn globals_are_visible() {
    let request =
        ExecuteRequest::new("x + y").with_global("x", json!(10)).with_global("y", json!(20));
    assert_eq!(value_of(run_request(request)), 30);
}

#[test]
fn an_empty_program_has_no_value() {
    for source in ["", "\n \t\n", "// nothing", "/* nothing */", ";;"] {
        assert_eq!(value(source), Value::Null, "{source:?}");
        assert_eq!(output(source), [""; 0], "{source:?}");
    }
}

#[test]
fn timers_that_are_left_behind_are_part_of_the_run() {
    let execution = run("setTimeout(() => console.log('later'), 20); 'now'");
    assert_eq!(execution.output, ["later"]);
    assert_eq!(value_of(execution), "now");
}
