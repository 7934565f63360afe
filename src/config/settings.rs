//! From the places where settings come from to one [`Config`]: a flag of the command
//! line stands above the environment, that above the config file, that above the
//! default.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::credentials::{Credentials, name_length};
use super::environment::{
    BIND, DEFAULT_TIMEOUT, FETCH_HEADERS, MAX_TIMEOUT, PORT, TIME_ZONE, TZ, UPSTREAM,
};
use super::file::{Entry, File, MAX_QUOTED, Value, below};
use super::lists::Lists;
use super::principals::Principals;
use super::variables::{self, Form, Given, Scope, Variable};
use super::{Config, ConfigError, servers, time_zone};
use crate::private_file::check_writers;
use crate::text::clip::head;
use crate::text::near;

/// What stands above the environment and below it.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The config file.
    pub file: Option<PathBuf>,
    /// Flags of the command line: the name of the variable that each stands for, and
    /// its text, such as `("MCP_CONDUCTOR_PORT", "8080")`.
    pub flags: Vec<(&'static str, String)>,
}

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    /// At this byte.
    File(Option<usize>),
    Environment(&'static str),
    /// The flag that stands for this variable.
    Flag(&'static str),
}

impl Origin {
    /// Higher ones win.
    fn rank(self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(_) => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

/// What is around the process.
pub(super) struct Surroundings<'a> {
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    pub home: Option<PathBuf>,
}

impl Surroundings<'_> {
    /// A variable whose value is text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name)?.into_string().ok()
    }
}

/// A configuration and where it comes from.
#[derive(Debug)]
pub(super) struct Settings {
    pub config: Config,
    pub file: Option<File>,
    origins: HashMap<&'static str, Origin>,
}

/// Reads everything of this process.
///
/// # Errors
/// The first setting that cannot be used.
pub(super) fn load(sources: &Sources) -> Result<Settings, ConfigError> {
    let variable = |name: &str| std::env::var_os(name);
    resolve(sources, &Surroundings { variable: &variable, home: std::env::home_dir() })
}

/// As [`load`], from given surroundings.
pub(super) fn resolve(
    sources: &Sources,
    surroundings: &Surroundings<'_>,
) -> Result<Settings, ConfigError> {
    let file = sources.file.as_deref().map(File::read).transpose()?;
    if let Some(file) = &file {
        let problem =
            |problem| ConfigError::new(file.path.display().to_string(), problem, String::new());
        for warning in check_writers(&file.path).map_err(problem)? {
            tracing::warn!("{}: {warning}", file.path.display());
        }
    }
    let mut settings = Settings { config: Config::default(), file: None, origins: HashMap::new() };
    if let Some(file) = &file {
        settings.read_file(file)?;
        let path = std::path::absolute(&file.path);
        settings.config.config_file = Some(path.unwrap_or_else(|_| file.path.clone()));
    }
    settings.file = file;
    settings.read_environment(surroundings)?;
    settings.read_flags(&sources.flags)?;
    settings.settle_timeouts()?;
    settings.settle_time_zone(surroundings)?;
    settings.add_default_servers(surroundings);
    settings.check_headers(surroundings)?;
    settings.config.validate()?;
    if let Some(file) = &settings.file {
        let principals = Principals::read(&settings.config, file, surroundings)?;
        for warning in principals.warnings(&settings.config) {
            tracing::warn!("{}: {warning}", file.path.display());
        }
        settings.config.principals = Arc::new(principals);
    }
    settings.read_lists(surroundings);
    Ok(settings)
}

impl Settings {
    /// Where the setting of a variable comes from.
    pub(super) fn origin(&self, variable: &Variable) -> Origin {
        self.origins.get(canonical(variable)).copied().unwrap_or(Origin::Default)
    }

    fn read_file(&mut self, file: &File) -> Result<(), ConfigError> {
        for entry in &file.entries {
            if is_no_setting(entry) {
                continue;
            }
            let found = variables::of_the_file().find(|variable| variable.key() == entry.key);
            let variable = found.ok_or_else(|| unknown_key(file, entry))?;
            let given = file_value(file, "", variable, entry)?;
            check_open_file(file, "", variable, entry, &given)?;
            self.config = set(file, "", variable, entry, self.config.clone(), given)?;
            self.origins.insert(variable.name, Origin::File(entry.at));
        }
        Ok(())
    }

