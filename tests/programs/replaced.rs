//! What programs can replace: whatever stands in its place is handed nothing of
//! deno_core's, around every API that there is.
//!
//! The programs in `replaced/` make their own list: each property of each object
//! that has a name, and each name that Deno's scripts and ours look up. Whatever a
//! replacement is handed is looked at, with all that it leads to. A function that
//! no program comes by otherwise is called with arguments that note what is done
//! with them: a function that leads to nothing does no harm.

use std::time::Duration;

use mcp_conductor::ExecuteRequest;
use serde::Deserialize;

use super::runtimes::{config, run_with};

const RECORDER: &str = include_str!("replaced/recorder.js");
const SCENARIOS: &str = include_str!("replaced/scenarios.js");
const DRIVER: &str = include_str!("replaced/driver.js");

/// Several times what one takes on a machine of two busy processors.
const PATIENCE: Duration = Duration::from_secs(180);

/// Properties of V8's and the platform's objects: fewer mean that the list is not
/// what it was.
const PROPERTIES: usize = 2500;

#[derive(Debug, Deserialize)]
struct Report {
    /// Scenarios that did not work, as they are or with replacements that do what
    /// the originals do.
    broken: Vec<String>,
    properties: usize,
    nowhere: usize,
    /// Replacements that were used at all.
    hits: usize,
    leaks: Vec<String>,
}

/// Words of our own scripts; Deno's are in the functions that programs can reach.
fn words() -> String {
    let scripts = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/js")).expect("js/");
    let mut words = std::collections::BTreeSet::new();
    let scripts = scripts.map(|script| script.expect("an entry").path());
    for script in scripts.filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(script).expect("a script");
        let word = |c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$';
        words.extend(text.split(word).filter(|word| !word.is_empty()).map(str::to_owned));
    }
    serde_json::to_string(&words).expect("JSON")
}

/// Runs one of the programs, or one half of it.
fn sweep(name: &str, program: &str, half: usize) -> Report {
    let mut source = format!("const HALF = {half}, WORDS = {};", words());
    source.extend([RECORDER, SCENARIOS, DRIVER, program]);
    // What one program leaves behind is nothing to another.
    let workspace = std::env::temp_dir().join(format!("mcp-conductor-tests/replaced-{name}"));
    let config = config()
        .with_workspace(workspace)
        .with_run_args("allow-read=.,allow-write=.,allow-run=echo,cat,allow-env=SWEEP")
        .with_max_cpu_time(PATIENCE);
    let request = ExecuteRequest::new(source).with_timeout(PATIENCE);
    let execution = run_with(config, request);
    assert!(execution.error.is_none(), "{:#?}", execution.error);
    let last = execution.output.last().map_or("", String::as_str);
    let report: Report = serde_json::from_str(last).expect("a report");
    assert!(report.properties > PROPERTIES, "{report:#?}");
    assert!(report.nowhere > PROPERTIES / 2, "{report:#?}");
    assert_eq!(report.leaks, [""; 0], "{report:#?}");
    assert_eq!(report.broken, [""; 0], "{report:#?}");
    report
}

#[test]
fn replacing_everything_that_has_a_name_shows_nothing_of_deno_core() {
    let report = sweep("everything", include_str!("replaced/everything.js"), 0);
    assert!(report.hits > 400, "{report:#?}");
}

#[test]
fn accessors_for_what_no_object_has_show_nothing_of_deno_core() {
    let report = sweep("nowhere", include_str!("replaced/nowhere.js"), 0);
    assert!(report.hits > 100, "{report:#?}");
}

/// One half of what is used at all.
fn misbehave(half: usize) {
    let report = sweep(&format!("half-{half}"), include_str!("replaced/misbehaving.js"), half);
    assert!(report.hits > 500, "{report:#?}");
}

#[test]
fn one_replacement_that_misbehaves_shows_nothing_of_deno_core() {
    misbehave(0);
}

#[test]
fn another_replacement_that_misbehaves_shows_nothing_of_deno_core() {
    misbehave(1);
}
