//! Which tools a query is about: Okapi BM25 (Robertson and Zaragoza, The
//! Probabilistic Relevance Framework, 2009, section 3.4) over what servers say of
//! them.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::tool_info::ToolInfo;

use crate::text::clip::head;

/// How soon repeating a word stops to count, and how much a long text counts
/// against its words: the usual values, section 3.4 there.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// What a word counts in a tool's name, and elsewhere.
const IN_NAME: u32 = 3;
const ELSEWHERE: u32 = 1;
/// What the beginning of a word counts of the word itself.
const PREFIX: f64 = 0.4;
/// Shortest beginning that is looked for, in characters; one letter begins
/// anything.
const MIN_PREFIX: usize = 2;
/// Longest query that is read, in bytes.
const MAX_QUERY: usize = 1024;
/// Words of a query that are looked for; the questions of models have 2 to 8.
const MAX_QUERY_WORDS: usize = 16;
/// Text that is indexed, in bytes: of a tool at the most some 2500 words, of all at
/// most about a million words, which take 200 MB if no two are the same. A tool's
/// name and a sentence have room whatever there is beside it.
const MAX_INDEXED: usize = 16 * 1024;
const MAX_ALL_INDEXED: usize = 4 * 1024 * 1024;
const MIN_INDEXED: usize = 512;
/// How deep parameters are looked for within parameters.
const MAX_DEPTH: usize = 3;
/// The words of tools. Tools are known by their place in the order they came in.
pub(crate) struct SearchIndex {
    /// In the order of the words.
    terms: Vec<Term>,
    tools: usize,
}

struct Term {
    word: String,
    /// How much a tool that has it is set apart by it.
    weight: f64,
    tools: Vec<Posting>,
}

struct Posting {
    tool: usize,
    /// How much the tool is about it.
    share: f64,
}

impl SearchIndex {
    pub(crate) fn new<'a>(tools: impl Iterator<Item = &'a ToolInfo>) -> Self {
        let tools: Vec<&ToolInfo> = tools.collect();
        let room = (MAX_ALL_INDEXED / tools.len().max(1)).clamp(MIN_INDEXED, MAX_INDEXED);
        let texts: Vec<_> = tools.into_iter().map(|tool| Text::of(tool, room)).collect();
        let lengths: Vec<f64> =
            texts.iter().map(|text| f64::from(text.values().sum::<u32>())).collect();
        let mean = (lengths.iter().sum::<f64>() / lengths.len().max(1) as f64).max(1.0);
        let mut postings: BTreeMap<String, Vec<Posting>> = BTreeMap::new();
        for (tool, text) in texts.into_iter().enumerate() {
            let norm = K1 * (1.0 - B + B * lengths[tool] / mean);
            for (word, count) in text {
                let count = f64::from(count);
                let share = count * (K1 + 1.0) / (count + norm);
                postings.entry(word).or_default().push(Posting { tool, share });
            }
        }
        let all = lengths.len() as f64;
        let terms = postings
            .into_iter()
            .map(|(word, tools)| {
                let having = tools.len() as f64;
                let weight = ((all - having + 0.5) / (having + 0.5)).ln_1p();
                Term { word, weight, tools }
            })
            .collect();
        Self { terms, tools: lengths.len() }
    }

    /// Memory that it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let of = |term: &Term| {
            term.word.len() + size_of::<Term>() + term.tools.len() * size_of::<Posting>()
        };
        self.terms.iter().map(of).sum()
    }

    /// The places of at most `limit` tools and their scores, the best first; equals
    /// keep their order. An empty query finds the first ones.
    pub(crate) fn search(&self, query: &str, limit: usize) -> Vec<(usize, f64)> {
        let query = head(query, MAX_QUERY).trim();
        if query.is_empty() {
            return (0..self.tools.min(limit)).map(|tool| (tool, 0.0)).collect();
        }
        let mut seen = HashSet::new();
        let wanted = words(query).into_iter().filter(|word| seen.insert(word.clone()));
        let mut scores = vec![0.0; self.tools];
        for word in wanted.take(MAX_QUERY_WORDS) {
            self.score(&word, &mut scores);
        }
        let mut found: Vec<(usize, f64)> =
            scores.into_iter().enumerate().filter(|(_, score)| *score > 0.0).collect();
        found.sort_by(|(a, a_score), (b, b_score)| b_score.total_cmp(a_score).then(a.cmp(b)));
        found.truncate(limit);
        found
    }

    /// Adds the best that each tool has for a word: the word, or one that it begins.
    fn score(&self, word: &str, scores: &mut [f64]) {
        let mut best = vec![0.0_f64; self.tools];
        let may_begin = word.chars().count() >= MIN_PREFIX;
        let start = self.terms.partition_point(|term| term.word.as_str() < word);
        for term in self.terms[start..].iter().take_while(|term| term.word.starts_with(word)) {
            let certainty = match (term.word == word, may_begin) {
                (true, _) => 1.0,
                (false, true) => PREFIX,
                (false, false) => break,
            };
            for posting in &term.tools {
                let score = certainty * term.weight * posting.share;
                best[posting.tool] = best[posting.tool].max(score);
            }
        }
        for (score, best) in scores.iter_mut().zip(best) {
            *score += best;
        }
    }
}

