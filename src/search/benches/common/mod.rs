//! The set of queries, and how well they are answered.

// The bench and the test use a part each.
#![allow(dead_code)]

use mcp_conductor_search::{Counts, Described, Encoder, Learned, Ranking, text_of};
use serde_json::Value;

/// A query, and the places of the tools that answer it.
pub struct Asked {
    pub query: String,
    pub tools: Vec<usize>,
}

/// Tools, queries, and queries that were asked before.
pub struct Set {
    pub tools: Vec<[String; 3]>,
    pub asked: Vec<Asked>,
    pub past: Vec<Asked>,
}

impl Set {
    pub fn read() -> Self {
        let text = |value: &Value, key: &str| value[key].as_str().expect("a string").to_owned();
        let tools: Vec<[String; 3]> = lines(include_str!("../tools.jsonl"))
            .map(|tool| ["server", "name", "description"].map(|key| text(&tool, key)))
            .collect();
        let place = |name: &Value| {
            let name = name.as_str().expect("a string");
            let is = |tool: &[String; 3]| name == format!("{}/{}", tool[0], tool[1]);
            tools.iter().position(is).unwrap_or_else(|| panic!("{name} is not a tool"))
        };
        let asked = |lines_of: &'static str| {
            lines(lines_of).map(|asked| Asked {
                query: text(&asked, "query"),
                tools: asked["tools"].as_array().expect("a list").iter().map(place).collect(),
            })
        };
        let (now, past) =
            (asked(include_str!("../queries.jsonl")), asked(include_str!("../history.jsonl")));
        let (asked, past) = (now.collect(), past.collect());
        Self { tools, asked, past }
    }

    pub fn described(&self) -> Vec<Described> {
        self.tools.iter().map(|[server, name, text]| described(server, name, text)).collect()
    }

    /// What the past queries taught, where each so-many-th one led to another tool than the
    /// right one; 0 for none.
    pub fn learned(&self, encoder: &dyn Encoder, wrong: usize) -> Learned {
        let mut learned = Learned::new();
        for (at, asked) in self.past.iter().enumerate() {
            let is_wrong = wrong > 0 && at % wrong == 0;
            for tool in &asked.tools {
                // A tool that is far away in the list is of another server.
                let tool =
                    if is_wrong { (tool + self.tools.len() / 2) % self.tools.len() } else { *tool };
                let [server, name, _] = &self.tools[tool];
                learned.record(encoder, &asked.query, (server, name), 1);
            }
        }
        learned
    }

    /// Recall of queries about one tool and about two, and of those whose tools have a past
    /// query, and have none: as the cells of a table below [`HEAD`].
    pub fn recalls(&self, search: &dyn Fn(&str) -> Vec<usize>) -> String {
        let is_warm = |asked: &&Asked| {
            asked.tools.iter().all(|tool| self.past.iter().any(|past| past.tools.contains(tool)))
        };
        let one = || self.asked.iter().filter(|asked| asked.tools.len() == 1);
        let shown = [
            recall(one(), search),
            recall(self.asked.iter().filter(|asked| asked.tools.len() > 1), search),
            recall(one().filter(is_warm), search),
            recall(one().filter(|asked| !is_warm(asked)), search),
        ];
        shown.map(|[one, five, ten]| format!("{one:.3}, {five:.3}, {ten:.3}")).join(" | ")
    }
}

/// What [`Set::recalls`] has the cells of.
pub const HEAD: &str = "one tool: recall@1, 5, 10 | two tools | tools with a past query | without";

fn lines(text: &'static str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON"))
}

/// A tool as the catalog indexes it.
pub fn described(server: &str, name: &str, description: &str) -> Described {
    let mut words = Counts::default();
    words.add(name, 3);
    words.add(server, 1);
    words.add(description, 1);
    let text = text_of(server, name, description);
    Described { server: server.to_owned(), name: name.to_owned(), words, text }
}

/// Recall at 1, 5 and 10: of the tools that answer a query, the share that is among the
/// first results; the mean over queries.
pub fn recall<'a>(
    asked: impl Iterator<Item = &'a Asked>,
    search: &dyn Fn(&str) -> Vec<usize>,
) -> [f64; 3] {
    let (mut sums, mut count) = ([0.0; 3], 0.0);
    for asked in asked {
        let found = search(&asked.query);
        for (sum, most) in sums.iter_mut().zip([1, 5, 10]) {
            let most = most.max(if most == 1 { asked.tools.len() } else { 1 });
            let first = &found[..found.len().min(most)];
            let hits = asked.tools.iter().filter(|tool| first.contains(tool)).count();
            *sum += hits as f64 / asked.tools.len() as f64;
        }
        count += 1.0;
    }
    sums.map(|sum| sum / f64::max(count, 1.0))
}

/// The places that a ranking finds.
pub fn places(
    ranking: &Ranking,
    encoder: &dyn Encoder,
    learned: Option<&Learned>,
    query: &str,
) -> Vec<usize> {
    ranking.search(query, encoder, learned, &|| true).into_iter().map(|(place, _)| place).collect()
}

/// No opinion of any text: words alone rank.
pub struct Nothing;

impl Encoder for Nothing {
    fn name(&self) -> &str {
        "nothing"
    }

    fn dimensions(&self) -> usize {
        1
    }

    fn encode(&self, _: &str) -> Vec<f32> {
        vec![0.0]
    }

    fn knows(&self, _: &str) -> bool {
        false
    }

    fn weight_of_words(&self) -> f32 {
        1.0
    }

    fn floor(&self) -> f32 {
        1.0
    }
}
