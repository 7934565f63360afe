//! What a failed program tells its author: kind, message, place in the code as
//! it was written, code frame and stack.

use mcp_conductor::{ErrorDetail, ErrorKind, ExecutionError};

use super::runtimes::{error, error_of, run, value, value_of};

/// An error's parts in the form in which they are asserted.
#[derive(Debug, PartialEq)]
struct Report {
    message: String,
    place: Option<(u32, u32)>,
    frame: String,
    stack: String,
}

#[track_caller]
fn report(source: &str) -> Report {
    let ExecutionError { kind, message, detail, .. } = error(source);
    assert_eq!(kind, ErrorKind::Runtime, "{message}");
    let ErrorDetail { line, column, frame, stack, .. } = detail;
    Report {
        message,
        place: line.zip(column),
        frame: frame.unwrap_or_default(),
        stack: stack.unwrap_or_default(),
    }
}

fn lines(lines: &[&str]) -> String {
    lines.join("\n")
}

#[test]
fn a_throw_after_types_is_placed_in_the_typescript() {
    let source = lines(&[
        "interface A { a: number }",
        "type B = { b: string };",
        "enum C { X = 1, Y }",
        "",
        "function f(a: A): B {",
        "  const x: number = a.a;",
        "  throw new TypeError('bad ' + x);",
        "}",
        "f({ a: 1 });",
    ]);
    assert_eq!(
        report(&source),
        Report {
            message: "TypeError: bad 1".into(),
            place: Some((7, 9)),
            frame: lines(&[
                "  5 | function f(a: A): B {",
                "  6 |   const x: number = a.a;",
                "> 7 |   throw new TypeError('bad ' + x);",
                "    |         ^",
                "  8 | }",
                "  9 | f({ a: 1 });",
            ]),
            stack: lines(&[
                "TypeError: bad 1",
                "    at f (file:///main.ts:7:9)",
                "    at file:///main.ts:9:1",
            ]),
        }
    );
}

#[test]
fn the_stack_names_functions_methods_and_async_callers() {
    let source = lines(&[
        "type T = number;",
        "function inner(n: T): never {",
        "  throw new Error('deep');",
        "}",
        "class K { method<U>(x: U) { return inner(x as any); } }",
        "const go = async () => { await null; new K().method<T>(1); };",
        "await go();",
    ]);
    assert_eq!(
        report(&source).stack,
        lines(&[
            "Error: deep",
            "    at inner (file:///main.ts:3:9)",
            "    at K.method (file:///main.ts:5:36)",
            "    at go (file:///main.ts:6:46)",
            "    at async file:///main.ts:7:1",
        ])
    );
}

#[test]
fn an_unknown_name_in_the_last_expression_is_placed() {
    for (source, place) in [
        ("b", (1, 1)),
        ("const a: number = 1;\nb + a;", (2, 1)),
        ("interface A { a: 1 }\n\nb.c", (3, 1)),
        ("const a: number = 1;\nexport default b + a;", (2, 16)),
    ] {
        let report = report(source);
        assert_eq!(report.message, "ReferenceError: b is not defined", "{source}");
        assert_eq!(report.place, Some(place), "{source}");
    }
}

#[test]
fn an_unknown_name_in_a_function_is_placed_on_its_line() {
    let source = "function g() {\n  const n: number = 1;\n  return h(n);\n}\n\ng() + 1;";
    assert_eq!(report(source).place.map(|(line, _)| line), Some(3));
}

#[test]
fn a_property_of_undefined_is_placed() {
    let report = report("type A = 1;\nconst o: any = {};\nif (o) {\n  o.a.b;\n}");
    assert_eq!(report.message, "TypeError: Cannot read properties of undefined (reading 'b')");
    assert_eq!(report.place, Some((4, 7)));
}

#[test]
fn columns_count_utf_16_units_and_lines_may_end_with_carriage_returns() {
    assert_eq!(report("const s = '😀'; throw new Error('x');").place, Some((1, 23)));
    let crlf = report("1;\r\nthrow new Error('x');\r\n");
    assert_eq!(crlf.place, Some((2, 7)));
    assert_eq!(crlf.frame, lines(&["  1 | 1;", "> 2 | throw new Error('x');", "    |       ^"]));
}

