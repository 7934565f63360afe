//! What programs leave behind when they have their value: it has a grace, and is named
//! if it is not done by then. The value stays.

use std::time::Duration;

use mcp_conductor::{ErrorKind, ExecuteRequest, Execution, Status};
use serde_json::{Value, json};

use super::runtimes::{config, run, run_request, run_with};

/// What is left behind here takes a minute and more.
const AT_ONCE: Duration = Duration::from_secs(20);

/// The value of a program that was successful at once, and what it left behind.
#[track_caller]
fn left(execution: Execution) -> (Value, Vec<Value>) {
    assert_eq!(execution.status, Status::Success, "{execution:#?}");
    assert!(execution.execution_time < AT_ONCE, "{execution:#?}");
    let unfinished = execution.unfinished.iter();
    let unfinished = unfinished.map(|work| json!([work.what, work.line, work.column, work.count]));
    (execution.return_value, unfinished.collect())
}

#[test]
fn an_interval_does_not_take_the_value() {
    let (value, unfinished) = left(run("setInterval(() => {}, 1000); 5"));
    assert_eq!(value, 5);
    assert_eq!(unfinished, [json!(["setInterval", 1, 1, 1])]);
}

#[test]
fn timers_are_named_with_the_place_in_the_program_that_started_them() {
    let source = "interface X { a: 1 }\n\
        function later(ms: number) {\n  \
          setTimeout(() => {}, ms as number);\n\
        }\n\
        later(60_000); later(61_000);\n\
        await new Promise((done) => setTimeout(done, 1));\n\
        'value'";
    let (value, unfinished) = left(run(source));
    assert_eq!(value, "value");
    assert_eq!(unfinished, [json!(["setTimeout", 3, 3, 2])]);
}

#[test]
fn what_is_done_in_the_grace_is_not_unfinished() {
    let execution = run("setTimeout(() => console.log('later'), 20); 'now'");
    assert_eq!(execution.output, ["later"]);
    assert_eq!(left(execution), (json!("now"), vec![]));
}

#[test]
fn a_program_that_leaves_nothing_behind_has_nothing_unfinished() {
    let source = "const id = setInterval(() => {}, 60_000); clearInterval(id);
        await Promise.all([1, 2].map((ms) => new Promise((done) => setTimeout(done, ms)))); 5";
    assert_eq!(left(run(source)), (json!(5), vec![]));
}

#[test]
fn what_is_printed_in_the_grace_is_output() {
    let execution = run("setInterval(() => console.log('tick'), 20); 'value'");
    assert_eq!(execution.output.first().map(String::as_str), Some("tick"), "{execution:#?}");
    assert_eq!(left(execution).0, "value");
}

#[test]
fn an_error_in_the_grace_is_an_error_with_the_value_beside_it() {
    for (source, message) in [
        ("setTimeout(() => { throw new Error('late') }, 5); 'value'", "Error: late"),
        ("setTimeout(() => Deno.exit(3), 5); 'value'", "Process exited with code 3"),
    ] {
        let execution = run(source);
        assert_eq!(execution.status, Status::Error, "{source}");
        assert_eq!(execution.return_value, "value", "{source}");
        let error = execution.error.expect("it failed");
        assert_eq!((error.kind, &*error.message), (ErrorKind::Runtime, message), "{source}");
    }
}

#[test]
fn a_rejection_that_nobody_awaits_is_an_error_with_the_value_beside_it() {
    let execution = run("Promise.reject(new Error('alone')); 'value'");
    assert_eq!(execution.return_value, "value");
    assert_eq!(execution.error.map(|error| error.message).as_deref(), Some("Error: alone"));
}

#[test]
fn a_limit_that_is_passed_in_the_grace_is_an_error_with_the_value_beside_it() {
    let grace = Duration::from_secs(60);
    let source = "setTimeout(() => {\n  \
          const all = []; for (;;) all.push(new Uint8Array(8 << 20).fill(1))\n\
        }, 5);\n'value'";
    let execution = run_with(config().with_unfinished_grace(grace), ExecuteRequest::new(source));
    assert_eq!(execution.return_value, "value");
    assert_eq!(execution.error.map(|error| error.kind), Some(ErrorKind::Memory));
}

#[test]
fn an_exit_with_success_in_the_grace_keeps_the_value() {
    let (value, _) = left(run("setTimeout(() => Deno.exit(0), 100); setInterval(() => {}, 99); 5"));
    assert_eq!(value, 5);
}

