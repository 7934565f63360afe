//! All tools that are known, by what servers say of them. How they are ranked is the
//! crate `mcp-conductor-search`'s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_conductor_search::{Counts, Described, Learned, Ranking, Table, text_of};
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::list::{Catalog, Provider};
use super::seen::Seen;
use super::tool::Tool;
use super::tool_info::ToolInfo;
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
    ranking: Ranking,
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
    /// none if it was stopped. `learned` is what the principal's use has taught. It can take
    /// long.
    pub(crate) fn search(
        &self,
        run: &RunTools,
        query: &str,
        limit: usize,
        learned: Option<&Learned>,
        go_on: GoOn<'_>,
    ) -> Vec<(Found, f64)> {
        let found = self.ranking.search(query, &Table, learned, go_on);
        let seen = self.made_of.iter().map(|(server, list)| Seen::look(server, list, run, go_on));
        let Some(seen) = seen.collect::<Option<Vec<_>>>() else { return Vec::new() };
        let visible = found.into_iter().filter_map(|(place, score)| {
            let (list, tool) = self.tools[place];
            let found = || Found::new(self.made_of[list].1.clone(), tool);
            seen[list].has(tool).then(|| (found(), f64::from(score)))
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

/// Tools by what is said of them.
fn ranked<'a>(tools: impl Iterator<Item = &'a ToolInfo>) -> Ranking {
    let tools: Vec<&ToolInfo> = tools.collect();
    let room = (MAX_ALL_INDEXED / tools.len().max(1)).clamp(MIN_INDEXED, MAX_INDEXED);
    let described: Vec<_> = tools.into_iter().map(|tool| described(tool, room)).collect();
    Ranking::new(&described, &Table)
}

/// What a search knows of a tool, from so many bytes of its texts.
fn described(tool: &ToolInfo, room: usize) -> Described {
    let description = tool.description.as_deref().unwrap_or_default();
    Described {
        server: tool.server.clone(),
        name: tool.name.clone(),
        words: Text::of(tool, room),
        text: text_of(&tool.name, head(description, room)),
    }
}

/// The words of one tool and how much each counts.
struct Text {
    words: Counts,
    /// Bytes that may still be read.
    left: usize,
}

impl Text {
    fn of(tool: &ToolInfo, room: usize) -> Counts {
        let mut text = Self { words: Counts::default(), left: room };
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
        self.words.add(text, weight);
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
        ]
    }

    fn first(query: &str) -> Option<String> {
        let tools = tools();
        let found = ranked(tools.iter()).search(query, &Table, None, &|| true);
        found.first().map(|(place, _)| tools[*place].name.clone())
    }

    #[test]
    fn names_descriptions_and_parameters_are_searched() {
        assert_eq!(first("issue").as_deref(), Some("create_issue"));
        assert_eq!(first("ticket").as_deref(), Some("create_issue"));
        assert_eq!(first("label").as_deref(), Some("search"));
        assert_eq!(first("names of a directory").as_deref(), Some("listFiles"));
    }

    #[test]
    fn a_schema_that_is_deep_or_long_is_read_to_its_limit() {
        let mut schema = json!({"properties": {"innermost": {"type": "string"}}});
        for _ in 0..=MAX_DEPTH {
            schema = json!({"properties": {"outer": schema}});
        }
        let deep = [tool("a", "", schema)];
        assert!(ranked(deep.iter()).search("innermost", &Table, None, &|| true).is_empty());
        let long = [tool("a", &"word ".repeat(MAX_INDEXED), json!({"properties": {"quokka": {}}}))];
        assert!(ranked(long.iter()).search("quokka", &Table, None, &|| true).is_empty());
    }

    proptest! {
        #[test]
        fn any_text_can_be_indexed_and_searched(
            texts in prop::collection::vec(any::<String>(), 0..6), query in any::<String>()
        ) {
            let tool = |text: &String| tool(text, text, json!({}));
            let tools: Vec<ToolInfo> = texts.iter().map(tool).collect();
            let found = ranked(tools.iter()).search(&query, &Table, None, &|| true);
            prop_assert!(found.len() <= tools.len());
            prop_assert!(found.iter().all(|(at, score)| *at < tools.len() && score.is_finite()));
        }
    }
}
