//! Denied places told by what they are and not by how they are spelled: where a
//! file system ignores case, or is mounted twice, one place has many names.
//!
//! Device and inode tell a place on the file systems of [`TELLING`]. On others
//! they may be made up for each spelling (FUSE), and names that differ only as
//! such file systems let them count as one.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{FileStat, Mode, fstat};
use unicode_normalization::UnicodeNormalization;

/// File systems where two spellings of one place have one device and inode, and two
/// places never have (linux/magic.h): ext4, xfs, btrfs, tmpfs, f2fs, overlayfs, zfs,
/// bcachefs, squashfs, erofs, ramfs.
const TELLING: [i64; 11] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0xf2f5_2010,
    0x794c_7630,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x7371_7368,
    0xe0f5_e1e2,
    0x8584_58f6,
];

/// Characters that file systems which ignore case leave out of a comparison
/// (Unicode's Default_Ignorable_Code_Point, as in fs/unicode of Linux).
const IGNORED: [(char, char); 16] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fff8}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// What a file or directory is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl From<&FileStat> for FileId {
    fn from(stat: &FileStat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// What was found, or is about to be made, and the directories around it.
#[derive(Debug, Clone)]
pub(crate) struct Lineage {
    /// From the root directory inwards. The last is what was found; of what does
    /// not exist yet there is the directory only.
    ids: Vec<FileId>,
    exists: bool,
    /// Whether ids tell places apart here.
    telling: bool,
}

impl Lineage {
    /// `file_system` is the magic number of what was found, or of its directory.
    pub(crate) fn new(ids: Vec<FileId>, exists: bool, file_system: i64) -> Self {
        Self { ids, exists, telling: TELLING.contains(&file_system) }
    }

    /// Of what is about to be made in a directory that was itself made a moment ago.
    pub(crate) fn inside(mut self, directory: FileId) -> Self {
        // Another may have made it before.
        if self.ids.last() != Some(&directory) {
            self.ids.push(directory);
        }
        self.exists = false;
        self
    }

    fn has(&self, id: FileId) -> bool {
        self.ids.contains(&id)
    }
}

/// What is looked for among the denied places.
pub(crate) struct Sought<'a> {
    names: Vec<&'a OsStr>,
    folded: PathBuf,
    lineage: &'a Lineage,
}

impl<'a> Sought<'a> {
    /// `real` is the kernel's name for it.
    pub(crate) fn new(real: &'a Path, lineage: &'a Lineage) -> Self {
        Self { names: real.iter().collect(), folded: folded(real), lineage }
    }
}

/// What a place was, open: its inode number is not given to another file.
#[derive(Debug)]
struct Pinned {
    id: FileId,
    _open: OwnedFd,
}

impl Pinned {
    fn open(path: &Path) -> Option<Self> {
        let open = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
        Some(Self { id: FileId::from(&fstat(&open).ok()?), _open: open })
    }
}

/// A denied place.
#[derive(Debug)]
pub(crate) struct Closed {
    path: PathBuf,
    folded: PathBuf,
    /// When the rules were made.
    held: Option<Pinned>,
    /// The nearest directory above it that existed then, and the names from there:
    /// what is denied may come to exist later, or be replaced.
    above: Option<(FileId, PathBuf)>,
}

impl Closed {
    pub(crate) fn new(path: &Path) -> Self {
        let above = path.ancestors().skip(1).find_map(|directory| {
            let below = path.strip_prefix(directory).ok()?.to_owned();
            Some((id_of(directory)?, below))
        });
        Self { path: path.to_owned(), folded: folded(path), held: Pinned::open(path), above }
    }

