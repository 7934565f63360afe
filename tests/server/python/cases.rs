//! The case collection for Python, tests/fixtures/python.jsonl. Its first line states the
//! rules of values and errors, which are the contract.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::expectations::problems;
use super::{TOOL, empty_workspace, server};
use crate::support::home::WORKSPACE;
use crate::support::pipes::Server;

const CASES: &str = include_str!("../../fixtures/python.jsonl");

/// Needs a server without `stub`, and has a test of its own in tests/programs/python.
const ELSEWHERE: &str = "tool_none_configured";

#[derive(Deserialize)]
struct Case {
    id: String,
    program: String,
    /// What the workspace has before.
    #[serde(default)]
    files: BTreeMap<String, String>,
    globals: Option<Value>,
    timeout: Option<u64>,
    expect: Map<String, Value>,
}

fn cases() -> Vec<Case> {
    CASES.lines().skip(1).map(|line| serde_json::from_str(line).expect("a case")).collect()
}

impl Case {
    fn arguments(&self) -> Value {
        let mut arguments = json!({ "code": self.program });
        if let Some(globals) = &self.globals {
            arguments["globals"] = globals.clone();
        }
        if let Some(timeout) = self.timeout {
            arguments["timeout"] = timeout.into();
        }
        arguments
    }

    fn result(&self, server: &mut Server) -> Value {
        empty_workspace(server);
        for (file, text) in &self.files {
            server.home().write(&format!("{WORKSPACE}/{file}"), text);
        }
        server.call(TOOL, self.arguments())
    }

    fn problems(&self, server: &mut Server) -> Vec<String> {
        let result = self.result(server);
        let mut problems = problems(&self.expect, &result);
        if self.expect.get("twice").is_some_and(|twice| twice == "all_differ") {
            problems.extend(same_members(&result, &self.result(server)));
        }
        if !problems.is_empty() {
            problems.push(result.to_string().chars().take(2000).collect());
        }
        problems.into_iter().map(|problem| format!("{}: {problem}", self.id)).collect()
    }
}

/// Members of two arrays that are the same.
fn same_members(one: &Value, other: &Value) -> Vec<String> {
    let members = |result: &Value| {
        result["structuredContent"]["returnValue"].as_array().cloned().unwrap_or_default()
    };
    let pairs = members(one).into_iter().zip(members(other));
    pairs.filter(|(a, b)| a == b).map(|(a, _)| format!("{a} came twice")).collect()
}

#[test]
fn programs_give_what_the_case_collection_says() {
    let Some(mut server) = server() else { return };
    let cases = cases();
    assert_eq!(cases.len(), 100, "cases of python.jsonl");
    let here = cases.iter().filter(|case| case.id != ELSEWHERE);
    let failed: Vec<String> = here
        .map(|case| case.problems(&mut server))
        .filter(|p| !p.is_empty())
        .map(|p| p.join("\n"))
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n\n"));
}
