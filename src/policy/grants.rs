//! The text of the administrator's grants: Deno's flags, parsed and printed.
//! What a path, a host or a name in them means is for the other files here.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use super::Permission;
use crate::text::near::nearest;

/// Linux refuses paths of PATH_MAX bytes, which counts the final NUL
/// (include/uapi/linux/limits.h).
const MAX_PATH: usize = 4096;

/// What a list of flags grants of one permission.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Scope {
    #[default]
    Nothing,
    All,
    Only(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rule {
    pub allow: Scope,
    pub deny: Scope,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Grants {
    pub read: Rule,
    pub write: Rule,
    pub net: Rule,
    pub env: Rule,
    pub run: Rule,
    /// Deno's flags for what this server never gives, as written; to warn about.
    pub ungrantable: Vec<String>,
    /// allow-all was asked for. The rules are as if it were not there.
    pub all: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum GrantsError {
    #[error("{token:?} contains a control character")]
    Control { token: String },
    #[error("nothing follows {flag:?}, write {flag}VALUE")]
    EmptyList { flag: String },
    #[error("{value:?} cannot be a value of {flag}, because it begins with a dash")]
    Dash { flag: String, value: String },
    #[error("unknown flag {flag:?}, did you mean {nearest}")]
    Unknown { flag: String, nearest: &'static str },
    #[error("no flag precedes {value:?}, write for example allow-read={value}")]
    NoFlag { value: String },
    #[error("{flag} alone means everything and takes no {value:?}, did you mean {flag}={value}")]
    AfterAll { flag: String, value: String },
    #[error("{flag} takes no value, but {value:?} follows it")]
    NoValue { flag: String, value: String },
    #[error("none must stand alone, remove it or every other flag")]
    NoneAndMore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    Allow(Permission),
    Deny(Permission),
    AllowAll,
    NoPrompt,
    /// Of what this server never gives.
    AllowNever,
    DenyNever,
}

const FLAGS: [(&str, Flag); 18] = [
    ("allow-read", Flag::Allow(Permission::Read)),
    ("allow-write", Flag::Allow(Permission::Write)),
    ("allow-net", Flag::Allow(Permission::Net)),
    ("allow-env", Flag::Allow(Permission::Env)),
    ("allow-run", Flag::Allow(Permission::Run)),
    ("deny-read", Flag::Deny(Permission::Read)),
    ("deny-write", Flag::Deny(Permission::Write)),
    ("deny-net", Flag::Deny(Permission::Net)),
    ("deny-env", Flag::Deny(Permission::Env)),
    ("deny-run", Flag::Deny(Permission::Run)),
    ("allow-all", Flag::AllowAll),
    ("no-prompt", Flag::NoPrompt),
    ("allow-sys", Flag::AllowNever),
    ("allow-ffi", Flag::AllowNever),
    ("allow-import", Flag::AllowNever),
    ("deny-sys", Flag::DenyNever),
    ("deny-ffi", Flag::DenyNever),
    ("deny-import", Flag::DenyNever),
];

/// A flag as it stands in the text.
#[derive(Debug, Clone, Copy)]
struct Written<'a> {
    flag: Flag,
    head: &'a str,
    value: Option<&'a str>,
}

enum Token<'a> {
    Flag(Written<'a>),
    Value(&'a str),
}

impl Grants {
    pub(crate) fn parse(text: &str) -> Result<Self, GrantsError> {
        let tokens = text.split([',', ';']).map(str::trim).filter(|token| !token.is_empty());
        let tokens: Vec<&str> = tokens.collect();
        if tokens.contains(&"none") {
            let alone = tokens.len() == 1;
            return if alone { Ok(Self::default()) } else { Err(GrantsError::NoneAndMore) };
        }
        let mut grants = Self::default();
        let mut last = None;
        for token in tokens {
            match Token::parse(token)? {
                Token::Flag(written) => {
                    grants.begin(written);
                    last = Some(written);
                }
                Token::Value(value) => grants.go_on(last, value)?,
            }
        }
        let written = std::mem::take(&mut grants.ungrantable);
        for flag in written {
            if !grants.ungrantable.contains(&flag) {
                grants.ungrantable.push(flag);
            }
        }
        Ok(grants)
    }

    /// The default: read and write one directory.
    pub(crate) fn workspace_only(workspace: &str) -> Self {
        let only = Rule { allow: Scope::Only(vec![workspace.to_owned()]), deny: Scope::Nothing };
        Self { read: only.clone(), write: only, ..Self::default() }
    }

    /// What allow-all means: everything but what is denied.
    pub(crate) fn grant_all(&mut self) {
        for rule in [&mut self.read, &mut self.write, &mut self.net, &mut self.env, &mut self.run] {
            rule.allow = Scope::All;
        }
    }

    /// The flags one by one, "--allow-read=/a,/b"; what programs see as PERMISSIONS.
    pub(crate) fn flags(&self) -> Vec<String> {
        let rules = [
            ("read", &self.read),
            ("write", &self.write),
            ("net", &self.net),
            ("env", &self.env),
            ("run", &self.run),
        ];
        let mut flags = Vec::new();
        if self.all {
            flags.push("--allow-all".to_owned());
        }
        for (name, rule) in rules {
            rule.allow.print(&format!("--allow-{name}"), &mut flags);
            rule.deny.print(&format!("--deny-{name}"), &mut flags);
        }
        flags.extend(self.ungrantable.iter().cloned());
        flags
    }

    fn begin(&mut self, written: Written<'_>) {
        let Written { flag, head, value } = written;
        match flag {
            Flag::Allow(permission) => self.rule(permission).allow.add(value),
            Flag::Deny(permission) => self.rule(permission).deny.add(value),
            Flag::AllowAll => self.all = true,
            Flag::AllowNever => self.ungrantable.push(match value {
                Some(value) => format!("{head}={value}"),
                None => head.to_owned(),
            }),
            Flag::NoPrompt | Flag::DenyNever => {}
        }
    }

    fn go_on(&mut self, last: Option<Written<'_>>, value: &str) -> Result<(), GrantsError> {
        let value_text = value.to_owned();
        let Some(last) = last else { return Err(GrantsError::NoFlag { value: value_text }) };
        let flag = last.head.trim_start_matches('-').to_owned();
        if !last.flag.takes_values() {
            return Err(GrantsError::NoValue { flag, value: value_text });
        }
        if last.value.is_none() {
            return Err(GrantsError::AfterAll { flag, value: value_text });
        }
        match last.flag {
            Flag::Allow(permission) => self.rule(permission).allow.add(Some(value)),
            Flag::Deny(permission) => self.rule(permission).deny.add(Some(value)),
            Flag::AllowNever => {
                if let Some(open) = self.ungrantable.last_mut() {
                    open.push(',');
                    open.push_str(value);
                }
            }
            Flag::DenyNever | Flag::AllowAll | Flag::NoPrompt => {}
        }
        Ok(())
    }

    fn rule(&mut self, permission: Permission) -> &mut Rule {
        match permission {
            Permission::Read => &mut self.read,
            Permission::Write => &mut self.write,
            Permission::Net => &mut self.net,
            Permission::Env => &mut self.env,
            Permission::Run => &mut self.run,
            Permission::Import | Permission::Tool => unreachable!("no flag is about them"),
        }
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = self.flags();
        if flags.is_empty() { f.write_str("none") } else { f.write_str(&flags.join(",")) }
    }
}

impl Scope {
    fn add(&mut self, value: Option<&str>) {
        let Some(value) = value else {
            *self = Self::All;
            return;
        };
        match self {
            Self::All => {}
            Self::Nothing => *self = Self::Only(vec![value.to_owned()]),
            Self::Only(list) => {
                if !list.iter().any(|known| known == value) {
                    list.push(value.to_owned());
                }
            }
        }
    }

    /// A value that alone would read as a flag gets a flag of its own.
    fn print(&self, flag: &str, flags: &mut Vec<String>) {
        match self {
            Self::Nothing => {}
            Self::All => flags.push(flag.to_owned()),
            Self::Only(values) => {
                for (index, value) in values.iter().enumerate() {
                    match flags.last_mut() {
                        Some(open) if index > 0 && is_value(value) => {
                            open.push(',');
                            open.push_str(value);
                        }
                        _ => flags.push(format!("{flag}={value}")),
                    }
                }
            }
        }
    }
}

impl Flag {
    fn takes_values(self) -> bool {
        !matches!(self, Self::AllowAll | Self::NoPrompt)
    }

    /// Deno's short flags are read without a dash only before a `=`.
    fn find(head: &str, has_value: bool) -> Option<Self> {
        let dashed = head.strip_prefix("--").or_else(|| head.strip_prefix('-'));
        let name = dashed.unwrap_or(head);
        if let Some((_, flag)) = FLAGS.iter().find(|(known, _)| *known == name) {
            return Some(*flag);
        }
        match head {
            "-A" => Some(Self::AllowAll),
            "-R" => Some(Self::Allow(Permission::Read)),
            "-W" => Some(Self::Allow(Permission::Write)),
            "-N" => Some(Self::Allow(Permission::Net)),
            "-E" => Some(Self::Allow(Permission::Env)),
            "R" if has_value => Some(Self::Allow(Permission::Read)),
            "W" if has_value => Some(Self::Allow(Permission::Write)),
            "N" if has_value => Some(Self::Allow(Permission::Net)),
            "E" if has_value => Some(Self::Allow(Permission::Env)),
            _ => None,
        }
    }
}

impl<'a> Token<'a> {
    fn parse(token: &'a str) -> Result<Self, GrantsError> {
        if token.chars().any(char::is_control) {
            return Err(GrantsError::Control { token: token.to_owned() });
        }
        let (head, value) = match token.split_once('=') {
            Some((head, value)) => (head.trim_end(), Some(value.trim_start())),
            None => (token, None),
        };
        let Some(flag) = Flag::find(head, value.is_some()) else {
            let like_a_flag = ["-", "allow-", "deny-"].iter().any(|start| head.starts_with(start));
            return if like_a_flag { Err(unknown(head)) } else { Ok(Self::Value(token)) };
        };
        if let Some(value) = value {
            check_value(flag, head, value)?;
        }
        Ok(Self::Flag(Written { flag, head, value }))
    }
}

fn check_value(flag: Flag, head: &str, value: &str) -> Result<(), GrantsError> {
    let (name, value) = (head.to_owned(), value.to_owned());
    if !flag.takes_values() {
        return Err(GrantsError::NoValue { flag: name, value });
    }
    if value.is_empty() {
        return Err(GrantsError::EmptyList { flag: format!("{name}=") });
    }
    if value.starts_with('-') {
        return Err(GrantsError::Dash { flag: name, value });
    }
    Ok(())
}

fn is_value(token: &str) -> bool {
    token != "none" && matches!(Token::parse(token), Ok(Token::Value(_)))
}

fn unknown(head: &str) -> GrantsError {
    let name = head.trim_start_matches('-');
    let names = FLAGS.iter().map(|(known, _)| (*known, *known));
    let nearest = nearest(name, names, |_| usize::MAX).unwrap_or("allow-read");
    GrantsError::Unknown { flag: head.to_owned(), nearest }
}

/// The absolute path that a grant means: `~` and `${userHome}` are the home
/// directory, and a relative path starts at the workspace.
pub(crate) fn expand_path(
    text: &str,
    home: Option<&Path>,
    workspace: &Path,
) -> Result<PathBuf, String> {
    if text.len() > MAX_PATH {
        return Err(format!("a path of {} bytes is longer than {MAX_PATH}", text.len()));
    }
    if text.is_empty() || text.contains('\0') {
        return Err(format!("{text:?} is not a path"));
    }
    let prefix = ["~", "${userHome}"].into_iter().find(|prefix| text.starts_with(prefix));
    let rest = prefix.map_or(text, |prefix| &text[prefix.len()..]);
    if rest.contains("${") {
        return Err(format!("{text:?}: only ${{userHome}}, at the beginning, is expanded"));
    }
    let path = match prefix {
        None => workspace.join(rest),
        Some(prefix) if rest.is_empty() || rest.starts_with('/') => {
            let home = home.ok_or_else(|| {
                format!("{text:?}: {prefix} has no meaning without HOME, write an absolute path")
            })?;
            home.join(rest.trim_start_matches('/'))
        }
        Some("~") => {
            return Err(format!("{text:?}: only ~ and ~/ are expanded, write an absolute path"));
        }
        Some(prefix) => return Err(format!("{text:?}: a / must follow {prefix}")),
    };
    if !path.is_absolute() {
        return Err(format!("{text:?} does not lead to an absolute path"));
    }
    let path = normalize(&path);
    let length = path.as_os_str().len();
    if length > MAX_PATH {
        return Err(format!("a path of {length} bytes is longer than {MAX_PATH}"));
    }
    Ok(path)
}

/// Lexical, for absolute paths: `..` of the root is the root.
pub(crate) fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn only(values: &[&str]) -> Scope {
        Scope::Only(values.iter().map(|value| (*value).to_owned()).collect())
    }

    fn error(text: &str) -> String {
        Grants::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn blank_text_and_none_grant_nothing() {
        for text in ["", "  ", ",;,", "none", " none ; "] {
            let grants = Grants::parse(text).unwrap();
            assert_eq!(grants, Grants::default());
            assert_eq!(grants.to_string(), "none");
        }
    }

    #[test]
    fn commas_semicolons_and_any_dashes_are_read() {
        let grants = Grants::parse("allow-read=/a, /b; -allow-net ;--deny-net=x.y:1").unwrap();
        assert_eq!(grants.read.allow, only(&["/a", "/b"]));
        assert_eq!(grants.net, Rule { allow: Scope::All, deny: only(&["x.y:1"]) });
        assert_eq!(
            grants.flags(),
            ["--allow-read=/a,/b", "--allow-net", "--deny-net=x.y:1"].map(str::to_owned)
        );
    }

    #[test]
    fn a_token_that_is_no_flag_continues_the_list() {
        assert_eq!(Grants::parse("allow-run=gh,git").unwrap().run.allow, only(&["gh", "git"]));
    }

    #[test]
    fn short_flags_need_a_dash_or_a_value() {
        let grants = Grants::parse("-R=/x,W=/y,-N,E=A").unwrap();
        assert_eq!(grants.read.allow, only(&["/x"]));
        assert_eq!(grants.write.allow, only(&["/y"]));
        assert_eq!(grants.net.allow, Scope::All);
        assert_eq!(grants.env.allow, only(&["A"]));
        assert_eq!(Grants::parse("allow-run=gh,R").unwrap().run.allow, only(&["gh", "R"]));
    }

    #[test]
    fn repeated_flags_merge_and_all_wins() {
        let grants = Grants::parse("allow-env=A,allow-env=B,A").unwrap();
        assert_eq!(grants.env.allow, only(&["A", "B"]));
        for text in ["allow-env=A,allow-env", "allow-env,allow-env=A,B"] {
            assert_eq!(Grants::parse(text).unwrap().env.allow, Scope::All);
        }
    }

    #[test]
    fn what_is_never_given_is_kept_to_warn_about() {
        let grants =
            Grants::parse("allow-sys=hostname,uid,--allow-ffi,deny-sys,no-prompt").unwrap();
        assert_eq!(grants.ungrantable, ["allow-sys=hostname,uid", "--allow-ffi"]);
        assert!(!grants.all);
        assert!(Grants::parse("-A").unwrap().all);
    }

    #[test]
    fn an_unknown_flag_names_the_nearest() {
        assert_eq!(error("allow-raed=/x"), "unknown flag \"allow-raed\", did you mean allow-read");
        assert_eq!(error("--deny-nets"), "unknown flag \"--deny-nets\", did you mean deny-net");
    }

    #[test]
    fn a_value_after_a_flag_that_is_everything_is_an_error() {
        assert!(error("allow-run,git").ends_with("did you mean allow-run=git"));
    }

    #[test]
    fn values_without_a_place_are_errors() {
        for text in [
            "/x",
            "R",
            "allow-read=",
            "allow-read= ,/x",
            "allow-read=-x",
            "allow-all=x",
            "no-prompt,x",
            "none,allow-read",
            "allow-run=a,none",
            "allow-read=/a\0b",
            "allow-read=/a\nb",
            "---allow-read",
        ] {
            assert!(Grants::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn home_and_relative_paths_expand() {
        let expand = |text| expand_path(text, Some(Path::new("/home/u")), Path::new("/ws"));
        for (text, path) in [
            ("~", "/home/u"),
            ("~/", "/home/u"),
            ("~//x/", "/home/u/x"),
            ("${userHome}", "/home/u"),
            ("${userHome}/a/../b", "/home/u/b"),
            ("data", "/ws/data"),
            (".", "/ws"),
            ("../x", "/x"),
            ("/../..//a/./b/", "/a/b"),
        ] {
            assert_eq!(expand(text), Ok(PathBuf::from(path)), "{text}");
        }
        for text in ["~root", "~root/x", "${userHome}x", "${HOME}/x", "/a/${userHome}", "", "a\0"] {
            assert!(expand(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_without_home_or_too_long_is_an_error() {
        assert!(expand_path("~/x", None, Path::new("/ws")).is_err());
        assert!(expand_path("x", None, Path::new("ws")).is_err());
        let long = format!("/{}", "a/".repeat(MAX_PATH));
        assert!(expand_path(&long, None, Path::new("/ws")).is_err());
        let relative = "a".repeat(MAX_PATH);
        assert!(expand_path(&relative, None, Path::new("/ws")).is_err());
    }

    fn value() -> impl Strategy<Value = String> {
        let tricky = prop::sample::select(vec!["none", "R=x", "R=", "allow-net", "no-prompt", "="]);
        let any = "[!-~äß][ -~]{0,10}".prop_map(|text| text.replace([',', ';'], "_"));
        prop_oneof![tricky.prop_map(str::to_owned), any]
            .prop_map(|text| text.trim().to_owned())
            .prop_filter("not a value", |text| !text.is_empty() && !text.starts_with('-'))
    }

    fn scope() -> impl Strategy<Value = Scope> {
        let list = prop::collection::vec(value(), 1..4).prop_map(|values| {
            let mut scope = Scope::Nothing;
            values.iter().for_each(|value| scope.add(Some(value)));
            scope
        });
        prop_oneof![Just(Scope::Nothing), Just(Scope::All), list]
    }

    fn rule() -> impl Strategy<Value = Rule> {
        (scope(), scope()).prop_map(|(allow, deny)| Rule { allow, deny })
    }

    fn grants() -> impl Strategy<Value = Grants> {
        let never = vec!["--allow-sys".to_owned(), "allow-ffi=/a,/b".to_owned()];
        let never = prop::sample::subsequence(never, 0..=2);
        (rule(), rule(), rule(), rule(), rule(), never, any::<bool>()).prop_map(
            |(read, write, net, env, run, ungrantable, all)| Grants {
                read,
                write,
                net,
                env,
                run,
                ungrantable,
                all,
            },
        )
    }

    fn soup() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec![
            "allow-run=gh",
            "-R=/x",
            "--deny-net",
            "allow-sys=a",
            "no-prompt",
            "-A",
            "none",
            "git",
        ]);
        let token = prop_oneof![known.prop_map(str::to_owned), "[a-zR=~/ -]{0,8}"];
        prop::collection::vec(token, 0..6).prop_map(|tokens| tokens.join(","))
    }

    proptest! {
        #[test]
        fn printed_grants_parse_to_the_same(grants in grants()) {
            prop_assert_eq!(Grants::parse(&grants.to_string()), Ok(grants));
        }

        #[test]
        fn what_parses_prints_to_what_parses_to_the_same(
            text in prop_oneof![soup(), "(?s).{0,40}", "(--)?allow-(read|run)=(?s).{0,40}"]
        ) {
            if let Ok(grants) = Grants::parse(&text) {
                prop_assert_eq!(Grants::parse(&grants.to_string()), Ok(grants));
            }
        }

        #[test]
        fn an_expanded_path_is_absolute_and_normal(text in "(?s)[~/.a${}é]{0,20}") {
            let home = Path::new("/home/u");
            if let Ok(path) = expand_path(&text, Some(home), Path::new("/ws")) {
                prop_assert!(path.is_absolute());
                prop_assert_eq!(normalize(&path), path);
            }
        }
    }
}
