//! Programs that end themselves.

use mcp_conductor::{ErrorKind, Status};
use serde_json::Value;

use super::python;

#[test]
fn an_exit_with_zero_is_a_success_without_a_value() {
    let Some(python) = python() else { return };
    for end in [
        "import sys; sys.exit()",
        "import sys; sys.exit(0)",
        "exit()",
        "quit()",
        "raise SystemExit",
        "raise SystemExit(None)",
    ] {
        let execution = python.run(&format!("print('a')\n{end}\nprint('b')\n5"));
        assert_eq!(execution.status, Status::Success, "{end}: {execution:?}");
        assert_eq!((execution.return_value, execution.output), (Value::Null, vec!["a".to_owned()]));
    }
}

#[test]
fn an_exit_with_another_code_is_an_error_that_names_it() {
    let Some(python) = python() else { return };
    for (end, code) in [
        ("import sys; sys.exit(3)", 3),
        ("exit(7)", 7),
        ("raise SystemExit(2)", 2),
        ("import sys; sys.exit(True)", 1),
    ] {
        let (kind, message, _) = python.error(end);
        assert_eq!(kind, ErrorKind::Runtime, "{end}");
        assert_eq!(message, format!("Process exited with code {code}"), "{end}");
    }
}

#[test]
fn an_exit_with_a_text_prints_it_and_has_code_one() {
    let Some(python) = python() else { return };
    let execution = python.run("import sys\nsys.exit('it is over')");
    assert_eq!(execution.output, ["it is over"]);
    let message = execution.error.map(|error| error.message);
    assert_eq!(message.as_deref(), Some("Process exited with code 1"));
}

#[test]
fn an_exit_in_a_function_a_task_and_a_finally_ends_the_program() {
    let Some(python) = python() else { return };
    for source in [
        "def f():\n    raise SystemExit(4)\nf()\nprint('no')",
        "import asyncio\nasync def f():\n    raise SystemExit(4)\nawait f()\nprint('no')",
        "import asyncio\nasync def f():\n    raise SystemExit(4)\nawait asyncio.gather(f())\nprint('no')",
        "try:\n    1 / 0\nfinally:\n    raise SystemExit(4)",
    ] {
        let execution = python.run(source);
        assert_eq!(execution.output, [""; 0], "{source}");
        let message = execution.error.map(|error| error.message);
        assert_eq!(message.as_deref(), Some("Process exited with code 4"), "{source}");
    }
}

#[test]
fn an_immediate_exit_ends_the_run_and_keeps_its_output() {
    let Some(python) = python() else { return };
    let execution = python.run("import os\nprint('x')\nos._exit(3)\nprint('y')");
    assert_eq!(execution.output, ["x"]);
    let error = execution.error.expect("an error");
    assert!(matches!(error.kind, ErrorKind::Runtime | ErrorKind::Crash), "{error:?}");
    assert!(error.message.contains('3'), "{error:?}");
}

#[test]
fn an_exit_with_a_hostile_code_ends_the_run() {
    let Some(python) = python() else { return };
    for code in [
        "10 ** 30",
        "-1",
        "object()",
        "[1]",
        "2.5",
        "type('S', (), {'__str__': lambda s: 1 / 0})()",
    ] {
        let execution = python.run(&format!("raise SystemExit({code})"));
        assert_eq!(execution.status, Status::Error, "{code}: {execution:?}");
    }
    assert_eq!(python.value("1"), 1);
}

#[test]
fn an_exit_handler_that_never_ends_is_ended_by_the_timeout() {
    let Some(python) = python() else { return };
    let source = "import atexit\ndef spin():\n    while True: pass\natexit.register(spin)\n5";
    let execution = python.run_for(2000, source);
    assert!(execution.error.is_none_or(|error| error.kind == ErrorKind::Timeout));
    assert_eq!(python.value("1"), 1);
}