#[test]
fn code_that_runs_on_is_stopped_by_the_server_and_named() {
    let source = "setTimeout(() => {\n  for (;;);\n}, 100);\n'value'";
    let (value, unfinished) = left(run(source));
    assert_eq!(value, "value");
    assert_eq!(unfinished[0][0], "code that was running", "{unfinished:?}");
    assert_eq!(unfinished[0][1], 2, "{unfinished:?}");
}

#[test]
fn the_grace_is_a_setting() {
    let grace = Duration::from_secs(60);
    let source = "setTimeout(() => console.log('late'), 1500); 1";
    let execution = run_with(config().with_unfinished_grace(grace), ExecuteRequest::new(source));
    assert_eq!(execution.output, ["late"]);
    assert_eq!(left(execution), (json!(1), vec![]));
}

#[test]
fn the_grace_does_not_go_beyond_the_timeout() {
    let grace = Duration::from_secs(60);
    let request =
        ExecuteRequest::new("setInterval(() => {}, 10); 5").with_timeout(Duration::from_secs(2));
    let (value, unfinished) = left(run_with(config().with_unfinished_grace(grace), request));
    assert_eq!((value, unfinished[0][0].as_str()), (json!(5), Some("setInterval")));
}

#[test]
fn a_value_that_is_not_reached_in_time_is_a_timeout() {
    let source = "setInterval(() => {}, 10); await new Promise(() => {}); 5";
    let request = ExecuteRequest::new(source).with_timeout(Duration::from_secs(2));
    let execution = run_request(request);
    assert_eq!(execution.return_value, Value::Null);
    assert_eq!(execution.error.map(|error| error.kind), Some(ErrorKind::Timeout));
}

#[test]
fn what_only_the_runtime_waits_for_is_named_too() {
    let port = "const { port1 } = new MessageChannel(); port1.onmessage = () => {}; 5";
    let (value, unfinished) = left(run(port));
    assert_eq!(value, 5);
    assert_eq!(unfinished[0][0], "a MessagePort that listens");
    let signal = "AbortSignal.timeout(60_000).addEventListener('abort', () => {}); 5";
    let (value, unfinished) = left(run(signal));
    assert_eq!((value, unfinished.len()), (json!(5), 1), "{unfinished:?}");
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let source = "setTimeout(() => {}, 60_000);\n".repeat(50) + "5";
    let (value, unfinished) = left(run(source));
    assert_eq!((value, unfinished.len()), (json!(5), 20));
    assert_eq!(unfinished[0], json!(["setTimeout", 1, 1, 1]));
    assert_eq!(unfinished[19][3], 31, "{unfinished:?}");
}

#[test]
fn a_timer_is_named_with_its_place_although_many_were_started_since() {
    let source = "setInterval(() => {}, 60_000);\n\
        for (let i = 0; i < 3000; i++) clearTimeout(setTimeout(() => {}, 60_000));\n5";
    let (value, unfinished) = left(run(source));
    assert_eq!((value, unfinished), (json!(5), vec![json!(["setInterval", 1, 1, 1])]));
}

#[test]
fn timers_look_like_deno_s() {
    let source = "[setTimeout, setInterval].map((f) => [f.name, f.length])";
    assert_eq!(run(source).return_value, json!([["setTimeout", 1], ["setInterval", 1]]));
}

#[test]
fn a_value_that_was_reached_comes_before_what_is_due_then() {
    for (source, what) in [
        // The timer has expired when the value is taken, and never lets go.
        (
            "const start = Date.now(); setTimeout(() => { for (;;); }, 1500);\n\
             await Deno.stat('.'); while (Date.now() - start < 1600); 'value'",
            "code that was running",
        ),
        // The answer is there when the value is taken.
        (
            "Deno.readTextFile('absent').catch(() => { for (;;); });\n\
             const start = Date.now(); while (Date.now() - start < 200); 'value'",
            "code that was running",
        ),
    ] {
        let (value, unfinished) = left(run(source));
        assert_eq!(value, "value", "{source}");
        assert_eq!(unfinished[0][0], what, "{source}");
    }
}

#[test]
fn a_value_comes_before_the_timer_of_a_module_too() {
    let source = "import 'data:text/javascript,setTimeout(() => { for (;;); }, 1500)';\n\
        const start = Date.now();\n\
        await Deno.stat('.'); while (Date.now() - start < 1600); 'value'";
    assert_eq!(left(run(source)).0, "value");
}
