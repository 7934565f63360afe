//! The sections of the config file as they are read, each tried as a whole.

use serde_json::json;

use super::entry::Variable;
use super::environment::{DEFAULT_TIMEOUT, FETCH_HEADERS, MCP_CONFIG, RUN_ARGS};
use super::file::{File, Syntax, below};
use super::form::Given;
use super::principals::{ANONYMOUS, ANYONE, Principals, Section};
use super::servers::ServersFile;
use super::settings::{check_headers, check_open_file, example_of, file_value, no_such_key, set};
use super::surroundings::Surroundings;
use super::value::{Entry, Value};
use super::{Config, ConfigError, variables};
use crate::policy::{Grants, RunTools};

/// Bytes of a principal's name in the file.
const MAX_NAME: usize = 64;

/// Characters of a subject (OpenID Connect Core 1.0, section 2: at most 255 ASCII
/// characters).
const MAX_SUBJECT: usize = 256;

impl Principals {
    /// Reads the sections of a file and tries each.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub(super) fn read(
        server: &Config,
        file: &File,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, ConfigError> {
        let mut principals = Self::default();
        let Some(entry) = file.entries.iter().find(|entry| entry.key == "principals") else {
            return Ok(principals);
        };
        for section in table(file, "", entry)? {
            let reader = Reader { server, file, surroundings, entry: section };
            let read = reader.read()?;
            if let Some(subject) = &read.subject {
                let before = principals.subjects.insert(subject.clone(), section.key.clone());
                if let Some(other) = before {
                    let problem = format!("the subject is that of {other} too, keep one");
                    return Err(reader.error(section.at, &problem));
                }
            }
            principals.sections.insert(section.key.clone(), read);
        }
        Ok(principals)
    }
}

/// The entries of a table.
fn table<'a>(file: &File, above: &str, entry: &'a Entry) -> Result<&'a [Entry], ConfigError> {
    if let Value::Table(entries) = &entry.value {
        return Ok(entries);
    }
    let path = below(above, &entry.key);
    let problem = format!("{path} is {}, and must be a table", entry.value.kind());
    let example = match file.syntax {
        Syntax::Toml => "[principals.alice]",
        Syntax::Json => "\"principals\": {\"alice\": {}}",
    };
    Err(file.error(entry.at, problem, example.into()))
}

/// Reads one section.
struct Reader<'a> {
    server: &'a Config,
    file: &'a File,
    surroundings: &'a Surroundings<'a>,
    entry: &'a Entry,
}

