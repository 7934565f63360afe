//! The sections of the config file: settings of one principal over the server's.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::entry::Variable;
use super::environment::{
    DEFAULT_TIMEOUT, FETCH_HEADERS, MAX_TIMEOUT, MCP_CONFIG, RUN_ARGS, WORKSPACE,
};
use super::file::{File, Syntax, below};
use super::form::Given;
use super::servers::ServersFile;
use super::settings::{check_headers, check_open_file, example_of, file_value, no_such_key, set};
use super::surroundings::Surroundings;
use super::value::{Entry, Value};
use super::{Config, ConfigError, variables};
use crate::policy::{Grants, RunTools, normalize};

/// Who a request comes from, with what is set for it.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    /// `anonymous`, a token's name, or `sub:` and a subject.
    pub name: String,
    /// The section's settings over the server's.
    pub config: Config,
    /// Patterns of the tools that it may call, as `allowedTools` of a call has them.
    /// None: every tool.
    pub tools: Option<Vec<String>>,
}

/// The principal where nobody authenticates.
const ANONYMOUS: &str = "anonymous";

/// The section of whoever has none.
const ANYONE: &str = "*";

/// Stands before the subject of a JSON Web Token in a principal's name. No token's
/// name has a colon.
const SUBJECT: &str = "sub:";

/// In a workspace: the principal's name, as a file name.
const PLACEHOLDER: &str = "{principal}";

/// Bytes of a principal's name in the file.
const MAX_NAME: usize = 64;

/// Characters of a subject (OpenID Connect Core 1.0, section 2: at most 255 ASCII
/// characters).
const MAX_SUBJECT: usize = 256;

/// Bytes of a directory's name, of which a file system takes 255 (NAME_MAX); the rest
/// is for what the administrator puts around the placeholder.
const MAX_DIRECTORY: usize = 200;

/// What a directory's name keeps.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'@');

/// All sections.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Principals {
    pub sections: BTreeMap<String, Section>,
    /// Names of sections.
    subjects: HashMap<String, String>,
}

/// `[principals.NAME]`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Section {
    pub subject: Option<String>,
    pub tools: Option<Vec<String>>,
    /// What it has of its own, in the order of the documentation.
    pub settings: Vec<(&'static Variable, Given)>,
}

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

    /// Lists of MCP servers that sections name.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let settings = self.sections.values().flat_map(|section| &section.settings);
        settings.filter_map(|(variable, given)| match given {
            Given::Text(path) if variable.name == MCP_CONFIG => Some(PathBuf::from(path)),
            _ => None,
        })
    }

    /// What lets programs of one principal reach the files of another.
    pub(super) fn warnings(&self, server: &Config) -> Vec<String> {
        let own = |section: &Section| section.workspace().map(|path| normalize(&path));
        let mut places: Vec<(PathBuf, String)> = self
            .sections
            .iter()
            .filter_map(|(name, section)| Some((own(section)?, format!("principals.{name}"))))
            .collect();
        let anyone_has_one = self.sections.get(ANYONE).is_some_and(|s| own(s).is_some());
        if !places.is_empty() && (places.len() < self.sections.len() || !anyone_has_one) {
            places.push((normalize(server.workspace()), "the server".to_owned()));
        }
        overlaps(places)
    }
}

