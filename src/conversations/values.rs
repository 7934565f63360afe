//! The values of `session`: JSON by keys, all of a conversation in one entry, so that a change
//! is made whole or not at all and the sum is what it says.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::ConversationError;
use super::limits::{MAX_KEY, MAX_KEYS, MAX_VALUE, MAX_VALUES};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Values(BTreeMap<String, Box<RawValue>>);

impl Values {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ConversationError> {
        // What is in them may be anybody's, and is not repeated.
        serde_json::from_slice(bytes).map_err(|_| {
            let what = "the values cannot be read: something else has written them";
            ConversationError::Unavailable(what.to_owned())
        })
    }

    pub(super) fn write(&self) -> Result<Bytes, ConversationError> {
        let written = serde_json::to_vec(self).map_err(|error| {
            ConversationError::Unavailable(format!("the values cannot be written: {error}"))
        })?;
        Ok(written.into())
    }

    /// Bytes of keys and values.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(key, value)| key.len() + value.get().len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, key: &str) -> Option<String> {
        self.0.get(key).map(|value| value.get().to_owned())
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// # Errors
    /// A limit that the values would exceed with it; they are as they were.
    pub(super) fn set(&mut self, key: &str, value: Box<RawValue>) -> Result<(), ConversationError> {
        let size = |value: &RawValue| key.len() + value.get().len();
        let old = self.0.get(key);
        if old.is_none() && self.0.len() >= MAX_KEYS {
            return Err(ConversationError::TooManyKeys);
        }
        let bytes = self.bytes() - old.map_or(0, |old| size(old)) + size(&value);
        if bytes > MAX_VALUES {
            return Err(ConversationError::Full(bytes));
        }
        self.0.insert(key.to_owned(), value);
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &str) -> bool {
        self.0.remove(key).is_some()
    }
}

/// # Errors
/// It is empty or too long.
pub(super) fn check_key(key: &str) -> Result<(), ConversationError> {
    match key.len() {
        1..=MAX_KEY => Ok(()),
        bytes => Err(ConversationError::Key(bytes)),
    }
}

/// A value as a worker sends it, which may send anything.
///
/// # Errors
/// It is too large, or not JSON.
pub(super) fn checked(value: String) -> Result<Box<RawValue>, ConversationError> {
    if value.len() > MAX_VALUE {
        return Err(ConversationError::TooLarge(value.len()));
    }
    RawValue::from_string(value).map_err(|error| ConversationError::NoJson(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: usize) -> Box<RawValue> {
        checked(format!("\"{}\"", "x".repeat(bytes - 2))).unwrap()
    }

    #[test]
    fn a_value_of_the_limit_is_kept_and_one_byte_more_is_not() {
        assert!(checked("1".repeat(MAX_VALUE)).is_ok());
        let error = checked("1".repeat(MAX_VALUE + 1)).unwrap_err();
        assert_eq!(error, ConversationError::TooLarge(MAX_VALUE + 1));
    }

    #[test]
    fn what_is_not_json_is_not_kept() {
        for text in ["", "undefined", "{", "1 2", "{'a': 1}", "NaN"] {
            let error = checked(text.to_owned()).unwrap_err();
            assert!(matches!(error, ConversationError::NoJson(_)), "{text}: {error}");
        }
    }

    #[test]
    fn all_values_together_have_a_limit_and_a_larger_one_replaces_a_smaller() {
        let mut values = Values::default();
        values.set("a", value(MAX_VALUE)).unwrap();
        values.set("b", value(MAX_VALUE - 2)).unwrap();
        assert_eq!(values.bytes(), MAX_VALUES);
        let error = values.set("c", value(2)).unwrap_err();
        assert_eq!(error, ConversationError::Full(MAX_VALUES + 3));
        values.set("b", value(2)).unwrap();
        values.set("c", value(2)).unwrap();
        assert_eq!(values.keys(), ["a", "b", "c"]);
    }

    #[test]
    fn there_are_so_many_keys_and_no_more() {
        let mut values = Values::default();
        for at in 0..MAX_KEYS {
            values.set(&at.to_string(), value(2)).unwrap();
        }
        assert_eq!(values.set("x", value(2)).unwrap_err(), ConversationError::TooManyKeys);
        values.set("0", value(3)).unwrap();
        assert!(values.remove("0") && !values.remove("0"));
        values.set("x", value(2)).unwrap();
    }

    #[test]
    fn a_key_has_some_bytes_and_not_too_many() {
        assert!(check_key("a").is_ok() && check_key(&"a".repeat(MAX_KEY)).is_ok());
        assert_eq!(check_key(""), Err(ConversationError::Key(0)));
        assert_eq!(check_key(&"a".repeat(MAX_KEY + 1)), Err(ConversationError::Key(MAX_KEY + 1)));
    }

    #[test]
    fn the_largest_values_are_below_what_the_store_takes() {
        let mut values = Values::default();
        for at in 0..MAX_KEYS {
            let key = format!("{at:04}{}", "\u{1}".repeat(MAX_KEY - 4));
            values.set(&key, value(MAX_VALUES / MAX_KEYS - MAX_KEY)).unwrap();
        }
        let written = values.write().unwrap();
        assert!(written.len() < 1 << 20, "{}", written.len());
        assert_eq!(Values::read(&written).unwrap().bytes(), values.bytes());
    }
}
