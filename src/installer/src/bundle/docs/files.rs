//! Where the declarations of a package are.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bundle::exports::find;
use crate::bundle::package::Package;
use crate::bundle::places::Places;

/// The ends of files with declarations. JSR's packages have TypeScript as it is.
const ENDS: &[&str] = &[".d.ts", ".d.mts", ".d.cts", ".ts", ".mts", ".cts"];

/// The declarations of a package's entry or of a subpath with a leading slash.
pub(super) fn of_package(places: &Places, package: &Package, subpath: &str) -> Option<PathBuf> {
    own(places, &package.directory, &package.json, subpath)
        .or_else(|| definitely_typed(places, package, subpath))
}

/// What a package says of its own types.
fn own(places: &Places, directory: &Path, json: &Value, subpath: &str) -> Option<PathBuf> {
    if let Some(file) = exported(json, subpath) {
        return declaration(places, &directory.join(file));
    }
    if !subpath.is_empty() {
        return declaration(places, &directory.join(subpath.trim_start_matches('/')));
    }
    let named = ["types", "typings", "main", "module"]
        .iter()
        .filter_map(|key| json.get(*key)?.as_str())
        .find_map(|file| declaration(places, &directory.join(file)));
    named.or_else(|| declaration(places, &directory.join("index")))
}

/// The file of `exports` for types: the first of the conditions `types` that names a
/// file of declarations, else what is beside the code.
fn exported<'a>(json: &'a Value, subpath: &str) -> Option<&'a str> {
    let exports = json.get("exports")?;
    let value = match exports {
        Value::Object(map) if map.keys().any(|key| key.starts_with('.')) => {
            map.get(&format!(".{subpath}"))?
        }
        _ => (subpath.is_empty()).then_some(exports)?,
    };
    let types = |key: &str| {
        ["types", "import", "node", "deno", "default", "require"].contains(&key)
            || key.starts_with("types@")
    };
    let typed = find_types(value);
    typed.or_else(|| json.get("types").is_none().then(|| find(value, &types)).flatten())
}

fn find_types(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => text.contains(".d.").then_some(text),
        Value::Array(values) => values.iter().find_map(find_types),
        Value::Object(map) => map.values().find_map(find_types),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// `@types/NAME` beside the package, at the top, or anywhere in the store.
fn definitely_typed(places: &Places, package: &Package, subpath: &str) -> Option<PathBuf> {
    let name = package.name.trim_start_matches('@').replace('/', "__");
    let modules = places.generation().join("node_modules");
    let above = package.directory.ancestors().find(|path| path.ends_with("node_modules"))?;
    let beside = [above.join("@types").join(&name), modules.join("@types").join(&name)];
    let found = beside.into_iter().find_map(|directory| places.inside(&directory));
    let directory = found.or_else(|| in_store(places, &modules.join(".store"), &name))?;
    let text = std::fs::read_to_string(directory.join("package.json")).ok()?;
    own(places, &directory, &serde_json::from_str(&text).ok()?, subpath)
}

fn in_store(places: &Places, store: &Path, name: &str) -> Option<PathBuf> {
    let prefix = format!("@types+{name}@");
    let mut entries: Vec<_> = std::fs::read_dir(store).ok()?.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let entry =
        entries.iter().find(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))?;
    places.inside(&entry.path().join("node_modules/@types").join(name))
}

/// What a file of declarations means by a specifier.
pub(super) fn resolve(places: &Places, importer: &Path, specifier: &str) -> Option<PathBuf> {
    let directory = importer.parent()?;
    if specifier.starts_with('.') {
        return declaration(places, &directory.join(specifier));
    }
    let scoped = usize::from(specifier.starts_with('@'));
    let end = specifier.match_indices('/').nth(scoped).map_or(specifier.len(), |(index, _)| index);
    let (name, subpath) = specifier.split_at(end);
    let home = directory
        .ancestors()
        .take_while(|path| path.starts_with(places.generation()))
        .find_map(|path| places.inside(&path.join("node_modules").join(name)))?;
    let text = std::fs::read_to_string(home.join("package.json")).ok()?;
    own(places, &home, &serde_json::from_str(&text).ok()?, subpath)
}

/// The declarations that belong to a path: itself, those of the code that it names, or
/// of the directory.
fn declaration(places: &Places, path: &Path) -> Option<PathBuf> {
    let text = path.to_str()?;
    let exact = ENDS.iter().any(|end| text.ends_with(end)).then(|| text.to_owned());
    let of_code = [(".mjs", ".d.mts"), (".cjs", ".d.cts"), (".js", ".d.ts")]
        .iter()
        .filter_map(|(code, end)| Some(format!("{}{end}", text.strip_suffix(code)?)));
    let stem = [".js", ".mjs", ".cjs", ".ts"].iter().find_map(|end| text.strip_suffix(end));
    let text = stem.unwrap_or(text).trim_end_matches('/');
    let guessed = ENDS.iter().map(|end| format!("{text}{end}"));
    let index = ["/index.d.ts", "/index.d.mts", "/index.ts"].map(|end| format!("{text}{end}"));
    exact
        .into_iter()
        .chain(of_code)
        .chain(guessed)
        .chain(index)
        .find_map(|path| places.inside(Path::new(&path)).filter(|path| path.is_file()))
}
