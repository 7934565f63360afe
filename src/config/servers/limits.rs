//! What other clients say of all entries at once, and which of them may be used.

use super::super::value::{Entry, Value};

/// Gemini CLI's lists of servers, and opencode's of tools.
#[derive(Debug, Default)]
pub(super) struct Limits {
    allowed: Option<Vec<String>>,
    excluded: Vec<String>,
    /// Patterns of names of tools that are off, `server_tool`, and where they stand: those
    /// of opencode, or all where the names are others.
    off: Vec<(String, &'static str)>,
}

/// What is wrong, and at which byte.
pub(super) type Misplaced = (Option<usize>, String);

/// Whether an entry may be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Used,
    /// As if it were disabled.
    Left,
    /// Why it cannot be used.
    Refused(String),
}

impl Limits {
    /// Those of a file. `of_opencode`: its servers are under opencode's key.
    ///
    /// # Errors
    /// A list of servers that is none, with its place.
    pub(super) fn of(members: &[Entry], of_opencode: bool) -> Result<Self, Misplaced> {
        let mut limits = Self::default();
        for member in members {
            match (member.key.as_str(), &member.value) {
                ("mcp", Value::Table(inner)) if !of_opencode => {
                    for member in inner {
                        limits.add_names(member, ["allowed", "excluded"])?;
                    }
                }
                ("tools", Value::Table(inner)) if of_opencode => limits.add_off(inner, "tools"),
                ("permission", Value::Table(inner)) if of_opencode => {
                    limits.add_off(inner, "permission");
                }
                ("permission", Value::Text(action)) if of_opencode && action == "deny" => {
                    limits.off.push(("*".to_owned(), "permission"));
                }
                ("policies" | "experimental", value) if of_opencode && says_deny(value) => {
                    limits.off.push(("*".to_owned(), "policies"));
                }
                _ if of_opencode => {}
                // Gemini CLI's, by names of its own for all tools.
                ("tools", Value::Table(inner)) if inner.iter().any(limits_tools) => {
                    limits.off.push(("*".to_owned(), "tools"));
                }
                ("excludeTools" | "coreTools", value) if !is_empty(value) => {
                    limits.off.push(("*".to_owned(), "excludeTools or coreTools"));
                }
                // As Gemini CLI had it before.
                _ => limits.add_names(member, ["allowMCPServers", "excludeMCPServers"])?,
            }
        }
        Ok(limits)
    }

    fn add_names(&mut self, member: &Entry, keys: [&str; 2]) -> Result<(), Misplaced> {
        let Some(which) = keys.iter().position(|key| *key == member.key) else { return Ok(()) };
        let names = member.value.texts().ok_or_else(|| {
            (member.at, format!("\"{}\" is not a list of server names", member.key))
        })?;
        if which == 0 {
            let before = self.allowed.take();
            let is_in_both = |name: &String| before.as_ref().is_none_or(|list| list.contains(name));
            self.allowed = Some(names.into_iter().filter(is_in_both).collect());
        } else {
            self.excluded.extend(names);
        }
        Ok(())
    }

    fn add_off(&mut self, entries: &[Entry], key: &'static str) {
        let off = entries.iter().filter(|entry| is_off(&entry.value));
        self.off.extend(off.map(|entry| (entry.key.clone(), key)));
    }

    pub(super) fn verdict(&self, name: &str) -> Verdict {
        let is = |other: &String| other == name;
        if self.excluded.iter().any(is) || self.allowed.as_ref().is_some_and(|a| !a.iter().any(is))
        {
            return Verdict::Left;
        }
        match self.off.iter().find(|(pattern, _)| may_match(pattern, name)) {
            Some((_, key)) => Verdict::Refused(format!(
                "\"{key}\" of the file turns off tools of this server, by names that only its own \
                 client knows; write \"deniedTools\" in the entry and remove that key from the file"
            )),
            None => Verdict::Used,
        }
    }
}

/// Whether a rule of opencode is that something cannot be used. Rules can have patterns
/// of what is asked for below them.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Flag(on) => !on,
        Value::Text(action) => action == "deny",
        Value::Table(entries) => entries.iter().any(|entry| is_off(&entry.value)),
        _ => false,
    }
}

