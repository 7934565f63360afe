//! Who may import whom, and how many circles of files there are: read from the sources, so
//! that a wrong import fails with the line that makes it.
//!
//! `cargo test --release --lib architecture -- --nocapture` prints the circles, with the
//! imports that make them.
//!
//! An import is a path of a `use`, or a path in code that begins with `crate`, `super` or a
//! module of the file, resolved through `pub use` to the file that defines what it names.
//! Code of tests is left out, and so is what a file and a module inside of it say to each
//! other: a `mod.rs` and its children are one thing in several files.

mod graph;
mod source;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use graph::Graph;
use source::Sources;

/// What several rooms use stands below them and knows none of them.
const GROUND: &[&str] = &[
    "audit",
    "links",
    "memory",
    "net",
    "packages",
    "private_file",
    "protocol",
    "sandbox",
    "snapshots",
    "store",
    "telemetry",
    "text",
    "threads",
];

/// Rooms of which nothing runs in a worker.
const OF_THE_SERVER: &[&str] = &[
    "broker",
    "catalog",
    "config",
    "conversations",
    "learning",
    "modules",
    "playbooks",
    "policy",
    "pool",
    "runtime",
    "server",
    "shared_limits",
    "upstream",
];

/// Rooms, and those that they may not import, with the reason. A room that is not there
/// imports nothing.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    ("worker", OF_THE_SERVER, "what runs in the sandbox meets the server in `protocol` only"),
    ("engines", OF_THE_SERVER, "what runs in the sandbox meets the server in `protocol` only"),
    (
        "pool",
        &["broker", "catalog", "modules", "playbooks", "policy", "runtime", "server", "upstream"],
        "the pool passes frames on and never interprets them",
    ),
    (
        "catalog",
        &["broker", "modules", "pool", "runtime", "server", "upstream"],
        "what is known of tools knows no connection",
    ),
    (
        "upstream",
        &["broker", "modules", "pool", "runtime", "server"],
        "connections serve programs and know of none",
    ),
    ("broker", &["pool", "runtime", "server"], "effects know neither workers nor transports"),
    (
        "conversations",
        &["broker", "catalog", "modules", "pool", "runtime", "server", "upstream"],
        "what calls have in common is names and values, whatever made them",
    ),
    (
        "learning",
        &["broker", "catalog", "modules", "pool", "runtime", "server", "upstream"],
        "what is learned is names and vectors, whatever they are of",
    ),
    (
        "config",
        &["broker", "catalog", "modules", "pool", "runtime", "server", "upstream"],
        "settings are read before anything is started",
    ),
    ("runtime", &["server"], "a run knows nothing of MCP"),
    (
        "shared_limits",
        &["broker", "catalog", "config", "modules", "pool", "runtime", "server", "upstream"],
        "limits are numbers and names, whatever they are of",
    ),
];

/// Files that import each other in a circle, each named in docs/architecture.md with the
/// reason why they are one thing.
const MOST_CIRCLES: usize = 3;

/// Where circles are named.
const NAMED_IN: &str = "docs/architecture.md";

fn graph() -> Graph {
    Graph::of(&Sources::read(Path::new(env!("CARGO_MANIFEST_DIR"))))
}

