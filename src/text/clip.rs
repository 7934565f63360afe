//! Texts cut to a length, always between characters. What a length counts, and what says
//! that there was more, is each function's own:
//!
//! | function | at most | says that there was more |
//! |---|---|---|
//! | [`head`], [`truncate`] | bytes | no |
//! | [`marked`], [`marked_with`] | bytes, and the mark | yes |
//! | [`visible`] | bytes of the text as it came, and the mark | yes |
//! | [`shortened`], [`line_of`] | characters, the mark among them | yes |

use std::borrow::Cow;

use super::shown;

/// What says that there was more.
const MORE: &str = "…";

/// The beginning of a text.
pub(crate) fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Leaves the beginning of a text, and gives the memory of the rest back.
pub(crate) fn truncate(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.shrink_to_fit();
    }
}

/// A text, or its beginning with a mark.
pub(crate) fn marked<'a>(text: impl Into<Cow<'a, str>>, bytes: usize) -> String {
    marked_with(text, bytes, MORE)
}

/// [`marked`], with this mark.
pub(crate) fn marked_with<'a>(text: impl Into<Cow<'a, str>>, bytes: usize, mark: &str) -> String {
    let text = text.into();
    if text.len() <= bytes {
        return text.into_owned();
    }
    format!("{}{mark}", head(&text, bytes))
}

/// A text that somebody else chose, as it is shown on one line ([`shown::line`]).
pub(crate) fn visible(text: &str, bytes: usize) -> String {
    let head = head(text, bytes);
    let mark = if head.len() < text.len() { MORE } else { "" };
    shown::line(head) + mark
}

/// A text, or its beginning, the last character of which is the mark.
pub(crate) fn shortened(mut text: String, characters: usize) -> String {
    if text.chars().nth(characters).is_some() {
        let kept = characters.saturating_sub(1);
        text.truncate(text.char_indices().nth(kept).map_or(0, |(end, _)| end));
        text.push_str(MORE);
    }
    text
}

/// A text that somebody else chose on one line, with one space wherever it has white space.
pub(crate) fn line(text: &str) -> String {
    shown::line(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// [`line`] and [`shortened`].
pub(crate) fn line_of(text: &str, characters: usize) -> String {
    // A character has four bytes at the most. What is not visible is not counted here:
    // a text of nothing else has an end too.
    let text = head(text, characters.max(1).saturating_mul(16));
    shortened(line(text), characters)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_becomes_one_visible_line() {
        assert_eq!(line_of(" a\r\n\tb\u{2028}c\u{202e}d\u{0}\u{e0041} ", 80), "a b cd");
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        assert_eq!(line_of("déjà vu", 7), "déjà vu");
        assert_eq!(line_of("déjà vu", 4), "déj…");
        assert_eq!(line_of("déjà vu", 0), "…");
    }

    #[test]
    fn a_text_is_cut_between_characters_and_says_so_where_that_is_asked_for() {
        for (bytes, expected) in [(0, ""), (1, ""), (2, "é"), (3, "éa"), (9, "éa")] {
            assert_eq!(head("éa", bytes), expected, "{bytes}");
            let mut text = "éa".to_owned();
            truncate(&mut text, bytes);
            assert_eq!(text, expected, "{bytes}");
        }
        assert_eq!(marked("éa", 3), "éa");
        assert_eq!(marked("éa".to_owned(), 1), "…");
        assert_eq!(marked_with("'éa'", 4, "…'"), "'éa…'");
        assert_eq!(visible("a\n\u{202e}b", 9), "a b");
        assert_eq!(visible("a\nbc", 3), "a b…");
    }

    proptest! {
        #[test]
        fn any_text_is_a_line_of_so_many_characters(
            text in any::<String>(), limit in 1_usize..40
        ) {
            let line = line_of(&text, limit);
            prop_assert!(line.chars().count() <= limit);
            prop_assert!(!line.chars().any(shown::is_hidden));
        }
    }
}
