//! A model that is loaded.

use std::path::Path;

use crate::error::ModelError;
use crate::files::{self, VOCABULARY, VOCABULARY_SHA256, WEIGHTS, WEIGHTS_SHA256};
use crate::linear::Arithmetic;
use crate::sys::Kernel;
use crate::transformer::Transformer;
use crate::wordpiece::Vocabulary;

/// Pieces that are encoded at once: four of the longest texts, some 40 of usual ones. What is
/// between the layers has 17 kB for each piece of all-MiniLM-L6-v2.
const MAX_BATCH: usize = 1024;

/// Goes up when the same files give other vectors than before.
const FORMAT: u32 = 1;

/// Which files may be a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Those of all-MiniLM-L6-v2, by their SHA-256.
    MiniLm,
    /// Any of its family: encoders of BERT's shape with heads of 32 numbers whose vectors are
    /// means.
    Any,
}

/// What a model computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 8-bit integers where the processor has AVX2 or AVX-512 VNNI, else floats. Vectors of
    /// both have a cosine of 0.99 or more, and can be compared with each other.
    Best,
    /// 32-bit floats: slower by half, and four times the memory.
    Float,
}

/// A sentence encoder. It computes on the thread that asks.
#[derive(Debug)]
pub struct Model {
    vocabulary: Vocabulary,
    transformer: Transformer,
    arithmetic: Arithmetic,
    identity: String,
}

impl Model {
    /// Loads `model.safetensors` and `vocab.txt` of a directory. That takes about 0.2 s, and for
    /// that time twice the memory of the file.
    ///
    /// # Errors
    /// [`ModelError`] if a file is missing, is not what was expected, or is not a model.
    pub fn open(
        directory: &Path,
        expected: Expected,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        let arithmetic = match (precision, Kernel::all().first()) {
            (Precision::Best, Some(kernel)) => Arithmetic::Integer(*kernel),
            (Precision::Best, None) | (Precision::Float, _) => Arithmetic::Float,
        };
        Self::with(directory, expected, arithmetic)
    }

    fn with(
        directory: &Path,
        expected: Expected,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        let compare = |name, found: &str, pinned: &'static str| match expected {
            Expected::MiniLm if found != pinned => Err(ModelError::Sum {
                path: directory.join(name),
                found: found.to_owned(),
                expected: pinned,
            }),
            Expected::MiniLm | Expected::Any => Ok(()),
        };
        let (vocabulary, vocabulary_sum) = files::vocabulary(directory)?;
        compare(VOCABULARY, &vocabulary_sum, VOCABULARY_SHA256)?;
        let (tensors, weights_sum) = files::tensors(directory)?;
        compare(WEIGHTS, &weights_sum, WEIGHTS_SHA256)?;
        let transformer = Transformer::new(tensors, vocabulary.len(), arithmetic)
            .map_err(|problem| ModelError::Form { path: directory.join(WEIGHTS), problem })?;
        let identity = format!("{FORMAT}-{}-{}", &weights_sum[..32], &vocabulary_sum[..32]);
        Ok(Self { vocabulary, transformer, arithmetic, identity })
    }

    /// Numbers of a vector: 384 of all-MiniLM-L6-v2.
    pub fn dimensions(&self) -> usize {
        self.transformer.dimensions()
    }

    /// What tells vectors of this model from those of others: of the contents of its files.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// What it computes with, for people.
    pub fn arithmetic(&self) -> &'static str {
        match self.arithmetic {
            Arithmetic::Float => "32-bit floats",
            Arithmetic::Integer(kernel) => kernel.name(),
        }
    }

    /// Bytes of memory that it takes, but for its vocabulary's 2 MB.
    pub fn bytes(&self) -> usize {
        self.transformer.bytes()
    }

    /// The numbers of a text's word pieces: at most [`MAX_PIECES`](crate::MAX_PIECES).
    pub fn pieces(&self, text: &str) -> Vec<u32> {
        self.vocabulary.pieces(text)
    }

    /// The vector of a text, of length 1. The text is cut at 256 pieces; so many take about
    /// 0.1 s, and a usual tool 6 ms.
    pub fn encode(&self, text: &str) -> Vec<f32> {
        self.transformer.encode(&[self.pieces(text)]).remove(0)
    }

    /// The vectors of texts, in their order: somewhat faster than one by one. Memory is bounded
    /// whatever their number.
    pub fn encode_all(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        let mut vectors = Vec::with_capacity(texts.len());
        let (mut batch, mut size) = (Vec::new(), 0);
        for text in texts {
            let pieces = self.pieces(text);
            if size + pieces.len() > MAX_BATCH {
                vectors.extend(self.transformer.encode(&std::mem::take(&mut batch)));
                size = 0;
            }
            size += pieces.len();
            batch.push(pieces);
        }
        vectors.extend(self.transformer.encode(&batch));
        vectors
    }
}

#[cfg(test)]
mod tests;
