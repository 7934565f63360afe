//! Programs in Markdown fences, as models write them.

use mcp_conductor::ErrorKind;

use super::runtimes::{error, value};

#[test]
fn code_in_one_fence_is_the_program() {
    for source in [
        "```typescript\nconst total: number = 42;\ntotal\n```",
        "```\n42\n```",
        "Here is the program:\n\n```ts\nconst s = `4${2}`;\nreturn Number(s);\n```\n\nIt's 42.",
        "Answer:\n```js\n42\n```",
        "1. Like so:\n   ```ts\n   42\n   ```\n",
        "```ts\n42\n",
        "~~~ts\r\n42\r\n~~~\r\n",
        "````md\n42\n````",
        "\u{feff}```ts\nasync function main() { return 42 }\n```",
    ] {
        assert_eq!(value(source), 42, "{source}");
    }
}

#[test]
fn positions_are_those_in_the_text_as_it_was_given() {
    let error = error("Here:\n\n```ts\nconst o: any = {};\n  o.a.b;\n```");
    assert_eq!((error.detail.line, error.detail.column), (Some(5), Some(7)));
    assert_eq!(
        error.detail.frame.as_deref(),
        Some("  3 | ```ts\n  4 | const o: any = {};\n> 5 |   o.a.b;\n    |       ^\n  6 | ```")
    );
}

#[test]
fn a_syntax_error_in_a_fence_is_placed_too() {
    let error = error("Here:\n```ts\nconst y = = 2;\n```");
    assert_eq!(error.kind, ErrorKind::Syntax);
    assert_eq!(error.message, "SyntaxError: Expression expected");
    assert_eq!((error.detail.line, error.detail.column), (Some(3), Some(11)));
}

#[test]
fn of_several_fences_the_error_says_what_to_do() {
    for source in ["```ts\n1\n```\n\n```ts\n2\n```", "First:\n```ts\n1\n```\nthen:\n```ts\n2\n```"]
    {
        let error = error(source);
        assert_eq!(error.kind, ErrorKind::Syntax);
        assert!(
            error.message.contains("2 Markdown code fences")
                && error.message.contains("pass one program"),
            "{}",
            error.message
        );
    }
}

#[test]
fn fences_inside_of_a_programs_strings_stay_there() {
    assert_eq!(value("['```ts', '1', '```'].join('\\n')"), "```ts\n1\n```");
    assert_eq!(value("`# Title\n\\`\\`\\`js\n1\n\\`\\`\\``"), "# Title\n```js\n1\n```");
    // What was meant as text is not run, although the text is no program.
    let error = error("const text = `# Title\n```js\n5\n```\n`; text");
    assert_eq!(error.kind, ErrorKind::Syntax, "{}", error.message);
}
