//! Characters as BERT's own tokenizer takes them.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

pub(crate) enum Kind {
    Dropped,
    Space,
    /// A word of its own.
    Alone,
    Part,
}

pub(crate) fn kind(c: char) -> Kind {
    use GeneralCategory as G;
    match c {
        ' ' | '\t' | '\n' | '\r' => return Kind::Space,
        '\0' | '\u{fffd}' => return Kind::Dropped,
        'a'..='z' | 'A'..='Z' | '0'..='9' => return Kind::Part,
        // BERT's rule for ASCII: signs are punctuation too.
        '!'..='~' => return Kind::Alone,
        _ if is_ideograph(c) => return Kind::Alone,
        _ => {}
    }
    match get_general_category(c) {
        G::Control | G::Format | G::PrivateUse | G::Surrogate | G::Unassigned => Kind::Dropped,
        G::SpaceSeparator | G::LineSeparator | G::ParagraphSeparator => Kind::Space,
        G::ConnectorPunctuation
        | G::DashPunctuation
        | G::OpenPunctuation
        | G::ClosePunctuation
        | G::InitialPunctuation
        | G::FinalPunctuation
        | G::OtherPunctuation => Kind::Alone,
        // Letters, marks, numbers and signs. The enumeration is another crate's and grows.
        _ => Kind::Part,
    }
}

/// A character in lower case and without marks.
pub(crate) fn plain(c: char) -> impl Iterator<Item = char> {
    std::iter::once(c).nfd().filter(|c| !is_mark(*c)).flat_map(char::to_lowercase)
}

fn is_mark(c: char) -> bool {
    !c.is_ascii() && get_general_category(c) == GeneralCategory::NonspacingMark
}

/// CJK Unified Ideographs and their extensions: each is a word.
fn is_ideograph(c: char) -> bool {
    matches!(
        c,
        '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{2a6df}'
            | '\u{2a700}'..='\u{2ceaf}'
            | '\u{2f800}'..='\u{2fa1f}'
    )
}
