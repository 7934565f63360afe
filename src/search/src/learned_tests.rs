use super::*;
use crate::Counts;
use crate::ranking::{Described, Ranking, text_of};
use crate::table::Table;

const DAY: u64 = 24 * 60 * 60;

fn tool(name: &str, description: &str) -> Described {
    let mut words = Counts::default();
    words.add(name, 3);
    words.add(description, 1);
    Described {
        server: "up".into(),
        name: name.into(),
        words,
        text: text_of("up", name, description),
    }
}

fn ranking() -> Ranking {
    let tools = [
        tool("post_message", "Posts a message to a channel of the team chat"),
        tool("send_email", "Sends an electronic letter to an address"),
        tool("create_event", "Adds an appointment to a calendar"),
        tool("query", "Runs a read-only SQL statement"),
        tool("read_file", "Gives the contents of a file"),
    ];
    Ranking::new(&tools, &Table)
}

fn score(learned: &Learned, query: &str, place: usize) -> f32 {
    let found = ranking().search(query, &Table, Some(learned), &|| true);
    found.iter().find(|(at, _)| *at == place).map_or(0.0, |(_, score)| *score)
}

fn used(query: &str, tool: &str, times: usize) -> Learned {
    let mut learned = Learned::new();
    learned.record(&Table, "read the log", ("up", "read_file"), 1);
    (0..times).for_each(|_| learned.record(&Table, query, ("up", tool), 1));
    learned
}

#[test]
fn a_tool_that_was_called_after_a_query_is_nearer_to_it() {
    let (query, like) = ("inform my colleagues of the outage", "inform colleagues about a delay");
    let before = score(&Learned::new(), like, 0);
    let after = score(&used(query, "post_message", 2), like, 0);
    assert!(after > before + 0.05, "{before} and {after}");
}

#[test]
fn tools_that_were_never_called_keep_their_scores() {
    let learned = used("inform my colleagues of the outage", "post_message", 9);
    for query in ["inform colleagues about a delay", "an appointment on Monday"] {
        assert_eq!(score(&learned, query, 2), score(&Learned::new(), query, 2));
    }
}

#[test]
fn any_number_of_wrong_pairs_leaves_a_tool_where_its_own_words_find_it() {
    let learned = used("an appointment with the dentist on Monday", "query", 1000);
    let found =
        ranking().search("add an appointment to my calendar", &Table, Some(&learned), &|| true);
    assert_eq!(found[0].0, 2, "{found:?}");
    let found = ranking().search("run a SQL statement", &Table, Some(&learned), &|| true);
    assert_eq!(found[0].0, 3, "{found:?}");
}

/// The table, with the step that is right for a model.
struct Far;

impl Encoder for Far {
    fn name(&self) -> &str {
        Table.name()
    }

    fn dimensions(&self) -> usize {
        Table.dimensions()
    }

    fn encode(&self, text: &str) -> Vec<f32> {
        Table.encode(text)
    }

    fn weight_of_words(&self) -> f32 {
        Table.weight_of_words()
    }

    fn floor(&self) -> f32 {
        Table.floor()
    }

    fn beta(&self) -> f32 {
        1.2
    }
}

#[test]
fn however_far_use_moves_a_vector_its_score_changes_by_little() {
    let queries = ["an appointment with the dentist on Monday", "run a SQL statement", "a letter"];
    for query in queries {
        let learned = used(query, "query", 1000);
        for asked in queries {
            let scores = |learned: &Learned| {
                let found = ranking().search(asked, &Far, Some(learned), &|| true);
                found.iter().find(|(at, _)| *at == 3).map_or(0.0, |(_, score)| *score)
            };
            let change = scores(&learned) - scores(&Learned::new());
            assert!((-0.11..=0.21).contains(&change), "{query}, {asked}: {change}");
        }
    }
}

#[test]
fn what_is_not_used_any_more_fades_and_is_forgotten() {
    let (query, mut learned) = ("inform colleagues", used("inform colleagues", "post_message", 2));
    let new = score(&learned, query, 0);
    learned.age(60 * DAY);
    let old = score(&learned, query, 0);
    assert!(old < new && old > score(&Learned::new(), query, 0), "{old} and {new}");
    learned.age(400 * DAY);
    assert!(learned.is_empty());
}

#[test]
fn a_clock_that_goes_back_changes_nothing() {
    let mut learned = used("inform colleagues", "post_message", 2);
    learned.age(10 * DAY);
    let before = learned.clone();
    learned.age(DAY);
    assert_eq!(learned, before);
}

#[test]
fn tools_of_one_program_raise_each_other_a_little_and_not_above_the_better() {
    let query = "write to the channel or send a letter";
    let mut learned = Learned::new();
    (0..100)
        .for_each(|_| learned.record_together(&[("up", "post_message"), ("up", "send_email")], 1));
    let plain = ranking().search(query, &Table, None, &|| true);
    let raised = ranking().search(query, &Table, Some(&learned), &|| true);
    let of = |found: &[(usize, f32)], place| found.iter().find(|(at, _)| *at == place).unwrap().1;
    let (better, other) = if of(&plain, 0) > of(&plain, 1) { (0, 1) } else { (1, 0) };
    assert_eq!(of(&raised, better), of(&plain, better));
    assert!(of(&raised, other) > of(&plain, other));
    assert!(of(&raised, other) <= (of(&plain, other) + TOGETHER).min(of(&raised, better)));
}

#[test]
fn another_encoders_vectors_do_not_count() {
    let mut learned = used("inform colleagues", "post_message", 2);
    learned.encoder = "another".to_owned();
    let query = "inform colleagues";
    assert_eq!(score(&learned, query, 0), score(&Learned::new(), query, 0));
    learned.record(&Table, "read a file", ("up", "read_file"), 2);
    assert_eq!((learned.queries.count, learned.encoder.as_str()), (1.0, "table-1"));
}

#[test]
fn the_tool_that_is_used_least_makes_room() {
    let mut learned = Learned::new();
    learned.record(&Table, "often", ("up", "often"), 1);
    learned.record(&Table, "often", ("up", "often"), 1);
    (0..MAX_TOOLS + 5).for_each(|at| learned.record(&Table, "once", ("up", &at.to_string()), 1));
    assert_eq!(learned.len(), MAX_TOOLS);
    assert!(learned.get(("up", "often")).is_some());
}

#[test]
fn a_query_that_says_nothing_is_not_recorded() {
    let mut learned = Learned::new();
    learned.record(&Table, "🦀", ("up", "query"), 1);
    assert!(learned.is_empty());
}
