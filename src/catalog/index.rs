//! All tools that are known, by the words that servers say of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::bm25::{Bm25, Counts};
use super::list::{Catalog, Provider};
use super::seen::Seen;
use super::tool::Tool;
use super::tool_info::ToolInfo;
use super::words::words;
use super::work::GoOn;
use crate::memory::{Account, Charge};
use crate::policy::RunTools;
use crate::text::clip::head;

/// What a word counts in a tool's name, and elsewhere.
const IN_NAME: u32 = 3;
const ELSEWHERE: u32 = 1;
/// Text that is indexed, in bytes: of a tool at the most some 2500 words, of all at
/// most about a million words, which take 200 MB if no two are the same. A tool's
/// name and a sentence have room whatever there is beside it.
const MAX_INDEXED: usize = 16 * 1024;
const MAX_ALL_INDEXED: usize = 4 * 1024 * 1024;
const MIN_INDEXED: usize = 512;
/// How deep parameters are looked for within parameters.
const MAX_DEPTH: usize = 3;

/// Until an index is made anew, in times of what the last one took: lists that change
/// without end have a tenth of a thread.
const INDEX_PAUSE: u32 = 10;

/// A server and its tools.
pub(crate) type Indexed = (Arc<Provider>, Arc<Catalog>);

/// The index of a principal's tools: made when it is asked for, and kept as long as there
/// is memory for it and the lists are the same.
pub(crate) struct KeptIndex {
    kept: Mutex<Option<Arc<Index>>>,
    memory: Account,
}

impl KeptIndex {
    pub(crate) fn new(memory: Account) -> Self {
        Self { kept: Mutex::default(), memory }
    }

    /// For lists that may be there no more.
    pub(crate) fn forget(&self) {
        *self.kept.lock() = None;
    }

    /// The index of these lists, or of what they were a moment ago. It can take long.
    pub(crate) fn of(&self, lists: Vec<Indexed>) -> Arc<Index> {
        let mut kept = self.kept.lock();
        if let Some(index) = kept.as_ref().filter(|index| index.serves(&lists)) {
            return index.clone();
        }
        let (index, is_kept) = Index::new(lists, &self.memory);
        let index = Arc::new(index);
        *kept = is_kept.then(|| index.clone());
        index
    }
}

/// All known tools, with their positions.
pub(crate) struct Index {
    /// The lists that this was made of.
    made_of: Vec<Indexed>,
    /// Lists and places in them.
    tools: Vec<(usize, usize)>,
    ranking: Bm25,
    /// When it was made, and how long that took.
    made: Instant,
    took: Duration,
    _charge: Charge,
}

impl Index {
    /// With it: whether there is memory to keep it.
    fn new(made_of: Vec<Indexed>, memory: &Account) -> (Self, bool) {
        let made = Instant::now();
        let tools: Vec<(usize, usize)> = (0..made_of.len())
            .flat_map(|list| (0..made_of[list].1.tools.len()).map(move |tool| (list, tool)))
            .collect();
        let infos = tools.iter().map(|(list, tool)| &made_of[*list].1.tools[*tool].info);
        let ranking = ranked(infos);
        let charged = memory.try_charge(ranking.bytes());
        let is_kept = charged.is_ok();
        let took = made.elapsed();
        let _charge = charged.unwrap_or_default();
        (Self { made_of, tools, ranking, made, took, _charge }, is_kept)
    }

    /// Whether it need not be made anew for these lists.
    fn serves(&self, lists: &[Indexed]) -> bool {
        let same =
            |(a, b): (&Indexed, &Indexed)| Arc::ptr_eq(&a.0, &b.0) && Arc::ptr_eq(&a.1, &b.1);
        let is_of = self.made_of.len() == lists.len() && self.made_of.iter().zip(lists).all(same);
        let servers = |lists: &[Indexed]| {
            lists.iter().map(|(server, _)| Arc::as_ptr(server)).collect::<Vec<_>>()
        };
        let is_new = self.made.elapsed() < self.took * INDEX_PAUSE;
        is_of || is_new && servers(&self.made_of) == servers(lists)
    }

