//! What a failed program tells its author: name, message, line, code frame, traceback.

use mcp_conductor::ErrorKind;

use super::python;

#[test]
fn an_error_has_the_innermost_line_of_the_program() {
    let Some(python) = python() else { return };
    for (source, line) in [
        ("x = 1\nx / 0", 2),
        ("def f():\n    return g()\n\ndef g():\n    raise ValueError('v')\n\nf()", 5),
        ("import json\njson.loads('{')", 2),
        ("for i in range(3):\n    if i == 2:\n        raise KeyError(i)", 3),
        ("[1 // n\n for n in\n (1, 0)]", 1),
        ("sorted([3, 'a'])", 1),
        (
            "class C:\n    def __getattr__(self, name):\n        raise AttributeError(name)\nC().x",
            3,
        ),
        ("import re\n\nre.compile('(')", 3),
    ] {
        let (kind, message, detail) = python.error(source);
        assert_eq!((kind, detail.line), (ErrorKind::Runtime, Some(line)), "{source}: {message}");
    }
}

#[test]
fn an_error_has_name_message_and_sentence() {
    let Some(python) = python() else { return };
    for (source, name, message) in [
        ("{}['k']", "KeyError", "'k'"),
        ("[][3]", "IndexError", "list index out of range"),
        ("int('x')", "ValueError", "invalid literal for int() with base 10: 'x'"),
        ("None.x", "AttributeError", "'NoneType' object has no attribute 'x'"),
        ("assert 1 == 2, 'unequal'", "AssertionError", "unequal"),
        ("class MyError(Exception): pass\nraise MyError('mine')", "MyError", "mine"),
        ("raise KeyboardInterrupt('stop')", "KeyboardInterrupt", "stop"),
    ] {
        let (_, sentence, detail) = python.error(source);
        assert_eq!((&*detail.name, &*detail.message), (name, message), "{source}");
        assert_eq!(sentence, format!("{name}: {message}"), "{source}");
    }
}

#[test]
fn an_error_without_a_message_is_its_name() {
    let Some(python) = python() else { return };
    assert_eq!(python.raised("raise ValueError"), "ValueError");
    assert_eq!(python.raised("assert False"), "AssertionError");
}

#[test]
fn the_code_frame_points_at_the_expression() {
    let Some(python) = python() else { return };
    let (_, _, detail) = python.error("a = 1\nb = 0\nc = a + (a / b)\nprint(c)\n");
    assert_eq!((detail.line, detail.column), (Some(3), Some(10)));
    assert_eq!(
        detail.frame.as_deref(),
        Some("  1 | a = 1\n  2 | b = 0\n> 3 | c = a + (a / b)\n    |          ^\n  4 | print(c)")
    );
}

#[test]
fn the_traceback_has_the_programs_lines_and_nothing_of_the_interpreter() {
    let Some(python) = python() else { return };
    let source = "def load(text):\n    import json\n    return json.loads(text)\n\nload('{bad')";
    let stack = python.error(source).2.stack.expect("a traceback");
    for part in ["line 5, in <module>", "load('{bad')", "line 3, in load", "JSONDecodeError"] {
        assert!(stack.contains(part), "{part}: {stack}");
    }
    for part in ["conductor", "python315.zip", "_host", "json/decoder.py"] {
        assert!(!stack.contains(part), "{part}: {stack}");
    }
}

#[test]
fn causes_and_contexts_are_told() {
    let Some(python) = python() else { return };
    let caused =
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('v') from e";
    let (_, message, detail) = python.error(caused);
    assert_eq!((message.as_str(), detail.line), ("ValueError: v", Some(4)));
    let stack = detail.stack.expect("a traceback");
    assert!(stack.contains("direct cause") && stack.contains("ZeroDivisionError"), "{stack}");
    let context = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    {}['k']";
    let stack = python.error(context).2.stack.expect("a traceback");
    assert!(stack.contains("During handling"), "{stack}");
}

#[test]
fn the_members_of_an_exception_group_are_told() {
    let Some(python) = python() else { return };
    let source = "raise ExceptionGroup('all', [ValueError('one'), KeyError('two')])";
    let (_, message, detail) = python.error(source);
    assert!(message.starts_with("ExceptionGroup: all (2 sub-exceptions)"), "{message}");
    let told = format!("{detail:?}");
    assert!(told.contains("one") && told.contains("two"), "{told}");
}

#[test]
fn notes_of_an_exception_are_told() {
    let Some(python) = python() else { return };
    let source = "e = ValueError('v')\ne.add_note('try a number')\nraise e";
    let stack = python.error(source).2.stack.expect("a traceback");
    assert!(stack.contains("try a number"), "{stack}");
}

#[test]
fn an_error_whose_text_cannot_be_made_is_an_error_all_the_same() {
    let Some(python) = python() else { return };
    let source =
        "class Bad(Exception):\n    def __str__(self): raise RuntimeError('no')\nraise Bad";
    let (kind, message, detail) = python.error(source);
    assert_eq!((kind, &*detail.name, detail.line), (ErrorKind::Runtime, "Bad", Some(3)));
    assert!(message.starts_with("Bad"), "{message}");
}

