//! Everything that can be set, in one table: its name in the environment, its form,
//! how it gets into a [`Config`] and out of it. The config file, its JSON Schema and
//! `config check` are made from the same table.

mod form;
mod http;
mod runs;

use std::sync::LazyLock;

use super::Config;
use super::environment::PREFIX;
pub(super) use form::{Form, Given, MAX_MILLIS};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name in the environment.
    pub name: &'static str,
    /// Its meaning, with the unit.
    pub meaning: &'static str,
    /// A value that works.
    pub example: &'static str,
    pub(super) scope: Scope,
    pub(super) form: Form,
}

/// Who a setting is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The whole server.
    Server,
    /// A principal's section of the config file can have its own.
    Principal,
    /// Another name in the environment for the setting of this variable.
    Alias(&'static str),
}

/// A name is of one variable only.
impl PartialEq for Variable {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Variable {
    /// Its name in the config file.
    pub fn key(&self) -> String {
        let name = match self.scope {
            Scope::Alias(of) => of,
            _ => self.name,
        };
        name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase()
    }

    /// The example as the config file has it.
    pub(super) fn file_example(&self) -> serde_json::Value {
        self.form.parse(self.example).map_or(serde_json::Value::Null, |given| given.to_json())
    }

    /// `config` with this text instead of what it has.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(super) fn set_text(&self, config: Config, text: &str) -> Result<Config, String> {
        self.form.set(config, self.form.parse(text)?)
    }
}

/// Every variable, in the order of the documentation.
pub(super) fn all() -> &'static [Variable] {
    static ALL: LazyLock<Vec<Variable>> = LazyLock::new(|| [runs::RUNS, http::HTTP].concat());
    &ALL
}

/// Those that the config file can have at its top.
pub(super) fn of_the_file() -> impl Iterator<Item = &'static Variable> {
    all().iter().filter(|variable| !matches!(variable.scope, Scope::Alias(_)))
}

/// Those that a principal's section can have.
pub(super) fn of_a_principal() -> impl Iterator<Item = &'static Variable> {
    all().iter().filter(|variable| variable.scope == Scope::Principal)
}

/// The variable of a name in the environment.
pub(super) fn named(name: &str) -> Option<&'static Variable> {
    all().iter().find(|variable| variable.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_example_is_accepted_and_shown_again() {
        for variable in all() {
            let config = variable.set_text(Config::default(), variable.example).unwrap();
            let shown = variable.form.shown(&config).unwrap();
            assert_eq!(shown, variable.file_example(), "{}", variable.name);
        }
    }

    #[test]
    fn no_name_and_no_key_is_there_twice() {
        let names: BTreeSet<_> = all().iter().map(|variable| variable.name).collect();
        assert_eq!(names.len(), all().len());
        let keys: BTreeSet<_> = of_the_file().map(Variable::key).collect();
        assert_eq!(keys.len(), of_the_file().count());
    }

    #[test]
    fn a_setting_changes_nothing_but_itself() {
        for variable in of_the_file() {
            let config = variable.set_text(Config::default(), variable.example).unwrap();
            for other in of_the_file().filter(|other| other.name != variable.name) {
                assert_eq!(
                    other.form.shown(&config),
                    other.form.shown(&Config::default()),
                    "{} changes {}",
                    variable.name,
                    other.name
                );
            }
        }
    }
}
