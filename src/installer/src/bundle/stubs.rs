//! Modules that no package has: the built-ins as CommonJS sees them, and those that
//! throw when they are asked for.

/// The hidden function that gives CommonJS code a built-in. The engine defines it.
const REQUIRE: &str = "globalThis[Symbol.for(\"mcp-conductor.require\")]";
/// What begins the id of a module that is made here. rolldown reads no file for an id
/// with a NUL.
const BUILTIN: &str = "\0builtin:";
const THROWS: &str = "\0throws:";
/// A module without contents: styles, and entries that are JSON.
pub(super) const EMPTY: &str = "\0empty";

/// The id of a built-in for `require`.
pub(super) fn builtin_id(name: &str) -> String {
    format!("{BUILTIN}{name}")
}

/// The id of a module that throws an error with Node's code for a missing module.
pub(super) fn throws_id(message: &str) -> String {
    format!("{THROWS}{message}")
}

/// What a module throws, by its id.
pub(super) fn message(id: &str) -> Option<&str> {
    id.strip_prefix(THROWS)
}

/// The text of a module that is made here, by its id.
pub(super) fn text(id: &str) -> Option<String> {
    if let Some(name) = id.strip_prefix(BUILTIN) {
        return Some(format!("module.exports = {REQUIRE}({});", quoted(name)));
    }
    if let Some(message) = id.strip_prefix(THROWS) {
        return Some(throwing(message));
    }
    (id == EMPTY).then(|| "export {};".to_owned())
}

/// A CommonJS module that throws.
pub(super) fn throwing(message: &str) -> String {
    format!(
        "module.exports = (() => {{ throw Object.assign(new Error({}), \
         {{ code: \"MODULE_NOT_FOUND\" }}); }})();",
        quoted(message)
    )
}

/// How rolldown's own `require`, for what is only known when the code runs, begins: it
/// looks for a global one.
const FREE_REQUIRE: &str = "var __require = ((x) => typeof require !== \"undefined\" ? require : ";

/// The code with the hidden function in place of a global `require`.
pub(super) fn with_hidden_require(code: String) -> String {
    let Some(start) = code.find(FREE_REQUIRE) else { return code };
    let hidden = format!("var __require = ((x) => {REQUIRE} ? {REQUIRE} : ");
    let rest = &code[start + FREE_REQUIRE.len()..];
    [&code[..start], &hidden, rest].concat()
}

/// A string literal of JavaScript, which JSON's are.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
