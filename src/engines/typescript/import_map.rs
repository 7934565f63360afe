//! The workspace's import map: `imports` and `scopes` of its deno.json, and the names of
//! its package.json's dependencies. It is parsed here, in the sandbox; what comes of a
//! specifier the server decides about like anything that a program writes.

use deno_core::ModuleSpecifier;
use deno_semver::VersionReq;
use import_map::{ImportMap, ImportMapErrorKind};
use serde_json::{Map, Value};

use super::builtins::is_builtin;

/// The files that can have an entry, the first of which there is takes precedence.
const DENO: [&str; 2] = ["deno.json", "deno.jsonc"];
const NPM: &str = "package.json";

/// Lists of package.json with packages that are imported by their names.
const DEPENDENCIES: [&str; 3] = ["dependencies", "devDependencies", "optionalDependencies"];

/// What is not in JSON: the mark of some editors.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The import map of a workspace.
#[derive(Debug)]
pub(super) struct WorkspaceMap(ImportMap);

impl WorkspaceMap {
    /// Reads the files that there are, each with its name. `directory` is a URL with a
    /// slash at its end.
    ///
    /// # Errors
    /// What is wrong with which of them, as a sentence.
    pub(super) fn parse(
        files: &[(String, String)],
        directory: &ModuleSpecifier,
    ) -> Result<Self, String> {
        let text = |name: &str| files.iter().find(|(own, _)| own == name).map(|(_, text)| text);
        let deno = DENO.into_iter().find_map(|name| Some((name, text(name)?)));
        let mut map = match deno {
            Some((name, text)) => of_deno(name, text)?,
            None => Map::new(),
        };
        if let Some(text) = text(NPM) {
            add_dependencies(&mut map, &object(NPM, text)?)?;
        }
        if let Some(imports) = map.get_mut("imports").and_then(Value::as_object_mut) {
            expand(imports);
        }
        let scopes = map.get_mut("scopes").and_then(Value::as_object_mut);
        for scope in scopes.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
            expand(scope);
        }
        let name = deno.map_or(NPM, |(name, _)| name);
        let parsed = import_map::parse_from_value(directory.clone(), Value::Object(map));
        parsed.map(|parsed| Self(parsed.import_map)).map_err(|error| format!("{name}: {error}"))
    }

    /// What a specifier that is not a URL means in a module; nothing if no entry is of it.
    ///
    /// # Errors
    /// An entry leads nowhere.
    pub(super) fn resolve(
        &self,
        specifier: &str,
        base: &ModuleSpecifier,
    ) -> Result<Option<ModuleSpecifier>, String> {
        match self.0.resolve(specifier, base) {
            Ok(url) if is_relative(specifier) && base.join(specifier).is_ok_and(|it| it == url) => {
                Ok(None)
            }
            Ok(url) => Ok(Some(url)),
            Err(error) => match *error.0 {
                ImportMapErrorKind::UnmappedBareSpecifier(..) => Ok(None),
                other => Err(other.to_string()),
            },
        }
    }
}

fn is_relative(specifier: &str) -> bool {
    ["./", "../", "/"].iter().any(|start| specifier.starts_with(start))
}

/// What is about imports in a deno.json.
fn of_deno(name: &str, text: &str) -> Result<Map<String, Value>, String> {
    let mut config = object(name, text)?;
    if config.contains_key("importMap") && !config.contains_key("imports") {
        return Err(format!(
            "{name}: \"importMap\" names a file, which is not read: put its entries into \
             \"imports\" of {name}"
        ));
    }
    let parts = ["imports", "scopes"].into_iter();
    Ok(parts.filter_map(|part| Some((part.to_owned(), config.remove(part)?))).collect())
}

