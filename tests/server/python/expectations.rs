//! What a case expects of a result.

use serde_json::{Map, Value};

/// Every expectation that a result does not meet.
pub fn problems(expect: &Map<String, Value>, result: &Value) -> Vec<String> {
    let unmet = expect.iter().filter(|(what, expected)| {
        // Of several values that are accepted the first is named too.
        let is_one_of_several = *what == "returnValue" && expect.contains_key("returnValue_in");
        !is_one_of_several && !is_met(what, expected, result)
    });
    unmet.map(|(what, expected)| format!("{what} must be {expected}")).collect()
}

fn is_met(what: &str, expected: &Value, result: &Value) -> bool {
    let execution = &result["structuredContent"];
    let contains_error = |part: &Value| text(&execution["error"]).contains(text(part));
    match what {
        "status" => expected == "any" || execution["status"] == *expected,
        "returnValue" => execution["returnValue"] == *expected,
        "returnValue_in" => list(expected).contains(&execution["returnValue"]),
        "value_contains" => execution["returnValue"].to_string().contains(text(expected)),
        "output" => execution["output"] == *expected,
        "errorType" => execution["errorType"] == *expected,
        "errorType_in" => list(expected).contains(&execution["errorType"]),
        "error_contains" => parts(expected).into_iter().all(contains_error),
        "error_contains_any" => parts(expected).into_iter().any(contains_error),
        "line" => execution["errorDetail"]["line"] == *expected,
        "stack_contains" => {
            let stack = text(&execution["errorDetail"]["stack"]);
            list(expected).iter().all(|part| stack.contains(text(part)))
        }
        "not_contains" => !result.to_string().contains(text(expected)),
        "toolCalls" => list(expected).iter().all(|call| has_call(execution, call)),
        "images" => images(result) as u64 == expected.as_u64().expect("a number"),
        "max_wall_ms" => execution["executionTime"].as_u64() <= expected.as_u64(),
        // See `Case::problems`.
        "twice" => true,
        other => panic!("no case expects {other}"),
    }
}

/// How many pictures are among the content blocks.
pub fn images(result: &Value) -> usize {
    list(&result["content"]).iter().filter(|block| block["type"] == "image").count()
}

/// Whether an execution made these calls, however long they took.
fn has_call(execution: &Value, expected: &Value) -> bool {
    list(&execution["toolCalls"]).iter().any(|call| {
        expected.as_object().expect("an object").iter().all(|(name, value)| call[name] == *value)
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// One text, or several.
fn parts(expected: &Value) -> Vec<&Value> {
    match expected {
        Value::Array(parts) => parts.iter().collect(),
        part => vec![part],
    }
}
