//! A wheel as a zip whose files are stored: Python reads it as it lies in memory. Only what is
//! imported or read as data of a package is kept, below the zip's own root.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::fetch::limits::{MAX_DEPTH, MAX_NAME, MAX_PATH};

/// Files of a wheel: botocore has some 2,000, the largest ones of data 20,000.
const MAX_FILES: usize = 50_000;

/// Bytes of a wheel, unpacked. They are mapped by every process of a run.
const MAX_UNPACKED: u64 = 256 << 20;

/// Bytes of all wheels: the address space of the interpreter has 4 GiB.
const MAX_TOTAL: u64 = 1 << 30;

/// Bytes of METADATA in a wheel.
const MAX_METADATA: u64 = 4 << 20;

/// What was made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Repacked {
    pub bytes: u64,
    pub modules: Vec<String>,
}

/// METADATA of a wheel.
pub(super) fn metadata(wheel: &[u8]) -> Result<String, String> {
    let mut archive = opened(wheel)?;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| error.to_string())?;
        let name = entry.name();
        let is_it = name.split_once('/').is_some_and(|(directory, file)| {
            directory.ends_with(".dist-info") && file == "METADATA"
        });
        if is_it {
            let mut text = String::new();
            let read = entry.take(MAX_METADATA).read_to_string(&mut text);
            return read.map(|_| text).map_err(|error| format!("METADATA: {error}"));
        }
    }
    Err("it is not a wheel: it has no METADATA".to_owned())
}

/// Writes a wheel's files to a zip.
pub(super) fn repack(wheel: &[u8], place: &Path) -> Result<Repacked, String> {
    let mut archive = opened(wheel)?;
    if archive.len() > MAX_FILES {
        return Err(format!("it has more than {MAX_FILES} files, which is the limit"));
    }
    let cannot = |error: &dyn std::fmt::Display| format!("{}: {error}", place.display());
    let file = File::create_new(place).map_err(|error| cannot(&error))?;
    let mut zip = ZipWriter::new(file);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o644);
    let (mut seen, mut modules, mut left) = (BTreeSet::new(), BTreeSet::new(), MAX_UNPACKED);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| error.to_string())?;
        let name = entry.name().to_owned();
        if entry.is_dir() {
            continue;
        }
        if !entry.is_file() || entry.encrypted() {
            return Err(format!("{name:?} is neither a file nor a directory"));
        }
        let Some(path) = kept(&name)? else { continue };
        if !seen.insert(path.to_lowercase()) {
            return Err(format!("{path:?} is in it twice"));
        }
        modules.extend(module(path));
        zip.start_file(path, options).map_err(|error| cannot(&error))?;
        left = copy(&mut entry, &mut zip, left).map_err(|text| format!("{name:?}: {text}"))?;
    }
    let file = zip.finish().map_err(|error| cannot(&error))?;
    let bytes = file.metadata().map_err(|error| cannot(&error))?.len();
    Ok(Repacked { bytes, modules: modules.into_iter().collect() })
}

/// All wheels together.
pub(super) fn check_total(total: u64) -> Result<(), String> {
    match total {
        0..=MAX_TOTAL => Ok(()),
        _ => Err(format!("the packages have {total} bytes, more than {MAX_TOTAL}")),
    }
}

fn opened(wheel: &[u8]) -> Result<ZipArchive<Cursor<&[u8]>>, String> {
    ZipArchive::new(Cursor::new(wheel)).map_err(|error| format!("it is not a wheel: {error}"))
}

/// Copies a file, counted by what is in it. Answers how much may follow.
fn copy(
    entry: &mut impl std::io::Read,
    zip: &mut ZipWriter<File>,
    mut left: u64,
) -> Result<u64, String> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = entry.read(&mut buffer).map_err(|error| error.to_string())?;
        if read == 0 {
            return Ok(left);
        }
        left = left.checked_sub(read as u64).ok_or_else(|| {
            format!("with it, the wheel has more than {MAX_UNPACKED} bytes, which is the limit")
        })?;
        zip.write_all(&buffer[..read]).map_err(|error| error.to_string())?;
    }
}

