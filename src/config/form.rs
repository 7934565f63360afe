//! The format of a setting's values, as text and in the config file, and where a
//! [`Config`] keeps them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Config;
use crate::packages::allowed::{AllowedPackages, PypiSpecifier};
use crate::policy::Grants;

/// Longest time that can be set: a day.
pub(super) const MAX_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// The form of a setting's values, and their place in a [`Config`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// A time in whole milliseconds, up to a day.
    Millis(At<Duration>),
    /// An integer, in the setting's unit.
    Number { min: u64, max: u64, unit: Unit, at: Integer },
    /// Yes or no; 1 or 0 as text.
    Flag(At<bool>),
    /// One of some words.
    Choice {
        of: &'static [&'static str],
        get: fn(&Config) -> &'static str,
        set: fn(&mut Config, &str),
    },
    /// An absolute path.
    Path(At<Option<PathBuf>>),
    /// An absolute path that is never unset.
    Directory(At<PathBuf>),
    /// An IP address.
    Address(At<IpAddr>),
    /// A text, as `check` gives it back.
    Text { check: fn(&str) -> Result<String, String>, at: At<Option<String>> },
    /// Texts, each of which `check` checks; as one text with commas, or what else is
    /// a separator, between them.
    List { separator: fn(char) -> bool, check: fn(&str) -> Result<(), String>, at: At<Vec<String>> },
    /// Packages: a list of specifiers, as one text with commas between them.
    Packages(At<AllowedPackages>),
    /// Deno's flags: a text, or in the config file also a list of flags.
    Grants(At<Option<String>>),
    /// Headers by host: JSON as text, a table in the config file.
    Headers(At<Option<String>>),
}

/// A place in a [`Config`]; [`at!`] makes one.
#[derive(Debug)]
pub(super) struct At<T> {
    pub of: fn(&Config) -> &T,
    pub of_mut: fn(&mut Config) -> &mut T,
}

/// Derived, they would be for values that can be copied only.
impl<T> Clone for At<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for At<T> {}

impl<T> At<T> {
    fn get<'a>(&self, config: &'a Config) -> &'a T {
        (self.of)(config)
    }

    fn set(&self, config: &mut Config, value: T) {
        *(self.of_mut)(config) = value;
    }
}

/// The place of a field, such as `at!(limits.max_memory)`.
macro_rules! at {
    ($($field:ident).+) => {
        $crate::config::form::At {
            of: |config| &config.$($field).+,
            of_mut: |config| &mut config.$($field).+,
        }
    };
}
pub(super) use at;

/// The place of a whole number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Integer {
    U16(At<u16>),
    U32(At<u32>),
    U64(At<u64>),
    Usize(At<usize>),
}

impl Integer {
    fn get(&self, config: &Config) -> u64 {
        match self {
            Self::U16(at) => (*at.get(config)).into(),
            Self::U32(at) => (*at.get(config)).into(),
            Self::U64(at) => *at.get(config),
            Self::Usize(at) => *at.get(config) as u64,
        }
    }

    /// The entry's range is within the type's; a test sets both ends.
    fn set(&self, config: &mut Config, number: u64) {
        match self {
            Self::U16(at) => at.set(config, number as u16),
            Self::U32(at) => at.set(config, number as u32),
            Self::U64(at) => at.set(config, number),
            Self::Usize(at) => at.set(config, number as usize),
        }
    }
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    One,
    Bytes,
    /// A [`Config`] has it in bytes.
    MiB,
    /// A time that may be none, or longer than a day.
    Millis,
}

impl Unit {
    /// How many of what a [`Config`] counts in.
    fn size(self) -> u64 {
        match self {
            Self::One | Self::Bytes | Self::Millis => 1,
            Self::MiB => 1 << 20,
        }
    }
}

/// A value of a form.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given {
    Number(u64),
    Flag(bool),
    Text(String),
    /// A default's only: paths that are written are texts.
    Path(PathBuf),
    List(Vec<String>),
    /// Headers by host, as JSON.
    Headers(String),
}

impl Form {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(&self, text: &str) -> Result<Given, String> {
        match self {
            Self::Millis(_) => number(text, 1, MAX_MILLIS).map(Given::Number),
            Self::Number { min, max, .. } => number(text, *min, *max).map(Given::Number),
            Self::Flag(_) => match text {
                "1" => Ok(Given::Flag(true)),
                "0" => Ok(Given::Flag(false)),
                other => Err(format!("\"{other}\" is neither 0 nor 1")),
            },
            Self::List { separator, .. } => Ok(Given::List(items(text, *separator))),
            Self::Packages(_) => Ok(Given::List(packages(text))),
            Self::Headers(_) => Ok(Given::Headers(text.to_owned())),
            Self::Choice { .. }
            | Self::Path(_)
            | Self::Directory(_)
            | Self::Address(_)
            | Self::Text { .. }
            | Self::Grants(_) => Ok(Given::Text(text.to_owned())),
        }
    }

