//! Tools by what a query says of them: by its words, its vector, and what was learned.

use std::cmp::Ordering;

use crate::bm25::{Bm25, Counts};
use crate::encoder::Encoder;
use crate::exact::{Exact, Names};
use crate::learned::{Learned, Moved};
use crate::vectors::{Compared, Vectors, product};

/// Longest query that is read, in bytes.
pub const MAX_QUERY: usize = 1024;
/// The words' score at which they count half of what they can.
const HALF: f32 = 8.0;
/// What having the word of a query of one word counts, beside that score: the vector of one
/// word is a guess, and in a list of few tools every word is frequent. Of two words, each
/// counts a quarter of it. It changes recall by less than 0.01 (docs/search.md).
const LITERAL: f32 = 0.3;
/// What use raises and lowers a tool's cosine by at the most, whatever led to it: less than its
/// words and its own vector tell, and recall is the same as without these limits.
const MOST_RAISED: f32 = 0.2;
const MOST_LOWERED: f32 = 0.1;
/// Vectors that are compared between two looks at whether somebody waits: some 50 µs.
const STRIDE: usize = 1024;

/// What is said of a tool.
#[derive(Debug, Default)]
pub struct Described {
    /// The server's name.
    pub server: String,
    /// The tool's name.
    pub name: String,
    /// Its words, and how much each counts.
    pub words: Counts,
    /// What its vector is made of: [`text_of`].
    pub text: String,
}

/// Tools that can be searched. A tool is known by its place in the order they came in.
pub struct Ranking {
    words: Bm25,
    vectors: Vectors,
    /// The mean of the vectors.
    centroid: Vec<f32>,
    names: Names,
    /// What the vectors were made by.
    encoder: String,
    weight: f32,
    floor: f32,
}

impl Ranking {
    /// Of tools that are described, with vectors by this encoder.
    pub fn new(tools: &[Described], encoder: &dyn Encoder) -> Self {
        let mut vectors = Vectors::new(encoder.dimensions(), tools.len());
        tools.iter().for_each(|tool| vectors.push(&encoder.encode(&tool.text)));
        Self {
            words: Bm25::new(tools.iter().map(|tool| &tool.words)),
            centroid: vectors.mean(),
            vectors,
            names: Names::new(tools.iter().map(|tool| (&*tool.server, &*tool.name))),
            encoder: encoder.name().to_owned(),
            weight: encoder.weight_of_words(),
            floor: encoder.floor(),
        }
    }

    /// Memory that it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.words.bytes() + self.vectors.bytes() + self.names.bytes()
    }

    /// The places of tools and their scores, the best first; equals keep their order. An
    /// empty query finds all of them; a stopped search finds nothing.
    ///
    /// `encoder` is the one that the vectors were made by. What `learned` knows of another
    /// one's vectors does not count.
    pub fn search(
        &self,
        query: &str,
        encoder: &dyn Encoder,
        learned: Option<&Learned>,
        go_on: &dyn Fn() -> bool,
    ) -> Vec<(usize, f32)> {
        let query = query[..query.floor_char_boundary(MAX_QUERY)].trim();
        if query.is_empty() {
            return (0..self.vectors.len()).map(|place| (place, 0.0)).collect();
        }
        self.ranked(query, encoder, learned, go_on).unwrap_or_default()
    }

    fn ranked(
        &self,
        query: &str,
        encoder: &dyn Encoder,
        learned: Option<&Learned>,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Vec<(usize, f32)>> {
        let words = self.words.scores(query, go_on)?;
        let cosines = self.cosines(query, encoder, learned, go_on)?;
        let exact = Exact::new(query);
        // Nothing is found by a vector alone if the encoder does not know the query's words.
        let floor = if encoder.knows(query) { self.floor } else { f32::INFINITY };
        let score = |place: usize| {
            let (words, cosine) = (words[place], cosines[place]);
            let exact = self.names.score(place, &exact);
            let is_found = words.sum > 0.0 || cosine >= floor || exact > 0.0;
            let by_words = self.weight * words.sum / (words.sum + HALF) + LITERAL * words.literal;
            let score = cosine.max(0.0) + by_words + exact;
            is_found.then_some((place, score))
        };
        let mut found: Vec<_> = (0..cosines.len()).filter_map(score).collect();
        found.sort_unstable_by(best_first);
        if let Some(learned) = learned {
            let key = |place| self.names.key(place);
            learned.raise_partners(&mut found, key);
            found.sort_unstable_by(best_first);
        }
        Some(found)
    }

    fn cosines(
        &self,
        query: &str,
        encoder: &dyn Encoder,
        learned: Option<&Learned>,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Vec<f32>> {
        let mut cosines = vec![0.0; self.vectors.len()];
        if encoder.name() != self.encoder {
            return Some(cosines);
        }
        let query = encoder.encode(query);
        let compared = Compared::new(&query);
        if compared.is_zero() {
            return Some(cosines);
        }
        for (place, cosine) in cosines.iter_mut().enumerate() {
            if place % STRIDE == 0 && !go_on() {
                return None;
            }
            *cosine = self.vectors.product(place, &compared);
        }
        let moved = learned.and_then(|learned| learned.moved(encoder, &self.centroid));
        for (key, by) in moved.iter().flat_map(Moved::tools) {
            if let Some(place) = self.names.place(key) {
                cosines[place] = self.moved(place, cosines[place], &by, &query);
            }
        }
        Some(cosines)
    }

    /// The cosine of a query and a tool whose vector has moved.
    fn moved(&self, place: usize, cosine: f32, by: &[f32], query: &[f32]) -> f32 {
        let vector: Vec<f32> = self.vectors.at(place).collect();
        let length = product(&vector, &vector) + 2.0 * product(&vector, by) + product(by, by);
        let moved = (cosine + product(by, query)) / length.sqrt();
        // What a store keeps may be such that it is not a number.
        match moved.is_finite() {
            true => moved.clamp(cosine - MOST_LOWERED, cosine + MOST_RAISED),
            false => cosine,
        }
    }
}

fn best_first(a: &(usize, f32), b: &(usize, f32)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// The text that a tool's vector is made of: its server, the words of its name, and its
/// description.
pub fn text_of(server: &str, name: &str, description: &str) -> String {
    let mut text = String::with_capacity(server.len() + name.len() + description.len() + 8);
    text.push_str(server);
    text.push(' ');
    let mut previous = ' ';
    for c in name.chars() {
        let begins = c.is_uppercase() && previous.is_lowercase()
            || c.is_numeric() != previous.is_numeric() && previous.is_alphanumeric();
        if begins && !text.ends_with(' ') {
            text.push(' ');
        }
        text.push(if c.is_alphanumeric() { c } else { ' ' });
        previous = c;
    }
    text.push_str(": ");
    text.push_str(description);
    text
}

#[cfg(test)]
#[path = "ranking_tests.rs"]
mod tests;
