//! Text that somebody else chose, as it may be shown: to a user, to a model or in the
//! log. What nobody sees and a model may obey is not in it, nor what changes the order
//! of what is seen.
//!
//! The set: controls (Unicode's Cc); the embeddings, overrides and isolates of
//! CVE-2021-42574 ("Trojan Source", UTS #55 section 4); tags, in which whole sentences
//! can be hidden; of the other code points with `Default_Ignorable_Code_Point`
//! (DerivedCoreProperties.txt; UTS #39 section 3.1 wants them in no identifier) those
//! that no orthography needs. Kept are the joiners of emoji, Persian and the scripts of
//! India (U+200C, U+200D), the marks of direction that Hebrew and Arabic texts have
//! (U+200E, U+200F, U+061C), which override nothing, and variation selectors (of
//! Mongolian too): one of each after a character, because rows of them can hide bytes.

/// Whether a character is never shown.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e00ff}'
                | '\u{e01f0}'..='\u{e0fff}'
        )
}

/// What is shown only after a character that it changes.
fn changes_another(c: char) -> bool {
    matches!(
        c,
        '\u{180b}'..='\u{180d}'
            | '\u{180f}'
            | '\u{200c}'
            | '\u{200d}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// A mark of direction, which is shown by what is beside it.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// Whether a text with this character may have something that is not shown.
pub(crate) fn may_be_hidden(c: char) -> bool {
    is_hidden(c) || changes_another(c) || is_mark(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A text on one line, or on as many as it has: a line's end is a space, or stays.
fn shown(text: &str, lines: bool) -> impl Iterator<Item = char> {
    // U+FE0F and a joiner may follow each other; nothing may follow itself.
    let mut before = [' '; 2];
    text.chars().filter_map(move |c| {
        let c = match c {
            '\n' | '\t' if lines => c,
            '\u{2028}' | '\u{2029}' => ' ',
            // Words that a line's end or an escape parted stay parted.
            c if c.is_control() => ' ',
            c if is_hidden(c) => return None,
            c => c,
        };
        let is_nothing = |before: char| is_mark(before) || before.is_whitespace();
        let is_alone = changes_another(c)
            && (is_nothing(before[1]) || before.into_iter().all(changes_another) || before[1] == c);
        if is_alone || is_mark(c) && is_mark(before[1]) {
            return None;
        }
        before = [before[1], c];
        Some(c)
    })
}

/// A text on one line.
pub(crate) fn line(text: &str) -> String {
    shown(text, false).collect()
}

/// A text on as many lines as it has.
pub(crate) fn lines(text: &str) -> String {
    shown(text, true).collect()
}

/// Whether all of a text on one line is shown.
pub(crate) fn is_visible(text: &str) -> bool {
    shown(text, false).eq(text.chars())
}

/// The same for a name, which has no marks: it would look like another.
pub(crate) fn is_visible_name(name: &str) -> bool {
    is_visible(name) && !name.contains(is_mark)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_nobody_sees_is_not_shown() {
        for hidden in [
            "\u{202e}",
            "\u{202a}",
            "\u{2066}",
            "\u{2069}",
            "\u{200b}",
            "\u{2060}",
            "\u{feff}",
            "\u{ad}",
            "\u{e0001}",
            "\u{e0041}",
            "\u{e007f}",
            "\u{3164}",
            "\u{34f}",
            "\u{fffa}",
            "\u{115f}",
            "\u{1160}",
            "\u{17b4}",
            "\u{17b5}",
            "\u{180e}",
        ] {
            assert_eq!(line(&format!("a{hidden}b")), "ab", "{hidden:?}");
            assert!(!is_visible(&format!("a{hidden}b")), "{hidden:?}");
        }
        for control in ["\u{1b}", "\0", "\u{9b}", "\r", "\u{2028}"] {
            assert_eq!(line(&format!("a{control}b")), "a b", "{control:?}");
        }
        assert_eq!(line("a\nb\tc"), "a b c");
        assert_eq!(lines("a\r\nb\tc"), "a \nb\tc");
    }

    #[test]
    fn honest_text_stays_as_it_is() {
        for text in [
            "plain, with \"quotes\" & <tags>",
            "👩\u{200d}👩\u{200d}👧\u{200d}👦 and ❤\u{fe0f}\u{200d}🔥, 🏳\u{fe0f}\u{200d}🌈",
            "می\u{200c}خواهم",
            "क्\u{200d}ष and क्\u{200c}ष",
            "שלום \u{200f}(C++)\u{200f} עולם",
            "مرحبا \u{61c}123",
            "葛\u{e0100}城市",
            "ᠠ\u{180b}ᠨ",
            "❤\u{fe0f}\u{200f} אהבה",
            "Straße, naïve, e\u{301}, 取得文件, 🎉",
        ] {
            assert_eq!(line(text), text);
            assert!(is_visible(text), "{text}");
        }
    }

    #[test]
    fn rows_of_selectors_and_joiners_hide_nothing() {
        let hidden: String =
            "hidden".bytes().filter_map(|b| char::from_u32(0xe0100 + u32::from(b))).collect();
        assert_eq!(line(&format!("😀{hidden}!")).chars().count(), 4);
        assert_eq!(line("a\u{200d}\u{200d}\u{200d}\u{200d}b"), "a\u{200d}b");
        assert_eq!(line("\u{200d}a"), "a");
        assert_eq!(line("ᠠ\u{180b}\u{180c}\u{180d}\u{180f}"), "ᠠ\u{180b}\u{180c}");
    }

    #[test]
    fn rows_of_marks_hide_nothing_and_no_name_has_one() {
        let bits = "\u{200e}\u{200f}\u{61c}\u{200e}".repeat(100);
        assert_eq!(line(&format!("a{bits}b")), "a\u{200e}b");
        let mixed = "\u{200e}\u{200d}\u{200f}\u{fe0f}\u{61c}\u{180b}".repeat(100);
        assert_eq!(line(&format!("a{mixed}b")), "a\u{200e}b");
        let mixed = "\u{fe0f}\u{200d}\u{200f}".repeat(100);
        assert_eq!(line(&format!("a{mixed}b")), "a\u{fe0f}\u{200d}\u{200f}b");
        for text in [bits, mixed] {
            assert!(text.chars().all(may_be_hidden));
        }
        for (name, is_one) in [("ping", true), ("پینگ", true), ("pi\u{200e}ng", false)] {
            assert_eq!(is_visible_name(name), is_one, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_shown_as_it_is(text in any::<String>()) {
            let once = line(&text);
            prop_assert!(is_visible(&once), "{:?}", once);
            prop_assert!(!once.chars().any(is_hidden));
        }
    }
}
