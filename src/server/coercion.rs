//! Arguments of tools as models send them: what is nearly right is taken where it can
//! mean one thing only, and an error names the argument and what is expected. The
//! schemas say what is right, and nothing of this.

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

use crate::text::clip::visible;

/// Bytes of a value that an error shows.
const MAX_SHOWN: usize = 60;

/// Longest number as text: those of 64 bits have 20 digits.
const MAX_NUMBER: usize = 32;

/// Bytes of a text that is read at once, where others wait: 0.1 ms.
const SHORT: usize = 64 << 10;

/// Bytes of a list as text. A list of all tools of a large server has 20 KiB.
const MAX_LIST_TEXT: usize = SHORT;

/// What an argument is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Text in which a number can only be its digits.
    Words,
    Whole,
    Texts,
    /// Or its JSON text, which stays one: as a tree it is many times that.
    Object,
    /// One of some words.
    Choice(&'static [&'static str]),
}

/// An argument that a tool has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Argument {
    pub name: &'static str,
    pub kind: Kind,
    /// What it is called too. Case, hyphens and underscores make no difference.
    pub also: &'static [&'static str],
    /// As in "must be a string".
    pub expected: &'static str,
}

/// A tool's arguments.
pub(super) trait Arguments: DeserializeOwned {
    const KNOWN: &'static [Argument];
}

/// Reads a tool's arguments.
///
/// # Errors
/// A sentence for the model.
pub(super) fn read<T: Arguments>(given: Option<JsonObject>) -> Result<T, String> {
    let given = right(given.unwrap_or_default(), T::KNOWN)?;
    serde_json::from_value(Value::Object(given)).map_err(|error| error.to_string())
}

/// Whether reading takes time that is not the event loop's.
pub(super) fn is_long(given: Option<&JsonObject>) -> bool {
    let is_long = |value: &Value| value.as_str().is_some_and(|text| text.len() > SHORT);
    given.is_some_and(|given| given.values().any(is_long))
}

/// The arguments under their own names and of their own types, those that are null left
/// out. What nobody knows stays as it is, and is told then.
fn right(given: JsonObject, known: &[Argument]) -> Result<JsonObject, String> {
    let mut right = JsonObject::new();
    let mut taken: Vec<(&str, String)> = Vec::new();
    for (name, value) in given {
        let Some(argument) = argument(&name, known) else {
            right.insert(name, value);
            continue;
        };
        if value.is_null() {
            continue;
        }
        let own = argument.name;
        if let Some((_, first)) = taken.iter().find(|(taken, _)| *taken == own) {
            return Err(format!("{first} and {name} are both given for {own}: give {own} only"));
        }
        right.insert(own.to_owned(), argument.read(value)?);
        taken.push((own, name));
    }
    Ok(right)
}

/// Its own name comes first: `code` is one of some tools.
fn argument<'a>(name: &str, known: &'a [Argument]) -> Option<&'a Argument> {
    let is_other = |argument: &&Argument| {
        let mut names = [argument.name].into_iter().chain(argument.also.iter().copied());
        names.any(|other| is_same(name, other))
    };
    known.iter().find(|known| known.name == name).or_else(|| known.iter().find(is_other))
}

