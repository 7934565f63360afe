//! All tools that are known, by what servers say of them. How they are ranked is the
//! crate `mcp-conductor-search`'s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_conductor_search::{
    Counts, Described, Encoder, Learned, MAX_QUERY, Ranking, Table, text_of,
};
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::list::{Catalog, Provider};
use super::seen::Seen;
use super::tool::Tool;
use super::tool_info::ToolInfo;
use super::work::GoOn;
use crate::embedding::{Embeddings, MeasuredSearch, Order, Search, Vectors};
use crate::memory::{Account, Charge, give_back_free_pages};
use crate::policy::RunTools;
use crate::telemetry::SearchMetrics;
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

/// From so many tools on free pages are given back: what was read of their lists is a megabyte or more.
const MANY_TOOLS: usize = 200;

/// The method of searches by words alone, in metrics.
const LEXICAL: &str = "lexical";

/// A server and its tools.
pub(crate) type Indexed = (Arc<Provider>, Arc<Catalog>);

/// The index of a principal's tools: made when it is asked for, and kept as long as there
/// is memory for it and the lists are the same.
pub(crate) struct KeptIndex {
    kept: Mutex<Option<Arc<Index>>>,
    memory: Account,
    search: MeasuredSearch,
}

impl KeptIndex {
    pub(crate) fn new(memory: Account, search: MeasuredSearch) -> Self {
        Self { kept: Mutex::default(), memory, search }
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
        let (index, is_kept) = Index::new(lists, &self.memory, &self.search);
        let index = Arc::new(index);
        *kept = is_kept.then(|| index.clone());
        drop(kept);
        if index.tools.len() >= MANY_TOOLS {
            give_back_free_pages();
        }
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
    /// What the vectors are of.
    made_by: Search,
    /// Vectors that are being made, which are better.
    ordered: Option<Arc<Order>>,
    metrics: SearchMetrics,
    /// When it was made, and how long that took.
    made: Instant,
    took: Duration,
    _charge: Charge,
}

impl Index {
    /// With it: whether there is memory to keep it.
    fn new(made_of: Vec<Indexed>, memory: &Account, search: &MeasuredSearch) -> (Self, bool) {
        let made = Instant::now();
        let tools: Vec<(usize, usize)> = (0..made_of.len())
            .flat_map(|list| (0..made_of[list].1.tools.len()).map(move |tool| (list, tool)))
            .collect();
        let infos = tools.iter().map(|(list, tool)| &made_of[*list].1.tools[*tool].info);
        let (ranking, made_by, ordered) = ranked(&described(infos), &search.search);
        let ordered_bytes = ordered.as_ref().map_or(0, |order| order.bytes());
        let charged = memory.try_charge(ranking.bytes() + ordered_bytes);
        let is_kept = charged.is_ok();
        let took = made.elapsed();
        let _charge = charged.unwrap_or_default();
        let metrics = search.metrics.clone();
        (Self { made_of, tools, ranking, made_by, ordered, metrics, made, took, _charge }, is_kept)
    }