/// The path of a file in the new zip. Scripts, headers and files for elsewhere are left out.
fn kept(name: &str) -> Result<Option<&str>, String> {
    check(name)?;
    let Some((first, rest)) = name.split_once('/') else { return Ok(Some(name)) };
    if !first.ends_with(".data") {
        return Ok(Some(name));
    }
    // PEP 427: what is for the directory of modules is listed apart.
    let (key, below) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((matches!(key, "purelib" | "platlib") && !below.is_empty()).then_some(below))
}

/// Whether a path leads down, and is one that every file system has.
fn check(name: &str) -> Result<(), String> {
    let refused = |what: &str| Err(format!("{name:?} is {what}"));
    let parts: Vec<&str> = name.split('/').collect();
    if name.len() > MAX_PATH || parts.len() > MAX_DEPTH {
        return refused("too long for a path");
    }
    if parts.iter().any(|part| matches!(*part, "" | "." | "..") || part.len() > MAX_NAME) {
        return refused("not a path below the package");
    }
    if name.chars().any(|c| c.is_control() || c == '\\' || c == ':') {
        return refused("a name with characters that are not for names");
    }
    Ok(())
}

/// The name that a file is imported by, if it is of one.
fn module(path: &str) -> Option<String> {
    let name = match path.split_once('/') {
        Some((first, rest)) if rest.ends_with(".py") => first,
        Some(_) => return None,
        None => path.strip_suffix(".py")?,
    };
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (name.starts_with(is_first) && name.chars().all(is_name)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel(files: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            zip.start_file(*name, SimpleFileOptions::default()).expect("a name");
            zip.write_all(content.as_bytes()).expect("memory takes all");
        }
        zip.finish().expect("memory takes all").into_inner()
    }

    #[test]
    fn modules_and_data_are_stored_and_scripts_are_left_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = directory.path().join("a.zip");
        let wheel = wheel(&[
            ("a/__init__.py", "x = 1"),
            ("a/data.txt", "data"),
            ("six.py", ""),
            ("a-1.data/purelib/b/__init__.py", ""),
            ("a-1.data/scripts/run", "#!python"),
            ("a-1.dist-info/METADATA", "Name: a\n"),
        ]);
        let repacked = repack(&wheel, &place).expect("it is one");
        assert_eq!(repacked.modules, ["a", "b", "six"]);
        let mut zip = ZipArchive::new(File::open(&place).expect("a file")).expect("a zip");
        let mut names = Vec::new();
        for index in 0..zip.len() {
            let entry = zip.by_index(index).expect("an entry");
            assert_eq!(entry.compression(), CompressionMethod::Stored);
            names.push(entry.name().to_owned());
        }
        let expected =
            ["a/__init__.py", "a/data.txt", "six.py", "b/__init__.py", "a-1.dist-info/METADATA"];
        assert_eq!(names, expected);
        assert_eq!(metadata(&wheel).as_deref(), Ok("Name: a\n"));
    }

    #[test]
    fn what_leads_elsewhere_or_is_there_twice_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        for (at, files) in [
            vec![("../evil.py", "")],
            vec![("/etc/evil.py", "")],
            vec![("a/./b.py", "")],
            vec![("a\\b.py", "")],
            vec![("a-1.data/purelib/../../evil.py", "")],
            vec![("a/x.py", ""), ("A/x.py", "")],
        ]
        .into_iter()
        .enumerate()
        {
            let place = directory.path().join(format!("{at}.zip"));
            assert!(repack(&wheel(&files), &place).is_err(), "{files:?}");
        }
        assert!(metadata(b"not a zip").is_err());
        assert!(check_total(MAX_TOTAL).is_ok() && check_total(MAX_TOTAL + 1).is_err());
        assert!(metadata(&wheel(&[("a.py", "")])).is_err());
    }
}
