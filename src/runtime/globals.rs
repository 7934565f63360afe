//! Globals as the JSON text of an object: read once, without a tree of it, which is many
//! times the text. The text goes to the worker as it is, digits included.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

use super::Language;
use crate::text::clip::head;
use crate::text::identifiers::{is_reserved, is_spelt};
use crate::text::python;

/// Bytes of a name that an error shows.
const MAX_NAME: usize = 200;

/// Names that no global can have although they are identifiers: they are fixed
/// properties of the global object (ECMA-262 section 19.1).
const FIXED_NAMES: [&str; 3] = ["undefined", "NaN", "Infinity"];

/// The text of a JSON object.
#[derive(Debug, Clone)]
pub(crate) struct GlobalsText {
    text: String,
    wrong: Wrong,
}

/// The first name that no global of a program in TypeScript can have, and the first that none of
/// one in Python can.
#[derive(Debug, Clone, Default)]
struct Wrong {
    typescript: Option<String>,
    python: Option<String>,
}

impl Wrong {
    fn of(&self, language: Language) -> Option<&String> {
        match language {
            Language::TypeScript => self.typescript.as_ref(),
            Language::Python => self.python.as_ref(),
        }
    }

    fn look_at(&mut self, name: &str) {
        let first =
            [(Language::TypeScript, &mut self.typescript), (Language::Python, &mut self.python)];
        for (language, first) in first {
            if first.is_none() && !is_definable(name, language) {
                *first = Some(head(name, MAX_NAME).to_owned());
            }
        }
    }
}

impl GlobalsText {
    /// Reads a text.
    ///
    /// # Errors
    /// It is not the text of an object.
    pub(crate) fn parse(text: String) -> serde_json::Result<Self> {
        let Names { wrong } = serde_json::from_str(&text)?;
        Ok(Self { text, wrong })
    }

    /// The names of its members.
    pub(super) fn names(&self) -> Vec<String> {
        let members: Result<BTreeMap<String, IgnoredAny>, _> = serde_json::from_str(&self.text);
        members.map(|members| members.into_keys().collect()).unwrap_or_default()
    }

    /// A name that no global of a program in this language can have.
    pub(super) fn wrong_name(&self, language: Language) -> Option<&String> {
        self.wrong.of(language)
    }

    /// One object of the members of both: of those that have a name twice, JSON.parse
    /// takes the last.
    pub(super) fn after(self, others: Map<String, Value>) -> String {
        let own = self.text.trim();
        let members = own.strip_prefix('{').and_then(|own| own.strip_suffix('}'));
        let is_empty = members.is_none_or(|members| members.trim().is_empty());
        if others.is_empty() {
            return self.text;
        }
        let mut all = Value::Object(others).to_string();
        if !is_empty {
            all.pop();
            all.push(',');
            all.push_str(&own[1..]);
        }
        all
    }
}

/// Whether a global of a program can have a name.
pub(super) fn is_definable(name: &str, language: Language) -> bool {
    match language {
        Language::TypeScript => is_definable_in_javascript(name),
        Language::Python => is_definable_in_python(name),
    }
}

/// Whether a name is an identifier (UAX 31, with `$` and `_`, as in ECMA-262)
/// that a property of the global object can have and code can use.
fn is_definable_in_javascript(name: &str) -> bool {
    let starts = |c: char| c == '$' || c == '_' || c.is_alphabetic();
    let continues = |c: char| starts(c) || c.is_numeric() || matches!(c, '\u{200c}' | '\u{200d}');
    is_spelt(name, starts, continues) && !FIXED_NAMES.contains(&name) && !is_reserved(name)
}

/// Whether a name is an identifier (UAX 31, with `_`) that is no keyword, and none of Python's own
/// names such as `__builtins__`. Nor one that code cannot reach, as Python reads another in its
/// place: `x2` for `x²` (NFKC; The Python Language Reference, section 2.3).
fn is_definable_in_python(name: &str) -> bool {
    let starts = |c: char| c == '_' || c.is_alphabetic();
    let continues = |c: char| starts(c) || c.is_numeric();
    let is_read_so = name.is_ascii() || name.nfkc().eq(name.chars());
    let is_pythons = name.starts_with("__") && name.ends_with("__");
    is_spelt(name, starts, continues) && is_read_so && !python::is_keyword(name) && !is_pythons
}

/// What is looked for in the names of an object.
struct Names {
    wrong: Wrong,
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Names, A::Error> {
        let mut wrong = Wrong::default();
        while let Some(name) = members.next_key::<String>()? {
            wrong.look_at(&name);
            members.next_value::<IgnoredAny>()?;
        }
        Ok(Names { wrong })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(text: &str, others: Value) -> String {
        let others = others.as_object().cloned().unwrap();
        GlobalsText::parse(text.to_owned()).unwrap().after(others)
    }

    #[test]
    fn a_text_follows_the_other_globals_and_keeps_its_digits() {
        let text = " {\"a\": 123456789012345678901234567890}\n";
        assert_eq!(after(text, json!({})), text);
        assert_eq!(after(text, json!({"b": 1})), "{\"b\":1,\"a\": 123456789012345678901234567890}");
        assert_eq!(after(" { } ", json!({"b": 1})), "{\"b\":1}");
        assert_eq!(after("{}", json!({})), "{}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[1]", "5", "{\"a\": 1", "{\"a\": 1} x", "{a: 1}", "{\"a\": [1}"] {
            assert!(GlobalsText::parse(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_that_no_global_can_have_is_found() {
        let wrong = |text: &str, language| {
            let text = GlobalsText::parse(text.to_owned()).unwrap();
            text.wrong_name(language).cloned()
        };
        for language in [Language::TypeScript, Language::Python] {
            let text = "{\"a\": 1, \"b-c\": {}, \"if\": 2}";
            assert_eq!(wrong(text, language), Some("b-c".to_owned()));
            assert_eq!(wrong("{\"a\": {\"b-c\": 1}}", language), None);
        }
        let text = "{\"$a\": 1, \"var\": 2, \"lambda\": 3}";
        assert_eq!(wrong(text, Language::TypeScript), Some("var".to_owned()));
        assert_eq!(wrong(text, Language::Python), Some("$a".to_owned()));
    }

    #[test]
    fn a_variable_of_python_has_a_name_of_python() {
        for name in ["x", "_1", "größe", "日本", "list", "var", "undefined", "__x", "_"] {
            assert!(is_definable(name, Language::Python), "{name}");
        }
        for name in ["", "1x", "$a", "a-b", "a b", "None", "async", "__builtins__", "x\0"] {
            assert!(!is_definable(name, Language::Python), "{name}");
        }
    }
}
