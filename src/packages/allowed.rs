//! The packages that programs may import: the administrator's list, and what of it a
//! principal has.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

pub(crate) use super::pypi::{PypiError, PypiSpecifier};
use super::simple_index::normalized;
pub(crate) use super::specifier::{PackageKind, PackageSpecifier, SpecifierError};
use crate::text::near::near_names;

/// Packages of a list. `install` bundles all of them in one graph: 186 took 11 to 39 s.
pub(crate) const MAX_PACKAGES: usize = 1000;

/// The setting that allows packages, for texts.
pub(crate) const VARIABLE: &str = "MCP_CONDUCTOR_ALLOWED_PACKAGES";

/// Packages that an error names.
const MAX_SHOWN: usize = 10;

/// Why a list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum AllowedError {
    #[error(transparent)]
    Specifier(#[from] SpecifierError),
    #[error(transparent)]
    Pypi(#[from] PypiError),
    #[error("{0} has a subpath: a package is allowed as a whole, write {1}")]
    Subpath(String, String),
    #[error("{0} and {1} are the same package, keep one")]
    Twice(String, String),
    #[error("{0} packages are more than {MAX_PACKAGES}")]
    TooMany(usize),
    #[error("{0} is not a package that the server allows: {1}")]
    NotTheServers(String, String),
    #[error("{0} is {1} for the whole server, write that")]
    OtherRange(String, String),
    #[error("{0:?} could be {1} or {2}, write which")]
    Ambiguous(String, String, String),
}

/// Packages by kind and exact name, in the administrator's order: those of npm and JSR, which
/// programs in TypeScript import, and those of PyPI, which programs in Python import.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct AllowedPackages(Arc<[PackageSpecifier]>, Arc<[PypiSpecifier]>);

impl fmt::Debug for AllowedPackages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

impl AllowedPackages {
    /// Reads a list such as `npm:axios@^1`, `jsr:@std/path`, `pypi:humanize@^4`.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub(crate) fn parse<Text: AsRef<str>>(texts: &[Text]) -> Result<Self, AllowedError> {
        if texts.len() > MAX_PACKAGES {
            return Err(AllowedError::TooMany(texts.len()));
        }
        let mut packages: Vec<PackageSpecifier> = Vec::new();
        let mut pypi: Vec<PypiSpecifier> = Vec::new();
        for text in texts.iter().map(|text| text.as_ref().trim()) {
            if PypiSpecifier::is_one(text) {
                let package = PypiSpecifier::parse(text)?;
                if let Some(other) = pypi.iter().find(|other| other.name() == package.name()) {
                    return Err(AllowedError::Twice(other.to_string(), package.to_string()));
                }
                pypi.push(package);
                continue;
            }
            let package = PackageSpecifier::parse(text)?;
            if package.subpath().is_some() {
                return Err(AllowedError::Subpath(package.to_string(), package.package()));
            }
            if let Some(other) = packages.iter().find(|other| other.is_of(&package)) {
                return Err(AllowedError::Twice(other.to_string(), package.to_string()));
            }
            packages.push(package);
        }
        Ok(Self(packages.into(), pypi.into()))
    }

    /// The packages of PyPI, each with the administrator's range. No other function but
    /// [`Self::texts`] has them.
    pub(crate) fn pypi(&self) -> &[PypiSpecifier] {
        &self.1
    }

    /// Whether no package of npm and JSR is allowed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The packages, each with the administrator's range.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &PackageSpecifier> {
        self.0.iter()
    }

    /// As the administrator wrote them, those of PyPI last.
    pub(crate) fn texts(&self) -> Vec<String> {
        let pypi = self.1.iter().map(ToString::to_string);
        self.0.iter().map(ToString::to_string).chain(pypi).collect()
    }

    /// The entry of the package that a specifier names, by kind and exact name. Its range
    /// and its subpath are not looked at.
    pub(crate) fn entry(&self, specifier: &PackageSpecifier) -> Option<&PackageSpecifier> {
        self.0.iter().find(|entry| entry.is_of(specifier))
    }

    /// Those that a principal's section names: `zod`, `npm:zod`, or as the server has it.
    ///
    /// # Errors
    /// The server does not allow one.
    pub(crate) fn subset<Text: AsRef<str>>(&self, texts: &[Text]) -> Result<Self, AllowedError> {
        let (mut packages, mut pypi) = (Vec::new(), Vec::new());
        for text in texts.iter().map(|text| text.as_ref().trim()) {
            match self.named_of_pypi(text)? {
                Some(package) => pypi.push(package),
                None => packages.push(self.named(text)?),
            }
        }
        for (at, package) in packages.iter().enumerate() {
            if packages[..at].iter().any(|other| other.is_of(package)) {
                return Err(AllowedError::Twice(package.package(), package.package()));
            }
        }
        for (at, package) in pypi.iter().enumerate() {
            if pypi[..at].contains(package) {
                return Err(AllowedError::Twice(package.package(), package.package()));
            }
        }
        Ok(Self(packages.into(), pypi.into()))
    }

    /// The package of PyPI that a text names: `pypi:humanize`, as the server has it, or the name
    /// alone, if no package of npm or JSR has that.
    fn named_of_pypi(&self, text: &str) -> Result<Option<PypiSpecifier>, AllowedError> {
        let entry = |name: &str| self.1.iter().find(|entry| entry.name() == name);
        if !PypiSpecifier::is_one(text) {
            let is_another =
                PackageKind::of(text).is_some() || self.0.iter().any(|entry| entry.name() == text);
            let entry = entry(&normalized(text)).filter(|_| !is_another);
            return Ok(entry.cloned());
        }
        let asked = PypiSpecifier::parse(text)?;
        match entry(asked.name()) {
            None => Err(AllowedError::NotTheServers(asked.package(), self.listed_of_pypi())),
            Some(entry) if asked.to_string() != asked.package() && asked != *entry => {
                Err(AllowedError::OtherRange(asked.to_string(), entry.to_string()))
            }
            Some(entry) => Ok(Some(entry.clone())),
        }
    }

    /// The first packages of PyPI, and how many there are besides.
    pub(crate) fn listed_of_pypi(&self) -> String {
        if self.1.is_empty() {
            return "no packages of PyPI are allowed".to_owned();
        }
        let first: Vec<String> = self.1.iter().take(MAX_SHOWN).map(ToString::to_string).collect();
        let rest = self.1.len().saturating_sub(MAX_SHOWN);
        let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
        format!("allowed are {}{more}", first.join(", "))
    }

    fn named(&self, text: &str) -> Result<PackageSpecifier, AllowedError> {
        if PackageKind::of(text).is_none() {
            return self.of_name(text);
        }
        let asked = PackageSpecifier::parse(text)?;
        if asked.subpath().is_some() {
            return Err(AllowedError::Subpath(asked.to_string(), asked.package()));
        }
        match self.entry(&asked) {
            None => Err(self.not_the_servers(&asked.package())),
            // One version is installed for all.
            Some(entry) if asked.range().is_some() && asked.range() != entry.range() => {
                Err(AllowedError::OtherRange(asked.to_string(), entry.to_string()))
            }
            Some(entry) => Ok(entry.clone()),
        }
    }

    fn of_name(&self, name: &str) -> Result<PackageSpecifier, AllowedError> {
        let mut found = self.0.iter().filter(|entry| entry.name() == name);
        match (found.next(), found.next()) {
            (Some(entry), None) => Ok(entry.clone()),
            (Some(one), Some(other)) => {
                Err(AllowedError::Ambiguous(name.to_owned(), one.package(), other.package()))
            }
            // It may be what no name is.
            (None, _) => match PackageSpecifier::parse(&format!("npm:{name}")) {
                Ok(_) => Err(self.not_the_servers(name)),
                Err(error) => Err(error.into()),
            },
        }
    }

    fn not_the_servers(&self, name: &str) -> AllowedError {
        AllowedError::NotTheServers(name.to_owned(), self.listed())
    }

    /// The first packages, and how many there are besides.
    pub(crate) fn listed(&self) -> String {
        if self.is_empty() {
            return "no packages are allowed".to_owned();
        }
        let first: Vec<String> = self.0.iter().take(MAX_SHOWN).map(ToString::to_string).collect();
        let rest = self.len().saturating_sub(MAX_SHOWN);
        let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
        format!("allowed are {}{more}", first.join(", "))
    }

    /// Why a package that is not here cannot be imported, and what can.
    pub(crate) fn refusal(&self, specifier: &PackageSpecifier) -> String {
        if self.is_empty() {
            return format!("no packages are allowed here. {}", how_to_allow(&specifier.package()));
        }
        let near = self.near(specifier);
        let meant = match near.as_slice() {
            [] => String::new(),
            near => format!(", did you mean {}", near.join(" or ")),
        };
        format!("it is not one of the packages that {VARIABLE} allows{meant}: {}", self.listed())
    }

    /// The same of PyPI.
    pub(crate) fn refusal_of_pypi(&self, specifier: &PypiSpecifier) -> String {
        if self.1.is_empty() {
            let package = specifier.package();
            return format!("no packages of PyPI are allowed here. {}", how_to_allow(&package));
        }
        let listed = self.listed_of_pypi();
        format!("it is not one of the packages that {VARIABLE} allows: {listed}")
    }

    /// What is allowed instead of packages that are not, the first of which is this: sentences.
    pub(crate) fn instead_of(&self, specifier: &PackageSpecifier) -> String {
        if self.is_empty() {
            return format!("No packages are allowed here. {}", how_to_allow(&specifier.package()));
        }
        format!("{VARIABLE} decides: {}", self.listed())
    }

    /// The same of PyPI.
    pub(crate) fn instead_of_pypi(&self, specifier: &PypiSpecifier) -> String {
        if !self.1.is_empty() {
            return format!("{VARIABLE} decides: {}", self.listed_of_pypi());
        }
        format!("No packages of PyPI are allowed here. {}", how_to_allow(&specifier.package()))
    }

    /// Packages that may have been meant: of the same name, or nearly so.
    pub(crate) fn near(&self, specifier: &PackageSpecifier) -> Vec<String> {
        let same = self.0.iter().filter(|entry| entry.name() == specifier.name());
        let same: Vec<String> = same.map(PackageSpecifier::package).collect();
        if !same.is_empty() {
            return same;
        }
        let near = near_names(specifier.name(), self.0.iter().map(PackageSpecifier::name));
        let mut packages: Vec<String> = Vec::new();
        for entry in near.iter().flat_map(|name| self.0.iter().filter(|it| it.name() == *name)) {
            if !packages.contains(&entry.package()) {
                packages.push(entry.package());
            }
        }
        packages
    }
}

