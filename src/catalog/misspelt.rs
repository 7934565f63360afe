//! A function of a server's module, or of an object of `mcpFactory`, that a program called
//! and that is not there: which ones are near. V8 throws the error, and knows no names but
//! the one that was called; so they are added when the run has ended with it.

use std::sync::Arc;
use std::time::Duration;

use super::identifiers::{exports, string_exports};
use super::seen::Seen;
use super::work::GoOn;
use crate::text::identifiers::string_literal;
use crate::text::near::near_names;

/// How long the names are looked for at most: others of the principal may have all
/// threads for that.
pub(crate) const WITHIN: Duration = Duration::from_secs(1);

/// As in `js/12_mcp.js`.
const OF_FACTORY: [&str; 2] = ["listServers", "load"];
const OF_SERVER: [&str; 6] =
    ["callTool", "getPrompt", "listPrompts", "listResources", "listTools", "readResource"];

/// What a run had of servers.
#[derive(Debug, Default, Clone)]
pub(crate) struct Had {
    /// Servers whose modules it has imported.
    pub modules: Vec<Arc<str>>,
    /// It may have objects of `mcpFactory`.
    pub objects: bool,
}

/// Names that V8 reports as not a function or not an export.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    name: String,
    is_of_factory: bool,
}

impl Missing {
    pub(crate) fn of(message: &str) -> Option<Self> {
        if let Some(callee) = message.strip_suffix(" is not a function") {
            let name = callee.rsplit('.').next()?.to_owned();
            let is_of_factory = callee.starts_with("mcpFactory.");
            return Some(Self { name, is_of_factory });
        }
        let (_, name) = message.split_once(" does not provide an export named '")?;
        let name = name.strip_suffix('\'')?.to_owned();
        Some(Self { name, is_of_factory: false })
    }

    /// ". Did you mean …", of functions of these modules, or of objects of these servers.
    pub(crate) fn hint(&self, modules: &[Seen], objects: &[Seen], go_on: GoOn<'_>) -> String {
        if self.is_of_factory {
            return did_you_mean(&near_names(&self.name, OF_FACTORY.into_iter()));
        }
        // One module after the other: each may have ten thousand.
        let near_of = |seen: &Seen| {
            let names = functions(seen);
            let near = near_names(&self.name, names.iter().map(String::as_str));
            near.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let exported: Vec<String> =
            modules.iter().take_while(|_| go_on()).flat_map(near_of).collect();
        let near = near_names(&self.name, exported.iter().map(String::as_str));
        if !near.is_empty() || objects.is_empty() {
            return did_you_mean(&near);
        }
        let near = near_names(&self.name, OF_SERVER.into_iter());
        if !near.is_empty() {
            return did_you_mean(&near);
        }
        let mut tools: Vec<&str> = objects
            .iter()
            .take_while(|_| go_on())
            .flat_map(|seen| near_names(&self.name, seen.names()))
            .collect();
        tools.sort_unstable();
        tools.dedup();
        calls(&near_names(&self.name, tools.into_iter()))
    }
}

/// The names under which a module exports functions.
fn functions(seen: &Seen) -> Vec<String> {
    let names: Vec<&str> = seen.names().collect();
    let strings = string_exports(&names).into_iter().flatten().map(str::to_owned);
    exports(&names).into_iter().flatten().chain(strings).collect()
}

/// ". Did you mean …", if there are candidates.
pub(crate) fn did_you_mean(near: &[&str]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let quoted: Vec<_> = near.iter().map(|name| format!("\"{name}\"")).collect();
    format!(". Did you mean {}?", quoted.join(" or "))
}

/// Tools are not methods of an object.
fn calls(tools: &[&str]) -> String {
    if tools.is_empty() {
        return String::new();
    }
    let calls: Vec<_> =
        tools.iter().map(|tool| format!("callTool({}, …)", string_literal(tool))).collect();
    format!(". Did you mean {}?", calls.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_last_of_what_was_called() {
        for (message, name, is_of_factory) in [
            ("up.resolveLibaryId is not a function", "resolveLibaryId", false),
            ("(intermediate value).echo is not a function", "echo", false),
            ("echoo is not a function", "echoo", false),
            ("mcpFactory.laod is not a function", "laod", true),
            (
                "The requested module 'mcp:up' does not provide an export named 'echoo'",
                "echoo",
                false,
            ),
        ] {
            let missing = Missing { name: name.to_owned(), is_of_factory };
            assert_eq!(Missing::of(message), Some(missing), "{message}");
        }
        for message in ["", "x is not defined", "no export named 'x'"] {
            assert_eq!(Missing::of(message), None, "{message}");
        }
    }

    #[test]
    fn of_the_factory_its_two_functions_are_near() {
        let missing = Missing::of("mcpFactory.laod is not a function").unwrap();
        assert_eq!(missing.hint(&[], &[], &|| true), ". Did you mean \"load\"?");
        let missing = Missing::of("mcpFactory.frobnicate is not a function").unwrap();
        assert_eq!(missing.hint(&[], &[], &|| true), "");
    }
}
