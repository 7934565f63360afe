//! Which texts a query is about: Okapi BM25 (Robertson and Zaragoza, The Probabilistic
//! Relevance Framework, 2009, section 3.4).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::words::words;
use crate::text::clip::head;

/// How soon repeating a word stops to count, and how much a long text counts
/// against its words: the usual values, section 3.4 there.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// What the beginning of a word counts of the word itself.
const PREFIX: f64 = 0.4;
/// Shortest beginning that is looked for, in characters; one letter begins
/// anything.
const MIN_PREFIX: usize = 2;
/// Longest query that is read, in bytes.
const MAX_QUERY: usize = 1024;
/// Words of a query that are looked for; the questions of models have 2 to 8.
const MAX_QUERY_WORDS: usize = 16;

/// The words of a text and how much each counts.
pub(super) type Counts = HashMap<String, u32>;

/// Texts by their words. A text is known by its place in the order they came in.
pub(super) struct Bm25 {
    /// In the order of the words.
    terms: Vec<Term>,
    texts: usize,
}

struct Term {
    word: String,
    /// How much a text that has it is set apart by it.
    weight: f64,
    texts: Vec<Posting>,
}

struct Posting {
    text: usize,
    /// How much the text is about it.
    share: f64,
}

impl Bm25 {
    pub(super) fn new(texts: Vec<Counts>) -> Self {
        let lengths: Vec<f64> =
            texts.iter().map(|text| f64::from(text.values().sum::<u32>())).collect();
        let mean = (lengths.iter().sum::<f64>() / lengths.len().max(1) as f64).max(1.0);
        let mut postings: BTreeMap<String, Vec<Posting>> = BTreeMap::new();
        for (place, text) in texts.into_iter().enumerate() {
            let norm = K1 * (1.0 - B + B * lengths[place] / mean);
            for (word, count) in text {
                let count = f64::from(count);
                let share = count * (K1 + 1.0) / (count + norm);
                postings.entry(word).or_default().push(Posting { text: place, share });
            }
        }
        let all = lengths.len() as f64;
        let terms = postings
            .into_iter()
            .map(|(word, texts)| {
                let having = texts.len() as f64;
                let weight = ((all - having + 0.5) / (having + 0.5)).ln_1p();
                Term { word, weight, texts }
            })
            .collect();
        Self { terms, texts: lengths.len() }
    }

    /// Memory that it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let of = |term: &Term| {
            term.word.len() + size_of::<Term>() + term.texts.len() * size_of::<Posting>()
        };
        self.terms.iter().map(of).sum()
    }

    /// The places of at most `limit` texts and their scores, the best first; equals
    /// keep their order. An empty query finds the first ones.
    pub(super) fn search(&self, query: &str, limit: usize) -> Vec<(usize, f64)> {
        let query = head(query, MAX_QUERY).trim();
        if query.is_empty() {
            return (0..self.texts.min(limit)).map(|text| (text, 0.0)).collect();
        }
        let mut seen = HashSet::new();
        let wanted = words(query).into_iter().filter(|word| seen.insert(word.clone()));
        let mut scores = vec![0.0; self.texts];
        for word in wanted.take(MAX_QUERY_WORDS) {
            self.score(&word, &mut scores);
        }
        let mut found: Vec<(usize, f64)> =
            scores.into_iter().enumerate().filter(|(_, score)| *score > 0.0).collect();
        found.sort_by(|(a, a_score), (b, b_score)| b_score.total_cmp(a_score).then(a.cmp(b)));
        found.truncate(limit);
        found
    }

    /// Adds the best that each text has for a word: the word, or one that it begins.
    fn score(&self, word: &str, scores: &mut [f64]) {
        let mut best = vec![0.0_f64; self.texts];
        let may_begin = word.chars().count() >= MIN_PREFIX;
        let start = self.terms.partition_point(|term| term.word.as_str() < word);
        for term in self.terms[start..].iter().take_while(|term| term.word.starts_with(word)) {
            let certainty = match (term.word == word, may_begin) {
                (true, _) => 1.0,
                (false, true) => PREFIX,
                (false, false) => break,
            };
            for posting in &term.texts {
                let score = certainty * term.weight * posting.share;
                best[posting.text] = best[posting.text].max(score);
            }
        }
        for (score, best) in scores.iter_mut().zip(best) {
            *score += best;
        }
    }
}
