//! Names of packages, and what a dependency may ask for. They become names of directories.

use deno_semver::VersionReq;

/// npm's own bound for names.
const MAX_NAME: usize = 214;

/// The scope under which JSR's npm layer has its packages.
const JSR_SCOPE: &str = "@jsr/";

/// Whether a text is the name of a package: `name` or `@scope/name`, with the characters
/// that npm ever allowed, and never a path.
pub(super) fn is_package_name(name: &str) -> bool {
    let parts = match name.strip_prefix('@') {
        Some(scoped) => scoped.split('/').collect::<Vec<_>>(),
        None => vec![name],
    };
    let expected = if name.starts_with('@') { 2 } else { 1 };
    name.len() <= MAX_NAME && parts.len() == expected && parts.into_iter().all(is_part)
}

fn is_part(part: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!'()*".contains(&byte);
    !part.is_empty()
        && !part.starts_with('.')
        && part != "node_modules"
        && part.bytes().all(is_allowed)
}

/// A range of versions or a tag, and nothing that names another source.
pub(super) fn parse_range(text: &str) -> Option<VersionReq> {
    let is_plain = !text.contains([':', '/', '\\', '%', '@', '#']);
    is_plain.then(|| VersionReq::parse_from_npm(text).ok()).flatten()
}

/// Whether a dependency is one of the registry: `^1.2`, a tag, or `npm:other@^1`.
pub(super) fn is_registry_dependency(key: &str, value: &str) -> bool {
    let (name, range) = match value.strip_prefix("npm:") {
        None => (key, value),
        Some(alias) => match alias.rsplit_once('@') {
            Some((name, range)) if !name.is_empty() => (name, range),
            _ => (alias, "*"),
        },
    };
    is_package_name(key) && is_package_name(name) && parse_range(range).is_some()
}

/// `@std/path` of JSR is `@jsr/std__path` in its npm layer.
pub(super) fn jsr_in_npm(name: &str) -> Option<String> {
    let (scope, name) = name.strip_prefix('@')?.split_once('/')?;
    Some(format!("{JSR_SCOPE}{scope}__{name}"))
}

/// The name of a package in programs.
pub(super) fn in_programs(name: &str) -> String {
    match name.strip_prefix(JSR_SCOPE).and_then(|name| name.split_once("__")) {
        Some((scope, name)) => format!("@{scope}/{name}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_and_never_paths() {
        for name in ["zod", "@std/path", "JSONStream", "lodash.get", "a~b"] {
            assert!(is_package_name(name), "{name}");
        }
        let long = "a".repeat(215);
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "@a",
            "@a/b/c",
            "@/b",
            "@../b",
            "a\\b",
            "%61",
            "a b",
            "node_modules",
            ".store",
            "a\0b",
            "ä",
            long.as_str(),
        ] {
            assert!(!is_package_name(name), "{name}");
        }
    }

    #[test]
    fn only_the_registry_is_a_source_of_dependencies() {
        for value in ["^1.2.3", "1 || 2", ">=1 <3", "*", "", "latest", "npm:other@^1", "npm:@a/b"] {
            assert!(is_registry_dependency("a", value), "{value}");
        }
        for value in [
            "git+ssh://x/y",
            "github:a/b",
            "a/b",
            "file:../x",
            "link:x",
            "workspace:*",
            "http://x/y.tgz",
            "https://x/y.tgz",
            "npm:../x@1",
            "npm:a@npm:evil@1",
            "npm:%61@1",
        ] {
            assert!(!is_registry_dependency("a", value), "{value}");
        }
    }

    #[test]
    fn jsr_and_its_npm_layer_name_the_same_package() {
        assert_eq!(jsr_in_npm("@std/path").as_deref(), Some("@jsr/std__path"));
        assert_eq!(in_programs("@jsr/std__path"), "@std/path");
        assert_eq!(in_programs("zod"), "zod");
    }
}
