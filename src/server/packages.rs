//! What a caller is told of packages: which are installed, and with `describe_package` what
//! they export.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::coercion::{Argument, Arguments, Kind};
use super::python_packages::PythonPackages;
use crate::packages::Snapshot;
use crate::packages::allowed::{AllowedPackages, PackageSpecifier, PypiSpecifier, VARIABLE};
use crate::packages::exchange::{PackageDocs, SymbolDocs};
use crate::packages::manifest::InstalledPackage;
use crate::runtime::Runtime;
use crate::text::clip;
use crate::text::near::near_names;

/// Bytes of an answer: some 4000 tokens, as much as a model reads of documentation at once.
const MAX_ANSWER: usize = 16 << 10;

/// Bytes of a file of documentation. The largest that were made have some 8 MiB
/// (typescript, aws-sdk).
const MAX_DOCS: u64 = 32 << 20;

/// Characters of a symbol's line, and of a description.
const MAX_LINE: usize = 160;
const MAX_DESCRIPTION: usize = 500;

/// Packages that are named where there may be many.
const MAX_NAMED: usize = 10;

/// Subpaths that an overview names.
const MAX_SUBPATHS: usize = 20;

/// Symbols that an error names as those with a member.
const MAX_OWNERS: usize = 3;

/// Bytes of a name that an error quotes.
const MAX_QUOTED: usize = 200;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DescribePackage {
    /// The package as programs import it, such as npm:zod or jsr:@std/path; of Python pypi:humanize.
    name: String,
    /// One of its exports, such as parse or ZodType.parse. Without it: a list of all. Not of Python.
    #[serde(default)]
    #[schemars(with = "String")]
    symbol: Option<String>,
}

impl Arguments for DescribePackage {
    const KNOWN: &'static [Argument] = &[
        Argument {
            name: "name",
            kind: Kind::Text,
            also: &["package", "package_name", "specifier"],
            expected: "a string, such as \"npm:zod\"",
        },
        Argument {
            name: "symbol",
            kind: Kind::Text,
            also: &["export", "symbol_name"],
            expected: "a string, the name of an export",
        },
    ];
}

/// The packages that are installed and that a principal may import.
pub(super) struct Available {
    installed: std::sync::Arc<Snapshot>,
    allowed: AllowedPackages,
    python: PythonPackages,
}

impl Available {
    pub(super) fn of(runtime: &Runtime) -> Self {
        let installed = runtime.installed().current();
        let allowed = runtime.allowed_packages().clone();
        let python = PythonPackages::new(runtime.installed_of_pypi(), allowed.clone());
        Self { installed, allowed, python }
    }

    fn packages(&self) -> impl Iterator<Item = &InstalledPackage> {
        let is_allowed = |package: &&InstalledPackage| {
            let specifier = PackageSpecifier::parse(&package.specifier);
            specifier.is_ok_and(|specifier| self.allowed.entry(&specifier).is_some())
        };
        self.installed.manifest.packages.iter().filter(is_allowed)
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.packages().next().is_none() && self.python.is_empty()
    }

    /// The first of those for TypeScript with their versions, and how many there are besides, in at
    /// most so many bytes; nothing if there are none.
    pub(super) fn named(&self, bytes: usize) -> Option<String> {
        let names: Vec<String> = self
            .packages()
            .map(|package| format!("{}@{}", package.specifier, package.version))
            .collect();
        if names.is_empty() {
            return None;
        }
        let with = |shown: usize| {
            let rest = names.len() - shown;
            match (shown, rest) {
                (0, rest) => format!("{rest} (describe_package)"),
                (_, 0) => names.join(", "),
                (_, rest) => {
                    format!("{} and {rest} more (describe_package)", names[..shown].join(", "))
                }
            }
        };
        let most = names.len().min(MAX_NAMED);
        let fitting = (0..=most).rev().map(with).find(|text| text.len() <= bytes);
        Some(fitting.unwrap_or_else(|| with(0)))
    }

    /// The result of `describe_package`. Reads a file.
    pub(super) fn describe(&self, given: &DescribePackage) -> Result<String, String> {
        let symbol = given.symbol.as_deref().map(str::trim).filter(|symbol| !symbol.is_empty());
        let found = self.find(&given.name);
        if PypiSpecifier::is_one(given.name.trim())
            || found.is_err() && self.python.has(&given.name)
        {
            return self.python.describe(&given.name, symbol);
        }
        let package = found?;
        let docs = match &package.docs {
            Some(file) => read(&self.installed.generation.join("docs").join(file))?,
            None => PackageDocs::default(),
        };
        match symbol {
            Some(symbol) => described(package, &docs, symbol),
            None => Ok(self.overview(package, &docs)),
        }
    }

