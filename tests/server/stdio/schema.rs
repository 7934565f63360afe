//! As much of JSON Schema as the tool's schemas use.

use serde_json::{Map, Value};

/// Every schema below this one, with its place, this one left out.
pub fn properties(schema: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        found.push((name.clone(), property));
        for (below, property) in properties(property) {
            found.push((format!("{name}.{below}"), property));
        }
    }
    found
}

/// Why a value is not of a schema.
pub fn mismatches(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if !types(&schema["type"]).is_none_or(|types| types.iter().any(|name| is(value, name))) {
        found.push(format!("{value} is not of type {}", schema["type"]));
    }
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    for (name, member) in value.as_object().into_iter().flatten() {
        match properties.get(name) {
            Some(schema) => found.extend(mismatches(schema, member)),
            None if schema["additionalProperties"] == false || !properties.is_empty() => {
                found.push(format!("{name} is not in the schema"));
            }
            None => {}
        }
    }
    if value.is_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().expect("a name");
            if value.get(name).is_none() {
                found.push(format!("{name} is required and missing"));
            }
        }
    }
    for item in value.as_array().into_iter().flatten() {
        found.extend(mismatches(&schema["items"], item));
    }
    found
}

fn types(names: &Value) -> Option<Vec<&str>> {
    match names {
        Value::String(name) => Some(vec![name]),
        Value::Array(names) => Some(names.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => false,
    }
}
