//! The config file as it is written: keys, values and where they stand. TOML and
//! JSON give the same. No problem quotes a value, which can be a secret.

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::value::{Entry, Value};
use super::{ConfigError, MAX_FILE_BYTES, jsonc};
use crate::text::clip::head;
use crate::text::escaped::visible_toml;

/// Bytes of a key that a message quotes.
pub(super) const MAX_QUOTED: usize = 64;

/// A file that can be named on the command line.
const EXAMPLE_FILE: &str = "--config /etc/mcp-conductor/conductor.toml";

/// Bits of a mode that let others than the owner in.
const NOT_THE_OWNER: u32 = 0o077;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Toml,
    Json,
}

/// A config file.
#[derive(Debug)]
pub(super) struct File {
    pub path: PathBuf,
    pub syntax: Syntax,
    text: String,
    /// Others than the owner may read it.
    pub is_open_to_others: bool,
    pub entries: Vec<Entry>,
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// It is not there, is not a regular file, is too large, or is not what its ending says.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let unusable = |problem: String| {
            ConfigError::new(path.display().to_string(), problem, EXAMPLE_FILE.to_owned())
        };
        let syntax = match path.extension().and_then(|ending| ending.to_str()) {
            Some("toml") => Syntax::Toml,
            Some("json" | "jsonc") => Syntax::Json,
            _ => return Err(unusable("a config file ends in .toml or .json".into())),
        };
        let (text, mode) = read(path, MAX_FILE_BYTES).map_err(unusable)?;
        let mut file = Self::parse(path, syntax, text)?;
        file.is_open_to_others = mode & NOT_THE_OWNER != 0;
        Ok(file)
    }

    /// Reads a file's text.
    pub(super) fn parse(path: &Path, syntax: Syntax, text: String) -> Result<Self, ConfigError> {
        let mut file = Self {
            path: path.to_owned(),
            syntax,
            // Editors on Windows write a byte order mark.
            text: text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text),
            is_open_to_others: false,
            entries: Vec::new(),
        };
        let entries = match syntax {
            Syntax::Toml => file.toml_entries(),
            Syntax::Json => file.json_entries(),
        };
        file.entries = entries?;
        if let Some((path, at)) = repeated(&file.entries, "") {
            return Err(file.error(at, format!("{path} is given twice, keep one"), String::new()));
        }
        Ok(file)
    }

    fn toml_entries(&self) -> Result<Vec<Entry>, ConfigError> {
        let table = DeTable::parse(&self.text).map_err(|error| {
            let at = error.span().map(|span| span.start);
            if error.message() == "duplicate key" {
                let key = error.span().and_then(|span| self.text.get(span)).unwrap_or_default();
                let key = head(key, MAX_QUOTED);
                let problem = format!("{} is given twice, keep one", key.escape_debug());
                return self.error(at, problem, String::new());
            }
            let problem = format!("not TOML: {}", error.message().escape_debug());
            self.error(at, problem, "max_cpu_time = 10000".into())
        })?;
        Ok(toml_table(table.get_ref()))
    }

    fn json_entries(&self) -> Result<Vec<Entry>, ConfigError> {
        let example = || "{\"max_cpu_time\": 10000}".to_owned();
        match jsonc::parse(&self.text) {
            Ok(Value::Table(entries)) => Ok(entries),
            Ok(_) => Err(self.error(None, "not a JSON object".into(), example())),
            Err(error) => {
                let place = format!("{}, {}", self.path.display(), error.place());
                Err(ConfigError::new(place, error.to_string(), example()))
            }
        }
    }

    /// A problem at a byte of the file.
    pub(super) fn error(&self, at: Option<usize>, problem: String, example: String) -> ConfigError {
        let path = self.path.display();
        let place = match at {
            Some(at) => format!("{path}, line {}", jsonc::line_of(&self.text, at)),
            None => path.to_string(),
        };
        ConfigError::new(place, problem, example)
    }

    /// A setting as this file would have it; what stands before a dot is its table.
    pub(super) fn setting(&self, key: &str, value: &Json) -> String {
        match (self.syntax, key.split_once('.')) {
            (Syntax::Toml, _) => format!("{key} = {}", toml_text(value)),
            (Syntax::Json, None) => format!("\"{key}\": {value}"),
            (Syntax::Json, Some((table, key))) => {
                format!("\"{table}\": {{\"{key}\": {value}}}")
            }
        }
    }
}