fn is_same(one: &str, other: &str) -> bool {
    let letters = |name: &str| {
        let bytes = name.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
        bytes.map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    one.len() <= 2 * other.len() && letters(one) == letters(other)
}

/// Why a value is not an argument's.
enum Problem {
    Other(Value),
    NoJson(serde_json::Error),
    Long,
}

impl Argument {
    fn read(&self, value: Value) -> Result<Value, String> {
        let Self { name, expected, .. } = self;
        converted(self.kind, value).map_err(|problem| match problem {
            Problem::Other(value) => format!("{name} must be {expected}, not {}", short(&value)),
            Problem::NoJson(error) => self.no_json(&error),
            Problem::Long => format!("{name} is too long as text: it must be {expected}"),
        })
    }

    /// What is wrong with a text that is not the JSON that it seems to be.
    pub(super) fn no_json(&self, error: &serde_json::Error) -> String {
        let Self { name, expected, .. } = self;
        format!("{name} must be {expected}, not a string that is not JSON: {error}")
    }
}

fn converted(kind: Kind, value: Value) -> Result<Value, Problem> {
    match (kind, value) {
        (Kind::Text | Kind::Words, text @ Value::String(_)) => Ok(text),
        (Kind::Words, Value::Number(number)) if !number.is_f64() => Ok(number.to_string().into()),
        (Kind::Whole, Value::Number(number)) => whole(&number).map(Into::into),
        (Kind::Whole, Value::String(text)) => whole_of(text),
        (Kind::Texts, list @ Value::Array(_)) => texts(list),
        (Kind::Texts, Value::String(text)) => texts_of(text),
        (Kind::Object, object @ Value::Object(_)) => Ok(object),
        (Kind::Object, Value::String(text)) if text.trim_start().starts_with('{') => {
            Ok(text.into())
        }
        (Kind::Choice(words), Value::String(text)) => choice(words, text),
        (_, value) => Err(Problem::Other(value)),
    }
}

/// Whole and not negative, as an integer where it was written as a float.
fn whole(number: &Number) -> Result<u64, Problem> {
    let whole = number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        // Every integer up to 2^53 is exact in a double.
        (float >= 0.0 && float.fract() == 0.0 && float <= 2f64.powi(53)).then_some(float as u64)
    });
    whole.ok_or_else(|| Problem::Other(number.clone().into()))
}

fn whole_of(text: String) -> Result<Value, Problem> {
    let number = text.trim();
    let number = (number.len() <= MAX_NUMBER).then(|| serde_json::from_str::<Number>(number));
    match number.and_then(Result::ok).and_then(|number| whole(&number).ok()) {
        Some(number) => Ok(number.into()),
        None => Err(Problem::Other(text.into())),
    }
}

fn texts(list: Value) -> Result<Value, Problem> {
    match &list {
        Value::Array(items) if items.iter().all(Value::is_string) => Ok(list),
        _ => Err(Problem::Other(list)),
    }
}

/// A list as JSON text, or the one that it would have. What could be several is neither.
fn texts_of(text: String) -> Result<Value, Problem> {
    if text.len() > MAX_LIST_TEXT {
        return Err(Problem::Long);
    }
    if text.trim_start().starts_with('[') {
        return texts(serde_json::from_str(&text).map_err(Problem::NoJson)?);
    }
    let separates = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|');
    match text.is_empty() || text.contains(separates) {
        true => Err(Problem::Other(text.into())),
        false => Ok(vec![text].into()),
    }
}

fn choice(words: &[&str], text: String) -> Result<Value, Problem> {
    let word = words.iter().find(|word| word.eq_ignore_ascii_case(text.trim()));
    word.map(|&word| word.into()).ok_or_else(|| Problem::Other(text.into()))
}

