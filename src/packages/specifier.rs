//! `npm:` and `jsr:` specifiers. `deno_semver` takes them apart, as in Deno; which of them
//! name a package is checked here, because it takes `npm:../x`, `npm:%61xios` and
//! `npm:axios@npm:evil@1` as well.

use std::fmt;

use deno_semver::jsr::JsrPackageReqReference;
use deno_semver::npm::NpmPackageReqReference;
use deno_semver::package::{PackageReqReference, PackageReqReferenceParseError};
use deno_semver::{Version, VersionReq};
use thiserror::Error;

use crate::text::clip;

/// Bytes of a specifier: a name of npm's has 214, a range some 50, the longest subpaths of
/// popular packages 120. A program chooses it.
const MAX_SPECIFIER: usize = 1000;

/// Bytes of a name (`validate-npm-package-name`); JSR's are shorter.
const MAX_NPM_NAME: usize = 214;

/// Bytes of a scope and of a name (JSR's publishing documentation: 20 and 58).
const MAX_JSR_NAME: usize = 64;

/// Bytes of a specifier that an error quotes.
const MAX_QUOTED: usize = 200;

/// Names that npm never gives out (`validate-npm-package-name`).
const RESERVED: [&str; 2] = ["node_modules", "favicon.ico"];

/// Which registry has a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PackageKind {
    Npm,
    Jsr,
}

impl PackageKind {
    const ALL: [Self; 2] = [Self::Npm, Self::Jsr];

    /// What stands before the colon.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Jsr => "jsr",
        }
    }

    /// The kind of a specifier; upper and lower case are not the same.
    pub(crate) fn of(specifier: &str) -> Option<Self> {
        let (scheme, _) = specifier.split_once(':')?;
        Self::ALL.into_iter().find(|kind| kind.name() == scheme)
    }
}

/// Why a text names no package. Each quotes it as [`quoted`] gives it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SpecifierError {
    #[error("a specifier of {0} bytes is longer than {MAX_SPECIFIER}")]
    TooLong(usize),
    #[error("{0} begins with neither npm: nor jsr: nor pypi:")]
    Scheme(String),
    #[error("{0} is not a package specifier: {1}")]
    Syntax(String, String),
    #[error("{0} does not name a package of npm, as npm:zod and npm:@scope/name do")]
    NpmName(String),
    #[error("{0} does not name a package of JSR, as jsr:@scope/name does")]
    JsrName(String),
    #[error("{0} has a subpath that leads nowhere, write it as the package's exports have it")]
    Subpath(String),
}

/// A package as a program or an administrator names it, and what of it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackageSpecifier {
    kind: PackageKind,
    name: String,
    range: Option<VersionReq>,
    subpath: Option<String>,
}

impl PackageSpecifier {
    /// Reads a specifier.
    ///
    /// # Errors
    /// It does not name a package, or something of it cannot be what a package has.
    pub(crate) fn parse(text: &str) -> Result<Self, SpecifierError> {
        if text.len() > MAX_SPECIFIER {
            return Err(SpecifierError::TooLong(text.len()));
        }
        let kind = PackageKind::of(text).ok_or_else(|| SpecifierError::Scheme(quoted(text)))?;
        let syntax = |problem: String| SpecifierError::Syntax(quoted(text), problem);
        if let Some((at, c)) = text.char_indices().find(|(_, c)| !c.is_ascii_graphic()) {
            let is_version = text[..at].rfind('@').is_some_and(|at| !text[..at].ends_with(':'));
            return Err(syntax(match is_version {
                true => format!("{c:?} cannot be part of a version, write it as in npm:zod@^3"),
                false => format!("{c:?} cannot be part of one"),
            }));
        }
        if matches!(text.split_once(':'), Some((_, "" | "/"))) {
            return Err(syntax(match kind {
                PackageKind::Npm => "a name follows the colon, as in npm:zod".to_owned(),
                PackageKind::Jsr => "a name follows the colon, as in jsr:@std/path".to_owned(),
            }));
        }
        let parsed = taken_apart(kind, text).map_err(|error| syntax(problem_of(&error)))?;
        let name = parsed.req.name.to_string();
        match kind {
            PackageKind::Npm if !is_npm_name(&name) => {
                return Err(SpecifierError::NpmName(quoted(text)));
            }
            PackageKind::Jsr if !is_jsr_name(&name) => {
                return Err(SpecifierError::JsrName(quoted(text)));
            }
            PackageKind::Npm | PackageKind::Jsr => {}
        }
        let subpath = parsed.sub_path.map(|path| path.to_string());
        if subpath.as_deref().is_some_and(|path| !is_subpath(path)) {
            return Err(SpecifierError::Subpath(quoted(text)));
        }
        // What is not written is `*` in deno_semver.
        let range = parsed.req.version_req;
        let range = (range.version_text() != "*").then_some(range);
        Ok(Self { kind, name, range, subpath })
    }

