//! Where packages lie in a generation: pnpm's layout, with relative links.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use deno_npm::{NpmPackageId, NpmResolutionPackage};

use super::cache::hex;
use super::integrity::Integrity;
use super::names::is_package_name;
use super::totals::Totals;
use super::unpack::{UnpackError, Unpacked, make_directories};

/// The directory of all packages, below `node_modules`.
const STORE: &str = "node_modules/.store";

/// Beside the `node_modules` of a package in the store: the hash of what is in it.
const HASH: &str = "integrity";

/// Names of directories in the store are cut here and get a hash: a name in a file system
/// has 255 bytes, and peers of peers make long ones.
const MAX_DIRECTORY: usize = 160;

/// The name of a package's directory in the store. It names the peers, too: the same
/// package beside other peers is another one.
pub(super) fn directory_name(id: &NpmPackageId) -> String {
    let serialized = id.as_serialized();
    let name = serialized.replace("/", "+");
    if name.len() <= MAX_DIRECTORY {
        return name.to_string();
    }
    use sha2::{Digest, Sha256};
    let hash = hex(&Sha256::digest(serialized.as_bytes())[..16]);
    // Names of packages and versions are ASCII.
    format!("{}_{hash}", &name[..MAX_DIRECTORY])
}

/// A package's own directory, relative to the generation.
pub(super) fn place(id: &NpmPackageId) -> PathBuf {
    Path::new(STORE).join(directory_name(id)).join("node_modules").join(id.nv.name.as_str())
}

/// Where the hash of a package's files is, relative to a generation.
fn hash_file(id: &NpmPackageId) -> PathBuf {
    Path::new(STORE).join(directory_name(id)).join(HASH)
}

/// Says which archive a package's files are of. Written last.
pub(super) fn write_hash(
    generation: &Path,
    id: &NpmPackageId,
    hash: &Integrity,
) -> Result<(), UnpackError> {
    let path = generation.join(hash_file(id));
    std::fs::write(&path, hash.to_string()).map_err(|error| UnpackError::Write { path, error })
}

/// Takes the files of the current generation, if they are of the same archive: as hard
/// links, which cost no space. Nothing if they are not, or if links cannot be made.
pub(super) fn take_over(
    current: &Path,
    generation: &Path,
    id: &NpmPackageId,
    hash: &Integrity,
    totals: &Totals,
) -> Result<Option<Unpacked>, UnpackError> {
    let written = std::fs::read_to_string(current.join(hash_file(id)));
    if written.ok() != Some(hash.to_string()) {
        return Ok(None);
    }
    let place = place(id);
    let mut unpacked = Unpacked::default();
    match link_tree(&current.join(&place), &generation.join(&place), &mut unpacked) {
        Ok(()) => {
            totals.add(unpacked.files, unpacked.bytes)?;
            Ok(Some(unpacked))
        }
        Err(_) => {
            let target = generation.join(&place);
            match std::fs::remove_dir_all(&target) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(UnpackError::Write { path: target, error })
                }
                Ok(()) | Err(_) => Ok(None),
            }
        }
    }
}

fn link_tree(from: &Path, to: &Path, unpacked: &mut Unpacked) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let target = to.join(entry.file_name());
        if metadata.is_dir() {
            link_tree(&entry.path(), &target, unpacked)?;
        } else if metadata.is_file() {
            std::fs::hard_link(entry.path(), target)?;
            unpacked.files += 1;
            unpacked.bytes += metadata.len();
        } else {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(())
}

/// Links the dependencies of a package beside it. Those for other systems are not there.
pub(super) fn link_dependencies(
    generation: &Path,
    package: &NpmResolutionPackage,
    installed: &HashMap<NpmPackageId, PathBuf>,
) -> Result<(), UnpackError> {
    let beside = Path::new(STORE).join(directory_name(&package.id)).join("node_modules");
    for (key, id) in &package.dependencies {
        let Some(target) = installed.get(id) else { continue };
        if !is_package_name(key) {
            return Err(UnpackError::Dependency(key.to_string()));
        }
        // A package that depends on its own name finds itself, as in npm.
        if *key != package.id.nv.name {
            link(generation, &beside.join(key.as_str()), target)?;
        }
    }
    Ok(())
}

/// Links an allowed package where the bundler looks for it.
pub(super) fn link_allowed(
    generation: &Path,
    id: &NpmPackageId,
    place: &Path,
) -> Result<(), UnpackError> {
    link(generation, &Path::new("node_modules").join(id.nv.name.as_str()), place)
}

/// A relative link between two places of a generation, and never out of it.
fn link(generation: &Path, from: &Path, to: &Path) -> Result<(), UnpackError> {
    let is_plain = |part| matches!(part, Component::Normal(_));
    if !from.components().chain(to.components()).all(is_plain) {
        return Err(UnpackError::Dependency(from.display().to_string()));
    }
    let path = generation.join(from);
    let directory = from.parent().unwrap_or(Path::new(""));
    make_directories(&generation.join(directory))?;
    let shared = directory.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = directory.components().skip(shared).map(|_| Path::new(".."));
    let down = to.components().skip(shared).map(|part| Path::new(part.as_os_str()));
    let target: PathBuf = up.chain(down).collect();
    symlink(target, &path).map_err(|error| UnpackError::Write { path, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> NpmPackageId {
        NpmPackageId::from_serialized(text).expect("it is an id")
    }

    #[test]
    fn a_place_names_version_and_peers() {
        assert_eq!(
            place(&id("@a/b@1.0.0_react@18.0.0")),
            Path::new("node_modules/.store/@a+b@1.0.0_react@18.0.0/node_modules/@a/b")
        );
    }

    #[test]
    fn long_names_stay_names_of_files() {
        let peers: String = (0..20).map(|n| format!("_a-long-name-{n}@1.0.0")).collect();
        let name = directory_name(&id(&format!("a@1.0.0{peers}")));
        assert!(name.len() < 200 && name.starts_with("a@1.0.0_a-long-name-0@1.0.0"), "{name}");
    }

    #[test]
    fn links_stay_in_their_generation() {
        let home = tempfile::tempdir().expect("a directory");
        let generation = home.path().join("generation");
        let (to, absolute) = (Path::new("node_modules/x"), home.path().join("out"));
        for from in [Path::new("node_modules/../../out"), &absolute] {
            let error = link(&generation, from, to).expect_err("it is refused");
            assert!(matches!(error, UnpackError::Dependency(_)), "{error}");
        }
        assert_eq!(std::fs::read_dir(home.path()).expect("a directory").count(), 0);
    }

    #[test]
    fn links_are_relative() {
        let generation = tempfile::tempdir().expect("a directory");
        let from = Path::new("node_modules/.store/x@1/node_modules/@a/b");
        let to = Path::new("node_modules/.store/@a+b@1/node_modules/@a/b");
        link(generation.path(), from, to).expect("a link");
        assert_eq!(
            std::fs::read_link(generation.path().join(from)).expect("it is one"),
            Path::new("../../../@a+b@1/node_modules/@a/b")
        );
    }
}
