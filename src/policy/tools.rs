//! Which tools of other MCP servers a run may call: by the administrator's rules
//! of each server, and by what the caller of a run restricts it to.
//!
//! Names are compared byte for byte. A server chooses its tools' names, and what
//! is normalized to the same text is not the same tool to it.

use std::sync::Arc;

use super::{Denied, Permission};

/// Begins a tool's name that has its server's name in it, as Claude Code writes it:
/// `mcp__server__tool`.
const PREFIX: &str = "mcp__";

/// Patterns of a call.
const MAX_PATTERNS: usize = 256;

/// Bytes of a pattern: names of tools have at most 128 characters (MCP 2025-11-25,
/// server/tools, tool names), and names of servers at most 128 bytes.
const MAX_PATTERN: usize = 256;

/// Bytes of all patterns of a call: 256 names of 64 bytes. A pattern of k bytes after
/// a `*` takes at most k * (n - k) steps with a name of n, so that the worst 64 of 256
/// bytes take 2.4 million with a name of 390, a few ms.
const MAX_PATTERN_BYTES: usize = 16 << 10;

/// A tool of an upstream server that this run may call. Only this module makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedTool {
    server: String,
    tool: String,
}

impl AllowedTool {
    /// The server's name in the configuration.
    #[cfg(test)]
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The tool's name, as the server calls it.
    pub(crate) fn tool(&self) -> &str {
        &self.tool
    }
}

/// The administrator's rules of one server. `*` in a pattern stands for any
/// characters and `?` for one; no other character is special.
#[derive(Debug, Clone)]
pub(crate) struct ServerToolRules {
    /// None: every tool.
    allowed: Option<Vec<String>>,
    denied: Vec<String>,
}

impl ServerToolRules {
    pub(crate) fn new(allowed: Option<&[String]>, denied: &[String]) -> Self {
        Self { allowed: allowed.map(<[String]>::to_vec), denied: denied.to_vec() }
    }

    /// Whether every tool is allowed.
    pub(crate) fn is_open(&self) -> bool {
        self.allowed.is_none() && self.denied.is_empty()
    }

    fn refusal(&self, tool: &str) -> Option<Refusal> {
        let is_in = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, tool));
        if is_in(&self.denied) {
            Some(Refusal::DeniedTools)
        } else if self.allowed.as_deref().is_some_and(|allowed| !is_in(allowed)) {
            Some(Refusal::AllowedTools)
        } else {
            None
        }
    }
}

/// What a call's `allowedTools` restricts a run to. The default is no restriction.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunTools {
    /// Of the call. None: every tool.
    asked: Option<Patterns>,
    /// Of the principal, whose calls can only restrict it further.
    granted: Option<Patterns>,
}

type Patterns = Arc<[Pattern]>;

/// A pattern for server and tool.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// A pattern for the server and one for the tool, with the separator between
    /// them. Names can have the separator in them: each place where it stands may
    /// be the one, and then both names must match, so that `mcp__up__*` is no
    /// pattern for a server `up_`.
    Parts { text: String, separator: &'static str },
    /// A pattern for `mcp__server__tool`.
    Whole(String),
}

impl RunTools {
    /// No restriction.
    pub(crate) fn all() -> Self {
        Self::default()
    }

    /// Reads patterns such as `mcp__server__tool` or `server/tool`, where server and
    /// tool are patterns as in [`ServerToolRules`]. An empty list allows nothing.
    ///
    /// # Errors
    /// A pattern that can match no tool, or a list that is too long, as a sentence.
    pub(crate) fn parse(patterns: Option<Vec<String>>) -> Result<Self, String> {
        let Some(patterns) = patterns else { return Ok(Self::all()) };
        if patterns.len() > MAX_PATTERNS {
            return Err(format!("more than {MAX_PATTERNS} patterns"));
        }
        if patterns.iter().map(String::len).sum::<usize>() > MAX_PATTERN_BYTES {
            return Err(format!("patterns of more than {MAX_PATTERN_BYTES} bytes together"));
        }
        let patterns = patterns.into_iter().map(Pattern::parse);
        Ok(Self { asked: Some(patterns.collect::<Result<Arc<[_]>, _>>()?), granted: None })
    }

