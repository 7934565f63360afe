//! What an installation has done, for people and for programs. It is kept in the generation.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::InstallError;
use super::store::write;
use crate::text::clip::visible;

/// Its file, in the generation.
const FILE: &str = "installation.json";

/// The largest file that is read: as the manifest's.
const MAX_BYTES: u64 = 16 << 20;

/// Bytes of a text of a package that are shown.
const MAX_SHOWN: usize = 500;

/// Remarks of a list that people see: a package with many modules has one for each.
const MAX_REMARKS: usize = 20;

/// What is installed, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Installation {
    /// Whether anything was done: false if all was there already.
    pub changed: bool,
    /// Where it is.
    pub generation: PathBuf,
    /// Seconds since 1970.
    pub installed_at: u64,
    /// The allowed packages, in the administrator's order.
    pub packages: Vec<PackageSummary>,
    /// What they need.
    pub further: Vec<FurtherPackage>,
    /// What cannot be imported, and why.
    pub failed: Vec<Remark>,
    /// What could not be imported without grants, and other things to know.
    pub notes: Vec<Remark>,
    /// What is installed of PyPI, in a generation of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pypi: Option<Box<Installation>>,
    /// A digest of all that decides what it is.
    pub(super) inputs: String,
}

/// An allowed package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PackageSummary {
    /// Without a version: `npm:zod`.
    pub specifier: String,
    /// As the administrator wrote it: `npm:zod@^3`.
    pub requested: String,
    /// The version that is installed.
    pub version: String,
    /// As its package.json says.
    pub license: Option<String>,
    /// Bytes of its files.
    pub bytes: u64,
    /// Modules that programs can import.
    pub modules: usize,
    /// Whether it has scripts that npm would run. They were not run.
    pub has_scripts: bool,
}

/// A package that others need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FurtherPackage {
    /// Its name.
    pub name: String,
    /// The version that is installed.
    pub version: String,
    /// As its package.json says.
    pub license: Option<String>,
}

/// Something to know about a package or a module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Remark {
    /// Without a version.
    pub specifier: String,
    /// One sentence.
    pub reason: String,
}

impl Installation {
    /// Whether there is a module that programs can import.
    pub fn is_usable(&self) -> bool {
        self.packages.iter().any(|package| package.modules > 0)
            // All or nothing, and what Python itself has is not in its list.
            || self.pypi.is_some()
    }

    /// What was installed in a generation. Nothing, if that cannot be told.
    pub(super) fn of(generation: &Path) -> Option<Self> {
        use std::io::Read;
        let file = std::fs::File::open(generation.join(FILE)).ok()?;
        let mut text = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn write(&self) -> Result<(), InstallError> {
        let text = serde_json::to_vec(self).expect("strings and numbers serialize");
        write(&self.generation.join(FILE), &text)
    }

    /// Whether it is of PyPI only.
    fn is_empty(&self) -> bool {
        self.generation.as_os_str().is_empty()
    }

    /// Packages by licence, those with most of them first.
    pub fn licenses(&self) -> Vec<(String, usize)> {
        let own = self.packages.iter().map(|package| &package.license);
        let further = self.further.iter().map(|package| &package.license);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for license in own.chain(further) {
            *counts.entry(license.as_deref().unwrap_or("not stated")).or_default() += 1;
        }
        let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts.into_iter().map(|(license, count)| (shown(license), count)).collect()
    }
}

fn shown(text: &str) -> String {
    visible(text, MAX_SHOWN)
}

/// As `1.5 MB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

impl Display for Installation {
    /// A table for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !(self.is_empty() && self.pypi.is_some()) {
            self.write_own(f)?;
        }
        self.pypi.as_ref().map_or(Ok(()), |pypi| pypi.write_own(f))
    }
}

impl Installation {
    fn write_own(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (own, further) = (self.packages.len(), self.further.len());
        let place = self.generation.display();
        let done = if self.changed { "Installed" } else { "Nothing has changed:" };
        writeln!(f, "{done} {own} allowed packages and {further} that they need, in {place}")?;
        let width = self.packages.iter().map(|package| package.specifier.len()).max();
        let width = width.unwrap_or_default().min(60);
        for package in &self.packages {
            let license = package.license.as_deref().unwrap_or("no licence stated");
            let scripts =
                if package.has_scripts { "  has scripts, which were not run" } else { "" };
            writeln!(
                f,
                "  {:<width$}  {:<12} {:>9}  {:>4} modules  {}{scripts}",
                shown(&package.specifier),
                shown(&package.version),
                size(package.bytes),
                package.modules,
                shown(license),
            )?;
        }
        let licenses = self.licenses().into_iter().map(|(name, count)| format!("{name} {count}"));
        writeln!(f, "Licences: {}", licenses.collect::<Vec<_>>().join(", "))?;
        remarks(f, "Not available", &self.failed)?;
        remarks(f, "Notes", &self.notes)
    }
}

fn remarks(f: &mut fmt::Formatter<'_>, title: &str, remarks: &[Remark]) -> fmt::Result {
    if remarks.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}:")?;
    for remark in remarks.iter().take(MAX_REMARKS) {
        writeln!(f, "  {}: {}", shown(&remark.specifier), shown(&remark.reason))?;
    }
    match remarks.len().saturating_sub(MAX_REMARKS) {
        0 => Ok(()),
        more => writeln!(f, "  and {more} more: --json names all"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_versions_sizes_licences_and_what_failed() {
        let package = PackageSummary {
            specifier: "npm:zod".into(),
            version: "3.25.1".into(),
            license: Some("MIT".into()),
            bytes: 1_500_000,
            modules: 2,
            ..PackageSummary::default()
        };
        let canvas = PackageSummary {
            specifier: "npm:canvas".into(),
            version: "2.0.0".into(),
            has_scripts: true,
            bytes: 10,
            ..PackageSummary::default()
        };
        let failed = Remark { specifier: "npm:canvas".into(), reason: "native\u{1b}".into() };
        let summary = Installation {
            changed: true,
            generation: "/store/generations/1".into(),
            packages: vec![package, canvas],
            failed: vec![failed],
            ..Installation::default()
        };
        assert_eq!(
            summary.to_string(),
            "Installed 2 allowed packages and 0 that they need, in /store/generations/1\n\
             \x20 npm:zod     3.25.1          1.5 MB     2 modules  MIT\n\
             \x20 npm:canvas  2.0.0             1 kB     0 modules  no licence stated  \
             has scripts, which were not run\n\
             Licences: MIT 1, not stated 1\n\
             Not available:\n\
             \x20 npm:canvas: native \n"
        );
        assert!(summary.is_usable());
    }

    #[test]
    fn packages_that_python_itself_has_are_usable() {
        let pypi = Some(Box::new(Installation::default()));
        assert!(Installation { pypi, ..Installation::default() }.is_usable());
        assert!(!Installation::default().is_usable());
    }

    #[test]
    fn of_many_remarks_the_first_are_shown_and_the_others_counted() {
        let remark = Remark { specifier: "npm:a".into(), reason: "no".into() };
        let notes = vec![remark; MAX_REMARKS + 3];
        let shown = Installation { notes, ..Installation::default() }.to_string();
        assert_eq!(shown.matches("npm:a: no").count(), MAX_REMARKS);
        assert!(shown.ends_with("  and 3 more: --json names all\n"), "{shown}");
    }
}
