//! The words of texts, as an index has them and as a query is read.

use std::borrow::Cow;

use rust_stemmers::{Algorithm, Stemmer};

/// Bytes of a word that is stemmed: longer ones are no English.
const MAX_STEMMED: usize = 40;

/// The words of a text in lower case. What has humps is a word as well as its parts:
/// people write both `GitHub` and `github`.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Words::default();
    let mut previous = ' ';
    let mut following = text.chars().skip(1);
    for c in text.chars() {
        let next = following.next().unwrap_or(' ');
        if !c.is_alphanumeric() || is_ideograph(c) || is_ideograph(previous) {
            words.end_whole();
        } else if c.is_uppercase()
            && (previous.is_lowercase()
                || previous.is_numeric()
                || previous.is_uppercase() && next.is_lowercase())
        {
            words.end_part();
        }
        if c.is_alphanumeric() {
            words.part.extend(c.to_lowercase());
            words.whole.extend(c.to_lowercase());
        }
        previous = c;
    }
    words.end_whole();
    words.found
}

#[derive(Default)]
struct Words {
    found: Vec<String>,
    part: String,
    whole: String,
}

impl Words {
    fn end_part(&mut self) {
        if !self.part.is_empty() {
            self.found.push(std::mem::take(&mut self.part));
        }
    }

    fn end_whole(&mut self) {
        let has_parts = self.part.len() < self.whole.len();
        self.end_part();
        let whole = std::mem::take(&mut self.whole);
        if has_parts {
            self.found.push(whole);
        }
    }
}

/// Chinese and Japanese write no spaces: each of their characters is a word.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// The stem of an English word by Snowball's rules; other words as they are, and those
/// with digits.
pub(crate) fn stem(word: &str) -> Cow<'_, str> {
    if word.len() > MAX_STEMMED || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Cow::Borrowed(word);
    }
    Stemmer::create(Algorithm::English).stem(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for forms in [
            &["query", "queries", "querying"][..],
            &["box", "boxes"],
            &["branch", "branches"],
            &["cache", "caches", "cached"],
            &["database", "databases"],
            &["address", "addresses"],
            &["api", "apis"],
            &["create", "creates", "creating", "created"],
        ] {
            assert!(forms.iter().all(|form| stem(form) == stem(forms[0])), "{forms:?}");
        }
    }

    #[test]
    fn what_is_no_english_stays_as_it_is() {
        for word in ["größes", "s3s", "文", &"s".repeat(MAX_STEMMED + 1)] {
            assert_eq!(stem(word), word);
        }
    }
}