    /// Puts what a text says into `config`.
    ///
    /// # Errors
    /// What is wrong with the text; `config` is as it was.
    pub(super) fn read(&self, config: &mut Config, text: &str) -> Result<(), String> {
        self.set(config, self.parse(text)?)
    }

    /// Puts a value that [`Self::parse`] or the config file gave into `config`.
    ///
    /// # Errors
    /// What is wrong with the value; `config` is as it was.
    pub(super) fn set(&self, config: &mut Config, given: Given) -> Result<(), String> {
        match (self, given) {
            (Self::Millis(at), Given::Number(n)) => at.set(config, Duration::from_millis(n)),
            (Self::Number { unit, at, .. }, Given::Number(n)) => at.set(config, n * unit.size()),
            (Self::Flag(at), Given::Flag(yes)) => at.set(config, yes),
            (Self::Choice { of, set, .. }, Given::Text(text)) => {
                chosen(of, &text)?;
                set(config, &text);
            }
            (Self::Path(at), Given::Text(text)) => at.set(config, Some(absolute(&text)?)),
            (Self::Path(at), Given::Path(path)) => at.set(config, Some(path)),
            (Self::Directory(at), Given::Text(text)) => at.set(config, absolute(&text)?),
            (Self::Directory(at), Given::Path(path)) => at.set(config, path),
            (Self::Address(at), Given::Text(text)) => at.set(config, address(&text)?),
            (Self::Text { check, at }, Given::Text(text)) => at.set(config, Some(check(&text)?)),
            (Self::List { check, at, .. }, Given::List(items)) => {
                items.iter().try_for_each(|item| check(item))?;
                at.set(config, items);
            }
            (Self::Packages(at), Given::List(items)) => {
                let packages = AllowedPackages::parse(&items).map_err(|error| error.to_string())?;
                at.set(config, packages);
            }
            (Self::Grants(at), Given::Text(text)) => {
                Grants::parse(&text).map_err(|error| error.to_string())?;
                at.set(config, Some(text));
            }
            (Self::Grants(_), Given::List(flags)) => {
                return self.set(config, Given::Text(flags.join(",")));
            }
            (Self::Headers(at), Given::Headers(text)) => at.set(config, Some(text)),
            (form, _) => return Err(format!("not {}", form.expected())),
        }
        Ok(())
    }

    /// What `config` has, as the config file would say it; nothing if it is not set.
    pub(super) fn shown(&self, config: &Config) -> Option<Value> {
        match self {
            Self::Millis(_) | Self::Number { .. } => self.number(config).map(Value::from),
            Self::Flag(at) => Some((*at.get(config)).into()),
            Self::Choice { get, .. } => Some(get(config).into()),
            Self::Path(at) => at.get(config).as_ref().map(|path| path.to_string_lossy().into()),
            Self::Directory(at) => Some(at.get(config).to_string_lossy().into()),
            Self::Address(at) => Some(at.get(config).to_string().into()),
            Self::Text { at, .. } | Self::Grants(at) => at.get(config).clone().map(Value::from),
            Self::List { at, .. } => Some(json!(at.get(config))),
            Self::Packages(at) => Some(json!(at.get(config).texts())),
            Self::Headers(at) => {
                at.get(config).as_ref().map(|text| Given::Headers(text.clone()).to_json())
            }
        }
    }

