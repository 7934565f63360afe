//! Names of the environment's variables, which messages name settings by. Those of settings
//! stand in their entries, the others here.

pub(crate) use super::entry::PREFIX;
use super::variables;
pub(crate) use variables::audit::names::*;
pub(crate) use variables::commands::names::*;
pub(crate) use variables::conversations::names::*;
pub(crate) use variables::files::names::*;
pub(crate) use variables::http::names::*;
pub(crate) use variables::limits::names::*;
pub(crate) use variables::network::names::*;
pub(crate) use variables::output::names::*;
pub(crate) use variables::packages::names::*;
pub(crate) use variables::permissions::names::*;
pub(crate) use variables::queue::names::*;
pub(crate) use variables::search::names::*;
pub(crate) use variables::store::names::*;
pub(crate) use variables::tools::names::*;
pub(crate) use variables::workers::names::*;

/// Set in the environment of servers that this one starts.
pub(crate) const UPSTREAM: &str = "MCP_CONDUCTOR_IS_UPSTREAM";
/// The config file; the command line reads it.
pub(crate) const CONFIG: &str = "MCP_CONDUCTOR_CONFIG";
/// The system's own variable (tzset(3)), where [`TIME_ZONE`] is not set.
pub(super) const TZ: &str = "TZ";

/// Names with the server's prefix that it does not know.
pub(super) fn unknown(names: impl Iterator<Item = String>) -> Vec<String> {
    let known = |name: &str| {
        [UPSTREAM, CONFIG].contains(&name) || variables::all().iter().any(|v| v.name == name)
    };
    let mut found: Vec<_> = names.filter(|n| n.starts_with(PREFIX) && !known(n)).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_the_prefix_that_mean_nothing_are_found() {
        let names =
            ["MCP_CONDUCTOR_MAX_TIMOUT", MAX_TIMEOUT, CONFIG, UPSTREAM, PROXY_CONFIG, "PATH"];
        assert_eq!(unknown(names.map(str::to_owned).into_iter()), ["MCP_CONDUCTOR_MAX_TIMOUT"]);
    }
}
