//! JSON as people write it, with comments and commas at the end: what VS Code, Zed and
//! opencode have in their own files.

use std::fmt;

use jsonc_parser::tokens::Token;
use jsonc_parser::{CollectOptions, ParseOptions, Scanner, ScannerOptions, ast, parse_to_ast};

use super::value::{Entry, Value};

/// Levels of nesting, as serde_json has them: the parser's own bound of 512 is more
/// than the stack of every thread holds.
const MAX_DEPTH: usize = 128;

/// Why a text is not JSON, and where. It quotes no value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    line: usize,
    column: usize,
    problem: String,
}

impl SyntaxError {
    fn at(text: &str, at: usize, problem: String) -> Self {
        let (line, column) = position(text, at);
        Self { line, column, problem }
    }

    /// The place, as in messages about a file.
    pub(super) fn place(&self) -> String {
        format!("line {}, column {}", self.line, self.column)
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not JSON: {}", self.problem)
    }
}

/// Reads a text, repeated keys and all.
pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    if let Some(at) = too_deep(text) {
        let problem = format!("more than {MAX_DEPTH} levels of nesting");
        return Err(SyntaxError::at(text, at, problem));
    }
    let collected = CollectOptions::default();
    let parsed = parse_to_ast(
        text,
        &collected,
        &ParseOptions {
            allow_comments: true,
            allow_trailing_commas: true,
            allow_loose_object_property_names: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        },
    );
    let parsed = parsed.map_err(|error| {
        SyntaxError::at(text, error.range().start, lower(&error.kind().to_string()))
    })?;
    let nothing = || SyntaxError::at(text, text.len(), "it is empty".to_owned());
    parsed.value.map(value).ok_or_else(nothing)
}

/// Line and column of a byte, from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (line_of(text, at), before[start..].chars().count() + 1)
}

/// The line of a byte, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// The first bracket that is too deep.
fn too_deep(text: &str) -> Option<usize> {
    let mut scanner = Scanner::new(text, &ScannerOptions::default());
    let mut depth = 0_usize;
    // What cannot be scanned, the parser says.
    while let Ok(Some(token)) = scanner.scan() {
        match token {
            Token::OpenBrace | Token::OpenBracket => depth += 1,
            Token::CloseBrace | Token::CloseBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(scanner.token_start());
        }
    }
    None
}

fn lower(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn value(node: ast::Value<'_>) -> Value {
    match node {
        ast::Value::StringLit(text) => Value::Text(text.value.into_owned()),
        ast::Value::NumberLit(number) => Value::Number(number.value.to_owned()),
        ast::Value::BooleanLit(flag) => Value::Flag(flag.value),
        ast::Value::NullKeyword(_) => Value::Other("null"),
        ast::Value::Array(list) => Value::List(list.elements.into_iter().map(value).collect()),
        ast::Value::Object(table) => {
            Value::Table(table.properties.into_iter().map(entry).collect())
        }
    }
}

fn entry(property: ast::ObjectProp<'_>) -> Entry {
    Entry {
        key: property.name.into_string(),
        at: Some(property.range.start),
        value: value(property.value),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(text: &str) -> String {
        let error = parse(text).unwrap_err();
        format!("{}: {error}", error.place())
    }

    #[test]
    fn comments_and_commas_at_the_end_are_passed_over() {
        let commented = "// what is here\n{ /* a list */ \"a\": [1, // one\n 2,], \"b\": {\"c\": \
                         \"// no comment\",},\n}\n// the end";
        let plain = r#"{"a": [1, 2], "b": {"c": "// no comment"}}"#;
        let keys = |text: &str| {
            let Ok(Value::Table(entries)) = parse(text) else { panic!("{text}") };
            entries.into_iter().map(|Entry { key, value, .. }| (key, value)).collect::<Vec<_>>()
        };
        let (a, b) = (keys(commented), keys(plain));
        assert_eq!((&a[0], &a[1].0), (&b[0], &b[1].0));
        let Value::Table(inner) = &a[1].1 else { panic!("{a:?}") };
        assert_eq!(inner[0].value, Value::Text("// no comment".to_owned()));
    }

    #[test]
    fn a_number_keeps_its_digits() {
        for text in ["3.10", "1915883588174806058", "1e3", "-0"] {
            assert_eq!(parse(text), Ok(Value::Number(text.to_owned())));
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_there_twice() {
        let Ok(Value::Table(entries)) = parse(r#"{"a": 1, "\u0061": 2}"#) else { panic!() };
        let places: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), entry.at)).collect();
        assert_eq!(places, [("a", Some(1)), ("a", Some(9))]);
    }

    #[test]
    fn what_is_not_json_is_told_with_line_and_column_and_without_a_value() {
        for (text, expected) in [
            ("", "line 1, column 1: not JSON: it is empty"),
            ("// only this\n", "line 2, column 1: not JSON: it is empty"),
            ("{\n  \"a\": {,}\n}", "line 2, column 9: not JSON: unexpected token in object"),
            ("{\"é\": canary}", "line 1, column 7: not JSON: unexpected token"),
            ("{\"a\": 1 \"b\": 2}", "line 1, column 8: not JSON: expected comma"),
            ("{\"a\": 1", "line 1, column 1: not JSON: unterminated object"),
            (
                "{\"a\": 'canary'}",
                "line 1, column 7: not JSON: single-quoted strings are not allowed",
            ),
            ("{a: 1}", "line 1, column 2: not JSON: expected string for object property"),
            ("{} {}", "line 1, column 4: not JSON: text cannot contain more than one JSON value"),
            ("{} /* canary", "line 1, column 4: not JSON: unterminated comment block"),
        ] {
            assert_eq!(problem(text), expected, "{text}");
        }
    }

    #[test]
    fn nesting_without_end_is_refused_before_it_is_read() {
        assert!(parse(&format!("{}{}", "[".repeat(128), "]".repeat(128))).is_ok());
        for open in ["[", "{\"a\":", "[\n"] {
            let problem = problem(&open.repeat(300_000));
            assert!(problem.ends_with("more than 128 levels of nesting"), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn what_serde_json_reads_is_read(json in any::<[f64; 2]>(), text in "(?s).{0,12}") {
            let json = serde_json::json!({ text.clone(): [json[0], json[1]], "x": {"y": text} });
            prop_assert!(parse(&json.to_string()).is_ok());
            let pretty = serde_json::to_string_pretty(&json).unwrap();
            prop_assert!(parse(&pretty).is_ok());
        }

        #[test]
        fn any_text_is_a_value_or_an_error(text in "(?s)([\\[\\]{}:\"',.#/*\\\\utrue0-9 \n]|.){0,40}") {
            let _ = parse(&text);
        }
    }
}
