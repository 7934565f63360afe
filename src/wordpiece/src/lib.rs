//! Texts as the pieces of words that BERT's uncased models know (Devlin et al. 2019; Wu et al.
//! 2016, section 4.1): lower case without marks, words parted at white space and punctuation, and
//! each word as the longest pieces that a vocabulary has.
//!
//! ```text
//! text → characters by their kind → words → Vocabulary → numbers of pieces
//! ```

mod characters;
mod vocabulary;

use std::ops::ControlFlow;

use characters::{Kind, kind, plain};
pub use vocabulary::Vocabulary;

/// Characters of a word that is split; a longer one is unknown, as in BERT.
const MAX_WORD: usize = 100;

/// Bytes of a word that are kept: a longer one has more than [`MAX_WORD`] characters, of at most
/// 4 bytes, and is unknown whatever follows.
const MAX_KEPT: usize = 4 * MAX_WORD;

impl Vocabulary {
    /// The numbers of a text's pieces, `most` at most. A word that cannot be split is `unknown`.
    /// Not more of the text is read than can matter.
    pub fn pieces(&self, text: &str, most: usize, unknown: u32) -> Vec<u32> {
        let mut split = Split { vocabulary: self, most, unknown, word: String::new(), ids: vec![] };
        let _ = text.chars().try_for_each(|c| split.read(c));
        let _ = split.end();
        split.ids.truncate(most);
        split.ids
    }
}

/// A text that is being split.
struct Split<'a> {
    vocabulary: &'a Vocabulary,
    most: usize,
    unknown: u32,
    word: String,
    ids: Vec<u32>,
}

impl Split<'_> {
    fn read(&mut self, c: char) -> ControlFlow<()> {
        match kind(c) {
            Kind::Dropped => ControlFlow::Continue(()),
            Kind::Space => self.end(),
            Kind::Alone => {
                self.end()?;
                self.word.push(c);
                self.end()
            }
            Kind::Part => {
                if self.word.len() <= MAX_KEPT {
                    self.word.extend(plain(c));
                }
                ControlFlow::Continue(())
            }
        }
    }

    /// Splits a word that has ended. Breaks when there are pieces enough.
    fn end(&mut self) -> ControlFlow<()> {
        if !self.word.is_empty() {
            self.split();
            self.word.clear();
        }
        if self.ids.len() < self.most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// The longest piece that a word begins with, then the longest that goes on with it.
    fn split(&mut self) {
        let before = self.ids.len();
        if self.word.chars().take(MAX_WORD + 1).count() > MAX_WORD {
            return self.ids.push(self.unknown);
        }
        let mut rest = self.word.as_str();
        while !rest.is_empty() {
            match self.vocabulary.longest(rest, rest.len() < self.word.len()) {
                Some((id, bytes)) => {
                    self.ids.push(id);
                    rest = &rest[bytes..];
                }
                None => {
                    self.ids.truncate(before);
                    return self.ids.push(self.unknown);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIECES: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nplay\n##ing\n##s\ncafe\n.\n文\n##";

    fn pieces(text: &str) -> Vec<u32> {
        Vocabulary::new(PIECES).pieces(text, 256, 1)
    }

    #[test]
    fn words_are_their_longest_pieces() {
        assert_eq!(pieces("Playing plays"), [4, 5, 4, 6]);
        assert_eq!(pieces(""), [0; 0]);
    }

    #[test]
    fn case_and_marks_make_no_difference() {
        assert_eq!(pieces("CAFÉ cafe\u{301}"), [7, 7]);
    }

    #[test]
    fn punctuation_and_ideographs_are_words_of_their_own() {
        assert_eq!(pieces("play.文文\tplay"), [4, 8, 9, 9, 4]);
    }

    #[test]
    fn what_does_not_show_is_not_read() {
        assert_eq!(pieces("pl\u{200b}ay\0s"), [4, 6]);
    }

    #[test]
    fn a_word_that_cannot_be_split_is_one_unknown_piece() {
        assert_eq!(pieces("playzebra play"), [1, 4]);
        assert_eq!(pieces(&format!("{} play", "s".repeat(500))), [1, 4]);
        assert_eq!(pieces(&"play".repeat(26)), [1]);
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(pieces(&"play ".repeat(100_000)), vec![4; 256]);
        assert_eq!(pieces(&"文".repeat(100_000)), vec![9; 256]);
        assert!(pieces(&"\u{301}".repeat(10_000)).is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>(), most in 0..300_usize) {
            prop_assert!(Vocabulary::new(PIECES).pieces(&text, most, 1).len() <= most);
        }
    }
}
