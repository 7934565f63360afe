//! An allowed package: its name, its directory and its `package.json`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::places::Places;
use crate::exchange::BundleEntry;

/// The largest `package.json` that is read. Those of the corpus have at most 40 KiB,
/// apart from lists of exports with some 100 KiB.
const MAX_PACKAGE_JSON: u64 = 4 << 20;

/// A package that programs import.
#[derive(Debug)]
pub(super) struct Package {
    /// `npm:axios` or `jsr:@std/path`.
    pub specifier: String,
    /// Its name in the store: `axios`, `@jsr/std__path`.
    pub name: String,
    /// Its directory, without symbolic links.
    pub directory: PathBuf,
    pub json: Value,
}

impl Package {
    pub(super) fn read(places: &Places, entry: &BundleEntry) -> Result<Self, String> {
        let directory = places
            .inside(&places.generation().join(&entry.directory))
            .ok_or_else(|| format!("{} is not in the store", entry.specifier))?;
        let json = read_json(places, &directory.join("package.json"))
            .map_err(|error| format!("package.json of {}: {error}", entry.specifier))?;
        let name = places.package_of(&directory);
        Ok(Self { specifier: entry.specifier.clone(), name, directory, json })
    }

    /// A text of `package.json`.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.json.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// The files of its commands, which do their work when they are imported.
    pub(super) fn commands(&self) -> Vec<&str> {
        let files = match self.json.get("bin") {
            Some(Value::String(file)) => vec![file.as_str()],
            Some(Value::Object(files)) => files.values().filter_map(Value::as_str).collect(),
            Some(_) | None => Vec::new(),
        };
        files.into_iter().map(|file| file.trim_start_matches("./")).collect()
    }

    /// Whether it has declarations, or is nothing but declarations.
    pub(super) fn has_types(&self) -> bool {
        self.text("types").is_some()
            || self.text("typings").is_some()
            || self.directory.join("index.d.ts").is_file()
    }
}

fn read_json(places: &Places, path: &Path) -> Result<Value, String> {
    let text = read_bounded(places, path, MAX_PACKAGE_JSON)?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| error.to_string())
}

/// The text of a regular file inside of the store; what is not UTF-8 is replaced.
pub(super) fn read_bounded(places: &Places, path: &Path, limit: u64) -> Result<String, String> {
    let real = places.inside(path).ok_or("it does not exist or is outside of the store")?;
    let metadata = real.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(&real)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit {
        return Err(format!("it has more than {limit} bytes"));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}
