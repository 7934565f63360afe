//! English words that say nothing of what a tool does.

/// In alphabetical order. Words that name what tools do (`list`, `find`, `all`, `up`) are
/// not among them, nor are "not" and "off".
const STOP_WORDS: &[&str] = &[
    "a", "about", "actually", "again", "also", "am", "an", "and", "any", "are", "as", "at", "be",
    "because", "been", "before", "being", "but", "by", "can", "could", "d", "did", "do", "does",
    "doing", "don", "during", "for", "from", "give", "got", "had", "has", "have", "having", "he",
    "hello", "help", "her", "hers", "hey", "hi", "him", "his", "how", "i", "if", "in", "into",
    "is", "it", "its", "just", "kindly", "let", "ll", "m", "may", "me", "might", "mine", "my",
    "need", "needs", "of", "on", "or", "our", "ours", "please", "re", "s", "shall", "she",
    "should", "so", "some", "such", "t", "tell", "than", "thank", "thanks", "that", "the", "their",
    "theirs", "them", "then", "there", "these", "they", "this", "those", "to", "too", "us", "ve",
    "very", "want", "wants", "was", "we", "were", "what", "when", "where", "which", "while", "who",
    "whom", "whose", "why", "will", "with", "would", "you", "your", "yours",
];

/// Whether a word, in lower case, is one of these.
pub(crate) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order() {
        assert!(STOP_WORDS.is_sorted_by(|a, b| a < b));
    }
}
