//! Prompts, and results as YAML.

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::results::text;
use crate::support::snippets::RUN;
use crate::support::upstreams::only_stub;

const TOPICS: [&str; 5] = ["overview", "permissions", "tools", "playbooks", "errors"];

fn prompt(server: &mut Server, name: &str, arguments: Value) -> String {
    let got = server.ask("prompts/get", json!({ "name": name, "arguments": arguments }));
    let messages = got["messages"].as_array().expect("messages");
    assert_eq!(messages.len(), 1, "{got:#}");
    assert_eq!(messages[0]["role"], "user");
    messages[0]["content"]["text"].as_str().expect("text").to_owned()
}

#[test]
fn there_are_two_with_their_arguments() {
    let mut server = Server::plain();
    let list = server.ask("prompts/list", json!({}));
    let prompts = list["prompts"].as_array().expect("prompts");
    let arguments = |prompt: &Value| {
        let arguments = prompt["arguments"].as_array().cloned().unwrap_or_default();
        let argument = |argument: Value| json!([argument["name"], argument["required"] == true]);
        arguments.into_iter().map(argument).collect::<Vec<_>>()
    };
    let found: Vec<Value> =
        prompts.iter().map(|prompt| json!([prompt["name"], arguments(prompt)])).collect();
    assert_eq!(
        found,
        [
            json!(["execute_task", [["task", true], ["requirements", false]]]),
            json!(["usage_guide", [["topic", false]]]),
        ]
    );
    assert!(prompts.iter().all(|prompt| prompt["description"].is_string()), "{list:#}");
}

#[test]
fn a_task_is_put_with_its_requirements() {
    let mut server = Server::plain();
    let plain = prompt(&mut server, "execute_task", json!({ "task": "Sort the files" }));
    assert!(plain.contains("Sort the files") && plain.contains(RUN), "{plain}");
    let arguments = json!({ "task": "Sort the files", "requirements": "By size" });
    let with = prompt(&mut server, "execute_task", arguments);
    assert!(with.contains("Sort the files") && with.contains("By size"), "{with}");
}

#[test]
fn a_guide_has_topics() {
    let mut server = Server::plain();
    let mut guides: Vec<String> = TOPICS
        .iter()
        .map(|topic| prompt(&mut server, "usage_guide", json!({ "topic": topic })))
        .collect();
    assert!(guides.iter().all(|guide| guide.len() > 100), "{guides:#?}");
    guides.dedup();
    assert_eq!(guides.len(), TOPICS.len());
    for arguments in [json!({}), json!({ "topic": "nonsense" })] {
        let guide = prompt(&mut server, "usage_guide", arguments);
        assert!(TOPICS.iter().all(|topic| guide.to_lowercase().contains(topic)), "{guide}");
    }
}

#[test]
fn a_prompt_that_is_not_there_is_an_error() {
    let mut server = Server::plain();
    for params in [
        json!({ "name": "nothing" }),
        json!({ "name": "execute_task" }),
        json!({ "name": "execute_task", "arguments": {} }),
    ] {
        let id = server.request("prompts/get", params.clone());
        assert_eq!(server.answer(id)["error"]["code"], -32602, "{params}");
    }
}

#[test]
fn results_are_yaml_if_that_is_wanted() {
    let arguments = ["stdio", "--return-mode", "yaml"];
    let mut server = Server::start(Home::with(&only_stub()), &arguments, &[]);
    let code = "console.log('out'); ({ text: 'line 1\\nline 2\\n', n: 1 })";
    let result = server.call(RUN, json!({ "deno_code": code }));
    let told = text(&result);
    for part in ["status: success\n", "output:\n- out\n", "text: |\n", "line 1\n", "n: 1\n"] {
        assert!(told.contains(part), "{part:?}: {told}");
    }
    assert_eq!(result["structuredContent"]["returnValue"]["n"], 1, "{result:#}");
}

#[test]
fn results_are_json_otherwise() {
    for arguments in [vec!["stdio"], vec!["stdio", "--return-mode", "json"]] {
        let mut server = Server::start(Home::empty(), &arguments, &[]);
        let told = text(&server.call(RUN, json!({ "deno_code": "1" })));
        let told: Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(told["returnValue"], 1);
    }
}
