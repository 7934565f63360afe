//! Which files of a project can be installed: wheels of pure Python for this version, with a
//! SHA-256, old enough and not yanked.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pep440_rs::{Version, VersionSpecifiers};

use super::lock::Lock;
use crate::simple_index::{IndexFile, normalized};

/// Bytes of a version: those that people write have some 20. Longer ones have nothing but cost.
const MAX_VERSION: usize = 100;

/// A wheel that can be installed.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub name: String,
    pub version: Version,
    pub file: IndexFile,
    pub sha256: String,
    /// Whether it is that of the lock file.
    pub is_locked: bool,
    /// Taken only if its very version is asked for.
    pub is_yanked: bool,
}

/// The wheels of a project, the ones to try first in front, and why there are no others.
#[derive(Debug, Clone, Default)]
pub(super) struct Project {
    pub candidates: Vec<Candidate>,
    /// What was left out, in words.
    pub left_out: String,
}

/// What decides.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub python: Version,
    pub min_age: Duration,
    pub lock: Lock,
}

/// Why a file is no candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Of another project, or of no form that is known.
    Unknown,
    Source,
    Native,
    Python,
    Unhashed,
    Young,
}

impl Rules {
    /// The candidates of a project.
    pub(super) fn candidates(&self, name: &str, files: Vec<IndexFile>) -> Project {
        let mut candidates = Vec::new();
        let mut refused = Vec::new();
        for file in files {
            match self.candidate(name, file) {
                Ok(candidate) => candidates.push(candidate),
                Err(refusal) => refused.push(refusal),
            }
        }
        candidates.sort_by(|a: &Candidate, b| {
            (b.is_locked, &b.version, &a.file.name).cmp(&(a.is_locked, &a.version, &b.file.name))
        });
        // Of one version with several wheels the first.
        candidates.dedup_by(|a, b| a.version == b.version);
        Project { candidates, left_out: self.left_out(&refused) }
    }

    fn candidate(&self, name: &str, file: IndexFile) -> Result<Candidate, Refusal> {
        let version = wheel_version(name, &file.name)?;
        if !self.is_for_this_python(file.requires_python.as_deref()) {
            return Err(Refusal::Python);
        }
        let sha256 = file.sha256.clone().ok_or(Refusal::Unhashed)?;
        let locked = self.lock.get(name);
        let is_locked = locked.is_some_and(|it| it.file == file.name && it.sha256 == sha256);
        if !is_locked && self.is_young(&file) {
            return Err(Refusal::Young);
        }
        let is_yanked = file.yanked && !is_locked;
        Ok(Candidate { name: name.to_owned(), version, sha256, is_locked, is_yanked, file })
    }

    /// Whether a `Requires-Python` includes this version. What cannot be read forbids nothing,
    /// as for pip.
    pub(super) fn is_for_this_python(&self, requires: Option<&str>) -> bool {
        let allows = |text: &str| {
            VersionSpecifiers::from_str(text).map_or(true, |it| it.contains(&self.python))
        };
        requires.is_none_or(allows)
    }

    /// An index without times says nothing about the age of a file; one with a time that cannot
    /// be read has not shown that it is old.
    fn is_young(&self, file: &IndexFile) -> bool {
        let uploaded = file.uploaded.as_deref().map(|text| seconds(text).unwrap_or(u64::MAX));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let is_young = |uploaded: u64| now.saturating_sub(uploaded) < self.min_age.as_secs();
        uploaded.is_some_and(is_young)
    }

    fn left_out(&self, refused: &[Refusal]) -> String {
        let count = |kind: Refusal| refused.iter().filter(|one| **one == kind).count();
        let days = self.min_age.as_secs() / 86_400;
        let kinds = [
            (Refusal::Source, "are sources, which are not built".to_owned()),
            (Refusal::Native, "have compiled code, which Python here cannot load".to_owned()),
            (Refusal::Python, format!("are not for Python {}", self.python)),
            (Refusal::Unhashed, "have no SHA-256".to_owned()),
            (
                Refusal::Young,
                format!("are younger than {days} days (MCP_CONDUCTOR_PACKAGES_MIN_AGE)"),
            ),
        ];
        let texts = kinds.into_iter().filter_map(|(kind, text)| {
            let count = count(kind);
            (count > 0).then(|| format!("{count} {text}"))
        });
        texts.collect::<Vec<_>>().join(", ")
    }
}