#[test]
fn rooms_import_only_what_stands_below_them() {
    let graph = graph();
    let mut wrong = String::new();
    for import in graph.imports_of_rooms() {
        let (from, to) = (import.own_room(), import.other_room());
        let is_ground = GROUND.contains(&to);
        if GROUND.contains(&from) && !is_ground {
            writeln!(wrong, "{import}: the ground floor knows no room above it").unwrap();
        }
        if from == "policy" && !is_ground {
            writeln!(wrong, "{import}: policy imports the ground floor only").unwrap();
        }
        let forbidden =
            FORBIDDEN.iter().filter(|(room, others, _)| *room == from && others.contains(&to));
        for (_, _, reason) in forbidden {
            writeln!(wrong, "{import}: {reason}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "imports that should not be:\n{wrong}");
}

#[test]
fn no_rooms_import_each_other_in_a_circle() {
    let circles = graph().circles_of_rooms();
    assert!(circles.is_empty(), "rooms that import each other:\n{}", circles.join("\n"));
}

#[test]
fn few_files_import_each_other_in_a_circle_and_each_circle_is_named() {
    let graph = graph();
    let circles = graph.circles();
    let shown: String = circles.iter().map(|circle| graph.shown(circle)).collect();
    println!("{} circles of files:\n{shown}", circles.len());
    assert!(circles.len() <= MOST_CIRCLES, "more than {MOST_CIRCLES} circles:\n{shown}");
    let named = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(NAMED_IN)).unwrap();
    for circle in &circles {
        let names: BTreeSet<String> = circle.iter().map(|file| format!("`{file}`")).collect();
        let is_named = named.lines().any(|line| names.iter().all(|name| line.contains(name)));
        let names: Vec<String> = names.into_iter().collect();
        let names = names.join(", ");
        assert!(is_named, "{NAMED_IN} has no line that says why these are a circle: {names}");
    }
}

/// A crate of a few files: `a/one` and `b` import each other, once by `use` through a `pub use`
/// and once by a path in code; all else that looks like it is a string, a comment or a test.
const SAMPLE: &[(&str, &str)] = &[
    ("lib.rs", "mod a;\nmod b;\nmod c;\n#[cfg(test)]\nmod only_tests;\npub use c::Handed;\n"),
    ("a/mod.rs", "mod one;\nmod two;\npub(crate) use one::One;\npub(crate) struct Own;\n"),
    ("a/one.rs", "use crate::{b::B as Other, Handed};\nuse super::Own;\npub struct One(Other);\n"),
    (
        "a/two.rs",
        "fn f<'a>() -> impl Sized + use<'a> { r#\"use crate::b::B;\"#.len() + '\"'.len_utf8() }\n",
    ),
    ("b.rs", "// use crate::c::Handed;\npub struct B;\nfn f() { crate::a::One::new(); }\n"),
    (
        "c.rs",
        "pub struct Handed;\n#[cfg(test)]\nfn f<T, U>(_: crate::a::One) { crate::b::f() }\n\
         #[cfg(test)]\nmod tests { use crate::b::B; }\n",
    ),
    ("only_tests.rs", "use crate::b::B;\n"),
];

#[test]
fn imports_are_seen_however_they_are_written() {
    let root = std::env::temp_dir().join(format!("architecture-{}", std::process::id()));
    for (name, text) in SAMPLE {
        let file = root.join("src").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let graph = Graph::of(&Sources::read(&root));
    fs::remove_dir_all(&root).unwrap();
    let imports: Vec<(&str, &str)> =
        graph.imports().map(|import| (&*import.from, &*import.to)).collect();
    assert_eq!(imports, [("a/one", "b"), ("a/one", "c"), ("b", "a/one")]);
    let circle = BTreeSet::from(["a/one".to_owned(), "b".to_owned()]);
    assert_eq!(graph.circles(), [circle]);
    let rooms = graph.circles_of_rooms();
    assert_eq!(rooms.len(), 1);
    assert!(rooms[0].contains("src/b.rs:3: crate::a::One::new is of a/one"), "{rooms:?}");
}

/// Or else nothing that the tests above say would mean anything.
#[test]
fn the_sources_of_this_crate_are_seen() {
    let graph = graph();
    let rooms: BTreeSet<(&str, &str)> =
        graph.imports_of_rooms().map(|import| (import.own_room(), import.other_room())).collect();
    for known in [("server", "runtime"), ("runtime", "broker"), ("broker", "policy")] {
        assert!(rooms.contains(&known), "{known:?} is not among {rooms:?}");
    }
    assert!(graph.imports().count() > 300, "{}", graph.imports().count());
}
