//! The head of a `playbook.md`: YAML between two lines of three dashes. Problems
//! are sentences, to be shown beside the playbook's folder.

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{MAX_CONTENT, Metadata, NewPlaybook};

use crate::text::clip::truncate;

/// Bytes between the dashes: ten times what the longest allowed values take.
pub(super) const MAX_FRONT_MATTER: usize = 64 << 10;

/// Bytes of a name, an author, a version or a tag: one line on a screen.
const MAX_LINE: usize = 256;

/// Bytes of a description. All of them stand in one listing; agent skills allow
/// 1024 characters.
const MAX_DESCRIPTION: usize = 4 << 10;

/// Tags of a playbook: more than a reader takes in.
const MAX_TAGS: usize = 64;

/// Bytes of a problem that the YAML library reports: it may quote the file.
const MAX_PROBLEM: usize = 300;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// What the YAML says, before it is checked.
#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "keys and values")]
struct Raw {
    name: Option<String>,
    description: Option<String>,
    author: Option<String>,
    version: Option<String>,
    tags: Option<Tags>,
    source: Option<String>,
}

/// A list, or one string with commas.
#[derive(Debug, Default)]
struct Tags(Vec<String>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TagsVisitor)
    }
}

struct TagsVisitor;

impl<'de> Visitor<'de> for TagsVisitor {
    type Value = Tags;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a list of words")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Tags, E> {
        Ok(Tags(text.split(',').take(MAX_TAGS + 1).map(str::to_owned).collect()))
    }

    /// An alias in YAML repeats what it stands for: the list ends before it grows
    /// beyond what the file holds.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tags, A::Error> {
        let mut tags = Vec::new();
        while let Some(tag) = list.next_element::<String>()? {
            tags.push(tag);
            if tags.len() > MAX_TAGS {
                return Err(serde::de::Error::custom(too_many_tags()));
            }
        }
        Ok(Tags(tags))
    }
}

fn too_many_tags() -> String {
    format!("there are more than {MAX_TAGS} tags")
}

impl Raw {
    fn check(self) -> Result<Metadata, String> {
        let required = |key: &str, value: Option<String>| {
            value.ok_or_else(|| format!("the front matter has no {key}"))
        };
        Ok(Metadata {
            name: required("name", value("name", self.name, MAX_LINE)?)?,
            description: required(
                "description",
                value("description", self.description, MAX_DESCRIPTION)?,
            )?,
            author: value("author", self.author, MAX_LINE)?,
            version: value("version", self.version, MAX_LINE)?,
            tags: checked_tags(self.tags.unwrap_or_default().0)?,
        })
    }
}

fn checked_tags(tags: Vec<String>) -> Result<Vec<String>, String> {
    if tags.len() > MAX_TAGS {
        return Err(too_many_tags());
    }
    tags.into_iter().filter_map(|tag| value("tag", Some(tag), MAX_LINE).transpose()).collect()
}

/// Without the space around it; what is empty then is not there.
fn value(key: &str, value: Option<String>, max: usize) -> Result<Option<String>, String> {
    let Some(value) = value else { return Ok(None) };
    let value = value.replace("\r\n", "\n");
    let value = value.trim();
    if value.len() > max {
        return Err(format!("its {key} is longer than {max} bytes"));
    }
    if value.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(format!("its {key} has control characters"));
    }
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

/// A playbook's front matter.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub metadata: Metadata,
    /// The Deno version marks so the playbooks that it ships with and copies to the
    /// user's directory at each start.
    pub is_originals: bool,
}

/// Reads the front matter at the beginning of a file; returns what follows it too.
pub(super) fn parse(file: &[u8]) -> Result<(Header, &[u8]), String> {
    let (yaml, rest) = split(file)?;
    let yaml = std::str::from_utf8(yaml).map_err(|_| "the front matter is not UTF-8")?;
    // The dashes are the file's first line, so that positions are the file's.
    let raw: Option<Raw> =
        serde_yaml_ng::from_str(&format!("\n{yaml}")).map_err(|error| problem(&error))?;
    let mut raw = raw.unwrap_or_default();
    let is_originals = raw.source.take().as_deref() == Some("system");
    Ok((Header { metadata: raw.check()?, is_originals }, rest))
}

fn problem(error: &serde_yaml_ng::Error) -> String {
    let mut text = error.to_string().replace(char::is_control, " ");
    truncate(&mut text, MAX_PROBLEM);
    // YAML 1.2, section 7.3.3: ": " ends a plain scalar.
    let is_colon = text.contains("mapping values are not allowed");
    let hint = if is_colon { " (quote a value that has a colon: name: \"A: B\")" } else { "" };
    format!("the front matter is not valid YAML: {text}{hint}")
}

