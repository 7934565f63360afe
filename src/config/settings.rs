//! A setting as the config file has it: of the type that its entry says, or an error with
//! the line and what would work.

use serde_json::Value as Json;

use super::credentials::{Credentials, name_length};
use super::entry::Variable;
use super::file::{File, MAX_QUOTED, below};
use super::form::{Form, Given};
use super::surroundings::Surroundings;
use super::value::{Entry, Value};
use super::{Config, ConfigError, variables};
use crate::text::clip::head;
use crate::text::near;

/// The sections, and what editors look for.
pub(super) fn is_no_setting(entry: &Entry) -> bool {
    entry.key == "principals" || (entry.key == "$schema" && matches!(entry.value, Value::Text(_)))
}

/// The value of an entry, if it has the type of the variable.
///
/// # Errors
/// Which type it must have, or what is wrong with the value.
pub(super) fn file_value(
    file: &File,
    above: &str,
    variable: &Variable,
    entry: &Entry,
) -> Result<Given, ConfigError> {
    let form = &variable.form;
    let read = match (form, &entry.value) {
        (Form::Millis(_) | Form::Number { .. }, Value::Number(text)) => Some(form.parse(text)),
        (Form::Flag(_), Value::Flag(yes)) => Some(Ok(Given::Flag(*yes))),
        (
            Form::Choice { .. }
            | Form::Path(_)
            | Form::Directory(_)
            | Form::Address(_)
            | Form::Text { .. }
            | Form::Grants(_),
            Value::Text(text),
        ) => Some(form.parse(text)),
        (Form::List { .. } | Form::Packages(_) | Form::Grants(_), value) => {
            value.texts().map(|t| Ok(Given::List(t)))
        }
        (Form::Headers(_), value) => {
            value.tables_of_texts().map(|json| Ok(Given::Headers(json.to_string())))
        }
        _ => None,
    };
    let (kind, expected) = (entry.value.kind(), form.expected());
    let read = read.ok_or_else(|| {
        let path = below(above, &entry.key);
        let problem = match &entry.value {
            Value::List(_) | Value::Table(_)
                if matches!(form, Form::List { .. } | Form::Packages(_) | Form::Headers(_)) =>
            {
                format!("{path} must be {expected}")
            }
            _ => format!("{path} is {kind}, and must be {expected}"),
        };
        file.error(entry.at, problem, example_of(file, variable))
    })?;
    read.map_err(|problem| value_error(file, above, variable, entry, &problem))
}

/// Puts what an entry gives into `config`.
///
/// # Errors
/// What is wrong with the value.
pub(super) fn set(
    file: &File,
    above: &str,
    variable: &Variable,
    entry: &Entry,
    config: &mut Config,
    given: Given,
) -> Result<(), ConfigError> {
    variable
        .form
        .set(config, given)
        .map_err(|problem| value_error(file, above, variable, entry, &problem))
}

fn value_error(
    file: &File,
    above: &str,
    variable: &Variable,
    entry: &Entry,
    problem: &str,
) -> ConfigError {
    let problem = format!("{}: {problem}", below(above, &entry.key));
    file.error(entry.at, problem, example_of(file, variable))
}

/// A setting that works, as the file would have it.
pub(super) fn example_of(file: &File, variable: &Variable) -> String {
    file.setting(&variable.key(), &variable.file_example())
}

/// Rejects a secret in a file that users other than its owner can read.
///
/// # Errors
/// What to do about it.
pub(super) fn check_open_file(
    file: &File,
    above: &str,
    variable: &Variable,
    entry: &Entry,
    given: &Given,
) -> Result<(), ConfigError> {
    if !file.is_open_to_others || !has_secret(given) {
        return Ok(());
    }
    let problem = "a value is not env:NAME, and users other than the file's owner can read it; \
                   write env:NAME, or run chmod 600";
    Err(value_error(file, above, variable, entry, problem))
}

fn has_secret(given: &Given) -> bool {
    let Given::Headers(_) = given else { return false };
    let hosts = given.to_json();
    let texts = hosts.as_object().into_iter().flat_map(|hosts| hosts.values());
    let texts = texts.filter_map(Json::as_object).flat_map(|headers| headers.values());
    texts.filter_map(Json::as_str).any(|text| !is_reference(text))
}

/// Whether a value of a header holds nothing but names of variables, after the name of
/// a scheme such as Bearer.
pub(super) fn is_reference(text: &str) -> bool {
    const SCHEMES: [&str; 4] = ["Bearer", "Basic", "Token", "token"];
    let is_variable = |word: &str| {
        let name = word.strip_prefix("env:");
        name.is_some_and(|name| !name.is_empty() && name_length(name) == name.len())
    };
    let rest = match text.split_once(' ') {
        Some((scheme, rest)) if SCHEMES.contains(&scheme) => rest,
        _ => text,
    };
    rest.split(' ').all(is_variable)
}

/// What is wrong with a configuration's headers.
pub(super) fn check_headers(
    config: &Config,
    surroundings: &Surroundings<'_>,
) -> Result<(), String> {
    let Some(json) = config.fetch_headers() else { return Ok(()) };
    Credentials::parse(json, &|name: &str| surroundings.text(name)).map(|_| ())
}

/// A key at the top that is not a setting.
pub(super) fn unknown_key(file: &File, entry: &Entry) -> ConfigError {
    if ["tools", "subject"].contains(&entry.key.as_str()) {
        let problem =
            format!("{} is a setting of a principal and must be in its section", entry.key);
        let example = match file.syntax {
            super::file::Syntax::Toml => "[principals.alice]",
            super::file::Syntax::Json => "\"principals\": {\"alice\": {}}",
        };
        return file.error(entry.at, problem, example.into());
    }
    no_such_key(file, entry, "", "setting", variables::of_the_file())
}

/// A key in a table of settings that is not one of them.
pub(super) fn unknown_in_table(file: &File, table: &str, entry: &Entry) -> ConfigError {
    let known = variables::of_the_file().filter(|variable| variable.table() == Some(table));
    no_such_key(file, entry, table, "setting", known)
}

/// A value where a table of settings should be.
pub(super) fn no_table(file: &File, entry: &Entry) -> ConfigError {
    let problem = format!("{} is {}, and must be a table", entry.key, entry.value.kind());
    let first = variables::of_the_file().find(|v| v.table() == Some(entry.key.as_str()));
    file.error(entry.at, problem, first.map_or_else(String::new, |v| example_of(file, v)))
}

/// A key that nothing knows, with the nearest that there is.
pub(super) fn no_such_key(
    file: &File,
    entry: &Entry,
    above: &str,
    what: &str,
    known: impl Iterator<Item = &'static Variable>,
) -> ConfigError {
    let path = below(above, &entry.key);
    // In a table, keys have its name before them.
    let key = if variables::is_table(above) { &path } else { &entry.key };
    let Some(near) = nearest(key, known) else {
        let problem = format!("{path} is not a {what}; `mcp-conductor config schema` lists them");
        return file.error(entry.at, problem, String::new());
    };
    let problem = format!("{path} is not a {what}; {} is", near.key());
    file.error(entry.at, problem, example_of(file, near))
}

fn nearest(key: &str, known: impl Iterator<Item = &'static Variable>) -> Option<&'static Variable> {
    let key = head(key, MAX_QUOTED).to_lowercase().replace('-', "_");
    let key = key.strip_prefix("mcp_conductor_").unwrap_or(&key);
    // Two slips in a short name, one in each third of a long one.
    let most = (key.len() / 3).max(2);
    near::nearest(key, known.map(|variable| (variable.key(), variable)), |_| most)
}
