//! Texts as the pieces of words of `bert-base-uncased`, whose 30,522 rows the table has.

use std::sync::LazyLock;

use mcp_conductor_wordpiece::Vocabulary;

/// The pieces, one a line; the number of the line is the piece's id.
static TEXT: &str = include_str!("../assets/vocab.txt");

/// Pieces of a text that are read, the usual of sentence encoders.
pub const MAX_PIECES: usize = 256;

/// The id of a word that cannot be split.
pub const UNKNOWN: u32 = 100;

/// The ids of a text's pieces, [`MAX_PIECES`] at most.
pub fn pieces(text: &str) -> Vec<u32> {
    vocabulary().pieces(text, MAX_PIECES, UNKNOWN)
}

/// Made once, by the first text.
fn vocabulary() -> &'static Vocabulary {
    static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::new(TEXT));
    &VOCABULARY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<&'static str> {
        pieces(text).into_iter().map(|id| vocabulary().piece(id)).collect()
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
        assert_eq!(pieces(&"x".repeat(101)), [UNKNOWN]);
    }

    #[test]
    fn every_piece_is_found() {
        for (id, line) in (0..).zip(TEXT.lines()) {
            assert_eq!(vocabulary().piece(id), line);
            assert_eq!(vocabulary().id(line), Some(id), "{line}");
        }
    }
}
