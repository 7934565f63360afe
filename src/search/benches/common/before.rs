//! How tools were ranked before: BM25 over words with a rule for plurals, 16 words of the
//! query whatever they are. For the comparison only.

use std::collections::{BTreeMap, HashMap, HashSet};

use mcp_conductor_search::words;

pub struct Before {
    postings: BTreeMap<String, (f64, Vec<(usize, f64)>)>,
    texts: usize,
}

impl Before {
    pub fn new(tools: &[[String; 3]]) -> Self {
        let counts: Vec<HashMap<String, u32>> = tools.iter().map(counts).collect();
        let lengths: Vec<f64> =
            counts.iter().map(|text| f64::from(text.values().sum::<u32>())).collect();
        let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
        let mut postings: BTreeMap<String, (f64, Vec<(usize, f64)>)> = BTreeMap::new();
        for (place, text) in counts.into_iter().enumerate() {
            let norm = 1.2 * (0.25 + 0.75 * lengths[place] / mean);
            for (word, count) in text {
                let share = f64::from(count) * 2.2 / (f64::from(count) + norm);
                postings.entry(word).or_default().1.push((place, share));
            }
        }
        for (weight, texts) in postings.values_mut() {
            let having = texts.len() as f64;
            *weight = ((lengths.len() as f64 - having + 0.5) / (having + 0.5)).ln_1p();
        }
        Self { postings, texts: lengths.len() }
    }

    pub fn search(&self, query: &str) -> Vec<usize> {
        let mut seen = HashSet::new();
        let wanted =
            words(query).into_iter().map(singular).filter(|word| seen.insert(word.clone()));
        let mut scores = vec![0.0; self.texts];
        for word in wanted.take(16) {
            let mut best = vec![0.0_f64; self.texts];
            let begun = self.postings.range(word.clone()..);
            for (term, (weight, texts)) in begun.take_while(|(term, _)| term.starts_with(&word)) {
                let certainty = if *term == word { 1.0 } else { 0.4 };
                if *term != word && word.chars().count() < 2 {
                    break;
                }
                for (text, share) in texts {
                    best[*text] = best[*text].max(certainty * weight * share);
                }
            }
            scores.iter_mut().zip(best).for_each(|(score, best)| *score += best);
        }
        let mut found: Vec<_> = (0..self.texts).filter(|text| scores[*text] > 0.0).collect();
        found.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        found
    }
}

fn counts([server, name, description]: &[String; 3]) -> HashMap<String, u32> {
    let mut counts = HashMap::new();
    for (text, weight) in [(name, 3), (server, 1), (description, 1)] {
        for word in words(text) {
            *counts.entry(singular(word)).or_insert(0) += weight;
        }
    }
    counts
}

fn singular(mut word: String) -> String {
    let ends = |ending: &str| word.ends_with(ending);
    let (cut, added) = if word.len() <= 3 || !ends("s") || ends("ss") {
        (0, "")
    } else if word.len() > 4 && ends("ies") {
        (3, "y")
    } else if ends("sses") || ends("xes") || ends("shes") || ends("ches") && !ends("aches") {
        (2, "")
    } else {
        (1, "")
    };
    word.truncate(word.len() - cut);
    word.push_str(added);
    word
}
