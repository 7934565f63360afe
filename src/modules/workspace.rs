//! Files that programs import: where they are. They are opened as every file is that a
//! program reads, and become modules in the sandbox.

use url::Url;

use super::ModuleError;

/// The files that an import map is made of. Of the first two, one is enough.
pub(crate) const MAP_FILES: [&str; 3] = ["deno.json", "deno.jsonc", "package.json"];

/// Bytes of one of them. Those of large projects have some 50 KB.
pub(crate) const MAX_MAP_BYTES: usize = 1 << 20;

/// The path of a `file:` URL; nothing for other specifiers.
pub(crate) fn path(specifier: &str) -> Option<Result<String, ModuleError>> {
    if !specifier.starts_with("file:") {
        return None;
    }
    let path = Url::parse(specifier).ok().and_then(|url| url.to_file_path().ok());
    let path = path.and_then(|path| path.into_os_string().into_string().ok());
    Some(path.ok_or(ModuleError::NoFile))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_url_is_a_path_of_this_machine() {
        for (specifier, expected) in [
            ("file:///srv/a%20b/lib.ts?v=1#x", Some("/srv/a b/lib.ts")),
            ("file:///srv/../etc/passwd", Some("/etc/passwd")),
            ("file:///a%2e%2e/%2fb", Some("/a..//b")),
            ("file://host/a.ts", None),
            ("file:///%ff.ts", None),
        ] {
            assert_eq!(path(specifier).unwrap().ok().as_deref(), expected, "{specifier}");
        }
        for specifier in ["npm:x", "./lib.ts", "FILE:///a", "mcp:file:///a", ""] {
            assert!(path(specifier).is_none(), "{specifier}");
        }
    }
}