    /// A package by its name, with or without kind, version and subpath.
    fn find(&self, name: &str) -> Result<&InstalledPackage, String> {
        let name = name.trim();
        let asked = PackageSpecifier::parse(name).map(|specifier| specifier.package());
        let asked = asked.unwrap_or_else(|_| name.to_owned());
        let bare = |package: &InstalledPackage| bare_name(package).to_owned();
        let found = self
            .packages()
            .find(|package| package.specifier == asked)
            .or_else(|| self.packages().find(|package| bare(package) == asked));
        found.ok_or_else(|| {
            format!(
                "Package \"{}\" {}",
                clip::visible(name, MAX_QUOTED),
                self.why_not(name, &asked)
            )
        })
    }

    /// Why a package is not described, and what to do.
    fn why_not(&self, name: &str, asked: &str) -> String {
        if name.starts_with("node:") {
            return "is a built-in module, which programs import without an installation"
                .to_owned();
        }
        let specifier = PackageSpecifier::parse(name);
        if specifier.is_ok_and(|specifier| self.allowed.entry(&specifier).is_some()) {
            return match self.reason_of_failure(asked) {
                Some(reason) => format!("is not available: {reason}"),
                None => {
                    "is allowed and not installed. An administrator runs `mcp-conductor install`"
                        .to_owned()
                }
            };
        }
        let names = self.packages();
        let names = names.flat_map(|package| [package.specifier.as_str(), bare_name(package)]);
        if let Some(near) = near_names(asked, names).first() {
            return format!("is not installed: did you mean \"{near}\"?");
        }
        let named: Vec<&str> =
            self.packages().map(|package| package.specifier.as_str()).take(MAX_NAMED).collect();
        let rest = self.packages().count() - named.len();
        let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
        let installed = match named.is_empty() {
            true => String::new(),
            false => format!(". Installed: {}{more}", named.join(", ")),
        };
        format!("is not installed, or {VARIABLE} does not allow it here{installed}")
    }

    /// Why the bundler could not make a module.
    fn reason_of_failure(&self, specifier: &str) -> Option<&str> {
        let failed = self.installed.manifest.failed.iter();
        let mut failed = failed.filter(|failed| failed.specifier == specifier);
        failed.next().map(|failed| failed.reason.as_str())
    }

    /// How a package is imported, or why it is not.
    fn how_to_import(&self, package: &InstalledPackage) -> String {
        let specifier = &package.specifier;
        let modules = &self.installed.manifest.modules;
        if modules.contains_key(specifier) {
            return format!("Import: import * as name from \"{specifier}\"");
        }
        let has_modules = modules.keys().any(|module| is_below(module, specifier));
        match (self.reason_of_failure(specifier), has_modules) {
            (Some(reason), _) => format!("Not available: {}", clip::line(reason)),
            (None, true) => "Import: one of its subpaths".to_owned(),
            (None, false) => "Not available: it has types only, and nothing to import when a \
                              program runs. Use import type"
                .to_owned(),
        }
    }

    fn overview(&self, package: &InstalledPackage, docs: &PackageDocs) -> String {
        let mut text = head(package, docs);
        let _ = writeln!(text, "{}", self.how_to_import(package));
        let modules = self.installed.manifest.modules.keys().map(String::as_str);
        let subpaths = subpaths(modules, &package.specifier);
        if !subpaths.is_empty() {
            let shown = &subpaths[..subpaths.len().min(MAX_SUBPATHS)];
            let rest = subpaths.len() - shown.len();
            let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
            let _ = writeln!(text, "Subpaths: {}{more}", shown.join(", "));
        }
        if docs.symbols.is_empty() {
            text.push_str("\nIt has no declarations of types.");
            if self.installed.manifest.modules.contains_key(&package.specifier) {
                let specifier = &package.specifier;
                let _ = write!(
                    text,
                    " A program lists its exports: Object.keys(await import(\"{specifier}\"))"
                );
            }
            text.push('\n');
            return text;
        }
        let _ = writeln!(
            text,
            "\nExports ({}; describe_package with symbol shows one):\n",
            docs.symbols.len()
        );
        for (at, symbol) in docs.symbols.iter().enumerate() {
            let line = line_of(symbol);
            if text.len() + line.len() > MAX_ANSWER - MAX_LINE {
                let rest = docs.symbols.len() - at;
                let _ = writeln!(text, "… and {rest} more: name one as symbol");
                break;
            }
            text.push_str(&line);
        }
        text
    }
}