/// The version of a wheel of pure Python, from its name (PEP 427).
fn wheel_version(name: &str, file: &str) -> Result<Version, Refusal> {
    let Some(stem) = file.strip_suffix(".whl") else {
        let is_source = [".tar.gz", ".zip"].iter().any(|end| file.ends_with(end));
        return Err(if is_source { Refusal::Source } else { Refusal::Unknown });
    };
    let parts: Vec<&str> = stem.split('-').collect();
    let (project, version, tags) = match parts[..] {
        [project, version, python, abi, platform]
        | [project, version, _, python, abi, platform] => {
            (project, version, (python, abi, platform))
        }
        _ => return Err(Refusal::Unknown),
    };
    if normalized(project) != name || version.len() > MAX_VERSION {
        return Err(Refusal::Unknown);
    }
    let (python, abi, platform) = tags;
    if !(python.split('.').any(|tag| tag == "py3") && abi == "none" && platform == "any") {
        return Err(Refusal::Native);
    }
    Version::from_str(version).map_err(|_| Refusal::Unknown)
}

/// Seconds since 1970.
fn seconds(time: &str) -> Option<u64> {
    let time = chrono::DateTime::parse_from_rfc3339(time).ok()?;
    u64::try_from(time.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn file(name: &str) -> IndexFile {
        IndexFile {
            name: name.to_owned(),
            url: Url::parse("http://a.example/x").expect("a URL"),
            sha256: Some("0".repeat(64)),
            requires_python: None,
            uploaded: None,
            bytes: None,
            yanked: false,
            metadata: None,
        }
    }

    fn rules() -> Rules {
        let python = Version::from_str("3.15.0").expect("a version");
        Rules { python, min_age: Duration::from_secs(3 * 86_400), lock: Lock::default() }
    }

    #[test]
    fn wheels_of_pure_python_are_taken_newest_first() {
        let names = [
            "a_b-1.9-py3-none-any.whl",
            "a.b-1.10-py2.py3-none-any.whl",
            "a_b-2.0-1-py3-none-any.whl",
            "a_b-3.0-cp315-cp315-manylinux_2_17_x86_64.whl",
            "a_b-3.0.tar.gz",
            "other-4.0-py3-none-any.whl",
            "a_b-5.0-py2-none-any.whl",
        ];
        let project = rules().candidates("a-b", names.map(file).into());
        let versions: Vec<String> =
            project.candidates.iter().map(|one| one.version.to_string()).collect();
        assert_eq!(versions, ["2.0", "1.10", "1.9"]);
        assert!(project.left_out.starts_with("1 are sources"), "{}", project.left_out);
        assert!(project.left_out.contains("2 have compiled code"), "{}", project.left_out);
    }

    #[test]
    fn a_file_without_a_hash_for_another_python_or_of_today_is_not_taken() {
        let now = chrono::DateTime::from_timestamp(
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64,
            0,
        );
        let wheel = file("a-1-py3-none-any.whl");
        let young = IndexFile { uploaded: now.map(|now| now.to_rfc3339()), ..wheel.clone() };
        let old = IndexFile { uploaded: Some("2020-01-01T00:00:00Z".into()), ..wheel.clone() };
        let undated = IndexFile { uploaded: Some("yesterday".into()), ..wheel.clone() };
        let unhashed = IndexFile { sha256: None, ..wheel.clone() };
        let other = IndexFile { requires_python: Some("<3.15".into()), ..wheel.clone() };
        let files = [(wheel, 1), (young, 0), (undated, 0), (old, 1), (unhashed, 0), (other, 0)];
        for (file, expected) in files {
            assert_eq!(
                rules().candidates("a", vec![file.clone()]).candidates.len(),
                expected,
                "{file:?}"
            );
        }
    }
}
