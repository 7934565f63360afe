//! Programs that do not parse: nothing of them runs.

use mcp_conductor::ErrorKind;

use super::python;

#[test]
fn a_program_that_does_not_parse_prints_nothing() {
    let Some(python) = python() else { return };
    let execution = python.run("print('never')\nif True print('x')");
    assert_eq!(execution.output, [""; 0]);
    assert_eq!(execution.error.map(|error| error.kind), Some(ErrorKind::Syntax));
}

#[test]
fn a_syntax_error_has_its_line_and_a_caret() {
    let Some(python) = python() else { return };
    for (source, name, line) in [
        ("x = (1,\ny = 2", "SyntaxError", 1),
        ("def f():\nreturn 1", "IndentationError", 2),
        ("if True:\n    x = 1\n  y = 2", "IndentationError", 3),
        ("if 1:\n\tx = 1\n        y = 2", "TabError", 3),
        ("print 'hello'", "SyntaxError", 1),
        ("a = 1\nb = 'oops\n", "SyntaxError", 2),
        ("return 5", "SyntaxError", 1),
        ("def f():\n    x = 1\n    nonlocal x", "SyntaxError", 3),
        ("break", "SyntaxError", 1),
        ("f(a=1, 2)", "SyntaxError", 1),
    ] {
        let (kind, message, detail) = python.error(source);
        assert_eq!(
            (kind, &*detail.name, detail.line),
            (ErrorKind::Syntax, name, Some(line)),
            "{source}: {message}"
        );
        assert!(detail.frame.is_some_and(|frame| frame.contains('^')), "{source}");
    }
}

#[test]
fn an_exception_of_a_parser_that_the_program_calls_is_its_own() {
    let Some(python) = python() else { return };
    let (kind, message, detail) = python.error("x = 1\neval('1 +')");
    assert_eq!((kind, detail.line), (ErrorKind::Runtime, Some(2)), "{message}");
    assert_eq!(&*detail.name, "SyntaxError");
}

#[test]
fn source_that_is_unusual_text_is_parsed_or_refused_and_crashes_nothing() {
    let Some(python) = python() else { return };
    assert_eq!(python.error("x = 1\n# a\0b").0, ErrorKind::Syntax);
    assert_eq!(python.value("\u{feff}1 + 1"), 2);
    assert_eq!(python.value("x = 1\r\ny = 2\r\nx + y"), 3);
    assert_eq!(python.value("x = 1\ry = 2\rx + y"), 3);
    assert_eq!(python.value("größe = '😀'\ngröße"), "😀");
    assert_eq!(python.value("# -*- coding: latin-1 -*-\n'é'"), "é");
}

#[test]
fn nesting_beyond_the_parser_ends_the_run_and_no_other() {
    let Some(python) = python() else { return };
    for source in
        ["(".repeat(100_000), "[".repeat(300) + "]".repeat(300).as_str(), "-".repeat(200_000) + "1"]
    {
        let error = python.run(&source).error.expect("an error");
        let ends = [ErrorKind::Syntax, ErrorKind::Memory, ErrorKind::Crash, ErrorKind::Runtime];
        assert!(ends.contains(&error.kind), "{error:?}");
        assert_eq!(python.value("1 + 1"), 2);
    }
}

#[test]
fn a_long_flat_program_runs() {
    let Some(python) = python() else { return };
    let source = format!("x = 0\n{}x", "x += 1\n".repeat(20_000));
    assert_eq!(python.value(&source), 20_000);
}