#[cfg(test)]
impl Available {
    /// No packages.
    pub(super) fn none() -> Self {
        Self::many(0)
    }

    /// So many packages of version 1.0.0.
    pub(super) fn many(count: usize) -> Self {
        let names: Vec<String> = (0..count).map(|n| format!("npm:p{n}")).collect();
        let package = |name: &String| InstalledPackage {
            specifier: name.clone(),
            version: "1.0.0".to_owned(),
            ..Default::default()
        };
        let manifest = crate::packages::manifest::Manifest {
            packages: names.iter().map(package).collect(),
            ..Default::default()
        };
        let installed = crate::packages::Installed::of_generation(manifest, "/nowhere".into());
        let allowed = AllowedPackages::parse(&names).expect("few, and each once");
        let python = PythonPackages::new(Default::default(), allowed.clone());
        Self { installed: installed.current(), allowed, python }
    }
}

fn bare_name(package: &InstalledPackage) -> &str {
    package.specifier.split_once(':').map_or("", |(_, name)| name)
}

fn head(package: &InstalledPackage, docs: &PackageDocs) -> String {
    let mut text = format!("# {}@{}\n\n", package.specifier, clip::line(&package.version));
    if let Some(description) = &docs.description {
        let _ = writeln!(text, "{}\n", clip::line_of(description, MAX_DESCRIPTION));
    }
    if let Some(license) = &package.license {
        let _ = writeln!(text, "Licence: {}", clip::line_of(license, MAX_LINE));
    }
    text
}

/// Whether a module is a subpath of a package.
fn is_below(module: &str, package: &str) -> bool {
    module.strip_prefix(package).is_some_and(|rest| rest.starts_with('/'))
}

/// The subpaths of a package that are worth naming: none that its author marks as internal,
/// and each once, without the endings of its other formats.
fn subpaths<'m>(modules: impl Iterator<Item = &'m str>, package: &str) -> Vec<&'m str> {
    let all: BTreeSet<&str> = modules.filter(|module| is_below(module, package)).collect();
    let is_internal = |module: &str| module.contains("/_");
    let is_again = |module: &str| {
        let stem = [".js", ".cjs", ".mjs"].iter().find_map(|ending| module.strip_suffix(ending));
        stem.is_some_and(|stem| all.contains(stem))
            || module.strip_suffix(".cjs").is_some_and(|stem| all.contains(&*format!("{stem}.js")))
    };
    let mut shown = all.clone();
    shown.retain(|module| !is_internal(module) && !is_again(module));
    shown.into_iter().collect()
}

/// `- function parse (/v4): what it does`.
fn line_of(symbol: &SymbolDocs) -> String {
    let SymbolDocs { name, kind, subpath, doc, .. } = symbol;
    let subpath = subpath.as_ref().map(|subpath| format!(" ({subpath})")).unwrap_or_default();
    let first = doc.as_deref().and_then(|doc| doc.lines().find(|line| !line.trim().is_empty()));
    let about = first.map(|line| format!(": {line}")).unwrap_or_default();
    format!("- {}\n", clip::line_of(&format!("{kind} {name}{subpath}{about}"), MAX_LINE))
}

