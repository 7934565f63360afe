//! Texts as a model takes them: the numbers of their word pieces, between two marks.

use mcp_conductor_wordpiece::Vocabulary as Pieces;

/// Pieces of a text that count, the two marks included: what all-MiniLM-L6-v2 was trained with
/// (its `sentence_bert_config.json` has `max_seq_length` 256).
pub const MAX_PIECES: usize = 256;

/// Bytes of a text that are read: 64 for each piece, of which English takes 5.
const MAX_TEXT: usize = 64 * MAX_PIECES;

/// The marks that every text has, and the piece for what cannot be split.
const BEGIN: &str = "[CLS]";
const END: &str = "[SEP]";
const UNKNOWN: &str = "[UNK]";

/// The word pieces of a model, in the order of their numbers.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pieces: Pieces,
    begin: u32,
    end: u32,
    unknown: u32,
}

impl Vocabulary {
    /// Reads `vocab.txt`: a piece a line. The error names a piece that is missing.
    pub(crate) fn parse(text: String) -> Result<Self, &'static str> {
        let pieces = Pieces::new(text);
        let number = |piece| pieces.id(piece).ok_or(piece);
        let (begin, end, unknown) = (number(BEGIN)?, number(END)?, number(UNKNOWN)?);
        Ok(Self { pieces, begin, end, unknown })
    }

    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The numbers of a text's pieces, between the two marks; at most [`MAX_PIECES`].
    pub(crate) fn pieces(&self, text: &str) -> Vec<u32> {
        let text = &text[..text.floor_char_boundary(MAX_TEXT)];
        let own = self.pieces.pieces(text, MAX_PIECES - 2, self.unknown);
        let mut pieces = Vec::with_capacity(own.len() + 2);
        pieces.push(self.begin);
        pieces.extend(own);
        pieces.push(self.end);
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nplay\n##ing\n文";

    fn vocabulary() -> Vocabulary {
        Vocabulary::parse(PIECES.to_owned()).unwrap()
    }

    #[test]
    fn a_text_is_between_two_marks() {
        assert_eq!(vocabulary().pieces("playing zebra"), [2, 4, 5, 1, 3]);
        assert_eq!(vocabulary().pieces(""), [2, 3]);
    }

    #[test]
    fn a_long_text_is_cut() {
        for text in ["play ", "文"] {
            let all = vocabulary().pieces(&text.repeat(100_000));
            assert_eq!((all.len(), all[0], all[MAX_PIECES - 1]), (MAX_PIECES, 2, 3));
        }
    }

    #[test]
    fn a_vocabulary_without_its_marks_is_an_error() {
        assert_eq!(Vocabulary::parse("[CLS]\n[UNK]".to_owned()).unwrap_err(), "[SEP]");
    }
}
