//! The configuration as it is understood, for `config check`: a config file again,
//! with the origin of each setting and without secrets.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use super::entry::Variable;
use super::environment::{RUN_ARGS, WORKSPACE};
use super::file::{toml_key, toml_text};
use super::form::Form;
use super::precedence::{self, Origin, Settings, Sources};
use super::principals::Section;
use super::settings::is_reference;
use super::variables;
use super::{Config, ConfigError};

/// Stands for a secret.
const HIDDEN: &str = "***";

/// Column of the comments.
const COMMENTS: usize = 48;

impl Config {
    /// What [`Self::load`] makes of `sources`, as a config file in TOML: each setting
    /// with where it comes from, then the principals. Values that can be secrets are
    /// hidden.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(sources: &Sources) -> Result<String, ConfigError> {
        precedence::load(sources).map(|settings| shown(&settings))
    }
}

pub(super) fn shown(settings: &Settings) -> String {
    let mut text = String::new();
    for variable in variables::of_the_file() {
        let value = variable.form.shown(&settings.config);
        line(&mut text, variable, value, &origin(settings, variable));
    }
    for (name, section) in &settings.config.principals.sections {
        // Writing to a String does not fail.
        let _ = writeln!(text, "\n[principals.{}]", toml_key(name));
        section_lines(&mut text, settings, section);
    }
    text
}

fn section_lines(text: &mut String, settings: &Settings, section: &Section) {
    if let Some(subject) = &section.subject {
        let _ = writeln!(text, "subject = {}", toml_text(&subject.as_str().into()));
    }
    match &section.tools {
        Some(tools) => {
            let _ = writeln!(text, "tools = {}", toml_text(&tools.as_slice().into()));
        }
        None => text.push_str("# tools is not set: every tool\n"),
    }
    if let Some(packages) = &section.packages {
        let _ = writeln!(text, "packages = {}", toml_text(&packages.as_slice().into()));
    }
    for (variable, given) in &section.settings {
        line(text, variable, Some(given.to_json()), "");
    }
    for name in [WORKSPACE, RUN_ARGS] {
        if let Some(variable) = variables::named(name).filter(|_| !section.has(name)) {
            let mut inherited = String::new();
            line(&mut inherited, variable, variable.form.shown(&settings.config), "the server's");
            let _ = writeln!(text, "# {}", inherited.trim_start_matches("# ").trim_end());
        }
    }
}

/// A setting with a comment.
fn line(text: &mut String, variable: &Variable, value: Option<Json>, comment: &str) {
    let key = variable.key();
    let Some(value) = value else {
        let _ = writeln!(text, "# {key} is not set");
        return;
    };
    let setting = format!("{key} = {}", toml_text(&without_secrets(variable, value)));
    let _ = if comment.is_empty() {
        writeln!(text, "{setting}")
    } else {
        writeln!(text, "{setting:COMMENTS$} # {comment}")
    };
}

fn origin(settings: &Settings, variable: &Variable) -> String {
    match settings.origin(variable) {
        Origin::Default => "default".to_owned(),
        Origin::Environment(name) => format!("environment {name}"),
        Origin::Flag(flag) => format!("flag {flag}"),
        Origin::File(_) => {
            let path = settings.file.as_ref().map(|file| file.path.display().to_string());
            format!("file {}", path.unwrap_or_default().escape_debug())
        }
    }
}

fn without_secrets(variable: &Variable, value: Json) -> Json {
    match (&variable.form, value) {
        (Form::Headers(_), Json::Object(hosts)) => {
            Json::Object(hosts.into_iter().map(|(host, value)| (host, hidden(value))).collect())
        }
        (Form::Headers(_), _) => HIDDEN.into(),
        (Form::Text { .. }, Json::String(text)) => without_key(&text).into(),
        (_, value) => value,
    }
}

/// The headers of a host: names, and the names of variables.
fn hidden(headers: Json) -> Json {
    let Json::Object(headers) = headers else { return HIDDEN.into() };
    let keep = |value: Json| match value {
        Json::String(text) if is_reference(&text) => text.into(),
        _ => Json::from(HIDDEN),
    };
    let headers: Map<String, Json> =
        headers.into_iter().map(|(name, value)| (name, keep(value))).collect();
    Json::Object(headers)
}

