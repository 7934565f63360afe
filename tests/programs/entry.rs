//! Programs that are only a function: they are called.

use serde_json::{Value, json};

use super::runtimes::{error, run, value, value_of};

#[test]
fn a_program_that_is_only_a_function_is_called() {
    for source in [
        "async () => 5",
        "() => 5",
        "(async () => { await null; return 5 })",
        "(async function () { return 5 })",
        "export default async function () { return 5 }",
        "export default async function handler(a = 5) { return a }",
        "export default async () => 5",
        "function f(): number { return 5 }",
        "const f = async (): Promise<number> => 5;",
        "interface A { a: number }\nconst a: A = { a: 5 };\nexport default () => a.a",
    ] {
        assert_eq!(value(source), 5, "{source}");
    }
}

#[test]
fn a_main_that_nothing_calls_is_called() {
    for source in [
        "async function main() { return 5 }",
        "const main = async () => 5",
        "async function main() { return await help() }\nasync function help() { return 5 }",
        "export async function main() { return 5 }\nconst limit = 3;",
        "let n = 0;\nfor (let i = 0; i < 5; i++) n++;\nfunction main() { return n }",
        "async function main() { return 5 }\nexport { main };",
        "async function main() { return 5 }\nexport default main;",
        "async function main() { return 5 }\nmain",
    ] {
        assert_eq!(value(source), 5, "{source}");
    }
}

#[test]
fn a_function_that_the_program_calls_is_called_once() {
    for source in [
        "async function main() { console.log('ran') }\nmain();",
        "async function main() { console.log('ran') }\nawait main().catch(console.error);",
        "main();\nasync function main() { console.log('ran') }",
        "if (import.meta.main) await main();\nasync function main() { console.log('ran') }",
        "export default function f() { console.log('ran') }\nf();",
        "(() => console.log('ran'))()",
        "const main = () => console.log('ran');\n[1].forEach(main);",
    ] {
        assert_eq!(run(source).output, ["ran"], "{source}");
    }
}

#[test]
fn a_function_that_needs_an_argument_is_a_value() {
    assert_eq!(value("export default async function f(request: Request) {}"), "[Function: f]");
    assert_eq!(value("(a, b) => a + b"), "[Function]");
    assert_eq!(value("async function main(input: string) { return input }"), Value::Null);
}

#[test]
fn functions_of_which_none_is_the_one_are_not_called() {
    assert_eq!(value("function f() { throw 1 }\nfunction g() { throw 2 }"), Value::Null);
    assert_eq!(value("function main() { throw 1 }\n5"), 5);
    assert_eq!(value("return () => 1"), "[Function]");
}

#[test]
fn an_error_in_a_function_that_is_called_is_placed() {
    let error = error("async function main() {\n  const o: any = {};\n  return o.a.b;\n}");
    assert_eq!((error.detail.line, error.detail.column), (Some(3), Some(14)));
    assert_eq!(
        error.detail.stack.as_deref(),
        Some(
            "TypeError: Cannot read properties of undefined (reading 'b')\n    at main \
             (file:///main.ts:3:14)\n    at file:///main.ts:1:16"
        )
    );
}

#[test]
fn what_the_top_level_disposes_of_is_there_until_the_function_is_done() {
    let execution = run("using x = { open: true, [Symbol.dispose]() { this.open = false } };
        async function main() { await null; return x.open }");
    assert_eq!(value_of(execution), json!(true));
}
