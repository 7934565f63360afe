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

    /// What leads to a place, to what is in it or to what it is in, by another path.
    /// `real` has no symbolic link in it.
    pub(crate) fn aliases(&self, real: &Path) -> Vec<PathBuf> {
        // Of several at one place, the last one is seen.
        let holds = |mount: &&Mount| real.starts_with(&mount.place);
        let holder = self.0.iter().filter(holds).max_by_key(|mount| mount.place.as_os_str().len());
        let Some(holder) = holder else { return Vec::new() };
        let inner = replaced(real, &holder.place, &holder.root);
        let same = self.0.iter().filter(|mount| mount.device == holder.device);
        same.filter_map(|mount| mount.shows(inner.as_deref()?))
            .filter(|alias| alias != real)
            .collect()
    }
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ').skip(2);
        let device = fields.next()?.to_vec();
        let mut path = || Some(PathBuf::from(unescaped(fields.next()?)));
        Some(Self { device, root: path()?, place: path()? })
    }

    /// Where a path of the file system, or what is in it, is seen through this mount.
    fn shows(&self, inner: &Path) -> Option<PathBuf> {
        let part = || self.root.starts_with(inner).then(|| self.place.clone());
        replaced(inner, &self.root, &self.place).or_else(part)
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

    #[track_caller]
    fn assert_aliases(place: &str, expected: &[&str]) {
        let found = Mounts::parse(TABLE).aliases(Path::new(place));
        assert_eq!(found, expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{place}");
    }

    #[test]
    fn a_place_is_seen_through_every_mount_of_its_file_system() {
        let both = ["/ws/alias", "/ws/with space/secret"];
        assert_aliases("/srv/data/secret", &both);
        let both = ["/ws/alias/a/b", "/ws/with space/secret/a/b"];
        assert_aliases("/srv/data/secret/a/b", &both);
        assert_aliases("/srv/data/other", &["/ws/with space/other"]);
        // Something in it is mounted elsewhere.
        assert_aliases("/srv", &["/ws/alias", "/ws/with space"]);
        assert_aliases("/mnt/sub/x", &["/ws/sub/x"]);
        assert_aliases("/ws/sub/x", &["/mnt/sub/x"]);
    }

    #[test]
    fn what_is_mounted_once_has_one_name() {
        for place in ["/home/u", "/mnt/other", "/srvx"] {
            assert_aliases(place, &[]);
        }
    }
}