    /// The best tools for a query, among those that the run may call, with their scores;
    /// none if it was stopped. It can take long.
    pub(crate) fn search(
        &self,
        run: &RunTools,
        query: &str,
        limit: usize,
        go_on: GoOn<'_>,
    ) -> Vec<(Found, f64)> {
        let found = self.ranking.search(query, self.tools.len());
        let seen = self.made_of.iter().map(|(server, list)| Seen::look(server, list, run, go_on));
        let Some(seen) = seen.collect::<Option<Vec<_>>>() else { return Vec::new() };
        let visible = found.into_iter().filter_map(|(place, score)| {
            let (list, tool) = self.tools[place];
            let found = || Found::new(self.made_of[list].1.clone(), tool);
            seen[list].has(tool).then(|| (found(), score))
        });
        visible.take(limit).collect()
    }
}

/// A tool that was found.
pub(crate) struct Found {
    catalog: Arc<Catalog>,
    place: usize,
}

impl Found {
    /// The tool at a place of its server's list.
    pub(crate) fn new(catalog: Arc<Catalog>, place: usize) -> Self {
        Self { catalog, place }
    }

    pub(crate) fn tool(&self) -> &Tool {
        &self.catalog.tools[self.place]
    }

    pub(crate) fn info(&self) -> &ToolInfo {
        &self.tool().info
    }
}

/// Tools by the words that are said of them.
fn ranked<'a>(tools: impl Iterator<Item = &'a ToolInfo>) -> Bm25 {
    let tools: Vec<&ToolInfo> = tools.collect();
    let room = (MAX_ALL_INDEXED / tools.len().max(1)).clamp(MIN_INDEXED, MAX_INDEXED);
    Bm25::new(tools.into_iter().map(|tool| Text::of(tool, room)).collect())
}

/// The words of one tool and how much each counts.
struct Text {
    words: Counts,
    /// Bytes that may still be read.
    left: usize,
}

impl Text {
    fn of(tool: &ToolInfo, room: usize) -> Counts {
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
        let found = ranked(tools.iter()).search(query, 10);
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
    }

    #[test]
    fn the_beginning_of_a_word_finds_it_after_the_word_itself() {
        assert_eq!(found("iss"), ["create_issue", "search"]);
        let tools = [tool("issuer", "", json!({})), tool("issue", "", json!({}))];
        let found = ranked(tools.iter()).search("issue", 10);
        assert_eq!(found.iter().map(|(tool, _)| *tool).collect::<Vec<_>>(), [1, 0]);
        assert!(ranked(tools.iter()).search("i", 10).is_empty());
    }

    #[test]
    fn an_empty_query_finds_the_first_tools() {
        let tools = tools();
        let index = ranked(tools.iter());
        assert_eq!(index.search(" ", 2), [(0, 0.0), (1, 0.0)]);
        assert_eq!(index.search("", 9).len(), 4);
        assert!(ranked(std::iter::empty()).search("", 9).is_empty());
    }

    #[test]
    fn what_no_tool_says_finds_nothing() {
        assert_eq!(found("zebra"), [""; 0]);
        assert_eq!(found("?!"), [""; 0]);
    }

    #[test]
    fn equals_keep_their_order() {
        let tools: Vec<ToolInfo> = (0..4).map(|_| tool("same", "", json!({}))).collect();
        let found = ranked(tools.iter()).search("same", 3);
        assert_eq!(found.iter().map(|(tool, _)| *tool).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn ideographs_are_words() {
        let tools = [tool("a", "取得文件", json!({})), tool("b", "删除", json!({}))];
        let found = ranked(tools.iter()).search("文件", 10);
        assert_eq!(found.iter().map(|(tool, _)| *tool).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_thousand_tools_are_searched_in_five_milliseconds() {
        let text = "alpha beta gamma delta report issue file query ".repeat(8);
        let tools: Vec<ToolInfo> = (0..1000)
            .map(|at| tool(&format!("tool_{at}"), &format!("{text} word{at}"), json!({})))
            .collect();
        let index = ranked(tools.iter());
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
            let found = ranked(tools.iter()).search(&query, 3);
            prop_assert!(found.len() <= 3);
            prop_assert!(found.iter().all(|(at, score)| *at < tools.len() && score.is_finite()));
        }
    }
}