    /// This restriction of a call, within what its principal may call.
    pub(crate) fn within(self, principal: &Self) -> Self {
        Self { asked: self.asked, granted: principal.asked.clone() }
    }

    /// Whether there is no restriction.
    pub(crate) fn is_unrestricted(&self) -> bool {
        self.asked.is_none() && self.granted.is_none()
    }

    /// Whether it is this very restriction, and not only one like it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let same = |a: &Option<Patterns>, b: &Option<Patterns>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        same(&self.asked, &other.asked) && same(&self.granted, &other.granted)
    }

    /// Whose restriction is against a tool.
    fn refusal(&self, server: &str, tool: &str) -> Option<Refusal> {
        let allows = |patterns: &Option<Patterns>| {
            patterns.as_ref().is_none_or(|all| all.iter().any(|p| p.matches(server, tool)))
        };
        match (allows(&self.granted), allows(&self.asked)) {
            (false, _) => Some(Refusal::Principal),
            (true, false) => Some(Refusal::Call),
            (true, true) => None,
        }
    }

    /// Whether the restriction may leave some tool of this server.
    pub(crate) fn reaches(&self, server: &str) -> bool {
        let reaches = |patterns: &Patterns| patterns.iter().any(|p| p.reaches(server));
        [&self.asked, &self.granted].into_iter().flatten().all(reaches)
    }
}

impl Pattern {
    fn parse(pattern: String) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN {
            return Err(format!("a pattern of more than {MAX_PATTERN} bytes"));
        }
        let qualified = pattern.strip_prefix(PREFIX);
        if let Some(rest) = qualified.filter(|rest| rest.contains("__")) {
            return Ok(Self::Parts { text: rest.to_owned(), separator: "__" });
        }
        if pattern.contains('/') {
            return Ok(Self::Parts { text: pattern, separator: "/" });
        }
        let can_match = pattern.starts_with('*') || qualified.is_some_and(|r| r.contains('*'));
        if can_match {
            return Ok(Self::Whole(pattern));
        }
        Err(format!(
            "{pattern:?} names no tool: write mcp__server__tool or server/tool, with * for any \
             characters"
        ))
    }

    fn matches(&self, server: &str, tool: &str) -> bool {
        match self {
            Self::Whole(pattern) => glob(pattern, &format!("{PREFIX}{server}__{tool}")),
            Self::Parts { .. } => {
                self.parts().any(|(servers, tools)| glob(servers, server) && glob(tools, tool))
            }
        }
    }

    fn reaches(&self, server: &str) -> bool {
        match self {
            // What stands before its first `*` decides, as far as it goes.
            Self::Whole(pattern) => {
                let start = pattern.split(['*', '?']).next().unwrap_or_default();
                let name = format!("{PREFIX}{server}__");
                name.starts_with(start) || start.starts_with(&name)
            }
            Self::Parts { .. } => self.parts().any(|(servers, _)| glob(servers, server)),
        }
    }

    /// Each way to read it as patterns for server and tool.
    fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        let (text, separator) = match self {
            Self::Whole(_) => ("", "/"),
            Self::Parts { text, separator } => (text.as_str(), *separator),
        };
        // Not `match_indices`: in `a___b` the separator begins twice.
        let places = text.char_indices().filter(move |(at, _)| text[*at..].starts_with(separator));
        places.map(move |(at, _)| (&text[..at], &text[at + separator.len()..]))
    }
}

/// Whose rule is against a tool.
enum Refusal {
    DeniedTools,
    AllowedTools,
    Principal,
    Call,
}

fn refusal(rules: &ServerToolRules, run: &RunTools, server: &str, tool: &str) -> Option<Refusal> {
    rules.refusal(tool).or_else(|| run.refusal(server, tool))
}

