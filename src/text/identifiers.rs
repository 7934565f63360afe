//! What ECMA-262 says of names, as far as more than one module asks.

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

#[cfg(test)]
mod tests {
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
}
