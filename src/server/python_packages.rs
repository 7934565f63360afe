//! What a caller is told of packages of PyPI, from what was taken down when they were installed.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::packages::allowed::{AllowedPackages, PypiSpecifier, VARIABLE};
use crate::packages::pypi::SCHEME;
use crate::packages::python::{PypiIncluded, PypiManifest, PypiPackage};
use crate::packages::simple_index::normalized;
use crate::text::clip;
use crate::text::near::near_names;

/// Packages that an error names, and modules that a description does. Of a package of many
/// modules, most are helpers.
const MAX_NAMED: usize = 10;
const MAX_MODULES: usize = 20;

/// Characters of a summary, and of another text.
const MAX_SUMMARY: usize = 500;
const MAX_LINE: usize = 160;

/// Bytes of a name that an error quotes.
const MAX_QUOTED: usize = 200;

/// The packages of PyPI that are installed and that a principal may import.
pub(super) struct PythonPackages {
    manifest: Arc<PypiManifest>,
    allowed: AllowedPackages,
}

impl PythonPackages {
    pub(super) fn new(manifest: Arc<PypiManifest>, allowed: AllowedPackages) -> Self {
        Self { manifest, allowed }
    }

    fn is_allowed(&self, name: &str) -> bool {
        self.allowed.pypi().iter().any(|entry| entry.name() == name)
    }

    /// Those that are asked for; what they need is theirs.
    fn packages(&self) -> impl Iterator<Item = &PypiPackage> {
        let all = self.manifest.packages.iter();
        all.filter(|one| one.requested.is_some() && self.is_allowed(&one.name))
    }

