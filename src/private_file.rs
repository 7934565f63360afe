//! Files of secrets: replaced as a whole, and for their owner only. And files that decide
//! what this server does: who else can write or read them.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::statfs::statfs;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::geteuid;

use crate::links::places;

/// Bytes of a list of users or groups that are read: some ten thousand.
const MAX_NAMES: u64 = 1 << 20;

const WRITE_GROUP: u32 = 0o020;
const WRITE_OTHERS: u32 = 0o002;
const READ_GROUP: u32 = 0o040;
const READ_OTHERS: u32 = 0o004;
const SEARCH_GROUP: u32 = 0o010;
const SEARCH_OTHERS: u32 = 0o001;

/// Of a directory: only an entry's owner renames and removes it (inode(7)).
const STICKY: u32 = 0o1000;

/// The file whose lock says that one of secrets is being changed. Behind a link it is
/// beside what the link names: who comes by it and who does not take turns.
pub(crate) fn lock_of(path: &Path) -> PathBuf {
    beside(&real(path), "lock")
}

/// What a link names.
pub(crate) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// `PATH.SUFFIX`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Gives a file this content, through a temporary one in the same directory. A reader
/// sees the old content or the new, also after a crash (rename(2), fsync(2)).
pub(crate) fn replace(path: &Path, temporary: &Path, text: &[u8]) -> io::Result<()> {
    let mut written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    written.write_all(text)?;
    written.sync_all()?;
    std::fs::rename(temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Whether others than root and this server's user decide what stands in a file, or in a
/// directory. The answer is what the administrator should know.
///
/// A group of the owner alone is no other (Debian, Ubuntu and Fedora give each user one,
/// and make files that it can write); nor is one who can write where the file system is
/// mounted read-only, as Kubernetes mounts what it configures. A directory is warned of and
/// not refused, because containers have such ones that nobody else sees; nor is a file where
/// modes say nothing of who can write it.
///
/// # Errors
/// Everybody can write the file itself: it is not to be used. A sentence.
pub(crate) fn check_writers(path: &Path) -> Result<Vec<String>, String> {
    let Ok(places) = places(path) else {
        // Whoever reads it says what is wrong.
        return Ok(Vec::new());
    };
    let Some(((_, file), _)) = places.split_last() else { return Ok(Vec::new()) };
    let is_open = file.is_file() && file.mode() & WRITE_OTHERS != 0 && !is_read_only(path);
    if is_open && keeps_modes(path) {
        return Err(format!(
            "every user of this machine can write this file, and so decide what the server does; \
             run chmod o-w {}",
            path.display()
        ));
    }
    let names = Names::of_this_machine();
    Ok(places.iter().filter_map(|(place, found)| writer(place, found, &names)).collect())
}

/// Whether others than root and the owner can read a file.
pub(crate) fn is_read_by_others(path: &Path) -> bool {
    let Ok(places) = places(path) else { return false };
    let Some(((_, file), directories)) = places.split_last() else { return false };
    let all =
        |bits| directories.iter().all(|(_, found)| found.is_symlink() || found.mode() & bits != 0);
    let by_all = file.mode() & READ_OTHERS != 0 && all(SEARCH_OTHERS);
    let by_group = file.mode() & READ_GROUP != 0 && all(SEARCH_OTHERS | SEARCH_GROUP);
    by_all || by_group && Names::of_this_machine().has_others(file.gid(), file.uid())
}

/// Who else can write a place.
fn writer(place: &Path, found: &Metadata, names: &Names) -> Option<String> {
    let shown = place.display();
    let (owner, mode) = (found.uid(), found.mode());
    if owner != 0 && owner != geteuid().as_raw() {
        return Some(format!(
            "{shown} belongs to user {owner}, who can change it; run chown if that is not intended"
        ));
    }
    let is_kept = found.is_symlink() || found.is_dir() && mode & STICKY != 0;
    if is_kept || mode & (WRITE_GROUP | WRITE_OTHERS) == 0 || is_read_only(place) {
        return None;
    }
    if mode & WRITE_OTHERS != 0 {
        return Some(format!(
            "every user of this machine can write {shown}; run chmod o-w {shown}"
        ));
    }
    names.has_others(found.gid(), owner).then(|| {
        let group = names.group(found.gid());
        format!("everybody in the group {group} can write {shown}; run chmod g-w {shown}")
    })
}

/// Where nothing can be written, modes say nothing.
fn is_read_only(place: &Path) -> bool {
    statvfs(place).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY))
}