    /// Whether it need not be made anew for these lists.
    fn serves(&self, lists: &[Indexed]) -> bool {
        if self.ordered.as_ref().is_some_and(|order| order.is_due()) {
            return false;
        }
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
        let found = self.found(query, learned, go_on);
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

impl Index {
    /// Places and scores of tools, the best first.
    fn found(&self, query: &str, learned: Option<&Learned>, go_on: GoOn<'_>) -> Vec<(usize, f32)> {
        let start = Instant::now();
        let (method, found) = self.found_by(query, learned, go_on);
        self.metrics.queried(method, start.elapsed());
        found
    }

    /// What has ranked them, and what was found.
    fn found_by(
        &self,
        query: &str,
        learned: Option<&Learned>,
        go_on: GoOn<'_>,
    ) -> (&'static str, Vec<(usize, f32)>) {
        match &self.made_by {
            Search::Words => (LEXICAL, self.ranking.search(query, &Words, learned, go_on)),
            Search::Table => ("table", self.ranking.search(query, &Table, learned, go_on)),
            Search::Embeddings(embeddings) => {
                // As the ranking reads it.
                let query = head(query, MAX_QUERY).trim();
                let known = match query.is_empty() {
                    true => embeddings.nothing(),
                    false => embeddings.of_query(query),
                };
                // Without a vector of the query, words alone rank.
                let method = if known.is_empty() { LEXICAL } else { embeddings.method() };
                (method, self.ranking.search(query, &known, learned, go_on))
            }
        }
    }
}

/// An encoder without an opinion: words alone rank.
struct Words;

impl Encoder for Words {
    fn name(&self) -> &str {
        "words"
    }

    fn dimensions(&self) -> usize {
        0
    }

    fn encode(&self, _: &str) -> Vec<f32> {
        Vec::new()
    }

    fn knows(&self, _: &str) -> bool {
        false
    }

    fn weight_of_words(&self) -> f32 {
        1.0
    }

    /// Above any cosine.
    fn floor(&self) -> f32 {
        2.0
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

/// Tools by what is said of them, what its vectors are of, and better ones that are ordered.
fn ranked(tools: &[Described], search: &Search) -> (Ranking, Search, Option<Arc<Order>>) {
    match search {
        Search::Words => (Ranking::new(tools, &Words), Search::Words, None),
        Search::Table => (Ranking::new(tools, &Table), Search::Table, None),
        Search::Embeddings(embeddings) => ranked_by(tools, embeddings),
    }
}

/// By these vectors if there are all of them, else by the table until there are.
fn ranked_by(
    tools: &[Described],
    embeddings: &Embeddings,
) -> (Ranking, Search, Option<Arc<Order>>) {
    match embeddings.of(tools.iter().map(|tool| tool.text.clone()).collect()) {
        Vectors::Known(known) => {
            (Ranking::new(tools, &known), Search::Embeddings(embeddings.clone()), None)
        }
        Vectors::Ordered(order) => (Ranking::new(tools, &Table), Search::Table, Some(order)),
    }
}

/// What a search knows of tools.
fn described<'a>(tools: impl Iterator<Item = &'a ToolInfo>) -> Vec<Described> {
    let tools: Vec<&ToolInfo> = tools.collect();
    let room = (MAX_ALL_INDEXED / tools.len().max(1)).clamp(MIN_INDEXED, MAX_INDEXED);
    tools.into_iter().map(|tool| described_tool(tool, room)).collect()
}

/// What a search knows of a tool, from so many bytes of its texts.
fn described_tool(tool: &ToolInfo, room: usize) -> Described {
    let description = tool.description.as_deref().unwrap_or_default();
    Described {
        server: tool.server.clone(),
        name: tool.name.clone(),
        words: Text::of(tool, room),
        text: text_of(&tool.server, &tool.name, head(description, room)),
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
    use crate::embedding::tests::{by_endpoint, endpoint};

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

    fn by_table<'a>(tools: impl Iterator<Item = &'a ToolInfo>) -> Ranking {
        ranked(&described(tools), &Search::Table).0
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
        let found = by_table(tools.iter()).search(query, &Table, None, &|| true);
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
        let mut schema = json!({"properties": {"quokka": {"type": "string"}}});
        for _ in 0..=MAX_DEPTH {
            schema = json!({"properties": {"outer": schema}});
        }
        let deep = [tool("a", "", schema)];
        assert!(by_table(deep.iter()).search("quokka", &Table, None, &|| true).is_empty());
        let long = [tool("a", &"word ".repeat(MAX_INDEXED), json!({"properties": {"quokka": {}}}))];
        assert!(by_table(long.iter()).search("quokka", &Table, None, &|| true).is_empty());
    }

    #[test]
    fn words_alone_find_what_shares_a_word_and_nothing_else() {
        let ranking = ranked(&described(tools().iter()), &Search::Words).0;
        let found = |query: &str| {
            let found = ranking.search(query, &Words, None, &|| true);
            found.into_iter().map(|(place, _)| place).collect::<Vec<_>>()
        };
        assert_eq!((found("ticket"), found("bug")), (vec![0], vec![]));
    }

    /// Texts about the same thing have the same vector.
    fn meaning(text: &str) -> Option<Vec<f32>> {
        let is_about = ["ticket", "bug"].iter().any(|word| text.contains(word));
        Some(if is_about { vec![1.0, 0.0] } else { vec![0.0, 1.0] })
    }

    #[tokio::test]
    async fn tools_are_found_by_the_table_until_there_are_better_vectors() {
        let search = by_endpoint(endpoint(meaning).await);
        let described = described(tools().iter());
        let (_, made_by, order) = ranked(&described, &search);
        assert!(matches!(made_by, Search::Table));
        let order = order.unwrap();
        while !order.is_due() {
            tokio::task::yield_now().await;
        }
        let (ranking, made_by, order) = ranked(&described, &search);
        let Search::Embeddings(embeddings) = made_by else { panic!("the vectors are there") };
        assert!(order.is_none());
        let searching = move || {
            let query = "report a bug";
            ranking.search(query, &embeddings.of_query(query), None, &|| true)
        };
        let found = tokio::task::spawn_blocking(searching).await.unwrap();
        assert_eq!(found[0].0, 0, "a bug is a ticket: {found:?}");
    }

    #[test]
    fn a_thousand_tools_take_less_than_fifteen_megabytes() {
        let parameter = |at: usize| {
            let described = format!("The value number {at}, as the service knows it, or its name");
            (format!("parameter_{at}"), json!({"type": "string", "description": described}))
        };
        let properties: Map<String, Value> = (0..8).map(parameter).collect();
        let text = "Makes an entry and answers with what was made of it. ".repeat(8);
        let tools: Vec<ToolInfo> = (0..1000)
            .map(|at| tool(&format!("make_{at}"), &text, json!({"properties": properties})))
            .collect();
        let lists: usize = tools.iter().map(ToolInfo::bytes).sum();
        let index = by_table(tools.iter()).bytes();
        // The table of vectors is mapped, once for all.
        assert!(lists + index < 15 << 20, "{lists} and {index}");
    }

    proptest! {
        #[test]
        fn any_text_can_be_indexed_and_searched(
            texts in prop::collection::vec(any::<String>(), 0..6), query in any::<String>()
        ) {
            let tool = |text: &String| tool(text, text, json!({}));
            let tools: Vec<ToolInfo> = texts.iter().map(tool).collect();
            let found = by_table(tools.iter()).search(&query, &Table, None, &|| true);
            prop_assert!(found.len() <= tools.len());
            prop_assert!(found.iter().all(|(at, score)| *at < tools.len() && score.is_finite()));
        }
    }
}
