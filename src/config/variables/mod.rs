//! Everything that can be set, in tables by group. A setting is an entry here and a field
//! in its group; everything else is made from the two.

pub(super) mod audit;
pub(super) mod commands;
pub(super) mod conversations;
pub(super) mod files;
pub(super) mod http;
pub(super) mod limits;
pub(super) mod network;
pub(super) mod output;
pub(super) mod packages;
pub(super) mod permissions;
pub(super) mod queue;
pub(super) mod search;
pub(super) mod store;
pub(super) mod tools;
pub(super) mod workers;

use std::sync::LazyLock;

use super::entry::{Scope, Variable};

/// The tables, each with its name in the documentation, in the documentation's order.
pub(super) const GROUPS: [(&str, &[Variable]); 15] = [
    ("limits", limits::ENTRIES),
    ("output", output::ENTRIES),
    ("queue", queue::ENTRIES),
    ("workers", workers::ENTRIES),
    ("permissions", permissions::ENTRIES),
    ("files", files::ENTRIES),
    ("network", network::ENTRIES),
    ("commands", commands::ENTRIES),
    ("tools", tools::ENTRIES),
    ("search", search::ENTRIES),
    ("conversations", conversations::ENTRIES),
    ("packages", packages::ENTRIES),
    ("audit", audit::ENTRIES),
    ("store", store::ENTRIES),
    ("http", http::ENTRIES),
];

/// Every variable, in the order of the documentation.
pub(super) fn all() -> &'static [Variable] {
    static ALL: LazyLock<Vec<Variable>> =
        LazyLock::new(|| GROUPS.iter().flat_map(|(_, entries)| *entries).copied().collect());
    &ALL
}

/// Those that the config file can have at its top.
pub(super) fn of_the_file() -> impl Iterator<Item = &'static Variable> {
    all().iter().filter(|variable| !matches!(variable.scope, Scope::Alias(_)))
}

/// Whether the config file has a table of this name with settings.
pub(super) fn is_table(name: &str) -> bool {
    all().iter().any(|variable| variable.table() == Some(name))
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

    use super::super::Config;
    use super::super::form::{Form, Given};
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

    #[test]
    fn every_default_is_one_of_the_setting_s_values() {
        for variable in all() {
            variable.set_default(&mut Config::default()).unwrap();
            let Form::Number { min, max, .. } = &variable.form else { continue };
            let default = variable.form.number(&Config::default()).unwrap();
            assert!((*min..=*max).contains(&default), "{}", variable.name);
        }
    }

    #[test]
    fn both_ends_of_a_range_can_be_kept() {
        for variable in all() {
            let Form::Number { min, max, .. } = &variable.form else { continue };
            for end in [*min, *max] {
                let mut config = Config::default();
                variable.form.set(&mut config, Given::Number(end)).unwrap();
                assert_eq!(variable.form.number(&config), Some(end), "{}", variable.name);
            }
        }
    }

    #[test]
    fn a_setting_that_is_kept_is_as_it_was_and_nothing_else_is() {
        for variable in all() {
            let old = variable.set_text(Config::default(), variable.example).unwrap();
            let mut config = old.clone();
            match &variable.form {
                Form::Number { max, .. } => {
                    variable.form.set(&mut config, Given::Number(*max)).unwrap();
                }
                Form::Millis(_) => variable.form.set(&mut config, Given::Number(77)).unwrap(),
                _ => config = Config::default(),
            }
            let is_other = config != old;
            assert_eq!(variable.form.keep(&mut config, &old), is_other, "{}", variable.name);
            assert_eq!(config, old, "{}", variable.name);
            assert!(!variable.form.keep(&mut config, &old));
        }
    }
}
