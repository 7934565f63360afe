//! The sections of the config file: settings of one principal over the server's.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::entry::Variable;
use super::environment::{DEFAULT_TIMEOUT, MAX_TIMEOUT, MCP_CONFIG, WORKSPACE};
use super::form::Given;
use super::{Config, ConfigError};
use crate::policy::normalize;

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
pub(super) const ANONYMOUS: &str = "anonymous";

/// The section of whoever has none.
pub(super) const ANYONE: &str = "*";

/// Stands before the subject of a JSON Web Token in a principal's name. No token's
/// name has a colon.
const SUBJECT: &str = "sub:";

/// In a workspace: the principal's name, as a file name.
const PLACEHOLDER: &str = "{principal}";

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
    pub subjects: HashMap<String, String>,
}

/// `[principals.NAME]`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Section {
    pub subject: Option<String>,
    pub tools: Option<Vec<String>>,
    /// Those of the server's packages that it has.
    pub packages: Option<Vec<String>>,
    /// What it has of its own, in the order of the documentation.
    pub settings: Vec<(&'static Variable, Given)>,
}

impl Principals {
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
                "the workspace of {}, {}, is inside that of {owner}, {}: programs of one can \
                 reach the files of the other",
                place.1,
                place.0.display(),
                directory.display()
            )),
            _ => outer = Some(place),
        }
    }
    warnings
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
        if let Some(packages) = &self.packages {
            config.narrow_packages(packages).map_err(|error| format!("packages: {error}"))?;
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
pub(super) fn directory_name(name: &str) -> String {
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
