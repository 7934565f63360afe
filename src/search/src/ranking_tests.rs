use std::cell::Cell;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::table::Table;

fn tool(server: &str, name: &str, description: &str) -> Described {
    let mut words = Counts::default();
    words.add(name, 3);
    words.add(server, 1);
    words.add(description, 1);
    let text = text_of(server, name, description);
    Described { server: server.into(), name: name.into(), words, text }
}

fn tools() -> Vec<Described> {
    vec![
        tool("tracker", "create_issue", "Open a new ticket in a repository"),
        tool("disk", "listFiles", "Names in a directory"),
        tool("tracker", "search", "Finds anything: repository, label, only issues with this label"),
        tool("mail", "send_mail", "Sends an e-mail through GitHub"),
    ]
}

fn search(tools: &[Described], query: &str) -> Vec<usize> {
    let found = Ranking::new(tools, &Table).search(query, &Table, None, &|| true);
    found.into_iter().map(|(place, _)| place).collect()
}

fn found(query: &str) -> Vec<String> {
    let tools = tools();
    search(&tools, query).into_iter().map(|place| tools[place].name.clone()).collect()
}

#[test]
fn a_name_counts_more_than_a_description() {
    assert_eq!(found("issue")[..2], ["create_issue", "search"]);
}

#[test]
fn descriptions_are_searched() {
    assert_eq!(found("ticket")[0], "create_issue");
    assert_eq!(found("label")[0], "search");
    assert_eq!(found("names of a directory")[0], "listFiles");
}

#[test]
fn humps_part_words_and_do_not() {
    assert_eq!(found("files")[0], "listFiles");
    assert_eq!(found("listfiles")[0], "listFiles");
    assert_eq!(found("LIST_FILES")[0], "listFiles");
    assert_eq!(found("github")[0], "send_mail");
    assert_eq!(found("hub")[0], "send_mail");
}

#[test]
fn plurals_and_singulars_are_one() {
    assert_eq!(found("issues")[..2], ["create_issue", "search"]);
    assert_eq!(found("directories")[0], "listFiles");
}

#[test]
fn the_beginning_of_a_word_finds_it_after_the_word_itself() {
    assert_eq!(found("iss")[..2], ["create_issue", "search"]);
    let tools = [tool("up", "issuer", ""), tool("up", "issue", "")];
    assert_eq!(search(&tools, "issue"), [1, 0]);
}

#[test]
fn a_tool_is_found_without_any_of_its_words() {
    assert_eq!(found("which documents are in this folder")[0], "listFiles");
    assert_eq!(found("write a letter to a customer")[0], "send_mail");
}

#[test]
fn names_that_are_typed_as_they_are_come_first() {
    let tools = [
        tool("github", "create_issue_comment", "create issue create issue create issue"),
        tool("github", "create_issue", "Opens one"),
        tool("news", "trends", "github github github github"),
    ];
    assert_eq!(search(&tools, "create_issue")[0], 1);
    assert_eq!(search(&tools, "create issue")[0], 1);
    assert_eq!(search(&tools, "mcp__github__create_issue")[0], 1);
    assert_eq!(search(&tools, "github")[2], 2);
    assert_eq!(search(&tools, "create_is")[..2], [0, 1]);
}

#[test]
fn a_word_that_a_tool_says_is_before_words_that_are_like_it() {
    let mut tools = tools();
    tools[2].words.add("only those with this flag", 1);
    assert_eq!(search(&tools, "flag")[0], 2);
    assert_eq!(search(&tools, "label")[0], 2);
}

#[test]
fn an_empty_query_finds_all_tools_in_their_order() {
    let ranking = Ranking::new(&tools(), &Table);
    let expected: Vec<_> = (0..4).map(|place| (place, 0.0)).collect();
    assert_eq!(ranking.search(" ", &Table, None, &|| true), expected);
    assert!(Ranking::new(&[], &Table).search("", &Table, None, &|| true).is_empty());
    assert!(Ranking::new(&[], &Table).search("a", &Table, None, &|| true).is_empty());
}

#[test]
fn what_no_tool_is_about_finds_nothing() {
    for query in ["zebra", "?!", "zzzzqqqq", "🦀", "the best pasta in Rome", &"x".repeat(2000)] {
        assert_eq!(found(query), [""; 0], "{query}");
    }
}

#[test]
fn equals_keep_their_order() {
    let tools: Vec<Described> = (0..4).map(|_| tool("up", "same", "")).collect();
    assert_eq!(search(&tools, "same"), [0, 1, 2, 3]);
}

#[test]
fn ideographs_are_words() {
    let tools = [tool("up", "a", "删除"), tool("up", "b", "取得文件")];
    assert_eq!(search(&tools, "文件")[0], 1);
}

#[test]
fn a_search_that_is_stopped_finds_nothing() {
    let ranking = Ranking::new(&tools(), &Table);
    for looks in 0..3_usize {
        let left = Cell::new(looks);
        let go_on = || left.replace(left.get().saturating_sub(1)) > 0;
        assert!(ranking.search("issue ticket", &Table, None, &go_on).is_empty(), "{looks}");
    }
}

#[test]
fn the_text_of_a_tool_has_its_name_in_words() {
    assert_eq!(text_of("up", "createIssue_v2", "Opens one"), "up create Issue v 2: Opens one");
    assert_eq!(text_of("up", "HTTPGet", ""), "up HTTPGet: ");
}

#[test]
fn a_thousand_tools_are_searched_in_two_milliseconds() {
    let text = "alpha beta gamma delta report issue file query ".repeat(8);
    let tools: Vec<Described> = (0..1000)
        .map(|at| tool("up", &format!("tool_{at}"), &format!("{text} word{at}")))
        .collect();
    let ranking = Ranking::new(&tools, &Table);
    assert!(ranking.bytes() < 2 << 20, "{}", ranking.bytes());
    let query = "report the issues of a file in the query word9";
    // The quickest of several: other tests run beside this one.
    let quickest = (0..20).map(|_| {
        let start = Instant::now();
        assert_eq!(ranking.search(query, &Table, None, &|| true).len(), 1000);
        start.elapsed()
    });
    let most = Duration::from_millis(if cfg!(debug_assertions) { 20 } else { 2 });
    assert!(quickest.min().unwrap() < most);
}

proptest! {
    #[test]
    fn any_text_can_be_ranked(
        texts in prop::collection::vec(any::<String>(), 0..6), query in any::<String>()
    ) {
        let tools: Vec<Described> = texts.iter().map(|text| tool(text, text, text)).collect();
        let found = Ranking::new(&tools, &Table).search(&query, &Table, None, &|| true);
        prop_assert!(found.iter().all(|(at, score)| *at < tools.len() && score.is_finite()));
    }
}
