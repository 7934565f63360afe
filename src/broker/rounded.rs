//! Integers that a program has in its text and JavaScript rounds before the program
//! runs: `1915883588174806058` is 1915883588174806000 there. Where the rounded number is
//! to be sent to a tool, the program is told so, instead of another row being changed.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

/// Digits of the smallest integer that can be rounded, 2^53 + 1, and of the largest
/// floating-point number.
const DIGITS: std::ops::RangeInclusive<usize> = 16..=309;

/// Such integers of a program that are known: a program has few ids.
const MAX_KEPT: usize = 16;

/// Long integers of a program that are looked at: 0.3 ms.
const MAX_SEEN: usize = 1000;

/// Those of one program: as JavaScript has them, and as they are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounded(Arc<[(String, String)]>);

impl Rounded {
    pub(crate) fn in_source(source: &str) -> Self {
        let long = runs_of_digits(source).filter(|run| run.len() >= *DIGITS.start());
        Self(long.take(MAX_SEEN).filter_map(rounded).take(MAX_KEPT).collect())
    }

    /// What is wrong with arguments in which one of them is.
    pub(super) fn problem_with(&self, arguments: &Map<String, Value>) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let (number, written) = arguments.values().find_map(|value| self.found_in(value))?;
        Some(format!(
            "JavaScript rounds the {written} in the program to {number}, which would be sent: \
             write {written}n or \"{written}\""
        ))
    }

    fn found_in(&self, value: &Value) -> Option<&(String, String)> {
        match value {
            Value::Array(items) => items.iter().find_map(|item| self.found_in(item)),
            Value::Object(members) => members.values().find_map(|member| self.found_in(member)),
            Value::Number(number) => {
                let digits = digits_of(number);
                let digits = digits.strip_prefix('-').unwrap_or(&digits);
                self.0.iter().find(|(rounded, _)| rounded == digits)
            }
            _ => None,
        }
    }
}

/// Runs of digits, with `_` between them, that are no part of a word, a fraction or a
/// BigInt.
fn runs_of_digits(source: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.');
    let words = source.split(move |c: char| !is_word(c));
    words.filter(|word| {
        word.starts_with(|c: char| c.is_ascii_digit())
            && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
    })
}

fn rounded(run: &str) -> Option<(String, String)> {
    let digits = run.replace('_', "");
    let digits = digits.trim_start_matches('0').to_owned();
    if !DIGITS.contains(&digits.len()) {
        return None;
    }
    let number = digits.parse::<f64>().ok()?.to_string();
    (number != digits).then_some((number, digits))
}

/// A floating-point number is written here as JavaScript does, but without an exponent.
fn digits_of(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float.to_string(),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(source: &str, arguments: Value) -> Option<String> {
        Rounded::in_source(source).problem_with(arguments.as_object().unwrap())
    }

    /// The rounded one is what JavaScript writes for it.
    #[test]
    fn a_rounded_integer_of_the_program_is_told() {
        for (source, sent, written) in [
            (
                "f({ id: 1915883588174806058 })",
                json!(1_915_883_588_174_806_000_u64),
                "1915883588174806058",
            ),
            ("[-9_007_199_254_740_993]", json!([-9_007_199_254_740_992_i64]), "9007199254740993"),
            (
                "x=18446744073709551617;",
                json!({"a": 18_446_744_073_709_552_000.0}),
                "18446744073709551617",
            ),
            (
                "Number('1915883588174806058')",
                json!(1_915_883_588_174_806_000_u64),
                "1915883588174806058",
            ),
        ] {
            let told = problem(source, json!({ "id": sent })).unwrap_or_default();
            assert!(
                told.contains(&format!("write {written}n or \"{written}\"")),
                "{source}: {told}"
            );
        }
    }

    #[test]
    fn other_integers_are_no_problem() {
        for (source, sent) in [
            ("1915883588174806058n", json!(1_915_883_588_174_806_058_u64)),
            ("'1915883588174806058'", json!(1_915_883_588_174_806_058_u64)),
            ("'1915883588174806058'", json!("1915883588174806058")),
            ("1000000000000000000", json!(1_000_000_000_000_000_000_u64)),
            ("9007199254740992", json!(9_007_199_254_740_992_u64)),
            ("x1915883588174806058 + 0.1915883588174806058", json!(1_915_883_588_174_806_000_u64)),
            ("12", json!(12)),
        ] {
            assert_eq!(problem(source, json!({ "id": sent })), None, "{source}");
        }
    }

    #[test]
    fn a_program_of_integers_that_survive_is_not_read_to_its_end() {
        let before = "9007199254740992 ".repeat(MAX_SEEN - 1);
        for (more, is_told) in [("", true), ("9007199254740992 ", false)] {
            let source = format!("{before}{more}1915883588174806058");
            let sent = json!({ "id": 1_915_883_588_174_806_000_u64 });
            assert_eq!(problem(&source, sent).is_some(), is_told);
        }
    }

    #[test]
    fn a_program_of_nothing_but_digits_keeps_few() {
        let source: String = (0..100_000).map(|n| format!("19158835881748{n:06} ")).collect();
        assert!(Rounded::in_source(&source).0.len() <= MAX_KEPT);
        assert!(Rounded::in_source(&"9".repeat(1 << 20)).0.is_empty());
    }
}
