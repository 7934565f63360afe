//! What `mcp-conductor install` asks of `mcp-conductor-installer`, and what that answers:
//! one JSON document on stdin, one on stdout. Compiled by both programs, so it uses
//! nothing of either.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Asks for packages to be resolved, downloaded, verified and unpacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FetchRequest {
    /// What the administrator allows, such as `npm:axios@^1` and `jsr:@std/path`.
    pub packages: Vec<String>,
    /// The directory of lock file and cache: `INSTALL_DIR/packages`.
    pub store: PathBuf,
    /// The new generation's directory, which exists and is empty.
    pub generation: PathBuf,
    /// A file to read instead of npm's own `.npmrc`.
    pub npmrc: Option<PathBuf>,
    /// Fails if the lock file would change.
    pub frozen: bool,
    /// Uses what is in the cache, and no network.
    pub offline: bool,
    /// Versions that were published less than this many seconds ago are not taken.
    pub min_age_seconds: u64,
}

/// What was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fetched {
    /// Every package of the graph, the allowed ones among them.
    pub packages: Vec<FetchedPackage>,
}

/// A package in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchedPackage {
    /// As the administrator wrote it, for one that is allowed: `npm:axios@^1`.
    pub requested: Option<String>,
    /// Its name in programs, without kind: `axios`, `@std/path`.
    pub name: String,
    pub version: String,
    /// Its directory, relative to the generation.
    pub directory: PathBuf,
    pub license: Option<String>,
    pub packed_bytes: u64,
    pub unpacked_bytes: u64,
    pub files: u64,
    /// Whether it was in the cache.
    pub cached: bool,
    /// Whether it has scripts that npm would run. They are not run.
    pub has_scripts: bool,
}

/// Asks for wheels of packages of Python to be resolved, downloaded, verified and repacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WheelsRequest {
    /// What the administrator allows, such as `pypi:humanize@^4`.
    pub packages: Vec<String>,
    /// The URL of the package index, with a name and password if it needs them.
    pub index: String,
    /// The version of Python that they are for.
    pub python: String,
    /// What Python itself has, by name and version.
    pub included: Vec<(String, String)>,
    /// The directory of lock file and cache: `INSTALL_DIR/packages/pypi`.
    pub store: PathBuf,
    /// The new generation's directory, which exists and is empty.
    pub generation: PathBuf,
    /// Fails if the lock file would change.
    pub frozen: bool,
    /// Uses what is in the cache, and no network.
    pub offline: bool,
    /// Versions that were uploaded less than this many seconds ago are not taken.
    pub min_age_seconds: u64,
}

/// Which wheels there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wheels {
    /// The allowed ones in the administrator's order, then what they need by name.
    pub packages: Vec<WheelPackage>,
    /// Allowed ones that Python itself has: as they are written, and the version.
    pub included: Vec<(String, String)>,
}

/// A wheel in the generation, as a zip without compression.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WheelPackage {
    /// As the administrator wrote it, for one that is allowed.
    pub requested: Option<String>,
    pub name: String,
    pub version: String,
    /// What it is, in its author's words.
    pub summary: Option<String>,
    pub license: Option<String>,
    /// Its file in the generation.
    pub file: String,
    pub sha256: String,
    pub bytes: u64,
    pub modules: Vec<String>,
    /// Whether Python itself has another version of it.
    pub overrides: bool,
}

/// Asks for the modules that programs import to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BundleRequest {
    /// Read only.
    pub generation: PathBuf,
    /// Where the output goes: `bundle/` and `docs/` are made below it. It may be the
    /// generation itself.
    pub output: PathBuf,
    /// What the generation's final place will be, for paths in the output.
    pub place: PathBuf,
    pub entries: Vec<BundleEntry>,
}

/// A package that programs import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BundleEntry {
    /// `npm:axios` or `jsr:@std/path`.
    pub specifier: String,
    /// Its directory, relative to the generation.
    pub directory: PathBuf,
}

/// What was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundled {
    pub modules: Vec<BundledModule>,
    /// What could not be made, and why.
    pub failed: Vec<BundleFailure>,
    /// Specifier of the package, and the file of its documentation below `docs/`.
    pub docs: Vec<(String, String)>,
}

/// A module that programs import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundledModule {
    /// Without a version: `npm:zod/v4`.
    pub specifier: String,
    /// Its name below `bundle/`.
    pub file: String,
    pub format: ModuleFormat,
    /// Whether it is small and likely enough to be compiled before the fork.
    pub preload: bool,
}

/// How a module is written in its package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ModuleFormat {
    Esm,
    /// Its one export is `default`: a wrapper with named exports is to be made.
    CommonJs,
    Json,
}

/// A specifier without a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleFailure {
    pub specifier: String,
    /// One sentence. It names a native addon as one.
    pub reason: String,
}

/// What a package offers, from its declarations. A file below `docs/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageDocs {
    pub specifier: String,
    pub version: String,
    pub description: Option<String>,
    pub symbols: Vec<SymbolDocs>,
}

/// An exported symbol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SymbolDocs {
    pub name: String,
    /// `function`, `class`, `interface`, `type`, `const`, `enum`, `namespace`.
    pub kind: String,
    /// The subpath that exports it, if not the package's own entry: `/v4`.
    pub subpath: Option<String>,
    /// The declaration as TypeScript, without bodies.
    pub declaration: String,
    /// The text of its JSDoc comment.
    pub doc: Option<String>,
}
