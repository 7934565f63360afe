//! From the places where settings come from to one [`Config`]: a flag of the command line takes
//! precedence over the environment, that over the config file, that over the default.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::entry::Variable;
use super::environment::{DEFAULT_TIMEOUT, FETCH_HEADERS, MAX_TIMEOUT, TIME_ZONE, TZ, UPSTREAM};
use super::file::File;
use super::lists::Lists;
use super::principals::Principals;
use super::settings::{
    check_headers, check_open_file, file_value, is_no_setting, no_table, set, unknown_in_table,
    unknown_key,
};
use super::surroundings::Surroundings;
use super::value::{Entry, Value};
use super::{Config, ConfigError, servers, time_zone, variables};
use crate::private_file::check_writers;

/// Sources with higher and lower precedence than the environment.
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
    /// Such as `--port`.
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
        self.origins.get(variable.canonical()).copied().unwrap_or(Origin::Default)
    }

    fn read_file(&mut self, file: &File) -> Result<(), ConfigError> {
        for entry in &file.entries {
            if is_no_setting(entry) {
                continue;
            }
            match &entry.value {
                Value::Table(inner) if variables::is_table(&entry.key) => {
                    inner.iter().try_for_each(|inner| self.read_in_table(file, entry, inner))?;
                }
                _ if variables::is_table(&entry.key) => return Err(no_table(file, entry)),
                _ => self.read_at_the_top(file, entry)?,
            }
        }
        Ok(())
    }

    fn read_at_the_top(&mut self, file: &File, entry: &Entry) -> Result<(), ConfigError> {
        let is_it = |v: &&Variable| v.table().is_none() && v.key() == entry.key;
        let found = variables::of_the_file().find(is_it);
        let variable = found.ok_or_else(|| unknown_key(file, entry))?;
        self.read_setting(file, "", variable, entry)
    }

    fn read_in_table(&mut self, file: &File, of: &Entry, entry: &Entry) -> Result<(), ConfigError> {
        let key = format!("{}.{}", of.key, entry.key);
        let found = variables::of_the_file().find(|v| v.table().is_some() && v.key() == key);
        let variable = found.ok_or_else(|| unknown_in_table(file, &of.key, entry))?;
        self.read_setting(file, &of.key, variable, entry)
    }

    fn read_setting(
        &mut self,
        file: &File,
        above: &str,
        variable: &'static Variable,
        entry: &Entry,
    ) -> Result<(), ConfigError> {
        let given = file_value(file, above, variable, entry)?;
        check_open_file(file, above, variable, entry, &given)?;
        set(file, above, variable, entry, &mut self.config, given)?;
        self.origins.insert(variable.name, Origin::File(entry.at));
        Ok(())
    }

    fn read_environment(&mut self, surroundings: &Surroundings<'_>) -> Result<(), ConfigError> {
        for variable in variables::all() {
            let Some(value) = (surroundings.variable)(variable.name) else { continue };
            let error =
                |problem: String| ConfigError::variable(variable.name, problem, variable.example);
            let text = value.to_str().ok_or_else(|| error("the value is not UTF-8".into()))?;
            variable.form.read(&mut self.config, text.trim()).map_err(error)?;
            self.origins.insert(variable.canonical(), Origin::Environment(variable.name));
        }
        Ok(())
    }

    fn read_flags(&mut self, flags: &[(&'static str, String)]) -> Result<(), ConfigError> {
        for (name, text) in flags {
            let variable = variables::named(name).ok_or_else(|| {
                ConfigError::new((*name).to_owned(), "no such setting", String::new())
            })?;
            let read = variable.form.read(&mut self.config, text.trim());
            read.map_err(|problem| flag_error(variable, problem, variable.example))?;
            self.origins.insert(variable.canonical(), Origin::Flag(variable.flag()));
        }
        Ok(())
    }

    /// A maximum that comes from higher up than the default timeout lowers it.
    fn settle_timeouts(&mut self) -> Result<(), ConfigError> {
        let (default, max) = (self.config.default_timeout(), self.config.max_timeout());
        if default <= max {
            return Ok(());
        }
        let [default_origin, max_origin] = [DEFAULT_TIMEOUT, MAX_TIMEOUT]
            .map(|name| self.origins.get(name).copied().unwrap_or(Origin::Default));
        if default_origin.rank() < max_origin.rank() {
            self.config.limits.default_timeout = max;
            self.origins.insert(DEFAULT_TIMEOUT, max_origin);
            return Ok(());
        }
        let (default, max) = (default.as_millis(), max.as_millis());
        let set = if max_origin == Origin::Default { default_origin } else { max_origin };
        let maximum = match set {
            Origin::File(_) => "max_timeout",
            Origin::Flag(_) => flag_of(MAX_TIMEOUT),
            Origin::Environment(_) | Origin::Default => MAX_TIMEOUT,
        };
        let problem = format!("{default} ms is more than {maximum}, which is {max} ms");
        Err(self.error(DEFAULT_TIMEOUT, problem, &json!(max as u64)))
    }

    /// Without a setting, the time zone is that of the server's environment.
    fn settle_time_zone(&mut self, surroundings: &Surroundings<'_>) -> Result<(), ConfigError> {
        let Some(text) = surroundings.text(TZ).filter(|_| self.config.time_zone().is_none()) else {
            return Ok(());
        };
        let error = |problem| ConfigError::variable(TZ, problem, "Europe/Berlin");
        match time_zone::of_system(&text).map_err(error)? {
            Some(zone) => {
                self.config.workers.time_zone = Some(zone);
                self.origins.insert(TIME_ZONE, Origin::Environment(TZ));
            }
            None => tracing::warn!(
                "{TZ}: {text:?} does not name a time zone: programs use UTC. Set {TIME_ZONE}, \
                 for example {TIME_ZONE}=Europe/Berlin"
            ),
        }
        Ok(())
    }

    fn add_default_servers(&mut self, surroundings: &Surroundings<'_>) {
        // A server that is itself the upstream of one would start itself for ever.
        let is_upstream = (surroundings.variable)(UPSTREAM).is_some();
        if self.config.mcp_config().is_none() && !is_upstream {
            self.config.tools.mcp_config =
                surroundings.home.as_deref().and_then(servers::default_file);
        }
    }

    fn read_lists(&mut self, surroundings: &Surroundings<'_>) {
        let files = self.config.tools.mcp_config.clone().into_iter();
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

/// The command line's name of a setting.
fn flag_of(name: &'static str) -> &'static str {
    variables::named(name).map_or(name, Variable::flag)
}

fn flag_error(variable: &Variable, problem: String, example: &str) -> ConfigError {
    let flag = variable.flag();
    let example = format!("{flag} {example}");
    ConfigError::new(flag.to_owned(), problem, example)
}

impl Config {
    /// The default settings, and what `sources` and the environment say instead: a flag takes
    /// precedence over the environment, that over the file, that over the default.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        load(sources).map(|settings| settings.config)
    }
}
