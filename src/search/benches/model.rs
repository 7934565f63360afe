//! The same set by all-MiniLM-L6-v2, from the directory that MCP_CONDUCTOR_TEST_MODEL names:
//! recall by the weight of the words, and the time of a query.

mod common;

use std::path::Path;
use std::time::Instant;

use common::{Asked, HEAD, Set, described, places, recall};
use mcp_conductor_model::{Expected, Model, Precision};
use mcp_conductor_search::{Encoder, Learned, Ranking, Table};

const DIRECTORY: &str = "MCP_CONDUCTOR_TEST_MODEL";

struct MiniLm {
    model: Model,
    weight: f32,
    floor: f32,
}

impl Encoder for MiniLm {
    fn name(&self) -> &str {
        self.model.identity()
    }

    fn dimensions(&self) -> usize {
        self.model.dimensions()
    }

    fn encode(&self, text: &str) -> Vec<f32> {
        self.model.encode(text)
    }

    fn knows(&self, text: &str) -> bool {
        Table.knows(text)
    }

    fn weight_of_words(&self) -> f32 {
        self.weight
    }

    fn floor(&self) -> f32 {
        self.floor
    }

    fn beta(&self) -> f32 {
        1.2
    }
}

fn main() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return eprintln!("SKIPPED: {DIRECTORY} does not name a directory with all-MiniLM-L6-v2");
    };
    let open = || Model::open(Path::new(&directory), Expected::MiniLm, Precision::Best);
    let set = Set::read();
    println!(
        "| weight of words | floor | one tool: recall@1, 5, 10 | two tools |\n|---|---|---|---|"
    );
    for (weight, floor) in
        [(0.0, 0.0), (0.1, 0.0), (0.2, 0.0), (0.2, 0.15), (0.2, 0.25), (0.4, 0.0)]
    {
        let model = MiniLm { model: open().expect("it is the model"), weight, floor };
        let ranking = Ranking::new(&set.described(), &model);
        let search = |query: &str| places(&ranking, &model, None, query);
        let (one, two): (Vec<&Asked>, Vec<&Asked>) =
            set.asked.iter().partition(|asked| asked.tools.len() == 1);
        let shown = [recall(one.into_iter(), &search), recall(two.into_iter(), &search)]
            .map(|[one, five, ten]| format!("{one:.3}, {five:.3}, {ten:.3}"));
        println!("| {weight} | {floor} | {} |", shown.join(" | "));
    }
    let model = MiniLm { model: open().expect("it is the model"), weight: 0.2, floor: 0.15 };
    learned(&set, &model);
    for tools in [1_000, 10_000] {
        time(&set, &model, tools);
    }
}

/// What past queries teach: one for each of half of the tools, and the same when a part of them led
/// to wrong calls.
fn learned(set: &Set, model: &MiniLm) {
    let ranking = Ranking::new(&set.described(), model);
    println!("| learned | {} |", HEAD);
    println!("|---|---|---|---|---|");
    let none = Learned::new();
    let ways = [
        ("nothing", none),
        ("past queries", set.learned(model, 0)),
        ("one in five wrong", set.learned(model, 5)),
        ("one in two wrong", set.learned(model, 2)),
    ];
    for (name, learned) in &ways {
        let search = |query: &str| places(&ranking, model, Some(learned), query);
        println!("| {name} | {} |", set.recalls(&search));
    }
}

fn time(set: &Set, model: &MiniLm, tools: usize) {
    let copies: Vec<_> = (0..tools)
        .map(|at| {
            let [server, name, text] = &set.tools[at % set.tools.len()];
            described(&format!("{server}{}", at / set.tools.len()), name, text)
        })
        .collect();
    let start = Instant::now();
    let ranking = Ranking::new(&copies, model);
    let made = start.elapsed();
    let search = |query: &str| {
        let start = Instant::now();
        std::hint::black_box(places(&ranking, model, None, query));
        start.elapsed()
    };
    // The quickest of three, because other programs take turns of some milliseconds.
    let quickest = |asked: &Asked| (0..3).map(|_| search(&asked.query)).min();
    let mut times: Vec<_> = set.asked.iter().filter_map(quickest).collect();
    times.sort();
    let (p50, p95) = (times[times.len() / 2], times[times.len() * 95 / 100]);
    let bytes = ranking.bytes() / 1024;
    println!("{tools} tools: p50 {p50:.1?}, p95 {p95:.1?}; index {bytes} KB, made in {made:.1?}");
}