/// Declarations and documentation of what has a name, or is a member of what has it.
fn described(
    package: &InstalledPackage,
    docs: &PackageDocs,
    symbol: &str,
) -> Result<String, String> {
    let named = |name: &str| -> Vec<&SymbolDocs> {
        docs.symbols.iter().filter(|symbol| symbol.name == name).collect()
    };
    let quoted = clip::visible(symbol, MAX_QUOTED);
    let mut found = named(symbol);
    let mut note = None;
    if found.is_empty()
        && let Some((owner, member)) = symbol.split_once(['.', '#'])
    {
        found = named(owner);
        let last = member.rsplit(['.', '#']).next().unwrap_or(member);
        if found.is_empty() {
            // `z.string`, where `z` is what programs call the package.
            found = named(last);
            let owner = clip::visible(owner, MAX_QUOTED);
            note = Some(format!("There is no export \"{owner}\": this is what its exports have."));
        } else if !found.iter().any(|symbol| mentions(&symbol.declaration, last)) {
            note = Some(format!(
                "\"{quoted}\" is not in the declaration, which may inherit it: this is its owner."
            ));
        }
    }
    if found.is_empty() {
        let hint = hint_for(symbol, docs);
        return Err(format!("{} has no export \"{quoted}\"{hint}", package.specifier));
    }
    let mut text = format!("# {}@{}\n", package.specifier, clip::line(&package.version));
    if let Some(note) = note {
        let _ = write!(text, "\n{note}\n");
    }
    for symbol in found {
        let from = symbol.subpath.as_deref().unwrap_or_default();
        let name = clip::line_of(&symbol.name, MAX_LINE);
        let _ = write!(text, "\n## {name}\n\nFrom \"{}{from}\"\n", package.specifier);
        let _ = write!(text, "\n```typescript\n{}\n```\n", fenced(&symbol.declaration));
        if let Some(doc) = &symbol.doc {
            let _ = write!(text, "\n{}\n", doc.trim());
        }
    }
    const CUT: &str = "\n… cut at 16 KiB. Read the package's own declarations below node_modules \
                       of the installation in a program for the rest\n";
    Ok(clip::marked_with(text, MAX_ANSWER - CUT.len(), CUT))
}

/// What may have been meant by a symbol that a package does not export.
fn hint_for(symbol: &str, docs: &PackageDocs) -> String {
    let last = symbol.rsplit(['.', '#']).next().unwrap_or(symbol);
    let mut owners: Vec<&str> = Vec::new();
    for owner in docs.symbols.iter().filter(|owner| has_member(&owner.declaration, last)) {
        if owners.len() < MAX_OWNERS && !owners.contains(&owner.name.as_str()) {
            owners.push(&owner.name);
        }
    }
    if !owners.is_empty() {
        return format!(", it is a member of {}. Name that as symbol", owners.join(", "));
    }
    // Of short names, most are near to any other: those that begin otherwise are not meant.
    let first = |name: &str| name.chars().next().map(|c| c.to_ascii_lowercase());
    let names = docs.symbols.iter().map(|symbol| symbol.name.as_str());
    let near = near_names(last, names.filter(|name| first(name) == first(last)));
    match near.is_empty() {
        true => ". Without symbol, describe_package lists its exports".to_owned(),
        false => format!(": did you mean {}?", near.join(", ")),
    }
}

/// Whether a word is in a declaration.
fn mentions(declaration: &str, word: &str) -> bool {
    words(declaration, word).next().is_some()
}

/// Whether a declaration has a member: its name, and what follows one.
fn has_member(declaration: &str, name: &str) -> bool {
    let body = declaration.find('{').map_or("", |at| &declaration[at..]);
    words(body, name).any(|rest| rest.starts_with(['(', '<', ':', '?']))
}

/// What follows each occurrence of a word.
fn words<'t>(text: &'t str, word: &str) -> impl Iterator<Item = &'t str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(word).filter_map(move |(at, word)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let is_whole = !before.ends_with(is_part) && !after.starts_with(is_part);
        (is_whole && !word.is_empty()).then_some(after)
    })
}

/// A declaration does not end the fence around it.
fn fenced(declaration: &str) -> String {
    declaration.trim().replace("```", "` ` `")
}

