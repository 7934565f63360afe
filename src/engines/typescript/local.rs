//! Modules that are files of the workspace: what a file is taken for, and what an error
//! says when there is none.

use deno_core::{ModuleSpecifier, RequestedModuleType};
use deno_error::{JsErrorBox, JsErrorClass as _};
use serde::de::IgnoredAny;

use crate::text::clip::visible;

/// Bytes of a URL that an error quotes.
const MAX_QUOTED: usize = 500;

/// As what a file is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    JavaScript,
    TypeScript,
    Json,
    Text,
    Bytes,
}

/// As what a file is loaded, by its name and the import's attribute `type`.
pub(super) fn form(
    url: &ModuleSpecifier,
    requested: &RequestedModuleType,
) -> Result<Form, JsErrorBox> {
    match requested {
        RequestedModuleType::Text => Ok(Form::Text),
        RequestedModuleType::Bytes => Ok(Form::Bytes),
        RequestedModuleType::Json => Ok(Form::Json),
        RequestedModuleType::None => by_name(url),
        RequestedModuleType::Other(other) => Err(JsErrorBox::type_error(format!(
            "The import attribute type of \"{}\" is unsupported: \"json\", \"text\" and \"bytes\" \
             are",
            visible(other, MAX_QUOTED)
        ))),
    }
}

fn by_name(url: &ModuleSpecifier) -> Result<Form, JsErrorBox> {
    let wrong = |advice: &str| {
        let shown = visible(url.as_str(), MAX_QUOTED);
        Err(JsErrorBox::type_error(format!("\"{shown}\" cannot be imported: {advice}")))
    };
    match extension(url).as_str() {
        "ts" | "mts" => Ok(Form::TypeScript),
        "js" | "mjs" => Ok(Form::JavaScript),
        "json" | "jsonc" => wrong(
            "a JSON module is imported with an attribute, as in import data from \"./data.json\" \
             with { type: \"json\" }",
        ),
        "cjs" | "cts" => wrong(COMMON_JS),
        "tsx" | "jsx" => wrong("JSX is not available in programs, write it as .ts"),
        "wasm" => {
            wrong("read it with Deno.readFile and instantiate it with WebAssembly.instantiate")
        }
        _ => wrong(
            "its name ends with none of .ts, .mts, .js and .mjs. Import it with { type: \"text\" } \
             or { type: \"bytes\" }",
        ),
    }
}

const COMMON_JS: &str = "it is a CommonJS module, of which packages are built and a workspace's \
                         files are not. Write it as an ES module, with export in place of \
                         module.exports";

/// What a file's name ends with, in lower case.
fn extension(url: &ModuleSpecifier) -> String {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase()
}

/// TypeScript is parsed into a tree that takes some 25 times its bytes, of the 256 MiB that a
/// run has by default; a program has 1 MiB.
const MAX_TYPESCRIPT_BYTES: usize = 4 << 20;

/// Refuses a TypeScript file that is too large to be parsed.
pub(super) fn check_size(url: &ModuleSpecifier, bytes: usize) -> Result<(), JsErrorBox> {
    if bytes <= MAX_TYPESCRIPT_BYTES {
        return Ok(());
    }
    let shown = visible(url.as_str(), MAX_QUOTED);
    let most = MAX_TYPESCRIPT_BYTES >> 20;
    Err(JsErrorBox::range_error(format!(
        "\"{shown}\" cannot be imported: it has {bytes} bytes, and TypeScript at most {most} MiB. \
         Split it, or import JavaScript"
    )))
}

/// A JavaScript file that exports as Node's modules did before there were ES modules.
pub(super) fn check_exports(url: &ModuleSpecifier, source: &str) -> Result<(), JsErrorBox> {
    let is_old = source.contains("module.exports") || source.contains("exports.");
    if !is_old || source.lines().any(is_new) {
        return Ok(());
    }
    let shown = visible(url.as_str(), MAX_QUOTED);
    Err(JsErrorBox::type_error(format!("\"{shown}\" cannot be imported: {COMMON_JS}")))
}

