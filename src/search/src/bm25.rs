//! Which texts a query is about: Okapi BM25 (Robertson and Zaragoza, The Probabilistic
//! Relevance Framework, 2009, section 3.4), over stems.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::stop_words::is_stop_word;
use crate::words::{stem, words};

/// How soon repeating a word stops to count, and how much a long text counts
/// against its words: the usual values, section 3.4 there.
const K1: f32 = 1.2;
const B: f32 = 0.75;
/// What the beginning of a word counts of the word itself.
const PREFIX: f32 = 0.4;
/// Shortest beginning that is looked for, in characters; one letter begins
/// anything.
const MIN_PREFIX: usize = 2;
/// Words of a query that are looked for, after stop words were dropped; the questions of
/// models have 2 to 8.
const MAX_QUERY_WORDS: usize = 16;

/// The words of a text and how much each counts.
#[derive(Debug, Default)]
pub struct Counts(HashMap<String, u32>);

impl Counts {
    /// Counts the words of a text so many times.
    pub fn add(&mut self, text: &str, weight: u32) {
        for word in words(text) {
            *self.0.entry(word).or_insert(0) += weight;
        }
    }
}

/// Texts by their words. A text is known by its place in the order they came in.
pub(crate) struct Bm25 {
    /// In the order of the stems.
    terms: Vec<Term>,
    /// Words as they are written, in their order, and places of their stems: for words
    /// of which only the beginning is given.
    forms: Vec<(Box<str>, u32)>,
    texts: usize,
}

struct Term {
    stem: Box<str>,
    /// How much a text that has it is set apart by it.
    weight: f32,
    texts: Box<[Posting]>,
}

struct Posting {
    text: u32,
    /// How much the text is about it.
    share: f32,
}

/// What the words of a query say of a text.
#[derive(Clone, Copy, Default)]
pub(crate) struct Score {
    /// The score of BM25.
    pub(crate) sum: f32,
    /// The share of the query's words that the text has, divided by their number: of few
    /// words each one is meant.
    pub(crate) literal: f32,
}

