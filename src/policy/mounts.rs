//! Other names of a place: where its file system, or a part of it, is mounted a
//! second time (proc_pid_mountinfo(5)).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// What is mounted when the server starts.
#[derive(Debug, Default)]
pub(crate) struct Mounts(Vec<Mount>);

#[derive(Debug)]
struct Mount {
    /// Major and minor number of the file system.
    device: Vec<u8>,
    /// The directory of the file system that is mounted.
    root: PathBuf,
    place: PathBuf,
}

impl Mounts {
    pub(crate) fn read() -> Self {
        // Without /proc nothing could be opened either.
        Self::parse(&std::fs::read("/proc/self/mountinfo").unwrap_or_default())
    }

    fn parse(table: &[u8]) -> Self {
        Self(table.split(|byte| *byte == b'\n').filter_map(Mount::parse).collect())
    }

    /// The other paths of a place. `real` has no symbolic link in it.
    pub(crate) fn aliases(&self, real: &Path) -> Vec<PathBuf> {
        let Some((device, inner)) = self.inside(real) else { return Vec::new() };
        let aliases = self.of(device).filter_map(|it| replaced(&inner, &it.root, &it.place));
        aliases.filter(|alias| alias != real).collect()
    }

    /// Where something that lies in a place is mounted.
    pub(crate) fn parts(&self, real: &Path) -> Vec<PathBuf> {
        let Some((device, inner)) = self.inside(real) else { return Vec::new() };
        let is_part = |it: &&Mount| it.root != inner && it.root.starts_with(&inner);
        self.of(device).filter(is_part).map(|it| it.place.clone()).collect()
    }

    /// The file system of a place, and its path there.
    fn inside(&self, real: &Path) -> Option<(&[u8], PathBuf)> {
        // Of several at one place, the last one is seen.
        let holds = |mount: &&Mount| real.starts_with(&mount.place);
        let length = |mount: &&Mount| mount.place.as_os_str().len();
        let holder = self.0.iter().filter(holds).max_by_key(length)?;
        Some((holder.device.as_slice(), replaced(real, &holder.place, &holder.root)?))
    }

    fn of<'a>(&'a self, device: &'a [u8]) -> impl Iterator<Item = &'a Mount> {
        self.0.iter().filter(move |mount| mount.device == device)
    }
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ').skip(2);
        let device = fields.next()?.to_vec();
        let mut path = || Some(PathBuf::from(unescaped(fields.next()?)));
        Some(Self { device, root: path()?, place: path()? })
    }
}

/// A path with another beginning.
fn replaced(path: &Path, beginning: &Path, other: &Path) -> Option<PathBuf> {
    // Joining nothing would leave a slash behind.
    Some(other.join(path.strip_prefix(beginning).ok()?).components().collect())
}

/// Space, tab, newline and backslash are three octal digits after a backslash.
fn unescaped(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let (byte, length) = match code {
            Some(byte) if *first == b'\\' => (byte, 4),
            _ => (*first, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"22 1 8:1 / / rw - ext4 /dev/a rw\n\
        23 22 8:1 /srv/data/secret /ws/alias rw - ext4 /dev/a rw\n\
        24 22 8:1 /srv/data /ws/with\\040space rw shared:1 - ext4 /dev/a rw\n\
        25 22 8:2 / /mnt rw - ext4 /dev/b rw\n\
        26 22 8:2 /sub /ws/sub rw - ext4 /dev/b rw\n\
        odd line\n";

    fn paths(texts: &[&str]) -> Vec<PathBuf> {
        texts.iter().map(PathBuf::from).collect()
    }

    #[track_caller]
    fn assert_aliases(place: &str, expected: &[&str]) {
        let found = Mounts::parse(TABLE).aliases(Path::new(place));
        assert_eq!(found, paths(expected), "{place}");
    }

    #[test]
    fn a_place_is_seen_through_every_mount_of_its_file_system() {
        assert_aliases("/srv/data/secret", &["/ws/alias", "/ws/with space/secret"]);
        assert_aliases("/srv/data/secret/a/b", &["/ws/alias/a/b", "/ws/with space/secret/a/b"]);
        assert_aliases("/srv/data/other", &["/ws/with space/other"]);
        assert_aliases("/mnt/sub/x", &["/ws/sub/x"]);
        assert_aliases("/ws/sub/x", &["/mnt/sub/x"]);
    }

    #[test]
    fn what_is_mounted_once_has_one_name() {
        for place in ["/home/u", "/mnt/other", "/srvx", "/srv"] {
            assert_aliases(place, &[]);
        }
    }

    #[test]
    fn what_lies_in_a_place_can_be_mounted_elsewhere() {
        let mounts = Mounts::parse(TABLE);
        assert_eq!(mounts.parts(Path::new("/srv")), paths(&["/ws/alias", "/ws/with space"]));
        assert_eq!(mounts.parts(Path::new("/srv/data")), paths(&["/ws/alias"]));
        assert_eq!(mounts.parts(Path::new("/srv/data/secret")), paths(&[]));
        assert_eq!(mounts.parts(Path::new("/mnt")), paths(&["/ws/sub"]));
    }
}