/// Whether a line has an export or an import that may begin a statement: after nothing, or
/// after what ends another. A minified module has one line.
fn is_new(line: &str) -> bool {
    let begins = |at: usize| {
        let before = line[..at].trim_end();
        before.is_empty() || before.ends_with([';', '}', ')']) || before.ends_with("*/")
    };
    let has = |word: &str, goes_on: &[char]| {
        let goes_on = |at: usize| {
            let rest = &line[at + word.len()..];
            rest.is_empty() || rest.starts_with(goes_on) || rest.starts_with(char::is_whitespace)
        };
        line.match_indices(word).any(|(at, _)| begins(at) && goes_on(at))
    };
    has("export", &['{', '*']) || has("import", &['{', '*', '"', '\'', '.'])
}

/// Files that may have been meant by a URL that names none: with an extension, with
/// another one, or in the directory. Fewer than seven: each is asked for.
pub(super) fn candidates(url: &ModuleSpecifier) -> Vec<ModuleSpecifier> {
    let path = url.path().trim_end_matches('/').to_owned();
    let (stem, extensions): (&str, &[&str]) = match extension(url).as_str() {
        "js" => (path.strip_suffix(".js").unwrap_or(&path), &[".ts"]),
        "mjs" => (path.strip_suffix(".mjs").unwrap_or(&path), &[".mts"]),
        "ts" => (path.strip_suffix(".ts").unwrap_or(&path), &[".js", ".mts"]),
        _ => (&path, &[".ts", ".js", ".mts", "/mod.ts", "/index.ts", "/index.js"]),
    };
    let at = |ending: &&str| {
        let mut url = url.clone();
        url.set_path(&format!("{stem}{ending}"));
        url.set_query(None);
        url.set_fragment(None);
        url
    };
    extensions.iter().map(at).collect()
}

/// The error for a URL that names no file, with the one that may have been meant, as
/// `importer` would import it.
pub(super) fn not_found(
    url: &ModuleSpecifier,
    is_directory: bool,
    meant: Option<&ModuleSpecifier>,
    importer: &ModuleSpecifier,
) -> JsErrorBox {
    let shown = visible(url.as_str(), MAX_QUOTED);
    let directory = if is_directory { ", which is a directory" } else { "" };
    let hint = meant.and_then(|meant| {
        let name = importer.join(".").ok()?.make_relative(meant)?;
        let start = if name.starts_with("../") { "" } else { "./" };
        Some(format!(": did you mean \"{start}{}\"?", visible(&name, MAX_QUOTED)))
    });
    let hint = hint.unwrap_or_default();
    JsErrorBox::type_error(format!("Module not found \"{shown}\"{directory}{hint}"))
}

/// An error with the place of the import, as in Deno's.
pub(super) fn imported_at(error: &JsErrorBox, place: &str) -> JsErrorBox {
    let message = format!("{} at {}", error.get_message(), visible(place, MAX_QUOTED));
    JsErrorBox::new(error.get_class().into_owned(), message)
}

