//! Members of a JSON-RPC message that say nothing: `"error": null` beside a result, as
//! JSON-RPC 1.0 asked for and some servers still write. rmcp takes a message that has both
//! for none.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

/// A member as it stands in a text, `null` too, where an `Option` alone would lose it.
///
/// # Errors
/// What the text breaks of JSON.
pub(crate) fn kept<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Whether a member is there and null.
pub(crate) fn is_null(member: Option<&RawValue>) -> bool {
    member.is_some_and(|raw| raw.get() == NULL)
}

const NULL: &str = "null";

/// The three members of which a message has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Members<'a> {
    pub method: Option<&'a RawValue>,
    pub result: Option<&'a RawValue>,
    pub error: Option<&'a RawValue>,
}

impl Members<'_> {
    /// Those that are null beside another. `text` is what they were read from.
    pub(crate) fn empty_in(&self, text: &[u8]) -> Empty {
        let says = |member: Option<&RawValue>| member.is_some() && !is_null(member);
        let has_answer = self.result.is_some() || self.error.is_some();
        let empty = [
            ("method", self.method.filter(|_| has_answer)),
            // `null` is a result where there is no error.
            ("result", self.result.filter(|_| says(self.error) || says(self.method))),
            ("error", self.error.filter(|_| self.result.is_some() || says(self.method))),
        ];
        let place = |raw: &RawValue| raw.get().as_ptr().addr().checked_sub(text.as_ptr().addr());
        let empty = empty.into_iter().filter(|(_, member)| is_null(*member));
        Empty(empty.filter_map(|(name, member)| Some((name, place(member?)?))).collect())
    }
}

/// Members that say nothing: their names, and where in the text their values begin.
#[derive(Debug, Default)]
pub(crate) struct Empty(Vec<(&'static str, usize)>);

impl Empty {
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts spaces in their places.
    pub(crate) fn leave_out_of(self, text: &mut [u8]) {
        for (name, value) in self.0 {
            blank(text, name, value);
        }
    }
}

/// Puts spaces in the place of the members of a message that say nothing. Other texts stay
/// as they are.
pub(crate) fn leave_out(text: &mut [u8]) {
    let Ok(Message { method, result, error }) = serde_json::from_slice(text) else { return };
    (Members { method, result, error }).empty_in(text).leave_out_of(text);
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default, deserialize_with = "kept")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "kept")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "kept")]
    error: Option<&'a RawValue>,
}

/// Puts spaces in the place of a member and of one comma beside it. A name that is written
/// in another way than its letters stays.
fn blank(text: &mut [u8], name: &str, value: usize) {
    if let Some((start, end)) = span(text, name, value) {
        text[start..end].fill(b' ');
    }
}

/// From the first byte of a member, or of the comma before it if it is the last, to the end
/// of its value or of the comma behind it.
fn span(text: &[u8], name: &str, value: usize) -> Option<(usize, usize)> {
    let end = value + NULL.len();
    let before = text.get(..value)?.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    let before = before.strip_suffix(b"\"")?.strip_suffix(name.as_bytes())?.strip_suffix(b"\"")?;
    let start = before.len();
    let behind = text.get(end..)?;
    let rest = behind.trim_ascii_start();
    if rest.starts_with(b",") {
        return Some((start, end + (behind.len() - rest.len()) + 1));
    }
    let before = before.trim_ascii_end();
    let start = before.strip_suffix(b",").map_or(start, <[u8]>::len);
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(text: &str) -> String {
        let mut text = text.as_bytes().to_vec();
        leave_out(&mut text);
        let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
        read.to_string()
    }

    #[test]
    fn members_that_are_null_beside_what_a_message_says_are_left_out() {
        for (text, expected) in [
            (r#"{"id":1,"result":{"a":null},"error":null}"#, r#"{"id":1,"result":{"a":null}}"#),
            (r#"{"error" : null , "id":1,"result":{}}"#, r#"{"id":1,"result":{}}"#),
            (r#"{"id":1,"error":null,"result":{}}"#, r#"{"id":1,"result":{}}"#),
            (r#"{"id":1,"error":{"code":1},"result":null}"#, r#"{"id":1,"error":{"code":1}}"#),
            (r#"{"id":1,"method":"ping","result":null}"#, r#"{"id":1,"method":"ping"}"#),
            (r#"{"method":null,"id":1,"result":{}}"#, r#"{"id":1,"result":{}}"#),
            (r#"{"id":1,"method":null,"result":{},"error":null}"#, r#"{"id":1,"result":{}}"#),
            (r#"{"id":1,"method":"ping","error":null}"#, r#"{"id":1,"method":"ping"}"#),
            (r#"{"id":1,"result":null,"error":null}"#, r#"{"id":1,"result":null}"#),
        ] {
            assert_eq!(without(text), expected, "{text}");
        }
    }

    #[test]
    fn a_member_that_is_null_alone_stays() {
        for text in [
            r#"{"id":1,"result":null}"#,
            r#"{"id":1,"error":null}"#,
            r#"{"error":null}"#,
            r#"{"id":1,"result":{"error":null}}"#,
        ] {
            assert_eq!(without(text), text);
        }
    }
}
