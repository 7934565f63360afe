//! The documentation of a package, from its declarations: what a program can import of
//! it, and what the comments say. Nothing is checked, and no type is computed.

mod files;
mod scope;
mod text;
mod walk;

use std::collections::HashSet;

use super::package::Package;
use super::places::Places;
use super::subpaths::Subpaths;
use crate::exchange::{PackageDocs, SymbolDocs};
use scope::Declared;
use walk::{Symbol, Walk};

/// Symbols of a package. date-fns has 300, three and the AWS SDK's S3 some 900.
const MAX_SYMBOLS: usize = 2000;
/// Subpaths that are documented beside the entry: stripe, rxjs and zod have fewer.
const MAX_SUBPATHS: usize = 20;
/// The longest declaration of a symbol with all its overloads.
const MAX_DECLARATION: usize = 2 << 10;

/// What a package says of itself; none if it has no declarations.
pub(super) fn read(places: &Places, package: &Package) -> Option<PackageDocs> {
    let mut walk = Walk::new(places);
    let mut docs = PackageDocs {
        specifier: package.specifier.clone(),
        version: package.text("version").unwrap_or_default().to_owned(),
        description: package.text("description").map(str::to_owned),
        symbols: Vec::new(),
    };
    let mut known = HashSet::new();
    for subpath in subpaths(package) {
        let Some(file) = files::of_package(places, package, &subpath) else { continue };
        for symbol in walk.exports(&file) {
            if docs.symbols.len() < MAX_SYMBOLS && known.insert(symbol.origin.clone()) {
                docs.symbols.push(symbol_docs(symbol, &subpath));
            }
        }
    }
    (!docs.symbols.is_empty()).then_some(docs)
}

/// The entry first, so that what a subpath has too is shown as the entry's.
fn subpaths(package: &Package) -> Vec<String> {
    let shared = Subpaths::of(package).shared.into_iter().map(|path| path.subpath);
    let mut subpaths: Vec<_> =
        shared.filter(|path| !path.ends_with(".json")).take(MAX_SUBPATHS + 1).collect();
    if subpaths.first().is_none_or(|first| !first.is_empty()) {
        subpaths.insert(0, String::new());
    }
    subpaths
}

fn symbol_docs(symbol: Symbol, subpath: &str) -> SymbolDocs {
    let doc = symbol.declared.iter().find_map(|declared| declared.doc.clone());
    let texts: Vec<_> = symbol.declared.iter().map(|declared| declared.text.as_str()).collect();
    SymbolDocs {
        name: symbol.name,
        kind: kind(&symbol.declared).to_owned(),
        subpath: (!subpath.is_empty()).then(|| subpath.to_owned()),
        declaration: text::clip(texts.join("\n"), MAX_DECLARATION),
        doc,
    }
}

/// Of what is declared more than once, what exists when a program runs comes first.
fn kind(declared: &[Declared]) -> &'static str {
    let values = ["function", "class", "const", "enum"];
    declared
        .iter()
        .map(|declared| declared.kind)
        .find(|kind| values.contains(kind))
        .or_else(|| declared.first().map(|declared| declared.kind))
        .unwrap_or("const")
}
