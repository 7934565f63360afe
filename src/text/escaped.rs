//! Text that somebody else chose, where a person reads it among lines of this server's
//! own: nothing in it is hidden, moves the cursor, or begins a line.

use std::borrow::Cow;

/// What a reader does not see, or what changes the order of what is seen
/// (CVE-2021-42574): controls, the separators of lines and paragraphs, the format
/// characters of Unicode 17 (general category Cf) and its other characters that are
/// ignored where they are not known (Default_Ignorable_Code_Point), but for the variation
/// selectors that emoji have.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The text with what is hidden as escapes: `\n`, `\u{202e}`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden, |c, out| out.extend(c.escape_default()))
}

/// [`visible`], of a text that has lines of its own.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    let hidden = |c| c != '\n' && is_hidden(c);
    escaped(text, hidden, |c, out| out.extend(c.escape_default()))
}

/// JSON in which what is hidden stands as escapes, which mean the same. Beside strings
/// it has none.
pub(crate) fn visible_json(json: &str) -> Cow<'_, str> {
    escaped(json, is_hidden, |c, out| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    })
}

/// TOML, likewise.
pub(crate) fn visible_toml(toml: &str) -> Cow<'_, str> {
    escaped(toml, is_hidden, |c, out| {
        let code = u32::from(c);
        out.push_str(&if code > 0xffff {
            format!("\\U{code:08X}")
        } else {
            format!("\\u{code:04X}")
        });
    })
}

fn escaped(
    text: &str,
    is_hidden: impl Fn(char) -> bool,
    escape: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    if !text.contains(&is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if is_hidden(c) { escape(c, &mut out) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_an_escape_and_the_rest_stays() {
        assert_eq!(visible("a\u{202e}b\u{200b}\n\u{1b}[2J"), "a\\u{202e}b\\u{200b}\\n\\u{1b}[2J");
        assert_eq!(visible("\u{e0041}\u{feff}\u{2066}"), "\\u{e0041}\\u{feff}\\u{2066}");
        assert_eq!(visible_lines("a\n\u{9b}b"), "a\n\\u{9b}b");
        for plain in ["", "größer als 日本語", "العربية עברית", "❤\u{fe0f} 🎉", "a\\nb"]
        {
            assert!(matches!(visible(plain), Cow::Borrowed(same) if same == plain), "{plain}");
        }
    }

    #[test]
    fn in_json_and_toml_an_escape_means_the_same() {
        let text = "a\u{202e}\u{7f}\u{e0041}ä";
        let json = serde_json::to_string(text).unwrap();
        let shown = visible_json(&json);
        assert_eq!(shown, "\"a\\u202e\\u007f\\udb40\\udc41ä\"");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        let shown = visible_toml(&json);
        assert_eq!(shown, "\"a\\u202E\\u007F\\U000E0041ä\"");
        let table: toml::Table = format!("x = {shown}").parse().unwrap();
        assert_eq!(table["x"].as_str(), Some(text));
    }
}