/// Refuses a JSON module that does not parse: V8's own error does not name the file.
pub(super) fn check_json(url: &ModuleSpecifier, source: &str) -> Result<(), JsErrorBox> {
    serde_json::from_str::<IgnoredAny>(source).map(|_| ()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let place = format!(" at line {line} column {column}");
        let problem = text.strip_suffix(&place).unwrap_or(&text);
        let shown = visible(url.as_str(), MAX_QUOTED);
        let message =
            format!("The JSON module does not parse: {problem} at {shown}:{line}:{column}");
        JsErrorBox::new("SyntaxError", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ModuleSpecifier {
        ModuleSpecifier::parse(&format!("file:///srv/{text}")).unwrap()
    }

    #[test]
    fn a_file_is_taken_for_what_its_name_or_the_attribute_says() {
        use RequestedModuleType as Type;
        for (name, requested, expected) in [
            ("a.ts", Type::None, Form::TypeScript),
            ("a.MTS", Type::None, Form::TypeScript),
            ("a.js?v=1", Type::None, Form::JavaScript),
            ("a.json", Type::Json, Form::Json),
            ("a.ts", Type::Text, Form::Text),
            ("a", Type::Bytes, Form::Bytes),
        ] {
            assert_eq!(form(&url(name), &requested).unwrap(), expected, "{name}");
        }
        for (name, requested, expected) in [
            ("a.json", Type::None, "with { type: \"json\" }"),
            ("a.cjs", Type::None, "CommonJS"),
            ("a.tsx", Type::None, "JSX"),
            ("a.txt", Type::None, "type: \"text\""),
            ("dir.d/a", Type::None, "type: \"text\""),
            ("a.css", Type::Other("css".into()), "type of \"css\" is unsupported"),
        ] {
            let error = form(&url(name), &requested).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn common_js_is_told_from_es_modules_that_mention_it() {
        for source in [
            "module.exports = 1",
            "'use strict';\nexports.a = 1",
            "exports.a = 1; // and export it",
            "import('x').then(f);exports.a=1",
            "let a;exported(a);exports.a=a;important(a)",
        ] {
            assert!(check_exports(&url("a.js"), source).is_err(), "{source}");
        }
        for source in [
            "export const a = 1",
            "// module.exports\nexport default 1",
            "1",
            "import 'x';\nexports.a",
            "var e=exports.a;function f(){}export{f as g};",
            "var e={};e.exports.a=1;export default e",
            "/* exports. */import{a}from'x';a()",
        ] {
            assert!(check_exports(&url("a.js"), source).is_ok(), "{source}");
        }
    }

    #[test]
    fn typescript_is_bounded() {
        assert!(check_size(&url("a.ts"), MAX_TYPESCRIPT_BYTES).is_ok());
        let error = check_size(&url("a.ts"), MAX_TYPESCRIPT_BYTES + 1).unwrap_err().to_string();
        assert!(error.contains("at most 4 MiB"), "{error}");
    }

    #[test]
    fn what_may_have_been_meant_is_beside_it_or_in_it() {
        let names = |name: &str| -> Vec<String> {
            candidates(&url(name)).iter().map(|url| url.path().to_owned()).collect()
        };
        assert_eq!(names("lib.js"), ["/srv/lib.ts"]);
        assert_eq!(names("lib")[..3], ["/srv/lib.ts", "/srv/lib.js", "/srv/lib.mts"]);
        assert_eq!(
            names("lib/")[3..],
            ["/srv/lib/mod.ts", "/srv/lib/index.ts", "/srv/lib/index.js"]
        );
    }

    #[test]
    fn what_may_have_been_meant_is_named_as_the_importer_would() {
        let meant = url("lib/mod.ts");
        for (importer, is_directory, expected) in [
            ("main.ts", true, ", which is a directory: did you mean \"./lib/mod.ts\"?"),
            ("lib/a.ts", false, ": did you mean \"./mod.ts\"?"),
            ("other/a.ts", false, ": did you mean \"../lib/mod.ts\"?"),
        ] {
            let error = not_found(&url("lib"), is_directory, Some(&meant), &url(importer));
            assert_eq!(
                error.to_string(),
                format!("Module not found \"file:///srv/lib\"{expected}")
            );
        }
        let error = not_found(&url("lib"), false, None, &url("a.ts"));
        assert_eq!(error.to_string(), "Module not found \"file:///srv/lib\"");
        let placed = imported_at(&error, "file:///srv/a.ts:2:8");
        assert_eq!(
            (placed.get_class().as_ref(), placed.to_string().as_str()),
            ("TypeError", "Module not found \"file:///srv/lib\" at file:///srv/a.ts:2:8")
        );
    }

    #[test]
    fn json_that_does_not_parse_is_named_with_the_place() {
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        for source in ["1", "{\"a\": [1e999, \"\\ud800\"]}", &deep] {
            assert!(check_json(&url("a.json"), source).is_ok(), "{source}");
        }
        let error = check_json(&url("a.json"), "{\n  \"a\": hello }").unwrap_err();
        assert_eq!(error.get_class(), "SyntaxError");
        let text = error.to_string();
        assert!(text.contains("does not parse: expected value at file:///srv/a.json:2:"), "{text}");
    }
}
