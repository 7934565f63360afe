//! Names and string literals of ECMAScript (ECMA-262).

use std::fmt::Write;

use serde_json::Value;

use super::shown::is_hidden;

/// Names that the code of a module cannot bind (ECMA-262, section 12.7.2, with those
/// of strict mode). `yield` is not among them: a global may have that name.
const RESERVED: [&str; 47] = [
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
];

/// Names that a module's code cannot bind beside the reserved words, or TypeScript
/// cannot declare, and `then`: `await import(…)` calls an export of that name, because
/// a module with one is a thenable.
const UNUSABLE: [&str; 4] = ["globalThis", "then", "undefined", "yield"];

/// Whether a name is one that code cannot bind, `yield` aside.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Whether a name is one character that starts names, and then characters that
/// continue them.
pub(crate) fn is_spelt(
    name: &str,
    starts: impl FnOnce(char) -> bool,
    continues: impl FnMut(char) -> bool,
) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(starts) && characters.all(continues)
}

/// Whether a name can stand in code as it is. Some identifiers are refused; none is
/// accepted that is not one.
pub(crate) fn is_identifier(name: &str) -> bool {
    is_spelt(name, starts_identifier, continues_identifier) && !has_meaning(name)
}

/// Whether the language or a module's importer gives a name a meaning of its own.
pub(crate) fn has_meaning(name: &str) -> bool {
    is_reserved(name) || UNUSABLE.contains(&name)
}

/// A string literal of JavaScript and TypeScript, all of it visible and on one line.
pub(crate) fn string_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    for c in Value::from(text).to_string().chars() {
        if is_hidden(c) || matches!(c, '\u{2028}' | '\u{2029}') {
            for unit in c.encode_utf16(&mut [0; 2]).iter() {
                let _ = write!(literal, "\\u{unit:04x}");
            }
        } else {
            literal.push(c);
        }
    }
    literal
}

/// `ID_Start` holds every cased letter; of the others only the great East Asian
/// blocks are asked for, which saves a table.
pub(crate) fn starts_identifier(c: char) -> bool {
    continues_identifier(c)
        && !c.is_ascii_digit()
        && (c.is_ascii() || c.is_lowercase() || c.is_uppercase() || is_east_asian(c))
}

/// Whether a character is taken for one of `ID_Continue`, `_` or `$`.
pub(crate) fn continues_identifier(c: char) -> bool {
    match c {
        '_' | '$' => true,
        _ if c.is_ascii() => c.is_ascii_alphanumeric(),
        _ => c.is_alphabetic() && !is_alphabetic_only(c),
    }
}

/// What Unicode 17 calls alphabetic and not `ID_Continue`: letters in circles and
/// squares, and U+2E2F. U+0345 is a mark that counts as a lower-case letter.
fn is_alphabetic_only(c: char) -> bool {
    matches!(
        c,
        '\u{345}'
            | '\u{24b6}'..='\u{24e9}'
            | '\u{2e2f}'
            | '\u{1f130}'..='\u{1f149}'
            | '\u{1f150}'..='\u{1f169}'
            | '\u{1f170}'..='\u{1f189}'
    )
}

/// Letters of Hiragana, Katakana, the unified ideographs and Hangul.
fn is_east_asian(c: char) -> bool {
    matches!(
        c,
        '\u{3041}'..='\u{3096}'
            | '\u{309d}'..='\u{309f}'
            | '\u{30a1}'..='\u{30fa}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7a3}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_the_language_are_reserved() {
        for name in ["arguments", "await", "eval", "let", "null", "with"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["", "Await", "async", "of", "undefined", "yield"] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn a_name_starts_with_a_character_for_that() {
        let spelt = |name: &str| is_spelt(name, |c| c == 'a', |c| matches!(c, 'a' | '1'));
        for (name, expected) in
            [("a", true), ("a1a", true), ("", false), ("1a", false), ("ab", false)]
        {
            assert_eq!(spelt(name), expected, "{name:?}");
        }
    }

    #[test]
    fn names_with_a_meaning_in_the_language_are_no_identifiers() {
        for name in ["getFile", "get_file", "$", "_", "délète", "取得", "of", "async"] {
            assert!(is_identifier(name), "{name}");
        }
        for name in ["", "a-b", "2fa", "a b", "class", "then", "eval", "Ⓐ", "a\u{200d}"] {
            assert!(!is_identifier(name), "{name:?}");
        }
    }

    #[test]
    fn a_literal_is_visible_and_one_line() {
        assert_eq!(
            string_literal("a\"\\\n\u{2028}\u{202e}\u{7f}\u{e0041}é"),
            r#""a\"\\\n\u2028\u202e\u007f\udb40\udc41é""#
        );
    }

    proptest! {
        #[test]
        fn a_literal_reads_back_as_the_text(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&string_literal(&text)).unwrap(), text);
        }
    }
}
