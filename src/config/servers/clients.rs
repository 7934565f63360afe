//! Keys that other clients write into an entry. What says less than all of a server may
//! be used is honoured or refused, never passed over.

use super::super::value::Value;

/// What becomes of a key of another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It says nothing that matters here.
    PassedOver,
    /// What it would do elsewhere is not done; what to do instead.
    Instead(&'static str),
    /// An entry is not used, if the value asks for it; why.
    Refused(&'static str),
}

use Foreign::{Instead, PassedOver, Refused};

const LOGIN: Foreign = Instead("to log in, run `mcp-conductor login` with the server's name");

const CONNECT: Foreign = Instead("a server has 60 s to connect");

const SANDBOX: Foreign =
    Refused("servers are started without a sandbox here; remove the key if this one may be");

const NO_TOOLS: Foreign = Refused(
    "only tools can be restricted here; remove the key if all prompts and resources may be read",
);

/// Keys, and who writes them.
const KEYS: [(&str, Foreign); 83] = [
    // VS Code: mcpPlatformTypes.ts, and what its gallery leaves there.
    ("gallery", PassedOver),
    ("version", PassedOver),
    ("dev", PassedOver),
    ("sandboxEnabled", SANDBOX),
    ("sandbox", PassedOver),
    ("presentation", PassedOver),
    // Claude Code and Claude Desktop.
    ("oauth", LOGIN),
    ("headersHelper", Instead("its headers are not sent; write them as \"headers\"")),
    ("alwaysLoad", PassedOver),
    ("scope", PassedOver),
    ("pluginSource", PassedOver),
    // Cursor.
    ("auth", LOGIN),
    // Cline, Roo Code, Kilo Code.
    ("autoApprove", PassedOver),
    ("alwaysAllow", PassedOver),
    ("watchPaths", PassedOver),
    ("remoteConfigured", PassedOver),
    ("disabledAutoApproveTools", PassedOver),
    // Copilot CLI and the coding agent.
    ("source", PassedOver),
    ("sourcePath", PassedOver),
    ("sourcePlugin", PassedOver),
    ("isDefaultServer", PassedOver),
    ("filterMapping", PassedOver),
    ("deferTools", PassedOver),
    ("safeForTelemetry", PassedOver),
    ("oauthClientId", LOGIN),
    ("oauthPublicClient", LOGIN),
    ("oauthGrantType", LOGIN),
    ("oidc", LOGIN),
    // Gemini CLI and Antigravity.
    ("trust", PassedOver),
    ("extension", PassedOver),
    ("extensionName", PassedOver),
    ("authProviderType", LOGIN),
    ("targetAudience", LOGIN),
    ("targetServiceAccount", LOGIN),
    // Zed.
    ("settings", PassedOver),
    ("remote", PassedOver),
    // Warp, Cherry Studio, Witsy, mcphub.nvim and others.
    ("start_on_launch", PassedOver),
    ("autoStart", PassedOver),
    ("longRunning", PassedOver),
    ("registryUrl", PassedOver),
    ("registry", PassedOver),
    ("provider", PassedOver),
    ("providerUrl", PassedOver),
    ("configSample", PassedOver),
    ("searchKey", PassedOver),
    ("isTrusted", PassedOver),
    ("installSource", PassedOver),
    ("installedAt", PassedOver),
    ("custom_instructions", PassedOver),
    ("disabledPrompts", NO_TOOLS),
    ("disabledResources", NO_TOOLS),
    ("disabled_prompts", NO_TOOLS),
    ("disabled_resources", NO_TOOLS),
    ("disabled_resourceTemplates", NO_TOOLS),
    // The time to connect.
    ("startupTimeout", CONNECT),
    ("startup_timeout", CONNECT),
    ("startup_timeout_sec", CONNECT),
    ("startup_timeout_ms", CONNECT),
    ("connectTimeout", CONNECT),
    ("connectionTimeout", CONNECT),
    ("initTimeout", CONNECT),
    // What a list of servers says for people.
    ("name", PassedOver),
    ("displayName", PassedOver),
    ("title", PassedOver),
    ("id", PassedOver),
    ("icon", PassedOver),
    ("icons", PassedOver),
    ("iconUrl", PassedOver),
    ("logo", PassedOver),
    ("logoUrl", PassedOver),
    ("author", PassedOver),
    ("homepage", PassedOver),
    ("repository", PassedOver),
    ("documentation", PassedOver),
    ("license", PassedOver),
    ("category", PassedOver),
    ("tags", PassedOver),
    ("metadata", PassedOver),
    ("inputs", PassedOver),
    ("comment", PassedOver),
    ("note", PassedOver),
    ("notes", PassedOver),
    ("createdAt", PassedOver),
];

/// What becomes of a key; nothing if it is of no client.
pub(super) fn foreign(key: &str) -> Option<Foreign> {
    let known = KEYS.iter().find(|(known, _)| *known == key);
    known.map(|(_, foreign)| *foreign).or_else(|| is_comment(key).then_some(PassedOver))
}

/// Where a format has no comments, people write them as keys.
pub(super) fn is_comment(key: &str) -> bool {
    ["_", "$", "//", "#", "x-"].iter().any(|start| key.starts_with(start))
}

/// Whether a value asks for what its key is about.
pub(super) fn asks(value: &Value) -> bool {
    match value {
        Value::Flag(asked) => *asked,
        Value::List(items) => !items.is_empty(),
        Value::Table(entries) => !entries.is_empty(),
        Value::Text(text) => !text.is_empty(),
        Value::Number(_) => true,
        Value::Other(_) => false,
    }
}

/// Names of the list of tools that alone may be called: ours; Gemini CLI's and Amp's;
/// Copilot's; Codex' and others'.
pub(super) const ALLOWED: [&str; 5] =
    ["allowedTools", "includeTools", "tools", "enabledTools", "enabled_tools"];

/// Names of the list of tools that may not be called: ours; Gemini CLI's; Windsurf's,
/// Kiro's and Roo Code's; Codex' and mcphub.nvim's.
pub(super) const DENIED: [&str; 4] =
    ["deniedTools", "excludeTools", "disabledTools", "disabled_tools"];

/// Keys that turn an entry off, and the value that does: ours, Cline's and Windsurf's;
/// Zed's and opencode's; Cherry Studio's.
pub(super) const SWITCHES: [(&str, bool); 3] =
    [("disabled", true), ("enabled", false), ("isActive", false)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_stands_twice_and_none_is_one_that_is_read() {
        let mut keys: Vec<_> = KEYS.iter().map(|(key, _)| *key).collect();
        let read = ALLOWED.into_iter().chain(DENIED).chain(SWITCHES.map(|(key, _)| key));
        keys.extend(read.chain(super::super::entry::KNOWN.into_iter().filter(|key| !is_read(key))));
        keys.sort_unstable();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    /// Those of [`super::super::entry::KNOWN`] that are in one of the lists here.
    fn is_read(key: &str) -> bool {
        ["allowedTools", "deniedTools", "disabled"].contains(&key)
    }
}