/// The text of a regular file, and its mode.
pub(super) fn read(path: &Path, max: u64) -> Result<(String, u32), String> {
    // Opening a pipe would wait for a writer.
    let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(|error| format!("cannot be read: {error}"))?;
    let found = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    if !found.is_file() {
        return Err("not a regular file".into());
    }
    let mut bytes = Vec::new();
    // One byte more than the limit tells that there is more.
    file.take(max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > max {
        return Err(format!("the file has more than {max} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        format!("not UTF-8: invalid byte at offset {}", error.utf8_error().valid_up_to())
    })?;
    Ok((text, found.mode()))
}

/// The first key that stands twice in one table, with the path to it. The parsers
/// bound the depth: 80 levels in TOML, 128 in JSON.
fn repeated(entries: &[Entry], above: &str) -> Option<(String, Option<usize>)> {
    let mut seen = std::collections::HashSet::new();
    for entry in entries {
        let path = below(above, &entry.key);
        if !seen.insert(&entry.key) {
            return Some((path, entry.at));
        }
        if let Value::Table(inner) = &entry.value
            && let Some(found) = repeated(inner, &path)
        {
            return Some(found);
        }
    }
    None
}

/// The path of a key in a table; nothing above means the top.
pub(super) fn below(above: &str, key: &str) -> String {
    let cut = head(key, MAX_QUOTED);
    let name = if is_bare(key) { cut.to_owned() } else { format!("{cut:?}") };
    if above.is_empty() { name } else { format!("{above}.{name}") }
}

/// Whether TOML takes a key without quotes.
fn is_bare(key: &str) -> bool {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !key.is_empty() && key.bytes().all(bare)
}

/// A key as TOML has it.
pub(super) fn toml_key(key: &str) -> String {
    if is_bare(key) { key.to_owned() } else { toml_text(&key.into()) }
}

/// A value as TOML has it, in one line. JSON's strings are TOML's basic strings,
/// except that those have no DEL (TOML 1.1, "String"). What is hidden is escaped.
pub(super) fn toml_text(value: &Json) -> String {
    match value {
        Json::Object(members) => {
            let pair = |(key, value): (&String, &Json)| {
                format!("{} = {}", toml_key(key), toml_text(value))
            };
            let pairs: Vec<_> = members.iter().map(pair).collect();
            if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
        }
        Json::Array(items) => {
            format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", "))
        }
        other => visible_toml(&other.to_string()).into_owned(),
    }
}

fn toml_table(table: &DeTable<'_>) -> Vec<Entry> {
    let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| Entry {
        key: key.get_ref().to_string(),
        at: Some(key.span().start),
        value: toml_value(value.get_ref()),
    };
    table.iter().map(entry).collect()
}

