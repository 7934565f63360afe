//! What makes vectors of texts: the table that is built in, or a model.

/// How far use moves vectors that are sums over the words of a text: by 17 degrees at the most.
/// More costs tools that were not used their places (docs/search.md).
const BETA: f32 = 0.3;

/// Makes vectors of texts, and says how much its opinion counts beside the words'.
pub trait Encoder: Send + Sync {
    /// Which one it is. Vectors of two encoders cannot be compared.
    fn name(&self) -> &str;

    /// Numbers of a vector.
    fn dimensions(&self) -> usize;

    /// The vector of a text, of length 1; zeros for a text that it has no opinion of.
    fn encode(&self, text: &str) -> Vec<f32>;

    /// Whether a text has words that it knows. A query without any finds no tool by its
    /// vector alone.
    fn knows(&self, _text: &str) -> bool {
        true
    }

    /// What the words' score, from 0 to 1, counts beside the cosine.
    fn weight_of_words(&self) -> f32;

    /// The cosine from which a tool that shares no word with a query is found.
    fn floor(&self) -> f32;

    /// How far use moves a tool's vector, which has length 1, at the most.
    fn beta(&self) -> f32 {
        BETA
    }
}