    /// Those that Python itself has.
    fn included(&self) -> impl Iterator<Item = &PypiIncluded> {
        self.manifest.included.iter().filter(|one| self.is_allowed(&one.name))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.packages().map(|one| one.name.as_str());
        own.chain(self.included().map(|one| one.name.as_str()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// Whether a name is one of them.
    pub(super) fn has(&self, name: &str) -> bool {
        let name = asked(name);
        self.names().any(|own| own == name)
    }

    /// What a package is. There is nothing of its symbols.
    pub(super) fn describe(&self, given: &str, symbol: Option<&str>) -> Result<String, String> {
        let name = asked(given);
        if let Some(package) = self.packages().find(|one| one.name == name) {
            return match symbol {
                None => Ok(described(package)),
                Some(_) => Err(whole(package)),
            };
        }
        if let Some(PypiIncluded { name, version, .. }) = self.included().find(|it| it.name == name)
        {
            let version = clip::line_of(version, MAX_LINE);
            return Ok(format!("# {SCHEME}{name}@{version}\n\nPython itself has it.\n"));
        }
        let shown = clip::visible(given.trim(), MAX_QUOTED);
        Err(format!("Package \"{shown}\" {}", self.why_not(&name)))
    }

    /// Why a package is not described, and what to do.
    fn why_not(&self, name: &str) -> String {
        if self.is_allowed(name) {
            return "is allowed and not installed. An administrator runs `mcp-conductor install`"
                .to_owned();
        }
        if let Some(near) = near_names(name, self.names()).first() {
            return format!("is not installed: did you mean \"{SCHEME}{near}\"?");
        }
        let all: Vec<&str> = self.names().collect();
        let named: Vec<String> =
            all.iter().take(MAX_NAMED).map(|name| format!("{SCHEME}{name}")).collect();
        let installed = match (named.is_empty(), all.len() - named.len()) {
            (true, _) => String::new(),
            (false, 0) => format!(". Installed: {}", named.join(", ")),
            (false, rest) => format!(". Installed: {} and {rest} more", named.join(", ")),
        };
        format!("is not installed, or {VARIABLE} does not allow it here{installed}")
    }
}

/// A name as an index knows it, of a specifier or a name alone.
fn asked(text: &str) -> String {
    let text = text.trim();
    let parsed = PypiSpecifier::parse(text).map(|specifier| specifier.name().to_owned());
    parsed.unwrap_or_else(|_| normalized(clip::head(text, MAX_QUOTED)))
}

fn described(package: &PypiPackage) -> String {
    let PypiPackage { name, version, summary, license, modules, .. } = package;
    let mut text = format!("# {SCHEME}{name}@{}\n\n", clip::line_of(version, MAX_LINE));
    if let Some(summary) = summary {
        let _ = writeln!(text, "{}\n", clip::line_of(summary, MAX_SUMMARY));
    }
    if let Some(license) = license {
        let _ = writeln!(text, "Licence: {}", clip::line_of(license, MAX_LINE));
    }
    let Some(module) = main_module(package) else {
        text.push_str("It has no modules to import.\n");
        return text;
    };
    let _ = writeln!(text, "Import: import {module}");
    if modules.len() > 1 {
        let shown = modules.iter().take(MAX_MODULES).map(|module| clip::line_of(module, MAX_LINE));
        let shown: Vec<String> = shown.collect();
        let rest = modules.len() - shown.len();
        let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
        let _ = writeln!(text, "Modules: {}{more}", shown.join(", "));
    }
    let _ = writeln!(text, "\nA program in execute_python lists its names: dir({module})");
    text
}

/// The module that has the package's name, else the first.
fn main_module(package: &PypiPackage) -> Option<String> {
    let own = package.modules.iter().find(|module| normalized(module) == package.name);
    own.or(package.modules.first()).map(|module| clip::line_of(module, MAX_LINE))
}

fn whole(package: &PypiPackage) -> String {
    let module = main_module(package).unwrap_or_else(|| package.name.clone());
    format!(
        "Packages of Python are described as a whole: leave out symbol. A program in \
         execute_python reads the documentation of one: import {module}; {module}.NAME.__doc__"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, requested: Option<&str>, modules: &[&str]) -> PypiPackage {
        PypiPackage {
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
            requested: requested.map(str::to_owned),
            summary: Some("What it\u{202e} is".to_owned()),
            license: Some("MIT".to_owned()),
            modules: modules.iter().map(|module| (*module).to_owned()).collect(),
            ..Default::default()
        }
    }

    /// Three that are asked for, one that they need, and one that Python has.
    fn installed(allowed: &[&str]) -> PythonPackages {
        let included = PypiIncluded {
            name: "six".to_owned(),
            version: "1.17.0".to_owned(),
            requested: "pypi:six".to_owned(),
        };
        let manifest = PypiManifest {
            packages: vec![
                package("a-b", Some("pypi:a-b@^1"), &["a_b"]),
                package("attrs", Some("pypi:attrs"), &["attr", "attrs"]),
                package("hidden", Some("pypi:hidden"), &["hidden"]),
                package("needed", None, &["needed"]),
            ],
            included: vec![included],
            ..Default::default()
        };
        let allowed = AllowedPackages::parse(allowed).expect("a list");
        PythonPackages::new(manifest.into(), allowed)
    }

    const ALLOWED: [&str; 4] = ["pypi:a-b@^1", "pypi:attrs", "pypi:six", "pypi:absent"];

    #[test]
    fn a_package_is_described_with_what_is_imported_of_it() {
        let packages = installed(&ALLOWED);
        assert_eq!(
            packages.describe("pypi:A_b@^1", None).as_deref(),
            Ok("# pypi:a-b@1.2.3\n\nWhat it is\n\nLicence: MIT\nImport: import a_b\n\n\
                A program in execute_python lists its names: dir(a_b)\n")
        );
        let attrs = packages.describe("attrs", None).expect("it is there");
        assert!(attrs.contains("Import: import attrs\nModules: attr, attrs\n"), "{attrs}");
        let six = packages.describe("pypi:six", None);
        assert_eq!(six.as_deref(), Ok("# pypi:six@1.17.0\n\nPython itself has it.\n"));
    }

    #[test]
    fn a_symbol_is_not_described_and_how_a_program_does_it_is_said() {
        let told = installed(&ALLOWED).describe("pypi:a-b", Some("f")).unwrap_err();
        assert!(told.contains("leave out symbol") && told.contains("a_b.NAME.__doc__"), "{told}");
    }

    #[test]
    fn what_is_not_described_says_why() {
        let packages = installed(&ALLOWED);
        for (name, expected) in [
            (
                "pypi:absent",
                "is allowed and not installed. An administrator runs `mcp-conductor install`",
            ),
            ("pypi:atrs", "is not installed: did you mean \"pypi:attrs\"?"),
            (
                "pypi:hidden",
                "is not installed, or MCP_CONDUCTOR_ALLOWED_PACKAGES does not allow it here. \
                 Installed: pypi:a-b, pypi:attrs, pypi:six",
            ),
            (
                "pypi:needed",
                "is not installed, or MCP_CONDUCTOR_ALLOWED_PACKAGES does not allow it here. \
                 Installed: pypi:a-b, pypi:attrs, pypi:six",
            ),
        ] {
            let told = packages.describe(name, None).unwrap_err();
            assert_eq!(told, format!("Package \"{name}\" {expected}"));
        }
    }

    #[test]
    fn what_a_principal_may_not_import_is_not_there() {
        let packages = installed(&["pypi:other"]);
        assert!(packages.is_empty() && !packages.has("attrs"));
        let packages = installed(&["pypi:hidden"]);
        assert!(packages.has("pypi:Hidden") && !packages.has("attrs") && !packages.has("needed"));
    }

    #[test]
    fn many_modules_are_cut() {
        let modules: Vec<String> = (0..30).map(|n| format!("m{n}")).collect();
        let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
        let text = described(&package("x", None, &modules));
        assert!(
            text.contains("m19 and 10 more\n") && text.contains("Import: import m0\n"),
            "{text}"
        );
    }
}