/// The YAML, and what follows the closing dashes.
fn split(file: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (first, yaml) = line(file.strip_prefix(BOM).unwrap_or(file));
    if !is_dashes(first) {
        return Err("it does not begin with front matter: a line ---, YAML, a line ---".to_owned());
    }
    let mut rest = yaml;
    while !rest.is_empty() && yaml.len() - rest.len() <= MAX_FRONT_MATTER {
        let (next, after) = line(rest);
        if is_dashes(next) {
            return Ok((&yaml[..yaml.len() - rest.len()], after));
        }
        rest = after;
    }
    Err(format!("no line --- ends its front matter within {} KiB", MAX_FRONT_MATTER >> 10))
}

fn line(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => text.split_at(text.len()),
    }
}

fn is_dashes(line: &[u8]) -> bool {
    line.trim_ascii_end() == b"---"
}

/// The Markdown after the front matter, without empty lines around it.
pub(super) fn content(rest: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(rest).map_err(|_| "its text is not UTF-8")?;
    Ok(text.trim_start_matches(['\r', '\n']).trim_end())
}

#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    source: &'static str,
}

impl<'a> From<&'a Metadata> for Written<'a> {
    fn from(metadata: &'a Metadata) -> Self {
        let Metadata { name, description, author, version, tags } = metadata;
        let (author, version) = (author.as_deref(), version.as_deref());
        Self { name, description, author, version, tags, source: "user" }
    }
}

/// The text of a new `playbook.md`.
pub(super) fn compose(new: &NewPlaybook) -> Result<String, String> {
    let metadata = metadata_of(new)?;
    let body = content(new.content.as_bytes())?;
    if body.len() > MAX_CONTENT {
        return Err(format!("its content is longer than {} KiB", MAX_CONTENT >> 10));
    }
    let yaml =
        serde_yaml_ng::to_string(&Written::from(&metadata)).map_err(|error| error.to_string())?;
    let text = format!("---\n{yaml}---\n\n{body}\n");
    // What is written can be read again, whatever the YAML library makes of it.
    let (header, rest) = parse(text.as_bytes())?;
    if header.metadata != metadata || content(rest)? != body {
        return Err("its front matter cannot be written as YAML".to_owned());
    }
    Ok(text)
}