impl Reader<'_> {
    fn read(&self) -> Result<Section, ConfigError> {
        let name = &self.entry.key;
        self.check_name(name)?;
        let mut section = Section::default();
        for entry in table(self.file, "principals", self.entry)? {
            match entry.key.as_str() {
                "tools" => section.tools = Some(self.tools(entry)?),
                "packages" => section.packages = Some(self.packages(entry)?),
                "subject" => section.subject = Some(self.subject(entry)?),
                _ => section.settings.push(self.setting(entry)?),
            }
        }
        let place =
            |variable: &Variable| variables::all().iter().position(|v| v.name == variable.name);
        section.settings.sort_by_key(|(variable, _)| place(variable));
        self.check(&section)?;
        Ok(section)
    }

    fn check_name(&self, name: &str) -> Result<(), ConfigError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._@-".contains(&b);
        let is_name = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed);
        if name == ANONYMOUS {
            return Err(self.error(
                self.entry.at,
                "callers that do not authenticate have the server's own settings; write them at \
                 the top",
            ));
        }
        if name != ANYONE && !is_name {
            let problem = format!(
                "a name has 1 to {MAX_NAME} characters out of A-Z a-z 0-9 . _ @ -, or is \"*\" \
                 for callers without a section"
            );
            return Err(self.error(self.entry.at, &problem));
        }
        Ok(())
    }

    fn tools(&self, entry: &Entry) -> Result<Vec<String>, ConfigError> {
        let example = self.file.setting("tools", &json!(["mcp__github__*"]));
        let path = self.path(entry);
        let Some(patterns) = entry.value.texts() else {
            let problem = format!("{path} must be a list of strings");
            return Err(self.file.error(entry.at, problem, example));
        };
        RunTools::parse(Some(patterns.clone()))
            .map_err(|problem| self.file.error(entry.at, format!("{path}: {problem}"), example))?;
        Ok(patterns)
    }

    fn packages(&self, entry: &Entry) -> Result<Vec<String>, ConfigError> {
        let server = self.server.allowed_packages();
        let first = server.iter().next().map_or_else(|| "npm:zod".to_owned(), |it| it.package());
        let example = self.file.setting("packages", &json!([first]));
        let path = self.path(entry);
        let Some(packages) = entry.value.texts() else {
            let problem = format!("{path} must be a list of strings");
            return Err(self.file.error(entry.at, problem, example));
        };
        server
            .subset(&packages)
            .map_err(|error| self.file.error(entry.at, format!("{path}: {error}"), example))?;
        Ok(packages)
    }

    fn subject(&self, entry: &Entry) -> Result<String, ConfigError> {
        let error = |problem: String| {
            let example = self.file.setting("subject", &json!("auth0|5f7c8ec7c33c6c004bbafe82"));
            self.file.error(entry.at, format!("{}: {problem}", self.path(entry)), example)
        };
        let Value::Text(subject) = &entry.value else {
            return Err(error(format!("{}, and must be a string", entry.value.kind())));
        };
        if self.entry.key == ANYONE {
            return Err(error("this section is for callers without one of their own".into()));
        }
        if !(1..=MAX_SUBJECT).contains(&subject.chars().count())
            || subject.contains(char::is_control)
        {
            return Err(error(format!(
                "not a string of 1 to {MAX_SUBJECT} characters without control characters"
            )));
        }
        Ok(subject.clone())
    }

    fn setting(&self, entry: &Entry) -> Result<(&'static Variable, Given), ConfigError> {
        let above = self.above();
        let found = variables::of_a_principal().find(|variable| variable.key() == entry.key);
        let Some(variable) = found else { return Err(self.unknown(entry)) };
        let given = file_value(self.file, &above, variable, entry)?;
        check_open_file(self.file, &above, variable, entry, &given)?;
        // To see whether it can be set.
        set(self.file, &above, variable, entry, &mut self.server.clone(), given.clone())?;
        Ok((variable, given))
    }

    fn unknown(&self, entry: &Entry) -> ConfigError {
        let above = self.above();
        if let Some(variable) = variables::of_the_file().find(|v| v.key() == entry.key) {
            let problem = format!(
                "{} is a setting of the whole server, not of a principal; write it at the top",
                self.path(entry)
            );
            return self.file.error(entry.at, problem, example_of(self.file, variable));
        }
        if matches!(entry.value, Value::Table(_)) && self.file.syntax == Syntax::Toml {
            let name = format!("{}.{}", self.entry.key, entry.key);
            let problem = format!(
                "{} is not a setting of a principal; a name that contains a dot must be quoted",
                self.path(entry)
            );
            let example = format!("[principals.{}]", super::file::toml_key(&name));
            return self.file.error(entry.at, problem, example);
        }
        let known = variables::of_a_principal();
        no_such_key(self.file, entry, &above, "setting of a principal", known)
    }

    /// Tries the section as a whole.
    fn check(&self, section: &Section) -> Result<(), ConfigError> {
        let config =
            section.apply(self.server).map_err(|problem| self.error(self.entry.at, &problem))?;
        for (variable, _) in &section.settings {
            self.check_ceiling(variable, &config)?;
        }
        let (default, max) = (config.default_timeout(), config.max_timeout());
        if default > max {
            let (default, max) = (default.as_millis(), max.as_millis());
            let problem = format!("{default} ms is more than max_timeout, which is {max} ms");
            return Err(self.problem_of(DEFAULT_TIMEOUT, &problem));
        }
        let all = config.run_args().is_some_and(|text| Grants::parse(text).is_ok_and(|g| g.all));
        if section.has(RUN_ARGS) && all && !self.server.unsafe_allow_all() {
            let problem = "allow-all gives programs everything that the server's user may do; name \
                           what they need, or set unsafe_allow_all = true at the top as well";
            return Err(self.problem_of(RUN_ARGS, problem));
        }
        if section.has(FETCH_HEADERS) {
            check_headers(&config, self.surroundings)
                .map_err(|problem| self.problem_of(FETCH_HEADERS, &problem))?;
        }
        if section.has(MCP_CONFIG) {
            self.check_servers(&config).map_err(|p| self.problem_of(MCP_CONFIG, &p))?;
        }
        config.validate().map_err(|error| self.error(self.entry.at, &error.to_string()))
    }

    /// What is for all is also the most for one: processes are made for the server's.
    fn check_ceiling(&self, variable: &Variable, config: &Config) -> Result<(), ConfigError> {
        let number = |config: &Config| variable.form.number(config);
        let (Some(own), Some(server)) = (number(config), number(self.server)) else {
            return Ok(());
        };
        if !variable.key().starts_with("max_") || own <= server {
            return Ok(());
        }
        let problem = format!("{own} is more than the server's, which is {server}");
        Err(self.problem_of(variable.name, &problem))
    }

    fn check_servers(&self, config: &Config) -> Result<(), String> {
        let Some(path) = config.mcp_config() else { return Ok(()) };
        // What is only warned of is, when the principal comes.
        ServersFile::read(path, &|name: &str| self.surroundings.text(name), None).map(|_| ())
    }

    /// A problem of one of the section's settings.
    fn problem_of(&self, name: &'static str, problem: &str) -> ConfigError {
        let Some(variable) = variables::named(name) else {
            return self.error(self.entry.at, problem);
        };
        let key = variable.key();
        let entries = match &self.entry.value {
            Value::Table(entries) => entries.as_slice(),
            _ => &[],
        };
        let at = entries.iter().find(|entry| entry.key == key).map_or(self.entry.at, |e| e.at);
        let server = variable.form.shown(self.server);
        // The server's number is one that works.
        let example = match server.filter(serde_json::Value::is_number) {
            Some(number) => self.file.setting(&key, &number),
            None => example_of(self.file, variable),
        };
        self.file.error(at, format!("{}: {problem}", below(&self.above(), &key)), example)
    }

    fn error(&self, at: Option<usize>, problem: &str) -> ConfigError {
        self.file.error(at, format!("{}: {problem}", self.above()), String::new())
    }

    fn above(&self) -> String {
        below("principals", &self.entry.key)
    }

    fn path(&self, entry: &Entry) -> String {
        below(&self.above(), &entry.key)
    }
}
