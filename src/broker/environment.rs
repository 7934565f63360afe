//! `Deno.env` of one run: what the server's environment was at its start, with
//! what the program has set since on top.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;

use super::failure::Problem;
use crate::policy::{AllowedVariable, Policy};
use crate::protocol::Failure;

/// Bytes that a program may set, names and values together: Linux takes 128 KiB
/// for one variable (MAX_ARG_STRLEN), and a started command must take all.
const MAX_SET: usize = 1 << 20;

/// What a variable takes besides its text.
const ENTRY_BYTES: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Environment(Mutex<Set>);

#[derive(Debug, Default)]
struct Set {
    /// Nothing stands for a variable that was deleted.
    variables: BTreeMap<String, Option<String>>,
    bytes: usize,
}

impl Environment {
    fn with<T>(&self, then: impl FnOnce(&mut Set) -> T) -> T {
        then(&mut self.0.lock())
    }

    pub(super) fn get(
        &self,
        variable: &AllowedVariable,
        server: &HashMap<String, String>,
    ) -> Option<String> {
        match self.with(|set| set.variables.get(variable.name()).cloned()) {
            Some(value) => value,
            None => server.get(variable.name()).cloned(),
        }
    }

    pub(super) fn set(&self, variable: &AllowedVariable, value: String) -> Result<(), Problem> {
        if value.contains('\0') {
            return Err(invalid("Value", &value));
        }
        self.put(variable, Some(value))
    }

    pub(super) fn delete(&self, variable: &AllowedVariable) -> Result<(), Problem> {
        self.put(variable, None)
    }

    fn put(&self, variable: &AllowedVariable, value: Option<String>) -> Result<(), Problem> {
        let name = variable.name().to_owned();
        let size = |value: &Option<String>| value.as_ref().map_or(0, String::len);
        self.with(|set| {
            let before = set.variables.get(&name);
            let freed = before.map_or(0, |value| name.len() + size(value) + ENTRY_BYTES);
            let bytes = set.bytes - freed + name.len() + size(&value) + ENTRY_BYTES;
            if bytes > MAX_SET {
                let message =
                    format!("A run may set at most {MAX_SET} bytes of environment variables");
                return Err(Failure::limit(message).into());
            }
            set.bytes = bytes;
            set.variables.insert(name, value);
            Ok(())
        })
    }

    /// Every variable that the policy allows.
    pub(super) fn all(
        &self,
        policy: &Policy,
        server: &HashMap<String, String>,
    ) -> Vec<(String, String)> {
        let mut all: BTreeMap<_, _> = server
            .iter()
            .filter(|(name, _)| policy.variable(name).is_ok())
            .map(|(name, value)| (name.clone(), Some(value.clone())))
            .collect();
        self.with(|set| all.extend(set.variables.clone()));
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Whether a name can be one; as deno_os 0.77 says it.
pub(super) fn check(name: &str) -> Result<(), Problem> {
    if name.is_empty() {
        return Err(Failure::type_error("Key is an empty string.").into());
    }
    if name.contains(['=', '\0']) {
        return Err(invalid("Key", name));
    }
    Ok(())
}

fn invalid(what: &str, text: &str) -> Problem {
    Failure::type_error(format!("{what} contains invalid characters: {text:?}")).into()
}
