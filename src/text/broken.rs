//! What can be said of a JSON-RPC message that cannot be read: why, and whose it is. Who
//! waits for an answer to it is to get an error, not silence.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Longest id that is found, in bytes of JSON.
const MAX_ID: usize = 1 << 10;

/// Bytes at the end of a message in which its id is looked for: what SDKs write after
/// the parameters are `jsonrpc` and `id`.
pub(crate) const END: usize = 4 << 10;

/// Whether a text is JSON of which serde_json makes a tree, which it does not make:
/// a string with half of a surrogate pair, a number beyond an `f64` and 128 levels of
/// nesting are JSON, and what is skipped may have them.
///
/// # Errors
/// What is wrong with it, and where.
pub(crate) fn check(text: &[u8]) -> serde_json::Result<()> {
    serde_json::from_slice::<Tree>(text).map(drop)
}

/// What is left of a message that is no JSON as a whole.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Remains {
    /// Unless there are two.
    pub id: Option<Value>,
    /// It says that it is one of JSON-RPC, or has an answer.
    pub is_message: bool,
    pub has_method: bool,
    pub has_answer: bool,
}

impl Remains {
    /// Finds the members of the object that a text begins with, wherever it is broken:
    /// brackets and strings are told apart as far as that goes.
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut remains = Self::default();
        if !text.trim_ascii_start().starts_with(b"{") {
            return remains;
        }
        let (mut ids, mut depth, mut at) = (0, 0, 0);
        while let Some(byte) = text.get(at) {
            let start = at;
            at += 1;
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 1 => break,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    at = end_of_string(text, at);
                    let value = text[at..].trim_ascii_start().strip_prefix(b":");
                    if let (1, Some(value)) = (depth, value) {
                        ids += remains.note(&text[start..at], value);
                    }
                }
                _ => {}
            }
        }
        remains.id.take_if(|_| ids > 1);
        remains
    }

    /// Notes a member, and says how many ids it is.
    fn note(&mut self, name: &[u8], value: &[u8]) -> usize {
        match name {
            b"\"method\"" => self.has_method = true,
            b"\"jsonrpc\"" => self.is_message = true,
            b"\"result\"" | b"\"error\"" => (self.is_message, self.has_answer) = (true, true),
            b"\"id\"" => {
                self.id = id_at(value).map(|(id, _)| id);
                return 1;
            }
            _ => {}
        }
        0
    }
}

/// The id at the end of a message of which only that is there: the last members of an
/// envelope have nothing in them.
pub(crate) fn last_id(end: &[u8]) -> Option<Value> {
    let at = memchr::memmem::rfind(end, b"\"id\"")?;
    let value = end[at + 4..].trim_ascii_start().strip_prefix(b":")?;
    let (id, rest) = id_at(value)?;
    let rest = rest.trim_ascii_end().strip_suffix(b"}")?;
    let is_last = !rest.iter().any(|byte| matches!(byte, b'{' | b'}' | b'[' | b']'));
    is_last.then_some(id)
}

/// The id that a text begins with, and what follows it.
fn id_at(text: &[u8]) -> Option<(Value, &[u8])> {
    let text = text.trim_ascii_start();
    let start = &text[..text.len().min(MAX_ID)];
    let mut values = serde_json::Deserializer::from_slice(start).into_iter::<Value>();
    if !matches!(start.first()?, b'"' | b'-' | b'0'..=b'9') {
        return None;
    }
    let id = values.next()?.ok()?;
    let rest = text[values.byte_offset()..].trim_ascii_start();
    // A number may have been cut.
    (rest.starts_with(b",") || rest.starts_with(b"}")).then_some((id, rest))
}

/// Behind a string whose first quote is before this place.
pub(super) fn end_of_string(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &text[at..]) {
        at += found;
        if text[at] == b'"' {
            return at + 1;
        }
        at = (at + 2).min(text.len());
    }
    text.len()
}