    fn read_environment(&mut self, surroundings: &Surroundings<'_>) -> Result<(), ConfigError> {
        for variable in variables::all() {
            let Some(value) = (surroundings.variable)(variable.name) else { continue };
            let error =
                |problem: String| ConfigError::variable(variable.name, problem, variable.example);
            let text = value.to_str().ok_or_else(|| error("the value is no UTF-8".into()))?;
            self.config = variable.set_text(self.config.clone(), text.trim()).map_err(error)?;
            self.origins.insert(canonical(variable), Origin::Environment(variable.name));
        }
        Ok(())
    }

    fn read_flags(&mut self, flags: &[(&'static str, String)]) -> Result<(), ConfigError> {
        for (name, text) in flags {
            let variable = variables::named(name).ok_or_else(|| {
                ConfigError::new((*name).to_owned(), "no such setting", String::new())
            })?;
            let set = variable.set_text(self.config.clone(), text.trim());
            self.config = set.map_err(|problem| flag_error(variable, problem, variable.example))?;
            self.origins.insert(canonical(variable), Origin::Flag(variable.name));
        }
        Ok(())
    }

    /// A maximum that comes from higher up than the default timeout lowers it.
    fn settle_timeouts(&mut self) -> Result<(), ConfigError> {
        let (default, max) = (self.config.default_timeout, self.config.max_timeout);
        if default <= max {
            return Ok(());
        }
        let [default_origin, max_origin] = [DEFAULT_TIMEOUT, MAX_TIMEOUT]
            .map(|name| self.origins.get(name).copied().unwrap_or(Origin::Default));
        if default_origin.rank() < max_origin.rank() {
            self.config.default_timeout = max;
            self.origins.insert(DEFAULT_TIMEOUT, max_origin);
            return Ok(());
        }
        let (default, max) = (default.as_millis(), max.as_millis());
        let set = if max_origin == Origin::Default { default_origin } else { max_origin };
        let maximum = match set {
            Origin::File(_) => "max_timeout".to_owned(),
            Origin::Flag(_) => flag_of(MAX_TIMEOUT),
            Origin::Environment(_) | Origin::Default => MAX_TIMEOUT.to_owned(),
        };
        let problem = format!("{default} ms is more than {maximum}, which is {max} ms");
        Err(self.error(DEFAULT_TIMEOUT, problem, &json!(max as u64)))
    }

    /// Without a setting, the time zone is that of the server's environment.
    fn settle_time_zone(&mut self, surroundings: &Surroundings<'_>) -> Result<(), ConfigError> {
        let Some(text) = surroundings.text(TZ).filter(|_| self.config.time_zone.is_none()) else {
            return Ok(());
        };
        let error = |problem| ConfigError::variable(TZ, problem, "Europe/Berlin");
        match time_zone::of_system(&text).map_err(error)? {
            Some(zone) => {
                self.config.time_zone = Some(zone);
                self.origins.insert(TIME_ZONE, Origin::Environment(TZ));
            }
            None => tracing::warn!(
                "{TZ}: {text:?} says no name of a time zone: programs have UTC. Set {TIME_ZONE}, \
                 for example {TIME_ZONE}=Europe/Berlin"
            ),
        }
        Ok(())
    }

    fn add_default_servers(&mut self, surroundings: &Surroundings<'_>) {
        // A server that is itself the upstream of one would start itself for ever.
        let is_upstream = (surroundings.variable)(UPSTREAM).is_some();
        if self.config.mcp_config.is_none() && !is_upstream {
            self.config.mcp_config = surroundings.home.as_deref().and_then(servers::default_file);
        }
    }

    fn read_lists(&mut self, surroundings: &Surroundings<'_>) {
        let files = self.config.mcp_config.clone().into_iter();
        let files = files.chain(self.config.principals.files());
        self.config.lists = Arc::new(Lists::read(files, &|name| surroundings.text(name)));
    }

    fn check_headers(&self, surroundings: &Surroundings<'_>) -> Result<(), ConfigError> {
        let example = json!({"api.example.com": {"authorization": "Bearer env:TOKEN"}});
        check_headers(&self.config, surroundings)
            .map_err(|problem| self.error(FETCH_HEADERS, problem, &example))
    }

    /// A problem with a setting, with the name that it has where it comes from.
    fn error(&self, name: &'static str, problem: String, example: &Json) -> ConfigError {
        let text = match example {
            Json::String(text) => text.clone(),
            // As a person writes it, and as the documentation has it.
            Json::Object(_) => example.to_string().replace("\":", "\": "),
            other => other.to_string(),
        };
        let origin = self.origins.get(name).copied().unwrap_or(Origin::Default);
        match (origin, &self.file, variables::named(name)) {
            (Origin::File(at), Some(file), Some(variable)) => {
                let key = variable.key();
                file.error(at, format!("{key}: {problem}"), file.setting(&key, example))
            }
            (Origin::Flag(_), _, Some(variable)) => flag_error(variable, problem, &text),
            _ => ConfigError::variable(name, problem, &text),
        }
    }
}

/// The name of the setting that a variable sets.
fn canonical(variable: &Variable) -> &'static str {
    match variable.scope {
        Scope::Alias(of) => of,
        Scope::Server | Scope::Principal => variable.name,
    }
}

/// The command line's name of a setting.
pub(super) fn flag_of(name: &'static str) -> String {
    match name {
        DEFAULT_TIMEOUT => "--timeout".into(),
        MAX_TIMEOUT => "--max-timeout".into(),
        BIND => "--bind".into(),
        PORT => "--port".into(),
        other => other.to_owned(),
    }
}

fn flag_error(variable: &Variable, problem: String, example: &str) -> ConfigError {
    let flag = flag_of(variable.name);
    let example = format!("{flag} {example}");
    ConfigError::new(flag, problem, example)
}

/// The sections, and what editors look for.
fn is_no_setting(entry: &Entry) -> bool {
    entry.key == "principals" || (entry.key == "$schema" && matches!(entry.value, Value::Text(_)))
}

/// The value of an entry, if it has the type of the variable.
///
/// # Errors
/// Which type it must have, or what is wrong with the value.
pub(super) fn file_value(
    file: &File,
    above: &str,
    variable: &Variable,
    entry: &Entry,
) -> Result<Given, ConfigError> {
    let form = &variable.form;
    let read = match (form, &entry.value) {
        (Form::Millis { .. } | Form::Number { .. }, Value::Number(text)) => Some(form.parse(text)),
        (Form::Flag { .. }, Value::Flag(yes)) => Some(Ok(Given::Flag(*yes))),
        (
            Form::Choice { .. } | Form::Path { .. } | Form::Text { .. } | Form::Grants,
            Value::Text(text),
        ) => Some(form.parse(text)),
        (Form::List { .. } | Form::Grants, value) => value.texts().map(|t| Ok(Given::List(t))),
        (Form::Headers, value) => {
            value.tables_of_texts().map(|json| Ok(Given::Headers(json.to_string())))
        }
        _ => None,
    };
    let (kind, expected) = (entry.value.kind(), form.expected());
    let read = read.ok_or_else(|| {
        let path = below(above, &entry.key);
        let problem = match &entry.value {
            Value::List(_) | Value::Table(_)
                if matches!(form, Form::List { .. } | Form::Headers) =>
            {
                format!("{path} must be {expected}")
            }
            _ => format!("{path} is {kind}, and must be {expected}"),
        };
        file.error(entry.at, problem, example_of(file, variable))
    })?;
    read.map_err(|problem| value_error(file, above, variable, entry, &problem))
}

/// `config` with what an entry gives.
///
/// # Errors
/// What is wrong with the value.
pub(super) fn set(
    file: &File,
    above: &str,
    variable: &Variable,
    entry: &Entry,
    config: Config,
    given: Given,
) -> Result<Config, ConfigError> {
    variable
        .form
        .set(config, given)
        .map_err(|problem| value_error(file, above, variable, entry, &problem))
}

fn value_error(
    file: &File,
    above: &str,
    variable: &Variable,
    entry: &Entry,
    problem: &str,
) -> ConfigError {
    let problem = format!("{}: {problem}", below(above, &entry.key));
    file.error(entry.at, problem, example_of(file, variable))
}

/// A setting that works, as the file would have it.
pub(super) fn example_of(file: &File, variable: &Variable) -> String {
    file.setting(&variable.key(), &variable.file_example())
}

/// Refuses a secret in a file that others than its owner can read.
///
/// # Errors
/// What to do about it.
pub(super) fn check_open_file(
    file: &File,
    above: &str,
    variable: &Variable,
    entry: &Entry,
    given: &Given,
) -> Result<(), ConfigError> {
    if !file.is_open_to_others || !has_secret(given) {
        return Ok(());
    }
    let problem = "a value is not env:NAME, and others than the file's owner can read it; \
                   write env:NAME, or do chmod 600";
    Err(value_error(file, above, variable, entry, problem))
}

fn has_secret(given: &Given) -> bool {
    let Given::Headers(_) = given else { return false };
    let hosts = given.to_json();
    let texts = hosts.as_object().into_iter().flat_map(|hosts| hosts.values());
    let texts = texts.filter_map(Json::as_object).flat_map(|headers| headers.values());
    texts.filter_map(Json::as_str).any(|text| !is_reference(text))
}

/// Whether a value of a header holds nothing but names of variables, after the name of
/// a scheme such as Bearer.
pub(super) fn is_reference(text: &str) -> bool {
    const SCHEMES: [&str; 4] = ["Bearer", "Basic", "Token", "token"];
    let is_variable = |word: &str| {
        let name = word.strip_prefix("env:");
        name.is_some_and(|name| !name.is_empty() && name_length(name) == name.len())
    };
    let rest = match text.split_once(' ') {
        Some((scheme, rest)) if SCHEMES.contains(&scheme) => rest,
        _ => text,
    };
    rest.split(' ').all(is_variable)
}

/// What is wrong with a configuration's headers.
pub(super) fn check_headers(
    config: &Config,
    surroundings: &Surroundings<'_>,
) -> Result<(), String> {
    let Some(json) = config.fetch_headers() else { return Ok(()) };
    Credentials::parse(json, &|name: &str| surroundings.text(name)).map(|_| ())
}

fn unknown_key(file: &File, entry: &Entry) -> ConfigError {
    if ["tools", "subject"].contains(&entry.key.as_str()) {
        let problem = format!("{} is of a principal, and stands in its section", entry.key);
        let example = match file.syntax {
            super::file::Syntax::Toml => "[principals.alice]",
            super::file::Syntax::Json => "\"principals\": {\"alice\": {}}",
        };
        return file.error(entry.at, problem, example.into());
    }
    no_such_key(file, entry, "", "setting", variables::of_the_file())
}

/// A key that nothing knows, with the nearest that there is.
pub(super) fn no_such_key(
    file: &File,
    entry: &Entry,
    above: &str,
    what: &str,
    known: impl Iterator<Item = &'static Variable>,
) -> ConfigError {
    let path = below(above, &entry.key);
    let Some(near) = nearest(&entry.key, known) else {
        let problem = format!("{path} is no {what}; `mcp-conductor config schema` lists them");
        return file.error(entry.at, problem, String::new());
    };
    let problem = format!("{path} is no {what}; {} is", near.key());
    file.error(entry.at, problem, example_of(file, near))
}

fn nearest(key: &str, known: impl Iterator<Item = &'static Variable>) -> Option<&'static Variable> {
    let key = head(key, MAX_QUOTED).to_lowercase().replace('-', "_");
    let key = key.strip_prefix("mcp_conductor_").unwrap_or(&key);
    // Two slips in a short name, one in each third of a long one.
    let most = (key.len() / 3).max(2);
    near::nearest(key, known.map(|variable| (variable.key(), variable)), |_| most)
}

impl Config {
    /// The default settings, and what `sources` and the environment say instead: a flag
    /// stands above the environment, that above the file, that above the default.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        load(sources).map(|settings| settings.config)
    }

    /// The file that these settings come from.
    pub fn config_file(&self) -> Option<&Path> {
        self.config_file.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::environment::{MAX_CPU_TIME, MAX_MEMORY, MCP_CONFIG, PROXY_CONFIG, RUN_ARGS};
    use super::super::fixture::{Directory, problem, read, read_named, read_toml};
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Config, String> {
        read(None, pairs, &[]).map(|s| s.config).map_err(|error| error.to_string())
    }

    #[test]
    fn every_example_is_accepted() {
        for variable in variables::all() {
            let pairs = [(variable.name, variable.example), ("PATH", "/bin")];
            with(&pairs).unwrap();
        }
    }

    #[test]
    fn a_value_that_is_no_number_stops_with_variable_problem_and_example() {
        assert_eq!(
            with(&[(MAX_CPU_TIME, "ten")]).unwrap_err(),
            "MCP_CONDUCTOR_MAX_CPU_TIME: \"ten\" is no whole number from 1 to 86400000, for \
             example MCP_CONDUCTOR_MAX_CPU_TIME=10000"
        );
    }

    #[test]
    fn zero_negative_and_empty_values_are_refused() {
        for value in ["0", "-1", "", "1e3", "9999999999999999999999"] {
            assert!(with(&[(DEFAULT_TIMEOUT, value)]).is_err(), "{value}");
        }
    }

    #[test]
    fn grants_that_are_none_are_refused_with_an_example() {
        assert!(with(&[(RUN_ARGS, "allow-read=/x;deny-net")]).is_ok());
        let message = with(&[(RUN_ARGS, "allow-nte")]).unwrap_err();
        assert!(message.starts_with("MCP_CONDUCTOR_RUN_ARGS: "), "{message}");
        assert!(
            message.ends_with("MCP_CONDUCTOR_RUN_ARGS=allow-read=/data,allow-net=api.example.com")
        );
    }

    #[test]
    fn the_older_name_of_the_list_of_servers_gives_way_to_the_newer() {
        let older = (PROXY_CONFIG, "/a.json");
        let config = with(&[older]).unwrap();
        assert_eq!(config.mcp_config(), Some(Path::new("/a.json")));
        let config = with(&[(MCP_CONFIG, "/b.json"), older]).unwrap();
        assert_eq!(config.mcp_config(), Some(Path::new("/b.json")));
    }

    #[test]
    fn a_flag_stands_above_the_environment_that_above_the_file_that_above_the_default() {
        let directory = Directory::new();
        let file = || Some(directory.write("c.toml", "max_cpu_time = 1000\nmax_memory = 64"));
        let (flag, variable) = ([(MAX_CPU_TIME, "3000")], [(MAX_CPU_TIME, "2000")]);
        for (settings, expected) in [
            (read(None, &[], &[]), 10_000),
            (read(file(), &[], &[]), 1000),
            (read(None, &variable, &[]), 2000),
            (read(None, &[], &flag), 3000),
            (read(file(), &variable, &[]), 2000),
            (read(file(), &[], &flag), 3000),
            (read(None, &variable, &flag), 3000),
            (read(file(), &variable, &flag), 3000),
        ] {
            assert_eq!(settings.unwrap().config.max_cpu_time().as_millis(), expected);
        }
        let config = read(file(), &variable, &flag).unwrap().config;
        assert_eq!(config.max_memory(), 64 << 20);
        assert_eq!(config.config_file(), Some(&*directory.0.join("c.toml")));
    }

    #[test]
    fn a_maximum_lowers_a_default_timeout_that_was_not_set_as_high_up() {
        let directory = Directory::new();
        let file = |text: &str| Some(directory.write("c.toml", text));
        let (max, default) = ([(MAX_TIMEOUT, "1000")], [(DEFAULT_TIMEOUT, "5000")]);
        for settings in [
            read(None, &max, &[]),
            read(None, &[], &max),
            read(file("max_timeout = 1000"), &[], &[]),
            read(file("default_timeout = 5000"), &max, &[]),
            read(None, &default, &max),
        ] {
            assert_eq!(settings.unwrap().config.default_timeout().as_millis(), 1000);
        }
    }

    #[test]
    fn a_default_timeout_above_the_maximum_is_refused_with_the_names_that_they_were_set_by() {
        let directory = Directory::new();
        let path = directory.0.join("c.toml");
        let file = |text: &str| Some(directory.write("c.toml", text));
        let (max, default) = ([(MAX_TIMEOUT, "1000")], [(DEFAULT_TIMEOUT, "5000")]);
        let both = [max[0], default[0]];
        let place = format!("{}, line 2", path.display());
        for (settings, expected) in [
            (
                read(None, &both, &[]),
                "MCP_CONDUCTOR_DEFAULT_TIMEOUT: 5000 ms is more than MCP_CONDUCTOR_MAX_TIMEOUT, \
                 which is 1000 ms, for example MCP_CONDUCTOR_DEFAULT_TIMEOUT=1000"
                    .to_owned(),
            ),
            (
                read(file("max_timeout = 1000\ndefault_timeout = 5000"), &[], &[]),
                format!(
                    "{place}: default_timeout: 5000 ms is more than max_timeout, which is 1000 ms, \
                     for example default_timeout = 1000"
                ),
            ),
            (
                read(file("max_timeout = 1000"), &default, &[]),
                "MCP_CONDUCTOR_DEFAULT_TIMEOUT: 5000 ms is more than max_timeout, which is 1000 \
                 ms, for example MCP_CONDUCTOR_DEFAULT_TIMEOUT=1000"
                    .to_owned(),
            ),
            (
                read(None, &[], &both),
                "--timeout: 5000 ms is more than --max-timeout, which is 1000 ms, for example \
                 --timeout 1000"
                    .to_owned(),
            ),
        ] {
            assert_eq!(settings.unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_flag_that_cannot_be_used_is_named_as_it_was_written() {
        assert_eq!(
            read(None, &[], &[(PORT, "99999")]).unwrap_err().to_string(),
            "--port: \"99999\" is no whole number from 0 to 65535, for example --port 3001"
        );
    }

    #[test]
    fn a_key_with_a_typo_is_named_with_line_nearest_key_and_example() {
        for (key, near) in [
            ("max_cpu_tmie", "max_cpu_time is, for example max_cpu_time = 10000"),
            ("MCP_CONDUCTOR_PORT", "port is, for example port = 3001"),
            (
                "allowed-hosts",
                "allowed_hosts is, for example allowed_hosts = [\"conductor.example\", \
              \"conductor.example:3001\"]",
            ),
        ] {
            assert_eq!(
                problem(&format!("# a comment\n\n{key} = 1\n")),
                format!("conductor.toml, line 3: {key} is no setting; {near}")
            );
        }
        assert_eq!(
            read_named("conductor.json", r#"{"max_cpu_tmie": 1}"#).unwrap_err(),
            "conductor.json, line 1: max_cpu_tmie is no setting; max_cpu_time is, for example \
             \"max_cpu_time\": 10000"
        );
        assert_eq!(
            problem("proxy_config = \"/x\""),
            "conductor.toml, line 1: proxy_config is no setting; `mcp-conductor config schema` \
             lists them"
        );
    }

    #[test]
    fn a_key_that_is_a_principal_s_only_is_refused_at_the_top() {
        assert_eq!(
            problem("tools = []"),
            "conductor.toml, line 1: tools is of a principal, and stands in its section, for \
             example [principals.alice]"
        );
    }

    #[test]
    fn a_value_of_another_type_is_told_with_the_type_it_must_have() {
        for (text, expected) in [
            (
                "max_memory = \"canary\"",
                "max_memory is a text, and must be a whole number from 32 to 16384, for example \
                 max_memory = 256",
            ),
            (
                "max_memory = 64.5",
                "max_memory: \"64.5\" is no whole number from 32 to 16384, for example max_memory \
                 = 256",
            ),
            (
                "metrics = 1",
                "metrics is a number, and must be true or false, for example metrics = false",
            ),
            (
                "isolate = \"hot\"",
                "isolate: \"hot\" is neither warm nor fresh, for example isolate = \"warm\"",
            ),
            (
                "workspace = \"a/b\"",
                "workspace: \"a/b\" is no absolute path, for example workspace = \
                 \"/srv/workspace\"",
            ),
            (
                "oauth_scopes = \"a b\"",
                "oauth_scopes is a text, and must be a list of texts, for example oauth_scopes = \
                 [\"mcp:run\"]",
            ),
            (
                "oauth_scopes = [1]",
                "oauth_scopes must be a list of texts, for example oauth_scopes = [\"mcp:run\"]",
            ),
            (
                "fetch_headers = {\"a.b\" = \"canary\"}",
                "fetch_headers must be a table of hosts, each with a table of headers, for \
                 example fetch_headers = { \"api.example.com\" = { authorization = \"Bearer \
                 env:PATH\" } }",
            ),
            (
                "audit_log = 2026-01-01",
                "audit_log is a date, and must be a text, an absolute path, for example audit_log \
                 = \"/var/log/mcp-conductor.jsonl\"",
            ),
        ] {
            assert_eq!(problem(text), format!("conductor.toml, line 1: {expected}"), "{text}");
        }
    }

    #[test]
    fn toml_json_and_environment_give_the_same_configuration() {
        let toml = "default_timeout = 5000\nmetrics = false\nisolate = \"fresh\"\n\
            oauth_scopes = [\"a\", \"b\"]\nrun_args = [\"allow-read=/a,/b\", \"deny-net\"]\n\
            [fetch_headers.\"a.b\"]\nx = \"env:TOKEN\"\n";
        let json = r#"{"$schema": "x", "default_timeout": 5000, "metrics": false,
            "isolate": "fresh", "oauth_scopes": ["a", "b"],
            "run_args": "allow-read=/a,/b,deny-net", "fetch_headers": {"a.b": {"x": "env:TOKEN"}}}"#;
        let environment = [
            ("MCP_CONDUCTOR_DEFAULT_TIMEOUT", "5000"),
            ("MCP_CONDUCTOR_METRICS", "0"),
            ("MCP_CONDUCTOR_ISOLATE", "fresh"),
            ("MCP_CONDUCTOR_OAUTH_SCOPES", "a b"),
            ("MCP_CONDUCTOR_RUN_ARGS", "allow-read=/a,/b,deny-net"),
            ("MCP_CONDUCTOR_FETCH_HEADERS", r#"{"a.b":{"x":"env:TOKEN"}}"#),
            ("TOKEN", "canary"),
        ];
        let shown = |config: &Config| -> Vec<_> {
            variables::of_the_file().map(|variable| variable.form.shown(config)).collect()
        };
        let expected = shown(&with(&environment).unwrap());
        assert_eq!(shown(&read_toml(toml).unwrap().config), expected);
        assert_eq!(shown(&read_named("conductor.json", json).unwrap().config), expected);
    }

    #[test]
    fn headers_that_cannot_be_used_are_refused_where_they_stand() {
        assert_eq!(
            problem("[fetch_headers.\"a.b\"]\nx = \"env:MISSING\""),
            "conductor.toml, line 1: fetch_headers: \"a.b\": x: the variable MISSING is not set, or \
             empty, for example fetch_headers = { \"api.example.com\" = { authorization = \"Bearer \
             env:TOKEN\" } }"
        );
        assert_eq!(
            with(&[(FETCH_HEADERS, r#"{"a.b": {"x": "env:MISSING"}}"#)]).unwrap_err(),
            "MCP_CONDUCTOR_FETCH_HEADERS: \"a.b\": x: the variable MISSING is not set, or empty, \
             for example MCP_CONDUCTOR_FETCH_HEADERS={\"api.example.com\": {\"authorization\": \
             \"Bearer env:TOKEN\"}}"
        );
    }

    #[test]
    fn a_secret_in_a_file_that_others_can_read_is_refused() {
        let directory = Directory::new();
        let read_with = |value: &str, mode| {
            let text = format!("[fetch_headers.\"a.b\"]\nx = \"{value}\"\n");
            let path = directory.write("c.toml", text);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read(Some(path), &[("TOKEN", "t")], &[]).map_err(|error| error.to_string())
        };
        for value in ["canary", "Bearer canary", "env:TOKEN-canary"] {
            assert!(read_with(value, 0o600).is_ok());
            for mode in [0o640, 0o604] {
                let message = read_with(value, mode).unwrap_err();
                assert!(message.contains("do chmod 600"), "{message}");
                assert!(!message.contains("canary"), "{message}");
            }
        }
        for value in ["env:TOKEN", "Bearer env:TOKEN"] {
            assert!(read_with(value, 0o644).is_ok());
        }
    }

    #[test]
    fn the_origin_of_each_setting_is_known() {
        let settings = read(None, &[(MAX_MEMORY, "64")], &[]).unwrap();
        let origin = |name| settings.origin(variables::named(name).unwrap());
        assert_eq!(origin(MAX_MEMORY), Origin::Environment(MAX_MEMORY));
        assert_eq!(origin(MAX_CPU_TIME), Origin::Default);
    }
}
