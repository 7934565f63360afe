//! The table of vectors of pieces of words, which is built in. It is read where the
//! program has been mapped: it costs the pages that are touched, and no copy is made.
//!
//! Its form: `TOOLEMB1`, rows and dimensions (u32), a scale of each row (f32), and the
//! rows (i8), all little-endian. `assets/NOTICE` says what it was made of.

use crate::encoder::Encoder;
use crate::stop_words::is_stop_word;
use crate::vectors::product;
use crate::wordpiece::{MAX_PIECES, UNKNOWN, pieces};
use crate::words::words;

static TABLE: &[u8] = include_bytes!("../assets/table.bin");

/// Rows, which are the pieces of the vocabulary.
const ROWS: usize = 30_522;
/// Numbers of a row.
pub const DIMENSIONS: usize = 256;
const HEADER: usize = 16;
const SCALES: usize = 4 * ROWS;
/// The size of a file of this form; another is not compiled.
const _: () = assert!(TABLE.len() == HEADER + SCALES + ROWS * DIMENSIONS);

/// The table that is built in: 256 dimensions, distilled from all-MiniLM-L6-v2.
#[derive(Debug, Clone, Copy, Default)]
pub struct Table;

impl Encoder for Table {
    fn name(&self) -> &str {
        "table-1"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    /// The sum of the rows of the text's pieces, each by its scale, which has the row's
    /// quantisation and the weight of how seldom the piece is.
    fn encode(&self, text: &str) -> Vec<f32> {
        let mut sum = vec![0.0; DIMENSIONS];
        for piece in pieces(text) {
            add(&mut sum, piece as usize);
        }
        normalise(&mut sum);
        sum
    }

    /// The vector of a word of several pieces is that of words which happen to begin or end
    /// as it does: one of its words must be a piece of its own.
    fn knows(&self, text: &str) -> bool {
        let words = words(text).into_iter().filter(|word| !is_stop_word(word));
        words.take(MAX_PIECES).any(|word| word.len() > 1 && is_known(&word))
    }

    /// As measured: docs/search.md.
    fn weight_of_words(&self) -> f32 {
        0.4
    }

    /// As measured: docs/search.md.
    fn floor(&self) -> f32 {
        0.15
    }
}

fn is_known(word: &str) -> bool {
    matches!(pieces(word)[..], [piece] if piece != UNKNOWN)
}

fn add(sum: &mut [f32], row: usize) {
    let scale = &TABLE[HEADER + 4 * row..][..4];
    let scale = f32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
    if scale == 0.0 {
        return;
    }
    let numbers = &TABLE[HEADER + SCALES + row * DIMENSIONS..][..DIMENSIONS];
    for (sum, number) in sum.iter_mut().zip(numbers) {
        *sum += scale * f32::from(number.cast_signed());
    }
}

/// Makes a vector's length 1, unless it has none.
pub(crate) fn normalise(vector: &mut [f32]) {
    let length = product(vector, vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_of_this_form() {
        let size = |at: usize| u32::from_le_bytes(TABLE[at..at + 4].try_into().unwrap());
        assert_eq!(&TABLE[..8], b"TOOLEMB1");
        assert_eq!((size(8) as usize, size(12) as usize), (ROWS, DIMENSIONS));
    }

    #[test]
    fn vectors_are_those_of_the_tables_maker() {
        let checks: serde_json::Value =
            serde_json::from_str(include_str!("../tests/check.json")).unwrap();
        for check in checks.as_array().unwrap() {
            let text = check["text"].as_str().unwrap();
            let ids: Vec<u32> = serde_json::from_value(check["ids"].clone()).unwrap();
            assert_eq!(pieces(text), ids, "{text}");
            let expected: Vec<f32> = serde_json::from_value(check["first8"].clone()).unwrap();
            let vector = Table.encode(text);
            for (number, expected) in vector.iter().zip(expected) {
                assert!((number - expected).abs() < 2e-5, "{text}: {number} and {expected}");
            }
        }
    }

    #[test]
    fn a_vector_has_length_one_or_is_zero() {
        let length = |text| Table.encode(text).iter().map(|number| number * number).sum::<f32>();
        assert!((length("read a file") - 1.0).abs() < 1e-5);
        assert_eq!(length(""), 0.0);
        assert_eq!(length("🦀"), 0.0);
    }
}
