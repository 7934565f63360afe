//! Texts as word pieces, as BERT's uncased models split them: NFD without marks, lower case,
//! words parted at white space and punctuation, and each word as the longest pieces that the
//! vocabulary has.

use std::collections::HashMap;

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

/// Pieces of a text that count, the two marks included: what all-MiniLM-L6-v2 was trained with
/// (its `sentence_bert_config.json` has `max_seq_length` 256).
pub const MAX_PIECES: usize = 256;

/// Bytes of a text that are read: 64 for each piece, of which English takes 5.
const MAX_TEXT: usize = 64 * MAX_PIECES;

/// Characters of a word that is looked up, as in BERT's own tokenizer.
const MAX_WORD: usize = 100;

/// What begins a piece that goes on with a word.
const GOES_ON: &str = "##";

/// The marks that every text has, and the piece for what cannot be split.
const BEGIN: &str = "[CLS]";
const END: &str = "[SEP]";
const UNKNOWN: &str = "[UNK]";

/// The word pieces of a model, in the order of their numbers.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    begins: HashMap<Box<str>, u32>,
    goes_on: HashMap<Box<str>, u32>,
    begin: u32,
    end: u32,
    unknown: u32,
    len: usize,
}

impl Vocabulary {
    /// Reads `vocab.txt`: a piece a line. The error names a piece that is missing.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut begins, mut goes_on) = (HashMap::new(), HashMap::new());
        let mut len = 0;
        for (number, piece) in (0_u32..).zip(text.lines()) {
            let (pieces, piece) = match piece.strip_prefix(GOES_ON) {
                Some(rest) if !rest.is_empty() => (&mut goes_on, rest),
                Some(_) | None => (&mut begins, piece),
            };
            pieces.entry(piece.into()).or_insert(number);
            len += 1;
        }
        let number = |piece| begins.get(piece).copied().ok_or(piece);
        let (begin, end, unknown) = (number(BEGIN)?, number(END)?, number(UNKNOWN)?);
        Ok(Self { begins, goes_on, begin, end, unknown, len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The numbers of a text's pieces, between the two marks; at most [`MAX_PIECES`].
    pub(crate) fn pieces(&self, text: &str) -> Vec<u32> {
        let mut pieces = vec![self.begin];
        let mut word = Vec::with_capacity(MAX_WORD + 1);
        for character in characters(head(text)) {
            match kind(character) {
                Kind::Letter if word.len() > MAX_WORD => {}
                Kind::Letter => word.push(character),
                Kind::Space => self.end_word(&mut word, &mut pieces),
                Kind::Alone => {
                    self.end_word(&mut word, &mut pieces);
                    word.push(character);
                    self.end_word(&mut word, &mut pieces);
                }
            }
            if pieces.len() >= MAX_PIECES {
                break;
            }
        }
        self.end_word(&mut word, &mut pieces);
        pieces.truncate(MAX_PIECES - 1);
        pieces.push(self.end);
        pieces
    }

    fn end_word(&self, word: &mut Vec<char>, pieces: &mut Vec<u32>) {
        let before = pieces.len();
        let mut rest = word.as_slice();
        while !rest.is_empty() {
            let longest = if word.len() > MAX_WORD { None } else { self.longest(rest, word) };
            let Some((number, length)) = longest else {
                pieces.truncate(before);
                pieces.push(self.unknown);
                break;
            };
            pieces.push(number);
            rest = &rest[length..];
        }
        word.clear();
    }

    /// The longest piece at the beginning of the rest of a word, and its length.
    fn longest(&self, rest: &[char], word: &[char]) -> Option<(u32, usize)> {
        let known = if rest.len() == word.len() { &self.begins } else { &self.goes_on };
        let mut text: String = rest.iter().collect();
        for length in (1..=rest.len()).rev() {
            if let Some(number) = known.get(text.as_str()) {
                return Some((*number, length));
            }
            text.pop();
        }
        None
    }
}

/// What of a text is read: whole characters.
fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// Characters in lower case and without marks.
fn characters(text: &str) -> impl Iterator<Item = char> {
    text.nfd().filter(|character| !is_mark(*character)).flat_map(char::to_lowercase)
}

fn is_mark(character: char) -> bool {
    !character.is_ascii() && get_general_category(character) == GeneralCategory::NonspacingMark
}

enum Kind {
    Letter,
    Space,
    /// A word of its own.
    Alone,
}

fn kind(character: char) -> Kind {
    use GeneralCategory as Category;
    if character.is_ascii_alphanumeric() {
        return Kind::Letter;
    }
    if character.is_ascii_punctuation() || is_ideograph(character) {
        return Kind::Alone;
    }
    match get_general_category(character) {
        _ if character.is_whitespace() => Kind::Space,
        Category::ConnectorPunctuation
        | Category::DashPunctuation
        | Category::OpenPunctuation
        | Category::ClosePunctuation
        | Category::InitialPunctuation
        | Category::FinalPunctuation
        | Category::OtherPunctuation => Kind::Alone,
        // BERT drops what is left of these; between words it makes no difference that matters.
        Category::Control | Category::Format => Kind::Space,
        _ => Kind::Letter,
    }
}

/// The blocks that BERT's own tokenizer names.
fn is_ideograph(character: char) -> bool {
    matches!(character,
        '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{20000}'..='\u{2A6DF}'
        | '\u{2A700}'..='\u{2B73F}' | '\u{2B740}'..='\u{2B81F}' | '\u{2B820}'..='\u{2CEAF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{2F800}'..='\u{2FA1F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nplay\n##ing\n##s\ncafe\n.\n文\n##";

    fn pieces(text: &str) -> Vec<u32> {
        let all = Vocabulary::parse(PIECES).unwrap().pieces(text);
        assert_eq!((all[0], all[all.len() - 1]), (2, 3), "{text}");
        all[1..all.len() - 1].to_vec()
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
    fn a_word_that_cannot_be_split_is_one_unknown_piece() {
        assert_eq!(pieces("playzebra play"), [1, 4]);
        assert_eq!(pieces(&format!("{} play", "s".repeat(500))), [1, 4]);
    }

    #[test]
    fn a_long_text_is_cut() {
        let all = Vocabulary::parse(PIECES).unwrap().pieces(&"play ".repeat(100_000));
        assert_eq!((all.len(), all[MAX_PIECES - 1]), (MAX_PIECES, 3));
        let many = Vocabulary::parse(PIECES).unwrap().pieces(&"文".repeat(100_000));
        assert_eq!(many.len(), MAX_PIECES);
    }

    #[test]
    fn a_vocabulary_without_its_marks_is_an_error() {
        assert_eq!(Vocabulary::parse("[CLS]\n[UNK]").unwrap_err(), "[SEP]");
    }
}