    /// Whether what was found is this place, or lies in it.
    pub(crate) fn holds(&self, sought: &Sought<'_>) -> bool {
        if self.held.as_ref().is_some_and(|held| sought.lineage.has(held.id)) {
            return true;
        }
        let below = self.names_below(sought);
        if below.iter().any(|names| names.starts_with(self.names())) {
            return true;
        }
        let alike = beyond(&sought.folded, &self.folded).into_iter();
        let alike_below = |names: &PathBuf| beyond(&folded(names), &folded(self.names()));
        alike
            .chain(below.iter().filter_map(alike_below))
            .any(|depth| self.may_be(sought.lineage, depth))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> &Path {
        self.above.as_ref().map_or(Path::new(""), |(_, names)| names)
    }

    /// The names from each directory that is the one above this place.
    fn names_below(&self, sought: &Sought<'_>) -> Vec<PathBuf> {
        let Some((above, _)) = self.above else { return Vec::new() };
        let Sought { names, lineage, .. } = sought;
        let missing = usize::from(!lineage.exists);
        let depths = lineage.ids.iter().rev().enumerate();
        depths
            .filter(|(_, id)| **id == above)
            .filter_map(|(depth, _)| names.len().checked_sub(depth + missing))
            .map(|start| names[start..].iter().collect())
            .collect()
    }

    /// Two names that are alike are one place if they lead to the same, or if that
    /// cannot be told. Where nothing has either name yet, making one may make both.
    /// What was found lies `depth` names below the one that is alike.
    fn may_be(&self, lineage: &Lineage, depth: usize) -> bool {
        if !lineage.telling {
            return true;
        }
        let now = [std::fs::metadata(&self.path), std::fs::symlink_metadata(&self.path)];
        let mut ids = now.iter().flatten().map(FileId::from).peekable();
        if ids.peek().is_none() {
            return !lineage.exists && depth == 0;
        }
        ids.any(|id| lineage.has(id))
    }
}

/// A directory that is about to be moved or removed.
pub(crate) struct Moved {
    id: FileId,
    /// How it is spelled, where ids do not tell.
    folded: Option<PathBuf>,
}

impl Moved {
    /// `real` is the kernel's name for it, `file_system` the magic number of its
    /// directory's.
    pub(crate) fn new(id: FileId, real: &Path, file_system: i64) -> Self {
        Self { id, folded: (!TELLING.contains(&file_system)).then(|| folded(real)) }
    }

    /// Whether a place would go with it.
    pub(crate) fn takes(&self, place: &Path) -> bool {
        place.ancestors().any(|ancestor| id_of(ancestor) == Some(self.id))
            || self.folded.as_ref().is_some_and(|moved| folded(place).starts_with(moved))
    }
}

/// How many names a path has beyond a directory that it begins with.
fn beyond(path: &Path, directory: &Path) -> Option<usize> {
    path.strip_prefix(directory).ok().map(|rest| rest.iter().count())
}

fn id_of(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().map(|found| FileId::from(&found))
}

/// What is granted, to tell which denied places programs can come upon at all.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// By name, too: one that does not exist yet has no id.
    paths: Vec<PathBuf>,
    grants: Vec<FileId>,
    around: Vec<FileId>,
}

impl Reach {
    pub(crate) fn of<'a>(grants: impl Iterator<Item = &'a Path>) -> Self {
        let mut reach = Self::default();
        for grant in grants {
            reach.paths.push(grant.to_owned());
            reach.grants.extend(id_of(grant));
            reach.around.extend(grant.ancestors().filter_map(id_of));
        }
        reach
    }

    /// Whether a place lies around a grant or beneath one, whatever that is called
    /// there.
    pub(crate) fn has(&self, place: &Path) -> bool {
        let is_beneath = |path: &Path| id_of(path).is_some_and(|id| self.grants.contains(&id));
        self.paths.iter().any(|grant| place.starts_with(grant))
            || place.ancestors().any(is_beneath)
            || id_of(place).is_some_and(|id| self.around.contains(&id))
    }
}

/// A path as the least particular of file systems compares it: without case, forms
/// of accents, invisible characters, and dots and spaces at the end of a name.
fn folded(path: &Path) -> PathBuf {
    path.iter().map(|name| folded_name(&name.to_string_lossy())).collect()
}

