//! Values of an entry's keys, each of its type or an error that names the key.

use std::time::Duration;

use super::super::value::{Entry as Member, Value};

/// Longest timeout: a day.
const MAX_TIMEOUT_MS: u64 = 24 * 60 * 60 * 1000;

/// A lower number is a timeout in seconds, as Cline, Roo Code and Zed have it: no server
/// is given less than a second, and Claude Code does not take such a number either.
const LEAST_MS: u64 = 1000;

/// Seconds that those clients let choose at most. As ms they would be very few.
const MOST_SECONDS: u64 = 3600;

pub(super) fn text(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        _ => Err(format!("\"{key}\" is not a string")),
    }
}

/// A value as a process or a server gets it: numbers as they are written.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        Value::Flag(flag) => Some(flag.to_string()),
        Value::List(_) | Value::Table(_) | Value::Other(_) => None,
    }
}

pub(super) fn texts(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let Value::List(items) = value else {
        return Err(format!("\"{key}\" is not a list of strings"));
    };
    let texts = items.iter().map(plain).collect::<Option<_>>();
    texts.ok_or_else(|| format!("\"{key}\" is not a list of strings"))
}

/// Names and values. One that is null is not there, as for VS Code.
pub(super) fn pairs(key: &str, value: &Value) -> Result<Vec<(String, String)>, String> {
    let problem = || format!("\"{key}\" is not an object of strings");
    let Value::Table(members) = value else { return Err(problem()) };
    let members = members.iter().filter(|member| member.value != Value::Other("null"));
    let pair = |member: &Member| Some((member.key.clone(), plain(&member.value)?));
    members.map(pair).collect::<Option<_>>().ok_or_else(problem)
}

pub(super) fn patterns(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let patterns = value.texts().ok_or_else(|| format!("\"{key}\" is not a list of strings"))?;
    if patterns.iter().any(String::is_empty) {
        return Err(format!("\"{key}\" has an empty pattern, which no tool matches"));
    }
    Ok(patterns)
}

/// A time in ms, in seconds if it is a low number, or a text with its unit.
pub(super) fn timeout(
    key: &str,
    value: &Value,
    notes: &mut Vec<String>,
) -> Result<Duration, String> {
    let millis = match value {
        Value::Number(digits) => digits.parse().ok().map(|number: u64| match number {
            1..LEAST_MS => {
                notes.push(format!("\"{key}\": {number} is taken as seconds; in ms: {number}000"));
                number * 1000
            }
            LEAST_MS..=MOST_SECONDS => {
                notes.push(format!("\"{key}\": {number} is in ms, which is very short"));
                number
            }
            _ => number,
        }),
        Value::Text(text) => with_unit(text),
        _ => None,
    };
    let millis = millis.filter(|millis| (1..=MAX_TIMEOUT_MS).contains(millis));
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| format!("\"{key}\" is not an integer between 1 and {MAX_TIMEOUT_MS} (ms)"))
}

/// The ms of a text such as `500ms`, `30s` or `5m`.
fn with_unit(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}
