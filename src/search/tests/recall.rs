//! How well tools are found does not get worse. docs/search.md has the figures; the floors
//! are 0.02 below them, which is some four queries.

#[path = "../benches/common/before.rs"]
mod before;
#[path = "../benches/common/mod.rs"]
mod common;

use before::Before;
use common::{Asked, Set, places, recall};
use mcp_conductor_search::{Ranking, Table};

fn of_one(set: &Set) -> impl Iterator<Item = &Asked> {
    set.asked.iter().filter(|asked| asked.tools.len() == 1)
}

fn of_two(set: &Set) -> impl Iterator<Item = &Asked> {
    set.asked.iter().filter(|asked| asked.tools.len() == 2)
}

#[test]
fn the_set_has_the_size_that_is_said() {
    let set = Set::read();
    assert_eq!((set.tools.len(), of_one(&set).count(), of_two(&set).count()), (454, 175, 22));
}

#[test]
fn tools_are_found_far_better_than_by_words_as_they_are() {
    let set = Set::read();
    let ranking = Ranking::new(&set.described(), &Table);
    let before = Before::new(&set.tools);
    let [_, five_before, _] = recall(of_one(&set), &|query| before.search(query));
    let [one, five, ten] = recall(of_one(&set), &|query| places(&ranking, &Table, None, query));
    assert!(one >= 0.21 && five >= 0.49 && ten >= 0.64, "{one}, {five}, {ten}");
    assert!(five >= five_before + 0.2, "{five_before}, {five}");
    let [_, five, _] = recall(of_two(&set), &|query| places(&ranking, &Table, None, query));
    assert!(five >= 0.52, "two tools: {five}");
}

#[test]
fn use_makes_tools_easier_to_find_and_others_not_harder() {
    let set = Set::read();
    let ranking = Ranking::new(&set.described(), &Table);
    let learned = set.learned(&Table, 0);
    let is_warm = |asked: &&Asked| set.past.iter().any(|past| past.tools.contains(&asked.tools[0]));
    let is_cold = |asked: &&Asked| !is_warm(asked);
    let five = |asked: Vec<&Asked>, learned| {
        recall(asked.into_iter(), &|query| places(&ranking, &Table, learned, query))[1]
    };
    let warm = || of_one(&set).filter(is_warm).collect();
    let cold = || of_one(&set).filter(is_cold).collect();
    assert!(five(warm(), Some(&learned)) >= five(warm(), None) + 0.04);
    assert!(five(cold(), Some(&learned)) >= five(cold(), None) - 0.02);
}

#[test]
fn a_query_about_something_else_finds_little() {
    let set = Set::read();
    let ranking = Ranking::new(&set.described(), &Table);
    for query in ["zebra", "zzzzqqqq", "giraffe", "xyzzy", "medieval castles", "how to bake bread"]
    {
        let found = places(&ranking, &Table, None, query).len();
        assert!(found <= set.tools.len() / 20, "{query}: {found}");
    }
}
