//! `pypi:NAME@RANGE`: packages of Python that an administrator allows. Compiled by both
//! programs, so it uses nothing of either.

use std::fmt;
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};
use thiserror::Error;

/// What stands before the name.
pub const SCHEME: &str = "pypi:";

/// Bytes of a specifier: PyPI's longest names have some 100, a range some 50.
const MAX_SPECIFIER: usize = 300;

/// Why a text names no package of Python.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PypiError {
    #[error("a specifier of {0} bytes is longer than {MAX_SPECIFIER}")]
    TooLong(usize),
    #[error("{0:?} does not name a package of PyPI, as pypi:tabulate and pypi:tabulate@^0.9 do")]
    Name(String),
    #[error("{0:?} has an extra: name what the extra needs, as a package of its own")]
    Extra(String),
    #[error(
        "{0:?} has a range that is neither npm's (^0.9, ~1.2, 1.2.3) nor PEP 440's (>=1,<2, \
         ~=1.4, ==1.2.*): {1}"
    )]
    Range(String, String),
}

/// A package and the versions of it that may be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PypiSpecifier {
    name: String,
    range: Option<String>,
    versions: VersionSpecifiers,
}

impl PypiSpecifier {
    /// Whether a text is to be read as one of these.
    pub fn is_one(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// Reads a specifier.
    ///
    /// # Errors
    /// [`PypiError`].
    pub fn parse(text: &str) -> Result<Self, PypiError> {
        if text.len() > MAX_SPECIFIER {
            return Err(PypiError::TooLong(text.len()));
        }
        let named = || PypiError::Name(text.to_owned());
        let rest = text.strip_prefix(SCHEME).ok_or_else(named)?;
        let (name, range) = rest.split_once('@').map_or((rest, None), |(n, r)| (n, Some(r)));
        if name.contains('[') {
            return Err(PypiError::Extra(text.to_owned()));
        }
        if !is_name(name) {
            return Err(named());
        }
        let problem = |problem: String| PypiError::Range(text.to_owned(), problem);
        let versions = range.map_or_else(|| Ok(VersionSpecifiers::empty()), versions);
        Ok(Self {
            name: super::simple_index::normalized(name),
            range: range.map(str::to_owned),
            versions: versions.map_err(problem)?,
        })
    }

    /// As PEP 503 normalizes it: `charset-normalizer`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Without versions: `pypi:tabulate`.
    pub fn package(&self) -> String {
        format!("{SCHEME}{}", self.name)
    }

    /// The versions that may be installed.
    pub fn versions(&self) -> &VersionSpecifiers {
        &self.versions
    }
}

impl fmt::Display for PypiSpecifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.name)?;
        match &self.range {
            Some(range) => write!(f, "@{range}"),
            None => Ok(()),
        }
    }
}

