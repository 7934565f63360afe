//! How much memory a value of JSON takes.

use serde_json::Value;

/// Bytes of a value beside its texts, once it has been read.
pub(crate) const VALUE_BYTES: usize = 100;

/// Memory of a value with all that is in it, in bytes.
pub(crate) fn bytes_of(value: &Value) -> usize {
    let more = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(bytes_of).sum(),
        Value::Object(members) => {
            members.iter().map(|(key, value)| key.len() + bytes_of(value)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    VALUE_BYTES + more
}