impl Bm25 {
    pub(crate) fn new<'a>(texts: impl Iterator<Item = &'a Counts>) -> Self {
        let texts: Vec<&Counts> = texts.collect();
        let length = |text: &&Counts| text.0.values().sum::<u32>() as f32;
        let lengths: Vec<f32> = texts.iter().map(length).collect();
        let mean = (lengths.iter().sum::<f32>() / lengths.len().max(1) as f32).max(1.0);
        let mut forms: BTreeMap<&str, u32> = BTreeMap::new();
        let mut stems: HashMap<Box<str>, u32> = HashMap::new();
        let mut postings: Vec<Vec<(u32, u32)>> = Vec::new();
        for (place, text) in texts.iter().enumerate() {
            for (word, count) in &text.0 {
                let term = *forms.entry(word).or_insert_with(|| {
                    let new = stems.len() as u32;
                    *stems.entry(stem(word).into()).or_insert(new)
                });
                if term as usize == postings.len() {
                    postings.push(Vec::new());
                }
                match postings[term as usize].last_mut() {
                    Some((last, sum)) if *last == place as u32 => *sum += count,
                    _ => postings[term as usize].push((place as u32, *count)),
                }
            }
        }
        let share = |(text, count): (u32, u32)| {
            let norm = K1 * (1.0 - B + B * lengths[text as usize] / mean);
            Posting { text, share: count as f32 * (K1 + 1.0) / (count as f32 + norm) }
        };
        let mut stems: Vec<(Box<str>, u32)> = stems.into_iter().collect();
        stems.sort();
        let mut places = vec![0; stems.len()];
        let terms = stems.into_iter().enumerate().map(|(place, (stem, number))| {
            places[number as usize] = place as u32;
            let texts = std::mem::take(&mut postings[number as usize]);
            let having = texts.len() as f32;
            let weight = ((lengths.len() as f32 - having + 0.5) / (having + 0.5)).ln_1p();
            Term { stem, weight, texts: texts.into_iter().map(share).collect() }
        });
        let terms = terms.collect();
        let form = |(form, number): (&str, u32)| (form.into(), places[number as usize]);
        Self { terms, forms: forms.into_iter().map(form).collect(), texts: lengths.len() }
    }

    /// Memory that it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let of_term = |term: &Term| {
            term.stem.len() + size_of::<Term>() + term.texts.len() * size_of::<Posting>()
        };
        let of_form = |(form, _): &(Box<str>, u32)| form.len() + size_of::<(Box<str>, u32)>();
        self.terms.iter().map(of_term).sum::<usize>()
            + self.forms.iter().map(of_form).sum::<usize>()
    }

    /// The score of each text; None if it was stopped.
    pub(crate) fn scores(&self, query: &str, go_on: &dyn Fn() -> bool) -> Option<Vec<Score>> {
        let mut scores = vec![Score::default(); self.texts];
        let mut best = vec![0.0; self.texts];
        let words = looked_for(query);
        let each = (words.len().max(1) as f32).powi(-2);
        for word in words {
            if !go_on() {
                return None;
            }
            self.score(&word, &mut best);
            for (score, best) in scores.iter_mut().zip(&mut best) {
                let best = std::mem::take(best);
                score.sum += best;
                score.literal += if best > 0.0 { each } else { 0.0 };
            }
        }
        Some(scores)
    }

    /// Writes down the best that each text has for a word: the word, or one that it begins.
    fn score(&self, word: &str, best: &mut [f32]) {
        let stem = stem(word);
        let exact = self.terms.binary_search_by(|term| (*term.stem).cmp(&stem)).ok();
        if let Some(term) = exact {
            self.terms[term].score(1.0, best);
        }
        if word.chars().count() < MIN_PREFIX {
            return;
        }
        let start = self.forms.partition_point(|(form, _)| **form < *word);
        let begun = self.forms[start..].iter().take_while(|(form, _)| form.starts_with(word));
        let mut terms: Vec<usize> = begun.map(|(_, term)| *term as usize).collect();
        terms.sort_unstable();
        terms.dedup();
        for term in terms.into_iter().filter(|term| Some(*term) != exact) {
            self.terms[term].score(PREFIX, best);
        }
    }
}

impl Term {
    fn score(&self, certainty: f32, best: &mut [f32]) {
        for posting in &self.texts {
            let best = &mut best[posting.text as usize];
            *best = best.max(certainty * self.weight * posting.share);
        }
    }
}

/// The words of a query, each once. One that has nothing but stop words is about those.
fn looked_for(query: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut words: Vec<String> =
        words(query).into_iter().filter(|word| seen.insert(word.clone())).collect();
    if words.iter().any(|word| !is_stop_word(word)) {
        words.retain(|word| !is_stop_word(word));
    }
    words.truncate(MAX_QUERY_WORDS);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_do_not_count_for_the_limit() {
        let query =
            "what would you do if i were to ask you to be so kind as to give me the invoice";
        assert_eq!(looked_for(query), ["ask", "kind", "invoice"]);
        let long = (0..40).map(|at| format!("word{at} ")).collect::<String>();
        assert_eq!(looked_for(&long).len(), MAX_QUERY_WORDS);
    }

    #[test]
    fn a_query_of_stop_words_is_about_them() {
        assert_eq!(looked_for("who am I"), ["who", "am", "i"]);
    }

    #[test]
    fn a_text_counts_once_for_a_word_in_two_forms() {
        let mut counts = Counts::default();
        counts.add("file files filing", 1);
        let ranking = Bm25::new([counts].iter());
        assert_eq!(ranking.terms.len(), 1);
        assert_eq!(ranking.terms[0].texts.len(), 1);
    }

    #[test]
    fn the_beginning_of_a_word_is_compared_with_words_and_not_with_stems() {
        let mut counts = Counts::default();
        counts.add("authentication", 1);
        let ranking = Bm25::new([counts].iter());
        for (query, is_found) in [("authenti", true), ("authenticatio", true), ("uthent", false)] {
            let scores = ranking.scores(query, &|| true).unwrap();
            assert_eq!(scores[0].sum > 0.0, is_found, "{query}");
        }
    }
}