/// The words of one tool and how much each counts.
struct Text {
    words: HashMap<String, u32>,
    /// Bytes that may still be read.
    left: usize,
}

impl Text {
    fn of(tool: &ToolInfo, room: usize) -> HashMap<String, u32> {
        let mut text = Self { words: HashMap::new(), left: room };
        text.add(&tool.name, IN_NAME);
        text.add(&tool.server, ELSEWHERE);
        text.add(tool.title.as_deref().unwrap_or_default(), ELSEWHERE);
        text.add(tool.description.as_deref().unwrap_or_default(), ELSEWHERE);
        text.parameters(&tool.input_schema, 0);
        text.words
    }

    fn add(&mut self, text: &str, weight: u32) {
        let text = head(text, self.left);
        self.left -= text.len();
        for word in words(text) {
            *self.words.entry(word).or_insert(0) += weight;
        }
    }

    fn parameters(&mut self, schema: &Map<String, Value>, depth: usize) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            if self.left == 0 {
                return;
            }
            self.add(name, ELSEWHERE);
            let description = property.get("description").and_then(Value::as_str);
            self.add(description.unwrap_or_default(), ELSEWHERE);
            if depth == MAX_DEPTH {
                continue;
            }
            for within in [Some(property), property.get("items")].into_iter().flatten() {
                if let Some(schema) = within.as_object() {
                    self.parameters(schema, depth + 1);
                }
            }
        }
    }
}

/// The words of a text in lower case and singular. What has humps is a word as well
/// as its parts: people write both `GitHub` and `github`.
fn words(text: &str) -> Vec<String> {
    let mut words = Words::default();
    let mut previous = ' ';
    let mut following = text.chars().skip(1);
    for c in text.chars() {
        let next = following.next().unwrap_or(' ');
        if !c.is_alphanumeric() || is_ideograph(c) || is_ideograph(previous) {
            words.end_whole();
        } else if c.is_uppercase()
            && (previous.is_lowercase()
                || previous.is_numeric()
                || previous.is_uppercase() && next.is_lowercase())
        {
            words.end_part();
        }
        if c.is_alphanumeric() {
            words.part.extend(c.to_lowercase());
            words.whole.extend(c.to_lowercase());
        }
        previous = c;
    }
    words.end_whole();
    words.found
}

#[derive(Default)]
struct Words {
    found: Vec<String>,
    part: String,
    whole: String,
}

impl Words {
    fn end_part(&mut self) {
        if !self.part.is_empty() {
            self.found.push(singular(std::mem::take(&mut self.part)));
        }
    }

    fn end_whole(&mut self) {
        let has_parts = self.part.len() < self.whole.len();
        self.end_part();
        let whole = std::mem::take(&mut self.whole);
        if has_parts {
            self.found.push(singular(whole));
        }
    }
}