    /// Without kind, as the registry has it: `zod`, `@std/path`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The versions that are asked for; none for any.
    pub(crate) fn range(&self) -> Option<&VersionReq> {
        self.range.as_ref()
    }

    /// What is asked for inside of the package, without a slash in front: `v4`.
    pub(crate) fn subpath(&self) -> Option<&str> {
        self.subpath.as_deref()
    }

    /// The package: `npm:zod`.
    pub(crate) fn package(&self) -> String {
        format!("{}:{}", self.kind.name(), self.name)
    }

    /// The module, without a version: `npm:zod/v4`; the key of a manifest.
    pub(crate) fn module(&self) -> String {
        match &self.subpath {
            Some(subpath) => format!("{}/{subpath}", self.package()),
            None => self.package(),
        }
    }

    /// Whether both name the same package: by kind and exact name.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        (self.kind, &self.name) == (other.kind, &other.name)
    }

    /// Whether an installed version is one that is asked for. A tag says which only to
    /// the registry: it is met by what was installed for the same tag, `own`.
    pub(crate) fn is_met_by(&self, version: &str, own: Option<&VersionReq>) -> bool {
        let Some(range) = &self.range else { return true };
        match range.tag() {
            Some(tag) => own.and_then(VersionReq::tag) == Some(tag),
            // `matches` panics for tags only.
            None => Version::parse_standard(version).is_ok_and(|version| range.matches(&version)),
        }
    }
}

impl fmt::Display for PackageSpecifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.name)?;
        if let Some(range) = &self.range {
            write!(f, "@{}", range.version_text())?;
        }
        if let Some(subpath) = &self.subpath {
            write!(f, "/{subpath}")?;
        }
        Ok(())
    }
}

fn taken_apart(
    kind: PackageKind,
    text: &str,
) -> Result<PackageReqReference, PackageReqReferenceParseError> {
    match kind {
        PackageKind::Npm => NpmPackageReqReference::from_str(text).map(|it| it.into_inner()),
        PackageKind::Jsr => JsrPackageReqReference::from_str(text).map(|it| it.into_inner()),
    }
}

/// The innermost sentence, in one line.
fn problem_of(error: &PackageReqReferenceParseError) -> String {
    let text = match error {
        PackageReqReferenceParseError::Invalid(error) => {
            let mut source: &dyn std::error::Error = &error.source;
            while let Some(inner) = source.source() {
                source = inner;
            }
            source.to_string()
        }
        PackageReqReferenceParseError::InvalidPathWithVersion(error) => {
            format!("the version stands behind the name, as in {}", suggested(error))
        }
        PackageReqReferenceParseError::NotExpectedScheme(_) => error.to_string(),
    };
    clip::line_of(&text, MAX_QUOTED)
}

/// What was meant, which `deno_semver` has from what was written.
fn suggested(
    error: &deno_semver::package::PackageReqReferenceInvalidWithVersionParseError,
) -> String {
    format!("{}{}", error.kind.scheme_with_colon(), error.suggested)
}

fn quoted(text: &str) -> String {
    format!("{:?}", clip::marked(text, MAX_QUOTED))
}

