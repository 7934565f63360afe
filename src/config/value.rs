//! Keys and values as a file has them, before they mean anything.

use serde_json::{Map, Value as Json};

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    /// The byte at which the key begins.
    pub at: Option<usize>,
    pub value: Value,
}

/// A value as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    /// Its digits in base 10, or what stands there instead.
    Number(String),
    Text(String),
    List(Vec<Value>),
    Table(Vec<Entry>),
    /// Null, or a date.
    Other(&'static str),
}

impl Value {
    /// What it is, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }

    /// The texts of a list of strings.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        let Self::List(items) = self else { return None };
        let text = |item: &Self| match item {
            Self::Text(text) => Some(text.clone()),
            _ => None,
        };
        items.iter().map(text).collect()
    }

    /// A table of tables of texts, as JSON.
    pub(super) fn tables_of_texts(&self) -> Option<Json> {
        let Self::Table(entries) = self else { return None };
        let mut members = Map::new();
        for Entry { key, value, .. } in entries {
            let Self::Table(texts) = value else { return None };
            let mut inner = Map::new();
            for Entry { key, value, .. } in texts {
                let Self::Text(text) = value else { return None };
                inner.insert(key.clone(), text.as_str().into());
            }
            members.insert(key.clone(), Json::Object(inner));
        }
        Some(Json::Object(members))
    }
}