/// The object that a file consists of.
fn object(name: &str, text: &str) -> Result<Map<String, Value>, String> {
    let text = without_comments(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text));
    match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(format!("{name}: it is not an object at line 1 column 1")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// Entries for the dependencies of a package.json that deno.json has none of. A built-in
/// keeps its name, as in Node.
fn add_dependencies(
    map: &mut Map<String, Value>,
    package: &Map<String, Value>,
) -> Result<(), String> {
    let imports = map.entry("imports").or_insert_with(|| Value::Object(Map::new()));
    // import_map says what is wrong with another value.
    let Some(imports) = imports.as_object_mut() else { return Ok(()) };
    for list in DEPENDENCIES {
        let Some(list) = package.get(list).and_then(Value::as_object) else { continue };
        for (name, range) in list {
            if let Some(specifier) = range.as_str().and_then(|range| dependency(name, range))
                && !imports.contains_key(name)
                && !is_builtin(name)
            {
                imports.insert(name.clone(), specifier.into());
            }
        }
    }
    Ok(())
}

/// The specifier of a dependency; nothing for what no registry has (`file:`, `git:`,
/// `workspace:` and the like).
fn dependency(name: &str, range: &str) -> Option<String> {
    if range.starts_with("npm:") || range.starts_with("jsr:") {
        return Some(range.to_owned());
    }
    if range.contains(':') || range.contains('/') {
        return None;
    }
    // A specifier has one range in Deno, and the policy takes no others. What npm writes
    // besides (`^1 || ^2`, `>=1 <3`) is left to the administrator's range.
    let range = range.trim();
    let is_one = range != "*" && VersionReq::parse_from_specifier(range).is_ok();
    Some(if is_one { format!("npm:{name}@{range}") } else { format!("npm:{name}") })
}

/// An entry of a package is one of its subpaths too (`import_map`'s feature `ext`).
fn expand(imports: &mut Map<String, Value>) {
    let subpaths: Vec<_> = imports.iter().filter_map(|(key, value)| subpaths(key, value)).collect();
    for (key, value) in subpaths {
        imports.entry(key).or_insert(value);
    }
}

fn subpaths(key: &str, value: &Value) -> Option<(String, Value)> {
    let (scheme, package) = value.as_str()?.split_once(':')?;
    if !matches!(scheme, "npm" | "jsr") || key.ends_with('/') || package.ends_with('/') {
        return None;
    }
    let package = package.strip_prefix('/').unwrap_or(package);
    Some((format!("{key}/"), format!("{scheme}:/{package}/").into()))
}

/// JSON of JSON with comments and commas at the end: each becomes spaces, so that places
/// stay the same.
fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    // Where the last comma behind a value is, if nothing has followed it.
    let mut comma = None;
    let mut is_behind_value = false;
    let mut at = 0;
    while at < bytes.len() {
        let end = match (bytes[at], bytes.get(at + 1)) {
            (b'"', _) => end_of_string(bytes, at),
            (b'/', Some(b'/')) => blank(&mut out, at, end_of_line(bytes, at)),
            (b'/', Some(b'*')) => blank(&mut out, at, end_of_comment(bytes, at)),
            _ => at + 1,
        };
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'/' if end > at + 1 => {}
            b',' => {
                comma = is_behind_value.then_some(at);
                is_behind_value = false;
            }
            other => {
                if let (Some(comma), b'}' | b']') = (comma.take(), other) {
                    out[comma] = b' ';
                }
                is_behind_value = !matches!(other, b'{' | b'[' | b':');
            }
        }
        at = end;
    }
    // Whole characters were replaced.
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

fn blank(out: &mut [u8], start: usize, end: usize) -> usize {
    out[start..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    end
}

fn end_of_line(bytes: &[u8], start: usize) -> usize {
    memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |found| start + found)
}