/// By npm's rules for names, those of old packages among them (`JSONStream`).
fn is_npm_name(name: &str) -> bool {
    let part = |part: &str| {
        let first = part.starts_with(|c: char| c.is_ascii_alphanumeric());
        first && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let fits = match name.strip_prefix('@') {
        Some(scoped) => {
            scoped.split_once('/').is_some_and(|(scope, name)| part(scope) && part(name))
        }
        None => part(name),
    };
    fits && name.len() <= MAX_NPM_NAME && !RESERVED.contains(&name.to_ascii_lowercase().as_str())
}

/// By JSR's rules: always with a scope, in lower case.
fn is_jsr_name(name: &str) -> bool {
    let part = |part: &str| {
        let first = part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        first && part.len() <= MAX_JSR_NAME && part.bytes().all(fits)
    };
    let scoped = name.strip_prefix('@').and_then(|scoped| scoped.split_once('/'));
    scoped.is_some_and(|(scope, name)| part(scope) && part(name))
}

/// Names with slashes between them, none of which is a way or means something to a URL, a
/// shell or a file system.
fn is_subpath(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-~@+$!=,()[]".contains(&b);
    let name = |name: &str| !matches!(name, "" | "." | "..") && name.bytes().all(plain);
    path.split('/').all(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> PackageSpecifier {
        PackageSpecifier::parse(text).unwrap()
    }

    fn problem(text: &str) -> String {
        PackageSpecifier::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_specifier_is_kind_name_range_and_subpath() {
        for (text, package, range, module) in [
            ("npm:zod", "npm:zod", None, "npm:zod"),
            ("npm:zod@^3", "npm:zod", Some("^3"), "npm:zod"),
            ("npm:zod@3.25.1/v4", "npm:zod", Some("3.25.1"), "npm:zod/v4"),
            ("npm:@aws-sdk/client-s3@~3.1", "npm:@aws-sdk/client-s3", Some("~3.1"), ""),
            ("npm:JSONStream@latest", "npm:JSONStream", Some("latest"), "npm:JSONStream"),
            ("jsr:@std/path@1/posix/join", "jsr:@std/path", Some("1"), "jsr:@std/path/posix/join"),
            ("npm:lodash.get@4.x", "npm:lodash.get", Some("4.x"), "npm:lodash.get"),
            ("npm:ajv/dist/2020.js", "npm:ajv", None, "npm:ajv/dist/2020.js"),
        ] {
            let found = parse(text);
            assert_eq!(found.package(), package, "{text}");
            assert_eq!(found.range().map(|range| range.version_text()), range, "{text}");
            assert_eq!(found.to_string(), text);
            assert!(module.is_empty() || found.module() == module, "{text}");
        }
    }

    /// `"zod/": "npm:/zod@3/"` is how an import map names what lies below a package.
    #[test]
    fn a_slash_before_the_name_and_one_behind_it_say_nothing() {
        for (text, same) in [
            ("npm:/zod@3/v4", "npm:zod@3/v4"),
            ("npm:punycode/", "npm:punycode"),
            ("npm:zod@*", "npm:zod"),
        ] {
            assert_eq!(parse(text).to_string(), same);
        }
    }

    #[test]
    fn what_names_no_package_is_refused() {
        for text in [
            "npm:",
            "npm:/",
            "npm://zod",
            "npm:../x",
            "npm:./x",
            "npm:.hidden",
            "npm:_private",
            "npm:-rf",
            "npm:%61xios",
            "npm:axios%40evil",
            "npm:axios@npm:evil@1",
            "npm:axios@npm:evil",
            "npm:axios@git+https://a.example/x.git",
            "npm:axios@https://a.example/x.tgz",
            "npm:axios@file:../x",
            "npm:axios@link:../x",
            "npm:axios@workspace:*",
            "npm:user/repository@v1",
            "npm:axios@",
            "npm:axios@>=1 || *",
            "npm:axios@^1||^2",
            "npm:axios@>=1",
            "npm:axios@1 - 2",
            "npm:@scope",
            "npm:@/name",
            "npm:@scope/",
            "npm:@scope/..",
            "npm:@../axios",
            "npm:node_modules",
            "npm:Favicon.ico",
            "npm:ax ios",
            "npm:axios\n",
            "npm:axios\0",
            "npm:ax\u{200b}ios",
            "npm:\u{430}xios",
            "npm:axios?x",
            "npm:axios#x",
            "npm:axios\\..\\x",
            "jsr:path",
            "jsr:@Std/path",
            "jsr:@std/Path",
            "jsr:@std/pa.th",
            "jsr:@std/../path",
            "npm:axios'; import evil",
        ] {
            assert!(PackageSpecifier::parse(text).is_err(), "{text}");
        }
        assert!(PackageSpecifier::parse(&format!("npm:{}", "a".repeat(214))).is_ok());
        assert!(PackageSpecifier::parse(&format!("npm:{}", "a".repeat(215))).is_err());
    }

    #[test]
    fn a_subpath_leads_down() {
        for text in ["/../x", "/a/../../x", "/./x", "//x", "/a//b", "/%2e%2e/x", "/a\\b", "/a?b"] {
            let text = format!("npm:lodash@4.17.21{text}");
            assert!(PackageSpecifier::parse(&text).is_err(), "{text}");
        }
        for text in ["fp", "fp/add.js", "_baseGet", "a..b", "locale/zh-CN"] {
            assert_eq!(parse(&format!("npm:lodash/{text}")).subpath(), Some(text));
        }
    }

    #[test]
    fn an_error_quotes_what_was_written_and_says_what_is_wrong() {
        for (text, expected) in [
            ("axios", "\"axios\" begins with neither npm: nor jsr: nor pypi:"),
            ("NPM:axios", "\"NPM:axios\" begins with neither npm: nor jsr: nor pypi:"),
            (
                "npm:../x",
                "\"npm:../x\" does not name a package of npm, as npm:zod and npm:@scope/name do",
            ),
            ("jsr:path", "\"jsr:path\" does not name a package of JSR, as jsr:@scope/name does"),
            (
                "npm:zod/v4@3",
                "\"npm:zod/v4@3\" is not a package specifier: the version stands behind the name, \
                 as in npm:zod@3/v4",
            ),
            (
                "npm:",
                "\"npm:\" is not a package specifier: a name follows the colon, as in npm:zod",
            ),
            (
                "npm:zod@foo bar",
                "\"npm:zod@foo bar\" is not a package specifier: ' ' cannot be part of a version, \
                 write it as in npm:zod@^3",
            ),
            (
                "npm:ax\u{202e}ios",
                "\"npm:ax\\u{202e}ios\" is not a package specifier: '\\u{202e}' cannot be part of \
                 one",
            ),
        ] {
            assert_eq!(problem(text), expected);
        }
        let long = format!("npm:{}", "a".repeat(MAX_SPECIFIER));
        assert_eq!(problem(&long), "a specifier of 1004 bytes is longer than 1000");
        let ranged = problem(&format!("npm:zod@>={}", "9".repeat(900)));
        assert!(ranged.len() < 700, "{ranged}");
    }

    #[test]
    fn a_range_is_met_by_the_installed_version_and_a_tag_by_the_same_tag() {
        let own = parse("npm:zod@latest");
        for (asked, version, is_met) in [
            ("npm:zod", "3.25.1", true),
            ("npm:zod@*", "3.25.1", true),
            ("npm:zod@^3", "3.25.1", true),
            ("npm:zod@3.25.1", "3.25.1", true),
            ("npm:zod@4", "3.25.1", false),
            ("npm:zod@99.0.0-evil", "3.25.1", false),
            ("npm:zod@3", "not a version", false),
            ("npm:zod@latest", "3.25.1", true),
            ("npm:zod@next", "3.25.1", false),
        ] {
            assert_eq!(parse(asked).is_met_by(version, own.range()), is_met, "{asked}");
        }
        assert!(!parse("npm:zod@latest").is_met_by("3.25.1", parse("npm:zod@^3").range()));
        assert!(!parse("npm:zod@latest").is_met_by("3.25.1", None));
    }

    proptest! {
        #[test]
        fn what_parses_prints_the_same(
            name in "(@[a-z0-9][a-z0-9-]{0,5}/)?[a-z0-9][a-z0-9-]{0,5}",
            range in prop::option::of("([~^]?[0-9]{1,2}(\\.[0-9]{1,2}){0,2}|[a-z]{2,5})"),
            subpath in prop::option::of("[a-z][a-z0-9_.]{0,5}(/[a-z0-9_-]{1,5}){0,2}"),
        ) {
            let range = range.map_or(String::new(), |range| format!("@{range}"));
            let subpath = subpath.map_or(String::new(), |path| format!("/{path}"));
            let text = format!("npm:{name}{range}{subpath}");
            if let Ok(specifier) = PackageSpecifier::parse(&text) {
                prop_assert_eq!(specifier.to_string(), text);
            }
        }

        #[test]
        fn what_is_printed_is_the_same_specifier(
            text in "(npm|jsr):/?[@a-zA-Z0-9._/~^*%:-]{0,24}"
        ) {
            if let Ok(specifier) = PackageSpecifier::parse(&text) {
                let printed = specifier.to_string();
                let again = PackageSpecifier::parse(&printed).unwrap();
                prop_assert_eq!(again.to_string(), printed);
                prop_assert_eq!(again, specifier);
            }
        }

        #[test]
        fn any_text_is_a_specifier_or_an_error(text in "(npm:|jsr:)?(?s).{0,40}") {
            let _ = PackageSpecifier::parse(&text);
        }
    }
}
