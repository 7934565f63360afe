//! The module that stands in front of a CommonJS module: its value as the default export,
//! and each of its members by name.

use std::collections::HashSet;
use std::fmt::Write;

use crate::text::identifiers::{continues_identifier, is_spelt, starts_identifier, string_literal};

/// Names of one module. Of 201 popular ones `googleapis` had the most, 620.
pub(super) const MAX_NAMES: usize = 5000;

/// Bytes of a name. Of 201 popular packages the longest had 61.
const MAX_NAME: usize = 200;

/// What a module's own value is exported as, as in Node.js: `require` takes it.
const VALUE: &str = "module.exports";

/// Names that the wrapper has a meaning for, or the language: `import()` calls a `then`.
const TAKEN: [&str; 3] = ["default", "then", VALUE];

/// Of what a package has said of itself, the names that are some. What is none is left out.
pub(super) fn names(told: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    told.into_iter()
        .filter(|name| name.len() <= MAX_NAME && !TAKEN.contains(&name.as_str()))
        .filter(|name| is_spelt(name, starts_identifier, continues_identifier))
        .filter(|name| seen.insert(name.clone()))
        .take(MAX_NAMES)
        .collect()
}

/// The wrapper's text. Names are string literals: none is code, whatever it is. A member
/// that cannot be read any more is undefined, and does not end the import.
pub(super) fn text(file: &str, names: &[String]) -> String {
    let file = string_literal(&format!("./{file}"));
    let mut text = format!("import value from {file};\n");
    text.push_str("export default value;\n");
    let _ = writeln!(text, "export {{ value as {} }};", string_literal(VALUE));
    if names.is_empty() {
        return text;
    }
    text.push_str("const member = (name) => { try { return value[name]; } catch {} };\n");
    let mut exports = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        let name = string_literal(name);
        let _ = writeln!(text, "const m{at} = member({name});");
        exports.push(format!("m{at} as {name}"));
    }
    let _ = writeln!(text, "export {{ {} }};", exports.join(", "));
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn own(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_wrapper_exports_the_value_and_its_members() {
        assert_eq!(
            text("winston.mjs", &own(&["createLogger", "in"])),
            "import value from \"./winston.mjs\";\n\
             export default value;\n\
             export { value as \"module.exports\" };\n\
             const member = (name) => { try { return value[name]; } catch {} };\n\
             const m0 = member(\"createLogger\");\n\
             const m1 = member(\"in\");\n\
             export { m0 as \"createLogger\", m1 as \"in\" };\n"
        );
    }

    #[test]
    fn what_is_no_name_or_has_a_meaning_is_left_out() {
        let told = ["a", "default", "then", "module.exports", "a-b", "", "1", "a", "$", "délète"];
        assert_eq!(names(own(&told)), ["a", "$", "délète"]);
        assert_eq!(names([String::from("x").repeat(MAX_NAME + 1)]), Vec::<String>::new());
    }

    #[test]
    fn names_are_as_many_as_there_is_room_for() {
        let told = (0..MAX_NAMES + 10).map(|at| format!("n{at}"));
        assert_eq!(names(told).len(), MAX_NAMES);
    }

    proptest! {
        #[test]
        fn whatever_is_told_a_wrapper_has_the_same_kinds_of_lines(
            told in prop::collection::vec(any::<String>(), 0..8)
        ) {
            let names = names(told);
            let text = text("a.mjs", &names);
            let starts = ["import value ", "export ", "const member ", "const m"];
            let is_known = |line: &str| starts.iter().any(|start| line.starts_with(start));
            prop_assert!(text.lines().all(is_known), "{text}");
        }
    }
}
