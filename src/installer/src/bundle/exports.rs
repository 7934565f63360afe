//! The `exports` of a `package.json`, as Node reads it for `import`.

use serde_json::Value;

/// What holds for modules of packages here. rolldown adds `import` or `require`, by how
/// a module is asked for; both are no conditions of their own, so that `require` does
/// not get an ES module.
pub(super) const CONDITIONS: &[&str] = &["deno", "node"];

/// A key of `exports`, and the file that it leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Export<'a> {
    /// `.`, `./v4`, `./locale/*`.
    pub key: &'a str,
    /// `./dist/index.js`, `./dist/locale/*.js`; none if the key is closed with `null`,
    /// or has nothing for our conditions.
    pub target: Option<&'a str>,
}

/// The exports in the package's order.
pub(super) fn read(exports: &Value) -> Vec<Export<'_>> {
    match exports {
        Value::Object(map) if map.keys().any(|key| key.starts_with('.')) => map
            .iter()
            .filter(|(key, _)| key.starts_with('.'))
            .map(|(key, value)| Export { key, target: target(value) })
            .collect(),
        Value::Object(_) | Value::String(_) | Value::Array(_) => {
            vec![Export { key: ".", target: target(exports) }]
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// The file that a value of `exports` leads to.
fn target(value: &Value) -> Option<&str> {
    find(value, &|key| key == "default" || key == "import" || CONDITIONS.contains(&key)).or_else(
        || find(value, &|key| key == "default" || key == "require" || CONDITIONS.contains(&key)),
    )
}

/// The file of the first condition, in the package's order, that holds.
pub(super) fn find<'a>(value: &'a Value, holds: &dyn Fn(&str) -> bool) -> Option<&'a str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(values) => values.iter().find_map(|value| find(value, holds)),
        Value::Object(map) => {
            map.iter().filter(|(key, _)| holds(key)).find_map(|(_, value)| find(value, holds))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Export, read};

    #[test]
    fn conditions_are_read_in_the_packages_order() {
        let exports = json!({
            ".": { "types": "./a.d.ts", "browser": "./b.js", "import": "./a.mjs", "require": "./a.cjs" },
            "./old": { "require": "./old.cjs" },
            "./closed": null,
            "./x/*": [{ "node": "./x/*.js" }],
        });
        assert_eq!(
            read(&exports),
            [
                Export { key: ".", target: Some("./a.mjs") },
                Export { key: "./old", target: Some("./old.cjs") },
                Export { key: "./closed", target: None },
                Export { key: "./x/*", target: Some("./x/*.js") },
            ]
        );
    }

    #[test]
    fn one_target_is_the_entry() {
        assert_eq!(read(&json!("./a.js")), [Export { key: ".", target: Some("./a.js") }]);
        assert_eq!(
            read(&json!({ "default": "./a.js" })),
            [Export { key: ".", target: Some("./a.js") }]
        );
    }
}
