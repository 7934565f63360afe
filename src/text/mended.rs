//! JSON as others write it, made such that serde_json reads it: `JSON.stringify` writes
//! half of a surrogate pair as an escape (`"\ud83d"`, of a text that was cut in two), and
//! some write a byte order mark first. A Rust text can have neither half; U+FFFD takes its
//! place, as in every encoder (WHATWG Encoding, section 4.3).
//!
//! What is put in has as many bytes as what it replaces: a text is mended where it is.

use std::borrow::Cow;

use memchr::memchr;

/// U+FFFD, as long as the escape that it replaces.
const REPLACEMENT: &[u8; 6] = b"\\ufffd";

/// RFC 8259, section 8.1: a parser may ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Mends a JSON text.
pub(crate) fn mend(text: &mut [u8]) {
    if text.starts_with(BYTE_ORDER_MARK) {
        text[..BYTE_ORDER_MARK.len()].fill(b' ');
    }
    let mut at = 0;
    while let Some(half) = next_half(text, at) {
        at = half + REPLACEMENT.len();
        text[half..at].copy_from_slice(REPLACEMENT);
    }
}

/// Whether [`mend`] would change nothing.
pub(crate) fn is_whole(text: &[u8]) -> bool {
    !text.starts_with(BYTE_ORDER_MARK) && next_half(text, 0).is_none()
}

/// The mended text.
pub fn mended(text: &str) -> Cow<'_, str> {
    if is_whole(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut bytes = text.as_bytes().to_vec();
    mend(&mut bytes);
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// A text in which U+FFFD stands for each part that is no UTF-8, if it has no more bytes
/// than these.
pub(crate) fn in_utf8(text: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut whole = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        whole.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            whole.extend_from_slice("\u{fffd}".as_bytes());
        }
        if whole.len() > most {
            return None;
        }
    }
    Some(whole)
}

/// Where the next half of a pair stands alone. `at` is no place within an escape.
fn next_half(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr(b'\\', text.get(at..)?)?;
        at += match unit(text, at) {
            // The second half, and no first one before it.
            Some(0xdc00..=0xdfff) => return Some(at),
            Some(0xd800..=0xdbff) => match unit(text, at + REPLACEMENT.len()) {
                Some(0xdc00..=0xdfff) => 2 * REPLACEMENT.len(),
                _ => return Some(at),
            },
            Some(_) => REPLACEMENT.len(),
            // Another escape, of a backslash for example.
            None => 2,
        };
    }
}

/// The UTF-16 unit of an escape that begins here.
fn unit(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + REPLACEMENT.len())?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        mend(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn half_of_a_pair_is_replaced_and_a_pair_stays() {
        for (text, expected) in [
            (r#""cut \ud83d""#, r#""cut \ufffd""#),
            (r#""\uDE00 first""#, r#""\ufffd first""#),
            (r#""\uD83D\uDE00""#, r#""\uD83D\uDE00""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83d\n""#, r#""\ufffd\n""#),
            // Backslashes that are themselves escaped.
            (r#""\\ud83d \\\ud83d""#, r#""\\ud83d \\\ufffd""#),
            (r#""\ud83"#, r#""\ud83"#),
            (r#""\ud83d"#, r#""\ufffd"#),
            (r#""\"#, r#""\"#),
            (r#"{"\udfff":[1,"é"]}"#, r#"{"\ufffd":[1,"é"]}"#),
        ] {
            assert_eq!(after(text), expected);
            assert_eq!(is_whole(text.as_bytes()), text == expected, "{text}");
            assert_eq!(mended(text), expected);
        }
    }

    #[test]
    fn a_byte_order_mark_is_white_space() {
        assert_eq!(after("\u{feff}{}"), "   {}");
        assert_eq!(after("[\"\u{feff}\"]"), "[\"\u{feff}\"]");
        assert!(!is_whole("\u{feff}{}".as_bytes()));
    }

    #[test]
    fn what_is_no_utf8_is_replaced_as_long_as_there_is_room() {
        assert_eq!(
            in_utf8(b"a\xffb\xed\xa0\xbd", 100).unwrap(),
            "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}".as_bytes()
        );
        assert_eq!(in_utf8(&[0xff; 100], 300).unwrap().len(), 300);
        assert_eq!(in_utf8(&[0xff; 100], 299), None);
    }

    /// What a string of JSON means, unit by unit.
    fn units(json: &str) -> Vec<u16> {
        let mut units = Vec::new();
        let mut chars = json[1..json.len() - 1].chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                units.extend(c.encode_utf16(&mut [0; 2]).iter());
                continue;
            }
            let unit = match chars.next().unwrap() {
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    u16::from_str_radix(&digits, 16).unwrap()
                }
                'n' => 10,
                other => other as u16,
            };
            units.push(unit);
        }
        units
    }

    fn strings() -> impl Strategy<Value = String> {
        let parts = prop_oneof![
            (0xd7fe_u16..0xe002).prop_map(|unit| format!("\\u{unit:04x}")),
            (0xd7fe_u16..0xe002).prop_map(|unit| format!("\\u{unit:04X}")),
            any::<u16>().prop_map(|unit| format!("\\u{unit:04x}")),
            prop::sample::select(vec!["\\\\", "\\\"", "\\n", "ud83d", "😀", "é", "d", " "])
                .prop_map(str::to_owned),
        ];
        prop::collection::vec(parts, 0..12).prop_map(|parts| format!("\"{}\"", parts.concat()))
    }

    proptest! {
        #[test]
        fn a_mended_text_reads_as_utf16_does_with_losses(json in strings()) {
            let read: String = serde_json::from_str(&after(&json)).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units(&json)));
            prop_assert_eq!(is_whole(json.as_bytes()), after(&json) == json);
        }

        #[test]
        fn what_can_be_read_already_stays_as_it_is(value in any::<String>()) {
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(&after(&json), &json);
        }

        #[test]
        fn any_bytes_are_whole_when_they_are_mended(
            mut bytes in prop::collection::vec(prop::sample::select(b"\\\\\\uudD8c0\"a\xff".to_vec()), 0..40)
        ) {
            let length = bytes.len();
            mend(&mut bytes);
            prop_assert_eq!(bytes.len(), length);
            prop_assert!(is_whole(&bytes));
        }
    }
}