/// Decides about a tool of a configured server.
///
/// # Errors
/// Whose rule is against it.
pub(crate) fn allow_tool(
    rules: &ServerToolRules,
    run: &RunTools,
    server: &str,
    tool: &str,
) -> Result<AllowedTool, Denied> {
    let reason = match refusal(rules, run, server, tool) {
        None => return Ok(AllowedTool { server: server.to_owned(), tool: tool.to_owned() }),
        Some(Refusal::DeniedTools) => {
            format!("the administrator's configuration of \"{server}\" denies it (deniedTools)")
        }
        Some(Refusal::AllowedTools) => format!(
            "the administrator's configuration of \"{server}\" does not list it in allowedTools"
        ),
        Some(Refusal::Principal) => {
            "the administrator's configuration of this caller does not list it in tools".to_owned()
        }
        Some(Refusal::Call) => "this call's allowedTools do not include it".to_owned(),
    };
    Err(Denied::never(Permission::Tool, Some(format!("{server}/{tool}")), &reason))
}

/// Whether [`allow_tool`] would allow it: what discovery shows.
pub(crate) fn is_visible(
    rules: &ServerToolRules,
    run: &RunTools,
    server: &str,
    tool: &str,
) -> bool {
    refusal(rules, run, server, tool).is_none()
}

