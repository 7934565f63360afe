//! Whether bytes are a JSON-RPC message at all: rmcp drops others without a word, or
//! answers them as if they were of another media type. What cannot be read and has an id
//! is answered with that: somebody waits for it.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::text::broken::{self, Remains};
use crate::text::digits::message_with_all_digits;
use crate::text::nulls::{Members, is_null, kept};

pub(super) const PARSE_ERROR: i32 = -32700;
pub(super) const INVALID_REQUEST: i32 = -32600;

/// The parts of a message that tell whether it is one.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "kept")]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "kept")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "kept")]
    error: Option<&'a RawValue>,
}

/// What is known of a message before rmcp reads it.
#[derive(Debug, PartialEq)]
pub(super) struct Head {
    pub id: Option<Value>,
    pub method: Option<String>,
}

/// Reads a message far enough to know that rmcp can judge it. With its head comes the text
/// that takes its place, where some of its numbers are texts then, or members that say
/// nothing are left out.
///
/// # Errors
/// The answer (JSON-RPC 2.0, section 5.1) to bytes that are no message.
pub(super) fn read(bytes: &[u8]) -> Result<(Head, Option<Vec<u8>>), String> {
    let unread = |error: &dyn std::fmt::Display| {
        answer(PARSE_ERROR, &format!("Parse error: {error}"), id_of(bytes))
    };
    let text = std::str::from_utf8(bytes).map_err(|error| unread(&error))?;
    // serde would take an array for the object's members in their order.
    let object = text.trim_ascii_start().starts_with('{').then(|| serde_json::from_str(text));
    let Some(Ok::<Envelope<'_>, _>(message)) = object else {
        // It is no JSON, or something else in JSON.
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| unread(&error))?;
        let what = "Invalid request: not a JSON-RPC object";
        return Err(answer(INVALID_REQUEST, what, id_of(bytes)));
    };
    let structured = |params: &RawValue| params.get().starts_with(['{', '[']);
    let Envelope { method, result, error, .. } = message;
    let has = |member: Option<&RawValue>| member.is_some() && !is_null(member);
    let is_answer = has(result) || has(error);
    let empty = Members { method, result, error }.empty_in(bytes);
    let instead = (!empty.is_none()).then(|| {
        let mut whole = bytes.to_vec();
        empty.leave_out_of(&mut whole);
        whole
    });
    let [jsonrpc, id, method] = [message.jsonrpc, message.id, message.method].map(scalar);
    let invalid = if jsonrpc != Some(Value::from("2.0")) {
        Some("jsonrpc must be \"2.0\"")
    } else if id.as_ref().is_some_and(|id| !is_id(id)) {
        Some("id must be a 64-bit integer or a string of at most 256 bytes")
    } else if is_answer {
        None
    } else if !matches!(method, Some(Value::String(_))) {
        Some("method must be a string")
    } else if !message.params.is_none_or(structured) {
        Some("params must be an object")
    } else {
        None
    };
    let id = id.filter(is_id);
    match invalid {
        Some(what) => Err(answer(INVALID_REQUEST, &format!("Invalid request: {what}"), id)),
        None => {
            let whole = message_with_all_digits(instead.as_deref().unwrap_or(bytes));
            let instead = whole.or(instead);
            let text = instead.as_deref().unwrap_or(bytes);
            broken::check(text).map_err(|error| unread(&error))?;
            let method = method.and_then(|method| method.as_str().map(str::to_owned));
            Ok((Head { id, method: method.filter(|_| !is_answer) }, instead))
        }
    }
}

/// A member that can only be a text or a number. Of what is neither no tree is made, which
/// is many times its text, that nobody has paid for: a list stands for it.
fn scalar(raw: Option<&RawValue>) -> Option<Value> {
    let text = raw?.get();
    let is_scalar = !text.starts_with(['{', '[']);
    let value = is_scalar.then(|| serde_json::from_str(text).ok()).flatten();
    Some(value.unwrap_or_else(|| Value::Array(Vec::new())))
}

/// Bytes of an id, which is kept until the answer, and after it. Clients count, or
/// use UUIDs of 36.
const MAX_ID: usize = 256;

/// MCP has no other (basic protocol, "Requests").
fn is_id(id: &Value) -> bool {
    id.is_i64() || id.as_str().is_some_and(|id| id.len() <= MAX_ID)
}

/// The id of a request that cannot be read. An answer has an id of ours.
pub(super) fn id_of(bytes: &[u8]) -> Option<Value> {
    let Remains { id, has_answer, .. } = Remains::of(bytes);
    id.filter(|id| !has_answer && is_id(id))
}

/// The same of one of which the beginning and the end are known.
pub(super) fn id_of_parts(start: &[u8], end: &[u8]) -> Option<Value> {
    let Remains { id, has_answer, .. } = Remains::of(start);
    let id = id.or_else(|| broken::last_id(end));
    id.filter(|id| !has_answer && is_id(id))
}

/// The error that takes the place of an answer that cannot be read: a question of ours
/// waits for it.
pub(super) fn in_place_of(bytes: &[u8]) -> Option<String> {
    let Remains { id, has_method: false, has_answer: true, .. } = Remains::of(bytes) else {
        return None;
    };
    let id = id.filter(is_id)?;
    Some(answer(PARSE_ERROR, "The answer cannot be read", Some(id)))
}

/// A JSON-RPC error, as a line.
pub(super) fn answer(code: i32, message: &str, id: Option<Value>) -> String {
    let error = serde_json::json!({
        "jsonrpc": "2.0",
        "id": id,
        "error": {"code": code, "message": message},
    });
    format!("{error}\n")
}

#[cfg(test)]
mod tests {
    use rmcp::model::ClientJsonRpcMessage;

    use super::*;

    #[test]
    fn an_answer_with_null_beside_what_it_says_is_one_to_rmcp() {
        for (text, is_result) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":{"action":"accept"},"error":null}"#, true),
            (r#"{"method":null,"result":{},"jsonrpc":"2.0","id":7}"#, true),
            (r#"{"id":7,"result":null,"error":{"code":-1,"message":"no"},"jsonrpc":"2.0"}"#, false),
        ] {
            let (head, instead) = read(text.as_bytes()).unwrap();
            assert_eq!(head, Head { id: Some(7.into()), method: None });
            match serde_json::from_slice(&instead.unwrap()) {
                Ok(ClientJsonRpcMessage::Response(_)) => assert!(is_result, "{text}"),
                Ok(ClientJsonRpcMessage::Error(_)) => assert!(!is_result, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn of_an_id_that_is_a_list_or_an_object_no_tree_is_made() {
        for (id, expected) in [
            ("7", Value::from(7)),
            ("\"a\"", Value::from("a")),
            ("[0,[0],0]", Value::Array(Vec::new())),
            ("{\"a\":[0]}", Value::Array(Vec::new())),
        ] {
            let raw: &RawValue = serde_json::from_str(id).unwrap();
            assert_eq!(scalar(Some(raw)), Some(expected), "{id}");
            let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(read(message.as_bytes()).is_ok(), !id.contains('['), "{id}");
        }
    }
}