/// A value as an error shows it.
fn short(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => format!("\"{}\"", visible(text, MAX_SHOWN)),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const WHOLE: Argument =
        Argument { name: "limit", kind: Kind::Whole, also: &["max_results"], expected: "a number" };
    const TEXT: Argument =
        Argument { name: "full_name", kind: Kind::Text, also: &["name"], expected: "a string" };
    const WORDS: Argument =
        Argument { name: "query", kind: Kind::Words, also: &[], expected: "words" };
    const TEXTS: Argument =
        Argument { name: "tools", kind: Kind::Texts, also: &[], expected: "a list of strings" };
    const OBJECT: Argument =
        Argument { name: "globals", kind: Kind::Object, also: &[], expected: "an object" };
    const CHOICE: Argument = Argument {
        name: "format",
        kind: Kind::Choice(&["json", "typescript"]),
        also: &[],
        expected: "\"json\" or \"typescript\"",
    };
    const ALL: &[Argument] = &[WHOLE, TEXT, WORDS, TEXTS, OBJECT, CHOICE];

    fn taken(given: Value) -> Value {
        right(given.as_object().cloned().unwrap(), ALL).unwrap().into()
    }

    fn problem(given: Value) -> String {
        right(given.as_object().cloned().unwrap(), ALL).unwrap_err()
    }

    #[test]
    fn what_is_right_stays_as_it_is() {
        let all = json!({
            "limit": 5,
            "full_name": " a ",
            "query": "b c",
            "tools": ["a b", ""],
            "globals": {"a": 1},
            "format": "json",
        });
        assert_eq!(taken(all.clone()), all);
    }

    #[test]
    fn a_name_that_can_mean_one_argument_only_is_it() {
        for name in ["full_name", "fullName", "full-name", "FULL_NAME", "name", "Name"] {
            assert_eq!(taken(json!({name: "a"})), json!({"full_name": "a"}), "{name}");
        }
        assert_eq!(taken(json!({"maxResults": 3})), json!({"limit": 3}));
        assert_eq!(taken(json!({"nam": null, "names": 1})), json!({"nam": null, "names": 1}));
    }

    #[test]
    fn an_argument_under_two_names_is_refused_and_null_is_none() {
        let text = "full_name and name are both given for full_name: give full_name only";
        assert_eq!(problem(json!({"full_name": "a", "name": "a"})), text);
        assert_eq!(taken(json!({"full_name": null, "name": "a"})), json!({"full_name": "a"}));
    }

    #[test]
    fn numbers_may_be_texts_and_floats() {
        for given in [json!("12"), json!(" 12 "), json!("12.0"), json!(12.0), json!("1.2e1")] {
            assert_eq!(taken(json!({"limit": given})), json!({"limit": 12}));
        }
        for (given, seen) in [
            (json!("12 s"), "\"12 s\""),
            (json!("-1"), "\"-1\""),
            (json!(""), "\"\""),
            (json!(-1), "-1"),
            (json!(1.5), "1.5"),
            (json!(true), "true"),
            (json!([12]), "a list"),
        ] {
            assert_eq!(
                problem(json!({"limit": given})),
                format!("limit must be a number, not {seen}")
            );
        }
    }

    #[test]
    fn a_number_is_words_and_no_text() {
        assert_eq!(taken(json!({"query": 404})), json!({"query": "404"}));
        assert_eq!(problem(json!({"query": 1.10})), "query must be words, not 1.1");
        assert_eq!(problem(json!({"full_name": 404})), "full_name must be a string, not 404");
    }

    #[test]
    fn a_list_may_be_its_only_member_or_json_text() {
        assert_eq!(taken(json!({"tools": "a"})), json!({"tools": ["a"]}));
        assert_eq!(taken(json!({"tools": " [\"a\", \"b c\"]"})), json!({"tools": ["a", "b c"]}));
        for given in [json!("a,b"), json!("a b"), json!(""), json!([1]), json!("[1]"), json!({})] {
            let text = problem(json!({"tools": given}));
            assert!(text.starts_with("tools must be a list of strings, not "), "{text}");
        }
        let text = problem(json!({"tools": "[\"a\""}));
        assert!(text.contains("not JSON: EOF while parsing a list"), "{text}");
        let long = "a".repeat(MAX_LIST_TEXT + 1);
        assert!(problem(json!({"tools": long})).starts_with("tools is too long as text"));
    }

    #[test]
    fn an_object_may_be_its_text() {
        let text = json!({"globals": " {\"a\": 1}"});
        assert_eq!(taken(text.clone()), text);
        for given in [json!("[1]"), json!(""), json!("null"), json!([1]), json!(5)] {
            let text = problem(json!({"globals": given}));
            assert!(text.starts_with("globals must be an object, not "), "{text}");
        }
    }

    #[test]
    fn the_case_of_a_choice_makes_no_difference() {
        assert_eq!(taken(json!({"format": " TypeScript"})), json!({"format": "typescript"}));
        assert_eq!(
            problem(json!({"format": "yaml"})),
            "format must be \"json\" or \"typescript\", not \"yaml\""
        );
    }

    #[test]
    fn an_error_shows_the_beginning_of_a_long_text() {
        let text = problem(json!({"limit": "x".repeat(1 << 20)}));
        assert_eq!(text, format!("limit must be a number, not \"{}…\"", "x".repeat(MAX_SHOWN)));
    }
}
