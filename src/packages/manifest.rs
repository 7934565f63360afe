//! What an installation consists of: `manifest.json` of a generation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The format that this program reads and writes.
pub(crate) const FORMAT: u32 = 1;

/// The contents of a generation. Written by `install`, read by server and zygote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub format: u32,
    /// The allowed packages, in the administrator's order.
    pub packages: Vec<InstalledPackage>,
    /// By specifier without a version, such as `npm:zod/v4`.
    pub modules: BTreeMap<String, ModuleEntry>,
    /// What could not be made, and why.
    pub failed: Vec<FailedModule>,
}

/// An allowed package as it is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstalledPackage {
    /// Without a version: `npm:zod`.
    pub specifier: String,
    /// As the administrator wrote it: `npm:zod@^3`.
    pub requested: String,
    pub version: String,
    pub license: Option<String>,
    /// Bytes of its files, unpacked.
    pub bytes: u64,
    /// Its directory, relative to the generation.
    pub directory: String,
    /// The file with its documentation, below `docs/`.
    pub docs: Option<String>,
}

/// A module that programs import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModuleEntry {
    /// Its name below `bundle/`.
    pub file: String,
    pub media_type: PackageMediaType,
    /// Whether the zygote compiles and links it before the fork.
    pub preload: bool,
}

/// In what a module of a package is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PackageMediaType {
    JavaScript,
    Json,
}

/// A specifier without a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailedModule {
    pub specifier: String,
    /// One sentence.
    pub reason: String,
}
