//! One tool of an upstream server, and how its text and schemas are read. All
//! of it was written by the server: nothing here trusts it.

use serde_json::{Map, Value};

use crate::text::shown;

/// What is known of one tool.
#[derive(Debug, Clone)]
pub(crate) struct ToolInfo {
    /// The server's name in the configuration.
    pub server: String,
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub input_schema: Map<String, Value>,
    pub output_schema: Option<Map<String, Value>>,
}

/// Longest reference that is followed, in bytes: generators write some 20 to 100
/// (`#/$defs/` and a type's name), and a schema can repeat one a thousand times.
const MAX_REFERENCE: usize = 1024;

/// The schema that a local reference means: `#`, or `#/` and a JSON Pointer,
/// percent-encoded (RFC 6901, section 6).
pub(super) fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let fragment = reference.strip_prefix('#')?;
    if fragment.len() > MAX_REFERENCE {
        return None;
    }
    root.pointer(&percent_decoded(fragment)?)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        bytes.push(hexadecimal(digits[0])? * 16 + hexadecimal(digits[1])?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Members of schemas and of questions that are texts for readers.
const TEXTS: [&str; 8] = [
    "title",
    "description",
    "$comment",
    "message",
    "text",
    "systemPrompt",
    "enumNames",
    "x-enum-descriptions",
];

/// Takes what is not visible out of the texts in a schema or a question. Names and
/// values stay as they are: they are sent back.
pub(crate) fn show_texts(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(show_texts),
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if TEXTS.contains(&key.as_str()) => show_text(text),
                    Value::Array(texts) if TEXTS.contains(&key.as_str()) => {
                        texts.iter_mut().for_each(|text| match text {
                            Value::String(text) => show_text(text),
                            other => show_texts(other),
                        });
                    }
                    other => show_texts(other),
                }
            }
        }
        _ => {}
    }
}

/// Takes what is not visible out of a text, which is not copied for nothing.
pub(super) fn show_text(text: &mut String) {
    if text.chars().any(shown::may_be_hidden) {
        *text = shown::lines(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_is_a_pointer_in_the_same_schema() {
        let root = json!({"$defs": {"List[a/b]": {"type": "string"}}});
        assert_eq!(resolve(&root, "#"), Some(&root));
        let found = Some(&root["$defs"]["List[a/b]"]);
        assert_eq!(resolve(&root, "#/$defs/List[a~1b]"), found);
        assert_eq!(resolve(&root, "#/%24defs/List%5Ba~1b%5D"), found);
    }

    #[test]
    fn what_is_no_such_reference_resolves_to_nothing() {
        let root = json!({"a": 1});
        let long = format!("#/{}", "a".repeat(MAX_REFERENCE));
        for reference in ["", "a", "#a", "#/b", "#/%", "#/%6", "#/%zz", "#/%ff", "x.json#/a", &long]
        {
            assert_eq!(resolve(&root, reference), None, "{reference}");
        }
    }

    proptest! {
        #[test]
        fn any_reference_is_read(text in any::<String>()) {
            let _ = resolve(&json!({"a": {}}), &format!("#{text}"));
        }
    }
}
