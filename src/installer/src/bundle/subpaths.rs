//! What a package lets programs import: its entry, and the subpaths that it exports.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::exports::{self, Export};
use super::package::Package;

/// Subpaths of a package in the graph that all packages share: the corpus has at most
/// 30 literal ones in a package that is imported as a whole (stripe, rxjs, zod).
pub(super) const MAX_SHARED: usize = 40;
/// Subpaths of a package in a graph of its own: lodash has 640 files, date-fns 1200.
const MAX_FURTHER: usize = 2000;
/// Files of a package that are looked at: twice what the largest of the corpus has.
const MAX_FILES: usize = 20_000;
/// A file that a program imports alone is small; the large ones are bundles of the
/// whole package (lib/tsserver.js, dist/x.umd.js), which the entry has already.
const MAX_FURTHER_FILE: u64 = 1 << 20;
/// Deeper directories are not looked into: the deepest subpath of the corpus has 5.
const MAX_DEPTH: usize = 8;

/// Directories that are not for importing.
const SKIPPED_DIRECTORIES: &[&str] = &[
    "node_modules",
    "test",
    "tests",
    "__tests__",
    "spec",
    "example",
    "examples",
    "bench",
    "benchmark",
    "benchmarks",
    "docs",
    "demo",
    "bin",
    "scripts",
    "coverage",
    "fixtures",
];

/// The subpaths of a package.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subpaths {
    /// Bundled together with all other packages.
    pub shared: Vec<Subpath>,
    /// Bundled apart, and only read when a program imports them.
    pub further: Vec<Subpath>,
}

/// Something that a package lets programs import.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subpath {
    /// With a leading slash; empty for the package's own entry.
    pub subpath: String,
    /// Other ways to write it: with its extension, or with its index.
    pub aliases: Vec<String>,
}

impl From<String> for Subpath {
    fn from(subpath: String) -> Self {
        Self { subpath, aliases: Vec::new() }
    }
}

impl Subpaths {
    pub(super) fn of(package: &Package) -> Self {
        let found = match package.json.get("exports") {
            Some(exports) if !exports.is_null() => from_exports(package, &exports::read(exports)),
            Some(_) | None => from_files(package),
        };
        found.split()
    }
}

/// Subpaths before they are divided.
#[derive(Debug, Default)]
struct Found {
    literal: Vec<Subpath>,
    patterns: Vec<Subpath>,
}

impl Found {
    /// Many literal ones, such as those of date-fns, are as seldom imported as files.
    fn split(self) -> Subpaths {
        let mut seen = HashSet::new();
        let mut new = |path: &Subpath| seen.insert(path.subpath.clone());
        let mut all: Vec<_> = self.literal.into_iter().filter(&mut new).collect();
        let mut further = all.split_off(all.len().min(MAX_SHARED));
        further.extend(self.patterns.into_iter().filter(&mut new));
        further.truncate(MAX_FURTHER);
        Subpaths { shared: all, further }
    }
}

fn from_exports(package: &Package, exports: &[Export<'_>]) -> Found {
    let mut found = Found::default();
    let mut files = None;
    for export in exports {
        let Some(target) = export.target else { continue };
        let key = export.key.trim_start_matches('.');
        if let Some(pattern) = Pattern::new(key, target) {
            let files = files.get_or_insert_with(|| list(&package.directory));
            found
                .patterns
                .extend(files.iter().filter_map(|file| Some(pattern.subpath(file)?.into())));
        } else if key.is_empty() || is_importable(target) {
            found.literal.push(key.to_owned().into());
        }
    }
    // The description of a package is the last thing that a program imports.
    found.literal.sort_by_key(|path| (!path.subpath.is_empty(), path.subpath == "/package.json"));
    found
}

/// An export with `*`, or one that ends with a slash as old packages write it.
struct Pattern<'a> {
    key: (&'a str, &'a str),
    target: (&'a str, &'a str),
}

impl<'a> Pattern<'a> {
    fn new(key: &'a str, target: &'a str) -> Option<Self> {
        let target = target.strip_prefix("./")?;
        if let (Some(key), Some(target)) = (key.split_once('*'), target.split_once('*')) {
            return Some(Self { key, target });
        }
        (key.ends_with('/') && (target.ends_with('/') || target.is_empty()))
            .then_some(Self { key: (key, ""), target: (target, "") })
    }

    fn subpath(&self, file: &str) -> Option<String> {
        let name = file.strip_prefix(self.target.0)?.strip_suffix(self.target.1)?;
        let subpath = format!("{}{name}{}", self.key.0, self.key.1);
        (!name.is_empty() && is_importable(file)).then_some(subpath)
    }
}