/// The user and the query of a URL can hold a key.
fn without_key(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = match rest.split_once(['?', '#']) {
        Some((rest, _)) => (rest, format!("?{HIDDEN}")),
        None => (rest, String::new()),
    };
    let (host, path) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
    let host = match host.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => host.to_owned(),
    };
    format!("{scheme}://{host}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::super::environment::{MAX_MEMORY, MAX_TIMEOUT, PORT, PROXY_CONFIG};
    use super::super::fixture::{Directory, read, read_toml};
    use super::*;

    fn line_of(text: &str, key: &str) -> String {
        let start = format!("{key} = ");
        let found = text.lines().find(|line| line.starts_with(&start)).unwrap_or("none");
        found.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_setting_is_shown_with_where_it_comes_from() {
        let directory = Directory::new();
        let path = directory.write("c.toml", "max_cpu_time = 5000\nmax_memory = 64\n");
        let file = path.display().to_string();
        let environment = [(MAX_MEMORY, "128"), (PROXY_CONFIG, "/a.json"), (MAX_TIMEOUT, "1000")];
        let text = shown(&read(Some(path), &environment, &[(PORT, "0")]).unwrap());
        for (key, expected) in [
            ("max_cpu_time", format!("max_cpu_time = 5000 # file {file}")),
            ("max_memory", "max_memory = 128 # environment MCP_CONDUCTOR_MAX_MEMORY".into()),
            (
                "mcp_config",
                "mcp_config = \"/a.json\" # environment MCP_CONDUCTOR_PROXY_CONFIG".into(),
            ),
            (
                "default_timeout",
                "default_timeout = 1000 # environment MCP_CONDUCTOR_MAX_TIMEOUT".into(),
            ),
            ("port", "port = 0 # flag --port".into()),
            ("max_queue", "max_queue = 256 # default".into()),
            ("audit_log", "none".into()),
        ] {
            assert_eq!(line_of(&text, key), expected);
        }
        assert!(text.contains("\n# audit_log is not set\n"), "{text}");
    }

    const SECRETS: &str = r#"
oauth_jwks = "https://a.example/jwks?key=canary"
oauth_issuer = "https://a.example"
[fetch_headers."a.b"]
one = "Bearer canary"
two = "Bearer env:TOKEN"
three = "env:TOKEN-canary"
[principals.alice.fetch_headers."c.d"]
four = "canary"
"#;

    #[test]
    fn what_can_be_a_secret_is_hidden() {
        let text = shown(&read_toml(SECRETS).unwrap());
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(
            line_of(&text, "fetch_headers").split(" # ").next().unwrap(),
            "fetch_headers = { \"a.b\" = { one = \"***\", three = \"***\", two = \"Bearer \
             env:TOKEN\" } }"
        );
        assert!(text.contains("\nfetch_headers = { \"c.d\" = { four = \"***\" } }\n"), "{text}");
        let keys = line_of(&text, "oauth_jwks");
        assert!(keys.starts_with("oauth_jwks = \"https://a.example/jwks?***\" # "), "{keys}");
    }

    #[test]
    fn of_a_url_the_user_and_the_query_are_hidden() {
        for (text, expected) in [
            ("https://u:canary@a.b/x?canary", "https://***@a.b/x?***"),
            ("https://canary@u@a.b", "https://***@a.b"),
            ("https://a.b/@x#canary", "https://a.b/@x?***"),
            ("https://a.b:1/x", "https://a.b:1/x"),
            ("/srv/keys?.json", "/srv/keys?.json"),
        ] {
            assert_eq!(without_key(text), expected);
        }
    }

    #[test]
    fn what_a_reader_would_not_see_is_escaped() {
        let text = "workspace = '/srv/a\u{202e}b'\n[principals.a]\nsubject = 's\u{200b}'\n";
        let text = shown(&read_toml(text).unwrap());
        assert!(text.contains(r#""/srv/a\u202Eb""#) && text.contains(r#""s\u200B""#), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{200b}']), "{text:?}");
    }

    #[test]
    fn a_principal_is_shown_with_what_it_has_and_what_it_inherits() {
        let text = "workspace = \"/srv/w\"\n[principals.\"a.b\"]\nsubject = 's\"#'\n\
            max_memory = 64\n[principals.\"*\"]\nrun_args = \"none\"\ntools = []\n";
        let shown = shown(&read_toml(text).unwrap());
        let sections = &shown[shown.find("\n[principals").unwrap()..];
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            sections.lines().map(words).collect::<Vec<_>>(),
            [
                "",
                "[principals.\"*\"]",
                "tools = []",
                "run_args = \"none\"",
                "# workspace = \"/srv/w\" # the server's",
                "",
                "[principals.\"a.b\"]",
                "subject = \"s\\\"#\"",
                "# tools is not set: every tool",
                "max_memory = 64",
                "# workspace = \"/srv/w\" # the server's",
                "# run_args is not set",
            ]
        );
    }

    #[test]
    fn what_is_shown_can_be_loaded_again_and_is_shown_the_same() {
        let text = "max_memory = 64\nallowed_hosts = [\"a.example\"]\nmetrics = false\n\
            run_args = [\"allow-net\"]\n[fetch_headers.\"a.b\"]\nx = \"env:TOKEN\"\n\
            [principals.alice]\ntools = [\"mcp__a__*\"]\nmax_memory = 32\n";
        let settings = |text: &str| {
            let shown = shown(&read_toml(text).unwrap());
            // Where it comes from is another place.
            shown
                .lines()
                .map(|line| line.split(" # ").next().unwrap().trim().to_owned())
                .collect::<Vec<_>>()
        };
        let once = settings(text);
        assert_eq!(settings(&once.join("\n")), once);
    }
}