#[test]
fn a_rejected_promise_is_the_error() {
    for source in [
        "await Promise.reject(new RangeError('no'))",
        "Promise.reject(new RangeError('no'))",
        "return Promise.reject(new RangeError('no'))",
        "export default Promise.reject(new RangeError('no'))",
        "(async () => { throw new RangeError('no') })()",
    ] {
        let report = report(source);
        assert_eq!(report.message, "RangeError: no", "{source}");
        assert!(report.place.is_some_and(|(line, _)| line == 1), "{source}: {report:?}");
    }
}

#[test]
fn an_error_in_a_timer_after_the_value_is_the_outcome() {
    let source =
        "interface X { a: 1 }\nsetTimeout(() => {\n  throw new Error('late');\n}, 5);\n'value'";
    let report = report(source);
    assert_eq!(report.message, "Error: late");
    assert_eq!(report.place, Some((3, 9)));
}

#[test]
fn an_error_in_a_microtask_is_the_outcome() {
    assert_eq!(
        report("queueMicrotask(() => { throw new Error('micro') }); 5").message,
        "Error: micro"
    );
}

#[test]
fn an_error_in_an_event_listener_is_the_outcome() {
    let source = "const t = new EventTarget();\n\
        t.addEventListener('x', () => { throw new Error('listener') });\n\
        t.dispatchEvent(new Event('x')); 5";
    assert_eq!(report(source).message, "Error: listener");
}

#[test]
fn an_error_that_is_reported_is_the_outcome() {
    assert_eq!(report("reportError(new Error('reported')); 5").message, "Error: reported");
}

#[test]
fn an_unhandled_rejection_that_is_prevented_is_no_failure() {
    for register in [
        "addEventListener('unhandledrejection', handler);",
        "globalThis.onunhandledrejection = handler;",
    ] {
        let execution = run(format!(
            "const handler = (e: any) => {{ e.preventDefault(); console.log(e.reason.message) }};
             {register}
             Promise.reject(new Error('seen'));
             await new Promise((r) => setTimeout(r, 10)); 5"
        ));
        assert_eq!(execution.output, ["seen"], "{register} {:?}", execution.error);
        assert_eq!(value_of(execution), 5);
    }
}

#[test]
fn a_rejection_that_is_handled_in_time_is_no_failure() {
    assert_eq!(value("const p = Promise.reject(1); p.catch(() => {}); await null; 5"), 5);
}

#[test]
fn an_error_with_a_cause_keeps_its_own_message_and_place() {
    let report = report("\nthrow new Error('outer', { cause: new TypeError('inner') });");
    assert_eq!(report.message, "Error: outer");
    assert_eq!(report.place, Some((2, 7)));
}

#[test]
fn causes_are_told_in_the_text_and_each_in_its_place() {
    let source = lines(&[
        "const load = () => { throw new TypeError('inner') };",
        "try { load() } catch (cause) {",
        "  throw new Error('outer', { cause });",
        "}",
    ]);
    let error = error(source);
    assert_eq!(
        error.detail.stack.as_deref(),
        Some(
            "Error: outer\n    at file:///main.ts:3:9\nCaused by: TypeError: inner\n    at load \
             (file:///main.ts:1:28)\n    at file:///main.ts:2:7"
        )
    );
    let cause = error.detail.cause.expect("a cause");
    assert_eq!((cause.name.as_str(), cause.message.as_str()), ("TypeError", "inner"));
    assert_eq!((cause.line, cause.column), (Some(1), Some(28)));
    assert!(cause.cause.is_none() && cause.errors.is_empty());
}

#[test]
fn a_cause_that_is_no_error_is_shown() {
    for (cause, shown) in [("'text'", "\"text\""), ("{ code: 5 }", "{ code: 5 }"), ("null", "null")]
    {
        let detail = error(format!("throw new Error('outer', {{ cause: {cause} }})")).detail;
        assert_eq!(detail.cause.expect("a cause").message, shown);
        let stack = detail.stack.unwrap_or_default();
        assert!(stack.ends_with(&format!("\nCaused by: {shown}")), "{stack}");
    }
}

#[test]
fn an_aggregate_error_is_named() {
    let report = report("throw new AggregateError([new Error('a')], 'many')");
    assert_eq!(report.message, "AggregateError: many");
}

