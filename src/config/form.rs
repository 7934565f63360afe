//! What values of a setting look like, as text and in the config file.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::Config;
use crate::policy::Grants;

/// Longest time that can be set: a day.
pub(in crate::config) const MAX_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// The form of a setting's values, and its place in a [`Config`].
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum Form {
    /// A time in whole milliseconds, up to a day.
    Millis { get: fn(&Config) -> Duration, set: fn(Config, Duration) -> Config },
    /// A whole number.
    Number { min: u64, max: u64, get: fn(&Config) -> u64, set: fn(Config, u64) -> Config },
    /// Yes or no; 1 or 0 as text.
    Flag { get: fn(&Config) -> bool, set: fn(Config, bool) -> Config },
    /// One of some words.
    Choice {
        of: &'static [&'static str],
        get: fn(&Config) -> &'static str,
        set: fn(Config, &str) -> Config,
    },
    /// An absolute path.
    Path { get: fn(&Config) -> Option<&Path>, set: fn(Config, PathBuf) -> Config },
    /// A text, which `set` checks.
    Text { get: fn(&Config) -> Option<String>, set: fn(Config, &str) -> Result<Config, String> },
    /// Texts, each of which `check` checks; as one text with commas, or what else is
    /// a separator, between them.
    List {
        separator: fn(char) -> bool,
        check: fn(&str) -> Result<(), String>,
        get: fn(&Config) -> &[String],
        set: fn(Config, Vec<String>) -> Config,
    },
    /// Deno's flags: a text, or in the config file also a list of flags.
    Grants,
    /// Headers by host: JSON as text, a table in the config file.
    Headers,
}

/// A value of a form.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) enum Given {
    Number(u64),
    Flag(bool),
    Text(String),
    List(Vec<String>),
    /// Headers by host, as JSON.
    Headers(String),
}

impl Form {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::config) fn parse(&self, text: &str) -> Result<Given, String> {
        match self {
            Self::Millis { .. } => number(text, 1, MAX_MILLIS).map(Given::Number),
            Self::Number { min, max, .. } => number(text, *min, *max).map(Given::Number),
            Self::Flag { .. } => match text {
                "1" => Ok(Given::Flag(true)),
                "0" => Ok(Given::Flag(false)),
                other => Err(format!("\"{other}\" is neither 0 nor 1")),
            },
            Self::List { separator, .. } => {
                let items = text.split(*separator).map(str::trim).filter(|item| !item.is_empty());
                Ok(Given::List(items.map(str::to_owned).collect()))
            }
            Self::Headers => Ok(Given::Headers(text.to_owned())),
            Self::Choice { .. } | Self::Path { .. } | Self::Text { .. } | Self::Grants => {
                Ok(Given::Text(text.to_owned()))
            }
        }
    }

    /// `config` with a value that [`Self::parse`] or the config file gave.
    ///
    /// # Errors
    /// What is wrong with the value.
    pub(in crate::config) fn set(&self, config: Config, given: Given) -> Result<Config, String> {
        match (self, given) {
            (Self::Millis { set, .. }, Given::Number(n)) => {
                Ok(set(config, Duration::from_millis(n)))
            }
            (Self::Number { set, .. }, Given::Number(n)) => Ok(set(config, n)),
            (Self::Flag { set, .. }, Given::Flag(yes)) => Ok(set(config, yes)),
            (Self::Choice { of, set, .. }, Given::Text(text)) => {
                chosen(of, &text).map(|()| set(config, &text))
            }
            (Self::Path { set, .. }, Given::Text(text)) => Ok(set(config, absolute(&text)?)),
            (Self::Text { set, .. }, Given::Text(text)) => set(config, &text),
            (Self::List { check, set, .. }, Given::List(items)) => {
                items.iter().try_for_each(|item| check(item))?;
                Ok(set(config, items))
            }
            (Self::Grants, Given::Text(text)) => {
                Grants::parse(&text).map_err(|error| error.to_string())?;
                Ok(config.with_run_args(text))
            }
            (Self::Grants, Given::List(flags)) => self.set(config, Given::Text(flags.join(","))),
            (Self::Headers, Given::Headers(text)) => Ok(config.with_fetch_headers(text)),
            (form, _) => Err(format!("not {}", form.expected())),
        }
    }

    /// What `config` has, as the config file would say it; nothing if it is not set.
    pub(in crate::config) fn shown(&self, config: &Config) -> Option<Value> {
        match self {
            Self::Millis { get, .. } => {
                Some(u64::try_from(get(config).as_millis()).unwrap_or(u64::MAX).into())
            }
            Self::Number { get, .. } => Some(get(config).into()),
            Self::Flag { get, .. } => Some(get(config).into()),
            Self::Choice { get, .. } => Some(get(config).into()),
            Self::Path { get, .. } => get(config).map(|path| path.to_string_lossy().into()),
            Self::Text { get, .. } => get(config).map(Value::from),
            Self::List { get, .. } => Some(json!(get(config))),
            Self::Grants => config.run_args().map(Value::from),
            Self::Headers => {
                config.fetch_headers().map(|text| Given::Headers(text.into()).to_json())
            }
        }
    }

    /// What a value in the config file must be, with its article.
    pub(in crate::config) fn expected(&self) -> String {
        match self {
            Self::Millis { .. } => format!("a whole number from 1 to {MAX_MILLIS}"),
            Self::Number { min, max, .. } => format!("a whole number from {min} to {max}"),
            Self::Flag { .. } => "true or false".into(),
            Self::Choice { of, .. } => of.join(" or "),
            Self::Path { .. } => "a text, an absolute path".into(),
            Self::Text { .. } => "a text".into(),
            Self::List { .. } => "a list of texts".into(),
            Self::Grants => "a text or a list of texts".into(),
            Self::Headers => "a table of hosts, each with a table of headers".into(),
        }
    }

    /// The number that a setting has, if it is one.
    pub(in crate::config) fn number(&self, config: &Config) -> Option<u64> {
        match self {
            Self::Millis { .. } | Self::Number { .. } => self.shown(config)?.as_u64(),
            _ => None,
        }
    }
}

impl Given {
    /// The value as the config file has it.
    pub(in crate::config) fn to_json(&self) -> Value {
        match self {
            Self::Number(number) => (*number).into(),
            Self::Flag(yes) => (*yes).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => json!(items),
            Self::Headers(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::Object(Map::new()))
            }
        }
    }
}

fn chosen(of: &[&str], text: &str) -> Result<(), String> {
    if of.contains(&text) {
        Ok(())
    } else {
        Err(format!("\"{text}\" is neither {}", of.join(" nor ")))
    }
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() && !text.contains('\0') {
        Ok(path)
    } else {
        Err(format!("\"{text}\" is no absolute path"))
    }
}

fn number<T>(text: &str, min: T, max: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    match text.parse::<T>() {
        Ok(number) if number >= min && number <= max => Ok(number),
        _ => Err(format!("\"{text}\" is no whole number from {min} to {max}")),
    }
}
