//! How well tools are found, how long that takes, and how much memory.
//! `cargo bench -p mcp-conductor-search`; docs/search.md has the figures.

#[path = "common/before.rs"]
mod before;
mod common;

use std::time::Instant;

use before::Before;
use common::{Asked, HEAD, Nothing, Set, described, places};
use mcp_conductor_search::{Encoder, Learned, Ranking, Table};

/// Vectors that are timed.
const TIMED: usize = 2000;

fn main() {
    let set = Set::read();
    let two = set.asked.iter().filter(|asked| asked.tools.len() > 1).count();
    println!(
        "{} tools, {} queries, {two} of them with two tools, {} past queries",
        set.tools.len(),
        set.asked.len(),
        set.past.len()
    );
    quality(&set);
    for tools in [1_000, 10_000] {
        time(&set, tools);
    }
}

type Search<'a> = Box<dyn Fn(&str) -> Vec<usize> + 'a>;

fn quality(set: &Set) {
    let before = Before::new(&set.tools);
    let (words, table) =
        (Ranking::new(&set.described(), &Nothing), Ranking::new(&set.described(), &Table));
    let learned = set.learned(&Table, 0);
    let ways: [(&str, Search<'_>); 4] = [
        ("before", Box::new(|query| before.search(query))),
        ("words", Box::new(|query| places(&words, &Nothing, None, query))),
        ("table", Box::new(|query| places(&table, &Table, None, query))),
        ("learned", Box::new(|query| places(&table, &Table, Some(&learned), query))),
    ];
    println!("| way | {HEAD} |\n|---|---|---|---|---|");
    for (name, search) in &ways {
        println!("| {name} | {} |", set.recalls(search));
    }
    if std::env::var_os("SHOW_MISSES").is_some() {
        misses(set, &table, &learned);
    }
}

/// The queries that are not answered by the first five, and what is.
fn misses(set: &Set, table: &Ranking, learned: &Learned) {
    for asked in &set.asked {
        let found = table.search(&asked.query, &Table, Some(learned), &|| true);
        let first: Vec<_> = found.iter().take(5).collect();
        for tool in asked.tools.iter().filter(|tool| !first.iter().any(|(at, _)| at == *tool)) {
            let first = first.iter().map(|(at, score)| format!("{} {score:.2}", set.tools[*at][1]));
            let place = found.iter().position(|(at, _)| at == tool);
            let name = &set.tools[*tool][1];
            println!(
                "{:?} {name} {place:?}: {}",
                asked.query,
                first.collect::<Vec<_>>().join(", ")
            );
        }
    }
}

fn time(set: &Set, tools: usize) {
    let copies = (0..tools).map(|at| {
        let [server, name, text] = &set.tools[at % set.tools.len()];
        let copy = at / set.tools.len();
        described(&format!("{server}{copy}"), name, text)
    });
    let copies: Vec<_> = copies.collect();
    let (start, resident) = (Instant::now(), resident_kilobytes());
    let ranking = Ranking::new(&copies, &Table);
    let (made, before) = (start.elapsed(), copies.len());
    let resident = resident_kilobytes().saturating_sub(resident);
    println!("{tools} tools: the index takes {resident} KB of resident memory");
    let mut learned = Learned::new();
    for (at, past) in set.past.iter().cycle().take(1000).enumerate() {
        let tool = &copies[at % before];
        learned.record(&Table, &past.query, (&tool.server, &tool.name), 1);
    }
    for (name, learned) in [("table", None), ("1000 tools learned", Some(&learned))] {
        let search = |query: &str| {
            let start = Instant::now();
            std::hint::black_box(ranking.search(query, &Table, learned, &|| true));
            start.elapsed()
        };
        // The quickest of five, because other programs take turns of some milliseconds.
        let quickest = |asked: &Asked| (0..5).map(|_| search(&asked.query)).min();
        let mut times: Vec<_> = set.asked.iter().filter_map(quickest).collect();
        times.sort();
        println!(
            "{tools} tools, {name}: p50 {:?}, p95 {:?}; index {} KB, made in {made:?}; learned {} KB",
            times[times.len() / 2],
            times[times.len() * 95 / 100],
            ranking.bytes() / 1024,
            learned.map_or(0, Learned::bytes) / 1024,
        );
    }
    let start = Instant::now();
    (0..TIMED).for_each(|at| {
        drop(std::hint::black_box(Table.encode(&set.asked[at % set.asked.len()].query)))
    });
    println!("a query's vector: {:?}", start.elapsed() / TIMED as u32);
}

/// Anonymous resident memory of this process, from proc(5).
fn resident_kilobytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let size = line.and_then(|line| line.split_whitespace().next());
    size.and_then(|size| size.parse().ok()).unwrap_or_default()
}