#[test]
fn what_an_aggregate_error_holds_is_told_and_gives_it_a_place() {
    let source = lines(&[
        "await Promise.any([",
        "  Promise.reject(new Error('first')),",
        "  Promise.reject(new TypeError('second', { cause: 3 })),",
        "]);",
    ]);
    let detail = error(source).detail;
    let held: Vec<_> = detail.errors.iter().map(|e| (e.message.as_str(), e.line)).collect();
    assert_eq!(held, [("first", Some(2)), ("second", Some(3))]);
    assert_eq!(detail.errors[1].cause.as_ref().map(|cause| cause.message.as_str()), Some("3"));
    assert_eq!(detail.line, Some(2));
    assert!(detail.frame.is_some_and(|frame| frame.contains("> 2 |")));
    assert_eq!(
        detail.stack.as_deref(),
        Some(
            "AggregateError: All promises were rejected\n    Error: first\n        at \
             file:///main.ts:2:18\n    TypeError: second\n        at file:///main.ts:3:18\n    \
             Caused by: 3"
        )
    );
}

#[test]
fn an_error_that_is_its_own_cause_is_circular() {
    for source in [
        "const e: any = new Error('a'); e.cause = e; throw e",
        "const e = new AggregateError([], 'a'); e.errors.push(e); throw e",
    ] {
        let detail = error(source).detail;
        let below = detail.cause.map_or(detail.errors, |cause| vec![*cause]);
        let messages: Vec<_> = below.iter().map(|error| error.message.as_str()).collect();
        assert_eq!(messages, ["[Circular]"], "{source}");
    }
}

#[test]
fn of_very_many_very_deep_and_very_long_causes_some_are_told() {
    for source in [
        "throw new AggregateError(Array.from({ length: 5000 }, (_, i) => new Error(`e${i}`)), 'x')",
        "let e = new Error('0'); for (let i = 1; i < 5000; i++) e = new Error(`${i}`, { cause: e }); throw e",
        "const x = 'x'.repeat(1 << 20);
         throw new AggregateError(Array.from({ length: 99 }, () => new Error(x)), x)",
        "const e: any = new Error('getter'); Object.defineProperty(e, 'cause', { get() { throw 1 } }); throw e",
        "const e: any = new AggregateError([1], 'proxy'); e.errors = new Proxy([], { get() { throw 1 } }); throw e",
    ] {
        let detail = error(source).detail;
        assert!(bytes_of(&detail) < 128 << 10, "{source}: {}", bytes_of(&detail));
    }
}

/// Bytes of an error's texts.
fn bytes_of(detail: &ErrorDetail) -> usize {
    let own =
        [Some(&detail.name), Some(&detail.message), detail.stack.as_ref(), detail.frame.as_ref()];
    let own: usize = own.into_iter().flatten().map(String::len).sum();
    let below = detail.errors.iter().chain(detail.cause.as_deref());
    own + below.map(bytes_of).sum::<usize>()
}

#[test]
fn a_name_of_another_platform_comes_with_what_to_use() {
    for (source, start, advice) in [
        ("new DOMParser()", "ReferenceError: DOMParser is not defined: ", "no HTML parser"),
        ("window.x = 1", "ReferenceError: window is not defined: ", "globalThis"),
        ("localStorage.a", "ReferenceError: localStorage is not defined: ", "Deno.writeTextFile()"),
        ("new XMLHttpRequest()", "ReferenceError: XMLHttpRequest is not defined: ", "fetch()"),
    ] {
        let error = error(source);
        assert!(error.message.starts_with(start), "{}", error.message);
        assert!(error.detail.message.contains(advice), "{}", error.detail.message);
    }
    assert_eq!(error("buffer").message, "ReferenceError: buffer is not defined");
}

#[test]
fn what_is_named_instead_is_there() {
    let source = "
        const bytes = new TextEncoder().encode('hé');
        [bytes.toBase64(), bytes.toHex(), Uint8Array.fromBase64('aMOp').length,
          new TextDecoder().decode(Uint8Array.fromHex('68c3a9')), typeof import.meta.filename]";
    assert_eq!(value(source), serde_json::json!(["aMOp", "68c3a9", 3, "hé", "string"]));
}