/// Without `exports` every file can be imported, with and without its extension, and
/// directories with an index or a `package.json`. The files at the top are few in a
/// package that has them as its parts (react-dom/server).
fn from_files(package: &Package) -> Found {
    let files = list(&package.directory);
    let commands = package.commands();
    let known: HashSet<&str> = files.iter().map(String::as_str).collect();
    let mut paths: BTreeMap<String, Subpath> = BTreeMap::new();
    for file in files.iter().filter(|file| !commands.contains(&file.as_str())) {
        let Some((short, long)) = short(file, &known) else { continue };
        let path = paths.entry(short.clone()).or_insert_with(|| short.into());
        path.aliases.extend(long);
    }
    let (top, mut further): (Vec<_>, Vec<_>) =
        paths.into_values().partition(|path| path.subpath.matches('/').count() == 1);
    let mut found = Found { literal: vec![Subpath::default()], patterns: Vec::new() };
    if top.len() < MAX_SHARED {
        found.literal.extend(top);
    } else {
        found.patterns.extend(top);
    }
    found.patterns.append(&mut further);
    found
}

/// How a program would write a file, in its shortest form and in the others: `/server`
/// for `server.js`, `/fp` for `fp/index.js` and `fp/package.json`.
fn short(file: &str, known: &HashSet<&str>) -> Option<(String, Vec<String>)> {
    if let Some(directory) = file.strip_suffix("/package.json") {
        let hidden = known.contains(&*format!("{directory}.js"));
        return (!hidden).then(|| (format!("/{directory}"), Vec::new()));
    }
    if !is_importable(file) {
        return None;
    }
    let whole = format!("/{file}");
    let Some(stem) = file.strip_suffix(".js") else { return Some((whole, Vec::new())) };
    match stem.strip_suffix("/index") {
        // A package.json beside it may name another file, which is the directory's then.
        Some(directory)
            if !known.contains(&*format!("{directory}.js"))
                && !known.contains(&*format!("{directory}/package.json")) =>
        {
            Some((format!("/{directory}"), vec![format!("/{stem}"), whole]))
        }
        Some(_) | None => Some((format!("/{stem}"), vec![whole])),
    }
}

/// Whether a file is code or JSON that a program may import; not declarations, maps,
/// styles, tests and configuration of tools.
fn is_importable(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let tool = [".test", ".spec", ".config", ".conf", ".min", ".umd", ".d", "file"]
        .iter()
        .any(|end| stem.ends_with(end));
    let code = ["js", "mjs", "cjs"].contains(&extension);
    !stem.starts_with('.') && ((code && !tool) || extension == "json")
}

/// The files of a package, relative and sorted.
fn list(directory: &Path) -> Vec<String> {
    let mut files = Vec::new();
    walk(directory, "", 0, &mut files);
    files.sort();
    files
}

fn walk(directory: &Path, prefix: &str, depth: usize, files: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let (Ok(kind), Some(name)) =
            (entry.file_type(), entry.file_name().to_str().map(str::to_owned))
        else {
            continue;
        };
        if files.len() >= MAX_FILES {
            return;
        }
        let below = format!("{prefix}{name}");
        if kind.is_dir() && depth < MAX_DEPTH && !SKIPPED_DIRECTORIES.contains(&name.as_str()) {
            walk(&entry.path(), &format!("{below}/"), depth + 1, files);
        } else if kind.is_file()
            && entry.metadata().is_ok_and(|metadata| metadata.len() <= MAX_FURTHER_FILE)
        {
            files.push(below);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{is_importable, short};

    #[test]
    fn a_file_is_written_with_and_without_its_extension() {
        let known = HashSet::from(["a.js", "b/index.js", "c/index.js", "c.js", "d/package.json"]);
        let paths: Vec<_> = ["a.js", "b/index.js", "c/index.js", "d/package.json", "e.json"]
            .iter()
            .filter_map(|file| short(file, &known))
            .collect();
        let path = |short: &str, long: &[&str]| {
            (short.to_owned(), long.iter().map(|path| (*path).to_owned()).collect())
        };
        assert_eq!(
            paths,
            [
                path("/a", &["/a.js"]),
                path("/b", &["/b/index", "/b/index.js"]),
                path("/c/index", &["/c/index.js"]),
                path("/d", &[]),
                path("/e.json", &[]),
            ]
        );
    }

    #[test]
    fn declarations_maps_styles_and_tests_are_not_imported() {
        for file in [
            "a.d.ts",
            "a.js.map",
            "a.css",
            "a.test.js",
            "rollup.config.js",
            "Gruntfile.js",
            "LICENSE",
        ] {
            assert!(!is_importable(file), "{file}");
        }
        for file in ["a.js", "a.mjs", "a.cjs", "a.json", "dir/b.js"] {
            assert!(is_importable(file), "{file}");
        }
    }
}
