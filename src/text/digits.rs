//! Numbers in JSON that serde_json reads as others, or not at all: integers beyond 64
//! bits with more digits than a floating-point number keeps, and what is beyond all of
//! those.

use super::broken::end_of_string;

/// Characters of the shortest integer that does not fit into 64 bits: 2^64 has 20, and
/// -2^63 - 1 as well.
const LONG: usize = 20;

/// The same JSON text with such numbers as the texts of themselves; nothing if it has
/// none. It need not be valid.
pub fn with_all_digits(text: &[u8]) -> Option<Vec<u8>> {
    below(text, 0)
}

/// The same of a message, whose own members stay as they are: an id that is a text is
/// another one.
pub(crate) fn message_with_all_digits(text: &[u8]) -> Option<Vec<u8>> {
    below(text, 1)
}

/// The same of what is more than so many levels deep.
fn below(text: &[u8], levels: i64) -> Option<Vec<u8>> {
    let (mut all, mut copied, mut at, mut level) = (Vec::new(), 0, 0, 0_i64);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = end_of_string(text, at + 1),
            b'-' | b'0'..=b'9' => {
                let end = end_of_number(text, at);
                if level > levels && is_changed(&text[at..end]) {
                    all.extend_from_slice(&text[copied..at]);
                    all.push(b'"');
                    all.extend_from_slice(&text[at..end]);
                    all.push(b'"');
                    copied = end;
                }
                at = end;
            }
            byte => {
                level += i64::from(matches!(byte, b'{' | b'['));
                level -= i64::from(matches!(byte, b'}' | b']'));
                at += 1;
            }
        }
    }
    if copied == 0 {
        return None;
    }
    all.extend_from_slice(&text[copied..]);
    Some(all)
}

/// Behind a number that begins here.
fn end_of_number(text: &[u8], start: usize) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let length = text[start..].iter().position(|byte| !is_part(byte));
    length.map_or(text.len(), |length| start + length)
}

fn is_changed(number: &[u8]) -> bool {
    let has = |bytes: &[u8]| number.iter().any(|byte| bytes.contains(byte));
    let Ok(digits) = std::str::from_utf8(number) else { return false };
    if has(b"eE") {
        return digits.parse::<f64>().is_ok_and(f64::is_infinite);
    }
    let is_integer = !has(b".+") && digits.rfind('-').is_none_or(|at| at == 0);
    number.len() >= LONG
        && is_integer
        && digits.parse::<u64>().is_err()
        && digits.parse::<i64>().is_err()
        // Written without an exponent: with the digits that it was read from, or others.
        && digits.parse::<f64>().is_ok_and(|float| float.to_string() != digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn digits(text: &str) -> String {
        let all = with_all_digits(text.as_bytes()).unwrap_or_else(|| text.into());
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn a_number_that_cannot_be_read_is_its_text() {
        for (given, kept) in [
            (r#"{"id":18446744073709551616}"#, r#"{"id":"18446744073709551616"}"#),
            ("[-9223372036854775809, 1]", r#"["-9223372036854775809", 1]"#),
            ("[1e400,-1E+999]", r#"["1e400","-1E+999"]"#),
            ("[100000000000000000000001]", r#"["100000000000000000000001"]"#),
        ] {
            assert_eq!(digits(given), kept);
        }
    }

    #[test]
    fn members_of_a_message_stay_as_they_are() {
        let text = r#"{"id":1e400,"params":{"id":1e400},"code":18446744073709551616}"#;
        let all = message_with_all_digits(text.as_bytes()).unwrap();
        let expected = r#"{"id":1e400,"params":{"id":"1e400"},"code":18446744073709551616}"#;
        assert_eq!(String::from_utf8(all).unwrap(), expected);
    }

    #[test]
    fn other_numbers_and_texts_stay_as_they_are() {
        for text in [
            r#"{"id":18446744073709551615,"less":-9223372036854775808}"#,
            r#"["18446744073709551616","a\"18446744073709551616","\\"]"#,
            "[1.84467440737095516160000,1e300,0.00000000000000000000001]",
            "{\"wei\":100000000000000000000,\"double\":-18446744073709552000}",
            r#"["18446744073709551616"#,
            "[2026-11-30-18446744073709551616]",
            "\"\\",
            "",
        ] {
            assert_eq!(digits(text), text);
        }
    }

    proptest! {
        #[test]
        fn json_stays_json_with_the_same_texts(
            numbers in prop::collection::vec("-?[1-9][0-9]{0,30}", 0..5), text in any::<String>()
        ) {
            let given = format!("[{},{}]", json!(text), numbers.join(","));
            let given = if numbers.is_empty() { json!([text]).to_string() } else { given };
            let read: Vec<Value> = serde_json::from_str(&digits(&given)).unwrap();
            let read = read.iter().map(|value| match value {
                Value::String(text) => text.clone(),
                Value::Number(number) if number.is_f64() => number.as_f64().unwrap().to_string(),
                value => value.to_string(),
            });
            let expected = std::iter::once(text).chain(numbers);
            prop_assert_eq!(read.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_gone_through(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = with_all_digits(&bytes);
        }
    }
}