#[test]
fn what_is_thrown_and_is_no_error_is_shown() {
    for (thrown, shown) in [
        ("'text'", "\"text\""),
        ("null", "null"),
        ("undefined", "undefined"),
        ("42", "42"),
        ("Symbol('x')", "Symbol(x)"),
        ("{ code: 5 }", "{ code: 5 }"),
    ] {
        let message = report(&format!("throw {thrown}")).message;
        assert_eq!(message, format!("Uncaught (in promise) {shown}"));
    }
}

#[test]
fn an_error_class_of_the_program_is_named() {
    let error =
        error("class MyError extends Error { name = 'MyError' }\nthrow new MyError('mine')");
    assert_eq!(error.message, "MyError: mine");
    assert_eq!(error.detail.name, "MyError");
    assert_eq!(error.detail.message, "mine");
}

#[test]
fn an_error_without_a_message_is_its_name() {
    assert_eq!(report("throw new Error()").message, "Error");
}

#[test]
fn a_syntax_error_has_place_and_frame() {
    let error = error("const x = 1;\nconst y = = 2;");
    assert_eq!(error.kind, ErrorKind::Syntax);
    assert_eq!(error.message, "SyntaxError: Expression expected");
    assert_eq!((error.detail.line, error.detail.column), (Some(2), Some(11)));
    assert_eq!(
        error.detail.frame.as_deref(),
        Some("  1 | const x = 1;\n> 2 | const y = = 2;\n    |           ^")
    );
}

#[test]
fn a_syntax_error_that_only_v8_finds_has_a_place_too() {
    let error = error("interface A { a: 1 }\nlet a = 1;\nlet a = 2;");
    assert_eq!(error.kind, ErrorKind::Syntax);
    assert_eq!(error.message, "SyntaxError: Identifier 'a' has already been declared");
    assert_eq!((error.detail.line, error.detail.column), (Some(3), Some(5)));
}

#[test]
fn a_syntax_error_while_the_program_runs_is_a_runtime_error() {
    for source in ["JSON.parse('{')", "new Function('return (')()", "new RegExp('(')"] {
        let error = error(source);
        assert_eq!(error.kind, ErrorKind::Runtime, "{source}");
        assert_eq!(error.detail.name, "SyntaxError", "{source}");
    }
}

#[test]
fn endless_recursion_is_a_range_error() {
    let report = report("const f = (): number => f() + 1; f();");
    assert_eq!(report.message, "RangeError: Maximum call stack size exceeded");
}

#[test]
fn exit_with_a_code_is_a_failure_with_that_code() {
    let execution = run("console.log('a'); Deno.exit(3);");
    assert_eq!(execution.output, ["a"]);
    let error = error_of(execution);
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Runtime, "Process exited with code 3")
    );
}

#[test]
fn exit_ends_the_program_at_once() {
    let source = "setTimeout(() => console.log('timer'), 1);\n\
        try { Deno.exit(0) } catch { console.log('caught') } finally { console.log('finally') }";
    assert_eq!(run(source).output, [""; 0]);
}

#[test]
fn an_await_that_cannot_end_is_an_error_and_no_timeout() {
    for source in ["await new Promise(() => {})", "new Promise(() => {})"] {
        assert_eq!(report(source).message, "Top-level await promise never resolved", "{source}");
    }
}

#[test]
fn an_error_of_the_platform_has_no_frames_of_the_platform() {
    for (source, message) in [
        ("atob('%')", "InvalidCharacterError: Failed to decode base64"),
        ("new URL('x')", "TypeError: Invalid URL: 'x'"),
        ("structuredClone(() => {})", "DataCloneError: ()=>{} could not be cloned."),
    ] {
        assert_eq!(
            report(source),
            Report {
                message: message.into(),
                place: Some((1, 1)),
                frame: format!("> 1 | {source}\n    | ^"),
                stack: format!("{message}\n    at file:///main.ts:1:1"),
            }
        );
    }
}

#[test]
fn output_before_an_error_is_kept() {
    let execution = run("console.log('a'); throw new Error('b')");
    assert_eq!(execution.output, ["a"]);
    assert_eq!(error_of(execution).message, "Error: b");
}
