//! The tables of docs/configuration.md are made from the tables of settings.
//!
//! `UPDATE_DOCS=1 cargo test --release --lib config::documentation` writes them.

use std::path::Path;

use super::Config;
use super::entry::{Applies, Scope, Standard, Variable};
use super::form::{Form, MAX_MILLIS, Unit};
use super::variables::{self, GROUPS};

const CONFIGURATION: &str = include_str!("../../docs/configuration.md");
const OPERATIONS: &str = include_str!("../../docs/operations.md");
/// The texts of `--help` are here.
const COMMAND_LINE: &str = include_str!("../cli/mod.rs");

const HEAD: &str = "| key | variable | default | values | meaning |\n|---|---|---|---|---|\n";

/// Behind a table.
const END: &str = "<!-- end of the table -->";

/// Before the table of a group.
fn begin(group: &str) -> String {
    format!("<!-- the settings of {group}, from src/config/variables/{group}.rs -->\n")
}

fn table(entries: &[Variable]) -> String {
    let settings = entries.iter().filter(|entry| !matches!(entry.scope, Scope::Alias(_)));
    std::iter::once(HEAD.to_owned()).chain(settings.map(row)).collect()
}

fn row(variable: &Variable) -> String {
    let principal = if variable.scope == Scope::Principal { " (P)" } else { "" };
    let restart = if variable.applies == Applies::AtReload { "" } else { " (R)" };
    format!(
        "| `{}`{principal}{restart} | `{}` | {} | {} | {} |\n",
        variable.key(),
        variable.name,
        default(variable),
        values(&variable.form),
        variable.meaning
    )
}

fn default(variable: &Variable) -> String {
    match variable.default {
        Standard::Number(number) => number.to_string(),
        Standard::Flag(yes) => yes.to_string(),
        Standard::Text(text) => format!("`\"{text}\"`"),
        Standard::PerCore(number) => format!("{number} a core"),
        Standard::InHome(path) => format!("`~/{path}`"),
        Standard::Unset if matches!(variable.form, Form::List { .. } | Form::Packages(_)) => {
            "`[]`".into()
        }
        Standard::Unset => "none".into(),
        Standard::Means(text) => text.into(),
    }
}

fn values(form: &Form) -> String {
    match form {
        Form::Millis(_) => format!("1 to {MAX_MILLIS} ms"),
        Form::Number { min, max, unit: Unit::One, .. } => format!("{min} to {max}"),
        Form::Number { min, max, unit: Unit::Bytes, .. } => format!("{min} to {max} bytes"),
        Form::Number { min, max, unit: Unit::MiB, .. } => format!("{min} to {max} MiB"),
        Form::Number { min, max, unit: Unit::Millis, .. } => format!("{min} to {max} ms"),
        Form::Flag(_) => "true or false".into(),
        Form::Choice { of, .. } => {
            let words: Vec<_> = of.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(" or ")
        }
        Form::Path(_) | Form::Directory(_) => "absolute path".into(),
        Form::Address(_) => "IP address".into(),
        Form::Text { .. } => "text".into(),
        Form::List { .. } => "list of strings".into(),
        Form::Packages(_) => "list of packages".into(),
        Form::Grants(_) => "text, or list of flags".into(),
        Form::Headers(_) => "table of hosts, each with a table of headers".into(),
    }
}

/// The documentation with the tables as they should be.
fn with_tables(text: &str) -> String {
    GROUPS.iter().fold(text.to_owned(), |text, (group, entries)| {
        let begin = begin(group);
        let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
        let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("no end of {group}"));
        format!("{before}{begin}{}{END}{after}", table(entries))
    })
}

#[test]
fn the_documentation_has_the_tables_of_the_settings() {
    let expected = with_tables(CONFIGURATION);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
        std::fs::write(path, expected).unwrap();
        return;
    }
    let differ = |(line, expected): &(&str, &str)| line != expected;
    let first = CONFIGURATION.lines().zip(expected.lines()).find(differ);
    assert!(
        CONFIGURATION == expected,
        "docs/configuration.md is not as src/config/variables has it; run the test again with \
         UPDATE_DOCS=1. The first line that differs, and what it should be: {first:#?}"
    );
}

