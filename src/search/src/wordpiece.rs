//! Texts as the pieces of words that BERT's models know: `bert-base-uncased`, 30,522
//! pieces (Devlin et al. 2019; Wu et al. 2016, section 4.1).

use std::ops::ControlFlow;
use std::sync::LazyLock;

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

/// The pieces, one a line; the number of the line is the piece's id.
static VOCABULARY: &str = include_str!("../assets/vocab.txt");

/// Pieces of a text that are read, the usual of sentence encoders.
pub const MAX_PIECES: usize = 256;
/// Characters of a word that is split; a longer one is unknown, as in BERT.
const MAX_WORD: usize = 100;
/// The id of a word that cannot be split.
pub const UNKNOWN: u16 = 100;
/// What a piece begins with that goes on with a word.
const GOES_ON: &str = "##";
/// Places of the hash table: a power of two, twice the 30,522 pieces.
const SLOTS: usize = 1 << 16;
/// A place that is empty: there is no such id.
const EMPTY: u16 = u16::MAX;

/// The ids of a text's pieces, [`MAX_PIECES`] at most.
pub fn pieces(text: &str) -> Vec<u16> {
    let (mut ids, mut word) = (Vec::new(), String::new());
    // Not more is read than can matter, however much there is of it.
    let _ = text.chars().try_for_each(|c| match kind(c) {
        Kind::Dropped => ControlFlow::Continue(()),
        Kind::Space => end(&mut word, &mut ids),
        Kind::Alone => {
            end(&mut word, &mut ids)?;
            word.push(c);
            end(&mut word, &mut ids)
        }
        Kind::Part => {
            for c in std::iter::once(c).nfd().filter(|c| !is_mark(*c)) {
                word.extend(c.to_lowercase());
            }
            ControlFlow::Continue(())
        }
    });
    let _ = end(&mut word, &mut ids);
    ids.truncate(MAX_PIECES);
    ids
}

/// Splits a word that has ended. Breaks when there are pieces enough.
fn end(word: &mut String, ids: &mut Vec<u16>) -> ControlFlow<()> {
    if !word.is_empty() {
        split(word, ids);
        word.clear();
    }
    if ids.len() < MAX_PIECES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// The longest piece that a word begins with, then the longest that goes on with it.
fn split(word: &str, ids: &mut Vec<u16>) {
    let before = ids.len();
    if word.chars().take(MAX_WORD + 1).count() > MAX_WORD {
        return ids.push(UNKNOWN);
    }
    let mut rest = word;
    while !rest.is_empty() {
        match Pieces::shared().longest(rest, rest.len() < word.len()) {
            Some((id, bytes)) => {
                ids.push(id);
                rest = &rest[bytes..];
            }
            None => {
                ids.truncate(before);
                return ids.push(UNKNOWN);
            }
        }
    }
}

enum Kind {
    Dropped,
    Space,
    /// A word of its own.
    Alone,
    Part,
}

fn kind(c: char) -> Kind {
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

/// The pieces, by a hash table over the text of the vocabulary: 256 KiB, made once.
struct Pieces {
    /// Where each line begins, and the end.
    lines: Vec<u32>,
    slots: Vec<u16>,
    /// Bytes of the longest piece.
    longest: usize,
}

impl Pieces {
    fn shared() -> &'static Self {
        static PIECES: LazyLock<Pieces> = LazyLock::new(Pieces::new);
        &PIECES
    }

    fn new() -> Self {
        let mut pieces = Self { lines: vec![0], slots: vec![EMPTY; SLOTS], longest: 0 };
        let mut begin = 0;
        for (id, line) in VOCABULARY.split_terminator('\n').enumerate() {
            begin += line.len() + 1;
            pieces.lines.push(begin as u32);
            pieces.longest = pieces.longest.max(line.len());
            let mut slot = slot(hash(START, line));
            while pieces.slots[slot] != EMPTY {
                slot = (slot + 1) % SLOTS;
            }
            pieces.slots[slot] = id as u16;
        }
        pieces
    }

    fn line(&self, id: u16) -> &'static str {
        let id = usize::from(id);
        &VOCABULARY[self.lines[id] as usize..self.lines[id + 1] as usize - 1]
    }

    /// The longest piece that a text begins with: its id and bytes of the text.
    fn longest(&self, text: &str, goes_on: bool) -> Option<(u16, usize)> {
        let prefix = if goes_on { GOES_ON } else { "" };
        let mut state = hash(START, prefix);
        let (mut begin, mut found) = (0, None);
        for (at, c) in text.char_indices().take_while(|(at, _)| *at < self.longest) {
            let end = at + c.len_utf8();
            state = hash(state, &text[begin..end]);
            begin = end;
            if let Some(id) = self.id(state, prefix, &text[..end]) {
                found = Some((id, end));
            }
        }
        found
    }

    fn id(&self, hash: u64, prefix: &str, text: &str) -> Option<u16> {
        let mut slot = slot(hash);
        loop {
            let id = self.slots[slot];
            if id == EMPTY {
                return None;
            }
            if self.line(id).strip_prefix(prefix) == Some(text) {
                return Some(id);
            }
            slot = (slot + 1) % SLOTS;
        }
    }
}

/// FNV-1a, 64 bits, which goes on with what comes next.
const START: u64 = 0xcbf2_9ce4_8422_2325;

fn hash(state: u64, text: &str) -> u64 {
    text.bytes().fold(state, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn slot(hash: u64) -> usize {
    (hash ^ (hash >> 32)) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<&'static str> {
        pieces(text).into_iter().map(|id| Pieces::shared().line(id)).collect()
    }

    #[test]
    fn a_word_is_split_into_the_longest_pieces() {
        assert_eq!(shown("listing flightsearch"), ["listing", "flights", "##ear", "##ch"]);
    }

    #[test]
    fn case_and_accents_do_not_count() {
        assert_eq!(shown("Résumé"), ["resume"]);
        assert_eq!(pieces("CAFÉ"), pieces("cafe\u{301}"));
    }

    #[test]
    fn signs_and_ideographs_are_words_of_their_own() {
        assert_eq!(shown("a_b—c$"), ["a", "_", "b", "—", "c", "$"]);
        assert_eq!(shown("中文"), ["中", "文"]);
    }

    #[test]
    fn what_cannot_be_split_is_unknown() {
        assert_eq!(pieces("🦀"), [UNKNOWN]);
        assert_eq!(pieces(&"x".repeat(MAX_WORD + 1)), [UNKNOWN]);
    }

    #[test]
    fn a_text_has_at_most_256_pieces() {
        assert_eq!(pieces(&"word ".repeat(10_000)).len(), MAX_PIECES);
        assert_eq!(pieces(&"ab#".repeat(10_000)).len(), MAX_PIECES);
        assert!(pieces(&"\u{301}".repeat(10_000)).is_empty());
    }

    #[test]
    fn every_piece_is_found() {
        let pieces = Pieces::shared();
        for (id, line) in VOCABULARY.lines().enumerate() {
            assert_eq!(pieces.line(id as u16), line);
            assert_eq!(pieces.id(hash(START, line), "", line), Some(id as u16), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            prop_assert!(pieces(&text).len() <= MAX_PIECES);
        }
    }
}
