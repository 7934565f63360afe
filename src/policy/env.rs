//! Which environment variables a program may see.

use super::grants::{Rule, Scope};

/// Deno 2.9's patterns: a name, or the beginning of names before a final `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NamePattern {
    Name(String),
    Prefix(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    Nothing,
    All,
    Only(Vec<NamePattern>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvRules {
    allow: Names,
    deny: Names,
}

impl EnvRules {
    pub(crate) fn new(rule: &Rule) -> Result<Self, String> {
        Ok(Self { allow: Names::new(&rule.allow)?, deny: Names::new(&rule.deny)? })
    }

    /// No variable can have an empty name, or one with `=` or NUL in it
    /// (environ(7)): such a name is not allowed by anything.
    pub(crate) fn allows(&self, name: &str) -> bool {
        is_name(name) && !self.is_denied(name) && self.allow.matches(name)
    }

    pub(crate) fn is_denied(&self, name: &str) -> bool {
        self.deny.matches(name)
    }

    /// Whether any name at all can be allowed, as far as the rules' kinds tell.
    pub(crate) fn grants_something(&self) -> bool {
        self.allow != Names::Nothing && self.deny != Names::All
    }

    pub(crate) fn allows_all(&self) -> bool {
        self.allow == Names::All && self.deny != Names::All
    }

    /// Whether something is denied that a grant would allow.
    pub(crate) fn has_exceptions(&self) -> bool {
        self.deny != Names::Nothing
    }

    /// Whether an allow entry is this very name, and no pattern.
    pub(crate) fn names_literally(&self, name: &str) -> bool {
        match &self.allow {
            Names::Only(entries) => entries
                .iter()
                .any(|entry| matches!(entry, NamePattern::Name(known) if known == name)),
            Names::Nothing | Names::All => false,
        }
    }
}

impl Names {
    fn new(scope: &Scope) -> Result<Self, String> {
        Ok(match scope {
            Scope::Nothing => Self::Nothing,
            Scope::All => Self::All,
            Scope::Only(entries) => Self::Only(
                entries.iter().map(|entry| NamePattern::parse(entry)).collect::<Result<_, _>>()?,
            ),
        })
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Only(entries) => entries.iter().any(|entry| entry.matches(name)),
        }
    }
}

impl NamePattern {
    fn parse(text: &str) -> Result<Self, String> {
        let (stem, is_prefix) = match text.strip_suffix('*') {
            Some(stem) => (stem, true),
            None => (text, false),
        };
        if stem.contains('*') {
            return Err(format!("{text:?}: a * can only be the last character, as in AWS_*"));
        }
        if !is_name(text) {
            return Err(format!("{text:?} is not the name of a variable, write for example HOME"));
        }
        let stem = stem.to_owned();
        Ok(if is_prefix { Self::Prefix(stem) } else { Self::Name(stem) })
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(known) => known == name,
            Self::Prefix(start) => name.starts_with(start.as_str()),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['=', '\0'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(entries: &[&str]) -> Scope {
        Scope::Only(entries.iter().map(|entry| (*entry).to_owned()).collect())
    }

    fn rules(allow: Scope, deny: Scope) -> EnvRules {
        EnvRules::new(&Rule { allow, deny }).unwrap()
    }

    #[test]
    fn a_name_allows_that_name_only() {
        let rules = rules(scope(&["HOME"]), Scope::Nothing);
        assert!(rules.allows("HOME"));
        for name in ["home", "HOME2", "HOM", "", "HOME=x", "HOME\0"] {
            assert!(!rules.allows(name), "{name:?}");
        }
    }

    #[test]
    fn a_final_star_stands_for_any_end() {
        let rules = rules(scope(&["AWS_*"]), Scope::Nothing);
        assert!(rules.allows("AWS_KEY") && rules.allows("AWS_"));
        assert!(!rules.allows("AWS") && !rules.allows("aws_KEY"));
    }

    #[test]
    fn deny_wins_over_all_and_over_the_very_name() {
        let all = rules(Scope::All, scope(&["SECRET*"]));
        assert!(all.allows("HOME") && !all.allows("SECRET_1") && all.is_denied("SECRET_1"));
        assert!(!rules(scope(&["SECRET_1"]), scope(&["SECRET*"])).allows("SECRET_1"));
        assert!(!rules(Scope::All, Scope::All).allows("HOME"));
    }

    #[test]
    fn all_with_exceptions_is_all_and_has_exceptions() {
        assert!(rules(Scope::All, Scope::Nothing).allows_all());
        let excepted = rules(Scope::All, scope(&["A"]));
        assert!(excepted.allows_all() && excepted.has_exceptions());
        assert!(!rules(Scope::All, Scope::All).allows_all());
        assert!(!rules(scope(&["*"]), Scope::Nothing).allows_all());
    }

    #[test]
    fn a_pattern_does_not_name_literally() {
        let rules = rules(scope(&["A", "B*"]), Scope::Nothing);
        assert!(rules.names_literally("A"));
        assert!(!rules.names_literally("B") && !rules.names_literally("B*"));
    }

    #[test]
    fn what_can_be_no_name_is_an_error() {
        for text in ["", "A=B", "A\0", "*A", "A*B", "A**"] {
            let rule = Rule { allow: Scope::Nothing, deny: scope(&[text]) };
            assert!(EnvRules::new(&rule).is_err(), "{text:?}");
        }
    }

    fn any_scope() -> impl Strategy<Value = Scope> {
        let list = prop::collection::vec("[AB_]{1,3}\\*?", 1..5).prop_map(Scope::Only);
        prop_oneof![Just(Scope::Nothing), Just(Scope::All), list]
    }

    proptest! {
        #[test]
        fn no_allow_outvotes_a_deny(
            allow in any_scope(), deny in any_scope(), name in "[AB_]{1,4}"
        ) {
            let with = rules(allow, deny.clone());
            let deny_only = rules(Scope::Nothing, deny);
            prop_assert_eq!(with.is_denied(&name), deny_only.is_denied(&name));
            prop_assert!(!(deny_only.is_denied(&name) && with.allows(&name)));
        }
    }
}
