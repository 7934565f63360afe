//! The pieces of a model, by a hash table over the text that has them.

use std::borrow::Cow;

/// What a piece begins with that goes on with a word.
const GOES_ON: &str = "##";

/// A place of the hash table that is empty: there is no such number.
const EMPTY: u32 = u32::MAX;

/// Pieces, known by their numbers. Beside the text it takes 12 to 20 bytes a piece: 380 KB for the
/// 30,522 of `bert-base-uncased`.
#[derive(Debug)]
pub struct Vocabulary {
    text: Cow<'static, str>,
    /// Where each line begins, and the end.
    lines: Vec<u32>,
    /// Numbers of pieces by their hash; places are a power of two, and half of them are empty.
    slots: Vec<u32>,
    /// Bytes of the longest piece.
    longest: usize,
}

impl Vocabulary {
    /// Of a text with a piece a line; the number of the line, from 0, is the piece's. Of a piece
    /// that is there twice the first one counts. The text has less than 4 GiB.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        let mut lines = vec![0];
        let mut end = 0;
        for line in text.split_inclusive('\n') {
            end += line.len();
            lines.push(end as u32);
        }
        let slots = vec![EMPTY; (2 * lines.len()).next_power_of_two()];
        let mut vocabulary = Self { text, lines, slots, longest: 0 };
        for id in 0..vocabulary.len() as u32 {
            vocabulary.insert(id);
        }
        vocabulary
    }

    fn insert(&mut self, id: u32) {
        let piece = self.piece(id);
        let (length, mut slot) = (piece.len(), self.slot(hash(START, piece)));
        while self.slots[slot] != EMPTY {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = id;
        self.longest = self.longest.max(length);
    }

    /// How many pieces there are.
    pub fn len(&self) -> usize {
        self.lines.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of a piece.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.find(hash(START, piece), "", piece)
    }

    /// The piece of a number.
    ///
    /// # Panics
    /// There are fewer pieces.
    pub fn piece(&self, id: u32) -> &str {
        let line =
            &self.text[self.lines[id as usize] as usize..self.lines[id as usize + 1] as usize];
        let line = line.strip_suffix('\n').unwrap_or(line);
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// The longest piece that a text begins with: its number, and bytes of the text.
    pub(crate) fn longest(&self, text: &str, goes_on: bool) -> Option<(u32, usize)> {
        let prefix = if goes_on { GOES_ON } else { "" };
        let mut state = hash(START, prefix);
        let (mut begin, mut found) = (0, None);
        for (at, c) in text.char_indices().take_while(|(at, _)| *at < self.longest) {
            let end = at + c.len_utf8();
            state = hash(state, &text[begin..end]);
            begin = end;
            if let Some(id) = self.find(state, prefix, &text[..end]) {
                found = Some((id, end));
            }
        }
        found
    }

    fn find(&self, hash: u64, prefix: &str, text: &str) -> Option<u32> {
        let mut slot = self.slot(hash);
        loop {
            let id = self.slots[slot];
            if id == EMPTY {
                return None;
            }
            if self.piece(id).strip_prefix(prefix) == Some(text) {
                return Some(id);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    fn slot(&self, hash: u64) -> usize {
        (hash ^ (hash >> 32)) as usize & (self.slots.len() - 1)
    }
}

/// FNV-1a, 64 bits, which goes on with what comes next.
const START: u64 = 0xcbf2_9ce4_8422_2325;

fn hash(state: u64, text: &str) -> u64 {
    text.bytes().fold(state, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_found_whatever_ends_its_line() {
        for text in ["a\n##b\nc", "a\n##b\nc\n", "a\r\n##b\r\nc\r\n"] {
            let vocabulary = Vocabulary::new(text);
            let pieces = ["a", "##b", "c"];
            assert_eq!(pieces.map(|piece| vocabulary.id(piece)), [Some(0), Some(1), Some(2)]);
            assert_eq!([0, 1, 2].map(|id| vocabulary.piece(id)), pieces, "{text:?}");
            assert_eq!((vocabulary.len(), vocabulary.id("d")), (3, None));
        }
    }

    #[test]
    fn of_a_piece_that_is_there_twice_the_first_counts() {
        assert_eq!(Vocabulary::new("a\nb\na").id("a"), Some(0));
    }

    #[test]
    fn none_is_found_among_none() {
        let vocabulary = Vocabulary::new("");
        assert!(vocabulary.is_empty());
        assert_eq!(vocabulary.longest("a", false), None);
    }
}
