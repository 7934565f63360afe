//! The words of texts, as an index has them and as a query is read.

/// The words of a text in lower case and singular. What has humps is a word as well
/// as its parts: people write both `GitHub` and `github`.
pub(super) fn words(text: &str) -> Vec<String> {
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
            self.found.push(singular(std::mem::take(&mut self.part)));
        }
    }

    fn end_whole(&mut self) {
        let has_parts = self.part.len() < self.whole.len();
        self.end_part();
        let whole = std::mem::take(&mut self.whole);
        if has_parts {
            self.found.push(singular(whole));
        }
    }
}

/// Chinese and Japanese write no spaces: each of their characters is a word.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// An English plural as its singular; other words may lose an s, the same one in an
/// index and in a query.
fn singular(mut word: String) -> String {
    let ends = |ending: &str| word.ends_with(ending);
    let (cut, added) = if word.len() <= 3 || !ends("s") || ends("ss") {
        (0, "")
    } else if word.len() > 4 && ends("ies") {
        (3, "y")
    } else if ends("sses") || ends("xes") || ends("shes") || ends("ches") && !ends("aches") {
        (2, "")
    } else {
        (1, "")
    };
    word.truncate(word.len() - cut);
    word.push_str(added);
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_and_singulars_are_one_word() {
        for (plural, word) in [
            ("queries", "query"),
            ("boxes", "box"),
            ("branches", "branch"),
            ("caches", "cache"),
            ("databases", "database"),
            ("addresses", "address"),
            ("apis", "api"),
        ] {
            assert_eq!(singular(plural.to_owned()), word);
            assert_eq!(singular(word.to_owned()), word);
        }
    }
}
