//! Integers that have more digits than a number of JavaScript keeps. Programs have such
//! a one as the text of its digits (`js/02_json.js`), or as a BigInt.

use serde_json::{Number, Value};

/// The largest integer up to which JavaScript tells all apart
/// (`Number.MAX_SAFE_INTEGER`).
const MAX_SAFE: u64 = (1 << 53) - 1;

/// Arguments in which long integers at these places, or below them, are numbers instead
/// of texts, and texts instead of numbers. Nothing if there are none.
pub(super) fn turned<'a>(
    arguments: &Value,
    places: impl Iterator<Item = &'a str>,
) -> Option<Value> {
    if !has_long(arguments) {
        return None;
    }
    let mut turned = arguments.clone();
    let mut places: Vec<&str> = places.collect();
    // What is below another place is turned with it, and not back again.
    places.sort_unstable_by(|a, b| a.split('/').cmp(b.split('/')));
    places.dedup_by(|place, above| is_within(place, above));
    for place in places {
        turned.pointer_mut(place).map(turn)?;
    }
    Some(turned)
}

/// Whether one JSON Pointer is another one, or leads further.
fn is_within(place: &str, above: &str) -> bool {
    place.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn has_long(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_long),
        Value::Object(members) => members.values().any(has_long),
        value => other(value).is_some(),
    }
}

fn turn(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(turn),
        Value::Object(members) => members.values_mut().for_each(turn),
        value => {
            if let Some(other) = other(value) {
                *value = other;
            }
        }
    }
}

/// A long integer as a text, or the other way round.
fn other(value: &Value) -> Option<Value> {
    match value {
        Value::Number(number) if is_long(number) => Some(number.to_string().into()),
        Value::String(digits) => integer(digits).map(Value::Number),
        _ => None,
    }
}

fn is_long(number: &Number) -> bool {
    let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    size.is_some_and(|size| size > MAX_SAFE)
}

/// A long integer of 64 bits, without zeros or a plus before it.
fn integer(digits: &str) -> Option<Number> {
    let number = digits.parse::<u64>().map(Number::from);
    let number = number.or_else(|_| digits.parse::<i64>().map(Number::from)).ok()?;
    (is_long(&number) && number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_below_a_place_is_turned_once() {
        let (text, number) = (json!("9007199254740993"), json!(9_007_199_254_740_993_u64));
        let arguments = json!({"a": [text, {"b": number}], "a-b": text, "c": text});
        let places = ["/a/1", "/a", "/a-b", "/a/0", "/a"].into_iter();
        let expected = json!({"a": [number, {"b": text}], "a-b": number, "c": text});
        assert_eq!(turned(&arguments, places), Some(expected));
        assert_eq!(turned(&json!({"a": [1, "1", 0.5]}), ["/a"].into_iter()), None);
    }
}