/// Any JSON, of which nothing is kept.
struct Tree;

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn remains(text: &str) -> (Option<Value>, bool, bool) {
        let Remains { id, has_method, has_answer, .. } = Remains::of(text.as_bytes());
        (id, has_method, has_answer)
    }

    #[test]
    fn the_id_of_what_is_broken_is_found_before_and_after_the_place() {
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":5,"#, (Some(json!(5)), false, false)),
            (r#" {"id" : "a" ,"method":"x","params":{"n":NaN}}"#, (Some(json!("a")), true, false)),
            (r#"{"result":{"id":1,"t":"\x41 ]"},"id":7}"#, (Some(json!(7)), false, true)),
            ("{\"error\":[{}],\"t\":\"\t\",\"id\":-7} trailing", (Some(json!(-7)), false, true)),
            (r#"{"id":1,"id":1}"#, (None, false, false)),
            (r#"{"id":12"#, (None, false, false)),
            (r#"{"id":{"a":1},"x":"id"}"#, (None, false, false)),
            (r#"{"a":{"id":1,"method":2}}"#, (None, false, false)),
            (r#"[{"id":1}]"#, (None, false, false)),
            (r#"log: {"id":1}"#, (None, false, false)),
            (r#"{"id":1}{"id":2}"#, (Some(json!(1)), false, false)),
            (r#"{"\"id\":1,":2,"i\"#, (None, false, false)),
            ("", (None, false, false)),
        ] {
            assert_eq!(remains(text), expected, "{text}");
        }
        assert!(!Remains::of(br#"{"id":1,"level":NaN}"#).is_message);
        assert!(Remains::of(br#"{"id":1,"jsonrpc":"2.0",NaN}"#).is_message);
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(MAX_ID));
        assert_eq!(remains(&long).0, None);
    }

    #[test]
    fn an_id_at_the_end_is_one_of_the_message_itself() {
        for (end, expected) in [
            (r#"…xx"},"jsonrpc":"2.0","id":7}"#, Some(json!(7))),
            ("xx\"}},\"id\": \"a\", \"jsonrpc\": \"2.0\" }\r\n", Some(json!("a"))),
            (r#"…"id":7}}"#, None),
            (r#"…"id":7,"a":{}}"#, None),
            (r#"…\"id\":7}"#, None),
            (r#"…"id":7"#, None),
            ("", None),
        ] {
            assert_eq!(last_id(end.as_bytes()), expected, "{end}");
        }
    }

    #[test]
    fn what_makes_no_tree_is_told_of_with_its_place() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for (text, problem) in [
            (r#"{"a":"\ud83d"}"#, "hex escape at line 1 column"),
            (r#"[1e400]"#, "number out of range"),
            (&deep, "recursion limit exceeded"),
            ("{\"a\":\"\t\"}", "control character"),
            ("[1] 2", "trailing characters"),
        ] {
            let error = check(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn the_check_finds_what_reading_would(
            text in r#"([\[{"}\]:,0-9eE.truefalsn\\u\- ]|"[a-z]":|1e999){0,20}"#
        ) {
            let read = serde_json::from_str::<Value>(&text).map(drop);
            let checked = check(text.as_bytes());
            prop_assert_eq!(
                read.map_err(|error| error.to_string()),
                checked.map_err(|error| error.to_string())
            );
        }

        #[test]
        fn of_a_message_that_can_be_read_the_same_is_found(
            id in -5_i64..100, before in any::<String>(), after in any::<String>(), cut in 0_usize..200
        ) {
            let message = json!({
                "a": {"id": 0, &before: [&after]}, "id": id, "method": after, "b": before,
            });
            let text = message.to_string();
            let found = Remains::of(text.as_bytes());
            prop_assert_eq!((found.id, found.has_method), (Some(json!(id)), true));
            // A part has that one or none.
            let part = &text.as_bytes()[..cut.min(text.len())];
            prop_assert!(Remains::of(part).id.is_none_or(|found| found == json!(id)));
        }
    }
}
