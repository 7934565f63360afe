//! The case collection: right programs that must pass, and wrong ones that must be stopped.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::server;
use crate::support::pipes::Server;
use crate::support::snippets::RUN;

const CASES: &str = include_str!("../../fixtures/typecheck.jsonl");

/// Codes and cases of a server without `node:` built-ins and files to import, which this one has.
const OF_OTHERS: [&str; 2] = ["TS2591", "TS2580"];
const RELATIVE: &str = "relative-import";

#[derive(Deserialize)]
struct Case {
    id: String,
    program: String,
    #[serde(default)]
    globals: Map<String, Value>,
    check: Expected,
}

/// "ok", or what must be found.
#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Ok(String),
    Wrong(Wrong),
}

#[derive(Deserialize)]
struct Wrong {
    code: String,
    line: u32,
    contains: Option<String>,
    suggestion: Option<String>,
    severity: Option<String>,
}

impl Wrong {
    fn is(&self, found: &Value) -> bool {
        let severity = self.severity.as_deref().unwrap_or("error");
        let message = found["message"].as_str().unwrap_or_default();
        found["code"] == self.code
            && found["line"] == self.line
            && found["category"] == severity
            && self.contains.as_deref().is_none_or(|part| message.contains(part))
            && self.suggestion.as_deref().is_none_or(|name| found["suggestion"] == name)
    }
}

fn cases() -> Vec<Case> {
    let case = |line: &str| serde_json::from_str::<Case>(line).expect("a case");
    let is_here = |case: &Case| match &case.check {
        Expected::Ok(word) => word == "ok",
        Expected::Wrong(wrong) => !OF_OTHERS.contains(&&*wrong.code) && case.id != RELATIVE,
    };
    CASES.lines().map(case).filter(is_here).collect()
}

fn only(server: &mut Server, case: &Case) -> Value {
    let (program, globals) = (&case.program, &case.globals);
    let arguments = json!({ "deno_code": program, "globals": globals, "check": "only" });
    let result = server.call(RUN, arguments);
    result["structuredContent"].clone()
}

#[test]
fn no_program_that_is_right_is_stopped() {
    let Some(mut server) = server() else { return };
    let right = cases().into_iter().filter(|case| matches!(case.check, Expected::Ok(_)));
    let mut stopped = Vec::new();
    for case in right {
        let execution = only(&mut server, &case);
        if execution["status"] != "success" {
            stopped.push(format!("{}: {}", case.id, execution["diagnostics"]));
        }
    }
    assert!(stopped.is_empty(), "{}", stopped.join("\n"));
}

#[test]
fn what_is_wrong_is_found_where_it_is() {
    let Some(mut server) = server() else { return };
    let mut missed = Vec::new();
    for case in cases() {
        let Expected::Wrong(wrong) = &case.check else { continue };
        let execution = only(&mut server, &case);
        let found = execution["diagnostics"].as_array().cloned().unwrap_or_default();
        if !found.iter().any(|found| wrong.is(found)) {
            missed.push(format!("{}: {execution}", case.id));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