/// PEP 508's rule for names.
fn is_name(name: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    ends(name.chars().next())
        && ends(name.chars().last())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// A range of npm's kind, in the words of PEP 440, or one of PEP 440 as it is.
fn versions(range: &str) -> Result<VersionSpecifiers, String> {
    let text = if range == "*" {
        String::new()
    } else if let Some(version) = range.strip_prefix('^') {
        up_to(version, caret)?
    } else if let Some(version) = range.strip_prefix('~').filter(|rest| !rest.starts_with('=')) {
        up_to(version, |release| release.len().min(2) - 1)?
    } else if range.starts_with(|c: char| c.is_ascii_digit()) {
        let version = parsed(range)?;
        let exact = version.release().len() > 2 || version.any_prerelease();
        format!("=={range}{}", if exact { "" } else { ".*" })
    } else if range.is_empty() {
        return Err("nothing follows the @".to_owned());
    } else {
        range.to_owned()
    };
    VersionSpecifiers::from_str(&text).map_err(|error| first_line(&error.to_string()))
}

/// Versions from this one up to the next in which the number at a place is higher.
fn up_to(version: &str, place: impl Fn(&[u64]) -> usize) -> Result<String, String> {
    let parsed = parsed(version)?;
    let release = parsed.release();
    let place = place(release);
    let mut next: Vec<u64> = release[..=place].to_vec();
    next[place] = next[place].checked_add(1).ok_or("its number is too large")?;
    let next: Vec<String> = next.iter().map(u64::to_string).collect();
    Ok(format!(">={version},<{}", next.join(".")))
}

/// npm's caret: the first number that is not 0 stays, or the last one that is written.
fn caret(release: &[u64]) -> usize {
    release.iter().position(|number| *number > 0).unwrap_or(release.len() - 1)
}

fn parsed(version: &str) -> Result<Version, String> {
    Version::from_str(version).map_err(|error| first_line(&error.to_string()))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(range: &str, version: &str) -> bool {
        let specifier = PypiSpecifier::parse(&format!("pypi:x@{range}")).unwrap();
        specifier.versions().contains(&Version::from_str(version).unwrap())
    }

    #[test]
    fn a_name_is_normalized_and_the_range_is_kept_as_it_is_written() {
        for (text, name, shown) in [
            ("pypi:tabulate", "tabulate", "pypi:tabulate"),
            ("pypi:Charset_Normalizer@^3", "charset-normalizer", "pypi:charset-normalizer@^3"),
            ("pypi:ruamel.yaml@>=0.17,<0.18", "ruamel-yaml", "pypi:ruamel-yaml@>=0.17,<0.18"),
        ] {
            let specifier = PypiSpecifier::parse(text).unwrap();
            assert_eq!((specifier.name(), specifier.to_string().as_str()), (name, shown));
            assert_eq!(PypiSpecifier::parse(shown).unwrap(), specifier);
        }
    }

    #[test]
    fn ranges_of_npm_and_of_pep_440_are_taken() {
        for (range, taken, not) in [
            ("^0.9", &["0.9", "0.9.0", "0.9.7"][..], &["0.8.9", "0.10.0", "1.0"][..]),
            ("^1.2", &["1.2", "1.9.9"], &["1.1", "2.0", "2.0rc1"]),
            ("^0.0.3", &["0.0.3", "0.0.3.post1"], &["0.0.4"]),
            ("^0", &["0.1", "0.99"], &["1.0"]),
            ("~1.2.3", &["1.2.3", "1.2.9"], &["1.3"]),
            ("~1", &["1.0", "1.9"], &["2.0"]),
            ("1.2", &["1.2", "1.2.9"], &["1.3"]),
            ("1.2.3", &["1.2.3"], &["1.2.4"]),
            ("~=1.4", &["1.4", "1.9"], &["2.0"]),
            (">=1,<2", &["1.5"], &["2.0", "0.9"]),
            ("==1.2.*", &["1.2.5"], &["1.3"]),
            ("*", &["0.1", "99"], &[]),
        ] {
            assert!(taken.iter().all(|version| takes(range, version)), "{range}");
            assert!(not.iter().all(|version| !takes(range, version)), "{range}");
        }
    }

    #[test]
    fn what_names_no_package_or_no_versions_is_an_error() {
        for text in [
            "pypi:",
            "pypi:-x",
            "pypi:x-",
            "pypi:../x",
            "pypi:a/b",
            "pypi:x y",
            "pypi:\u{430}",
            "pypi:x@",
            "pypi:x@latest",
            "pypi:x@^",
            "pypi:x@^a",
            "pypi:x@>=",
            "pypi:x@ @ y",
            "pypi:x@https://a.example/x.whl",
            "pypi:x@^18446744073709551615",
            "npm:x",
        ] {
            assert!(PypiSpecifier::parse(text).is_err(), "{text}");
        }
        let extra = PypiSpecifier::parse("pypi:httpx[http2]").unwrap_err();
        assert!(extra.to_string().contains("has an extra"), "{extra}");
        let long = format!("pypi:{}", "a".repeat(300));
        assert_eq!(PypiSpecifier::parse(&long).unwrap_err(), PypiError::TooLong(305));
    }
}
