//! The names of tools as JavaScript identifiers.

use std::collections::{HashMap, HashSet};

use crate::text::identifiers::{
    continues_identifier, has_meaning, is_identifier, starts_identifier,
};

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
    }
}
