//! Makes the modules that programs import: the allowed packages of a generation in one
//! graph, so that what they share exists once, and the documentation of their types.
//!
//! It runs in a process without network that reads the generation and writes the
//! output. What packages contain is hostile: paths are checked, sizes are bounded, and
//! none of their code is run.

mod ascii;
mod attempt;
// The engine's list: what it has is external, everything else must be in the store.
#[path = "../../../engines/typescript/builtins.rs"]
mod builtins;

mod docs;
mod entries;
mod exports;
mod graph;
mod native;
mod output;
mod own_place;
mod package;
mod places;
mod plugin;
mod record;
mod stubs;
mod subpaths;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::exchange::{BundleEntry, BundleFailure, BundleRequest, Bundled};
use entries::{Graphs, Names};
use output::Output;
use package::Package;
use places::Places;

/// The stack of a thread that parses: expressions of generated code nest some thousand
/// deep (typescript, tables of Unicode), each level with a few KiB.
const STACK: usize = 32 << 20;

/// Bundles the allowed packages of a generation.
pub fn run(request: BundleRequest) -> Result<Bundled, String> {
    std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(|| bundle(request))
        .map_err(|error| format!("A thread cannot be started: {error}"))?
        .join()
        .unwrap_or_else(|_| Err("The bundler failed".to_owned()))
}

fn bundle(request: BundleRequest) -> Result<Bundled, String> {
    let places = Arc::new(Places::new(&request)?);
    let mut output = Output::new(&request.output)?;
    let mut bundled = Bundled::default();
    let packages = read_packages(&places, &request.entries, &mut bundled.failed);
    let mut names = Names::default();
    let graphs = Graphs::plan(&packages, &mut names);
    bundled.failed.extend(graphs.native);
    let mut shared = graph::build(&places, graphs.shared);
    output.write(&mut shared, true, &mut bundled)?;
    for satellite in graphs.satellites {
        let mut built = graph::build(&places, satellite);
        output.write(&mut built, false, &mut bundled)?;
    }
    let unmade = without_modules(&packages, &bundled);
    bundled.failed.extend(unmade);
    write_docs(&places, &packages, &output, &mut bundled)?;
    Ok(bundled)
}

fn read_packages(
    places: &Places,
    entries: &[BundleEntry],
    failed: &mut Vec<BundleFailure>,
) -> Vec<Package> {
    let mut packages = Vec::new();
    for entry in entries {
        match Package::read(places, entry) {
            Ok(package) => packages.push(package),
            Err(reason) => {
                failed.push(BundleFailure { specifier: entry.specifier.clone(), reason });
            }
        }
    }
    packages
}

/// Packages whose `exports` have nothing but declarations, which are no entries.
fn without_modules(packages: &[Package], bundled: &Bundled) -> Vec<BundleFailure> {
    let is_of = |specifier: &str, package: &Package| {
        let rest = specifier.strip_prefix(package.specifier.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_known = |package: &&Package| {
        bundled.modules.iter().any(|module| is_of(&module.specifier, package))
            || bundled.failed.iter().any(|failed| is_of(&failed.specifier, package))
    };
    let unmade = packages.iter().filter(|package| !is_known(package));
    unmade
        .map(|package| BundleFailure {
            specifier: package.specifier.clone(),
            reason: format!(
                "{} has types only, and nothing to import when a program runs. Use import type",
                package.name
            ),
        })
        .collect()
}

/// Documentation is an extra: a package whose declarations cannot be read has none.
fn write_docs(
    places: &Places,
    packages: &[Package],
    output: &Output,
    bundled: &mut Bundled,
) -> Result<(), String> {
    for (number, package) in packages.iter().enumerate() {
        let read = catch_unwind(AssertUnwindSafe(|| docs::read(places, package)));
        let Ok(Some(docs)) = read else { continue };
        let file = output.write_docs(number, &docs)?;
        bundled.docs.push((package.specifier.clone(), file));
    }
    Ok(())
}