fn end_of_comment(bytes: &[u8], start: usize) -> usize {
    let body = start + 2;
    memchr::memmem::find(&bytes[body..], b"*/").map_or(bytes.len(), |found| body + found + 2)
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(files: &[(&str, &str)]) -> Result<WorkspaceMap, String> {
        let directory = ModuleSpecifier::parse("file:///srv/work/").unwrap();
        let files: Vec<(String, String)> =
            files.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        WorkspaceMap::parse(&files, &directory)
    }

    fn resolved(map: &WorkspaceMap, specifier: &str) -> Option<String> {
        let base = ModuleSpecifier::parse("file:///srv/work/main.ts").unwrap();
        map.resolve(specifier, &base).unwrap().map(String::from)
    }

    #[test]
    fn entries_of_deno_json_are_packages_their_subpaths_and_files() {
        let map = map(&[(
            "deno.json",
            r#"{ "imports": { "@std/path": "jsr:@std/path@^1", "zod": "npm:zod@3.25",
                 "@/": "./src/", "gh": "mcp:github", "x/": "npm:/x@1/lib/" },
                 "scopes": { "./old/": { "zod": "npm:zod@3.1" } }, "tasks": {} }"#,
        )])
        .unwrap();
        for (specifier, expected) in [
            ("@std/path", Some("jsr:@std/path@^1")),
            ("zod", Some("npm:zod@3.25")),
            ("zod/v4", Some("npm:/zod@3.25/v4")),
            ("@/a/b.ts", Some("file:///srv/work/src/a/b.ts")),
            ("gh", Some("mcp:github")),
            ("x/y", Some("npm:/x@1/lib/y")),
            ("axios", None),
            ("./lib.ts", None),
            ("/etc/passwd", None),
        ] {
            assert_eq!(resolved(&map, specifier).as_deref(), expected, "{specifier}");
        }
        let old = ModuleSpecifier::parse("file:///srv/work/old/a.ts").unwrap();
        assert_eq!(map.resolve("zod", &old).unwrap().unwrap().as_str(), "npm:zod@3.1");
    }

    #[test]
    fn dependencies_are_packages_that_deno_json_takes_precedence_over() {
        let map = map(&[
            ("deno.json", r#"{ "imports": { "zod": "npm:zod@4" } }"#),
            (
                "package.json",
                r#"{ "dependencies": { "axios": "^1.2", "zod": "^3", "a": "npm:b@1", "any": "*",
                     "j": "jsr:@std/path@1", "local": "file:../x", "git": "github:a/b",
                     "either": "^1 || ^2", "from": ">=1 <3", "buffer": "^6" },
                     "devDependencies": { "dev": "1" } }"#,
            ),
        ])
        .unwrap();
        for (specifier, expected) in [
            ("axios", Some("npm:axios@^1.2")),
            ("zod", Some("npm:zod@4")),
            ("a", Some("npm:b@1")),
            ("any", Some("npm:any")),
            ("j", Some("jsr:@std/path@1")),
            ("local", None),
            ("git", None),
            ("either", Some("npm:either")),
            ("from", Some("npm:from")),
            ("buffer", None),
            ("dev", Some("npm:dev@1")),
        ] {
            assert_eq!(resolved(&map, specifier).as_deref(), expected, "{specifier}");
        }
    }

    #[test]
    fn the_first_of_two_files_of_deno_is_read() {
        let both = [
            ("deno.jsonc", r#"{ "imports": { "a": "npm:a@2" } }"#),
            ("deno.json", r#"{ "imports": { "a": "npm:a@1" } }"#),
        ];
        assert_eq!(resolved(&map(&both).unwrap(), "a").as_deref(), Some("npm:a@1"));
        assert_eq!(resolved(&map(&both[..1]).unwrap(), "a").as_deref(), Some("npm:a@2"));
        assert_eq!(resolved(&map(&[]).unwrap(), "a"), None);
    }

    #[test]
    fn what_is_malformed_is_named_with_its_place() {
        for (name, text, expected) in [
            (
                "deno.json",
                "{\n  \"imports\": {,}\n}",
                "deno.json: key must be a string at line 2 column 15",
            ),
            ("package.json", "[]", "package.json: it is not an object at line 1 column 1"),
            ("deno.jsonc", "", "deno.jsonc: EOF while parsing a value at line 1 column 0"),
        ] {
            assert_eq!(map(&[(name, text)]).unwrap_err(), expected);
        }
        let error = map(&[("deno.json", r#"{ "imports": [] }"#)]).unwrap_err();
        assert!(error.starts_with("deno.json: ") && error.contains("imports"), "{error}");
        let error = map(&[("deno.json", r#"{ "importMap": "./map.json" }"#)]).unwrap_err();
        assert!(error.contains("put its entries into \"imports\""), "{error}");
    }

    #[test]
    fn an_entry_that_leads_nowhere_is_an_error() {
        let map = map(&[("deno.json", r#"{ "imports": { "a": "b" } }"#)]).unwrap();
        let base = ModuleSpecifier::parse("file:///srv/work/main.ts").unwrap();
        assert!(map.resolve("a", &base).is_err());
    }

    #[test]
    fn comments_and_last_commas_become_spaces() {
        let text = "{ // a \"\n  \"a//b\": \"/*x*/\\\"//\", /* b\n, */\n  \"c\": [1, 2, ], }\n";
        let value: Value = serde_json::from_str(&without_comments(text)).unwrap();
        assert_eq!(value, serde_json::json!({ "a//b": "/*x*/\"//", "c": [1, 2] }));
        assert_eq!(without_comments("{,}[1,,]"), "{,}[1,,]");
        assert_eq!(without_comments("/*"), "  ");
        assert_eq!(without_comments("\"\\"), "\"\\");
    }

    proptest! {
        #[test]
        fn any_text_is_a_map_or_an_error(text in "(?s)[{}\\[\\],:\"\\\\/* \na-z]{0,40}") {
            prop_assert_eq!(without_comments(&text).len(), text.len());
            let _ = map(&[("deno.json", &text)]);
        }

        #[test]
        fn json_without_comments_means_the_same(text in "[a-z/*,\\]}]{0,12}", n in 0..9_u8) {
            let value = serde_json::json!({ "a": [n, text], "b": {} });
            let json = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(without_comments(&json), json);
        }
    }
}