    /// What a value in the config file must be, with its article.
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Millis(_) => format!("an integer between 1 and {MAX_MILLIS}"),
            Self::Number { min, max, .. } => format!("an integer between {min} and {max}"),
            Self::Flag(_) => "true or false".into(),
            Self::Choice { of, .. } => of.join(" or "),
            Self::Path(_) | Self::Directory(_) => "a string, an absolute path".into(),
            Self::Address(_) | Self::Text { .. } => "a string".into(),
            Self::List { .. } | Self::Packages(_) => "a list of strings".into(),
            Self::Grants(_) => "a string or a list of strings".into(),
            Self::Headers(_) => "a table of hosts, each with a table of headers".into(),
        }
    }

    /// The number that a setting has, if it is one.
    pub(super) fn number(&self, config: &Config) -> Option<u64> {
        match self {
            Self::Millis(at) => Some(u64::try_from(at.get(config).as_millis()).unwrap_or(u64::MAX)),
            Self::Number { unit, at, .. } => Some(at.get(config) / unit.size()),
            Self::Flag(_)
            | Self::Choice { .. }
            | Self::Path(_)
            | Self::Directory(_)
            | Self::Address(_)
            | Self::Text { .. }
            | Self::List { .. }
            | Self::Packages(_)
            | Self::Grants(_)
            | Self::Headers(_) => None,
        }
    }

    /// Whether `config` has more than `other`, if it is a time or a number.
    pub(super) fn is_above(&self, config: &Config, other: &Config) -> bool {
        match self {
            Self::Millis(at) => at.get(config) > at.get(other),
            Self::Number { at, .. } => at.get(config) > at.get(other),
            Self::Flag(_)
            | Self::Choice { .. }
            | Self::Path(_)
            | Self::Directory(_)
            | Self::Address(_)
            | Self::Text { .. }
            | Self::List { .. }
            | Self::Packages(_)
            | Self::Grants(_)
            | Self::Headers(_) => false,
        }
    }

    /// Puts what `old` has into `config`; whether that was something else.
    pub(super) fn keep(&self, config: &mut Config, old: &Config) -> bool {
        match self {
            Self::Millis(at) => kept(at, config, old),
            Self::Number { at: Integer::U16(at), .. } => kept(at, config, old),
            Self::Number { at: Integer::U32(at), .. } => kept(at, config, old),
            Self::Number { at: Integer::U64(at), .. } => kept(at, config, old),
            Self::Number { at: Integer::Usize(at), .. } => kept(at, config, old),
            Self::Flag(at) => kept(at, config, old),
            Self::Choice { get, set, .. } => {
                let is_other = get(config) != get(old);
                set(config, get(old));
                is_other
            }
            Self::Path(at) => kept(at, config, old),
            Self::Directory(at) => kept(at, config, old),
            Self::Address(at) => kept(at, config, old),
            Self::Text { at, .. } | Self::Grants(at) | Self::Headers(at) => kept(at, config, old),
            Self::List { at, .. } => kept(at, config, old),
            Self::Packages(at) => kept(at, config, old),
        }
    }
}

fn kept<T: Clone + PartialEq>(at: &At<T>, config: &mut Config, old: &Config) -> bool {
    let is_other = at.get(config) != at.get(old);
    if is_other {
        at.set(config, at.get(old).clone());
    }
    is_other
}

impl Given {
    /// The value as the config file has it.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Number(number) => (*number).into(),
            Self::Flag(yes) => (*yes).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Path(path) => path.to_string_lossy().into(),
            Self::List(items) => json!(items),
            Self::Headers(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::Object(Map::new()))
            }
        }
    }
}

/// The items of a text; nothing between two separators is none.
fn items(text: &str, separator: fn(char) -> bool) -> Vec<String> {
    let items = text.split(separator).map(str::trim).filter(|item| !item.is_empty());
    items.map(str::to_owned).collect()
}

fn is_comma(c: char) -> bool {
    c == ','
}

/// Packages between commas. One inside of a range of PEP 440 is followed by an operator, which
/// no package begins with.
fn packages(text: &str) -> Vec<String> {
    let mut packages: Vec<String> = Vec::new();
    for item in items(text, is_comma) {
        match packages.last_mut() {
            Some(last)
                if PypiSpecifier::is_one(last) && item.starts_with(['<', '>', '=', '!', '~']) =>
            {
                last.push(',');
                last.push_str(&item);
            }
            Some(_) | None => packages.push(item),
        }
    }
    packages
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
        Err(format!("\"{text}\" is not an absolute path"))
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not an IP address"))
}

fn number(text: &str, min: u64, max: u64) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(number) if number >= min && number <= max => Ok(number),
        _ => Err(format!("\"{text}\" is not an integer between {min} and {max}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_inside_of_a_range_of_pypi_ends_no_package() {
        let expected = ["npm:zod@^3", "pypi:requests@>=2.31,<3,!=2.32", "pypi:six", "jsr:@a/b"];
        assert_eq!(packages(&expected.join(",")), expected);
        assert_eq!(packages("pypi:a@>=1, <2 , pypi:b"), ["pypi:a@>=1,<2", "pypi:b"]);
        assert_eq!(packages("npm:a,<2"), ["npm:a", "<2"]);
    }
}
