//! The files of the output, within their bounds.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::graph::Built;
use crate::exchange::{BundleFailure, Bundled, BundledModule, PackageDocs};

/// The largest file. The whole of typescript has 9 MiB.
const MAX_FILE: usize = 64 << 20;
/// All files together: the corpus has 104 MiB for 186 packages.
const MAX_ALL: usize = 256 << 20;
/// The most that a subpath may bring to be compiled before the fork.
const MAX_PRELOAD: usize = 2 << 20;
/// The most that the entry of a package may bring. typescript brings 9 MiB, and would
/// take four times as long if each run compiled it.
const MAX_PRELOAD_OF_ENTRY: usize = 16 << 20;

/// Where files are written, and how much of that is left.
#[derive(Debug)]
pub(super) struct Output {
    bundle: PathBuf,
    docs: PathBuf,
    written: usize,
}

impl Output {
    pub(super) fn new(directory: &Path) -> Result<Self, String> {
        let bundle = directory.join("bundle");
        let docs = directory.join("docs");
        for directory in [&bundle, &docs] {
            fs::create_dir_all(directory)
                .map_err(|error| format!("Cannot make {}: {error}", directory.display()))?;
        }
        Ok(Self { bundle, docs, written: 0 })
    }

    /// Writes a graph. Entries whose files are too large are failures.
    pub(super) fn write(
        &mut self,
        built: &mut Built,
        preload: bool,
        bundled: &mut Bundled,
    ) -> Result<(), String> {
        bundled.failed.append(&mut built.failed);
        let mut files = BTreeSet::new();
        for module in std::mem::take(&mut built.modules) {
            let closure = built.closure(&module.file);
            let new: Vec<_> = closure.all.difference(&files).cloned().collect();
            if let Some(reason) = self.too_large(built, &new) {
                bundled.failed.push(BundleFailure { specifier: module.specifier, reason });
                continue;
            }
            self.written += built.size(new.iter());
            files.extend(new);
            let is_entry = is_entry(&module.specifier);
            let limit = if is_entry { MAX_PRELOAD_OF_ENTRY } else { MAX_PRELOAD };
            bundled.modules.push(BundledModule {
                specifier: module.specifier,
                file: module.file,
                format: module.format,
                preload: preload && built.size(closure.at_once.iter()) < limit,
            });
        }
        for file in &files {
            write(&self.bundle.join(file), built.chunks[file].code.as_bytes())?;
        }
        Ok(())
    }

    fn too_large(&self, built: &Built, files: &[String]) -> Option<String> {
        if let Some(file) = files.iter().find(|file| built.chunks[*file].code.len() > MAX_FILE) {
            return Some(format!("its code is {file}, which has more than {MAX_FILE} bytes"));
        }
        (self.written + built.size(files.iter()) > MAX_ALL)
            .then(|| format!("the code of all packages has more than {MAX_ALL} bytes"))
    }

    /// Writes the documentation of a package, and returns the name of its file.
    pub(super) fn write_docs(&self, number: usize, docs: &PackageDocs) -> Result<String, String> {
        let file = format!("{number}.json");
        let text = serde_json::to_vec(docs).map_err(|error| error.to_string())?;
        write(&self.docs.join(&file), &text)?;
        Ok(file)
    }
}

/// Whether a specifier has no subpath: `npm:zod`, `jsr:@std/path`.
fn is_entry(specifier: &str) -> bool {
    let slashes = usize::from(specifier.contains(":@"));
    specifier.matches('/').count() == slashes
}

fn write(path: &Path, text: &[u8]) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("Cannot write {}: {error}", path.display()))
}

/// The files that a file needs.
struct Closure {
    /// By static imports.
    at_once: BTreeSet<String>,
    /// And what they may import later.
    all: BTreeSet<String>,
}

impl Built {
    fn closure(&self, file: &str) -> Closure {
        Closure { at_once: self.reach(file, false), all: self.reach(file, true) }
    }

    fn reach(&self, file: &str, dynamic: bool) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut left = vec![file];
        while let Some(file) = left.pop() {
            let Some((file, chunk)) = self.chunks.get_key_value(file) else { continue };
            if seen.insert(file.clone()) {
                left.extend(chunk.imports.iter().map(String::as_str));
                let later = chunk.dynamic.iter().filter(|_| dynamic);
                left.extend(later.map(String::as_str));
            }
        }
        seen
    }

    fn size<'a>(&self, files: impl Iterator<Item = &'a String>) -> usize {
        files.map(|file| self.chunks.get(file).map_or(0, |chunk| chunk.code.len())).sum()
    }
}
