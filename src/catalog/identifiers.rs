//! The names of tools as JavaScript identifiers, and text as its literals.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use serde_json::Value;

use crate::identifiers::{is_reserved, is_spelt};
use crate::text::shown::is_hidden;

/// Names that a module's code cannot bind beside the reserved words, or TypeScript
/// cannot declare, and `then`: `await import(…)` calls an export of that name, because
/// a module with one is a thenable.
const UNUSABLE: [&str; 4] = ["globalThis", "then", "undefined", "yield"];

/// Whether a name can stand in code as it is. Some identifiers are refused; none is
/// accepted that is not one.
pub(crate) fn is_identifier(name: &str) -> bool {
    is_spelt(name, starts_identifier, continues_identifier) && !has_meaning(name)
}

/// An identifier in camelCase for any name: `create-issue` is `createIssue`.
pub(crate) fn camel_case(name: &str) -> String {
    let shouted = !name.chars().any(char::is_lowercase);
    let mut identifier = String::with_capacity(name.len());
    for word in name.split(|c| c == '_' || !continues_identifier(c)).filter(|word| !word.is_empty())
    {
        let word = if shouted { word.chars().map(lower).collect() } else { word.to_owned() };
        let first = identifier.is_empty();
        identifier.push_str(&if first { uncapitalised(&word) } else { capitalised(&word) });
    }
    if identifier.is_empty() {
        return "_tool".to_owned();
    }
    if !identifier.starts_with(starts_identifier) {
        identifier.insert(0, '_');
    }
    if has_meaning(&identifier) {
        identifier.push('_');
    }
    identifier
}

/// The identifiers under which a module exports a server's tools, in their order:
/// each tool's own name when it is one, then the camelCase one when it is another.
/// Own names come before derived ones, so that no tool answers to another's name;
/// else the first tool keeps a name, and later ones get `_2`, `_3`.
pub(crate) fn exports(names: &[&str]) -> Vec<Vec<String>> {
    let mut taken = Taken::default();
    let mut exports: Vec<Vec<String>> = Vec::with_capacity(names.len());
    for name in names {
        let own = is_identifier(name) && taken.names.insert((*name).to_owned());
        exports.push(own.then(|| (*name).to_owned()).into_iter().collect());
    }
    for (name, exported) in names.iter().zip(&mut exports) {
        if is_identifier(name) && exported.is_empty() {
            exported.push(taken.take(name));
        }
        let derived = camel_case(name);
        if derived != *name {
            exported.push(taken.take(&derived));
        }
    }
    exports
}

/// For each tool its own name, if that is no identifier but can be exported as a
/// string (`export { f as "create-issue" }`, ECMA-262, section 16.2.3). `default`
/// is the default export, and `then` would be called by `await import(…)`.
pub(crate) fn string_exports<'a>(names: &[&'a str]) -> Vec<Option<&'a str>> {
    let mut seen = HashSet::new();
    names
        .iter()
        .map(|name| {
            let exported = !is_identifier(name) && !matches!(*name, "default" | "then");
            (exported && seen.insert(*name)).then_some(*name)
        })
        .collect()
}

/// A string literal of JavaScript and TypeScript, all of it visible and on one line.
pub(crate) fn string_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    for c in Value::from(text).to_string().chars() {
        if is_hidden(c) || matches!(c, '\u{2028}' | '\u{2029}') {
            for unit in c.encode_utf16(&mut [0; 2]).iter() {
                let _ = write!(literal, "\\u{unit:04x}");
            }
        } else {
            literal.push(c);
        }
    }
    literal
}

/// Names in use, and for each that was wanted again the next number to try.
#[derive(Default)]
struct Taken {
    names: HashSet<String>,
    next: HashMap<String, usize>,
}

impl Taken {
    fn take(&mut self, name: &str) -> String {
        if self.names.insert(name.to_owned()) {
            return name.to_owned();
        }
        let next = self.next.entry(name.to_owned()).or_insert(2);
        loop {
            let candidate = format!("{name}_{next}");
            *next += 1;
            if self.names.insert(candidate.clone()) {
                return candidate;
            }
        }
    }
}

fn has_meaning(name: &str) -> bool {
    is_reserved(name) || UNUSABLE.contains(&name)
}

fn capitalised(word: &str) -> String {
    word.chars().enumerate().map(|(at, c)| if at == 0 { upper(c) } else { c }).collect()
}

/// `GetFile` is `getFile`, `HTTPGet` is `httpGet`, `URL` is `url`.
fn uncapitalised(word: &str) -> String {
    let run = word.chars().take_while(|c| c.is_uppercase()).count();
    let begins_word = run > 1 && word.chars().nth(run).is_some_and(char::is_lowercase);
    let lowered = if begins_word { run - 1 } else { run };
    word.chars().enumerate().map(|(at, c)| if at < lowered { lower(c) } else { c }).collect()
}

fn lower(c: char) -> char {
    one_letter(c.to_lowercase(), c)
}

fn upper(c: char) -> char {
    one_letter(c.to_uppercase(), c)
}

/// Some mappings are several characters ("ß" to "SS"), some no letters.
fn one_letter(mut mapped: impl Iterator<Item = char>, original: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(letter), None) if continues_identifier(letter) => letter,
        _ => original,
    }
}

