//! Names of the environment's variables. No other file has them; what they mean
//! stands in `variables`.

use super::variables;

/// Prefix of every variable.
pub(crate) const PREFIX: &str = "MCP_CONDUCTOR_";

pub(crate) const MAX_TIMEOUT: &str = "MCP_CONDUCTOR_MAX_TIMEOUT";
pub(crate) const DEFAULT_TIMEOUT: &str = "MCP_CONDUCTOR_DEFAULT_TIMEOUT";
pub(crate) const UNFINISHED_GRACE: &str = "MCP_CONDUCTOR_UNFINISHED_GRACE";
pub(crate) const MAX_CPU_TIME: &str = "MCP_CONDUCTOR_MAX_CPU_TIME";
pub(crate) const MAX_MEMORY: &str = "MCP_CONDUCTOR_MAX_MEMORY";
pub(crate) const MAX_OUTPUT: &str = "MCP_CONDUCTOR_MAX_OUTPUT_SIZE";
pub(crate) const MAX_RETURN_SIZE: &str = "MCP_CONDUCTOR_MAX_RETURN_SIZE";
pub(crate) const MAX_RETURN_DEPTH: &str = "MCP_CONDUCTOR_MAX_RETURN_DEPTH";
pub(crate) const MAX_CONCURRENT: &str = "MCP_CONDUCTOR_MAX_CONCURRENT";
pub(crate) const MAX_QUEUE: &str = "MCP_CONDUCTOR_MAX_QUEUE";
pub(crate) const RUN_ARGS: &str = "MCP_CONDUCTOR_RUN_ARGS";
pub(crate) const MAX_QUEUE_WAIT: &str = "MCP_CONDUCTOR_MAX_QUEUE_WAIT";
pub(crate) const MAX_WRITE_SIZE: &str = "MCP_CONDUCTOR_MAX_WRITE_SIZE";
pub(crate) const MAX_NEW_FILES: &str = "MCP_CONDUCTOR_MAX_NEW_FILES";
pub(crate) const MAX_OPEN_FILES: &str = "MCP_CONDUCTOR_MAX_OPEN_FILES";
pub(crate) const MAX_FETCH_SIZE: &str = "MCP_CONDUCTOR_MAX_FETCH_SIZE";
pub(crate) const MAX_CONNECTIONS: &str = "MCP_CONDUCTOR_MAX_CONNECTIONS";
pub(crate) const MAX_COMMAND_OUTPUT: &str = "MCP_CONDUCTOR_MAX_COMMAND_OUTPUT";
/// Set in the environment of servers that this one starts.
pub(crate) const UPSTREAM: &str = "MCP_CONDUCTOR_IS_UPSTREAM";
pub(crate) const MCP_CONFIG: &str = "MCP_CONDUCTOR_MCP_CONFIG";
pub(crate) const MAX_TOOL_CALLS: &str = "MCP_CONDUCTOR_MAX_TOOL_CALLS";
pub(crate) const MAX_TOOL_RESULT: &str = "MCP_CONDUCTOR_MAX_TOOL_RESULT";
/// The older name of [`MCP_CONFIG`], in the environment only.
pub(crate) const PROXY_CONFIG: &str = "MCP_CONDUCTOR_PROXY_CONFIG";
pub(crate) const STANDBY: &str = "MCP_CONDUCTOR_STANDBY";
pub(crate) const ISOLATE: &str = "MCP_CONDUCTOR_ISOLATE";
pub(crate) const TIME_ZONE: &str = "MCP_CONDUCTOR_TIME_ZONE";
/// The system's own variable (tzset(3)), where [`TIME_ZONE`] is not set.
pub(super) const TZ: &str = "TZ";
pub(crate) const WORKSPACE: &str = "MCP_CONDUCTOR_WORKSPACE";
pub(crate) const FETCH_HEADERS: &str = "MCP_CONDUCTOR_FETCH_HEADERS";
pub(crate) const AUDIT_LOG: &str = "MCP_CONDUCTOR_AUDIT_LOG";
pub(crate) const ALLOW_ALL: &str = "MCP_CONDUCTOR_UNSAFE_ALLOW_ALL";
pub(crate) const WITHOUT_LANDLOCK: &str = "MCP_CONDUCTOR_UNSAFE_RUN_WITHOUT_LANDLOCK";

pub(crate) const BIND: &str = "MCP_CONDUCTOR_BIND";
pub(crate) const PORT: &str = "MCP_CONDUCTOR_PORT";
pub(crate) const ALLOWED_HOSTS: &str = "MCP_CONDUCTOR_ALLOWED_HOSTS";
pub(crate) const ALLOWED_ORIGINS: &str = "MCP_CONDUCTOR_ALLOWED_ORIGINS";
pub(crate) const PUBLIC_URL: &str = "MCP_CONDUCTOR_PUBLIC_URL";
pub(crate) const MAX_BODY_SIZE: &str = "MCP_CONDUCTOR_MAX_BODY_SIZE";
pub(crate) const MAX_CLIENTS: &str = "MCP_CONDUCTOR_MAX_CLIENTS";
pub(crate) const MAX_SESSIONS: &str = "MCP_CONDUCTOR_MAX_SESSIONS";
pub(crate) const DRAIN_TIMEOUT: &str = "MCP_CONDUCTOR_DRAIN_TIMEOUT";
pub(crate) const TOKENS: &str = "MCP_CONDUCTOR_TOKENS";
pub(crate) const OAUTH_ISSUER: &str = "MCP_CONDUCTOR_OAUTH_ISSUER";
pub(crate) const OAUTH_AUDIENCE: &str = "MCP_CONDUCTOR_OAUTH_AUDIENCE";
pub(crate) const OAUTH_JWKS: &str = "MCP_CONDUCTOR_OAUTH_JWKS";
pub(crate) const OAUTH_SCOPES: &str = "MCP_CONDUCTOR_OAUTH_SCOPES";
pub(crate) const RATE_LIMIT: &str = "MCP_CONDUCTOR_RATE_LIMIT";
pub(crate) const RATE_BURST: &str = "MCP_CONDUCTOR_RATE_BURST";
pub(crate) const PRINCIPAL_CONCURRENT: &str = "MCP_CONDUCTOR_PRINCIPAL_CONCURRENT";
pub(crate) const PRINCIPAL_QUEUE: &str = "MCP_CONDUCTOR_PRINCIPAL_QUEUE";
pub(crate) const METRICS: &str = "MCP_CONDUCTOR_METRICS";
pub(crate) const NO_AUTH: &str = "MCP_CONDUCTOR_UNSAFE_NO_AUTH";
/// The config file; the command line reads it.
pub(crate) const CONFIG: &str = "MCP_CONDUCTOR_CONFIG";

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