/// Whether a place is on a file system that keeps modes. WSL's drives of Windows (9p) and
/// what other systems format have the mode that the mount says, which is often 0777.
fn keeps_modes(place: &Path) -> bool {
    statfs(place).map_or(true, |found| is_of_this_system(found.filesystem_type().0))
}

fn is_of_this_system(file_system: i64) -> bool {
    const FOREIGN: [i64; 5] = [
        // linux/magic.h: V9FS_MAGIC, MSDOS_SUPER_MAGIC (vfat too), EXFAT_SUPER_MAGIC.
        0x0102_1997,
        0x4d44,
        0x2011_bab0,
        // statfs(2): NTFS_SB_MAGIC; and linux/fs/ntfs3/super.c.
        0x5346_544e,
        0x7366_746e,
    ];
    !FOREIGN.contains(&file_system)
}

/// Users and groups of this machine's own files (passwd(5), group(5)).
struct Names {
    passwd: String,
    group: String,
}

impl Names {
    fn of_this_machine() -> Self {
        let read = |path| {
            let mut text = Vec::new();
            let file = File::open(path).map(|file| file.take(MAX_NAMES));
            let _ = file.and_then(|mut file| file.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        };
        Self { passwd: read("/etc/passwd"), group: read("/etc/group") }
    }

    /// Whether a group has others than root and a file's owner. Of one that stands nowhere,
    /// only its number says so: those who have a group of their own have its number.
    fn has_others(&self, gid: u32, owner: u32) -> bool {
        let id = |field: Option<&&str>| field.and_then(|text| text.parse::<u32>().ok());
        let users: Vec<(&str, u32, u32)> = self
            .passwd
            .lines()
            .filter_map(|line| {
                let fields: Vec<_> = line.split(':').collect();
                Some((*fields.first()?, id(fields.get(2))?, id(fields.get(3))?))
            })
            .collect();
        let is_other = |uid: u32| uid != 0 && uid != owner;
        let by_their_own = users.iter().any(|(_, uid, own)| *own == gid && is_other(*uid));
        let Some(members) = self.line_of(gid).and_then(|line| line.split(':').nth(3)) else {
            return by_their_own || gid != owner;
        };
        let uid_of = |name| users.iter().find(|(known, ..)| *known == name).map(|(_, uid, _)| *uid);
        let mut members = members.split(',').map(str::trim).filter(|name| !name.is_empty());
        by_their_own || members.any(|name| uid_of(name).is_none_or(is_other))
    }

    /// A group's name, or its number.
    fn group(&self, gid: u32) -> String {
        let name = self.line_of(gid).and_then(|line| line.split(':').next());
        name.map_or_else(|| gid.to_string(), str::to_owned)
    }

    fn line_of(&self, gid: u32) -> Option<&str> {
        let is_it =
            |line: &&str| line.split(':').nth(2).and_then(|text| text.parse().ok()) == Some(gid);
        self.group.lines().find(is_it)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A directory that goes with the test, with a file in a directory of its own.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("conductor-private-{name}-{}", std::process::id());
            let root = std::env::temp_dir().join(name);
            let _ = std::fs::remove_dir_all(&root);
            create_dir(&root).unwrap();
            let this = Self(root);
            create_dir(this.path("d")).unwrap();
            std::fs::write(this.path("d/f"), "").unwrap();
            this.mode("", 0o755);
            this.mode("d", 0o755);
            this.mode("d/f", 0o644);
            this
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn mode(&self, name: &str, mode: u32) {
            set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
        }

        fn check(&self, name: &str) -> Result<Vec<String>, String> {
            check_writers(&self.path(name))
        }

        /// The one warning.
        #[track_caller]
        fn warning(&self, name: &str) -> String {
            let mut warnings = self.check(name).unwrap();
            assert_eq!(warnings.len(), 1, "{warnings:#?}");
            warnings.remove(0)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn names(passwd: &str, group: &str) -> Names {
        Names { passwd: passwd.to_owned(), group: group.to_owned() }
    }

    #[test]
    fn a_file_of_its_owner_is_used_as_it_is() {
        let files = Scratch::new("own");
        assert_eq!(files.check("d/f"), Ok(vec![]));
        // One that is not there is for its reader to say.
        assert_eq!(files.check("d/none"), Ok(vec![]));
    }

    #[test]
    fn a_file_that_everybody_can_write_is_refused_with_what_mends_it() {
        let files = Scratch::new("file");
        files.mode("d/f", 0o646);
        let chmod = format!("run chmod o-w {}", files.path("d/f").display());
        assert!(files.check("d/f").unwrap_err().ends_with(&chmod));
        files.mode("d/f", 0o644);
        assert_eq!(files.check("d/f"), Ok(vec![]));
    }

    #[test]
    fn modes_say_something_where_they_are_kept() {
        let files = Scratch::new("modes");
        assert!(keeps_modes(&files.path("d/f")));
        assert!(keeps_modes(&files.path("d/none")), "whoever opens it says what is wrong");
        for (magic, keeps) in [(0xef53, true), (0x0102_1994, true), (0x0102_1997, false)] {
            assert_eq!(is_of_this_system(magic), keeps, "{magic:x}");
        }
    }

    #[test]
    fn a_directory_that_everybody_can_write_is_warned_of_unless_it_is_sticky() {
        let files = Scratch::new("directory");
        files.mode("d", 0o777);
        let chmod = format!("run chmod o-w {}", files.path("d").display());
        assert!(files.warning("d/f").ends_with(&chmod));
        files.mode("d", 0o1777);
        assert_eq!(files.check("d/f"), Ok(vec![]));
    }

    /// Only root can give files away.
    #[test]
    fn an_owner_and_a_group_that_are_others_are_warned_of() {
        if !geteuid().is_root() {
            return;
        }
        let files = Scratch::new("owner");
        let chown = |name: &str, owner, group| {
            std::os::unix::fs::chown(files.path(name), owner, group).unwrap();
        };
        // Nobody has this number, and so no group of their own.
        chown("d/f", None, Some(54_321));
        assert_eq!(files.check("d/f"), Ok(vec![]));
        files.mode("d/f", 0o664);
        let chmod = format!(
            "everybody in the group 54321 can write {0}; run chmod g-w {0}",
            files.path("d/f").display()
        );
        assert_eq!(files.warning("d/f"), chmod);
        chown("d/f", Some(54_321), Some(54_321));
        assert!(files.warning("d/f").contains("belongs to user 54321"));
        chown("d/f", Some(0), Some(0));
        assert_eq!(files.check("d/f"), Ok(vec![]));
    }

    #[test]
    fn what_a_link_leads_through_counts() {
        let files = Scratch::new("link");
        create_dir(files.path("open")).unwrap();
        symlink("../d/f", files.path("open/link")).unwrap();
        symlink(files.path("open"), files.path("way")).unwrap();
        assert_eq!(files.check("way/link"), Ok(vec![]));
        files.mode("open", 0o777);
        assert!(files.warning("way/link").contains("/open; run chmod"));
        files.mode("d/f", 0o666);
        assert!(files.check("way/link").is_err());
        symlink("loop", files.path("loop")).unwrap();
        assert_eq!(files.check("loop"), Ok(vec![]));
    }

    #[test]
    fn a_group_has_others_if_somebody_else_is_in_it() {
        let names = names(
            "root:x:0:0::/:\nalice:x:1000:1000::/:\nbob:x:1001:1001::/:\nweb:x:33:50::/:\n",
            "root:x:0:\nalice:x:1000:\nbob:x:1001:alice\nstaff:x:50:\nteam:x:60:alice,bob\n\
             own:x:70:alice,root\nempty:x:80:\ngone:x:90:carol\n",
        );
        for (gid, owner, others) in [
            (1000, 1000, false),
            (0, 0, false),
            (0, 1000, false),
            (1001, 1001, true),
            (1000, 1001, true),
            (50, 1000, true),
            (60, 1000, true),
            (70, 1000, false),
            (80, 1000, false),
            (90, 1000, true),
            (5000, 5000, false),
            (5000, 5001, true),
        ] {
            assert_eq!(names.has_others(gid, owner), others, "{gid} {owner}");
        }
        assert_eq!((names.group(60), names.group(7)), ("team".into(), "7".into()));
    }

    #[test]
    fn a_file_is_read_by_others_if_they_reach_it() {
        let files = Scratch::new("read");
        let is_read = || is_read_by_others(&files.path("d/f"));
        assert!(is_read());
        files.mode("d", 0o700);
        assert!(!is_read());
        files.mode("d", 0o711);
        assert!(is_read());
        files.mode("d/f", 0o600);
        assert!(!is_read());
    }
}
