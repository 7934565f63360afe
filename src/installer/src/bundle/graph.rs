//! One graph of entries, built again without what fails until the rest is made.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::ascii;
use super::attempt::{self, Attempt, Chunk, Failure};
use super::entries::Entry;
use super::places::Places;
use super::record::{Found, Record};
use super::stubs;
use crate::exchange::{BundleFailure, ModuleFormat};

/// Builds of one graph. Each but the last finds at least one file or package that
/// fails; beyond that, packages are built one by one.
const MAX_ATTEMPTS: usize = 6;

/// What became of a graph.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub modules: Vec<Module>,
    /// The files of the graph, entries among them, by name.
    pub chunks: BTreeMap<String, Chunk>,
    pub failed: Vec<BundleFailure>,
}

/// An entry that was made.
#[derive(Debug)]
pub(super) struct Module {
    pub specifier: String,
    pub file: String,
    pub format: ModuleFormat,
}

/// Builds entries together; if that fails for a reason that names none of them, the
/// packages that can be built alone are built together, and at last apart.
pub(super) fn build(places: &Arc<Places>, entries: Vec<Entry<'_>>) -> Built {
    if entries.is_empty() {
        return Built::default();
    }
    let reason = match Graph::new(places, entries.clone()).build() {
        Ok(built) => return built,
        Err(reason) => reason,
    };
    let packages = by_package(entries);
    if let [(_, entries)] = &packages[..] {
        return failed_entries(entries, &reason);
    }
    build_apart(places, packages)
}

