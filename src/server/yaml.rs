//! JSON as YAML, for `--return-mode yaml`: lines of output and of text are lines
//! there, instead of `\n` in one string.

use serde_json::Value;

/// The value as YAML, keys in their order.
pub(super) fn to_yaml(value: &Value) -> String {
    // JSON is YAML too (YAML 1.2, section 1.3).
    serde_yaml_ng::to_string(value).unwrap_or_else(|_| format!("{value}\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_of_several_lines_is_a_block() {
        let value = json!({
            "status": "success",
            "output": ["a", "b: c"],
            "returnValue": {"text": "line 1\n  line 2\n", "n": 1.5, "none": null, "list": []},
            "executionTime": 3,
        });
        assert_eq!(
            to_yaml(&value),
            "status: success\noutput:\n- a\n- 'b: c'\nreturnValue:\n  text: |\n    line 1\n\
             \x20     line 2\n  n: 1.5\n  none: null\n  list: []\nexecutionTime: 3\n"
        );
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        for text in [
            "",
            " ",
            "a ",
            "\n",
            "a\n\n",
            "\ta\nb",
            "  a\nb",
            "a\r\nb",
            "a \nb",
            "a\u{85}b",
            "---",
            "a\n---\nb",
            "null",
            "~",
            "yes",
            "007",
            "1e3",
            "0x1f",
            "- a",
            "a: b",
            "a #b",
            "!a",
            "&a",
            "*a",
            "{a",
            "'",
            "\"",
            "\u{0}",
            "\u{feff}",
            "\u{2028}",
            "a\u{2028}\nb",
            "🎼\n🎼",
            "%a",
        ] {
            let value = json!({"k": text, text: [text, {text: text}]});
            let yaml = to_yaml(&value);
            let read: Value = serde_yaml_ng::from_str(&yaml).expect(&yaml);
            assert_eq!(read, value, "{yaml}");
        }
    }

    #[test]
    fn the_deepest_value_is_written() {
        let deepest = (0..100).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(serde_yaml_ng::from_str::<Value>(&to_yaml(&deepest)).unwrap(), deepest);
    }
}