/// Chinese and Japanese write no spaces: each of their characters is a word.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// An English plural as its singular; other words may lose an s, the same one in an
/// index and in a query.
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn tool(name: &str, description: &str, schema: Value) -> ToolInfo {
        ToolInfo {
            server: "up".to_owned(),
            name: name.to_owned(),
            title: None,
            description: Some(description.to_owned()),
            input_schema: schema.as_object().cloned().unwrap_or_default(),
            output_schema: None,
        }
    }

    fn tools() -> Vec<ToolInfo> {
        vec![
            tool("create_issue", "Open a new ticket in a repository", json!({})),
            tool("listFiles", "Names in a directory", json!({})),
            tool(
                "search",
                "Finds anything",
                json!({"properties": {
                    "repository": {"type": "string"},
                    "filters": {"type": "array", "items": {"properties": {
                        "label": {"description": "Only issues with this label"}
                    }}},
                }}),
            ),
            tool("send_mail", "Sends an e-mail through GitHub", json!({})),
        ]
    }

    fn found(query: &str) -> Vec<String> {
        let tools = tools();
        let found = SearchIndex::new(tools.iter()).search(query, 10);
        found.into_iter().map(|(tool, _)| tools[tool].name.clone()).collect()
    }

    #[test]
    fn a_name_counts_more_than_a_parameter() {
        assert_eq!(found("issue"), ["create_issue", "search"]);
    }

    #[test]
    fn descriptions_and_parameters_are_searched() {
        assert_eq!(found("ticket"), ["create_issue"]);
        assert_eq!(found("label"), ["search"]);
        assert_eq!(found("names of a directory"), ["listFiles", "create_issue"]);
    }

    #[test]
    fn humps_part_words_and_do_not() {
        assert_eq!(found("files"), ["listFiles"]);
        assert_eq!(found("listfiles"), ["listFiles"]);
        assert_eq!(found("LIST_FILES"), ["listFiles"]);
        assert_eq!(found("github"), ["send_mail"]);
        assert_eq!(found("hub"), ["send_mail"]);
    }

    #[test]
    fn plurals_and_singulars_are_one() {
        assert_eq!(found("issues"), ["create_issue", "search"]);
        assert_eq!(found("directories repositories"), ["listFiles", "create_issue", "search"]);
        for (plural, word) in [
            ("queries", "query"),
            ("boxes", "box"),
            ("branches", "branch"),
            ("caches", "cache"),
            ("databases", "database"),
            ("addresses", "address"),
            ("apis", "api"),
        ] {
            assert_eq!(singular(plural.to_owned()), word);
            assert_eq!(singular(word.to_owned()), word);
        }
    }

    #[test]
    fn the_beginning_of_a_word_finds_it_after_the_word_itself() {
        assert_eq!(found("iss"), ["create_issue", "search"]);
        let tools = [tool("issuer", "", json!({})), tool("issue", "", json!({}))];
        let found = SearchIndex::new(tools.iter()).search("issue", 10);
        assert_eq!(found.iter().map(|(tool, _)| *tool).collect::<Vec<_>>(), [1, 0]);
        assert!(SearchIndex::new(tools.iter()).search("i", 10).is_empty());
    }

    #[test]
    fn an_empty_query_finds_the_first_tools() {
        let tools = tools();
        let index = SearchIndex::new(tools.iter());
        assert_eq!(index.search(" ", 2), [(0, 0.0), (1, 0.0)]);
        assert_eq!(index.search("", 9).len(), 4);
        assert!(SearchIndex::new(std::iter::empty()).search("", 9).is_empty());
    }

    #[test]
    fn what_no_tool_says_finds_nothing() {
        assert_eq!(found("zebra"), [""; 0]);
        assert_eq!(found("?!"), [""; 0]);
    }

    #[test]
    fn equals_keep_their_order() {
        let tools: Vec<ToolInfo> = (0..4).map(|_| tool("same", "", json!({}))).collect();
        let found = SearchIndex::new(tools.iter()).search("same", 3);
        assert_eq!(found.iter().map(|(tool, _)| *tool).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn ideographs_are_words() {
        let tools = [tool("a", "取得文件", json!({})), tool("b", "删除", json!({}))];
        let found = SearchIndex::new(tools.iter()).search("文件", 10);
        assert_eq!(found.iter().map(|(tool, _)| *tool).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_thousand_tools_are_searched_in_five_milliseconds() {
        let text = "alpha beta gamma delta report issue file query ".repeat(8);
        let tools: Vec<ToolInfo> = (0..1000)
            .map(|at| tool(&format!("tool_{at}"), &format!("{text} word{at}"), json!({})))
            .collect();
        let index = SearchIndex::new(tools.iter());
        let query = "report the issues of a file in the query word9";
        // The quickest of several: other tests run beside this one.
        let quickest = (0..20).map(|_| {
            let start = Instant::now();
            assert_eq!(index.search(query, 10).len(), 10);
            start.elapsed()
        });
        assert!(quickest.min().unwrap() < Duration::from_millis(5));
    }

    proptest! {
        #[test]
        fn any_text_can_be_indexed_and_searched(
            texts in prop::collection::vec(any::<String>(), 0..6), query in any::<String>()
        ) {
            let tool = |text: &String| tool(text, text, json!({}));
            let tools: Vec<ToolInfo> = texts.iter().map(tool).collect();
            let found = SearchIndex::new(tools.iter()).search(&query, 3);
            prop_assert!(found.len() <= 3);
            prop_assert!(found.iter().all(|(at, score)| *at < tools.len() && score.is_finite()));
        }
    }
}
