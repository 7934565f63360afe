//! Sentence vectors of all-MiniLM-L6-v2 and its family, computed on the thread that asks.
//!
//! ```text
//! text → Vocabulary (word pieces) → Transformer (rows) → mean, length 1 → vector
//! ```
//!
//! The cosine of two vectors says how near the meanings of two texts are. Nothing here opens a
//! connection, starts a thread, or has a limit that grows with a text.

mod error;
mod files;
mod linear;
mod model;
mod numbers;
mod sys;
mod transformer;
mod wordpiece;

pub use error::ModelError;
pub use files::{VOCABULARY, VOCABULARY_SHA256, WEIGHTS, WEIGHTS_SHA256};
pub use model::{Expected, Model, Precision};
pub use wordpiece::MAX_PIECES;
