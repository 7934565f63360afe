//! What programs print.

use super::python;

#[test]
fn both_streams_arrive_in_the_order_of_writing() {
    let Some(python) = python() else { return };
    let source =
        "import sys\nfor i in range(100):\n    print(i, file=sys.stdout if i % 3 else sys.stderr)";
    let expected: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    assert_eq!(python.output(source), expected);
}

#[test]
fn lines_that_are_written_in_parts_are_one() {
    let Some(python) = python() else { return };
    assert_eq!(python.output("print('a', end='')\nprint('b', end=' ')\nprint('c')"), ["ab c"]);
    assert_eq!(python.output("import sys\nsys.stdout.write('no end')\n5"), ["no end"]);
    assert_eq!(python.output("import sys\nsys.stdout.writelines(['a\\n', 'b\\n'])"), ["a", "b"]);
    assert_eq!(python.output("print()\nprint('x')"), ["", "x"]);
}

#[test]
fn bytes_are_written_as_they_are() {
    let Some(python) = python() else { return };
    assert_eq!(python.output("import sys\nsys.stdout.buffer.write('é\\n'.encode())\nNone"), ["é"]);
    assert_eq!(python.output("import os\nos.write(1, b'raw\\n')\nNone"), ["raw"]);
    assert_eq!(
        python.output("import os\nprint('a')\nos.write(2, b'b\\n')\nprint('c')"),
        ["a", "b", "c"]
    );
}

#[test]
fn text_that_is_not_unicode_can_be_printed() {
    let Some(python) = python() else { return };
    let output =
        python.output("print('\\ud800')\nprint('ok')\nimport os\nos.write(1, b'\\xff\\n')\nNone");
    assert_eq!(output.len(), 3, "{output:?}");
    assert_eq!(output[1], "ok");
}

#[test]
fn output_of_a_program_that_crashes_is_kept() {
    let Some(python) = python() else { return };
    let execution = python.run("print('before')\nimport os\nos.abort()");
    assert_eq!(execution.output.first().map(String::as_str), Some("before"), "{execution:?}");
    assert!(execution.error.is_some());
}

#[test]
fn output_of_an_open_line_is_kept_when_time_ends_the_run() {
    let Some(python) = python() else { return };
    let execution = python.run_for(3000, "print('line')\nwhile True:\n    pass");
    assert_eq!(execution.output, ["line"]);
}

#[test]
fn output_beyond_the_limit_is_cut_and_the_result_says_so() {
    let Some(python) = python() else { return };
    let execution = python.run("for i in range(100_000):\n    print('x' * 100)\n'done'");
    assert_eq!(execution.return_value, "done", "{:?}", execution.error);
    let truncated = execution.truncated.expect("it is cut").output;
    assert!(truncated.contains("MCP_CONDUCTOR_MAX_OUTPUT_SIZE"), "{truncated}");
}

#[test]
fn standard_input_is_empty() {
    let Some(python) = python() else { return };
    assert_eq!(
        python.value("import sys\n[sys.stdin.read(), sys.stdin.readline(), list(sys.stdin)]"),
        serde_json::json!(["", "", []])
    );
    let message = python.raised("input('name? ')");
    assert!(message.starts_with("EOFError"), "{message}");
}

#[test]
fn streams_can_be_replaced_and_are_whole_in_the_next_run() {
    let Some(python) = python() else { return };
    let source =
        "import sys, io\nsys.stdout = io.StringIO()\nprint('hidden')\nsys.stdout.getvalue()";
    assert_eq!(python.value(source), "hidden\n");
    assert_eq!(python.output("import sys\nsys.stdout.close()\nNone"), [""; 0]);
    assert_eq!(python.output("print('seen')"), ["seen"]);
}

#[test]
fn what_exit_handlers_print_is_output() {
    let Some(python) = python() else { return };
    assert_eq!(
        python.output("import atexit\natexit.register(print, 'bye')\nprint('hi')"),
        ["hi", "bye"]
    );
}