#[test]
fn an_error_message_of_megabytes_is_clipped() {
    let Some(python) = python() else { return };
    let (_, message, detail) = python.error("raise ValueError('x' * 20_000_000)");
    assert!(message.len() < 1 << 20, "{} bytes", message.len());
    assert!(detail.stack.is_none_or(|stack| stack.len() < 1 << 20));
}

#[test]
fn a_chain_of_thousands_of_exceptions_is_clipped() {
    let Some(python) = python() else { return };
    let source = "last = ValueError(0)\nfor n in range(20_000):\n    e = ValueError(n)\n    \
                  e.__cause__ = last\n    last = e\nraise last";
    let execution = python.run(source);
    let error = execution.error.expect("an error");
    assert!(matches!(error.kind, ErrorKind::Runtime | ErrorKind::Crash), "{error:?}");
    assert!(error.detail.stack.is_none_or(|stack| stack.len() < 1 << 20));
}

#[test]
fn deep_recursion_is_an_error_that_names_the_line() {
    let Some(python) = python() else { return };
    let (kind, message, detail) = python.error("def f(n):\n    return f(n + 1)\n\nf(0)");
    assert_eq!((kind, detail.line), (ErrorKind::Runtime, Some(2)), "{message}");
    assert!(message.starts_with("RecursionError: maximum recursion depth exceeded"), "{message}");
    let stack = detail.stack.expect("a traceback");
    assert!(stack.len() < 10_000 && stack.contains("repeated"), "{stack}");
}

#[test]
fn recursion_to_nine_hundred_works() {
    let Some(python) = python() else { return };
    assert_eq!(python.value("def f(n):\n    return n and f(n - 1) + 1\n\nf(900)"), 900);
}

#[test]
fn recursion_through_c_is_ended_by_pythons_own_limit_too() {
    let Some(python) = python() else { return };
    let cached =
        "import functools\n@functools.lru_cache(None)\ndef f(n):\n    return n and f(n - 1) + 1\n";
    assert_eq!(python.value(&format!("{cached}f(900)")), 900);
    let sorts = "def f(n):\n    return n and sorted([1], key=lambda x: f(n - 1))[0]\n\nf(300)";
    assert_eq!(python.value(sorts), 1);
    let shows = "class A:\n    def __init__(self, n): self.n = n\n    \
                 def __repr__(self): return f'<{self.n!r}>'\n\
                 a = 0\nfor _ in range(900): a = A(a)\nlen(repr(a))";
    assert_eq!(python.value(shows), 1801);
    let (_, message, _) = python.error(&format!("{cached}f(2000)"));
    assert!(message.starts_with("RecursionError: maximum recursion depth exceeded"), "{message}");
}

#[test]
fn a_traceback_that_is_too_long_has_its_begin_and_its_end() {
    let Some(python) = python() else { return };
    let source = "def f(n): return g(n)\ndef g(n): return f(n + 1)\nf(0)";
    let (_, _, detail) = python.error(source);
    let stack = detail.stack.expect("a traceback");
    assert!(stack.contains("line 3, in <module>"), "{stack}");
    assert!(stack.ends_with("RecursionError: maximum recursion depth exceeded"), "{stack}");
    assert!(stack.len() < 17 << 10, "{}", stack.len());
}

#[test]
fn json_that_is_nested_too_deep_is_a_recursion_error_and_no_crash() {
    let Some(python) = python() else { return };
    let source = "import json\ndef reads(n):\n    try:\n        json.loads('[' * n + ']' * n)\n    \
                  except RecursionError:\n        return False\n    return True\n\
                  [reads(n) for n in (5_000, 30_000, 100_000)]";
    assert_eq!(python.value(source), serde_json::json!([true, true, false]));
}

#[test]
fn a_warning_is_output_and_no_error() {
    let Some(python) = python() else { return };
    let execution = python.run("import warnings\nwarnings.warn('old ways')\n1");
    assert_eq!(execution.error, None);
    assert!(execution.output.join("\n").contains("UserWarning: old ways"), "{execution:?}");
}

#[test]
fn a_permission_error_that_the_program_raises_is_a_permission_error() {
    let Some(python) = python() else { return };
    let (kind, message, _) = python.error("raise PermissionError('not today')");
    assert_eq!((kind, message.as_str()), (ErrorKind::Permission, "PermissionError: not today"));
}

#[test]
fn a_failed_import_names_the_module_and_what_would_bring_it() {
    let Some(python) = python() else { return };
    let message = python.raised("import no_such_module_here");
    assert!(message.starts_with("ModuleNotFoundError: No module named 'no_such_module_here'"));
    assert!(message.contains("MCP_CONDUCTOR_ALLOWED_PACKAGES"), "{message}");
    let message = python.raised("from json import no_such_name");
    assert!(message.starts_with("ImportError: cannot import name 'no_such_name'"), "{message}");
}