fn how_to_allow(package: &str) -> String {
    format!(
        "An administrator allows one with {VARIABLE}={package} and runs `mcp-conductor install`"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: [&str; 4] = ["npm:axios@^1", "npm:zod@^3", "jsr:@std/path", "npm:@std/path"];

    fn allowed() -> AllowedPackages {
        AllowedPackages::parse(&LIST).unwrap()
    }

    fn specifier(text: &str) -> PackageSpecifier {
        PackageSpecifier::parse(text).unwrap()
    }

    fn allows(text: &str) -> bool {
        allowed().entry(&specifier(text)).is_some()
    }

    #[test]
    fn a_list_keeps_its_order_and_its_words() {
        assert_eq!(allowed().texts(), LIST);
        assert!(AllowedPackages::parse(&[""; 0]).unwrap().is_empty());
    }

    #[test]
    fn a_package_is_allowed_by_kind_and_exact_name_whatever_version_and_subpath() {
        for text in ["npm:axios", "npm:axios@99", "npm:axios@1/lib/x.js", "jsr:@std/path/join"] {
            assert!(allows(text), "{text}");
        }
        for text in ["jsr:@std/axios", "npm:Axios", "npm:axios2", "npm:axio", "npm:@axios/axios"] {
            assert!(!allows(text), "{text}");
        }
        let entry = allowed().entry(&specifier("npm:axios@99")).cloned();
        assert_eq!(entry.map(|entry| entry.to_string()).as_deref(), Some("npm:axios@^1"));
    }

    #[test]
    fn a_list_that_cannot_be_meant_is_refused() {
        let many: Vec<String> = (0..=MAX_PACKAGES).map(|n| format!("npm:p{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (texts, expected) in [
            (
                &["npm:zod@3", "npm:zod@4"][..],
                "npm:zod@3 and npm:zod@4 are the same package, keep one",
            ),
            (
                &["npm:zod@3/v4"],
                "npm:zod@3/v4 has a subpath: a package is allowed as a whole, write npm:zod",
            ),
            (&["zod"], "\"zod\" begins with neither npm: nor jsr: nor pypi:"),
            (&many, "1001 packages are more than 1000"),
        ] {
            assert_eq!(AllowedPackages::parse(texts).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_subset_is_named_by_name_or_as_the_server_has_it() {
        let subset = allowed().subset(&["zod", "npm:axios", "jsr:@std/path"]).unwrap();
        assert_eq!(subset.texts(), ["npm:zod@^3", "npm:axios@^1", "jsr:@std/path"]);
        assert_eq!(allowed().subset(&["npm:zod@^3"]).unwrap().texts(), ["npm:zod@^3"]);
        assert!(allowed().subset(&[""; 0]).unwrap().is_empty());
        for (text, expected) in [
            (
                "express",
                "express is not a package that the server allows: allowed are npm:axios@^1, \
                 npm:zod@^3, jsr:@std/path, npm:@std/path",
            ),
            ("npm:zod@^4", "npm:zod@^4 is npm:zod@^3 for the whole server, write that"),
            ("@std/path", "\"@std/path\" could be jsr:@std/path or npm:@std/path, write which"),
            (
                "../x",
                "\"npm:../x\" does not name a package of npm, as npm:zod and npm:@scope/name do",
            ),
        ] {
            assert_eq!(allowed().subset(&[text]).unwrap_err().to_string(), expected);
        }
        assert!(allowed().subset(&["zod", "npm:zod"]).is_err());
    }

    #[test]
    fn packages_of_pypi_are_kept_apart_from_those_that_typescript_imports() {
        let texts = ["npm:zod@^3", "pypi:Humanize@^4", "pypi:tabulate"];
        let allowed = AllowedPackages::parse(&texts).unwrap();
        assert_eq!((allowed.len(), allowed.pypi().len()), (1, 2));
        assert_eq!(allowed.texts(), ["npm:zod@^3", "pypi:humanize@^4", "pypi:tabulate"]);
        let pypi = AllowedPackages::parse(&["pypi:tabulate"]).unwrap();
        assert!(
            pypi.is_empty() && pypi.refusal(&specifier("npm:tabulate")).contains("no packages")
        );
        let twice = AllowedPackages::parse(&["pypi:a_b@1", "pypi:a-b@2"]).unwrap_err().to_string();
        assert_eq!(twice, "pypi:a-b@1 and pypi:a-b@2 are the same package, keep one");
    }

    #[test]
    fn a_subset_has_packages_of_pypi_by_name_or_specifier() {
        let allowed = AllowedPackages::parse(&["npm:zod@^3", "pypi:humanize@^4"]).unwrap();
        for text in ["humanize", "Humanize", "pypi:humanize", "pypi:humanize@^4"] {
            assert_eq!(allowed.subset(&[text]).unwrap().texts(), ["pypi:humanize@^4"], "{text}");
        }
        assert_eq!(allowed.subset(&["zod"]).unwrap().texts(), ["npm:zod@^3"]);
        for (text, expected) in [
            (
                "pypi:zod",
                "pypi:zod is not a package that the server allows: allowed are pypi:humanize@^4",
            ),
            (
                "pypi:humanize@^3",
                "pypi:humanize@^3 is pypi:humanize@^4 for the whole server, write that",
            ),
        ] {
            assert_eq!(allowed.subset(&[text]).unwrap_err().to_string(), expected);
        }
        assert!(allowed.subset(&["humanize", "pypi:humanize"]).is_err());
    }

    #[test]
    fn near_packages_are_of_the_same_name_or_nearly_so() {
        assert_eq!(
            allowed().near(&specifier("jsr:@std/paths")),
            ["jsr:@std/path", "npm:@std/path"]
        );
        assert_eq!(allowed().near(&specifier("npm:axois")), ["npm:axios"]);
        assert_eq!(allowed().near(&specifier("npm:express")), [""; 0]);
        let jsr = AllowedPackages::parse(&["jsr:@std/path"]).unwrap();
        assert_eq!(jsr.near(&specifier("npm:@std/path")), ["jsr:@std/path"]);
    }

    #[test]
    fn a_long_list_is_shown_by_its_first_and_a_count() {
        let many: Vec<String> = (0..12).map(|n| format!("npm:p{n}")).collect();
        let shown = AllowedPackages::parse(&many).unwrap().listed();
        assert!(shown.starts_with("allowed are npm:p0, ") && shown.ends_with("npm:p9 and 2 more"));
        assert_eq!(AllowedPackages::default().listed(), "no packages are allowed");
    }

    proptest! {
        #[test]
        fn nothing_with_odd_characters_is_ever_an_allowed_package(
            before in "(?s).{0,2}", odd in "[^a-z0-9A-Z@^~*./-]", after in "(?s).{0,2}",
            at in 0..6_usize,
        ) {
            let name = "axios";
            let (start, end) = name.split_at(at.min(name.len()));
            for text in [
                format!("npm:{start}{odd}{end}"),
                format!("npm:{before}{start}{odd}{end}{after}"),
            ] {
                if let Ok(found) = PackageSpecifier::parse(&text) {
                    // A tag or a subpath may have it, a name never.
                    let entry = allowed().entry(&found).cloned();
                    let is_behind = text.starts_with("npm:axios@") || text.starts_with("npm:axios/")
                        || text.starts_with("npm:/axios@") || text.starts_with("npm:/axios/");
                    prop_assert!(entry.is_none() || is_behind, "{}", text);
                }
            }
        }

        #[test]
        fn what_is_allowed_is_written_in_the_text(
            text in "(npm|jsr):/?(axios|@std/path|zod|evil|%61xios)[@/.:%a-z0-9]{0,16}"
        ) {
            if let Ok(found) = PackageSpecifier::parse(&text)
                && let Some(entry) = allowed().entry(&found)
            {
                let plain = text.replacen(":/", ":", 1);
                let rest = plain.strip_prefix(&entry.package());
                prop_assert!(rest.is_some_and(|it| it.is_empty() || it.starts_with(['@', '/'])));
            }
        }
    }
}
