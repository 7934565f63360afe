//! The key of a call, and what tells whether another is the same.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::HeaderMap;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::error::{MAX_KEY, RepeatError};
use crate::server::replica::hash;

const HEADER: &str = "idempotency-key";

/// Finds the last part of its name in `_meta`: a message that does not have it is not read for it. The
/// slash before it can be written in two ways.
static IN_META: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("idempotencyKey"));

/// A key with which a call was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct Asked {
    /// A hash of it, for its name in the store.
    pub key: String,
    /// What two calls have in common that are the same one.
    pub fingerprint: String,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    params: BTreeMap<String, &'a RawValue>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "mcp-conductor/idempotencyKey")]
    key: Option<serde_json::Value>,
}

/// Whether a message has to be read for a key.
pub(in crate::server) fn may_ask(headers: &HeaderMap, text: &[u8]) -> bool {
    headers.contains_key(HEADER) || IN_META.find(text).is_some()
}

/// The key of a call in a message that has been read once, if it has one.
///
/// # Errors
/// [`RepeatError::Key`].
pub(in crate::server) fn asked(
    headers: &HeaderMap,
    text: &[u8],
) -> Result<Option<Asked>, RepeatError> {
    if !may_ask(headers, text) {
        return Ok(None);
    }
    let in_header = in_header(headers)?;
    // Such as one with two `params`, of which rmcp would take one.
    let message = serde_json::from_slice::<Message<'_>>(text).map_err(|_| RepeatError::Unread)?;
    let key = match (in_header, in_meta(&message)?) {
        (Some(one), Some(other)) if one != other => return Err(RepeatError::Key),
        (Some(key), _) | (None, Some(key)) => key,
        (None, None) => return Ok(None),
    };
    Ok(Some(Asked { key: hash(key.as_bytes()), fingerprint: fingerprint(&message) }))
}

/// A string of structured headers (RFC 9651, section 3.3.3), or its text alone.
fn in_header(headers: &HeaderMap) -> Result<Option<String>, RepeatError> {
    let mut all = headers.get_all(HEADER).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| RepeatError::Key)?.trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    match all.next() {
        None => checked(bare).map(Some),
        Some(_) => Err(RepeatError::Key),
    }
}

fn in_meta(message: &Message<'_>) -> Result<Option<String>, RepeatError> {
    let Some(meta) = message.params.get("_meta") else { return Ok(None) };
    let Meta { key } = serde_json::from_str(meta.get()).map_err(|_| RepeatError::Unread)?;
    let Some(key) = key else { return Ok(None) };
    checked(key.as_str().ok_or(RepeatError::Key)?).map(Some)
}

fn checked(key: &str) -> Result<String, RepeatError> {
    let is_plain = key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    let fits = (1..=MAX_KEY).contains(&key.len());
    if fits && is_plain { Ok(key.to_owned()) } else { Err(RepeatError::Key) }
}

/// Of everything that the call has but `_meta`, whose progress token is another each time.
fn fingerprint(message: &Message<'_>) -> String {
    let mut hasher = Sha256::new();
    for (name, value) in message.params.iter().filter(|(name, _)| *name != "_meta") {
        for part in [name.as_str(), value.get()] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    hash(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::error::META;
    use super::*;

    fn of(header: Option<&str>, params: Value) -> Result<Option<Asked>, RepeatError> {
        let mut headers = HeaderMap::new();
        if let Some(key) = header {
            headers.insert(HEADER, key.parse().unwrap());
        }
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        asked(&headers, message.to_string().as_bytes())
    }

    #[test]
    fn a_call_without_a_key_is_none() {
        assert_eq!(of(None, json!({"name": "run", "arguments": {"a": 1}})), Ok(None));
        // The words alone are none either.
        assert_eq!(of(None, json!({"arguments": {"idempotencyKey": "k"}})), Ok(None));
        assert_eq!(of(None, json!({"_meta": {"other/idempotencyKey": "k"}})), Ok(None));
    }

    #[test]
    fn a_key_is_the_same_in_the_header_quoted_or_bare_and_in_meta() {
        let call = |meta: Value| json!({"name": "run", "_meta": meta});
        let one = of(Some("\"k-1\""), call(json!({}))).unwrap().unwrap();
        assert_eq!(of(Some("k-1"), call(json!({}))), Ok(Some(one.clone())));
        let meta = json!({ META: "k-1", "progressToken": 7 });
        assert_eq!(of(None, call(meta.clone())), Ok(Some(one.clone())));
        assert_eq!(of(Some("k-1"), call(meta.clone())), Ok(Some(one)));
        assert_eq!(of(Some("k-2"), call(meta)), Err(RepeatError::Key));
    }

    #[test]
    fn another_tool_or_argument_is_another_call_and_another_progress_token_is_not() {
        let of = |params| of(Some("k"), params).unwrap().unwrap().fingerprint;
        let one = of(json!({"name": "a", "arguments": {"x": 1}, "_meta": {"progressToken": 1}}));
        let same = of(json!({"arguments": {"x": 1}, "name": "a", "_meta": {"progressToken": 2}}));
        assert_eq!(one, same);
        assert_ne!(one, of(json!({"name": "a", "arguments": {"x": 2}})));
        assert_ne!(one, of(json!({"name": "b", "arguments": {"x": 1}})));
    }

    #[test]
    fn a_key_that_is_empty_long_or_unprintable_is_refused() {
        for key in ["", "\"\"", "a b", "a\"b", &"a".repeat(MAX_KEY + 1)] {
            assert_eq!(of(Some(key), json!({})), Err(RepeatError::Key), "{key:?}");
        }
        assert_eq!(of(None, json!({"_meta": { META: 7 }})), Err(RepeatError::Key));
        assert_eq!(of(None, json!({"_meta": { META: "\u{e4}" }})), Err(RepeatError::Key));
    }

    #[test]
    fn two_headers_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(HEADER, "a".parse().unwrap());
        headers.append(HEADER, "a".parse().unwrap());
        assert_eq!(asked(&headers, b"{}"), Err(RepeatError::Key));
    }
}
