//! What tools return.

use serde_json::{Value, json};

/// The execution in a tool result, without the time that it took.
#[track_caller]
pub fn execution(result: &Value) -> Value {
    assert_eq!(result["isError"], false, "{result}");
    let mut execution = result["structuredContent"].clone();
    let text = execution.to_string();
    assert_eq!(result["content"], json!([{ "type": "text", "text": text }]));
    let time = execution.as_object_mut().and_then(|object| object.remove("executionTime"));
    assert!(time.is_some_and(|time| time.is_u64()), "{result}");
    execution
}

/// The text of a tool result that is an error and nothing else.
#[track_caller]
pub fn refusal(result: &Value) -> String {
    let text = result["content"][0]["text"].as_str().expect("text").to_owned();
    assert_eq!(result["content"], json!([{ "type": "text", "text": text }]));
    assert_eq!(result["isError"], true, "{result}");
    assert_eq!(result.get("structuredContent"), None);
    text
}

/// The first text of a tool's result.
#[track_caller]
pub fn text(result: &Value) -> String {
    let first = &result["content"][0];
    first["text"].as_str().unwrap_or_else(|| panic!("no text: {result:#}")).to_owned()
}

/// A server's entry in what `list_mcp_servers` returns.
pub fn entry<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list["servers"].as_array()?.iter().find(|entry| entry["name"] == name)
}

/// A program that succeeded, printed nothing and has this value.
pub fn value(value: Value) -> Value {
    json!({ "status": "success", "output": [], "returnValue": value })
}

/// The name and the message of the error that an expression threw.
pub fn caught(value: &Value) -> (String, String) {
    let word = |index: usize| value[index].as_str().unwrap_or_default().to_owned();
    (word(0), word(1))
}