#[test]
fn the_documentation_says_what_each_flag_stands_for() {
    for variable in variables::all() {
        let Some(flag) = variable.flag else { continue };
        let says = |line: &&str| {
            line.contains(&format!("`{flag} ")) && line.contains(&format!("`{}`", variable.name))
        };
        assert!(CONFIGURATION.lines().any(|line| says(&line)), "{flag}");
    }
}

#[test]
fn the_command_line_says_what_each_flag_stands_for() {
    for variable in variables::all().iter().filter(|variable| variable.flag.is_some()) {
        let stands_for = format!("instead of {}.\n", variable.name);
        assert!(COMMAND_LINE.contains(&stands_for), "{}", variable.name);
    }
}

#[test]
fn what_needs_a_restart_is_named_where_reloading_is_explained() {
    let row =
        OPERATIONS.lines().find(|line| line.contains("it takes effect after a restart")).unwrap();
    for variable in variables::of_the_file() {
        let is_named = row.contains(&format!("`{}`", variable.key()));
        assert_eq!(is_named, variable.applies != Applies::AtReload, "{}", variable.name);
    }
}

/// The numbers that this server has had from the start: a slip in the table would change
/// them without anything else being wrong.
#[test]
fn the_defaults_are_these() {
    let shown = |key: &str| {
        let variable = variables::of_the_file().find(|variable| variable.key() == key).unwrap();
        variable.form.shown(&Config::default()).map(|value| value.to_string())
    };
    for (key, expected) in [
        ("default_timeout", "30000"),
        ("max_timeout", "300000"),
        ("unfinished_grace", "1000"),
        ("max_cpu_time", "10000"),
        ("max_memory", "256"),
        ("max_output_size", "1048576"),
        ("max_return_size", "262144"),
        ("max_return_depth", "100"),
        ("max_queue", "256"),
        ("max_queue_wait", "60000"),
        ("isolate", "\"warm\""),
        ("max_write_size", "536870912"),
        ("max_new_files", "10000"),
        ("max_open_files", "256"),
        ("max_fetch_size", "268435456"),
        ("max_connections", "32"),
        ("max_command_output", "16777216"),
        ("max_tool_calls", "1000"),
        ("max_tool_result", "8388608"),
        ("conversation_ttl", "3600000"),
        ("max_conversations", "100"),
        ("learn", "\"on\""),
        ("store_size", "256"),
        ("packages.allowed", "[]"),
        ("packages.auto", "false"),
        ("packages.min_age", "259200000"),
        ("unsafe_allow_all", "false"),
        ("unsafe_run_without_landlock", "false"),
        ("bind", "\"127.0.0.1\""),
        ("port", "3001"),
        ("allowed_hosts", "[]"),
        ("max_body_size", "16777216"),
        ("max_clients", "4096"),
        ("max_sessions", "1000"),
        ("idempotency_ttl", "600000"),
        ("drain_timeout", "8000"),
        ("rate_limit", "0"),
        ("rate_burst", "0"),
        ("principal_concurrent", "0"),
        ("principal_queue", "0"),
        ("metrics", "true"),
        ("unsafe_no_auth", "false"),
    ] {
        assert_eq!(shown(key).as_deref(), Some(expected), "{key}");
    }
    for key in [
        "time_zone",
        "run_args",
        "fetch_headers",
        "audit_log",
        "store",
        "replica",
        "mcp_config",
        "packages.npmrc",
        "packages.pypi_index",
        "public_url",
        "tokens",
        "oauth_issuer",
        "oauth_audience",
        "oauth_jwks",
    ] {
        assert_eq!(shown(key), None, "{key}");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(Config::default().max_concurrent(), 16 * cores);
    assert_eq!(Config::default().standby(), 2 * cores);
    assert!(Config::default().workspace().ends_with(".mcp-conductor/workspace"));
    let install_dir = Config::default().install_dir().map(Path::to_owned).unwrap();
    assert!(install_dir.ends_with(".mcp-conductor/installed"));
}