/// The documentation of a package, which the installer has written.
fn read(path: &Path) -> Result<PackageDocs, String> {
    let problem = |error: String| format!("The package's documentation cannot be read: {error}");
    let file = File::open(path).map_err(|error| problem(error.to_string()))?;
    let mut text = Vec::new();
    file.take(MAX_DOCS + 1).read_to_end(&mut text).map_err(|error| problem(error.to_string()))?;
    if text.len() as u64 > MAX_DOCS {
        return Err(problem(format!("it has more than {} MiB", MAX_DOCS >> 20)));
    }
    serde_json::from_slice(&text).map_err(|error| problem(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::packages::Installed;
    use crate::packages::manifest::{FailedModule, Manifest, ModuleEntry, PackageMediaType};
    use crate::packages::python::{PypiManifest, PypiPackage};

    fn package(specifier: &str, version: &str, docs: Option<&str>) -> InstalledPackage {
        InstalledPackage {
            specifier: specifier.into(),
            requested: specifier.into(),
            version: version.into(),
            license: Some("MIT".into()),
            docs: docs.map(str::to_owned),
            ..Default::default()
        }
    }

    fn symbol(name: &str, declaration: &str, doc: Option<&str>) -> SymbolDocs {
        SymbolDocs {
            name: name.into(),
            kind: "function".into(),
            subpath: None,
            declaration: declaration.into(),
            doc: doc.map(str::to_owned),
        }
    }

    fn available(generation: PathBuf) -> Available {
        let entry = ModuleEntry {
            file: "x.mjs".into(),
            media_type: PackageMediaType::JavaScript,
            preload: false,
        };
        let manifest = Manifest {
            format: 1,
            packages: vec![
                package("npm:zod", "3.25.1", Some("0.json")),
                package("jsr:@std/path", "1.1.0", None),
                package("npm:secret", "1.0.0", None),
                package("npm:sharp", "1.0.0", None),
                package("npm:type-fest", "1.0.0", None),
            ],
            modules: ["npm:zod", "npm:zod/v4", "jsr:@std/path"]
                .map(|name| (name.to_owned(), entry.clone()))
                .into(),
            failed: vec![FailedModule {
                specifier: "npm:sharp".into(),
                reason: "it needs the native addon sharp.node".into(),
            }],
        };
        let allowed = [
            "npm:zod@^3",
            "jsr:@std/path",
            "npm:sharp",
            "npm:type-fest",
            "npm:axios",
            "pypi:humanize",
        ];
        let allowed = AllowedPackages::parse(&allowed).unwrap();
        let humanize = PypiPackage {
            name: "humanize".into(),
            version: "4.13.0".into(),
            requested: Some("pypi:humanize".into()),
            modules: vec!["humanize".into()],
            ..Default::default()
        };
        let of_python = PypiManifest { packages: vec![humanize], ..Default::default() };
        Available {
            installed: Installed::of_generation(manifest, generation).current(),
            python: PythonPackages::new(of_python.into(), allowed.clone()),
            allowed,
        }
    }

    fn asked(name: &str, symbol: Option<&str>) -> DescribePackage {
        DescribePackage { name: name.into(), symbol: symbol.map(str::to_owned) }
    }

    /// A generation with the documentation of one package.
    fn with_docs(name: &str, test: impl FnOnce(&Available)) {
        let directory = std::env::temp_dir().join(format!("docs-{name}-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("docs")).unwrap();
        let docs = PackageDocs {
            specifier: "npm:zod".into(),
            version: "3.25.1".into(),
            description: Some("Schemas\nwith types".into()),
            symbols: vec![
                symbol("parse", "function parse(text: string): unknown", Some("Parses.\n\nMore.")),
                symbol("long", &"x".repeat(MAX_ANSWER), None),
                symbol("Axios", "class Axios {\n  get(url: string): void;\n}", None),
            ],
        };
        let text = serde_json::to_vec(&docs).unwrap();
        std::fs::write(directory.join("docs/0.json"), text).unwrap();
        test(&available(directory.clone()));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn an_overview_lists_what_a_package_exports() {
        with_docs("overview", |available| {
            assert_eq!(
                available.describe(&asked("zod", None)).unwrap(),
                "# npm:zod@3.25.1\n\nSchemas with types\n\nLicence: MIT\n\
                 Import: import * as name from \"npm:zod\"\nSubpaths: npm:zod/v4\n\n\
                 Exports (3; describe_package with symbol shows one):\n\n\
                 - function parse: Parses.\n- function long\n- function Axios\n"
            );
        });
    }

    #[test]
    fn a_symbol_has_its_declaration_and_its_documentation() {
        with_docs("symbol", |available| {
            for (symbol, note) in [
                ("parse", ""),
                ("parse.text", ""),
                ("z.parse", "\nThere is no export \"z\": this is what its exports have.\n"),
                (
                    "parse.name",
                    "\n\"parse.name\" is not in the declaration, which may inherit it: this is its \
                     owner.\n",
                ),
            ] {
                assert_eq!(
                    available.describe(&asked("npm:zod@^3/v4", Some(symbol))).unwrap(),
                    format!(
                        "# npm:zod@3.25.1\n{note}\n## parse\n\nFrom \"npm:zod\"\n\n\
                         ```typescript\nfunction parse(text: string): unknown\n```\n\nParses.\n\n\
                         More.\n"
                    )
                );
            }
            for (symbol, hint) in [
                ("get", ", it is a member of Axios. Name that as symbol"),
                ("nope", ". Without symbol, describe_package lists its exports"),
            ] {
                assert_eq!(
                    available.describe(&asked("zod", Some(symbol))).unwrap_err(),
                    format!("npm:zod has no export \"{symbol}\"{hint}")
                );
            }
            let long = available.describe(&asked("npm:zod", Some("long"))).unwrap();
            assert!(long.len() <= MAX_ANSWER && long.contains("cut at 16 KiB"));
            assert_eq!(
                available.describe(&asked("zod", Some("prase"))).unwrap_err(),
                "npm:zod has no export \"prase\": did you mean parse?"
            );
        });
    }

    #[test]
    fn a_package_without_types_says_so() {
        let available = available(PathBuf::from("/nowhere"));
        let text = available.describe(&asked("@std/path", None)).unwrap();
        assert!(
            text.ends_with(
                "It has no declarations of types. A program lists its exports: \
                 Object.keys(await import(\"jsr:@std/path\"))\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_package_that_cannot_be_imported_says_why() {
        let available = available(PathBuf::from("/nowhere"));
        for (name, reason) in [
            ("npm:sharp", "it needs the native addon sharp.node"),
            ("npm:type-fest", "it has types only, and nothing to import when a program runs"),
        ] {
            let text = available.describe(&asked(name, None)).unwrap();
            assert!(text.contains(&format!("\nNot available: {reason}")), "{text}");
            assert!(!text.contains("Import:"), "{text}");
        }
    }

    #[test]
    fn subpaths_are_named_once_and_without_internal_ones() {
        let modules = ["", "/a", "/a.js", "/a.cjs", "/_b", "/b/_c.js", "/d.cjs", "/d.js", "/e.cjs"];
        let modules = modules.map(|path| format!("npm:x{path}"));
        let names = modules.iter().map(String::as_str).chain(["npm:xy/z"]);
        assert_eq!(subpaths(names, "npm:x"), ["npm:x/a", "npm:x/d.js", "npm:x/e.cjs"]);
    }

    #[test]
    fn what_is_not_described_says_why() {
        let available = available(PathBuf::from("/nowhere"));
        for (name, expected) in [
            ("node:fs", "is a built-in module, which programs import without an installation"),
            (
                "npm:axios",
                "is allowed and not installed. An administrator runs `mcp-conductor install`",
            ),
        ] {
            assert_eq!(
                available.describe(&asked(name, None)).unwrap_err(),
                format!("Package \"{name}\" {expected}")
            );
        }
    }

    #[test]
    fn what_a_principal_may_not_import_is_as_if_it_was_not_installed() {
        let available = available(PathBuf::from("/nowhere"));
        for name in ["npm:secret", "secret"] {
            assert_eq!(
                available.describe(&asked(name, None)).unwrap_err(),
                format!(
                    "Package \"{name}\" is not installed, or MCP_CONDUCTOR_ALLOWED_PACKAGES does \
                     not allow it here. Installed: npm:zod, jsr:@std/path, npm:sharp, npm:type-fest"
                )
            );
        }
        assert_eq!(
            available.describe(&asked("npm:zot", None)).unwrap_err(),
            "Package \"npm:zot\" is not installed: did you mean \"npm:zod\"?"
        );
    }

    #[test]
    fn a_package_of_python_is_described_by_its_name_with_or_without_its_kind() {
        let available = available(PathBuf::from("/nowhere"));
        assert!(!available.is_empty());
        for name in ["pypi:humanize", " Humanize", "pypi:humanize@^4"] {
            let described = available.describe(&asked(name, None)).expect(name);
            assert!(described.starts_with("# pypi:humanize@4.13.0\n"), "{described}");
        }
        // Of a name in both the one for TypeScript.
        assert!(available.describe(&asked("npm:humanize", None)).is_err());
        let missing = available.describe(&asked("pypi:zod", None)).unwrap_err();
        assert!(missing.contains("Installed: pypi:humanize"), "{missing}");
    }

    #[test]
    fn packages_are_named_as_far_as_there_is_room() {
        let available = available(PathBuf::from("/nowhere"));
        assert_eq!(
            available.named(200).unwrap(),
            "npm:zod@3.25.1, jsr:@std/path@1.1.0, npm:sharp@1.0.0, npm:type-fest@1.0.0"
        );
        assert_eq!(
            available.named(65).unwrap(),
            "npm:zod@3.25.1, jsr:@std/path@1.1.0 and 2 more (describe_package)"
        );
        assert_eq!(available.named(20).unwrap(), "4 (describe_package)");
        let none = Available::none();
        assert!(none.is_empty() && none.named(99).is_none());
    }
}