fn metadata_of(new: &NewPlaybook) -> Result<Metadata, String> {
    let raw = Raw {
        name: Some(new.name.clone()),
        description: Some(new.description.clone()),
        author: new.author.clone(),
        version: new.version.clone(),
        tags: Some(Tags(new.tags.clone())),
        source: None,
    };
    raw.check()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(text: &str) -> Result<Metadata, String> {
        parse(text.as_bytes()).map(|(header, _)| header.metadata)
    }

    fn named(name: &str) -> Metadata {
        Metadata {
            name: name.to_owned(),
            description: "d".to_owned(),
            author: None,
            version: None,
            tags: Vec::new(),
        }
    }

    fn new_playbook(name: &str) -> NewPlaybook {
        NewPlaybook {
            folder: "x".to_owned(),
            name: name.to_owned(),
            description: "d".to_owned(),
            content: "body".to_owned(),
            ..NewPlaybook::default()
        }
    }

    #[test]
    fn every_key_is_read_and_unknown_ones_are_ignored() {
        let text = "---\nname: N\ndescription: >\n  two\n  lines\nauthor: A\nversion: 1.10\n\
                    tags: [a, 2]\nsource: system\nicon: {x: [1]}\n---\n\n# Body\n\ntext\n\n";
        let (header, rest) = parse(text.as_bytes()).unwrap();
        let metadata = Metadata {
            description: "two lines".to_owned(),
            author: Some("A".to_owned()),
            version: Some("1.10".to_owned()),
            tags: vec!["a".to_owned(), "2".to_owned()],
            ..named("N")
        };
        assert_eq!(header, Header { metadata, is_originals: true });
        assert_eq!(content(rest), Ok("# Body\n\ntext"));
    }

    #[test]
    fn line_ends_of_windows_and_a_byte_order_mark_are_accepted() {
        let text = "\u{feff}--- \r\nname: N\r\ndescription: d\r\n---\r\n\r\nbody\r\n";
        let (header, rest) = parse(text.as_bytes()).unwrap();
        assert_eq!(header, Header { metadata: named("N"), is_originals: false });
        assert_eq!(content(rest), Ok("body"));
    }

    #[test]
    fn a_file_may_end_with_its_front_matter() {
        assert_eq!(metadata("---\nname: N\ndescription: d\n---"), Ok(named("N")));
    }

    #[test]
    fn tags_can_be_one_string() {
        let tags = metadata("---\nname: N\ndescription: d\ntags: a, b ,,c\n---").unwrap().tags;
        assert_eq!(tags, ["a", "b", "c"]);
    }

    #[test]
    fn a_problem_says_what_is_wrong() {
        let none = "it does not begin with front matter: a line ---, YAML, a line ---";
        let open = "no line --- ends its front matter within 64 KiB";
        for (text, problem) in [
            ("", none),
            ("# Title\n", none),
            ("---\nname: N\n", open),
            ("---\n---\n", "the front matter has no name"),
            ("---\n# nothing\n---\n", "the front matter has no name"),
            ("---\nname: ''\ndescription: d\n---\n", "the front matter has no name"),
            ("---\nname: N\n---\n", "the front matter has no description"),
            ("---\nname: \"\\e[1m\"\ndescription: d\n---\n", "its name has control characters"),
        ] {
            assert_eq!(metadata(text), Err(problem.to_owned()), "{text:?}");
        }
        let long = format!("---\nname: {}\ndescription: d\n---\n", "n".repeat(257));
        assert_eq!(metadata(&long), Err("its name is longer than 256 bytes".to_owned()));
        let long = format!("---\nname: N\n#{}\n---\n", "x".repeat(MAX_FRONT_MATTER));
        assert_eq!(metadata(&long), Err(open.to_owned()));
    }

    #[test]
    fn a_colon_without_quotes_is_explained_with_its_line() {
        let problem = metadata("---\ndescription: d\nname: A: B: C\n---\n").unwrap_err();
        assert!(problem.contains("line 3"), "{problem}");
        assert!(problem.ends_with("(quote a value that has a colon: name: \"A: B\")"), "{problem}");
    }

    #[test]
    fn yaml_of_another_shape_is_a_problem_and_not_a_panic() {
        let aliases = format!("a: &a {}\ntags: [{}]", "x".repeat(9999), "*a, ".repeat(9999));
        let nested = "[".repeat(30_000);
        let cycle = "tags: &a [*a]";
        for yaml in [
            "- a",
            "just text",
            "name: [1]",
            "name: {a: 1}",
            "tags: {a: 1}",
            "name: *no",
            "a: b: c",
            "\t",
            "%YAML 9",
            "!!binary x",
            "name: N\nname: M",
            &nested,
            cycle,
            &aliases,
            "\u{0}",
            "...\n...\n--- x\n--- y",
            "? ? ?",
            "tags: 5",
            "author: [a",
        ] {
            let problem = metadata(&format!("---\n{yaml}\n---\n")).unwrap_err();
            assert!(problem.len() < 500, "{problem}");
        }
        assert!(parse(b"---\nname: \xff\n---\n").is_err());
    }

    #[test]
    fn what_is_written_is_quoted_where_yaml_needs_it() {
        let new = NewPlaybook {
            name: "A: B: C".to_owned(),
            description: "# d: e".to_owned(),
            author: Some(" ".to_owned()),
            version: Some("1.0".to_owned()),
            tags: vec!["a".to_owned(), "true".to_owned()],
            content: "\n\nbody\n".to_owned(),
            ..new_playbook("")
        };
        let text = "---\nname: 'A: B: C'\ndescription: '# d: e'\nversion: '1.0'\ntags:\n- a\n\
                    - 'true'\nsource: user\n---\n\nbody\n";
        assert_eq!(compose(&new), Ok(text.to_owned()));
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        for name in [
            "-",
            "---",
            "null",
            "~",
            "0x1f",
            "a # b",
            "{a}",
            "'",
            "\"",
            "x\n---\ny",
            "é🎼",
            "a\n\n\tb",
            "!x",
            "&x",
            "*x",
            "a: |",
            "\u{2028}x",
            "on",
            "1e3",
            "a\r\nb",
            "%a",
            "@",
        ] {
            let text = compose(&new_playbook(name)).unwrap();
            let expected = named(name.replace("\r\n", "\n").trim());
            assert_eq!(metadata(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_playbook_without_a_name_or_with_too_much_is_not_written() {
        for (new, problem) in [
            (new_playbook(" \n"), "the front matter has no name"),
            (new_playbook("a\rb"), "its name has control characters"),
            (
                NewPlaybook { content: "x".repeat(MAX_CONTENT + 1), ..new_playbook("n") },
                "its content is longer than 1024 KiB",
            ),
            (
                NewPlaybook { tags: vec!["t".to_owned(); 65], ..new_playbook("n") },
                "there are more than 64 tags",
            ),
        ] {
            assert_eq!(compose(&new), Err(problem.to_owned()));
        }
    }
}
