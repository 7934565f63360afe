//! What is kept of npm's package `typescript`: the compiler as a library, the declarations of
//! ECMAScript that it needs, and the licence and notices that they come with.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::archive::{Target, unpack_some_of_tar_gz};
use crate::packages::checker::{COMPILER, is_library};

/// The directory that all of an archive of npm is in.
const ROOT: &str = "package/";

/// Where the compiler and the declarations are below it.
const LIBRARY: &str = "lib/";

/// The texts of its licences.
const LICENSES: [&str; 2] = ["LICENSE.txt", "ThirdPartyNoticeText.txt"];

/// Unpacks the archive.
pub(super) fn unpack(archive: impl Read, directory: &Path) -> Result<(), String> {
    unpack_some_of_tar_gz(archive, &mut Target::new(directory), kept)?;
    match directory.join(COMPILER).is_file() {
        true => Ok(()),
        false => Err(format!("it does not have {LIBRARY}{COMPILER}")),
    }
}

/// Where a file of the archive goes, if it is kept.
fn kept(name: &str) -> Option<PathBuf> {
    let file = name.strip_prefix(ROOT)?;
    if LICENSES.contains(&file) {
        return Some(Path::new("LICENSES").join(file));
    }
    let file = file.strip_prefix(LIBRARY)?;
    (file == COMPILER || is_library(file)).then(|| PathBuf::from(file))
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::tests::Scratch;
    use super::*;

    fn archive(names: &[&str]) -> Vec<u8> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for name in names {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o755);
            header.set_size(4);
            archive.append_data(&mut header, name, &b"text"[..]).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn the_compiler_its_declarations_and_licences_are_kept_and_nothing_else() {
        let scratch = Scratch::new("checker");
        let directory = scratch.0.join("into");
        let archive = archive(&[
            "package/bin/tsc",
            "package/lib/typescript.js",
            "package/lib/typescript.d.ts",
            "package/lib/tsc.js",
            "package/lib/lib.es5.d.ts",
            "package/lib/lib.dom.d.ts",
            "package/lib/lib.esnext.array.d.ts",
            "package/lib/lib.decorators.d.ts",
            "package/lib/de/diagnosticMessages.generated.json",
            "package/package.json",
            "package/LICENSE.txt",
            "package/ThirdPartyNoticeText.txt",
        ]);
        unpack(&archive[..], &directory).unwrap();
        let expected = [
            "LICENSES",
            "lib.decorators.d.ts",
            "lib.es5.d.ts",
            "lib.esnext.array.d.ts",
            "typescript.js",
        ];
        assert_eq!(names(&directory), expected);
        assert_eq!(names(&directory.join("LICENSES")), LICENSES);
    }

    #[test]
    fn an_archive_without_a_compiler_is_none() {
        let scratch = Scratch::new("no-checker");
        let error = unpack(&archive(&["package/a"])[..], &scratch.0.join("into")).unwrap_err();
        assert_eq!(error, "it does not have lib/typescript.js");
    }
}
