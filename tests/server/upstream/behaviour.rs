//! What users of the original rely on, and what it got wrong, from
//! `behaviour.jsonl`: the calls that need another server or a playbook.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::results::text;
use crate::support::snippets::RUN;
use crate::support::upstreams::stub_bad_and_off;

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    tool: String,
    arguments: Value,
    env: Value,
    expect: Value,
}

/// Cases that need more than one call, or whose expectation is in words.
const IN_WORDS: [&str; 2] = ["proxy_list_mcp_servers", "pb_yaml_special_chars"];

fn cases() -> Vec<Case> {
    let lines = include_str!("behaviour.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).expect("a case")).collect()
}

impl Case {
    fn server(&self) -> Server {
        let home = Home::empty();
        if self.env["_setup"].is_string() {
            home.configure(&stub_bad_and_off());
        }
        let variables: Vec<(&str, &str)> = self
            .env
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| !name.starts_with('_'))
            .map(|(name, value)| (name.as_str(), value.as_str().expect("text")))
            .collect();
        Server::at(home, &variables)
    }

    /// What is not as expected.
    fn problems(&self) -> Vec<String> {
        let mut server = self.server();
        let expect = self.expect.to_string().replace("$HOME", server.home().root());
        let expect: Value = serde_json::from_str(&expect).expect("a path needs no escapes");
        let result = server.call(&self.tool, self.arguments.clone());
        let told = text(&result);
        let execution: Value = serde_json::from_str(&told).unwrap_or_default();
        let mut problems = Vec::new();
        for (what, expected) in expect.as_object().expect("an object") {
            let holds = match what.as_str() {
                "kind" | "note" | "original" => true,
                "isError" => result["isError"].as_bool().unwrap_or(false) == *expected,
                "text" => told == *expected,
                "text_contains" => parts(expected).iter().all(|part| told.contains(part)),
                "error_contains" => {
                    let error = execution["error"].as_str().unwrap_or_default();
                    parts(expected).iter().all(|part| error.contains(part))
                }
                name => execution[name] == *expected,
            };
            if !holds {
                problems.push(format!("{}: {what} must be {expected}: {result}", self.name));
            }
        }
        if self.tool == RUN && result["structuredContent"] != execution {
            problems.push(format!("{}: text and structure differ: {result}", self.name));
        }
        problems
    }
}

/// One text, or several.
fn parts(expected: &Value) -> Vec<&str> {
    match expected {
        Value::Array(parts) => parts.iter().filter_map(Value::as_str).collect(),
        part => part.as_str().into_iter().collect(),
    }
}

#[test]
fn calls_return_what_users_of_the_original_expect() {
    let cases = cases();
    assert_eq!(cases.len(), 14, "cases of behaviour.jsonl");
    let runnable = cases.iter().filter(|case| !IN_WORDS.contains(&case.name.as_str()));
    let problems: Vec<String> = runnable.flat_map(Case::problems).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// `proxy_list_mcp_servers`
#[test]
fn the_list_of_servers_has_samples_of_their_tools() {
    let mut server = Server::with(&stub_bad_and_off());
    let stub = server.listed("stub");
    let samples = stub["sample_tools"].as_array().expect("samples");
    assert_eq!(samples[0], "echo(text:string, n?:number) - Echo");
    assert_eq!(samples.len(), 10);
    assert_eq!(stub["error"], Value::Null);
    let bad = server.listed("bad");
    assert!(bad["error"].as_str().is_some_and(|error| error.contains("/nonexistent/bin")), "{bad}");
    let list = server.structured("list_mcp_servers", json!({}));
    let names: Vec<&Value> =
        list["servers"].as_array().expect("servers").iter().map(|entry| &entry["name"]).collect();
    assert_eq!(names, ["stub", "bad"]);
}

/// `pb_yaml_special_chars`
#[test]
fn a_playbook_keeps_a_name_that_means_something_to_yaml() {
    let mut server = Server::plain();
    let arguments =
        json!({ "folder_name": "bady", "name": "A: B: C", "description": "d: e", "content": "c" });
    server.say("create_playbook", arguments);
    let told = server.say("get_playbook", json!({ "folder_name": "bady" }));
    assert!(told.contains("A: B: C") && told.contains("d: e"), "{told}");
    let list = server.say("list_playbooks", json!({}));
    assert!(list.contains("## A: B: C"), "{list}");
}
