//! Modules that are files of the workspace: what a file is taken for, and what an error
//! says when there is none.

use deno_core::{ModuleSpecifier, RequestedModuleType};
use deno_error::JsErrorBox;

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

/// The error for a URL that names no file, with the one that may have been meant.
pub(super) fn not_found(url: &ModuleSpecifier, meant: Option<&ModuleSpecifier>) -> JsErrorBox {
    let shown = visible(url.as_str(), MAX_QUOTED);
    let hint = meant.and_then(|meant| {
        let directory = url.join(".").ok()?;
        let name = directory.make_relative(meant)?;
        Some(format!(": did you mean \"./{}\"?", visible(&name, MAX_QUOTED)))
    });
    let message = format!("Module not found \"{shown}\"{}", hint.unwrap_or_default());
    JsErrorBox::type_error(message)
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
        let meant = url("lib/mod.ts");
        assert_eq!(
            not_found(&url("lib"), Some(&meant)).to_string(),
            "Module not found \"file:///srv/lib\": did you mean \"./lib/mod.ts\"?"
        );
        assert_eq!(
            not_found(&url("lib"), None).to_string(),
            "Module not found \"file:///srv/lib\""
        );
    }
}