/// Whether a list, as Gemini CLI has them, names anything.
fn is_empty(value: &Value) -> bool {
    matches!(value, Value::List(items) if items.is_empty()) || matches!(value, Value::Other(_))
}

fn limits_tools(member: &Entry) -> bool {
    matches!(member.key.as_str(), "exclude" | "core") && !is_empty(&member.value)
}

/// Whether there is a rule that denies something, however deep.
fn says_deny(value: &Value) -> bool {
    match value {
        Value::Text(effect) => effect == "deny",
        Value::List(items) => items.iter().any(says_deny),
        Value::Table(entries) => entries.iter().any(|entry| says_deny(&entry.value)),
        _ => false,
    }
}

/// Whether a pattern may match a tool of a server. opencode writes `_` for what a
/// model's names of tools cannot have.
fn may_match(pattern: &str, server: &str) -> bool {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let start: String = server.chars().map(plain).chain(['_']).collect();
    let literal = pattern.split(['*', '?']).next().unwrap_or_default();
    let is_whole = literal.len() == pattern.len();
    literal.starts_with(&start) || !is_whole && start.starts_with(literal)
}

#[cfg(test)]
mod tests {
    use super::super::super::jsonc::parse;
    use super::*;

    fn limits(text: &str, of_opencode: bool) -> Result<Limits, Misplaced> {
        let Ok(Value::Table(members)) = parse(text) else { panic!("{text}") };
        Limits::of(&members, of_opencode)
    }

    #[test]
    fn a_server_that_gemini_leaves_out_is_left_out() {
        for text in [
            r#"{"mcp": {"allowed": ["a", "b"], "excluded": ["b"]}}"#,
            r#"{"allowMCPServers": ["a"], "mcp": {"serverCommand": "x"}}"#,
            r#"{"excludeMCPServers": ["b"]}"#,
        ] {
            let limits = limits(text, false).unwrap();
            assert_eq!(limits.verdict("a"), Verdict::Used, "{text}");
            assert_eq!(limits.verdict("b"), Verdict::Left, "{text}");
        }
        assert_eq!(
            limits(r#"{"mcp": {"allowed": []}}"#, false).unwrap().verdict("a"),
            Verdict::Left
        );
        let problem = limits(r#"{"mcp": {"excluded": "b"}}"#, false).unwrap_err();
        assert_eq!(problem.1, "\"excluded\" is not a list of server names");
    }

    #[test]
    fn a_server_of_which_opencode_turns_tools_off_is_refused() {
        for (text, refused) in [
            (r#"{"tools": {"my_server_delete": false}}"#, true),
            (r#"{"tools": {"my*": false}}"#, true),
            (r#"{"tools": {"*": false}}"#, true),
            (r#"{"permission": {"my_server_*": {"*": "deny"}}}"#, true),
            (r#"{"tools": {"my_server_delete": true, "bash": false, "other_*": false}}"#, false),
            (r#"{"permission": {"my_server_*": "ask"}}"#, false),
            (r#"{"tools": {"my": false}}"#, false),
            (r#"{"permission": "deny"}"#, true),
            (r#"{"permission": "ask"}"#, false),
            (r#"{"policies": [{"action": "tool.use", "resource": "x", "effect": "deny"}]}"#, true),
            (r#"{"experimental": {"policies": [{"effect": "deny"}]}}"#, true),
            (r#"{"policies": [{"effect": "allow"}]}"#, false),
        ] {
            let verdict = limits(text, true).unwrap().verdict("my server");
            assert_eq!(verdict != Verdict::Used, refused, "{text}");
        }
    }

    #[test]
    fn servers_of_which_gemini_limits_tools_for_all_are_refused() {
        for (text, refused) in [
            (r#"{"tools": {"exclude": ["delete_repo"]}}"#, true),
            (r#"{"tools": {"core": ["read_file"]}}"#, true),
            (r#"{"excludeTools": ["delete_repo"]}"#, true),
            (r#"{"coreTools": ["read_file"]}"#, true),
            (r#"{"tools": {"exclude": [], "sandbox": "docker"}, "coreTools": null}"#, false),
        ] {
            let verdict = limits(text, false).unwrap().verdict("a");
            assert_eq!(matches!(verdict, Verdict::Refused(_)), refused, "{text}");
        }
    }
}