fn by_package(entries: Vec<Entry<'_>>) -> Vec<(String, Vec<Entry<'_>>)> {
    let mut packages: Vec<(String, Vec<Entry<'_>>)> = Vec::new();
    for entry in entries {
        let specifier = &entry.package.specifier;
        match packages.iter_mut().find(|(name, _)| name == specifier) {
            Some((_, entries)) => entries.push(entry),
            None => packages.push((specifier.clone(), vec![entry])),
        }
    }
    packages
}

fn build_apart(places: &Arc<Places>, packages: Vec<(String, Vec<Entry<'_>>)>) -> Built {
    let mut failed = Built::default();
    let mut apart = Built::default();
    let mut sound = Vec::new();
    for (_, entries) in packages {
        match Graph::new(places, entries.clone()).build() {
            Ok(built) => {
                apart.merge(built);
                sound.extend(entries);
            }
            Err(reason) => failed.merge(failed_entries(&entries, &reason)),
        }
    }
    let together = Graph::new(places, sound).build();
    failed.merge(together.unwrap_or(apart));
    failed
}

fn failed_entries(entries: &[Entry<'_>], reason: &str) -> Built {
    let failed = entries
        .iter()
        .map(|entry| BundleFailure { specifier: entry.specifier(), reason: reason.to_owned() })
        .collect();
    Built { failed, ..Built::default() }
}

impl Built {
    fn merge(&mut self, other: Self) {
        self.modules.extend(other.modules);
        self.chunks.extend(other.chunks);
        self.failed.extend(other.failed);
    }
}

/// Entries, and what is known of them from earlier builds.
struct Graph<'a> {
    places: Arc<Places>,
    entries: Vec<Entry<'a>>,
    /// Files that cannot be parsed: they throw instead.
    broken: HashMap<String, String>,
    failed: Vec<BundleFailure>,
}

impl<'a> Graph<'a> {
    fn new(places: &Arc<Places>, entries: Vec<Entry<'a>>) -> Self {
        let places = Arc::clone(places);
        Self { places, entries, broken: HashMap::new(), failed: Vec::new() }
    }

    fn build(mut self) -> Result<Built, String> {
        let mut reason = String::new();
        for _ in 0..MAX_ATTEMPTS {
            if self.entries.is_empty() {
                return Ok(Built { failed: self.failed, ..Built::default() });
            }
            let Attempt { record, result } =
                attempt::run(&self.places, &self.entries, &self.broken);
            let without = self.leave_out(&record);
            match result {
                Ok(chunks) if !without => return Ok(self.finish(&record, chunks)),
                Ok(_) => {}
                Err(failure) => {
                    reason = failure.to_string();
                    if !self.learn(failure) && !without {
                        return Err(reason);
                    }
                }
            }
        }
        Err(reason)
    }

    /// Takes out entries that lead outside of the store, or cannot be imported at all.
    fn leave_out(&mut self, record: &Record) -> bool {
        let before = self.entries.len();
        let entries = std::mem::take(&mut self.entries);
        for (number, entry) in entries.into_iter().enumerate() {
            let Some(Found::Module(id)) = record.entries.get(&number) else {
                self.entries.push(entry);
                continue;
            };
            let reason = record
                .reaches(id, &record.refused, true)
                .or_else(|| record.reaches(id, &self.broken, false));
            match reason {
                Some(reason) => self.failed.push(failure(&entry, reason)),
                None => self.entries.push(entry),
            }
        }
        self.entries.len() < before
    }

    /// Remembers the files that a build failed at. Whether there is a new one.
    fn learn(&mut self, failure: Failure) -> bool {
        let mut new = false;
        for (id, message) in failure.files {
            let package = self.places.package_of(id.as_ref());
            let message = format!("{package} has a file that cannot be read: {message}");
            new |= self.broken.insert(id, message).is_none();
        }
        new
    }

    fn finish(self, record: &Record, chunks: BTreeMap<String, Chunk>) -> Built {
        let mut built = Built { chunks, failed: self.failed, ..Built::default() };
        for (number, entry) in self.entries.iter().enumerate() {
            built.add(&self.places, entry, record, record.entries.get(&number));
        }
        built.drop_unused();
        built
    }
}

fn failure(entry: &Entry<'_>, reason: &str) -> BundleFailure {
    BundleFailure { specifier: entry.specifier(), reason: reason.to_owned() }
}

impl Built {
    fn add(&mut self, places: &Places, entry: &Entry<'_>, record: &Record, found: Option<&Found>) {
        match found {
            Some(Found::Module(id)) => {
                let commonjs = record.commonjs.contains(id) || stubs::message(id).is_some();
                let format = if commonjs { ModuleFormat::CommonJs } else { ModuleFormat::Esm };
                self.module(entry, "mjs", format);
            }
            Some(Found::Json(path)) => match super::package::read_bounded(places, path, MAX_JSON) {
                Ok(text) => {
                    let text = ascii::escape_json(text.trim_start_matches('\u{feff}'));
                    let file = self.module(entry, "json", ModuleFormat::Json);
                    self.chunks.insert(file, Chunk { code: text, ..Chunk::default() });
                }
                Err(reason) => self.failed.push(failure(entry, &reason)),
            },
            Some(Found::Nothing(reason)) => {
                // A subpath is a guess, for packages that export patterns.
                if entry.subpath.is_empty() {
                    self.failed.push(failure(entry, reason));
                }
            }
            None => self.failed.push(failure(entry, "it was not asked for")),
        }
    }

    fn module(&mut self, entry: &Entry<'_>, extension: &str, format: ModuleFormat) -> String {
        let file = format!("{}.{extension}", entry.name);
        for specifier in entry.specifiers() {
            self.modules.push(Module { specifier, file: file.clone(), format });
        }
        file
    }

    /// Entries that are no modules have made empty files.
    fn drop_unused(&mut self) {
        let mut used = HashSet::new();
        let mut left: BTreeSet<String> = self.modules.iter().map(|m| m.file.clone()).collect();
        while let Some(file) = left.pop_first() {
            if let Some(chunk) = self.chunks.get(&file) {
                left.extend(chunk.imports.iter().chain(&chunk.dynamic).cloned());
            }
            used.insert(file.clone());
            left.retain(|file| !used.contains(file));
        }
        self.chunks.retain(|file, _| used.contains(file));
    }
}

/// The largest JSON file that programs may import: mime-db has 200 KiB, iana and emoji
/// tables up to 4 MiB.
const MAX_JSON: u64 = 16 << 20;
