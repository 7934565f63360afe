//! The node: built-ins: their names, once for the engine, which lets programs import
//! them, and for `build.rs`, which puts them into the snapshot.

/// What follows `node:`, in the order in which the scripts are evaluated.
pub(super) const BUILTINS: &[&str] = &[
    "events",
    "util",
    "path",
    "buffer",
    "assert",
    "url",
    "querystring",
    "string_decoder",
    "timers",
    "process",
    "stream",
    "os",
    "fs",
    "crypto",
    "zlib",
    "tty",
    "async_hooks",
    "diagnostics_channel",
    "perf_hooks",
    "punycode",
    "constants",
    "util/types",
    "path/posix",
    "path/win32",
    "assert/strict",
    "timers/promises",
    "stream/promises",
    "stream/consumers",
    "stream/web",
    "fs/promises",
    "net",
    "dns",
    "dns/promises",
    "tls",
    "http",
    "https",
    "http2",
    "child_process",
    "worker_threads",
    "vm",
    "v8",
    "readline",
    "readline/promises",
    "dgram",
    "inspector",
    "sys",
    "module",
    "console",
    "trace_events",
    "cluster",
    "_http_agent",
    "_http_client",
    "_http_common",
    "_http_incoming",
    "_http_outgoing",
    "_http_server",
    "_stream_duplex",
    "_stream_passthrough",
    "_stream_readable",
    "_stream_transform",
    "_stream_writable",
    "_tls_common",
    "_tls_wrap",
];

/// Whether a specifier names a built-in, with `node:` before it or without.
pub(super) fn is_builtin(specifier: &str) -> bool {
    BUILTINS.contains(&specifier.strip_prefix("node:").unwrap_or(specifier))
}

#[cfg(test)]
mod tests {
    use super::is_builtin;

    #[test]
    fn a_built_in_is_known_with_and_without_its_scheme() {
        for name in ["fs", "node:fs", "fs/promises", "node:path/posix", "module"] {
            assert!(is_builtin(name), "{name}");
        }
        for name in ["", "node:", "node:node:fs", "fs/", "npm:fs", "lodash", "FS", "node:sqlite"] {
            assert!(!is_builtin(name), "{name}");
        }
    }
}
