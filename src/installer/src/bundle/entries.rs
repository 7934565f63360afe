//! What is bundled: entries, which graph each is in, and what their files are called.

use std::collections::HashSet;

use super::native;
use super::package::Package;
use super::subpaths::{Subpath, Subpaths};
use crate::exchange::BundleFailure;

/// Something that programs import.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub package: &'a Package,
    /// With a leading slash; empty for the package's own entry.
    pub subpath: String,
    /// Other ways to write the subpath.
    pub aliases: Vec<String>,
    /// The name of its file, without extension.
    pub name: String,
}

impl Entry<'_> {
    /// `npm:zod/v4`.
    pub(super) fn specifier(&self) -> String {
        format!("{}{}", self.package.specifier, self.subpath)
    }

    /// Everything that programs may write for it.
    pub(super) fn specifiers(&self) -> impl Iterator<Item = String> {
        let further = self.aliases.iter();
        std::iter::once(&self.subpath)
            .chain(further)
            .map(|subpath| format!("{}{subpath}", self.package.specifier))
    }
}

/// The graphs of a request.
#[derive(Debug, Default)]
pub(super) struct Graphs<'a> {
    /// With all packages, so that they share state.
    pub shared: Vec<Entry<'a>>,
    /// One for each package with many subpaths.
    pub satellites: Vec<Vec<Entry<'a>>>,
    /// Packages of machine code.
    pub native: Vec<BundleFailure>,
}

impl<'a> Graphs<'a> {
    pub(super) fn plan(packages: &'a [Package], names: &mut Names) -> Self {
        let mut graphs = Self::default();
        for package in packages {
            if let Some(reason) = native::reason(package) {
                let specifier = package.specifier.clone();
                graphs.native.push(BundleFailure { specifier, reason });
                continue;
            }
            let subpaths = Subpaths::of(package);
            let shared = subpaths.shared.into_iter();
            graphs.shared.extend(shared.map(|subpath| names.entry(package, subpath)));
            let further = subpaths.further.into_iter();
            let further: Vec<_> = further.map(|subpath| names.entry(package, subpath)).collect();
            if !further.is_empty() {
                graphs.satellites.push(further);
            }
        }
        graphs
    }
}

/// The names of files that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    fn entry<'a>(&mut self, package: &'a Package, subpath: Subpath) -> Entry<'a> {
        let Subpath { subpath, aliases } = subpath;
        let text = format!("{}{subpath}", package.specifier);
        let name = self.take(&flat(&text));
        Entry { package, subpath, aliases, name }
    }

    /// The name, or the name with the first number that makes it new. Names are
    /// compared without case, for file systems that do so.
    fn take(&mut self, name: &str) -> String {
        let mut taken = name.to_owned();
        let mut number = 1;
        while !self.0.insert(taken.to_ascii_lowercase()) {
            number += 1;
            taken = format!("{name}_{number}");
        }
        taken
    }
}

/// The longest name of a file without extension and number: file systems have 255.
const MAX_NAME: usize = 120;

/// `npm:@scope/name/a/b.js` as `scope_name_a_b`, of the characters that file names may
/// have. `chunk-` begins the names of what entries share.
fn flat(specifier: &str) -> String {
    let text = specifier.strip_prefix("npm:").unwrap_or(specifier).trim_start_matches('@');
    let text = [".js", ".mjs", ".cjs", ".json"]
        .iter()
        .find_map(|end| text.strip_suffix(end))
        .filter(|text| text.contains('/'))
        .unwrap_or(text);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
    let name: String = text.chars().map(plain).take(MAX_NAME).collect();
    if name.starts_with(['.', '-']) || name.starts_with("chunk-") {
        format!("_{name}")
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, flat};

    #[test]
    fn a_file_is_named_after_its_specifier() {
        for (specifier, name) in [
            ("npm:zod", "zod"),
            ("npm:zod/v4", "zod_v4"),
            ("npm:@scope/name/a/b.js", "scope_name_a_b"),
            ("jsr:@std/path", "jsr__std_path"),
            ("npm:highlight.js", "highlight.js"),
            ("npm:chunk-x", "_chunk-x"),
        ] {
            assert_eq!(flat(specifier), name);
        }
    }

    #[test]
    fn two_files_never_have_one_name() {
        let mut names = Names::default();
        assert_eq!(
            [names.take("a_b"), names.take("A_b"), names.take("a_b")],
            ["a_b", "A_b_2", "a_b_3"]
        );
    }
}