/// What lies in another's place.
fn overlaps(mut places: Vec<(PathBuf, String)>) -> Vec<String> {
    // What lies in a directory follows it: paths are compared by components.
    places.sort();
    let mut warnings = Vec::new();
    let mut outer: Option<&(PathBuf, String)> = None;
    for place in &places {
        match outer {
            Some((directory, owner)) if place.0.starts_with(directory) => warnings.push(format!(
                "the workspace of {}, {}, lies in that of {owner}, {}: programs of one reach the \
                 files of the other",
                place.1,
                place.0.display(),
                directory.display()
            )),
            _ => outer = Some(place),
        }
    }
    warnings
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
                "whoever does not authenticate has the server's own settings; write them at the top",
            ));
        }
        if name != ANYONE && !is_name {
            let problem = format!(
                "a name has 1 to {MAX_NAME} of A-Z a-z 0-9 . _ @ -, or is \"*\" for whoever has \
                 no section"
            );
            return Err(self.error(self.entry.at, &problem));
        }
        Ok(())
    }

    fn tools(&self, entry: &Entry) -> Result<Vec<String>, ConfigError> {
        let example = self.file.setting("tools", &json!(["mcp__github__*"]));
        let path = self.path(entry);
        let Some(patterns) = entry.value.texts() else {
            let problem = format!("{path} must be a list of texts");
            return Err(self.file.error(entry.at, problem, example));
        };
        RunTools::parse(Some(patterns.clone()))
            .map_err(|problem| self.file.error(entry.at, format!("{path}: {problem}"), example))?;
        Ok(patterns)
    }

    fn subject(&self, entry: &Entry) -> Result<String, ConfigError> {
        let error = |problem: String| {
            let example = self.file.setting("subject", &json!("auth0|5f7c8ec7c33c6c004bbafe82"));
            self.file.error(entry.at, format!("{}: {problem}", self.path(entry)), example)
        };
        let Value::Text(subject) = &entry.value else {
            return Err(error(format!("{}, and must be a text", entry.value.kind())));
        };
        if self.entry.key == ANYONE {
            return Err(error("this section is for whoever has none of their own".into()));
        }
        if !(1..=MAX_SUBJECT).contains(&subject.chars().count())
            || subject.contains(char::is_control)
        {
            return Err(error(format!(
                "not a text of 1 to {MAX_SUBJECT} characters without control characters"
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
                "{} is of the whole server, and no principal has its own; write it at the top",
                self.path(entry)
            );
            return self.file.error(entry.at, problem, example_of(self.file, variable));
        }
        if matches!(entry.value, Value::Table(_)) && self.file.syntax == Syntax::Toml {
            let name = format!("{}.{}", self.entry.key, entry.key);
            let problem = format!(
                "{} is no setting of a principal; a name with a dot in it stands in quotes",
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

impl Section {
    /// Whether it has a setting of its own.
    pub(super) fn has(&self, name: &str) -> bool {
        self.settings.iter().any(|(variable, _)| variable.name == name)
    }

    /// Its own workspace, with the placeholder.
    fn workspace(&self) -> Option<PathBuf> {
        let (_, given) = self.settings.iter().find(|(variable, _)| variable.name == WORKSPACE)?;
        match given {
            Given::Text(path) => Some(PathBuf::from(path)),
            _ => None,
        }
    }

    /// These settings over the server's.
    pub(super) fn apply(&self, server: &Config) -> Result<Config, String> {
        let mut config = server.clone();
        for (variable, given) in &self.settings {
            variable.form.set(&mut config, given.clone())?;
        }
        // As with the server's own, the one that was not set follows.
        if self.has(MAX_TIMEOUT) && !self.has(DEFAULT_TIMEOUT) {
            let limits = &mut config.limits;
            limits.default_timeout = limits.default_timeout.min(limits.max_timeout);
        }
        Ok(config)
    }
}

impl Config {
    /// Names of sections.
    pub(crate) fn sections(&self) -> impl Iterator<Item = &str> {
        self.principals.sections.keys().map(String::as_str)
    }

    /// Whether a section is for the subject of JSON Web Tokens.
    pub(crate) fn has_subject(&self, section: &str) -> bool {
        self.principals.sections.get(section).is_some_and(|section| section.subject.is_some())
    }

    /// The principal of a token of this name.
    pub(crate) fn principal_of_token(&self, name: &str) -> Result<Principal, ConfigError> {
        // No token has the name, and one that had would get what is for anyone.
        let own = self.principals.sections.get(name).filter(|_| name != ANYONE);
        self.principal(name.to_owned(), own)
    }

    /// The principal of a JSON Web Token of this subject. It gets no section by its
    /// name, or whoever could choose a subject could choose a token's grants.
    pub(crate) fn principal_of_subject(&self, subject: &str) -> Result<Principal, ConfigError> {
        let section = self.principals.subjects.get(subject);
        let own = section.and_then(|name| self.principals.sections.get(name));
        self.principal(format!("{SUBJECT}{subject}"), own)
    }

    fn principal(&self, name: String, own: Option<&Section>) -> Result<Principal, ConfigError> {
        let Some(section) = own.or_else(|| self.principals.sections.get(ANYONE)) else {
            return Ok(Principal { name, config: self.clone(), tools: None });
        };
        let error = |problem: String| {
            ConfigError::new(format!("principals.{name}"), problem, String::new())
        };
        let mut config = section.apply(self).map_err(error)?.within_processes_of(self);
        if section.has(WORKSPACE) {
            config.files.workspace = with_name(config.workspace(), &name);
        }
        config.validate()?;
        Ok(Principal { name, config, tools: section.tools.clone() })
    }
}

/// A path with a principal's name for the placeholder. Paths that a file has are UTF-8.
fn with_name(path: &Path, name: &str) -> PathBuf {
    path.to_string_lossy().replace(PLACEHOLDER, &directory_name(name)).into()
}

/// A principal's name as one component of a path: never a slash, `.` or `..`, and no two
/// names the same.
fn directory_name(name: &str) -> String {
    let encoded = utf8_percent_encode(name, PLAIN).to_string();
    let encoded = match encoded.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        // Beside a directory of this name lie its playbooks, where another's directory
        // could be ([`Config::root_directory`]).
        None if encoded == "workspace" => "%77orkspace".to_owned(),
        None => encoded,
    };
    if encoded.len() > MAX_DIRECTORY {
        // No encoded name begins like this: two hexadecimal digits follow a %.
        return format!("%sha256-{:x}", Sha256::digest(name));
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::environment::MAX_MEMORY;
    use super::super::fixture::{Directory, problem, read, read_named, read_toml};
    use super::*;

    fn config(text: &str) -> Config {
        read_toml(text).unwrap().config
    }

    /// Name, workspace and memory in MiB.
    fn given(principal: Principal) -> (String, String, u64) {
        let workspace = principal.config.workspace().display().to_string();
        (principal.name, workspace, principal.config.max_memory() >> 20)
    }

    const THREE: &str = "workspace = \"/srv/all\"\nmax_memory = 256\n\
        [principals.alice]\nworkspace = \"/srv/alice\"\ntools = [\"mcp__github__*\"]\n\
        [principals.bob]\nsubject = \"7\"\nmax_memory = 64\ntools = []\n\
        [principals.\"*\"]\nmax_memory = 32\n";

    #[test]
    fn a_section_s_settings_stand_over_the_server_s() {
        let config = config(THREE);
        let alice = config.principal_of_token("alice").unwrap();
        assert_eq!(alice.tools, Some(vec!["mcp__github__*".to_owned()]));
        assert_eq!(given(alice), ("alice".into(), "/srv/alice".into(), 256));
        let bob = config.principal_of_token("bob").unwrap();
        assert_eq!(bob.tools, Some(vec![]));
        assert_eq!(given(bob), ("bob".into(), "/srv/all".into(), 64));
        let file = config.config_file().map(Path::to_owned);
        let anyone = config.principal_of_token("carol").unwrap();
        assert_eq!((anyone.tools.clone(), anyone.config.config_file()), (None, file.as_deref()));
        assert_eq!(given(anyone), ("carol".into(), "/srv/all".into(), 32));
    }

    #[test]
    fn a_subject_gets_the_section_that_names_it_and_none_by_its_name() {
        let config = config(THREE);
        let memory = |subject: &str| {
            let principal = config.principal_of_subject(subject).unwrap();
            (principal.name, principal.config.max_memory() >> 20)
        };
        assert_eq!(memory("7"), ("sub:7".into(), 64));
        for name in ["bob", "alice", "*", "sub:7", "anonymous"] {
            assert_eq!(memory(name), (format!("sub:{name}"), 32));
        }
    }

    #[test]
    fn whoever_has_no_section_has_the_server_s_settings_if_there_is_none_for_anyone() {
        let config = config("max_memory = 128\n[principals.alice]\nmax_memory = 64\n");
        for name in ["carol", "*", "", "sub:7"] {
            assert_eq!(given(config.principal_of_token(name).unwrap()).2, 128);
        }
        assert_eq!(given(config.principal_of_subject("alice").unwrap()).2, 128);
    }

    #[test]
    fn what_is_set_after_loading_is_every_principal_s() {
        let config = config(THREE).with_max_cpu_time(std::time::Duration::from_millis(77));
        let alice = config.principal_of_token("alice").unwrap();
        assert_eq!(alice.config.max_cpu_time().as_millis(), 77);
    }

    #[test]
    fn settings_of_the_server_on_http_can_be_a_principal_s() {
        let config = config("rate_limit = 60\n[principals.alice]\nrate_limit = 600\n");
        let rate = |principal: Principal| principal.config.http().rate_limit;
        assert_eq!(rate(config.principal_of_token("alice").unwrap()), 600);
        assert_eq!(rate(config.principal_of_token("bob").unwrap()), 60);
    }

    #[test]
    fn a_principal_s_maximum_lowers_its_default_timeout() {
        let config = config("default_timeout = 5000\n[principals.alice]\nmax_timeout = 1000\n");
        let alice = config.principal_of_token("alice").unwrap().config;
        assert_eq!(alice.default_timeout().as_millis(), 1000);
        assert_eq!(
            problem("[principals.alice]\nmax_timeout = 1000\ndefault_timeout = 5000\n"),
            "conductor.toml, line 3: principals.alice.default_timeout: 5000 ms is more than \
             max_timeout, which is 1000 ms, for example default_timeout = 30000"
        );
    }

    #[test]
    fn a_principal_s_limit_is_not_above_the_server_s() {
        assert!(read_toml("max_memory = 64\n[principals.a]\nmax_memory = 64\n").is_ok());
        assert_eq!(
            problem("max_memory = 64\n[principals.a]\nmax_memory = 65\n"),
            "conductor.toml, line 3: principals.a.max_memory: 65 is more than the server's, which \
             is 64, for example max_memory = 64"
        );
        assert_eq!(
            problem("[principals.a]\nmax_timeout = 300001\n"),
            "conductor.toml, line 2: principals.a.max_timeout: 300001 is more than the server's, \
             which is 300000, for example max_timeout = 300000"
        );
        // Of the environment, too.
        let directory = Directory::new();
        let path = directory.write("c.toml", "[principals.a]\nmax_memory = 65\n");
        assert!(read(Some(path.clone()), &[], &[]).is_ok());
        assert!(read(Some(path), &[(MAX_MEMORY, "64")], &[]).is_err());
    }

    #[test]
    fn the_placeholder_becomes_one_component_of_a_path() {
        let config = config("[principals.\"*\"]\nworkspace = \"/srv/{principal}/w\"\n");
        for (token, expected) in [
            ("carol", "carol"),
            ("../x", "%2E.%2Fx"),
            ("a/b", "a%2Fb"),
            ("..", "%2E."),
            (".", "%2E"),
            ("workspace", "%77orkspace"),
        ] {
            let principal = config.principal_of_token(token).unwrap();
            assert_eq!(principal.config.workspace(), Path::new(&format!("/srv/{expected}/w")));
        }
        let principal = config.principal_of_subject("a/b{principal}").unwrap();
        let expected = "/srv/sub%3Aa%2Fb%7Bprincipal%7D/w";
        assert_eq!(principal.config.workspace(), Path::new(expected));
        let long = config.principal_of_subject(&"é".repeat(256)).unwrap();
        assert!(long.config.workspace().to_str().unwrap().starts_with("/srv/%sha256-"));
    }

    #[test]
    fn a_key_that_no_principal_can_have_is_refused() {
        assert_eq!(
            problem("[principals.alice]\nport = 3002\n"),
            "conductor.toml, line 2: principals.alice.port is of the whole server, and no principal \
             has its own; write it at the top, for example port = 3001"
        );
        assert_eq!(
            problem("[principals.alice]\nmax_memroy = 64\n"),
            "conductor.toml, line 2: principals.alice.max_memroy is no setting of a principal; \
             max_memory is, for example max_memory = 256"
        );
        assert_eq!(
            read_named("c.json", r#"{"principals": {"alice": {"max_memroy": 64}}}"#).unwrap_err(),
            "c.json, line 1: principals.alice.max_memroy is no setting of a principal; max_memory is, for \
             example \"max_memory\": 256"
        );
        assert_eq!(
            problem("[principals.a.b]\nmax_memory = 64\n"),
            "conductor.toml, line 1: principals.a.b is no setting of a principal; a name with a \
             dot in it stands in quotes, for example [principals.\"a.b\"]"
        );
    }

    #[test]
    fn names_that_no_principal_has_are_refused() {
        let name = "a name has 1 to 64 of A-Z a-z 0-9 . _ @ -, or is \"*\" for whoever has no \
                    section";
        for (key, shown) in [
            ("\"sub:7\"", "\"sub:7\""),
            ("\"a b\"", "\"a b\""),
            ("\"\"", "\"\""),
            ("\"é\"", "\"é\""),
        ] {
            assert_eq!(
                problem(&format!("[principals.{key}]\n")),
                format!("conductor.toml, line 1: principals.{shown}: {name}")
            );
        }
        assert!(read_toml(&format!("[principals.{}]\n", "a".repeat(64))).is_ok());
        assert!(read_toml(&format!("[principals.{}]\n", "a".repeat(65))).is_err());
        assert!(read_toml("[principals.\"a.b_c-d@e\"]\n").is_ok());
        assert_eq!(
            problem("[principals.anonymous]\n"),
            "conductor.toml, line 1: principals.anonymous: whoever does not authenticate has the \
             server's own settings; write them at the top"
        );
    }

    #[test]
    fn two_sections_have_no_subject_in_common_and_the_one_for_anyone_has_none() {
        assert_eq!(
            problem("[principals.a]\nsubject = \"x\"\n[principals.b]\nsubject = \"x\"\n"),
            "conductor.toml, line 3: principals.b: the subject is that of a too, keep one"
        );
        let example = "for example subject = \"auth0|5f7c8ec7c33c6c004bbafe82\"";
        for (text, expected) in [
            (
                "[principals.\"*\"]\nsubject = \"x\"",
                "principals.\"*\".subject: this section is for whoever has none of their own",
            ),
            (
                "[principals.a]\nsubject = \"\"",
                "principals.a.subject: not a text of 1 to 256 characters without control characters",
            ),
            ("[principals.a]\nsubject = 7", "principals.a.subject: a number, and must be a text"),
        ] {
            assert_eq!(problem(text), format!("conductor.toml, line 2: {expected}, {example}"));
        }
    }

    #[test]
    fn what_would_fail_at_the_first_call_fails_at_the_start() {
        for (text, expected) in [
            (
                "run_args = \"allow-nte\"",
                "run_args: unknown flag \"allow-nte\", did you mean allow-net",
            ),
            ("run_args = \"allow-all\"", "run_args: allow-all gives programs everything"),
            ("fetch_headers = {\"a.b\" = {x = \"env:MISSING\"}}", "fetch_headers: \"a.b\": x: "),
            ("mcp_config = \"/nowhere/mcp.json\"", "mcp_config: /nowhere/mcp.json: cannot be read"),
            ("tools = [\"github\"]", "tools: \"github\" names no tool"),
            ("tools = \"mcp__*\"", "tools must be a list of texts"),
            ("workspace = \"w\"", "workspace: \"w\" is no absolute path"),
        ] {
            let message = problem(&format!("[principals.a]\n{text}\n"));
            let start = format!("conductor.toml, line 2: principals.a.{expected}");
            assert!(message.starts_with(&start), "{message}");
        }
        let allowed = "unsafe_allow_all = true\n[principals.a]\nrun_args = \"allow-all\"\n";
        assert!(read_toml(allowed).is_ok());
    }

    #[test]
    fn what_is_no_table_of_tables_is_refused() {
        assert_eq!(
            problem("principals = []"),
            "conductor.toml, line 1: principals is a list, and must be a table, for example \
             [principals.alice]"
        );
        assert_eq!(
            problem("[principals]\nalice = 1\n"),
            "conductor.toml, line 2: principals.alice is a number, and must be a table, for example \
             [principals.alice]"
        );
    }

    #[test]
    fn a_secret_of_a_principal_counts_as_one_too() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = Directory::new();
        let text = "[principals.a.fetch_headers.\"a.b\"]\nx = \"canary\"\n";
        let path = directory.write("c.toml", text);
        assert!(read(Some(path.clone()), &[], &[]).is_ok());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let message = read(Some(path), &[], &[]).unwrap_err().to_string();
        assert!(
            message.contains("principals.a.fetch_headers: a value is not env:NAME"),
            "{message}"
        );
        assert!(!message.contains("canary"), "{message}");
    }

    fn warnings(text: &str) -> Vec<String> {
        let settings = read_toml(text).unwrap();
        settings.config.principals.warnings(&settings.config)
    }

    #[test]
    fn a_workspace_inside_of_another_is_warned_of() {
        let sections = |a: &str, b: &str| {
            format!("[principals.a]\nworkspace = \"{a}\"\n[principals.b]\nworkspace = \"{b}\"\n")
        };
        let end = "programs of one reach the files of the other";
        assert_eq!(
            warnings(&sections("/srv/x", "/srv/x/../x/y")),
            [format!(
                "the workspace of principals.b, /srv/x/y, lies in that of principals.a, /srv/x: {end}"
            )]
        );
        assert_eq!(
            warnings(&sections("/srv/x", "/srv/x")),
            [format!(
                "the workspace of principals.b, /srv/x, lies in that of principals.a, /srv/x: {end}"
            )]
        );
        assert_eq!(warnings(&sections("/srv/x", "/srv/xy")), [""; 0]);
        let server = "workspace = \"/srv\"\n[principals.a]\nworkspace = \"/srv/a\"\n";
        assert_eq!(
            warnings(server),
            [format!(
                "the workspace of principals.a, /srv/a, lies in that of the server, /srv: {end}"
            )]
        );
        let anyone = "[principals.\"*\"]\nworkspace = \"/srv/{principal}\"\n";
        assert_eq!(warnings(&format!("{server}{anyone}")), [""; 0]);
    }

    proptest! {
        #[test]
        fn a_name_is_always_one_component_and_no_two_names_are_the_same(
            one in "(?s).{1,40}",
            other in "(?s).{1,40}",
        ) {
            let name = directory_name(&one);
            prop_assert_eq!(Path::new("/a").join(&name).components().count(), 3);
            prop_assert!(name != ".." && !name.contains('/') && name.len() <= 255);
            prop_assert_eq!(one == other, name == directory_name(&other));
        }
    }
}