/// `ID_Start` holds every cased letter; of the others only the great East Asian
/// blocks are asked for, which saves a table.
fn starts_identifier(c: char) -> bool {
    continues_identifier(c)
        && !c.is_ascii_digit()
        && (c.is_ascii() || c.is_lowercase() || c.is_uppercase() || is_east_asian(c))
}

fn continues_identifier(c: char) -> bool {
    match c {
        '_' | '$' => true,
        _ if c.is_ascii() => c.is_ascii_alphanumeric(),
        _ => c.is_alphabetic() && !is_alphabetic_only(c),
    }
}

/// What Unicode 17 calls alphabetic and not `ID_Continue`: letters in circles and
/// squares, and U+2E2F. U+0345 is a mark that counts as a lower-case letter.
fn is_alphabetic_only(c: char) -> bool {
    matches!(
        c,
        '\u{345}'
            | '\u{24b6}'..='\u{24e9}'
            | '\u{2e2f}'
            | '\u{1f130}'..='\u{1f149}'
            | '\u{1f150}'..='\u{1f169}'
            | '\u{1f170}'..='\u{1f189}'
    )
}

/// Letters of Hiragana, Katakana, the unified ideographs and Hangul.
fn is_east_asian(c: char) -> bool {
    matches!(
        c,
        '\u{3041}'..='\u{3096}'
            | '\u{309d}'..='\u{309f}'
            | '\u{30a1}'..='\u{30fa}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7a3}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_become_humps() {
        for (name, expected) in [
            ("create-issue", "createIssue"),
            ("get_file", "getFile"),
            ("repos/list.all items", "reposListAllItems"),
            ("GetFile", "getFile"),
            ("HTTPGet", "httpGet"),
            ("get_URL", "getURL"),
            ("SEARCH_ISSUES", "searchIssues"),
            ("_private", "private_"),
            ("_hidden", "hidden"),
            ("$eval", "$eval"),
            ("v2_get-2fa", "v2Get2fa"),
        ] {
            assert_eq!(camel_case(name), expected, "{name}");
        }
    }

    #[test]
    fn every_name_gets_an_identifier() {
        for (name, expected) in [
            ("2fa", "_2fa"),
            ("délète", "délète"),
            ("取得", "取得"),
            ("", "_tool"),
            ("🎉", "_tool"),
            ("party-🎉-time", "partyTime"),
            ("delete", "delete_"),
            ("default", "default_"),
            ("then", "then_"),
            ("ßtraße", "ßtraße"),
            ("Ⓐ", "_tool"),
        ] {
            assert_eq!(camel_case(name), expected, "{name}");
        }
    }

    #[test]
    fn names_with_a_meaning_in_the_language_are_no_identifiers() {
        for name in ["getFile", "get_file", "$", "_", "délète", "取得", "of", "async"] {
            assert!(is_identifier(name), "{name}");
        }
        for name in ["", "a-b", "2fa", "a b", "class", "then", "eval", "Ⓐ", "a\u{200d}"] {
            assert!(!is_identifier(name), "{name:?}");
        }
    }

    #[test]
    fn a_tool_is_exported_under_its_name_and_in_camel_case() {
        assert_eq!(
            exports(&["get_file", "create-issue", "ping", "delete"]),
            [vec!["get_file", "getFile"], vec!["createIssue"], vec!["ping"], vec!["delete_"]]
        );
    }

    #[test]
    fn the_first_of_colliding_names_keeps_it() {
        assert_eq!(
            exports(&["get-file", "get_file", "get.file"]),
            [vec!["getFile"], vec!["get_file", "getFile_2"], vec!["getFile_3"]]
        );
    }

    #[test]
    fn no_tool_takes_another_s_own_name() {
        assert_eq!(
            exports(&["get-file", "getFile", "getFile", "getFile_2"]),
            [vec!["getFile_3"], vec!["getFile"], vec!["getFile_4"], vec!["getFile_2", "getFile2"]]
        );
    }

    #[test]
    fn what_is_no_identifier_is_exported_as_a_string_once() {
        assert_eq!(
            string_exports(&["a-b", "ab", "a-b", "default", "then", "delete"]),
            [Some("a-b"), None, None, None, None, Some("delete")]
        );
    }

    #[test]
    fn a_literal_is_visible_and_one_line() {
        assert_eq!(
            string_literal("a\"\\\n\u{2028}\u{202e}\u{7f}\u{e0041}é"),
            r#""a\"\\\n\u2028\u202e\u007f\udb40\udc41é""#
        );
    }

    proptest! {
        #[test]
        fn identifiers_are_valid_and_unique(
            names in prop::collection::vec(prop_oneof![any::<String>(), "[ab_-]{0,4}"], 0..12)
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let exports = exports(&names);
            prop_assert_eq!(exports.len(), names.len());
            prop_assert!(exports.iter().all(|exported| !exported.is_empty()));
            let all: Vec<&String> = exports.iter().flatten().collect();
            prop_assert!(all.iter().all(|name| is_identifier(name)), "{:?}", all);
            prop_assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        }

        #[test]
        fn a_literal_reads_back_as_the_text(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&string_literal(&text)).unwrap(), text);
        }
    }
}
