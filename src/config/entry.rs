//! What is known of a setting: the entry of the table in `variables`, from which the
//! default configuration, the config file, its JSON Schema, `config check` and the
//! tables of docs/configuration.md are made.

use super::Config;
use super::form::{Form, Given};

/// Prefix of every variable.
pub(crate) const PREFIX: &str = "MCP_CONDUCTOR_";

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name in the environment.
    pub name: &'static str,
    /// Its meaning, with the unit.
    pub meaning: &'static str,
    /// A value that works.
    pub example: &'static str,
    /// Its name in the config file, if that is not the variable's: in a table,
    /// `packages.auto`.
    pub(super) key: Option<&'static str>,
    /// The flag of the command line that sets it, such as `--port`.
    pub(super) flag: Option<&'static str>,
    pub(super) scope: Scope,
    pub(super) applies: Applies,
    pub(super) default: Standard,
    /// What its values look like, their range and unit, and where they are kept.
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

/// When a change counts, after SIGHUP has the config file read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applies {
    /// At once, for new runs and requests.
    AtReload,
    /// After a restart: the queue, the log, the workers or the listener were made with it.
    AtStart,
    /// As [`Self::AtStart`], and a principal's is never above the server's: it is a limit
    /// that the zygote sets for all processes.
    ToProcesses,
}

/// What a setting is where nothing sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standard {
    /// In the setting's unit.
    Number(u64),
    Flag(bool),
    /// As the environment would have it.
    Text(&'static str),
    /// So many for each core of the machine.
    PerCore(u64),
    /// A path in the home directory.
    InHome(&'static str),
    /// Nothing, or an empty list.
    Unset,
    /// Nothing; what that means, as the documentation has it.
    Means(&'static str),
}

/// A name is of one variable only.
impl PartialEq for Variable {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Variable {
    /// Its name in the config file; what stands before a dot is a table.
    pub fn key(&self) -> String {
        if let Some(key) = self.key {
            return key.to_owned();
        }
        let name = self.canonical();
        name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase()
    }

    /// The table of the config file that it is in.
    pub(super) fn table(&self) -> Option<&'static str> {
        self.key?.split_once('.').map(|(table, _)| table)
    }

    /// The name of the setting that it sets.
    pub(super) fn canonical(&self) -> &'static str {
        match self.scope {
            Scope::Alias(of) => of,
            Scope::Server | Scope::Principal => self.name,
        }
    }

    /// The command line's name of it, or else the environment's.
    pub(super) fn flag(&self) -> &'static str {
        self.flag.unwrap_or(self.name)
    }

    /// The example as the config file has it.
    pub(super) fn file_example(&self) -> serde_json::Value {
        self.form.parse(self.example).map_or(serde_json::Value::Null, |given| given.to_json())
    }

    /// `config` with this text instead of what it has.
    ///
    /// # Errors
    /// What is wrong with the text.
    #[cfg(test)]
    pub(super) fn set_text(&self, mut config: Config, text: &str) -> Result<Config, String> {
        self.form.read(&mut config, text)?;
        Ok(config)
    }

    /// Puts the default into a configuration.
    ///
    /// # Errors
    /// The entry has a default that is none of its values; a test tries each.
    pub(super) fn set_default(&self, config: &mut Config) -> Result<(), String> {
        let given = match self.default {
            Standard::Number(number) => Given::Number(number),
            Standard::Flag(yes) => Given::Flag(yes),
            Standard::Text(text) => self.form.parse(text)?,
            Standard::PerCore(number) => {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                Given::Number(number * cores as u64)
            }
            Standard::InHome(path) => Given::Path(home().join(path)),
            Standard::Unset | Standard::Means(_) => return Ok(()),
        };
        self.form.set(config, given)
    }
}

pub(super) fn home() -> std::path::PathBuf {
    std::env::home_dir().unwrap_or_else(|| "/".into())
}

/// A group of settings of a [`Config`]: its fields, and for those before `and` an accessor
/// and a builder each. Those of the others are written out beside the group.
macro_rules! group {
    (
        $(#[$of_group:meta])*
        $Group:ident as $group:ident {
            $($(#[$doc:meta])* $name:ident, $with:ident: $type:ty;)*
        }
        $(and { $($(#[$other_doc:meta])* $other:ident: $other_type:ty;)* })?
    ) => {
        $(#[$of_group])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub(in crate::config) struct $Group {
            $(pub(in crate::config) $name: $type,)*
            $($($(#[$other_doc])* pub(in crate::config) $other: $other_type,)*)?
        }

        impl Config {
            $(
                $(#[$doc])*
                pub fn $name(&self) -> $type {
                    self.$group.$name
                }

                #[doc = concat!("Sets [`Self::", stringify!($name), "`].")]
                #[must_use]
                pub fn $with(mut self, $name: $type) -> Self {
                    self.$group.$name = $name;
                    self
                }
            )*
        }
    };
}

/// A table of settings: `CONSTANT = "NAME in the environment" or "--flag" as "table.key"
/// { fields }`. The constant is what other code names the setting by.
macro_rules! entries {
    ($(
        $(#[$doc:meta])*
        $constant:ident = $name:literal $(or $flag:literal)? $(as $key:literal)? { $($field:tt)* }
    )*) => {
        pub(in crate::config) mod names {
            $($(#[$doc])* pub(crate) const $constant: &str = $name;)*
        }

        pub(super) const ENTRIES: &[Variable] = &[$(
            Variable {
                name: names::$constant,
                key: [$(Some($key),)? None][0],
                flag: [$(Some($flag),)? None][0],
                $($field)*
            },
        )*];
    };
}

pub(super) use {entries, group};