fn toml_value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i128::from_str_radix(number.as_str(), number.radix());
            Value::Number(parsed.map_or_else(|_| number.as_str().to_owned(), |n| n.to_string()))
        }
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Boolean(yes) => Value::Flag(*yes),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| toml_value(item.get_ref())).collect())
        }
        DeValue::Table(table) => Value::Table(toml_table(table)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::Directory;
    use super::*;

    fn parsed(syntax: Syntax, text: &str) -> Result<Vec<Entry>, String> {
        let name = if syntax == Syntax::Toml { "c.toml" } else { "c.json" };
        File::parse(Path::new(name), syntax, text.to_owned())
            .map(|file| file.entries)
            .map_err(|error| error.to_string())
    }

    /// Without the places, in the order of the keys.
    fn plain(mut entries: Vec<Entry>) -> Vec<Entry> {
        for entry in &mut entries {
            entry.at = None;
            if let Value::Table(inner) = &mut entry.value {
                *inner = plain(std::mem::take(inner));
            }
        }
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries
    }

    #[test]
    fn toml_and_json_give_the_same() {
        let toml = "\u{feff}a = 0x10\nb = [\"x\", 1.5, true]\n[c.\"d.e\"]\nf = \"g\"\n";
        let json =
            "\u{feff}{\"a\": 16, \"b\": [\"x\", 1.5, true], \"c\": {\"d.e\": {\"f\": \"g\"}}}";
        let entries = plain(parsed(Syntax::Toml, toml).unwrap());
        assert_eq!(entries, plain(parsed(Syntax::Json, json).unwrap()));
        assert_eq!(entries[0].value, Value::Number("16".into()));
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused_with_its_place() {
        for (text, expected) in [
            ("a = 1\nb = 2\na = 3\n", "c.toml, line 3: a is given twice, keep one"),
            ("[p.x]\na = 1\n[p.x]\n", "c.toml, line 3: x is given twice, keep one"),
            ("h = {a = 1,\n a = 2}\n", "c.toml, line 2: a is given twice, keep one"),
        ] {
            assert_eq!(parsed(Syntax::Toml, text).unwrap_err(), expected);
        }
        assert_eq!(
            parsed(Syntax::Json, r#"{"p": {"x y": {"a": 1, "\u0061": 2}}}"#).unwrap_err(),
            "c.json, line 1: p.\"x y\".a is given twice, keep one"
        );
    }

    #[test]
    fn text_that_is_neither_says_where_and_quotes_no_value() {
        assert_eq!(
            parsed(Syntax::Toml, "a = 1\nb = canary\n").unwrap_err(),
            "c.toml, line 2: not TOML: string values must be quoted, expected literal string, for \
             example max_cpu_time = 10000"
        );
        assert_eq!(
            parsed(Syntax::Json, "{\"a\": canary}").unwrap_err(),
            "c.json, line 1, column 7: not JSON: unexpected token, for example \
             {\"max_cpu_time\": 10000}"
        );
        assert_eq!(
            parsed(Syntax::Json, "[\"canary\"]").unwrap_err(),
            "c.json: not a JSON object, for example {\"max_cpu_time\": 10000}"
        );
    }

    #[test]
    fn nesting_without_end_is_refused() {
        for syntax in [Syntax::Toml, Syntax::Json] {
            let start = if syntax == Syntax::Toml { "a = " } else { "{\"a\": " };
            let text = format!("{start}{}", "[".repeat(100_000));
            assert!(parsed(syntax, &text).is_err());
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_says_why() {
        let directory = Directory::new();
        std::fs::create_dir(directory.0.join("d.toml")).unwrap();
        directory.write("large.toml", " ".repeat(2 << 20));
        directory.write("latin1.toml", b"a = \"\xe9\"");
        directory.write("conductor.yaml", "");
        let pipe = directory.0.join("pipe.toml");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (name, problem) in [
            ("missing.toml", "cannot be read: No such file or directory (os error 2)"),
            ("d.toml", "not a regular file"),
            ("pipe.toml", "not a regular file"),
            ("large.toml", "the file has more than 1048576 bytes"),
            ("latin1.toml", "not UTF-8: invalid byte at offset 5"),
            ("conductor.yaml", "a config file ends in .toml or .json"),
        ] {
            let path = directory.0.join(name);
            assert_eq!(
                File::read(&path).unwrap_err().to_string(),
                format!(
                    "{}: {problem}, for example --config /etc/mcp-conductor/conductor.toml",
                    path.display()
                )
            );
        }
    }

    #[test]
    fn an_empty_file_sets_nothing() {
        let directory = Directory::new();
        assert_eq!(File::read(&directory.write("a.toml", "")).unwrap().entries, []);
        assert_eq!(File::read(&directory.write("a.json", "{}")).unwrap().entries, []);
        assert!(File::read(&directory.write("b.json", "")).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_entries_or_an_error(text in "(?s)([\\[\\]{}=\"',.#a-c0-9 \n]|.){0,40}") {
            let _ = parsed(Syntax::Toml, &text);
            let _ = parsed(Syntax::Json, &text);
        }

        #[test]
        fn any_text_is_the_same_after_it_was_written_as_toml(
            key in "(?s).{0,10}",
            text in "(?s)(.|[\u{0}-\u{7f}]){0,20}",
        ) {
            let value = serde_json::json!({ key.clone(): text.clone() });
            let written = format!("a = {}", toml_text(&value));
            let entries = parsed(Syntax::Toml, &written).unwrap();
            let Value::Table(inner) = &entries[0].value else { panic!("{written}") };
            prop_assert_eq!(&inner[0].key, &key);
            prop_assert_eq!(&inner[0].value, &Value::Text(text));
        }
    }
}