fn folded_name(name: &str) -> String {
    let mut folded: String = if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        let shown = name.nfd().filter(|c| !is_ignored(*c));
        shown.flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfd().collect()
    };
    folded.truncate(folded.trim_end_matches(['.', ' ']).len());
    folded
}

fn is_ignored(character: char) -> bool {
    IGNORED.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TMPFS: i64 = 0x0102_1994;
    const FUSE: i64 = 0x6573_5546;

    /// A directory that goes with the test, with `ws/secret/s` in it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("conductor-closed-{name}-{}", std::process::id());
            let parent = std::env::temp_dir().canonicalize().unwrap();
            let scratch = Self(parent.join(name));
            fs::create_dir_all(scratch.path("ws/secret")).unwrap();
            fs::write(scratch.path("ws/secret/s"), "").unwrap();
            scratch
        }

        fn path(&self, below: &str) -> PathBuf {
            self.0.join(below)
        }

        /// What is found at a path that names what is at another one.
        fn found(&self, at: &str, file_system: i64) -> Lineage {
            let path = self.path(at);
            let exists = path.exists();
            let ids = path.ancestors().filter_map(id_of).collect::<Vec<_>>();
            Lineage::new(ids.into_iter().rev().collect(), exists, file_system)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn names_are_alike_as_a_file_system_without_case_has_it() {
        for (one, other) in [
            ("/ws/SECRET/s.txt", "/ws/secret"),
            ("/ws/Stra\u{df}e", "/ws/STRASSE"),
            ("/ws/caf\u{e9}", "/ws/CAFE\u{301}"),
            ("/ws/\u{212a}ey", "/ws/key"),
            ("/ws/sec\u{200d}ret", "/ws/secret"),
            ("/ws/secret. ./a", "/ws/secret"),
            ("/ws/\u{3a3}\u{3c2}", "/ws/\u{3c3}\u{3c3}"),
        ] {
            assert!(folded(Path::new(one)).starts_with(folded(Path::new(other))), "{one}");
        }
        for other in ["/ws/secrets", "/ws/secre", "/ws/s\u{e9}cret", "/ws/a/secret"] {
            assert!(!folded(Path::new(other)).starts_with("/ws/secret"), "{other}");
        }
    }

    fn holds(closed: &Closed, name: &Path, found: &Lineage) -> bool {
        closed.holds(&Sought::new(name, found))
    }

    #[test]
    fn a_place_is_told_by_what_it_is_under_any_name() {
        let scratch = Scratch::new("alias");
        let closed = Closed::new(&scratch.path("ws/secret"));
        let alias = scratch.path("elsewhere/alias");
        // As a mount shows it: another name, and the same directory.
        for (at, name) in [("ws/secret", alias.clone()), ("ws/secret/s", alias.join("s"))] {
            assert!(holds(&closed, &name, &scratch.found(at, TMPFS)), "{at}");
        }
        assert!(!holds(&closed, &scratch.path("ws"), &scratch.found("ws", TMPFS)));
    }

    #[test]
    fn another_spelling_is_another_place_where_case_counts() {
        let scratch = Scratch::new("case");
        fs::create_dir(scratch.path("ws/SECRET")).unwrap();
        fs::write(scratch.path("ws/SECRET/s"), "").unwrap();
        let closed = Closed::new(&scratch.path("ws/secret"));
        let other = scratch.path("ws/SECRET/s");
        assert!(!holds(&closed, &other, &scratch.found("ws/SECRET/s", TMPFS)));
        // Where it cannot be told, it is the denied one.
        assert!(holds(&closed, &other, &scratch.found("ws/SECRET/s", FUSE)));
        assert!(!holds(&closed, &scratch.path("ws/x"), &scratch.found("ws/x", FUSE)));
    }

    #[test]
    fn what_comes_to_exist_later_or_is_replaced_stays_closed() {
        let scratch = Scratch::new("later");
        let later = Closed::new(&scratch.path("ws/later/file"));
        let file = Closed::new(&scratch.path("ws/secret/s"));
        let alias = scratch.path("alias");
        let make = scratch.found("ws/later", TMPFS);
        assert!(!holds(&later, &scratch.path("ws/later"), &make), "only the file is denied");
        // Not yet there: one spelling or the other would be made for both.
        let make = scratch.found("ws/Later", TMPFS);
        assert!(!holds(&later, &scratch.path("ws/Later"), &make));
        fs::create_dir(scratch.path("ws/later")).unwrap();
        let make = scratch.found("ws/later/FILE", TMPFS);
        assert!(holds(&later, &scratch.path("ws/later/FILE"), &make));
        fs::write(scratch.path("ws/later/file"), "").unwrap();
        let found = scratch.found("ws/later/file", TMPFS);
        assert!(holds(&later, &alias.join("later/file"), &found));
        fs::remove_file(scratch.path("ws/secret/s")).unwrap();
        fs::write(scratch.path("ws/secret/s"), "replaced").unwrap();
        let found = scratch.found("ws/secret/s", TMPFS);
        assert!(holds(&file, &alias.join("s"), &found));
    }

    /// ext4 gives the number of a file that is gone to the next one at once.
    #[test]
    fn what_is_made_after_a_denied_file_was_replaced_is_not_that_file() {
        let scratch = Scratch::new("number");
        let secret = scratch.path("ws/secret/s");
        let was = id_of(&secret);
        let closed = Closed::new(&secret);
        fs::write(scratch.path("ws/secret/new"), "").unwrap();
        fs::rename(scratch.path("ws/secret/new"), &secret).unwrap();
        for number in 0..64 {
            let other = format!("ws/{number}");
            fs::write(scratch.path(&other), "").unwrap();
            assert_ne!(id_of(&scratch.path(&other)), was);
            assert!(!holds(&closed, &scratch.path(&other), &scratch.found(&other, TMPFS)));
        }
    }

    #[test]
    fn a_place_goes_with_the_directories_around_it_under_any_name() {
        let scratch = Scratch::new("moved");
        let [ws, secret] = ["ws", "ws/secret"].map(|below| scratch.path(below));
        let moved = |of: &Path, name: &str, file_system| {
            Moved::new(id_of(of).unwrap(), &scratch.path(name), file_system)
        };
        for file_system in [TMPFS, FUSE] {
            assert!(moved(&ws, "alias", file_system).takes(&secret));
            assert!(moved(&secret, "alias", file_system).takes(&secret));
            assert!(!moved(&secret, "alias", file_system).takes(&ws));
        }
        fs::create_dir(scratch.path("WS")).unwrap();
        let other = scratch.path("WS");
        assert!(!moved(&other, "WS", TMPFS).takes(&secret));
        // Where it cannot be told, it is the one.
        assert!(moved(&other, "WS", FUSE).takes(&secret));
        assert!(!moved(&other, "w", FUSE).takes(&secret));
    }

    #[test]
    fn only_what_can_be_come_upon_is_looked_for() {
        let scratch = Scratch::new("reach");
        let (ws, secret) = (scratch.path("ws"), scratch.path("ws/secret"));
        let beside = scratch.path("beside/file");
        let reach = |grants: &[&Path]| Reach::of(grants.iter().copied());
        assert!(reach(&[&ws]).has(&secret));
        assert!(reach(&[&secret]).has(&ws));
        assert!(!reach(&[&ws]).has(&beside));
        let later = scratch.path("ws/later");
        assert!(reach(&[&later]).has(&later.join("file")), "it can come to exist");
        assert!(!reach(&[&later]).has(&secret));
        assert!(reach(&[&ws, Path::new("/")]).has(&beside));
        assert!(!reach(&[]).has(&secret));
    }
}