/// Whether a text matches a pattern. After a mismatch only the last `*` takes one
/// more character: if a way to match exists, one exists in which those before it
/// take as few as they can. So the steps are at most the product of both lengths.
fn glob(pattern: &str, text: &str) -> bool {
    // Most names differ in what is fixed.
    let fixed = |part: &str| part.find(['*', '?']).map_or(part.len(), |at| at);
    let end = pattern.rfind(['*', '?']).map_or(0, |at| at + 1);
    if !text.starts_with(&pattern[..fixed(pattern)]) || !text.ends_with(&pattern[end..]) {
        return false;
    }
    let (mut pattern, mut text) = (pattern, text);
    // What follows the last `*`, and where in the text that was tried.
    let mut star: Option<(&str, &str)> = None;
    loop {
        if let Some(after) = pattern.strip_prefix('*') {
            star = Some((after, text));
            pattern = after;
            continue;
        }
        let (mut wanted, mut given) = (pattern.chars(), text.chars());
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            // What follows a `*` needs no less if that takes more.
            (Some(_), None) => return false,
            (Some(w), Some(g)) if w == '?' || w == g => {
                (pattern, text) = (wanted.as_str(), given.as_str());
            }
            _ => {
                let Some((after, tried)) = star else { return false };
                let mut rest = tried.chars();
                if rest.next().is_none() {
                    return false;
                }
                (pattern, text) = (after, rest.as_str());
                star = Some((pattern, text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
    }

    fn rules(allowed: Option<&[&str]>, denied: &[&str]) -> ServerToolRules {
        ServerToolRules::new(allowed.map(list).as_deref(), &list(denied))
    }

    fn run(patterns: &[&str]) -> RunTools {
        RunTools::parse(Some(list(patterns))).unwrap()
    }

    /// Of the server `up`.
    fn allowed(rules: &ServerToolRules, tool: &str) -> bool {
        allow_tool(rules, &RunTools::all(), "up", tool).is_ok()
    }

    fn refused(rules: &ServerToolRules, run: &RunTools) -> String {
        allow_tool(rules, run, "up", "echo").unwrap_err().to_string()
    }

    #[test]
    fn without_lists_every_tool_is_allowed() {
        let allowed = allow_tool(&rules(None, &[]), &RunTools::default(), "up", "a/b").unwrap();
        assert_eq!((allowed.server(), allowed.tool()), ("up", "a/b"));
    }

    #[test]
    fn an_allow_list_allows_what_it_names_and_an_empty_one_nothing() {
        let some = rules(Some(&["get_*", "echo"]), &[]);
        assert!(allowed(&some, "get_file") && allowed(&some, "get_") && allowed(&some, "echo"));
        assert!(!allowed(&some, "get") && !allowed(&some, "echo2") && !allowed(&some, "Echo"));
        assert!(!allowed(&rules(Some(&[]), &[]), "echo"));
    }

    #[test]
    fn deny_wins_over_the_very_name() {
        let both = rules(Some(&["delete_file", "*"]), &["delete_*"]);
        assert!(!allowed(&both, "delete_file") && allowed(&both, "get_file"));
    }

    #[test]
    fn only_star_and_question_mark_are_special() {
        let special = rules(Some(&["a.b", "[cd]", "{e,f}", "\\*", "g?h", "!i"]), &[]);
        for name in ["a.b", "[cd]", "{e,f}", "\\", "\\x", "g-h", "gëh", "!i"] {
            assert!(allowed(&special, name), "{name}");
        }
        for name in ["axb", "c", "e", "*", "gh", "g--h", "j", ""] {
            assert!(!allowed(&special, name), "{name}");
        }
    }

    #[test]
    fn names_that_only_look_the_same_are_others() {
        let precomposed = rules(None, &["caf\u{e9}"]);
        assert!(!allowed(&precomposed, "caf\u{e9}") && allowed(&precomposed, "cafe\u{301}"));
    }

    #[test]
    fn a_refusal_says_whose_rule_it_is() {
        let all = RunTools::all();
        assert_eq!(
            refused(&rules(None, &["e*"]), &all),
            "Requires tool access to \"up/echo\", which no flag grants: the administrator's \
             configuration of \"up\" denies it (deniedTools)"
        );
        assert_eq!(
            refused(&rules(Some(&["x"]), &[]), &all),
            "Requires tool access to \"up/echo\", which no flag grants: the administrator's \
             configuration of \"up\" does not list it in allowedTools"
        );
        assert_eq!(
            refused(&rules(None, &[]), &run(&["up/x"])),
            "Requires tool access to \"up/echo\", which no flag grants: this call's \
             allowedTools do not include it"
        );
    }

    #[test]
    fn a_call_names_tools_in_either_form() {
        for pattern in ["mcp__up__echo", "up/echo", "mcp__*__echo", "*/e??o", "mcp__u*", "*"] {
            assert!(run(&[pattern]).refusal("up", "echo").is_none(), "{pattern}");
        }
        for pattern in ["mcp__up__ech", "up/Echo", "mcp__u__p__echo", "mcp__down__*", "u/*"] {
            assert!(run(&["x/y", pattern]).refusal("up", "echo").is_some(), "{pattern}");
        }
        assert!(run(&[]).refusal("up", "echo").is_some());
        assert!(RunTools::all().is_unrestricted() && !run(&[]).is_unrestricted());
    }

    #[test]
    fn separators_in_names_are_found_wherever_they_stand() {
        assert!(run(&["mcp__a__b__c"]).refusal("a__b", "c").is_none());
        assert!(run(&["mcp__a__b__c"]).refusal("a", "b__c").is_none());
        assert!(run(&["mcp__a___b"]).refusal("a_", "b").is_none());
        assert!(run(&["mcp__a___b"]).refusal("a", "_b").is_none());
        assert!(run(&["a/b/c"]).refusal("a/b", "c").is_none());
        assert!(run(&["mcp__a__b/c"]).refusal("a", "b/c").is_none());
        assert!(run(&["é/ü"]).refusal("é", "ü").is_none());
    }

    #[test]
    fn a_pattern_for_one_server_is_none_for_a_server_whose_name_begins_with_it() {
        for pattern in ["mcp__up__*", "up/*"] {
            for server in ["up_", "up__x", "up/x", "upper"] {
                assert!(run(&[pattern]).refusal(server, "echo").is_some(), "{pattern} {server}");
            }
        }
    }

    #[test]
    fn a_pattern_that_can_match_no_tool_is_an_error() {
        for pattern in ["", "echo", "mcp__up", "mcp__", "e*", "?"] {
            assert_eq!(
                RunTools::parse(Some(list(&["up/x", pattern]))).unwrap_err(),
                format!(
                    "{pattern:?} names no tool: write mcp__server__tool or server/tool, with * \
                     for any characters"
                )
            );
        }
    }

    #[test]
    fn lists_have_an_end() {
        let parse =
            |count, length| RunTools::parse(Some(vec!["/".repeat(length); count])).map(drop);
        assert_eq!(parse(256, 64), Ok(()));
        assert_eq!(parse(257, 1), Err("more than 256 patterns".to_owned()));
        assert_eq!(parse(1, 257), Err("a pattern of more than 256 bytes".to_owned()));
        assert_eq!(parse(65, 256), Err("patterns of more than 16384 bytes together".to_owned()));
    }

    #[test]
    fn a_pattern_of_many_stars_is_soon_decided() {
        assert!(!glob(&"*a".repeat(128), &format!("{}b", "a".repeat(4096))));
        assert!(!glob(&format!("{}b", "*?".repeat(128)), &"a".repeat(4096)));
    }

    fn naive(pattern: &[char], text: &[char]) -> bool {
        let Some((wanted, pattern)) = pattern.split_first() else { return text.is_empty() };
        if *wanted == '*' {
            return (0..=text.len()).any(|taken| naive(pattern, &text[taken..]));
        }
        let Some((given, text)) = text.split_first() else { return false };
        (*wanted == '?' || wanted == given) && naive(pattern, text)
    }

    fn patterns() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[ab*?]{0,4}", 0..4)
    }

    proptest! {
        #[test]
        fn the_matcher_agrees_with_a_naive_one(
            pattern in "[abé*?]{0,9}", text in "[abé*?]{0,9}"
        ) {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(glob(&pattern, &text), naive(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn a_denied_tool_is_never_allowed(
            allow in prop::option::of(patterns()),
            deny in patterns(),
            tool in "[ab]{0,4}",
            server in "[ab_]{1,3}",
        ) {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let denied = deny.iter().any(|pattern| naive(&chars(pattern), &chars(&tool)));
            let rules = ServerToolRules::new(allow.as_deref(), &deny);
            let decided = allow_tool(&rules, &RunTools::all(), &server, &tool);
            prop_assert!(!(denied && decided.is_ok()));
        }

        #[test]
        fn a_call_only_takes_away(
            allow in prop::option::of(patterns()),
            deny in patterns(),
            restriction in prop::collection::vec("(mcp__)?[ab*]{1,3}(/|__)[ab*]{1,3}", 0..4),
            tool in "[ab_]{0,4}",
        ) {
            let rules = ServerToolRules::new(allow.as_deref(), &deny);
            let unrestricted = is_visible(&rules, &RunTools::all(), "a", &tool);
            if let Ok(run) = RunTools::parse(Some(restriction)) {
                let both = unrestricted && run.refusal("a", &tool).is_none();
                prop_assert_eq!(is_visible(&rules, &run, "a", &tool), both);
                prop_assert_eq!(allow_tool(&rules, &run, "a", &tool).is_ok(), both);
            }
        }

        #[test]
        fn any_text_is_a_pattern_or_an_error(
            pattern in "(?s)(mcp__)?.{0,12}", server in "(?s).{0,6}", tool in "(?s).{0,6}"
        ) {
            if let Ok(run) = RunTools::parse(Some(vec![pattern])) {
                let _ = run.refusal(&server, &tool);
            }
        }
    }

    #[test]
    fn a_call_asks_within_what_its_principal_may_call() {
        let decided = |asked: Option<&[&str]>, server: &str| {
            let asked = asked.map_or_else(RunTools::all, run);
            let both = asked.within(&run(&["mcp__a__*", "b/read"]));
            match both.refusal(server, "read") {
                None => "allowed",
                Some(Refusal::Principal) => "principal",
                Some(_) => "call",
            }
        };
        assert_eq!(decided(None, "a"), "allowed");
        assert_eq!(decided(None, "b"), "allowed");
        assert_eq!(decided(None, "c"), "principal");
        assert_eq!(decided(Some(&["mcp__a__*"]), "b"), "call");
        assert_eq!(decided(Some(&["*"]), "c"), "principal");
        assert_eq!(decided(Some(&[]), "a"), "call");
    }

    #[test]
    fn servers_that_no_pattern_reaches_are_not_there() {
        let reaches = |pattern: &str, server: &str| run(&[pattern]).reaches(server);
        for (pattern, server) in [
            ("mcp__a__*", "a"),
            ("mcp__a__read", "a"),
            ("a/*", "a"),
            ("*/read", "a"),
            ("*", "a"),
            ("mcp__*", "a"),
            ("mcp__git*", "github"),
        ] {
            assert!(reaches(pattern, server), "{pattern} {server}");
        }
        for (pattern, server) in
            [("mcp__a__*", "b"), ("a/*", "ab"), ("mcp__git*", "gi"), ("mcp__a__*", "a_b")]
        {
            assert!(!reaches(pattern, server), "{pattern} {server}");
        }
        assert!(RunTools::all().reaches("a") && !run(&[]).reaches("a"));
    }
}
