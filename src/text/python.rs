//! Names and string literals of Python.

use std::fmt::Write;

use super::shown::is_hidden;

/// Keywords (The Python Language Reference, section 2.3.1), which name nothing else.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

pub(crate) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// Whether a name of ASCII is an identifier. Of other names Python may read another one (NFKC).
pub(crate) fn is_plain_identifier(name: &str) -> bool {
    let continues = |c: char| c == '_' || c.is_ascii_alphanumeric();
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(continues)
        && !is_keyword(name)
}

/// A text as Python writes it, with what is not visible escaped.
pub(crate) fn string_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            c if c.is_control() || is_hidden(c) => {
                let _ = write!(literal, "\\U{:08x}", u32::from(c));
            }
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_python_reads_as_they_are_are_identifiers() {
        for name in ["a", "_a1", "create_issue", "match"] {
            assert!(is_plain_identifier(name), "{name}");
        }
        for name in ["", "1a", "a-b", "import", "None", "x\u{b2}", "\u{e4}"] {
            assert!(!is_plain_identifier(name), "{name}");
        }
    }

    #[test]
    fn a_literal_hides_nothing_and_does_not_end_early() {
        assert_eq!(string_literal("a\"b\\\n"), r#""a\"b\\\n""#);
        assert_eq!(string_literal("\u{202e}\0ä"), r#""\U0000202e\U00000000ä""#);
    }
}
