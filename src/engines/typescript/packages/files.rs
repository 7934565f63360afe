//! The files of a generation: which may be read, and how much of them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;

use super::sys;

/// Below a generation.
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const BUNDLE: &str = "bundle";

/// Bytes of a manifest: 200 packages with 2000 subpaths of 40 bytes have 16 MB.
const MAX_MANIFEST: u64 = 32 << 20;

/// Files of a generation: the 100,000 modules that a manifest may have, and what they share.
const MAX_FILES: usize = 1 << 17;

/// Bytes of one module and of all, as the bundler makes them at most.
const MAX_FILE: u64 = 64 << 20;
const MAX_ALL: u64 = 256 << 20;

/// Files below this size share one mapping, so that there are at most [`MAX_ALL`] /
/// `SHARED_BELOW` = 4096 of them: fork copies each, in about a fifth of a microsecond.
const SHARED_BELOW: u64 = 64 << 10;

/// What was mapped.
#[derive(Default)]
pub(super) struct Mapped {
    /// By name.
    pub files: HashMap<Box<str>, &'static [u8]>,
    /// One sentence for each file that was left out.
    pub problems: Vec<String>,
}

/// The text of a generation's manifest.
pub(super) fn read_manifest(generation: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(generation.join(MANIFEST))?;
    let mut text = Vec::new();
    file.take(MAX_MANIFEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_MANIFEST {
        return Err(io::Error::other(format!("{MANIFEST} has more than {MAX_MANIFEST} bytes")));
    }
    Ok(text)
}

/// Maps every regular file of a directory that has a flat, plain name. No descriptor
/// stays open.
pub(super) fn map_bundle(directory: &Path) -> io::Result<Mapped> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let mut directory = Dir::open(directory, flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in directory.iter() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        if name != "." && name != ".." {
            names.push(name.into_owned());
        }
        if names.len() > MAX_FILES {
            return Err(io::Error::other(format!("{BUNDLE} has more than {MAX_FILES} files")));
        }
    }
    names.sort_unstable();
    let mut mapping = Mapping::default();
    for name in names {
        if let Err(problem) = mapping.add(&directory, &name) {
            mapping.mapped.problems.push(format!("The module {name:?} is left out: {problem}"));
        }
    }
    Ok(mapping.finish())
}

/// Whether a file of this name can be a module: no path, and nothing that a URL changes.
fn is_plain(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_allowed)
}

#[derive(Default)]
struct Mapping {
    mapped: Mapped,
    /// The small files, one after the other, and where each ends.
    small: Vec<u8>,
    ends: Vec<(Box<str>, usize)>,
    bytes: u64,
}

impl Mapping {
    fn add(&mut self, directory: &Dir, name: &str) -> io::Result<()> {
        if !is_plain(name) {
            return Err(io::Error::other("its name is not one of letters, digits, _, - and ."));
        }
        // A pipe in its place must not be waited for.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = File::from(openat(directory.as_fd(), name, flags, Mode::empty())?);
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        if found.len() > MAX_FILE {
            return Err(io::Error::other(format!("it has more than {MAX_FILE} bytes")));
        }
        if self.bytes + found.len() > MAX_ALL {
            return Err(io::Error::other(format!("all modules have more than {MAX_ALL} bytes")));
        }
        if found.len() >= SHARED_BELOW {
            let bytes = sys::map_for_ever(&OwnedFd::from(file))?;
            self.mapped.files.insert(name.into(), bytes);
        } else {
            self.add_small(name, file.take(SHARED_BELOW))?;
        }
        self.bytes += found.len();
        Ok(())
    }

    /// What was read of a file that cannot be read to its end belongs to no file.
    fn add_small(&mut self, name: &str, mut file: impl Read) -> io::Result<()> {
        let start = self.small.len();
        if let Err(error) = file.read_to_end(&mut self.small) {
            self.small.truncate(start);
            return Err(error);
        }
        self.ends.push((name.into(), self.small.len()));
        Ok(())
    }

    fn finish(mut self) -> Mapped {
        let all = share(self.small);
        let mut start = 0;
        for (name, end) in self.ends {
            self.mapped.files.insert(name, &all[start..end]);
            start = end;
        }
        self.mapped
    }
}

/// A copy of bytes that all workers share, and none of them can write. Where such memory is
/// not to be had (vm.memfd_noexec=2), it is this process's own, which a fork copies.
fn share(bytes: Vec<u8>) -> &'static [u8] {
    if bytes.is_empty() {
        return &[];
    }
    shared(&bytes).unwrap_or_else(|_| bytes.leak())
}

fn shared(bytes: &[u8]) -> io::Result<&'static [u8]> {
    let memory = memfd_create("packages", MFdFlags::MFD_CLOEXEC)?;
    File::from(memory.try_clone()?).write_all(bytes)?;
    sys::map_for_ever(&sys::read_only(memory)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flat_names_of_plain_characters_are_modules() {
        for name in ["zod.mjs", "a-b_c.1.json", "x"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["", ".", "..", ".hidden", "a/b", "a%2fb", "a b", "ä.mjs", "a\0"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }

    /// Some bytes, and then an error.
    struct Breaks(&'static [u8]);

    impl Read for Breaks {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::from_raw_os_error(nix::libc::EIO)),
                read => Ok(read),
            }
        }
    }

    #[test]
    fn what_was_read_of_a_file_that_fails_is_in_no_other() {
        let mut mapping = Mapping::default();
        mapping.add_small("a.mjs", &b"a"[..]).unwrap();
        mapping.add_small("broken.mjs", Breaks(b"half of it")).unwrap_err();
        mapping.add_small("c.mjs", &b"ccc"[..]).unwrap();
        let files = mapping.finish().files;
        assert_eq!(files.len(), 2);
        assert_eq!((files["a.mjs"], files["c.mjs"]), (&b"a"[..], &b"ccc"[..]));
    }

    #[test]
    fn small_and_large_files_are_mapped_and_what_is_no_regular_file_is_left_out() {
        let directory = std::env::temp_dir().join(format!("bundle-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(directory.join("folder.mjs")).unwrap();
        let large = vec![b'x'; SHARED_BELOW as usize + 1];
        std::fs::write(directory.join("a.mjs"), "a").unwrap();
        std::fs::write(directory.join("b.mjs"), "").unwrap();
        std::fs::write(directory.join("c.mjs"), "ccc").unwrap();
        std::fs::write(directory.join("large.mjs"), &large).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", directory.join("link.mjs")).unwrap();
        nix::unistd::mkfifo(&directory.join("pipe.mjs"), Mode::S_IRUSR).unwrap();
        let mapped = map_bundle(&directory).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        let mut found: Vec<_> =
            mapped.files.iter().map(|(name, bytes)| (&**name, *bytes)).collect();
        found.sort_unstable();
        let expected: [(&str, &[u8]); 4] =
            [("a.mjs", b"a"), ("b.mjs", b""), ("c.mjs", b"ccc"), ("large.mjs", &large)];
        assert_eq!(found, expected);
        assert_eq!(mapped.problems.len(), 3, "{:?}", mapped.problems);
    }
}
